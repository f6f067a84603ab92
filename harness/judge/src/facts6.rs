//! What a timeline says of IPv6 below TCP: duplicate address detection, neighbours, routers, DHCPv6.

use crate::finding::{Host, host};
use record::{Dhcp6Message, Dhcp6Silence, Dhcp6Times, Direction, Event};
use std::net::{IpAddr, Ipv6Addr};

/// Duplicate address detection for an address (RFC 4862 §5.4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    pub address: Ipv6Addr,
    pub taken: bool,
    pub frame: u64,
}

/// A router's word (RFC 4861 §4.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advertisement<'a> {
    pub router: Ipv6Addr,
    pub managed: bool,
    pub other: bool,
    pub lifetime: u16,
    prefixes: &'a [String],
    pub malformed: bool,
}

/// Something that the guest sent for nothing: an address, and in which frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InVain {
    pub address: Ipv6Addr,
    pub frame: u64,
}

/// What a client asked a DHCPv6 server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub message: Dhcp6Message,
    pub xid: u32,
    vendor_class: Option<&'a str>,
    /// Why it stayed without an answer.
    pub unanswered: Option<(Dhcp6Silence, &'a str)>,
    pub frame: u64,
}

impl Asked<'_> {
    /// Whether it says that it boots. Firmware may have another client beside that one, for its own addresses.
    pub fn boots(&self) -> bool {
        self.boots_by_http() || self.is("PXEClient")
    }

    /// Whether it says that it boots by HTTP, and not as a PXE client.
    pub fn boots_by_http(&self) -> bool {
        self.is("HTTPClient")
    }

    fn is(&self, class: &str) -> bool {
        self.vendor_class.is_some_and(|vendor_class| vendor_class.starts_with(class))
    }
}

/// What a DHCPv6 server said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub message: Dhcp6Message,
    pub xid: u32,
    pub addresses: &'a [Ipv6Addr],
    pub status: Option<&'a str>,
    pub bootfile: Option<&'a str>,
    pub vendor_class: Option<&'a str>,
    pub dns: &'a [Ipv6Addr],
    pub times: Option<Dhcp6Times>,
    pub identified: bool,
}

/// What happened below TCP, in order.
#[derive(Debug, Default)]
pub(crate) struct Facts6<'a> {
    /// The number of the guest's latest frame in the capture: events tell of it.
    frame: u64,
    pub probes: Vec<Probe>,
    /// Frames with router solicitations.
    pub router_solicitations: Vec<u64>,
    pub advertisements: Vec<Advertisement<'a>>,
    /// Addresses whose link-layer address was asked for in vain.
    pub unresolved: Vec<InVain>,
    /// Destinations of packets that a router did not forward, and that router.
    pub not_forwarded: Vec<(Option<Ipv6Addr>, InVain)>,
    pub asked: Vec<Asked<'a>>,
    pub told: Vec<Told<'a>>,
}

impl<'a> Facts6<'a> {
    /// Takes an event in order; whether it is an answer of ours, after which a client may know that it cannot go on.
    pub fn take(&mut self, event: &'a Event) -> bool {
        let frame = self.frame;
        match event {
            Event::Frame { number, direction: Direction::FromGuest, .. } => self.frame = *number,
            Event::DadProbe { target, taken } => {
                self.probes.push(Probe { address: *target, taken: *taken, frame });
                return *taken;
            }
            Event::NeighborUnanswered { target, .. } => {
                self.unresolved.push(InVain { address: *target, frame });
            }
            Event::NotForwarded { router, to, .. } => {
                self.not_forwarded.push((*router, InVain { address: *to, frame }));
            }
            Event::RouterSolicited { .. } => self.router_solicitations.push(frame),
            Event::RouterAdvertised { router, managed, other, lifetime, prefixes, malformed } => {
                self.advertisements.push(Advertisement {
                    router: *router,
                    managed: *managed,
                    other: *other,
                    lifetime: *lifetime,
                    prefixes,
                    malformed: malformed.is_some(),
                });
                return true;
            }
            Event::Dhcp6Received { message, xid, vendor_class, .. } => {
                let vendor_class = vendor_class.as_deref();
                self.asked.push(Asked {
                    message: *message,
                    xid: *xid,
                    vendor_class,
                    unanswered: None,
                    frame,
                });
            }
            Event::Dhcp6Unanswered { reason, why, .. } => {
                if let Some(asked) = self.asked.last_mut().filter(|asked| asked.frame == frame) {
                    asked.unanswered = Some((*reason, why));
                }
            }
            Event::Dhcp6Sent {
                message,
                xid,
                addresses,
                status,
                bootfile,
                vendor_class,
                dns,
                times,
                identified,
                ..
            } => {
                self.told.push(Told {
                    message: *message,
                    xid: *xid,
                    addresses,
                    status: status.as_deref(),
                    bootfile: bootfile.as_deref(),
                    vendor_class: vendor_class.as_deref(),
                    dns,
                    times: *times,
                    identified: *identified,
                });
                return true;
            }
            _ => {}
        }
        false
    }

    /// Whether the client has done anything for an address or a route.
    pub fn wants_address(&self) -> bool {
        !self.probes.is_empty() || self.has_asked()
    }

    /// Whether it has asked anybody: duplicate address detection is talk to itself.
    pub fn has_asked(&self) -> bool {
        !self.router_solicitations.is_empty() || !self.asked.is_empty()
    }

    /// What the boot client sent, which is not the one that firmware may have for its interface.
    pub fn boot_asked(&self, message: Dhcp6Message) -> impl DoubleEndedIterator<Item = &Asked<'a>> {
        self.asked.iter().filter(move |asked| asked.boots() && asked.message == message)
    }

    /// What a server answered to the boot client.
    pub fn boot_told(&self, message: Dhcp6Message) -> impl DoubleEndedIterator<Item = &Told<'a>> {
        let ours = |xid| self.asked.iter().any(|asked| asked.boots() && asked.xid == xid);
        self.told.iter().filter(move |told| told.message == message && ours(told.xid))
    }

    /// Whether the boot client was told of the server by a message of this type, with the transaction of one of its own.
    pub fn is_answer_to(&self, told: &Told<'_>, message: Dhcp6Message) -> bool {
        self.boot_asked(message).any(|asked| asked.xid == told.xid)
    }

    fn valid(&self) -> impl DoubleEndedIterator<Item = &Advertisement<'a>> {
        self.advertisements.iter().filter(|advertisement| !advertisement.malformed)
    }

    /// Whether a router advertised itself in a valid way.
    pub fn has_router(&self) -> bool {
        self.valid().next().is_some()
    }

    /// Whether the last word of some router is that it is a default router (RFC 4861 §6.3.4).
    pub fn has_default_router(&self) -> bool {
        let last = |one: &&Advertisement<'_>| self.valid().rev().find(|other| other.router == one.router);
        self.valid().any(|one| last(&one).is_some_and(|last| last.lifetime > 0))
    }

    /// Whether an address is on the link for those who believe its routers (RFC 5942 §4).
    pub fn is_on_link(&self, address: Ipv6Addr) -> bool {
        let covers = |text: &String| {
            on_link_prefix(text).is_some_and(|(prefix, length)| {
                let bits = prefix.to_bits() ^ address.to_bits();
                bits.leading_zeros() >= u32::from(length)
            })
        };
        address.is_unicast_link_local() || self.valid().any(|one| one.prefixes.iter().any(covers))
    }

    /// What the routers say of where configuration comes from, as an engineer writes it: `M=1 O=0`.
    pub fn flags(&self) -> String {
        match self.valid().next_back() {
            Some(valid) => format!("M={} O={}", u8::from(valid.managed), u8::from(valid.other)),
            None if self.advertisements.is_empty() => "no router advertisement".into(),
            None => "no valid router advertisement".into(),
        }
    }

    /// The boot file's URL that was sent last.
    pub fn bootfile(&self) -> Option<&'a str> {
        self.told.iter().rev().find_map(|told| told.bootfile)
    }

    /// The boot server, if the URL names it by its address.
    pub fn server(&self) -> Option<Ipv6Addr> {
        match host(self.bootfile()?)? {
            Host::Address(IpAddr::V6(address)) => Some(address),
            _ => None,
        }
    }
}

/// The prefix of `2001:db8::/64 L A`, if it has L.
fn on_link_prefix(text: &str) -> Option<(Ipv6Addr, u8)> {
    let mut words = text.split(' ');
    let (prefix, length) = words.next()?.split_once('/')?;
    words.any(|flag| flag == "L").then_some(())?;
    Some((prefix.parse().ok()?, length.parse().ok()?))
}

/// Frames as a person cites them: `frame 3`, `frames 3, 5 to 7`.
pub(crate) fn cited(frames: impl IntoIterator<Item = u64>) -> Option<String> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for frame in frames.into_iter().filter(|frame| *frame > 0) {
        match runs.last_mut() {
            Some((_, last)) if frame == *last => {}
            Some((_, last)) if frame == *last + 1 => *last = frame,
            _ => runs.push((frame, frame)),
        }
    }
    let one = |&(first, last): &(u64, u64)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first} to {last}"),
    };
    let list: Vec<String> = runs.iter().map(one).collect();
    match runs[..] {
        [] => None,
        [(first, last)] if first == last => Some(format!("frame {first}")),
        _ => Some(format!("frames {}", list.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cited_in_runs() {
        for (frames, text) in [
            (&[][..], None),
            (&[0], None),
            (&[3], Some("frame 3")),
            (&[3, 3], Some("frame 3")),
            (&[3, 4], Some("frames 3, 4")),
            (&[3, 4, 5, 9], Some("frames 3 to 5, 9")),
        ] {
            assert_eq!(cited(frames.iter().copied()).as_deref(), text, "{frames:?}");
        }
    }

    #[test]
    fn prefixes_are_on_the_link_if_their_routers_say_so() {
        let event = |prefixes: &[&str], lifetime, malformed: Option<&str>| Event::RouterAdvertised {
            router: "fe80::1".parse().unwrap(),
            managed: true,
            other: true,
            lifetime,
            prefixes: prefixes.iter().map(|&text| text.into()).collect(),
            malformed: malformed.map(str::to_owned),
        };
        let server: Ipv6Addr = "2001:db8::1".parse().unwrap();
        for (events, on_link, router) in [
            (vec![], false, false),
            (vec![event(&["2001:db8::/64 L A"], 1, None)], true, true),
            (vec![event(&["2001:db8::/64 A"], 1, None)], false, true),
            (vec![event(&["2001:db8:1::/64 L", "2001:db8::/127 L"], 1, None)], true, true),
            (vec![event(&["2001:db8::/64 L"], 1, Some("the checksum is wrong"))], false, false),
            (vec![event(&[], 9, None), event(&[], 0, None)], false, false),
            (vec![event(&[], 0, None), event(&[], 9, None)], false, true),
        ] {
            let mut facts = Facts6::default();
            events.iter().for_each(|event| {
                facts.take(event);
            });
            assert_eq!(
                (facts.is_on_link(server), facts.has_default_router()),
                (on_link, router),
                "{events:?}"
            );
        }
    }
}
