//! The client's end of TCP/IP, by smoltcp: one interface, one connection at a time, and datagrams to DNS servers.

use crate::guest::MAC;
use crate::path;
use smoltcp::iface::{Config, Interface, Route, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use wire::GuestTime;

/// EDK2 before 2023.11 offers this window; larger ones need scaling.
const WINDOW: usize = 64 * 1024;
const FIRST_PORT: u16 = 49152;

pub(crate) struct Stack {
    interface: Interface,
    device: Queues,
    sockets: SocketSet<'static>,
    connection: Option<SocketHandle>,
    datagrams: Option<SocketHandle>,
    router: Option<IpAddr>,
    hop_limit: Option<u8>,
    next_port: u16,
    /// What a router has said that a path takes.
    path_mtu: Option<u16>,
    /// Whether it is heard.
    discovers_path: bool,
}

/// What became of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    /// None, or it is over.
    Closed,
    /// SYN is on its way.
    Opening,
    /// Data can go both ways.
    Open,
    /// The server has sent FIN.
    Ending,
}

#[derive(Default)]
struct Queues {
    received: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl Stack {
    /// A stack at `addresses`, each with the length of the prefix that is on its link. `boot` numbers the boots of a machine: each has its own ports and sequence numbers, so that
    /// a server does not take them for the last one's (RFC 6528, RFC 6056).
    pub(crate) fn new(now: GuestTime, boot: u16, addresses: &[(IpAddr, u8)], router: Option<IpAddr>) -> Self {
        let mut device = Queues::default();
        let mut config = Config::new(EthernetAddress(MAC).into());
        config.random_seed = u64::from(boot) + 1;
        let mut interface = Interface::new(config, &mut device, instant(now));
        interface.update_ip_addrs(|list| {
            for (address, prefix) in addresses {
                let address = IpCidr::new(IpAddress::from(*address), *prefix);
                list.push(address).expect("invariant: there is room for two addresses");
            }
        });
        let mut stack = Self {
            interface,
            device,
            sockets: SocketSet::new(Vec::new()),
            connection: None,
            datagrams: None,
            router: None,
            hop_limit: None,
            next_port: FIRST_PORT + boot % 1024 * 16,
            path_mtu: None,
            discovers_path: true,
        };
        stack.set_router(router);
        stack
    }

    /// Whether there is a way to `address`.
    pub(crate) fn reaches(&self, address: IpAddr) -> bool {
        self.router.is_some()
            || self.interface.ip_addrs().iter().any(|cidr| cidr.contains_addr(&address.into()))
    }

    /// Sends to one destination by another first hop, which may be the destination itself (RFC 4861 §8.3).
    pub(crate) fn redirect(&mut self, destination: Ipv6Addr, hop: Ipv6Addr) {
        let via_router = IpAddress::from(IpAddr::from(hop));
        let cidr = IpCidr::new(IpAddr::from(destination).into(), 128);
        let route = Route { cidr, via_router, preferred_until: None, expires_at: None };
        self.interface.routes_mut().update(|routes| {
            routes.retain(|known| known.cidr.prefix_len() == 0);
            // One beside the default route, and the last counts.
            let _ = routes.push(route);
        });
    }

    /// Uses another hop limit on connections that are opened from now on; `None` is the stack's own.
    pub(crate) fn set_hop_limit(&mut self, hop_limit: Option<u8>) {
        self.hop_limit = hop_limit;
    }

    /// Sets whether it hears what paths take.
    pub(crate) fn set_discovers_path(&mut self, discovers: bool) {
        self.discovers_path = discovers;
    }

    /// Takes another default router, or none.
    pub(crate) fn set_router(&mut self, router: Option<IpAddr>) {
        self.router = router;
        let routes = self.interface.routes_mut();
        match router {
            Some(IpAddr::V4(router)) => routes.add_default_ipv4_route(router).map(drop),
            Some(IpAddr::V6(router)) => routes.add_default_ipv6_route(router).map(drop),
            None => {
                routes.remove_default_ipv6_route();
                Ok(())
            }
        }
        .expect("invariant: there is room for one route of each kind");
    }

    fn port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        port
    }

    /// Sends a datagram from a port that is new each time (RFC 5452 §9.2); answers to the ones before are lost.
    pub(crate) fn ask(&mut self, to: SocketAddr, bytes: &[u8]) {
        if let Some(before) = self.datagrams.take() {
            self.sockets.remove(before);
        }
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 8], vec![0; 8192]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.set_hop_limit(self.hop_limit);
        // Refused for port 0, which it never is, and for a datagram larger than its buffer.
        let sent = socket.bind(self.port()).is_ok() && socket.send_slice(bytes, to).is_ok();
        self.datagrams = sent.then(|| self.sockets.add(socket));
    }

    /// Sends another datagram from the port of the last question.
    pub(crate) fn tell(&mut self, to: SocketAddr, bytes: &[u8]) {
        if let Some(handle) = self.datagrams {
            // Refused for a datagram larger than its buffer, which it never is.
            let _ = self.sockets.get_mut::<udp::Socket<'_>>(handle).send_slice(bytes, to);
        }
    }

    /// Takes a datagram that has arrived at the port of the last question.
    pub(crate) fn answer(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(self.datagrams?);
        let (bytes, from) = socket.recv().ok()?;
        Some((SocketAddr::new(from.endpoint.addr.into(), from.endpoint.port), bytes.to_vec()))
    }

    /// Opens a connection; the one before is left as it is.
    pub(crate) fn connect(&mut self, to: SocketAddr) {
        let buffer = || tcp::SocketBuffer::new(vec![0; WINDOW]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_hop_limit(self.hop_limit);
        let port = self.port();
        // Refused for the unspecified address and port 0 only: then there is no connection, as after a RST.
        let opened = socket.connect(self.interface.context(), to, port);
        self.connection = opened.is_ok().then(|| self.sockets.add(socket));
    }

    pub(crate) fn state(&self) -> Connection {
        let Some(handle) = self.connection else { return Connection::Closed };
        match self.sockets.get::<tcp::Socket<'_>>(handle).state() {
            tcp::State::SynSent | tcp::State::SynReceived => Connection::Opening,
            tcp::State::Established => Connection::Open,
            tcp::State::CloseWait => Connection::Ending,
            _ => Connection::Closed,
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if let Some(handle) = self.connection {
            // Requests are shorter than the window; on a dead connection they go nowhere.
            let _ = self.sockets.get_mut::<tcp::Socket<'_>>(handle).send_slice(bytes);
        }
    }

    /// Takes what has arrived.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut taken = Vec::new();
        if let Some(handle) = self.connection {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
            while socket.can_recv() {
                let part = socket.recv(|bytes| (bytes.len(), bytes.to_vec()));
                taken.extend(part.unwrap_or_default());
            }
        }
        taken
    }

    /// Ends the connection with FIN.
    pub(crate) fn close(&mut self) {
        if let Some(socket) = self.established() {
            socket.close();
        }
    }

    /// Ends the connection with RST.
    pub(crate) fn abort(&mut self) {
        if let Some(socket) = self.established() {
            socket.abort();
        }
    }

    /// The connection to be ended; one that was never made is forgotten without a word (RFC 9293 §3.10.4, §3.10.5).
    fn established(&mut self) -> Option<&mut tcp::Socket<'static>> {
        let handle = self.connection?;
        if self.sockets.get::<tcp::Socket<'_>>(handle).state() == tcp::State::SynSent {
            self.sockets.remove(handle);
            self.connection = None;
            return None;
        }
        Some(self.sockets.get_mut::<tcp::Socket<'_>>(handle))
    }

    pub(crate) fn receive(&mut self, frame: Vec<u8>) {
        let told = path::told(&frame).filter(|_| self.discovers_path);
        self.path_mtu = self.path_mtu.into_iter().chain(told).min();
        self.device.received.push_back(frame);
    }

    /// Does what is due and returns the frames to send.
    pub(crate) fn poll(&mut self, now: GuestTime) -> Vec<Vec<u8>> {
        self.interface.poll(instant(now), &mut self.device, &mut self.sockets);
        let sent = std::mem::take(&mut self.device.sent).into_iter();
        match self.path_mtu {
            Some(mtu) => sent.flat_map(|frame| path::fitted(frame, mtu)).collect(),
            None => sent.collect(),
        }
    }

    pub(crate) fn poll_at(&mut self, now: GuestTime) -> Option<GuestTime> {
        let at = self.interface.poll_at(instant(now), &self.sockets)?;
        Some(GuestTime::from_micros(u64::try_from(at.total_micros()).unwrap_or(0)).max(now))
    }
}

fn instant(time: GuestTime) -> Instant {
    // smoltcp adds to it; three hundred years are enough.
    Instant::from_micros(i64::try_from(time.as_micros()).unwrap_or(i64::MAX).min(i64::MAX / 2))
}

impl Device for Queues {
    type RxToken<'a> = Received;
    type TxToken<'a> = Send<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Send<'_>)> {
        let frame = self.received.pop_front()?;
        Some((Received(frame), Send(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Send<'_>> {
        Some(Send(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Send<'a>(&'a mut Vec<Vec<u8>>);

impl TxToken for Send<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length];
        let result = f(&mut frame);
        self.0.push(frame);
        result
    }
}
