//! What a timeline says, condensed to what a finding needs.

use crate::facts6::Facts6;
use crate::names::Names;
use crate::tls::Handshake;
use record::{
    Dhcp4Message, Direction, Endpoint, Entry, Event, FrameProtocol, GuestTime, HeaderField, Stage, TcpEnd,
};
use std::net::Ipv4Addr;
use std::time::Duration;

/// For how long a client may think about a certificate: big numbers take a slow processor seconds.
const THOUGHT: Duration = Duration::from_secs(30);

/// Port of DNS servers.
const DNS: u16 = 53;

/// One request and what became of it.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub connection: u32,
    pub method: &'a str,
    pub target: &'a str,
    pub answer: Answer<'a>,
    pub delivered: bool,
    /// What our server did instead of the rest of the response.
    pub interrupted: Option<&'a str>,
}

impl Exchange<'_> {
    /// Whether it was about something else than the image, of which an answer may have a part.
    pub fn is_without_image(&self) -> bool {
        self.method == "GET" && matches!(self.answer, Answer::Response { status: 200, image: false, .. })
    }
}

/// What our server did with a request.
#[derive(Debug)]
pub(crate) enum Answer<'a> {
    Pending,
    None,
    Response { status: u16, headers: &'a [HeaderField], image: bool },
}

/// A condensed timeline.
#[derive(Debug, Default)]
pub(crate) struct Facts<'a> {
    pub guest_frames: usize,
    pub discovers: usize,
    pub offers: Vec<Offer<'a>>,
    pub requests: usize,
    pub acks: usize,
    pub naks: usize,
    pub declines: usize,
    /// Requests to a PXE server's port 4011, and how many of them were answered.
    pub port_4011: (usize, usize),
    /// IPv4 addresses whose link-layer address was asked for in vain.
    pub unresolved4: Vec<Ipv4Addr>,
    /// What was said over IPv6 below TCP.
    pub ipv6: Facts6<'a>,
    pub names: Names<'a>,
    pub syns: usize,
    pub syns_refused: usize,
    /// Where the last SYN went.
    pub connected_to: Option<Endpoint>,
    /// Connections to DNS servers (RFC 7766), which are no part of the way to the image.
    to_dns: Vec<u32>,
    /// Connections whose SYN nothing took.
    unanswered: Vec<u32>,
    pub established: usize,
    /// Bytes of the guest's last packet that was larger than the path takes, and of those that it takes.
    pub too_big: Option<(usize, u16)>,
    pub server_closed: Vec<u32>,
    pub malformed: bool,
    /// Connections on which there was TLS, or should have been.
    pub handshakes: Vec<Handshake<'a>>,
    pub exchanges: Vec<Exchange<'a>>,
    /// Whether it boots by PXE.
    pub by_pxe: bool,
    pub tftp: Tftp<'a>,
    pub genuine_proof: bool,
    pub forged_proof: bool,
    /// Frames that the link lost on their way to the guest.
    pub lost_to_guest: usize,
    /// Those of the guest that it lost.
    pub lost_from_guest: Vec<FrameProtocol>,
    /// When our side last gave an answer.
    pub last_answer: Option<GuestTime>,
}

/// What became of requests for files by TFTP.
#[derive(Debug, Default)]
pub(crate) struct Tftp<'a> {
    pub requests: usize,
    /// The server's last error.
    pub refused: Option<(u16, &'a str)>,
    pub delivered: bool,
}

/// What an offer said.
#[derive(Debug)]
pub(crate) struct Offer<'a> {
    pub bootfile: Option<&'a str>,
    pub vendor_class: Option<&'a str>,
    pub has_address: bool,
}

impl<'a> Facts<'a> {
    /// Reads a timeline in order.
    pub fn from_timeline(entries: &'a [Entry]) -> Self {
        let mut facts = Self::default();
        for entry in entries {
            facts.take(entry.at, &entry.event);
        }
        facts
    }

    fn take(&mut self, at: GuestTime, event: &'a Event) {
        let answered =
            [Handshake::take(&mut self.handshakes, event), self.ipv6.take(event), self.names.take(at, event)];
        // Who leaves a handshake after some thought has not waited for us.
        let leaves = Handshake::is_left(&self.handshakes, event);
        let thought = self.last_answer.filter(|_| leaves).is_some_and(|asked| at.since(asked) < THOUGHT);
        if answered.contains(&true) || thought {
            self.last_answer = Some(at);
        }
        match event {
            Event::Frame { direction: Direction::FromGuest, .. } => self.guest_frames += 1,
            Event::LinkFault { direction, fault, protocol, .. } if fault.is_loss() => match direction {
                Direction::ToGuest => self.lost_to_guest += 1,
                Direction::FromGuest => self.lost_from_guest.push(*protocol),
            },
            Event::Dhcp4Received { message, to, vendor_class, .. } => match message {
                _ if vendor_class.as_deref().is_some_and(|class| class.starts_with("PXEClient"))
                    && !std::mem::replace(&mut self.by_pxe, true) =>
                {
                    self.take(at, event);
                }
                _ if to.is_some() => self.port_4011.0 += 1,
                Dhcp4Message::Discover => self.discovers += 1,
                Dhcp4Message::Request => self.requests += 1,
                Dhcp4Message::Decline => self.declines += 1,
                _ => {}
            },
            Event::Dhcp4Sent { message, from, bootfile, vendor_class, address, .. } => {
                self.last_answer = Some(at);
                match message {
                    _ if from.is_some() => self.port_4011.1 += 1,
                    Dhcp4Message::Offer => self.offers.push(Offer {
                        bootfile: bootfile.as_deref(),
                        vendor_class: vendor_class.as_deref(),
                        has_address: !address.is_unspecified(),
                    }),
                    Dhcp4Message::Ack => self.acks += 1,
                    Dhcp4Message::Nak => self.naks += 1,
                    _ => {}
                }
            }
            Event::TftpRequest { .. } => self.tftp.requests += 1,
            Event::TftpAccepted { .. } => self.last_answer = Some(at),
            Event::TftpRefused { code, message, .. } => {
                self.last_answer = Some(at);
                self.tftp.refused = Some((*code, message));
            }
            Event::TftpDelivered { .. } => {
                self.last_answer = Some(at);
                self.tftp.delivered = true;
            }
            Event::ArpUnanswered { target } => self.unresolved4.push(*target),
            Event::TcpSyn { connection, to, .. } if to.port == DNS => self.to_dns.push(*connection),
            Event::TcpEstablished { connection } | Event::TcpClosed { connection, .. }
                if self.to_dns.contains(connection) => {}
            Event::TcpSyn { connection, to, accepted, .. } => {
                self.syns += 1;
                self.connected_to = Some(*to);
                if !accepted {
                    self.unanswered.push(*connection);
                }
            }
            // RST is the answer to a SYN for a closed port; where there is no such host, there is none.
            Event::TcpClosed { connection, how: TcpEnd::ServerReset }
                if self.unanswered.contains(connection) =>
            {
                self.syns_refused += 1;
                self.last_answer = Some(at);
            }
            Event::TcpEstablished { .. } => self.established += 1,
            Event::PacketTooBig { bytes, mtu, split: false, .. } => {
                self.last_answer = Some(at);
                self.too_big = Some((*bytes, *mtu));
            }
            Event::TcpClosed { connection, how: TcpEnd::ServerFin | TcpEnd::ServerReset } => {
                self.server_closed.push(*connection);
                self.last_answer = Some(at);
            }
            Event::HttpRequest { connection, method, target, .. } => self.exchanges.push(Exchange {
                connection: *connection,
                method,
                target,
                answer: Answer::Pending,
                delivered: false,
                interrupted: None,
            }),
            Event::HttpMalformed { .. } => self.malformed = true,
            Event::HttpResponse { connection, status, headers, image, .. } => {
                self.last_answer = Some(at);
                if let Some(exchange) = self.exchange_awaiting_answer(*connection) {
                    exchange.answer = Answer::Response { status: *status, headers, image: *image };
                }
            }
            Event::HttpUnanswered { connection, .. } => {
                if let Some(exchange) = self.exchange_awaiting_answer(*connection) {
                    exchange.answer = Answer::None;
                }
            }
            Event::HttpInterrupted { connection, how, .. } => {
                self.last_answer = Some(at);
                if let Some(exchange) = self.exchanges.iter_mut().rfind(|e| e.connection == *connection) {
                    exchange.interrupted = Some(how);
                }
            }
            Event::HttpDelivered { connection, .. } => {
                self.last_answer = Some(at);
                let mut of_connection = self.exchanges.iter_mut().filter(|e| e.connection == *connection);
                if let Some(exchange) =
                    of_connection.find(|e| !e.delivered && matches!(e.answer, Answer::Response { .. }))
                {
                    exchange.delivered = true;
                }
            }
            Event::Proof { genuine: true, .. } => self.genuine_proof = true,
            Event::Proof { genuine: false, .. } => self.forged_proof = true,
            _ => {}
        }
    }

    fn exchange_awaiting_answer(&mut self, connection: u32) -> Option<&mut Exchange<'a>> {
        self.exchanges.iter_mut().find(|e| e.connection == connection && matches!(e.answer, Answer::Pending))
    }

    /// Whether a GET delivered the whole image.
    pub fn image_delivered(&self) -> bool {
        self.tftp.delivered
            || self.exchanges.iter().any(|e| {
                e.method == "GET" && e.delivered && matches!(e.answer, Answer::Response { image: true, .. })
            })
    }

    /// The furthest rung that the firmware stepped on.
    pub fn stage(&self) -> Stage {
        let sent = |method: &str| self.exchanges.iter().any(|e| e.method == method);
        let lost = |protocol| self.lost_from_guest.contains(&protocol);
        if self.genuine_proof {
            Stage::Executed
        } else if self.image_delivered() {
            Stage::Image
        } else if sent("GET") || self.tftp.requests > 0 {
            Stage::Get
        } else if sent("HEAD") {
            Stage::Head
        } else if self.handshakes.iter().any(Handshake::is_begun) {
            Stage::Tls
        } else if self.syns > 0 || lost(FrameProtocol::Tcp) {
            Stage::Connect
        } else if self.names.is_asked() || lost(FrameProtocol::Dns) {
            Stage::Name
        } else if self.asks_for_address()
            || lost(FrameProtocol::Dhcp4)
            || lost(FrameProtocol::Dhcp6)
            || lost(FrameProtocol::Nd)
        {
            Stage::Address
        } else {
            Stage::Link
        }
    }

    /// Whether anything of the guest's arrived that is about an address.
    pub fn asks_for_address(&self) -> bool {
        self.discovers > 0 || self.requests > 0 || self.ipv6.wants_address()
    }

    /// Whether nothing arrived of what the guest did on the furthest rung, because the link lost it.
    pub fn is_unheard(&self, stage: Stage) -> bool {
        match stage {
            Stage::Address => !self.asks_for_address(),
            Stage::Name => !self.names.is_asked(),
            Stage::Connect => self.syns == 0,
            _ => false,
        }
    }

    /// The path and query of the URL that was offered last.
    pub fn offered_target(&self) -> Option<&'a str> {
        let url =
            self.ipv6.bootfile().or_else(|| self.offers.iter().rev().find_map(|offer| offer.bootfile))?;
        let after_scheme = url.split_once("://")?.1;
        let path = after_scheme.find(['/', '?']).map(|at| &after_scheme[at..]).unwrap_or("/");
        path.split('#').next()
    }
}
