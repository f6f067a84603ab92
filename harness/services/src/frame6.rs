//! Ethernet frames with IPv6 inside (RFC 2464, RFC 8200, RFC 4443, RFC 768): reading hostile ones, writing ours.

use crate::address;
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use std::net::Ipv6Addr;

/// All nodes on the link (RFC 4291 §2.7.1).
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Neighbour discovery is only believed with it: no router has passed the packet on (RFC 4861 §11.2).
pub(crate) const UNROUTED: u8 = 255;
/// What else we send (RFC 8200 §3; the value of RFC 1700).
const HOPS: u8 = 64;

/// How many stations there may be besides our server: routers, DHCPv6 servers, the relay agent, and who is on the link after
/// all.
pub(crate) const STATIONS: u8 = 9;

/// A packet that is not a fragment.
#[derive(Debug)]
pub(crate) struct Packet<'a> {
    /// Whose frame it came in.
    pub(crate) mac: [u8; 6],
    pub(crate) from: Ipv6Addr,
    pub(crate) to: Ipv6Addr,
    pub(crate) hop_limit: u8,
    pub(crate) content: Content<'a>,
}

/// What the services look into; its checksum is right.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    /// ICMPv6, with what follows the checksum.
    Icmp {
        kind: u8,
        code: u8,
        body: &'a [u8],
    },
    Udp {
        from_port: u16,
        to_port: u16,
        payload: &'a [u8],
    },
    Other,
}

/// One end of a packet of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) mac: [u8; 6],
    pub(crate) address: Ipv6Addr,
}

impl Host {
    /// Our server at one of its addresses.
    pub(crate) const fn server(address: Ipv6Addr) -> Self {
        Self { mac: address::SERVER_MAC, address }
    }

    /// Another station of ours: a second router or DHCPv6 server, from 1.
    pub(crate) const fn station(number: u8) -> Self {
        let [a, b, c, d, e, _] = address::SERVER_MAC;
        let last = 0x10 + number;
        Self { mac: [a, b, c, d, e, last], address: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last as u16) }
    }

    /// The last station, at an address that seemed to be behind a router.
    pub(crate) const fn neighbor(address: Ipv6Addr) -> Self {
        Self { mac: Self::station(STATIONS).mac, address }
    }

    /// A multicast group (RFC 2464 §7).
    pub(crate) fn group(address: Ipv6Addr) -> Self {
        let [.., a, b, c, d] = address.octets();
        Self { mac: [0x33, 0x33, a, b, c, d], address }
    }
}

/// Whether one of our stations takes an IPv6 frame: it is sent to one of them or to a multicast group.
pub(crate) fn is_for_us(frame: &[u8]) -> bool {
    frame.len() >= 14 && (frame.starts_with(&[0x33, 0x33]) || is_ours(&frame[..6]))
}

/// Whether the address is one of ours: they are numbered from that of our server.
fn is_ours(mac: &[u8]) -> bool {
    mac[..5] == address::SERVER_MAC[..5]
}

/// The destination of an IPv6 frame, whatever else is wrong with it.
pub(crate) fn destination(frame: &[u8]) -> Option<Ipv6Addr> {
    let address: [u8; 16] = frame.get(38..54)?.try_into().ok()?;
    (frame[12..14] == [0x86, 0xdd]).then(|| address.into())
}

/// Reads an IPv6 frame whose checksum is right.
pub(crate) fn packet(frame: &[u8]) -> Option<Packet<'_>> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Ipv6(ip)) = &packet.net else { return None };
    let header = ip.header();
    let (from, to) = (header.source(), header.destination());
    let content = match &packet.transport {
        Some(TransportSlice::Icmpv6(icmp)) => {
            if !icmp.is_checksum_valid(from, to) {
                return None;
            }
            Content::Icmp { kind: icmp.type_u8(), code: icmp.code_u8(), body: icmp.slice().get(4..)? }
        }
        Some(TransportSlice::Udp(udp)) => {
            // RFC 8200 §8.1: a datagram without a checksum is dropped.
            let expected = udp.to_header().calc_checksum_ipv6_raw(from, to, udp.payload()).ok()?;
            if udp.checksum() != expected {
                return None;
            }
            Content::Udp {
                from_port: udp.source_port(),
                to_port: udp.destination_port(),
                payload: udp.payload(),
            }
        }
        _ => Content::Other,
    };
    let mut mac = [0; 6];
    mac.copy_from_slice(frame.get(6..12)?);
    Some(Packet { mac, from: from.into(), to: to.into(), hop_limit: header.hop_limit(), content })
}

/// Builds a frame with an ICMPv6 message of code 0, whose `body` follows the checksum; it has at least four bytes.
pub(crate) fn icmp(from: Host, to: Host, hop_limit: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    icmp_with_code(from, to, hop_limit, (kind, 0), body)
}

/// As [`icmp`], with a type and a code.
pub(crate) fn icmp_with_code(
    from: Host,
    to: Host,
    hop_limit: u8,
    (kind, code): (u8, u8),
    body: &[u8],
) -> Vec<u8> {
    let (first, rest) = body.split_first_chunk().expect("invariant: our messages have four bytes or more");
    let builder = PacketBuilder::ethernet2(from.mac, to.mac)
        .ipv6(from.address.octets(), to.address.octets(), hop_limit)
        .icmpv6_raw(kind, code, *first);
    let mut frame = Vec::with_capacity(builder.size(rest.len()));
    builder
        .write(&mut frame, rest)
        .expect("invariant: our messages fit a packet, and a Vec takes every byte");
    frame
}

/// Builds a frame in which the host that the packet in `frame` is for, or a router on the way, tells its sender that it is not
/// delivered (RFC 4443 §3.1).
pub(crate) fn unreachable(code: u8, frame: &[u8]) -> Option<Vec<u8>> {
    const DESTINATION_UNREACHABLE: u8 = 1;
    undelivered(destination(frame)?, (DESTINATION_UNREACHABLE, code), [0; 4], frame)
}

/// Builds a frame in which our router tells the sender of the packet in `frame` that the next link takes no packet so large
/// (RFC 4443 §3.2).
pub(crate) fn too_big(mtu: u16, frame: &[u8]) -> Option<Vec<u8>> {
    const PACKET_TOO_BIG: u8 = 2;
    undelivered(address::ROUTER6, (PACKET_TOO_BIG, 0), u32::from(mtu).to_be_bytes(), frame)
}

/// An error message `from` one of our server's addresses; `word` follows its checksum.
fn undelivered(from: Ipv6Addr, message: (u8, u8), word: [u8; 4], frame: &[u8]) -> Option<Vec<u8>> {
    let packet = packet(frame)?;
    // As much of it as fits the smallest MTU, behind our headers of IPv6 and ICMPv6.
    const QUOTED: usize = 1280 - 40 - 8;
    let quoted = frame.get(14..)?;
    let body = [&word[..], &quoted[..quoted.len().min(QUOTED)]].concat();
    let to = Host { mac: packet.mac, address: packet.from };
    Some(icmp_with_code(Host::server(from), to, HOPS, message, &body))
}

/// Builds a frame with a UDP datagram.
pub(crate) fn udp(from: (Host, u16), to: (Host, u16), payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(from.0.mac, to.0.mac)
        .ipv6(from.0.address.octets(), to.0.address.octets(), HOPS)
        .udp(from.1, to.1);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder
        .write(&mut frame, payload)
        .expect("invariant: our datagrams fit a packet, and a Vec takes every byte");
    frame
}

/// The options of a neighbour discovery message (RFC 4861 §4.6): type and value. `None` if one has the length 0 or runs
/// past the end, for which the whole message is dropped.
pub(crate) fn options(mut rest: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut options = Vec::new();
    while !rest.is_empty() {
        let &[kind, units, ..] = rest else { return None };
        if units == 0 {
            return None;
        }
        let (option, after) = rest.split_at_checked(usize::from(units) * 8)?;
        options.push((kind, &option[2..]));
        rest = after;
    }
    Some(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_no_length_or_cut_short_are_refused() {
        assert_eq!(options(&[1, 1, 0, 0, 0, 0, 0, 7]), Some(vec![(1, &[0, 0, 0, 0, 0, 7][..])]));
        assert_eq!(options(&[]), Some(vec![]));
        for wrong in [&[1, 0, 0, 0, 0, 0, 0, 7][..], &[1, 2, 0, 0, 0, 0, 0, 7], &[1]] {
            assert_eq!(options(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_we_write_we_read() {
        let from = Host::server(address::ROUTER6);
        let frame = icmp(from, Host::group(ALL_NODES), UNROUTED, 134, &[1, 2, 3, 4, 5]);
        let read = packet(&frame).expect("a packet");
        assert_eq!((read.mac, read.from, read.to), (from.mac, from.address, ALL_NODES));
        assert!(matches!(read.content, Content::Icmp { kind: 134, code: 0, body: [1, 2, 3, 4, 5] }));
        assert!(is_for_us(&frame));
        for at in 54..frame.len() {
            let mut damaged = frame.clone();
            damaged[at] ^= 1;
            assert!(packet(&damaged).is_none(), "byte {at}");
        }
    }

    #[test]
    fn what_is_not_delivered_is_quoted_as_far_as_it_fits() {
        let (guest, server) = (Host::station(1), Host::server(address::SERVER6));
        for length in [8, 2000] {
            let sent = udp((guest, 5000), (server, 80), &vec![7; length]);
            let answer = unreachable(3, &sent).unwrap();
            assert!(answer.len() <= 14 + 1280);
            let read = packet(&answer).unwrap();
            assert_eq!((read.from, read.to, read.hop_limit), (server.address, guest.address, HOPS));
            let Content::Icmp { kind: 1, code: 3, body } = read.content else { panic!("{read:?}") };
            assert_eq!(body[..4], [0; 4]);
            assert_eq!(body[4..], sent[14..][..body.len() - 4]);
            assert_eq!(body.len() - 4, (sent.len() - 14).min(1280 - 48));
        }
    }
}
