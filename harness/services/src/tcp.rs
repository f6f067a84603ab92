//! TCP, ICMP echo and ARP of our server (RFC 9293, RFC 792, RFC 4443, RFC 826), by smoltcp, and the sessions on it.
//!
//! There is no backlog: a socket is made to listen for each SYN to a served port before the stack sees it. Every
//! other port answers with RST (RFC 9293 §3.10.7.1), and so does a served one beyond [`CONNECTIONS`]. Packets for
//! other hosts vanish, as behind a router whose upstream is down.

mod application;
mod connection;
mod device;
mod settings;
mod window;

use crate::{
    address, delay, dns, frame,
    frame::Segment,
    frame6,
    http::{self, Site},
    tls,
};
pub(crate) use application::Application;
use connection::Connection;
use device::Device;
use record::{Endpoint, Event, TcpEnd};
pub use settings::{Settings, Unreachable};
use smoltcp::{
    iface::{Config, Interface, SocketSet},
    socket::tcp,
    time::Instant,
    wire::{EthernetAddress, IpCidr, Ipv4Cidr, Ipv6Cidr},
};
use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};
use window::Window;
use wire::{GuestTime, Outbox};

/// Connections at the same time.
const CONNECTIONS: usize = 64;
/// Bytes that may be in flight to the guest. Smaller buffers were measured to slow EDK2 down, larger ones not to help.
const SEND_BUFFER: usize = 256 * 1024;
/// Bytes that the guest may send ahead; requests are small.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// SYNs to other hosts that are remembered, so that a retransmission is not taken for another connection.
const REMEMBERED: usize = 64;
/// The furthest time that smoltcp is shown, so that its timers cannot overflow: 146 000 years.
const LAST: u64 = 1 << 62;

/// The TCP/IP stack of our server.
pub(crate) struct Stack {
    interface: Interface,
    device: Device,
    sockets: SocketSet<'static>,
    connections: Vec<Connection>,
    /// Number of the latest connection.
    latest: u32,
    /// From, to and sequence number of SYNs that reached nobody.
    astray: VecDeque<(Endpoint, Endpoint, u32)>,
    /// Port of the plain HTTP server.
    port: u16,
    tls: Option<Tls>,
    dns: Arc<dns::Settings>,
    site: Arc<Site>,
    settings: Settings,
    /// Our server's IPv6 addresses; none where there is no IPv6.
    addresses6: &'static [Ipv6Addr],
    wake: Option<GuestTime>,
}

/// The TLS server.
pub(crate) struct Tls {
    pub(crate) port: u16,
    pub(crate) context: Arc<tls::Context>,
}

/// Who is on the link.
pub(crate) struct Addresses<'a> {
    /// The IPv4 address that the guest will have.
    pub(crate) guest: Ipv4Addr,
    /// Hosts beside our server.
    pub(crate) hosts4: &'a [Ipv4Addr],
    /// Where there is IPv6.
    pub(crate) addresses6: &'static [Ipv6Addr],
}

impl Stack {
    /// A stack that serves `site` on `port`, and with `tls`, and DNS over TCP.
    pub(crate) fn new(
        settings: Settings,
        port: u16,
        tls: Option<Tls>,
        dns: Arc<dns::Settings>,
        Addresses { guest, hosts4, addresses6 }: Addresses<'_>,
        site: Arc<Site>,
    ) -> Self {
        let mut device = Device::new(&settings, !addresses6.is_empty());
        let mut config = Config::new(EthernetAddress(address::SERVER_MAC).into());
        // A fixed seed: initial sequence numbers are the same in every run, and no guest can tell.
        config.random_seed = 0x706c_7567;
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        // The leased address is on our link, even where a scenario takes it from elsewhere.
        let common = (address::SERVER4.to_bits() ^ guest.to_bits()).leading_zeros();
        let prefix = u8::try_from(common).map_or(address::PREFIX4, |common| common.min(address::PREFIX4));
        interface.update_ip_addrs(|addresses| {
            addresses
                .push(IpCidr::Ipv4(Ipv4Cidr::new(address::SERVER4, prefix)))
                .expect("invariant: an interface has room for one address");
            // On them nothing listens: they answer ARP and ping, and refuse the rest.
            for address in hosts4 {
                addresses
                    .push(IpCidr::Ipv4(Ipv4Cidr::new(*address, prefix)))
                    .expect("invariant: settings with more hosts than an interface has room for are refused");
            }
            // Everything of the guest's is on our link: we are its router too.
            for address in addresses6 {
                addresses
                    .push(IpCidr::Ipv6(Ipv6Cidr::new(*address, 0)))
                    .expect("invariant: an interface has room for eight addresses");
            }
        });
        Self {
            interface,
            device,
            sockets: SocketSet::new(Vec::new()),
            connections: Vec::new(),
            latest: 0,
            astray: VecDeque::new(),
            port,
            tls,
            dns,
            site,
            settings,
            addresses6,
            wake: None,
        }
    }

    /// Learns the guest's link-layer address from its neighbour solicitation, which another service answers
    /// (RFC 4861 §7.2.3).
    pub(crate) fn learn(&mut self, now: GuestTime, solicitation: &[u8]) {
        self.device.incoming = Some(solicitation.to_vec());
        self.interface.poll_ingress_single(instant(now), &mut self.device, &mut self.sockets);
        self.device.sent.clear();
    }

    /// Whether an address is our server's.
    fn is_ours(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => address == address::SERVER4,
            IpAddr::V6(address) => self.addresses6.contains(&address),
        }
    }

    /// Takes an IPv4, IPv6 or ARP frame from the guest.
    pub(crate) fn receive(&mut self, now: GuestTime, bytes: &[u8], out: &mut Outbox) {
        let segment = frame::segment(bytes);
        let opening = segment.filter(|s| s.syn && s.acknowledgment.is_none() && !s.rst);
        let served = opening.filter(|syn| self.is_served(syn.to));
        if let Some((syn, what)) = served.zip(self.settings.unreachable) {
            self.lost(bytes, out);
            let (four, six) = what.codes();
            out.frames.extend(match syn.from.address {
                IpAddr::V4(_) => frame::unreachable(four, bytes),
                IpAddr::V6(_) => frame6::unreachable(six, bytes),
            });
            return self.settle(now, out);
        }
        if let Some((mtu, segment)) = self.settings.path_mtu.zip(segment)
            && Device::exceeds(bytes, mtu)
            && self.is_ours(segment.to.address)
        {
            let answer = match segment.to.address {
                IpAddr::V4(_) => frame::too_big(mtu, bytes),
                IpAddr::V6(_) => frame6::too_big(mtu, bytes),
            };
            let Segment { from, to, .. } = segment;
            let (bytes, split) = (bytes.len() - Device::ETHERNET, answer.is_none());
            out.events.push(Event::PacketTooBig { from, to, bytes, mtu, split });
            // What was split is put together again by our host.
            if !split {
                out.frames.extend(answer);
                return self.settle(now, out);
            }
        }
        let listening = opening.is_some_and(|syn| self.listen(&syn, bytes));
        // smoltcp 0.14 takes any IPv6 packet whose destination ends as one of its addresses does.
        let for_another =
            frame6::destination(bytes).is_some_and(|to| !to.is_multicast() && !self.is_ours(to.into()));
        self.device.incoming = (!for_another).then(|| self.shown(now, segment.as_ref(), bytes));
        // Nothing is sent yet but answers by the stack itself, so that a response carries the request's ACK.
        self.interface.poll_ingress_single(instant(now), &mut self.device, &mut self.sockets);
        if let Some(syn) = opening {
            self.note_opening(&syn, listening, out);
        }
        if let Some(segment) = segment {
            self.note_ending(now, &segment, out);
        }
        self.settle(now, out);
    }

    /// Takes note of a frame that a router has dropped: a connection that nothing takes.
    pub(crate) fn lost(&mut self, bytes: &[u8], out: &mut Outbox) {
        let Some(syn) = frame::segment(bytes).filter(|s| s.syn && s.acknowledgment.is_none()) else { return };
        if self.is_new_lost(&syn) {
            self.latest = self.latest.saturating_add(1);
            let Segment { from, to, .. } = syn;
            out.events.push(Event::TcpSyn { connection: self.latest, from, to, accepted: false });
        }
    }

    /// Lets timers that are due fire.
    pub(crate) fn poll(&mut self, now: GuestTime, out: &mut Outbox) {
        self.settle(now, out);
    }

    /// When a timer is due.
    pub(crate) fn poll_at(&self) -> Option<GuestTime> {
        self.wake
    }

    /// A frame from the guest as the stack is shown it.
    fn shown(&mut self, now: GuestTime, segment: Option<&Segment>, bytes: &[u8]) -> Vec<u8> {
        let mut shown = bytes.to_vec();
        let between = |c: &&mut Connection, s: &Segment| c.is_between(s.from, s.to);
        let of = segment.and_then(|s| self.connections.iter_mut().find(|c| between(c, s)).zip(segment));
        if let Some((connection, segment)) = of {
            connection.window.show(now, segment, &mut shown);
        }
        shown
    }

    /// Makes a socket listen for this SYN; whether there is one.
    fn listen(&mut self, syn: &Segment, bytes: &[u8]) -> bool {
        let number = self.latest.saturating_add(1);
        if !self.is_ours(syn.to.address) {
            return false;
        }
        let Some(session) = self.session(syn.to, number) else { return false };
        if let Some(at) = self.connections.iter().position(|c| c.is_between(syn.from, syn.to)) {
            if !self.connections[at].is_over() {
                return false;
            }
            // RFC 9293 §3.6.1: a port may be used again while the old connection lingers with us.
            let old = self.connections.swap_remove(at);
            self.sockets.remove(old.socket);
        }
        if self.connections.len() >= CONNECTIONS {
            return false;
        }
        let mut socket = tcp::Socket::new(
            tcp::SocketBuffer::new(vec![0; self.window(syn.to.port)]),
            tcp::SocketBuffer::new(vec![0; SEND_BUFFER]),
        );
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        if socket.listen((syn.to.address, syn.to.port)).is_err() {
            return false;
        }
        let socket = self.sockets.add(socket);
        let window = Window::new(bytes, self.device.max_segment(syn.to.address.is_ipv6()));
        let mut connection = Connection::new(syn.from, syn.to, window, socket, session);
        if syn.to.port != dns::SERVER_PORT {
            connection.misbehave(
                delay::duration(self.settings.read_after_seconds),
                self.settings.reset_after_bytes,
            );
        }
        self.connections.push(connection);
        true
    }

    /// Whether one of the servers that connections can be kept from is there.
    fn is_served(&self, to: Endpoint) -> bool {
        let tls = self.tls.as_ref().map(|tls| tls.port);
        self.is_ours(to.address) && (to.port == self.port || tls == Some(to.port))
    }

    /// Bytes that the guest may send ahead to a port.
    fn window(&self, port: u16) -> usize {
        let set = self.settings.window_bytes.filter(|_| port != dns::SERVER_PORT);
        set.and_then(|bytes| bytes.try_into().ok()).unwrap_or(RECEIVE_BUFFER)
    }

    /// What speaks at one of our addresses and a port, if something listens there.
    fn session(&self, Endpoint { address, port }: Endpoint, number: u32) -> Option<Box<dyn Application>> {
        let site = || Arc::clone(&self.site);
        if port == self.port {
            let plain = http::Session::new(site(), number, false);
            return Some(match &self.tls {
                Some(Tls { port, context }) if self.site.is_proxy() => {
                    let origin = http::Session::new(site(), number, true);
                    Box::new(http::Tunnel::new(plain, *port, Arc::clone(context), origin))
                }
                _ => Box::new(plain),
            });
        }
        if port == dns::SERVER_PORT && self.dns.tcp && self.dns.answers_at(address) {
            return Some(Box::new(dns::Session::new(Arc::clone(&self.dns), address, number)));
        }
        let tls = self.tls.as_ref().filter(|tls| tls.port == port)?;
        let http = http::Session::new(site(), number, true);
        // It fails for want of memory only.
        Some(Box::new(tls::Session::new(Arc::clone(&tls.context), http).ok()?))
    }

    /// Reports a SYN, once the stack has said what it makes of it.
    fn note_opening(&mut self, syn: &Segment, listening: bool, out: &mut Outbox) {
        let accepted = listening
            && self.connections.last().is_some_and(|c| {
                let state = self.sockets.get::<tcp::Socket<'_>>(c.socket).state();
                state == tcp::State::SynReceived
            });
        if listening && !accepted {
            // The stack dropped it: a wrong checksum, say.
            if let Some(unused) = self.connections.pop() {
                self.sockets.remove(unused.socket);
            }
        }
        let refused =
            self.device.sent.iter().filter_map(|f| frame::segment(f)).any(|s| s.rst && s.to == syn.from);
        if accepted || (refused && !listening) || self.is_new_astray(syn) {
            self.latest = self.latest.saturating_add(1);
            let Segment { from, to, .. } = *syn;
            out.events.push(Event::TcpSyn { connection: self.latest, from, to, accepted });
            if refused && !accepted {
                let how = TcpEnd::ServerReset;
                out.events.push(Event::TcpClosed { connection: self.latest, how });
            }
        }
    }

    /// Whether this is the first SYN of a connection to a host that is not there.
    fn is_new_astray(&mut self, syn: &Segment) -> bool {
        !self.is_ours(syn.to.address) && self.is_new_lost(syn)
    }

    /// Whether a SYN that reaches nobody is the first of its connection.
    fn is_new_lost(&mut self, syn: &Segment) -> bool {
        let key = (syn.from, syn.to, syn.sequence);
        if self.astray.contains(&key) {
            return false;
        }
        if self.astray.len() == REMEMBERED {
            self.astray.pop_front();
        }
        self.astray.push_back(key);
        true
    }

    /// Takes note of a FIN or RST that the stack has accepted.
    fn note_ending(&mut self, now: GuestTime, segment: &Segment, out: &mut Outbox) {
        if let Some(connection) = self.connections.iter_mut().find(|c| c.is_between(segment.from, segment.to))
        {
            let socket = self.sockets.get::<tcp::Socket<'_>>(connection.socket);
            connection.note_ending(now, segment, socket, &mut out.events);
        }
    }

    /// Lets the stack fire its timers and send what it may.
    fn run(&mut self, now: GuestTime) {
        self.interface.poll(instant(now), &mut self.device, &mut self.sockets);
    }

    /// Moves bytes between sockets and sessions until nothing moves, and hands over the frames.
    fn settle(&mut self, now: GuestTime, out: &mut Outbox) {
        let mut moved = true;
        while moved {
            moved = false;
            for connection in &mut self.connections {
                let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.socket);
                moved |= connection.serve(now, socket, &mut out.events);
            }
            self.run(now);
            for bytes in &mut self.device.sent {
                let ours = frame::segment(bytes);
                if self.settings.path_mtu.is_some() && ours.is_some_and(|segment| segment.syn) {
                    let own = Device::own_max_segment(&self.settings, !self.addresses6.is_empty());
                    if let Some(offering) = frame::offering(own, bytes) {
                        *bytes = offering;
                    }
                }
                let of = |c: &&mut Connection, s: &Segment| c.is_between(s.to, s.from);
                let to = ours.and_then(|s| self.connections.iter_mut().find(|c| of(c, &s)).zip(Some(s)));
                if let Some((connection, segment)) = to {
                    connection.note_sent(&segment);
                }
            }
            out.frames.append(&mut self.device.sent);
        }
        if let Some(tls) = &self.tls {
            out.secrets.extend(tls.context.take_secrets());
        }
        self.connections.retain(|connection| {
            let gone = connection.is_gone(now, self.sockets.get::<tcp::Socket<'_>>(connection.socket));
            if gone {
                self.sockets.remove(connection.socket);
            }
            !gone
        });
        let stack = self.interface.poll_at(instant(now), &self.sockets).map(|at| {
            let at = GuestTime::from_micros(u64::try_from(at.total_micros()).unwrap_or(0));
            // The stack has just had its turn: one that asks for `now` waits for something else to happen.
            if at > now { at } else { now + std::time::Duration::from_millis(1) }
        });
        let waiting = self.connections.iter().filter_map(Connection::wake);
        self.wake = stack.into_iter().chain(waiting).min();
    }
}

fn instant(at: GuestTime) -> Instant {
    Instant::from_micros(i64::try_from(at.as_micros().min(LAST)).unwrap_or(i64::MAX))
}
