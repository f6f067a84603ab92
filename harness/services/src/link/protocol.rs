//! Which protocol a frame belongs to, as far as faults tell them apart.

use crate::frame;
use etherparse::{EtherType, SlicedPacket, TransportSlice};
use record::FrameProtocol;

/// The protocol of a frame; the bytes may be hostile.
pub(super) fn of(bytes: &[u8]) -> FrameProtocol {
    if bytes.len() >= 14 && frame::ether_type(bytes) == EtherType::ARP.0 {
        return FrameProtocol::Arp;
    }
    let Ok(packet) = SlicedPacket::from_ethernet(bytes) else { return FrameProtocol::Other };
    match packet.transport {
        Some(TransportSlice::Udp(udp)) => {
            let is = |ports: [u16; 2]| {
                [udp.source_port(), udp.destination_port()].iter().any(|port| ports.contains(port))
            };
            match () {
                () if is([67, 68]) || is([4011, 4011]) => FrameProtocol::Dhcp4,
                () if is([546, 547]) => FrameProtocol::Dhcp6,
                () if is([53, 53]) => FrameProtocol::Dns,
                () => FrameProtocol::Other,
            }
        }
        Some(TransportSlice::Tcp(tcp)) if tcp.source_port() == 53 || tcp.destination_port() == 53 => {
            FrameProtocol::Dns
        }
        Some(TransportSlice::Tcp(_)) => FrameProtocol::Tcp,
        // RFC 4861 §4: types 133 to 137.
        Some(TransportSlice::Icmpv6(icmp)) if (133..=137).contains(&icmp.type_u8()) => FrameProtocol::Nd,
        _ => FrameProtocol::Other,
    }
}

/// Which of a TCP segment's flags are set that begin or end a connection.
pub(super) fn flags(bytes: &[u8]) -> Vec<String> {
    let Some(segment) = frame::segment(bytes) else { return Vec::new() };
    let flags = [(segment.syn, "SYN"), (segment.fin, "FIN"), (segment.rst, "RST")];
    flags.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned()).collect()
}
