//! A guest for tests: a smoltcp client on a virtual clock, joined to a [`Network`], that keeps every frame and event.
#![allow(dead_code, clippy::unwrap_used)] // each test target uses a part of it

pub mod dhcp;
pub mod link;
pub mod pcap;
pub mod strict;
pub mod tls;

use record::Event;
use services::{Network, NetworkSettings, address};
use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet},
    phy::{self, DeviceCapabilities, Medium},
    socket::tcp,
    time::Instant,
    wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Cidr, Ipv6Cidr},
};
use std::{
    collections::VecDeque,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use wire::{Direction, GuestTime, Node, Outbox};

/// Time that a frame takes to the other side.
const LATENCY: Duration = Duration::from_micros(50);

/// What a guest with our MAC address makes of fe80::/64 (RFC 4291 appendix A).
pub const GUEST_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe12, 0x3456);

#[derive(Default)]
pub struct Device {
    received: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl phy::Device for Device {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;
    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        self.received.pop_front().map(|frame| (Rx(frame), Tx(&mut self.sent)))
    }
    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.sent))
    }
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

pub struct Rx(Vec<u8>);
impl phy::RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

pub struct Tx<'a>(&'a mut Vec<Vec<u8>>);
impl phy::TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        self.0.push(frame);
        result
    }
}

/// A frame, when it crossed, and which way.
pub type Frame = (GuestTime, Direction, Vec<u8>);

/// Decides for each frame, by direction, whether it is lost on the way.
pub type Loss = Box<dyn FnMut(Direction, &[u8]) -> bool>;

/// A guest with TCP, and the network under test.
pub struct Bench {
    pub network: Network,
    pub now: GuestTime,
    pub events: Vec<Event>,
    /// Lines of an NSS key log.
    pub secrets: Vec<String>,
    pub frames: Vec<Frame>,
    pub sockets: SocketSet<'static>,
    pub loss: Option<Loss>,
    interface: Interface,
    device: Device,
    next_port: u16,
}

/// Bytes that a connection brought, and whether the server ended it.
#[derive(Debug, PartialEq)]
pub struct Received {
    pub bytes: Vec<u8>,
    pub end: End,
}

/// What the client sees of a connection's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Open,
    Fin,
    Reset,
}

pub fn image(length: usize) -> Arc<[u8]> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

impl Bench {
    pub fn new(settings: &NetworkSettings, image: Arc<[u8]>) -> Self {
        Self::with_address(settings, image, address::GUEST4)
    }

    /// A guest that has its IPv6 addresses and its router.
    pub fn new6(settings: &NetworkSettings, image: Arc<[u8]>) -> Self {
        let mut bench = Self::new(settings, image);
        bench.interface.update_ip_addrs(|list| {
            list.clear();
            for (address, length) in [(GUEST_LINK_LOCAL, 64), (address::GUEST6, 64)] {
                list.push(IpCidr::Ipv6(Ipv6Cidr::new(address, length))).unwrap();
            }
        });
        bench.interface.routes_mut().remove_default_ipv4_route();
        bench.interface.routes_mut().add_default_ipv6_route(address::ROUTER6).unwrap();
        bench
    }

    pub fn with_address(settings: &NetworkSettings, image: Arc<[u8]>, guest: Ipv4Addr) -> Self {
        let mut device = Device::default();
        let mut config = Config::new(EthernetAddress(address::GUEST_MAC).into());
        config.random_seed = 1;
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|list| list.push(IpCidr::Ipv4(Ipv4Cidr::new(guest, 24))).unwrap());
        interface.routes_mut().add_default_ipv4_route(address::SERVER4).unwrap();
        Self {
            network: tls::network(settings, image),
            now: GuestTime::from_micros(1_000_000),
            events: Vec::new(),
            secrets: Vec::new(),
            frames: Vec::new(),
            sockets: SocketSet::new(Vec::new()),
            loss: None,
            interface,
            device,
            next_port: 49152,
        }
    }

    /// Sends one frame, and returns the answers that come without waiting.
    pub fn exchange(&mut self, frame: &[u8]) -> Vec<Vec<u8>> {
        let mut out = Outbox::default();
        self.frames.push((self.now, Direction::FromGuest, frame.to_vec()));
        self.network.receive(self.now, frame, &mut out);
        self.keep(&out);
        self.events.append(&mut out.events);
        self.secrets.append(&mut out.secrets);
        out.frames
    }

    /// Lets the network's timers fire at `now`.
    pub fn tick(&mut self, now: GuestTime) -> Vec<Vec<u8>> {
        self.now = self.now.max(now);
        let mut out = Outbox::default();
        self.network.poll(self.now, &mut out);
        self.keep(&out);
        self.events.append(&mut out.events);
        self.secrets.append(&mut out.secrets);
        out.frames
    }

    fn keep(&mut self, out: &Outbox) {
        for frame in &out.frames {
            self.frames.push((self.now, Direction::ToGuest, frame.clone()));
        }
    }

    pub fn connect(&mut self, to: impl Into<IpAddress>, port: u16) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 1 << 20]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_ack_delay(None);
        self.next_port += 1;
        socket.connect(self.interface.context(), (to.into(), port), self.next_port).unwrap();
        self.sockets.add(socket)
    }

    pub fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    fn lost(&mut self, direction: Direction, frame: &[u8]) -> bool {
        self.loss.as_mut().is_some_and(|loss| loss(direction, frame))
    }

    /// One turn of both sides; whether a frame moved.
    pub fn step(&mut self) -> bool {
        let at = Instant::from_micros(self.now.as_micros() as i64);
        self.interface.poll(at, &mut self.device, &mut self.sockets);
        let sent = std::mem::take(&mut self.device.sent);
        let mut moved = !sent.is_empty();
        self.now = self.now + LATENCY;
        let mut arriving = self.tick(self.now);
        for frame in sent {
            if !self.lost(Direction::FromGuest, &frame) {
                arriving.extend(self.exchange(&frame));
            }
        }
        moved |= !arriving.is_empty();
        for frame in arriving {
            if !self.lost(Direction::ToGuest, &frame) {
                self.device.received.push_back(frame);
            }
        }
        self.now = self.now + LATENCY;
        moved
    }

    /// Runs both sides until nothing happens before `limit` has passed.
    pub fn run_for(&mut self, limit: Duration) {
        let deadline = self.now + limit;
        while self.now < deadline {
            if self.step() || !self.device.received.is_empty() {
                continue;
            }
            let at = Instant::from_micros(self.now.as_micros() as i64);
            let client = self.interface.poll_at(at, &self.sockets);
            let client = client.map(|at| GuestTime::from_micros(at.total_micros() as u64));
            let next = client.into_iter().chain(self.network.poll_at()).min();
            match next {
                Some(next) if next < deadline => self.now = self.now.max(next),
                _ => break,
            }
        }
    }

    /// Runs until `limit` has passed or the connection is ended by the server, and returns what arrived.
    pub fn read(&mut self, handle: SocketHandle, limit: Duration) -> Received {
        let deadline = self.now + limit;
        let mut bytes = Vec::new();
        loop {
            self.run_for(Duration::from_millis(5));
            let socket = self.socket(handle);
            while socket.can_recv() {
                socket.recv(|part| (part.len(), bytes.extend_from_slice(part))).unwrap();
            }
            let end = match socket.state() {
                tcp::State::Closed => End::Reset,
                tcp::State::CloseWait => End::Fin,
                _ => End::Open,
            };
            if end != End::Open || self.now >= deadline {
                return Received { bytes, end };
            }
            self.now = self.now + Duration::from_millis(1);
        }
    }

    /// Connects, sends `request`, and returns what arrives within five seconds of guest time.
    pub fn ask(&mut self, port: u16, request: &str) -> Received {
        self.ask_at(address::SERVER4, port, request)
    }

    /// As [`ask`](Self::ask), at an address.
    pub fn ask_at(&mut self, to: impl Into<IpAddress>, port: u16, request: &str) -> Received {
        let handle = self.connect(to, port);
        self.run_for(Duration::from_millis(5));
        self.send(handle, request.as_bytes());
        self.read(handle, Duration::from_secs(5))
    }

    pub fn send(&mut self, handle: SocketHandle, bytes: &[u8]) {
        let sent = self.socket(handle).send_slice(bytes).unwrap();
        assert_eq!(sent, bytes.len());
    }
}
