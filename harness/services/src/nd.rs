//! Neighbour discovery (RFC 4861 §7.2, RFC 4862 §5.4): how our hosts answer solicitations, and whose addresses are in
//! use already.

use crate::frame6::{self, ALL_NODES, Content, Host, Packet, UNROUTED};
use crate::{SettingsError, address, delay, dhcp6};
use record::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;
use wire::{GuestTime, Outbox};

/// ICMPv6 types of RFC 4861 §4.3 and §4.4.
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Option of RFC 4861 §4.6.1: the source's link-layer address.
const SOURCE_LINK_ADDRESS: u8 = 1;
/// Option of RFC 4861 §4.6.1: the target's link-layer address.
const TARGET_LINK_ADDRESS: u8 = 2;

/// The `nd:` block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "NdSettings")]
pub struct Settings {
    /// Whether our hosts answer solicitations for their addresses at all.
    pub answer: bool,
    /// So many solicitations for our addresses stay without an answer before the first one gets one.
    pub lose: u32,
    /// Guest seconds between a solicitation and its answer, 0 to 86400.
    pub delay_seconds: f64,
    /// The R flag of answers: the host is a router.
    pub router: bool,
    /// The S flag of answers. RFC 4861 §7.2.4 wants it in an answer.
    pub solicited: bool,
    /// The O flag of answers: the link-layer address replaces an older one.
    pub r#override: bool,
    /// Whether answers have the target's link-layer address. A client that asked by multicast cannot do without it.
    pub link_address: bool,
    /// Which of the guest's addresses another host has already.
    pub in_use: Vec<InUse>,
    /// How that host objects to a second one.
    pub objection: Objection,
}

/// Kinds of addresses that a guest may try to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum InUse {
    /// fe80::/10.
    LinkLocal,
    /// The one that DHCPv6 assigns.
    Assigned,
    /// Any other, such as one that the guest has made of an advertised prefix.
    Autonomous,
}

/// How another host objects (RFC 4862 §5.4.3, §5.4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Objection {
    /// It has the address, and advertises it.
    Advertisement,
    /// It is about to take the address too, and solicits it at the same time.
    Solicitation,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            answer: true,
            lose: 0,
            delay_seconds: 0.0,
            router: true,
            solicited: true,
            r#override: true,
            link_address: true,
            in_use: Vec::new(),
            objection: Objection::Advertisement,
        }
    }
}

impl Settings {
    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if !self.answer && self.lose > 0 {
            return Err(SettingsError::new("network.nd.lose", "answer is false, so all of them are lost"));
        }
        delay::check("network.nd.delay_seconds", self.delay_seconds)
    }
}

/// A solicitation as it was received (RFC 4861 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Solicitation {
    /// `None` for a probe (RFC 4862 §5.4.2).
    from: Option<Host>,
    target: Ipv6Addr,
}

/// Our hosts on the link, as far as neighbours ask for them.
#[derive(Debug)]
pub(crate) struct Responder {
    settings: Settings,
    /// Whose addresses are those that DHCPv6 assigns.
    dhcp6: dhcp6::Settings,
    /// Addresses that are on the link although no prefix says so.
    neighbors: &'static [Ipv6Addr],
    lost: u32,
    pending: delay::Queue<Vec<u8>>,
}

impl Responder {
    /// A responder whose settings have been checked; `neighbors` are on the link although no prefix says so.
    pub(crate) fn new(settings: Settings, dhcp6: dhcp6::Settings, neighbors: &'static [Ipv6Addr]) -> Self {
        Self { settings, dhcp6, neighbors, lost: 0, pending: delay::Queue::new() }
    }

    /// Whether a packet is a neighbour solicitation, valid or not.
    pub(crate) fn is_solicitation(packet: &Packet<'_>) -> bool {
        matches!(packet.content, Content::Icmp { kind: SOLICITATION, .. })
    }

    /// Takes a neighbour solicitation.
    pub(crate) fn receive(&mut self, now: GuestTime, packet: &Packet<'_>, out: &mut Outbox) {
        let Some(solicitation) = read(packet) else { return };
        let Solicitation { from, target } = solicitation;
        let neighbor = self.neighbors.contains(&target).then(|| Host::neighbor(target));
        if let Some(host) = neighbor.or_else(|| host(target)) {
            if let Some(why) = self.silence() {
                out.events.push(Event::NeighborUnanswered { target, why });
            } else {
                self.send(now, self.advertisement(host, from), out);
            }
        } else if from.is_none() {
            let taken = self.settings.in_use.contains(&self.kind(target));
            out.events.push(Event::DadProbe { target, taken });
            if taken {
                self.send(now, self.objection(target), out);
            }
        } else {
            let why = "no host on the link has this address".into();
            out.events.push(Event::NeighborUnanswered { target, why });
        }
    }

    /// Sends the answers that are due.
    pub(crate) fn poll(&mut self, now: GuestTime, out: &mut Outbox) {
        out.frames.extend(self.pending.due(now));
    }

    /// When the next answer is due.
    pub(crate) fn poll_at(&self) -> Option<GuestTime> {
        self.pending.poll_at()
    }

    /// Why this solicitation gets no answer.
    fn silence(&mut self) -> Option<String> {
        if !self.settings.answer {
            return Some("the scenario leaves every neighbour solicitation unanswered".into());
        }
        (self.lost < self.settings.lose).then(|| {
            self.lost += 1;
            format!("the scenario loses {} of {}", self.lost, self.settings.lose)
        })
    }

    fn send(&mut self, now: GuestTime, frame: Vec<u8>, out: &mut Outbox) {
        let delay = delay::duration(self.settings.delay_seconds);
        if delay.is_zero() {
            out.frames.push(frame);
        } else if !self.pending.is_full() {
            self.pending.push(now + delay, frame);
        }
    }

    fn kind(&self, target: Ipv6Addr) -> InUse {
        if target.is_unicast_link_local() {
            InUse::LinkLocal
        } else if dhcp6::Servers::may_assign(&self.dhcp6, target) {
            InUse::Assigned
        } else {
            InUse::Autonomous
        }
    }

    /// RFC 4861 §7.2.4: a probe is answered to all nodes, as it has no sender.
    fn advertisement(&self, host: Host, to: Option<Host>) -> Vec<u8> {
        let Settings { router, solicited, r#override, link_address, .. } = self.settings;
        let flags =
            u8::from(router) << 7 | u8::from(solicited && to.is_some()) << 6 | u8::from(r#override) << 5;
        let to = to.unwrap_or_else(|| Host::group(ALL_NODES));
        frame6::icmp(host, to, UNROUTED, ADVERTISEMENT, &advertisement(flags, host, link_address))
    }

    fn objection(&self, target: Ipv6Addr) -> Vec<u8> {
        let other = Host { mac: address::NEIGHBOR_MAC, address: target };
        match self.settings.objection {
            Objection::Advertisement => {
                let body = advertisement(0x20, other, true);
                frame6::icmp(other, Host::group(ALL_NODES), UNROUTED, ADVERTISEMENT, &body)
            }
            Objection::Solicitation => {
                let from = Host { mac: other.mac, address: Ipv6Addr::UNSPECIFIED };
                let body = [[0; 4].as_slice(), &target.octets()].concat();
                frame6::icmp(from, Host::group(solicited_node(target)), UNROUTED, SOLICITATION, &body)
            }
        }
    }
}

/// The host of ours that has an address on the link. What is behind a router has no neighbours here.
fn host(target: Ipv6Addr) -> Option<Host> {
    if [address::SERVER6, address::ROUTER6].contains(&target) {
        return Some(Host::server(target));
    }
    (1..=frame6::STATIONS).map(Host::station).find(|host| host.address == target)
}

fn advertisement(flags: u8, host: Host, link_address: bool) -> Vec<u8> {
    let mut body = vec![flags, 0, 0, 0];
    body.extend(host.address.octets());
    if link_address {
        body.extend([TARGET_LINK_ADDRESS, 1]);
        body.extend(host.mac);
    }
    body
}

/// The group in which the holder of an address is (RFC 4291 §2.7.1).
fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// Reads a solicitation that is valid by RFC 4861 §7.1.1.
fn read(packet: &Packet<'_>) -> Option<Solicitation> {
    let Content::Icmp { kind: SOLICITATION, code: 0, body } = packet.content else { return None };
    if packet.hop_limit != UNROUTED {
        return None;
    }
    let (fixed, rest) = body.split_at_checked(20)?;
    let target = Ipv6Addr::from(<[u8; 16]>::try_from(&fixed[4..]).ok()?);
    let options = frame6::options(rest)?;
    let source = options.iter().find(|(kind, _)| *kind == SOURCE_LINK_ADDRESS);
    if target.is_multicast() {
        return None;
    }
    if packet.from.is_unspecified() {
        let probe = source.is_none() && packet.to == solicited_node(target);
        return probe.then_some(Solicitation { from: None, target });
    }
    let mac = source.and_then(|(_, mac)| (*mac).try_into().ok()).unwrap_or(packet.mac);
    Some(Solicitation { from: Some(Host { mac, address: packet.from }), target })
}
