//! What DHCPv6 servers do with a message (RFC 8415 §16, §18.3; RFC 5970 §3).

use super::answer::Server;
use super::message::{Association, Message, kind, option};
use super::relay::{self, agent};
use super::{Mode, Settings};
use crate::frame6::{self, Host, Packet};
use crate::{address, delay};
use record::{Dhcp6Message, Dhcp6Silence, Event};
use std::net::Ipv6Addr;
use wire::{GuestTime, Outbox};

/// UDP ports of RFC 8415 §7.2.
pub(crate) const SERVER_PORT: u16 = 547;
const CLIENT_PORT: u16 = 546;
/// All servers and relay agents on the link (RFC 8415 §7.1).
const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// All servers of the site, for relay agents (RFC 8415 §7.1).
const ALL_SITE_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);
/// Servers on the link, ours among them.
pub(crate) const SERVERS: usize = 4;
/// The others are the stations after the routers.
const FIRST_STATION: u8 = 5;
/// IA_NAs that get addresses, for each server.
pub(super) const LEASES: usize = 64;
/// How far the addresses of an IA_NA are from those of the one before.
pub(super) const LEASE_STEP: u128 = 0x1000;
/// IPv6's 1500 bytes and the Ethernet header (RFC 2464 §2).
const FRAME: usize = 1514;

/// All DHCPv6 servers of the link.
#[derive(Debug)]
pub(crate) struct Servers {
    servers: Vec<Server>,
    /// Whether a relay agent stands between clients and servers.
    relay: bool,
    pending: delay::Queue<Reply>,
}

#[derive(Debug)]
struct Reply {
    frame: Vec<u8>,
    events: Vec<Event>,
}

/// The way back of an answer.
struct Way<'a> {
    packet: &'a Packet<'a>,
    /// Whether the relay agent of our link passed the message on.
    relayed: bool,
    /// The envelopes around the message, outermost first.
    envelopes: Vec<relay::Envelope>,
}

impl Servers {
    /// Servers whose settings have been checked; `bootfiles` are ours and those of the others.
    pub(crate) fn new(settings: &Settings, bootfiles: &[Option<String>]) -> Self {
        let others = settings.more_servers.iter().map(|other| settings.of_server(other));
        let all = std::iter::once(settings.clone()).chain(others).zip(bootfiles).zip(1..);
        let servers = all.map(|((settings, bootfile), number)| Server {
            number,
            host: match number {
                1 => Host::server(address::ROUTER6),
                other => Host::station(FIRST_STATION + other - 2),
            },
            settings,
            bootfile: bootfile.clone(),
            leases: Vec::new(),
        });
        let servers = if settings.mode == Mode::None { Vec::new() } else { servers.collect() };
        Self { servers, relay: settings.relay, pending: delay::Queue::new() }
    }

    /// Whether an address is one that the servers of `settings` may assign.
    pub(crate) fn may_assign(settings: &Settings, address: Ipv6Addr) -> bool {
        let others = settings.more_servers.iter().flat_map(|server| &server.addresses);
        settings.addresses.iter().chain(others).any(|first| {
            let distance = address.to_bits().wrapping_sub(first.to_bits());
            distance.is_multiple_of(LEASE_STEP) && distance / LEASE_STEP < LEASES as u128
        })
    }

    /// Whether the servers listen on an address.
    pub(crate) fn listens_on(to: Ipv6Addr) -> bool {
        [ALL_SERVERS, ALL_SITE_SERVERS].contains(&to) || address::SERVER_ADDRESSES6.contains(&to)
    }

    /// Takes the payload of a datagram that was sent to the servers' port.
    pub(crate) fn receive(&mut self, now: GuestTime, packet: &Packet<'_>, payload: &[u8], out: &mut Outbox) {
        let unanswered = |message, (reason, why): (Dhcp6Silence, String), out: &mut Outbox| {
            out.events.push(Event::Dhcp6Unanswered { message, reason, why });
        };
        let malformed = |why: String| (Dhcp6Silence::Message, why);
        let relayed = self.relay && packet.to == ALL_SERVERS;
        let forwarded = relayed.then(|| agent::forward(packet.from, payload));
        let (envelopes, inner) = match relay::unwrapped(forwarded.as_deref().unwrap_or(payload)) {
            Ok(unwrapped) => unwrapped,
            Err(error) => {
                return unanswered(Dhcp6Message::RelayForward, malformed(error.to_string()), out);
            }
        };
        let message = match Message::parse(&inner).and_then(|m| Ok((m.associations()?, m))) {
            Ok((associations, message)) => {
                out.events.push(received(&message, &associations));
                Ok((associations, message))
            }
            Err(error) => Err(malformed(error.to_string())),
        };
        if relayed {
            let (message, agent) = (Dhcp6Message::RelayForward, agent::HOST.address);
            out.events.push(Event::Dhcp6Relayed { message, agent });
        }
        let way = Way { packet, relayed, envelopes };
        let (associations, message) = match message {
            Ok(read) => read,
            Err(why) => return unanswered(Dhcp6Message::Other, why, out),
        };
        let kind = name(message.kind);
        if self.servers.is_empty() {
            let why = (Dhcp6Silence::NoServer, "no DHCPv6 server on the link".to_owned());
            return unanswered(kind, why, out);
        }
        // Behind a relay agent everything was multicast, as far as the server can tell (RFC 8415 §18.4).
        let by_unicast = way.envelopes.is_empty() && !packet.to.is_multicast();
        let mut why = None;
        let mut answered = false;
        for server in &mut self.servers {
            if !packet.to.is_multicast() && server.number > 1 {
                continue;
            }
            let answer = server.answer(by_unicast, kind, &message, &associations);
            let reply = answer.and_then(|(answer, event)| {
                let reply = way.back(server.host, &answer.to_bytes(), event);
                let length = reply.frame.len();
                let fits = || malformed(format!("an answer of {length} bytes, and a frame takes {FRAME}"));
                (length <= FRAME).then_some(reply).ok_or_else(fits)
            });
            match reply {
                Ok(reply) => {
                    answered = true;
                    let waits = matches!(kind, Dhcp6Message::Solicit | Dhcp6Message::InformationRequest);
                    let delay = delay::duration(server.settings.delay_seconds);
                    if !waits || delay.is_zero() {
                        out.frames.push(reply.frame);
                        out.events.extend(reply.events);
                    } else if !self.pending.is_full() {
                        self.pending.push(now + delay, reply);
                    }
                }
                Err(reason) => why = why.or(Some(reason)),
            }
        }
        if let Some(why) = why.filter(|_| !answered) {
            unanswered(kind, why, out);
        }
    }

    /// Sends the answers that are due.
    pub(crate) fn poll(&mut self, now: GuestTime, out: &mut Outbox) {
        for reply in self.pending.due(now) {
            out.frames.push(reply.frame);
            out.events.extend(reply.events);
        }
    }

    /// When the next answer is due.
    pub(crate) fn poll_at(&self) -> Option<GuestTime> {
        self.pending.poll_at()
    }
}

impl Way<'_> {
    /// The frame that brings `answer`, of the server at `host`, to the client or the relay agent.
    fn back(&self, host: Host, answer: &[u8], event: Event) -> Reply {
        let sender = Host { mac: self.packet.mac, address: self.packet.from };
        // Who was asked by unicast answers from there.
        let asked = Host::server(self.packet.to);
        let host = if self.packet.to.is_multicast() { host } else { asked };
        let seal = |inner: Vec<u8>, envelope: &relay::Envelope| envelope.seal(kind::RELAY_REPLY, &inner);
        let sealed = self.envelopes.iter().rev().fold(answer.to_vec(), seal);
        if self.relayed {
            let (message, agent) = (Dhcp6Message::RelayReply, agent::HOST.address);
            let relayed = Event::Dhcp6Relayed { message, agent };
            // RFC 8415 §19.2: what was inside goes to the peer that the envelope names.
            let (peer, inner) = relay::Envelope::open(&sealed)
                .map_or_else(|_| (sender.address, Vec::new()), |(envelope, inner)| (envelope.peer, inner));
            let client = Host { address: peer, ..sender };
            let frame = frame6::udp((agent::HOST, SERVER_PORT), (client, CLIENT_PORT), &inner);
            return Reply { frame, events: vec![event, relayed] };
        }
        let port = if self.envelopes.is_empty() { CLIENT_PORT } else { SERVER_PORT };
        let frame = frame6::udp((host, SERVER_PORT), (sender, port), &sealed);
        Reply { frame, events: vec![event] }
    }
}

fn received(message: &Message, associations: &[Association]) -> Event {
    Event::Dhcp6Received {
        message: name(message.kind),
        xid: message.xid,
        vendor_class: message.vendor_class(),
        architecture: message
            .option(option::CLIENT_ARCH_TYPE)
            .and_then(|value| value.first_chunk().copied().map(u16::from_be_bytes)),
        network_interface: message
            .option(option::NETWORK_INTERFACE)
            .and_then(|value| value.first_chunk().copied()),
        addresses: associations.iter().flat_map(|ia| ia.addresses.clone()).collect(),
        stateful: !associations.is_empty() || message.option(option::IA_TA).is_some(),
        requested: message.requested(),
    }
}

/// The name of a message type.
pub(super) fn name(kind: u8) -> Dhcp6Message {
    use Dhcp6Message::*;
    match kind {
        1 => Solicit,
        2 => Advertise,
        3 => Request,
        4 => Confirm,
        5 => Renew,
        6 => Rebind,
        7 => Reply,
        8 => Release,
        9 => Decline,
        10 => Reconfigure,
        11 => InformationRequest,
        12 => RelayForward,
        13 => RelayReply,
        _ => Other,
    }
}
