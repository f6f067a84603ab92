//! What the DHCPv4 server does with a message (RFC 2131 §4.1, §4.3; RFC 6842; UEFI 2.11 §24.7).
//!
//! There is one address to lease, and any client gets it: the link has one guest.

use super::message::{BOOTREPLY, BOOTREQUEST, ETHERNET, Message, option};
use super::{BootfileIn, RequestAnswer, Settings};
use crate::{address, delay, frame};
use record::{Dhcp4Message, Event};
use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};
use wire::{GuestTime, Outbox};

/// UDP ports of RFC 2131 §4.1.
pub(crate) const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;

/// The server and the offers that it delays.
#[derive(Debug)]
pub(crate) struct Server {
    settings: Settings,
    /// The boot file with its placeholders replaced.
    bootfile: Option<String>,
    offer_delay: Duration,
    pending: delay::Queue<Reply>,
}

#[derive(Debug)]
struct Reply {
    kind: Dhcp4Message,
    to_mac: [u8; 6],
    to: Ipv4Addr,
    message: Message,
}

impl Server {
    /// A server whose settings have been checked.
    pub(crate) fn new(settings: Settings, bootfile: Option<String>, offer_delay: Duration) -> Self {
        Self { settings, bootfile, offer_delay, pending: delay::Queue::new() }
    }

    /// Takes the payload of a datagram that was sent to the server's port.
    pub(crate) fn receive(&mut self, now: GuestTime, payload: &[u8], out: &mut Outbox) {
        let request = match Message::parse(payload) {
            Ok(request) => request,
            Err(error) => return unanswered(Dhcp4Message::Other, format!("malformed: {error}"), out),
        };
        let kind = kind(&request);
        out.events.push(Event::Dhcp4Received {
            message: kind,
            xid: request.xid,
            vendor_class: request.text(option::VENDOR_CLASS),
            architecture: request
                .option(option::CLIENT_ARCHITECTURE)
                .and_then(|value| value.first_chunk().copied().map(u16::from_be_bytes)),
            server: request.address(option::SERVER_IDENTIFIER),
            requested: request.address(option::REQUESTED_ADDRESS),
            reason: request.text(option::MESSAGE),
        });
        let answer = self.refusal(&request).map_or_else(|| self.answer(kind, &request), Err);
        match answer {
            Ok(Some(reply)) if reply.kind == Dhcp4Message::Offer && !self.offer_delay.is_zero() => {
                if self.pending.is_full() {
                    unanswered(kind, format!("{} offers are waiting already", delay::WAITING), out);
                } else {
                    self.pending.push(now + self.offer_delay, reply);
                }
            }
            Ok(Some(reply)) => self.send(&reply, out),
            Ok(None) => {}
            Err(why) => unanswered(kind, why, out),
        }
    }

    /// Sends the offers that are due.
    pub(crate) fn poll(&mut self, now: GuestTime, out: &mut Outbox) {
        for reply in self.pending.due(now) {
            self.send(&reply, out);
        }
    }

    /// When the next offer is due.
    pub(crate) fn poll_at(&self) -> Option<GuestTime> {
        self.pending.poll_at()
    }

    /// Why this server has nothing to do with the message, whatever its type.
    fn refusal(&self, request: &Message) -> Option<String> {
        let Message { op, htype, hlen, giaddr, .. } = request;
        if !self.settings.enabled {
            Some("no DHCP server on the link".into())
        } else if *op != BOOTREQUEST {
            Some(format!("op is {op}, not BOOTREQUEST (1)"))
        } else if (*htype, *hlen) != (ETHERNET, 6) {
            Some(format!("htype {htype} and hlen {hlen} are not Ethernet's (1 and 6)"))
        } else if !giaddr.is_unspecified() {
            Some(format!("relayed by {giaddr}, and there is no relay agent on the link"))
        } else {
            None
        }
    }

    fn answer(&self, kind: Dhcp4Message, request: &Message) -> Result<Option<Reply>, String> {
        match kind {
            Dhcp4Message::Discover => Ok(Some(self.grant(Dhcp4Message::Offer, request))),
            Dhcp4Message::Request => self.answer_request(request).map(Some),
            Dhcp4Message::Inform if request.ciaddr.is_unspecified() => {
                Err("a DHCPINFORM without ciaddr (RFC 2131 table 5)".into())
            }
            Dhcp4Message::Inform => Ok(Some(self.inform(request))),
            // RFC 2131 §4.3.3 and §4.3.4: these have no answer.
            Dhcp4Message::Decline | Dhcp4Message::Release => Ok(None),
            Dhcp4Message::Offer | Dhcp4Message::Ack | Dhcp4Message::Nak => Err("a server's message".into()),
            Dhcp4Message::Other => Err("no known DHCP message type (option 53)".into()),
        }
    }

    /// RFC 2131 §4.3.2: the state of the client follows from options 54 and 50 and from `ciaddr`.
    fn answer_request(&self, request: &Message) -> Result<Reply, String> {
        let server = request.address(option::SERVER_IDENTIFIER);
        let requested = request.address(option::REQUESTED_ADDRESS);
        if let Some(other) = server.filter(|server| *server != address::SERVER4) {
            return Err(format!("the client chose server {other}"));
        }
        let Some(leased) = self.settings.address else {
            return Err("no address to lease".into());
        };
        let wanted = match requested {
            Some(address) => address,
            None if !request.ciaddr.is_unspecified() => request.ciaddr,
            None => {
                return Err("neither a requested address (option 50) nor ciaddr (RFC 2131 table 4)".into());
            }
        };
        match self.settings.request {
            RequestAnswer::Silence => Err("the scenario leaves every DHCPREQUEST unanswered".into()),
            RequestAnswer::Nak => Ok(nak(request, "the scenario refuses every request")),
            RequestAnswer::Ack if wanted != leased => Ok(nak(request, "requested address not available")),
            RequestAnswer::Ack => Ok(self.grant(Dhcp4Message::Ack, request)),
        }
    }

    /// DHCPOFFER, or the DHCPACK of a lease (RFC 2131 table 3).
    fn grant(&self, kind: Dhcp4Message, request: &Message) -> Reply {
        let mut message = reply_to(request, kind);
        // A server that leases no address has no lease time to state, as a PXE proxy (PXE 2.1 §2.2.3).
        if let Some(leased) = self.settings.address {
            message.yiaddr = leased;
            message.options.push((option::LEASE_TIME, self.settings.lease_seconds.to_be_bytes().into()));
        }
        if kind == Dhcp4Message::Ack {
            message.ciaddr = request.ciaddr;
        }
        self.configure(&mut message, request);
        let (to_mac, to) = destination(request, message.yiaddr);
        Reply { kind, to_mac, to, message }
    }

    /// The DHCPACK of a DHCPINFORM: no address and no lease time (RFC 2131 §4.3.5).
    fn inform(&self, request: &Message) -> Reply {
        let mut message = reply_to(request, Dhcp4Message::Ack);
        message.ciaddr = request.ciaddr;
        self.configure(&mut message, request);
        Reply { kind: Dhcp4Message::Ack, to_mac: request.client_mac(), to: request.ciaddr, message }
    }

    /// Adds what the settings say about the network and the boot.
    fn configure(&self, message: &mut Message, request: &Message) {
        let settings = &self.settings;
        message.siaddr = address::SERVER4;
        let mut add = |code, value: Vec<u8>| message.options.push((code, value));
        if let Some(mask) = settings.netmask {
            add(option::SUBNET_MASK, mask.octets().into());
        }
        if let Some(router) = settings.router {
            add(option::ROUTER, router.octets().into());
        }
        if !settings.dns.is_empty() {
            add(option::DOMAIN_NAME_SERVER, settings.dns.iter().flat_map(Ipv4Addr::octets).collect());
        }
        if let Some(class) = &settings.vendor_class {
            add(option::VENDOR_CLASS, class.clone().into_bytes());
        }
        match (&self.bootfile, settings.bootfile_in) {
            (Some(url), BootfileIn::Option) => add(option::BOOTFILE_NAME, url.clone().into_bytes()),
            (Some(url), BootfileIn::File) => message.file[..url.len()].copy_from_slice(url.as_bytes()),
            (None, _) => {}
        }
        echo_client_identifier(message, request);
    }

    fn send(&self, reply: &Reply, out: &mut Outbox) {
        let to = SocketAddrV4::new(reply.to, CLIENT_PORT);
        out.frames.push(frame::from_server(SERVER_PORT, reply.to_mac, to, &reply.message.to_bytes()));
        let boots = reply.kind != Dhcp4Message::Nak;
        out.events.push(Event::Dhcp4Sent {
            message: reply.kind,
            xid: reply.message.xid,
            address: reply.message.yiaddr,
            bootfile: self.bootfile.clone().filter(|_| boots),
            vendor_class: reply.message.text(option::VENDOR_CLASS),
        });
    }
}

fn kind(message: &Message) -> Dhcp4Message {
    match message.option(option::MESSAGE_TYPE).as_deref() {
        Some([1]) => Dhcp4Message::Discover,
        Some([2]) => Dhcp4Message::Offer,
        Some([3]) => Dhcp4Message::Request,
        Some([4]) => Dhcp4Message::Decline,
        Some([5]) => Dhcp4Message::Ack,
        Some([6]) => Dhcp4Message::Nak,
        Some([7]) => Dhcp4Message::Release,
        Some([8]) => Dhcp4Message::Inform,
        _ => Dhcp4Message::Other,
    }
}

fn code(kind: Dhcp4Message) -> u8 {
    match kind {
        Dhcp4Message::Offer => 2,
        Dhcp4Message::Nak => 6,
        _ => 5,
    }
}

fn unanswered(message: Dhcp4Message, why: String, out: &mut Outbox) {
    out.events.push(Event::Dhcp4Unanswered { message, why });
}

fn reply_to(request: &Message, kind: Dhcp4Message) -> Message {
    Message {
        op: BOOTREPLY,
        htype: ETHERNET,
        hlen: 6,
        xid: request.xid,
        secs: 0,
        flags: request.flags,
        ciaddr: Ipv4Addr::UNSPECIFIED,
        yiaddr: Ipv4Addr::UNSPECIFIED,
        siaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: Ipv4Addr::UNSPECIFIED,
        chaddr: request.chaddr,
        file: [0; 128],
        options: vec![
            (option::MESSAGE_TYPE, vec![code(kind)]),
            (option::SERVER_IDENTIFIER, address::SERVER4.octets().into()),
        ],
    }
}

/// DHCPNAK: always broadcast when no relay is between (RFC 2131 §4.3.2).
fn nak(request: &Message, why: &str) -> Reply {
    let mut message = reply_to(request, Dhcp4Message::Nak);
    message.options.push((option::MESSAGE, why.into()));
    echo_client_identifier(&mut message, request);
    Reply { kind: Dhcp4Message::Nak, to_mac: frame::BROADCAST_MAC, to: Ipv4Addr::BROADCAST, message }
}

/// RFC 6842 §3: a client identifier is returned as it came. One that needs more than one option is nobody's.
fn echo_client_identifier(message: &mut Message, request: &Message) {
    if let Some(identifier) = request.option(option::CLIENT_IDENTIFIER).filter(|value| value.len() <= 255) {
        message.options.push((option::CLIENT_IDENTIFIER, identifier));
    }
}

/// Where an offer or acknowledgment goes (RFC 2131 §4.1).
fn destination(request: &Message, yiaddr: Ipv4Addr) -> ([u8; 6], Ipv4Addr) {
    if !request.ciaddr.is_unspecified() {
        (request.client_mac(), request.ciaddr)
    } else if request.wants_broadcast() || yiaddr.is_unspecified() {
        (frame::BROADCAST_MAC, Ipv4Addr::BROADCAST)
    } else {
        (request.client_mac(), yiaddr)
    }
}
