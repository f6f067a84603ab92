//! Who answers for an address: ARP (RFC 826), neighbour and router discovery (RFC 4861, RFC 4862).

use crate::journal::{Journal, Place};
use crate::packet::Arp;
use record::Event;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_SOLICITATION: u8 = 135;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const UNREACHABLE: u8 = 1;
/// Length of an ICMPv6 header and of an IPv6 header.
const ICMP: usize = 8;
const PREFIX_INFORMATION: u8 = 3;

/// What was asked for, and whether somebody answered.
#[derive(Debug, Default)]
pub struct Neighbours {
    asked4: Vec<(Ipv4Addr, Place, bool)>,
    asked6: Vec<(Ipv6Addr, Place, bool)>,
    /// Tentative addresses of the client.
    probed: Vec<Ipv6Addr>,
}

impl Neighbours {
    /// Takes an ARP packet.
    pub fn arp(&mut self, arp: &Arp, from_client: bool, journal: &Journal) {
        if from_client {
            // A probe or an announcement asks for nobody else (RFC 5227).
            if arp.is_request && !arp.sender.is_unspecified() && arp.sender != arp.target {
                self.asked4.push((arp.target, journal.now(), false));
            }
            return;
        }
        self.asked4
            .iter_mut()
            .filter(|(target, ..)| *target == arp.sender)
            .for_each(|(.., done)| *done = true);
    }

    /// Takes an ICMPv6 message, from its type on.
    pub fn icmp6(&mut self, from: Ipv6Addr, message: &[u8], from_client: bool, journal: &mut Journal) {
        let target =
            message.get(8..24).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()).map(Ipv6Addr::from);
        match (message.first(), target, from_client) {
            (Some(&ROUTER_SOLICITATION), _, true) => {
                journal
                    .add(Event::RouterSolicited { from: Some(from).filter(|from| !from.is_unspecified()) });
            }
            (Some(&NEIGHBOUR_SOLICITATION), Some(target), true) if from.is_unspecified() => {
                self.probed.push(target);
                journal.add(Event::DadProbe { target, taken: false });
            }
            (Some(&NEIGHBOUR_SOLICITATION), Some(target), true) => {
                self.asked6.push((target, journal.now(), false));
            }
            (Some(&NEIGHBOUR_ADVERTISEMENT), Some(target), false) => {
                self.asked6
                    .iter_mut()
                    .filter(|(asked, ..)| *asked == target)
                    .for_each(|(.., done)| *done = true);
                if self.probed.contains(&target) {
                    journal.add(Event::DadProbe { target, taken: true });
                }
            }
            (Some(&ROUTER_ADVERTISEMENT), _, false) => {
                if let Some(event) = advertisement(from, message) {
                    journal.add(event);
                }
            }
            (Some(&UNREACHABLE), _, false) => {
                // The packet that did not arrive is quoted, its destination 24 bytes from its beginning.
                let to = message.get(ICMP + 24..ICMP + 40).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
                if let Some(to) = to.map(Ipv6Addr::from).filter(|to| *to != from) {
                    let why =
                        format!("ICMPv6 destination unreachable, code {}", message.get(1).unwrap_or(&0));
                    journal.add(Event::NotForwarded { router: Some(from), to, why });
                }
            }
            _ => {}
        }
    }

    /// Says who was asked for in vain.
    pub fn finish(self, journal: &mut Journal) {
        for (target, place, answered) in self.asked4 {
            if !answered {
                journal.add_at(place, Event::ArpUnanswered { target });
            }
        }
        for (target, place, answered) in self.asked6 {
            if !answered {
                let why = "nobody answers in the capture".into();
                journal.add_at(place, Event::NeighborUnanswered { target, why });
            }
        }
    }
}

/// RFC 4861 §4.2, with the checks of §6.1.2 that a capture can make.
fn advertisement(router: Ipv6Addr, message: &[u8]) -> Option<Event> {
    let flags = *message.get(5)?;
    let lifetime = u16::from_be_bytes(message.get(6..8)?.try_into().ok()?);
    let mut prefixes = Vec::new();
    let mut options = message.get(16..)?;
    let mut malformed = (!router.is_unicast_link_local()).then(|| "its source is not link-local".to_owned());
    while let [kind, length, ..] = *options {
        let size = usize::from(length) * 8;
        let Some(option) = options.get(..size).filter(|_| size > 0) else {
            malformed = Some("an option's length is wrong".into());
            break;
        };
        if kind == PREFIX_INFORMATION && size == 32 {
            let prefix = Ipv6Addr::from(<[u8; 16]>::try_from(&option[16..32]).ok()?);
            let on_link = if option[3] & 0x80 != 0 { " L" } else { "" };
            let autonomous = if option[3] & 0x40 != 0 { " A" } else { "" };
            prefixes.push(format!("{prefix}/{}{on_link}{autonomous}", option[2]));
        }
        options = &options[size..];
    }
    Some(Event::RouterAdvertised {
        router,
        managed: flags & 0x80 != 0,
        other: flags & 0x40 != 0,
        lifetime,
        prefixes,
        malformed,
    })
}

/// The address as one of version 6.
pub fn v6(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
}
