//! Path MTU discovery (RFC 1191, RFC 8201) for a stack that has none: what a router says is heard, and larger segments are sent in
//! parts from then on.

use etherparse::{IpHeaders, LinkSlice, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};

const ETHERNET: usize = 14;
/// Smallest MTU that is believed (RFC 791 §3.2).
const SMALLEST: u16 = 68;

/// The MTU that a router names in a frame: Fragmentation Needed, or Packet Too Big.
pub(crate) fn told(frame: &[u8]) -> Option<u16> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let mtu = match packet.transport? {
        TransportSlice::Icmpv4(icmp) if (icmp.type_u8(), icmp.code_u8()) == (3, 4) => icmp.bytes5to8(),
        TransportSlice::Icmpv6(icmp) if icmp.type_u8() == 2 => icmp.bytes5to8(),
        _ => return None,
    };
    u16::try_from(u32::from_be_bytes(mtu)).ok().map(|mtu| mtu.max(SMALLEST))
}

/// A frame as it is, or the TCP segment in it as several whose packets are no larger than `mtu`.
pub(crate) fn fitted(frame: Vec<u8>, mtu: u16) -> Vec<Vec<u8>> {
    let parts = (frame.len() > ETHERNET + usize::from(mtu)).then(|| parts(&frame, mtu)).flatten();
    parts.unwrap_or_else(|| vec![frame])
}

fn parts(frame: &[u8], mtu: u16) -> Option<Vec<Vec<u8>>> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (Some(LinkSlice::Ethernet2(ethernet)), Some(TransportSlice::Tcp(tcp))) =
        (&packet.link, &packet.transport)
    else {
        return None;
    };
    let ip = match packet.net.as_ref()? {
        NetSlice::Ipv4(ip) => IpHeaders::Ipv4(ip.header().to_header(), Default::default()),
        NetSlice::Ipv6(ip) => IpHeaders::Ipv6(ip.header().to_header(), Default::default()),
        NetSlice::Arp(_) => return None,
    };
    let room = usize::from(mtu).checked_sub(ip.header_len() + tcp.to_header().header_len())?;
    let chunks: Vec<&[u8]> = tcp.payload().chunks(room.max(1)).collect();
    let mut sequence = tcp.sequence_number();
    let mut parts = Vec::new();
    for (at, chunk) in chunks.iter().enumerate() {
        let mut header = tcp.to_header();
        let is_last = at + 1 == chunks.len();
        header.sequence_number = sequence;
        (header.psh, header.fin) = (header.psh && is_last, header.fin && is_last);
        sequence = sequence.wrapping_add(u32::try_from(chunk.len()).ok()?);
        let mut part = Vec::new();
        PacketBuilder::ethernet2(ethernet.source(), ethernet.destination())
            .ip(ip.clone())
            .tcp_header(header)
            .write(&mut part, chunk)
            .ok()?;
        parts.push(part);
    }
    Some(parts)
}
