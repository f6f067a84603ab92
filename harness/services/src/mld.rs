//! Multicast listener discovery (RFC 2710 §3, RFC 3810 §5.2): which groups the guest says it listens to. Nobody answers.

use crate::frame6::{Content, Packet};
use record::Event;
use std::net::Ipv6Addr;

/// ICMPv6 types of RFC 2710 §3.1 and RFC 3810 §5.2.
const REPORT: u8 = 131;
const DONE: u8 = 132;
const REPORT_2: u8 = 143;

/// Whether a packet is a listener's, valid or not.
pub(crate) fn is_report(packet: &Packet<'_>) -> bool {
    matches!(packet.content, Content::Icmp { kind: REPORT | DONE | REPORT_2, .. })
}

/// What a listener says; `None` if it is not valid. Its hop limit is 1 (RFC 2710 §3, RFC 3810 §5).
pub(crate) fn report(packet: &Packet<'_>) -> Option<Event> {
    let Content::Icmp { kind, code: 0, body } = packet.content else { return None };
    let from_link = packet.from.is_unspecified() || packet.from.is_unicast_link_local();
    if packet.hop_limit != 1 || !from_link {
        return None;
    }
    let (joined, left) = match kind {
        REPORT => (vec![group(body.get(4..)?)?], Vec::new()),
        DONE => (Vec::new(), vec![group(body.get(4..)?)?]),
        REPORT_2 => records(body)?,
        _ => return None,
    };
    let from = Some(packet.from).filter(|from| !from.is_unspecified());
    Some(Event::GroupsReported { from, joined, left })
}

fn group(bytes: &[u8]) -> Option<Ipv6Addr> {
    let address: Ipv6Addr = (*bytes.first_chunk::<16>()?).into();
    address.is_multicast().then_some(address)
}

/// The groups of a report of version 2 that are listened to, and those that no longer are (RFC 3810 §5.2.12).
fn records(body: &[u8]) -> Option<(Vec<Ipv6Addr>, Vec<Ipv6Addr>)> {
    let (&[_, _, a, b], mut rest) = body.split_first_chunk::<4>()?;
    let (mut joined, mut left) = (Vec::new(), Vec::new());
    for _ in 0..u16::from_be_bytes([a, b]) {
        let (&[kind, auxiliary, a, b], after) = rest.split_first_chunk::<4>()?;
        let sources = u16::from_be_bytes([a, b]);
        let group = group(after)?;
        rest = after.get(16 * (1 + usize::from(sources)) + 4 * usize::from(auxiliary)..)?;
        // "Include nobody" is to leave, and so is to block sources of a group; "exclude nobody" is to join.
        match kind {
            1 | 3 | 5 if sources > 0 => joined.push(group),
            2 | 4 => joined.push(group),
            1 | 3 => left.push(group),
            _ => {}
        }
    }
    Some((joined, left))
}
