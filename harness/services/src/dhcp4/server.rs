//! What the DHCPv4 server does with a message (RFC 2131 §4.1, §4.3; RFC 6842; UEFI 2.11 §24.7).
//!
//! There is one address to lease, and any client gets it: the link has one guest.

use super::message::{BOOTREPLY, BOOTREQUEST, ETHERNET, Message, option};
use super::pxe::{self, Discovery, Service};
use super::{BootfileIn, Delivery, Layout, RequestAnswer, Settings};
use crate::{address, delay, frame};
use record::{Dhcp4Message, Endpoint, Event};
use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};
use wire::{GuestTime, Outbox};

/// UDP ports of RFC 2131 §4.1.
pub(crate) const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
/// UDP port of PXE servers beside that of DHCP (PXE 2.1 §2.2.3).
pub(crate) const PXE_PORT: u16 = 4011;

/// The server and the offers that it delays.
#[derive(Debug)]
pub(crate) struct Server {
    settings: Settings,
    offer_delay: Duration,
    ack_delay: Duration,
    pending: delay::Queue<Reply>,
}

#[derive(Debug)]
struct Reply {
    kind: Dhcp4Message,
    from: SocketAddrV4,
    to_mac: [u8; 6],
    to: SocketAddrV4,
    message: Message,
    /// For the timeline.
    bootfile: Option<String>,
    bytes: Vec<u8>,
}

/// What one of the servers on the link offers.
struct Offer<'a> {
    server: Ipv4Addr,
    address: Option<Ipv4Addr>,
    bootfile: Option<&'a str>,
    vendor_class: Option<&'a str>,
    dns: &'a [Ipv4Addr],
    discovery: &'a Discovery,
    /// Whether it has a service of its own on port 4011.
    has_service: bool,
}

/// A message that came to port 4011 of a server.
pub(crate) struct Unicast<'a> {
    pub(crate) mac: [u8; 6],
    pub(crate) from: SocketAddrV4,
    pub(crate) server: Ipv4Addr,
    pub(crate) payload: &'a [u8],
}

impl Server {
    /// A server whose settings have been checked.
    pub(crate) fn new(settings: Settings) -> Self {
        let offer_delay = delay::duration(settings.offer_delay_seconds);
        let ack_delay = delay::duration(settings.ack.delay_seconds);
        Self { settings, offer_delay, ack_delay, pending: delay::Queue::new() }
    }

    /// Takes the payload of a datagram that was sent to the server's port.
    pub(crate) fn receive(&mut self, now: GuestTime, payload: &[u8], out: &mut Outbox) {
        let request = match Message::parse(payload) {
            Ok(request) => request,
            Err(error) => return unanswered(Dhcp4Message::Other, format!("malformed: {error}"), out),
        };
        let kind = kind(&request);
        out.events.push(received(kind, &request, None));
        if let Some(why) = self.refusal(&request) {
            return unanswered(kind, why, out);
        }
        let (before, after) = match kind {
            Dhcp4Message::Discover => self.other_offers(&request),
            _ => (Vec::new(), Vec::new()),
        };
        before.iter().for_each(|reply| send(reply, out));
        match self.answer(kind, &request) {
            Ok(Some(reply)) => {
                let delay = match reply.kind {
                    Dhcp4Message::Offer => self.offer_delay,
                    Dhcp4Message::Ack => self.ack_delay,
                    _ => Duration::ZERO,
                };
                self.send_or_wait(now, delay, reply, out);
            }
            Ok(None) => {}
            Err(why) => unanswered(kind, why, out),
        }
        after.iter().for_each(|reply| send(reply, out));
    }

    /// Whether something listens on port 4011 of an address.
    pub(crate) fn has_service(&self, server: Ipv4Addr) -> bool {
        self.settings.enabled && self.settings.services().any(|(each, ..)| each == server)
    }

    /// Takes a message that was sent to port 4011 of a server that has a service there.
    pub(crate) fn receive_unicast(&mut self, now: GuestTime, unicast: &Unicast<'_>, out: &mut Outbox) {
        let request = match Message::parse(unicast.payload) {
            Ok(request) => request,
            Err(error) => {
                return unanswered(Dhcp4Message::Other, format!("malformed, on port 4011: {error}"), out);
            }
        };
        let kind = kind(&request);
        out.events.push(received(kind, &request, Some(Endpoint::new(unicast.server, PXE_PORT))));
        match self.answer_unicast(kind, &request, unicast) {
            Ok((reply, delay)) => self.send_or_wait(now, delay, reply, out),
            Err(why) => unanswered(kind, why, out),
        }
    }

    fn answer_unicast(
        &self,
        kind: Dhcp4Message,
        request: &Message,
        unicast: &Unicast<'_>,
    ) -> Result<(Reply, Duration), String> {
        if let Some(why) = self.refusal(request) {
            return Err(why);
        }
        let mut services = self.settings.services();
        let Some((server, service, discovery)) = services.find(|(server, ..)| *server == unicast.server)
        else {
            return Err("nothing listens there".into());
        };
        if kind != Dhcp4Message::Request {
            return Err("only a DHCPREQUEST is answered on port 4011".into());
        }
        if !request.text(option::VENDOR_CLASS).is_some_and(|class| class.starts_with("PXEClient")) {
            return Err("not of a PXE client: option 60 does not begin with PXEClient".into());
        }
        if unicast.from.ip().is_unspecified() {
            return Err("a client without an address asks on port 4011".into());
        }
        let (kind, message) = match service.request {
            RequestAnswer::Silence => return Err("the scenario leaves port 4011 without an answer".into()),
            RequestAnswer::Nak => {
                (Dhcp4Message::Nak, refused(request, server, "the scenario refuses every request"))
            }
            RequestAnswer::Ack => (Dhcp4Message::Ack, service_ack(request, server, service, discovery)),
        };
        let way = (SocketAddrV4::new(server, PXE_PORT), unicast.mac, unicast.from);
        let reply = self.laid_out(kind, way, message, service.bootfile.as_deref());
        Ok((reply, delay::duration(service.delay_seconds)))
    }

    fn send_or_wait(&mut self, now: GuestTime, delay: Duration, reply: Reply, out: &mut Outbox) {
        if delay.is_zero() {
            send(&reply, out);
        } else if self.pending.is_full() {
            unanswered(reply.kind, format!("{} answers are waiting already", delay::WAITING), out);
        } else {
            self.pending.push(now + delay, reply);
        }
    }

    /// Sends the offers that are due.
    pub(crate) fn poll(&mut self, now: GuestTime, out: &mut Outbox) {
        for reply in self.pending.due(now) {
            send(&reply, out);
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
            Dhcp4Message::Discover => Ok(Some(self.grant(&self.ours(), Dhcp4Message::Offer, request))),
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
            let chosen = self.others().find(|offer| offer.server == other && offer.address.is_some());
            return match chosen {
                Some(offer) => Ok(self.grant(&offer, Dhcp4Message::Ack, request)),
                None => Err(format!("the client chose server {other}")),
            };
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
            RequestAnswer::Ack => Ok(self.grant(&self.acknowledged(), Dhcp4Message::Ack, request)),
        }
    }

    /// What our own server offers.
    fn ours(&self) -> Offer<'_> {
        Offer {
            server: address::SERVER4,
            address: self.settings.address,
            bootfile: self.settings.bootfile.as_deref(),
            vendor_class: self.settings.vendor_class.as_deref(),
            dns: &self.settings.dns,
            discovery: &self.settings.discovery,
            has_service: false,
        }
    }

    /// What it acknowledges, which should be the same.
    fn acknowledged(&self) -> Offer<'_> {
        let (ours, ack) = (self.ours(), &self.settings.ack);
        Offer {
            server: ack.server.unwrap_or(ours.server),
            address: ack.address.or(ours.address),
            bootfile: ack.bootfile.as_deref().or(ours.bootfile),
            vendor_class: ack.vendor_class.as_deref().or(ours.vendor_class),
            ..ours
        }
    }

    /// What the other servers on the link offer, in their order.
    fn others(&self) -> impl Iterator<Item = Offer<'_>> {
        self.settings.more_servers.iter().flat_map(|more| {
            more.servers().map(|server| Offer {
                server,
                address: more.address,
                bootfile: more.bootfile.as_deref(),
                vendor_class: more.vendor_class.as_deref(),
                dns: &more.dns,
                discovery: &more.discovery,
                has_service: more.port_4011.is_some(),
            })
        })
    }

    /// Their offers: those that come before ours, and those that come after.
    fn other_offers(&self, request: &Message) -> (Vec<Reply>, Vec<Reply>) {
        let firsts = self.settings.more_servers.iter().flat_map(|more| (0..more.count).map(|_| more.first));
        let offers = self.others().map(|offer| self.grant(&offer, Dhcp4Message::Offer, request));
        let (before, after): (Vec<_>, Vec<_>) = offers.zip(firsts).partition(|(_, first)| *first);
        let replies = |pairs: Vec<(Reply, bool)>| pairs.into_iter().map(|(reply, _)| reply).collect();
        (replies(before), replies(after))
    }

    /// DHCPOFFER, or the DHCPACK of a lease (RFC 2131 table 3).
    fn grant(&self, offer: &Offer<'_>, kind: Dhcp4Message, request: &Message) -> Reply {
        let mut message = reply_to(request, kind, offer.server);
        // A server that leases no address has no lease time to state, as a PXE proxy (PXE 2.1 §2.2.3).
        if let Some(leased) = offer.address {
            message.yiaddr = leased;
            message.options.push((option::LEASE_TIME, self.settings.lease_seconds.to_be_bytes().into()));
        }
        if kind == Dhcp4Message::Ack {
            message.ciaddr = request.ciaddr;
        }
        let of_class = self.of_user_class(request).filter(|_| offer.server == address::SERVER4);
        let offer = &Offer { bootfile: of_class.or(offer.bootfile), ..*offer };
        self.configure(&mut message, offer, request);
        if kind == Dhcp4Message::Ack {
            message.options.retain(|(code, _)| !self.settings.ack.without.contains(code));
        }
        let (to_mac, to) = destination(request, message.yiaddr);
        self.reply(kind, to_mac, to, message, offer)
    }

    /// The DHCPACK of a DHCPINFORM: no address and no lease time (RFC 2131 §4.3.5).
    fn inform(&self, request: &Message) -> Reply {
        let offer = self.ours();
        let mut message = reply_to(request, Dhcp4Message::Ack, offer.server);
        message.ciaddr = request.ciaddr;
        self.configure(&mut message, &offer, request);
        self.reply(Dhcp4Message::Ack, request.client_mac(), request.ciaddr, message, &offer)
    }

    /// The boot file of the user class that a client says it is of (RFC 3004 §4: each with a length before it; iPXE leaves that out).
    fn of_user_class(&self, request: &Message) -> Option<&str> {
        let sent = request.option(option::USER_CLASS)?;
        let is_of = |name: &[u8]| {
            let mut classes = sent.as_slice();
            let mut instances = std::iter::from_fn(|| {
                let (length, rest) = classes.split_first()?;
                let (class, rest) = rest.split_at_checked((*length).into())?;
                classes = rest;
                Some(class)
            });
            sent == name || instances.any(|class| class == name)
        };
        let classes = &self.settings.user_classes;
        classes.iter().find(|class| is_of(class.name.as_bytes())).map(|class| class.bootfile.as_str())
    }

    /// Adds what the settings say about the network and the boot.
    fn configure(&self, message: &mut Message, offer: &Offer<'_>, request: &Message) {
        let settings = &self.settings;
        // As dnsmasq does: a client that prefers `siaddr` to option 54 asks the server that has the service.
        message.siaddr = if offer.has_service { offer.server } else { address::SERVER4 };
        let mut add = |code, value: Vec<u8>| message.options.push((code, value));
        if let Some(mask) = settings.netmask {
            add(option::SUBNET_MASK, mask.octets().into());
        }
        if let Some(router) = settings.router {
            add(option::ROUTER, router.octets().into());
        }
        if !offer.dns.is_empty() {
            add(option::DOMAIN_NAME_SERVER, offer.dns.iter().flat_map(Ipv4Addr::octets).collect());
        }
        if let Some(class) = offer.vendor_class {
            add(option::VENDOR_CLASS, class.into());
        }
        if let Some(discovery) = offer.discovery.option() {
            add(option::VENDOR_SPECIFIC, discovery);
        }
        match (offer.bootfile, settings.bootfile_in) {
            (Some(url), BootfileIn::File) if url.len() < message.file.len() => {
                message.file[..url.len()].copy_from_slice(url.as_bytes());
            }
            (Some(url), _) => add(option::BOOTFILE_NAME, url.into()),
            (None, _) => {}
        }
        echo_client_identifier(message, request);
    }

    /// The message as the layout has it.
    fn reply(
        &self,
        kind: Dhcp4Message,
        to_mac: [u8; 6],
        to: Ipv4Addr,
        mut message: Message,
        offer: &Offer<'_>,
    ) -> Reply {
        let layout = &self.settings.layout;
        if layout.relayed {
            message.giaddr = address::SERVER4;
            // Agent circuit ID (RFC 3046 §3.1).
            message.options.push((option::RELAY_AGENT, b"\x01\x04eth0".to_vec()));
        }
        let (to_mac, to) = match layout.delivery {
            Delivery::AsAsked => (to_mac, to),
            Delivery::Broadcast => (frame::BROADCAST_MAC, Ipv4Addr::BROADCAST),
            Delivery::Unicast if message.yiaddr.is_unspecified() => (to_mac, to),
            Delivery::Unicast => (message.client_mac(), message.yiaddr),
        };
        let from = SocketAddrV4::new(offer.server, SERVER_PORT);
        let to = SocketAddrV4::new(to, CLIENT_PORT);
        self.laid_out(kind, (from, to_mac, to), message, offer.bootfile)
    }

    fn laid_out(
        &self,
        kind: Dhcp4Message,
        (from, to_mac, to): (SocketAddrV4, [u8; 6], SocketAddrV4),
        mut message: Message,
        bootfile: Option<&str>,
    ) -> Reply {
        let layout = &self.settings.layout;
        layout.edit(&mut message);
        let bytes = layout.bytes(&message);
        let bootfile = bootfile.map(str::to_owned).or_else(|| layout.file.clone());
        Reply { kind, from, to_mac, to, message, bootfile, bytes }
    }
}

/// The DHCPACK of a PXE service: where the boot file is, and nothing of a lease (PXE 2.1 §2.2.3, §2.2.6).
fn service_ack(request: &Message, server: Ipv4Addr, service: &Service, discovery: &Discovery) -> Message {
    let mut message = reply_to(request, Dhcp4Message::Ack, server);
    message.ciaddr = request.ciaddr;
    message.siaddr = service.next_server.unwrap_or(server);
    let item = request.option(option::VENDOR_SPECIFIC).and_then(|sent| pxe::boot_item(&sent));
    let vendor = item.map(pxe::chosen).or_else(|| discovery.option());
    let text = |text: &Option<String>| text.as_deref().map(|text| text.as_bytes().to_vec());
    // RFC 4578 §2.3: a machine's identifier is returned to it, by which it knows its answer.
    let machine = request.option(option::CLIENT_MACHINE).filter(|value| value.len() <= 255);
    let mut add = |code, value: Option<Vec<u8>>| message.options.extend(value.map(|value| (code, value)));
    add(option::VENDOR_CLASS, text(&service.vendor_class));
    add(option::CLIENT_MACHINE, machine);
    add(option::VENDOR_SPECIFIC, vendor);
    add(option::SERVER_NAME, text(&service.server_name));
    match (service.bootfile_in, &service.bootfile) {
        (BootfileIn::File, Some(file)) => message.file[..file.len()].copy_from_slice(file.as_bytes()),
        (BootfileIn::Option, file) => add(option::BOOTFILE_NAME, text(file)),
        (BootfileIn::File, None) => {}
    }
    echo_client_identifier(&mut message, request);
    message
}

/// What the timeline says of a client's message; `to` is where it came, if that is not port 67.
fn received(kind: Dhcp4Message, request: &Message, to: Option<Endpoint>) -> Event {
    let number = |code| {
        let value = request.option(code)?;
        value.first_chunk().copied().map(u16::from_be_bytes)
    };
    Event::Dhcp4Received {
        message: kind,
        xid: request.xid,
        to,
        vendor_class: request.text(option::VENDOR_CLASS),
        user_class: request.text(option::USER_CLASS),
        architecture: number(option::CLIENT_ARCHITECTURE),
        server: request.address(option::SERVER_IDENTIFIER),
        requested: request.address(option::REQUESTED_ADDRESS),
        parameters: request.option(option::PARAMETERS).unwrap_or_default(),
        max_size: number(option::MAX_SIZE),
        reason: request.text(option::MESSAGE),
    }
}

fn send(reply: &Reply, out: &mut Outbox) {
    let (from, port) = (*reply.from.ip(), reply.from.port());
    out.frames.extend(frame::fragments(frame::from_address(
        from,
        port,
        reply.to_mac,
        reply.to,
        &reply.bytes,
    )));
    let boots = reply.kind != Dhcp4Message::Nak;
    out.events.push(Event::Dhcp4Sent {
        message: reply.kind,
        xid: reply.message.xid,
        from: (port != SERVER_PORT).then(|| Endpoint::new(from, port)),
        address: reply.message.yiaddr,
        bootfile: reply.bootfile.clone().filter(|_| boots),
        vendor_class: reply.message.text(option::VENDOR_CLASS),
    });
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

fn reply_to(request: &Message, kind: Dhcp4Message, server: Ipv4Addr) -> Message {
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
        sname: [0; 64],
        file: [0; 128],
        options: vec![
            (option::MESSAGE_TYPE, vec![code(kind)]),
            (option::SERVER_IDENTIFIER, server.octets().into()),
        ],
    }
}

/// DHCPNAK: always broadcast when no relay is between (RFC 2131 §4.3.2).
fn nak(request: &Message, why: &str) -> Reply {
    let message = refused(request, address::SERVER4, why);
    let bytes = Layout::default().bytes(&message);
    Reply {
        kind: Dhcp4Message::Nak,
        from: SocketAddrV4::new(address::SERVER4, SERVER_PORT),
        to_mac: frame::BROADCAST_MAC,
        to: SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT),
        message,
        bootfile: None,
        bytes,
    }
}

fn refused(request: &Message, server: Ipv4Addr, why: &str) -> Message {
    let mut message = reply_to(request, Dhcp4Message::Nak, server);
    message.options.push((option::MESSAGE, why.into()));
    echo_client_identifier(&mut message, request);
    message
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
