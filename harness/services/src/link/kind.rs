//! Which protocol a frame belongs to, as far as faults tell them apart.

use crate::frame;
use etherparse::{EtherType, SlicedPacket, TransportSlice};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Frames that a fault may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "LinkFrames")]
pub enum Kind {
    /// ARP.
    Arp,
    /// DHCPv4.
    Dhcp4,
    /// Neighbour discovery, router solicitations and advertisements among it (RFC 4861).
    Nd,
    /// DHCPv6.
    Dhcp6,
    /// DNS, over UDP or TCP.
    Dns,
    /// TCP, but DNS.
    Tcp,
    /// Everything else.
    Other,
}

/// The kind of a frame; the bytes may be hostile.
pub(super) fn of(bytes: &[u8]) -> Kind {
    if bytes.len() >= 14 && frame::ether_type(bytes) == EtherType::ARP.0 {
        return Kind::Arp;
    }
    let Ok(packet) = SlicedPacket::from_ethernet(bytes) else { return Kind::Other };
    match packet.transport {
        Some(TransportSlice::Udp(udp)) => {
            let is = |ports: [u16; 2]| {
                [udp.source_port(), udp.destination_port()].iter().any(|port| ports.contains(port))
            };
            match () {
                () if is([67, 68]) => Kind::Dhcp4,
                () if is([546, 547]) => Kind::Dhcp6,
                () if is([53, 53]) => Kind::Dns,
                () => Kind::Other,
            }
        }
        Some(TransportSlice::Tcp(tcp)) if tcp.source_port() == 53 || tcp.destination_port() == 53 => {
            Kind::Dns
        }
        Some(TransportSlice::Tcp(_)) => Kind::Tcp,
        // RFC 4861 §4: types 133 to 137.
        Some(TransportSlice::Icmpv6(icmp)) if (133..=137).contains(&icmp.type_u8()) => Kind::Nd,
        _ => Kind::Other,
    }
}

/// The frame's kind in the words of people, and what a TCP segment does.
pub(super) fn name(bytes: &[u8]) -> String {
    match of(bytes) {
        Kind::Arp => "ARP".into(),
        Kind::Dhcp4 => "DHCPv4".into(),
        Kind::Nd => "neighbour discovery".into(),
        Kind::Dhcp6 => "DHCPv6".into(),
        Kind::Dns => "DNS".into(),
        Kind::Other => "another".into(),
        Kind::Tcp => {
            let Some(segment) = frame::segment(bytes) else { return "TCP".into() };
            let flags = [(segment.syn, " SYN"), (segment.fin, " FIN"), (segment.rst, " RST")];
            let set = flags.iter().filter_map(|(set, name)| set.then_some(*name));
            std::iter::once("TCP").chain(set).collect()
        }
    }
}
