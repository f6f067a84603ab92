//! ICMP (RFC 792) and ICMPv6 with neighbour discovery (RFC 4443, RFC 4861).

use etherparse::{Icmpv4Slice, Icmpv6Slice};
use std::net::Ipv6Addr;

pub(super) fn v4(message: &Icmpv4Slice<'_>) -> String {
    match (message.type_u8(), message.code_u8()) {
        (0, _) => "ICMP echo reply".into(),
        (3, 0) => "ICMP network unreachable".into(),
        (3, 1) => "ICMP host unreachable".into(),
        (3, 2) => "ICMP protocol unreachable".into(),
        (3, 3) => "ICMP port unreachable".into(),
        (3, 4) => "ICMP fragmentation needed".into(),
        (5, _) => "ICMP redirect".into(),
        (8, _) => "ICMP echo request".into(),
        (11, _) => "ICMP time exceeded".into(),
        (kind, code) => format!("ICMP type {kind} code {code}"),
    }
}

pub(super) fn v6(message: &Icmpv6Slice<'_>) -> String {
    let target = || match message.payload().get(..16).map(<[u8; 16]>::try_from) {
        Some(Ok(address)) => Ipv6Addr::from(address).to_string(),
        _ => "nothing (cut short)".into(),
    };
    let [hops, flags, ..] = message.bytes5to8();
    match (message.type_u8(), message.code_u8()) {
        (1, code) => format!("ICMPv6 destination unreachable, code {code}"),
        (2, _) => "ICMPv6 packet too big".into(),
        (3, _) => "ICMPv6 time exceeded".into(),
        (128, _) => "ICMPv6 echo request".into(),
        (129, _) => "ICMPv6 echo reply".into(),
        (130..=132 | 143, _) => "ICMPv6 multicast listener discovery".into(),
        (133, _) => "ICMPv6 router solicitation".into(),
        (134, _) => format!(
            "ICMPv6 router advertisement hop-limit {hops} managed {} other {}",
            flags >> 7,
            flags >> 6 & 1
        ),
        (135, _) => format!("ICMPv6 neighbour solicitation for {}", target()),
        (136, _) => format!("ICMPv6 neighbour advertisement of {}", target()),
        (137, _) => "ICMPv6 redirect".into(),
        (kind, code) => format!("ICMPv6 type {kind} code {code}"),
    }
}
