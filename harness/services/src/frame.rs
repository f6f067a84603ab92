//! Ethernet frames with IPv4 or TCP inside (RFC 894, RFC 791, RFC 768, RFC 9293): reading hostile ones, writing ours.

use crate::address;
use etherparse::{Ipv4Header, NetSlice, PacketBuilder, SlicedPacket, TcpOptionElement, TransportSlice};
use record::Endpoint;
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

/// Time to live of our packets: RFC 1122 §3.2.1.7, the value of RFC 1700.
const HOPS: u8 = 64;

/// Ethernet broadcast address.
pub(crate) const BROADCAST_MAC: [u8; 6] = [0xff; 6];

/// Whether our NIC takes the frame at all: whole header, sent to us or to everybody.
pub(crate) fn is_for_us(frame: &[u8]) -> bool {
    frame.len() >= 14 && (frame[..6] == address::SERVER_MAC || frame[..6] == BROADCAST_MAC)
}

/// EtherType, without looking behind tags. The frame has a whole header.
pub(crate) fn ether_type(frame: &[u8]) -> u16 {
    u16::from_be_bytes([frame[12], frame[13]])
}

/// A UDP datagram that is not a fragment.
#[derive(Debug)]
pub(crate) struct Datagram<'a> {
    pub(crate) from: SocketAddrV4,
    pub(crate) to: SocketAddrV4,
    pub(crate) payload: &'a [u8],
    /// Whether the IPv4 and UDP checksums are right; UDP's may be absent (RFC 768).
    pub(crate) intact: bool,
}

/// Reads the UDP datagram in an IPv4 frame.
pub(crate) fn datagram(frame: &[u8]) -> Option<Datagram<'_>> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) = (&packet.net, &packet.transport) else {
        return None;
    };
    let header = ip.header().to_header();
    let checksum = udp.checksum();
    let udp_intact = checksum == 0
        || udp
            .to_header()
            .calc_checksum_ipv4_raw(header.source, header.destination, udp.payload())
            .is_ok_and(|expected| expected == checksum);
    Some(Datagram {
        from: SocketAddrV4::new(ip.header().source_addr(), udp.source_port()),
        to: SocketAddrV4::new(ip.header().destination_addr(), udp.destination_port()),
        payload: udp.payload(),
        intact: udp_intact && header.calc_header_checksum() == header.header_checksum,
    })
}

/// The head of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) from: Endpoint,
    pub(crate) to: Endpoint,
    pub(crate) sequence: u32,
    /// The acknowledgment number, where the ACK flag makes it significant (RFC 9293 §3.1).
    pub(crate) acknowledgment: Option<u32>,
    /// As it is in the header.
    pub(crate) window: u16,
    pub(crate) syn: bool,
    pub(crate) fin: bool,
    pub(crate) rst: bool,
}

/// Reads the TCP header in a frame; checksums are left to the TCP stack.
pub(crate) fn segment(frame: &[u8]) -> Option<Segment> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { return None };
    let (from, to): (IpAddr, IpAddr) = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        Some(NetSlice::Ipv6(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        _ => return None,
    };
    Some(Segment {
        from: Endpoint::new(from, tcp.source_port()),
        to: Endpoint::new(to, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledgment: tcp.ack().then(|| tcp.acknowledgment_number()),
        window: tcp.window_size(),
        syn: tcp.syn(),
        fin: tcp.fin(),
        rst: tcp.rst(),
    })
}

/// The largest segment and the window's shift that a SYN offers (RFC 9293 §3.2, RFC 7323 §2.2).
pub(crate) fn opening_options(frame: &[u8]) -> (Option<u16>, Option<u8>) {
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else { return (None, None) };
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { return (None, None) };
    let (mut segment, mut scale) = (None, None);
    for option in tcp.options_iterator().map_while(Result::ok) {
        match option {
            TcpOptionElement::MaximumSegmentSize(bytes) => segment = Some(bytes),
            TcpOptionElement::WindowScale(shift) => scale = Some(shift),
            _ => {}
        }
    }
    (segment, scale)
}

/// Changes the window of the TCP segment in `frame`, and its checksum by as much (RFC 1624 §3), so that a wrong one stays wrong.
pub(crate) fn set_window(frame: &mut [u8], window: u16) {
    const WINDOW: usize = 14;
    const CHECKSUM: usize = 16;
    let found = SlicedPacket::from_ethernet(frame).ok().and_then(|packet| match &packet.transport {
        // Padding may follow the segment, and headers of many lengths precede it.
        Some(TransportSlice::Tcp(tcp)) => {
            let at = tcp.slice().as_ptr().addr() - frame.as_ptr().addr();
            Some((at, tcp.window_size(), tcp.checksum()))
        }
        _ => None,
    });
    let Some((at, before, checksum)) = found else { return };
    let sum = u32::from(!checksum) + u32::from(!before) + u32::from(window);
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or_default();
    frame[at + WINDOW..at + WINDOW + 2].copy_from_slice(&window.to_be_bytes());
    frame[at + CHECKSUM..at + CHECKSUM + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// Builds a frame in which our server, as a router, tells the sender of the packet in `frame` that it is not delivered (RFC 792).
pub(crate) fn unreachable(code: u8, frame: &[u8]) -> Option<Vec<u8>> {
    undelivered(code, [0; 4], frame)
}

/// The same of a packet that is larger than what the next link takes (RFC 1191 §4); `None` if it may be split (RFC 791 §3.2).
pub(crate) fn too_big(mtu: u16, frame: &[u8]) -> Option<Vec<u8>> {
    const FRAGMENTATION_NEEDED: u8 = 4;
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { return None };
    let [high, low] = mtu.to_be_bytes();
    ip.header().dont_fragment().then(|| undelivered(FRAGMENTATION_NEEDED, [0, 0, high, low], frame))?
}

/// A Destination Unreachable message; `word` follows its checksum.
fn undelivered(code: u8, word: [u8; 4], frame: &[u8]) -> Option<Vec<u8>> {
    const DESTINATION_UNREACHABLE: u8 = 3;
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { return None };
    let builder = PacketBuilder::ethernet2(address::SERVER_MAC, frame.get(6..12)?.try_into().ok()?)
        .ipv4(address::SERVER4.octets(), ip.header().source(), HOPS)
        .icmpv4_raw(DESTINATION_UNREACHABLE, code, word);
    // Its header and 64 bits of what follows.
    let quoted = frame.get(14..)?;
    let quoted = &quoted[..quoted.len().min(ip.header().slice().len() + 8)];
    let mut answer = Vec::with_capacity(builder.size(quoted.len()));
    builder.write(&mut answer, quoted).ok()?;
    Some(answer)
}

/// A SYN of ours that offers another maximum segment size (RFC 9293 §3.7.1).
pub(crate) fn offering(max_segment: u16, frame: &[u8]) -> Option<Vec<u8>> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { return None };
    let options: Vec<TcpOptionElement> = tcp
        .options_iterator()
        .map_while(Result::ok)
        .map(|option| match option {
            TcpOptionElement::MaximumSegmentSize(_) => TcpOptionElement::MaximumSegmentSize(max_segment),
            other => other,
        })
        .collect();
    let mut header = tcp.to_header();
    header.set_options(&options).ok()?;
    header.checksum = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => header.calc_checksum_ipv4(&ip.header().to_header(), tcp.payload()),
        Some(NetSlice::Ipv6(ip)) => header.calc_checksum_ipv6(&ip.header().to_header(), tcp.payload()),
        _ => return None,
    }
    .ok()?;
    let before = frame.len().checked_sub(tcp.slice().len())?;
    Some([&frame[..before], &header.to_bytes(), tcp.payload()].concat())
}

/// Cuts a frame with an IPv4 packet of ours into fragments if it is too large for Ethernet (RFC 791 §3.2, RFC 894).
pub(crate) fn fragments(frame: Vec<u8>) -> Vec<Vec<u8>> {
    /// Ethernet's header, and the most that follows it.
    const LINK: usize = 14;
    const MTU: usize = 1500;
    if frame.len() <= LINK + MTU {
        return vec![frame];
    }
    let Ok((header, payload)) = Ipv4Header::from_slice(&frame[LINK..]) else { return vec![frame] };
    // Offsets count eight bytes.
    let part = (MTU - header.header_len()) / 8 * 8;
    let last = payload.len().saturating_sub(1) / part;
    // Datagrams in flight together must not have the same (RFC 6864 §4.3); their UDP checksums differ.
    let identification = payload.get(6..8).map_or(0, |sum| u16::from_be_bytes([sum[0], sum[1]]));
    let fragment = |(at, part_of): (usize, &[u8])| {
        let mut header = header.clone();
        header.identification = identification;
        header.dont_fragment = false;
        header.more_fragments = at < last;
        header.fragment_offset = u16::try_from(at * part / 8).ok().and_then(|units| units.try_into().ok())?;
        header.set_payload_len(part_of.len()).ok()?;
        header.header_checksum = header.calc_header_checksum();
        let mut bytes = frame[..LINK].to_vec();
        header.write(&mut bytes).ok()?;
        bytes.extend(part_of);
        Some(bytes)
    };
    let all: Option<Vec<Vec<u8>>> = payload.chunks(part).enumerate().map(fragment).collect();
    all.unwrap_or_default()
}

/// Builds a frame with a UDP datagram from `port` of our server.
pub(crate) fn from_server(port: u16, to_mac: [u8; 6], to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    from_address(address::SERVER4, port, to_mac, to, payload)
}

/// The same from another address of the host that our server runs on.
pub(crate) fn from_address(
    from: Ipv4Addr,
    port: u16,
    to_mac: [u8; 6],
    to: SocketAddrV4,
    payload: &[u8],
) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(address::SERVER_MAC, to_mac)
        .ipv4(from.octets(), to.ip().octets(), HOPS)
        .udp(port, to.port());
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder
        .write(&mut frame, payload)
        .expect("invariant: our datagrams fit a frame, and a Vec takes every byte");
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_datagram_is_cut_and_can_be_joined() {
        let payload: Vec<u8> = (0..4000).map(|at| (at % 251) as u8).collect();
        let to = SocketAddrV4::new(address::GUEST4, 68);
        let whole = from_server(67, address::GUEST_MAC, to, &payload);
        let cut = fragments(whole.clone());
        assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), [1514, 1514, 34 + 4008 - 2 * 1480]);
        let mut joined: Vec<u8> = Vec::new();
        for (at, frame) in cut.iter().enumerate() {
            let (header, part) = Ipv4Header::from_slice(&frame[14..]).expect("a header");
            assert_eq!(header.calc_header_checksum(), header.header_checksum);
            assert_eq!(usize::from(header.fragment_offset.value()) * 8, joined.len());
            assert_eq!(header.more_fragments, at < 2);
            joined.extend(part);
        }
        assert_eq!(joined, whole[34..]);
        let small = from_server(67, address::GUEST_MAC, to, &payload[..1472]);
        assert_eq!((small.len(), fragments(small.clone())), (1514, vec![small]));
    }
}
