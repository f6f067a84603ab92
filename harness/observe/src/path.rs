//! What routers say of packets that are larger than a path takes (RFC 1191 §4, RFC 4443 §3.2).

use crate::journal::Journal;
use etherparse::{LaxNetSlice, LaxSlicedPacket};
use record::{Endpoint, Event};
use std::net::IpAddr;

/// Takes an ICMP message to the client, from its type on.
pub fn icmp4(message: &[u8], journal: &mut Journal) {
    if let [3, 4, _, _, _, _, high, low, quoted @ ..] = message {
        journal_too_big(u16::from_be_bytes([*high, *low]), quoted, journal);
    }
}

/// The same of ICMPv6.
pub fn icmp6(message: &[u8], journal: &mut Journal) {
    if let [2, _, _, _, a, b, c, d, quoted @ ..] = message {
        let mtu = u32::from_be_bytes([*a, *b, *c, *d]);
        journal_too_big(u16::try_from(mtu).unwrap_or(u16::MAX), quoted, journal);
    }
}

/// Adds what is known of the packet whose beginning is quoted.
fn journal_too_big(mtu: u16, quoted: &[u8], journal: &mut Journal) {
    let Ok(packet) = LaxSlicedPacket::from_ip(quoted) else { return };
    let Some(net) = &packet.net else { return };
    let (from, to, bytes): (IpAddr, IpAddr, usize) = match net {
        LaxNetSlice::Ipv4(ip) => {
            let ip = ip.header();
            (ip.source_addr().into(), ip.destination_addr().into(), ip.total_len().into())
        }
        LaxNetSlice::Ipv6(ip) => {
            let ip = ip.header();
            let bytes = ip.slice().len() + usize::from(ip.payload_length());
            (ip.source_addr().into(), ip.destination_addr().into(), bytes)
        }
        LaxNetSlice::Arp(_) => return,
    };
    // Both ports of TCP and of UDP are within the 64 bits that are quoted at least.
    let Some([a, b, c, d, ..]) = net.ip_payload_ref().map(|payload| payload.payload) else { return };
    let (source, destination) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
    let (from, to) = (Endpoint::new(from, source), Endpoint::new(to, destination));
    journal.add(Event::PacketTooBig { from, to, bytes, mtu, split: false });
}
