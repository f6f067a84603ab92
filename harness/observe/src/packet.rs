//! A frame in its parts, as far as they can be read.

use crate::client::Mac;
use etherparse::{
    IpNumber, Ipv6FragmentHeaderSlice, LaxNetSlice, LaxSlicedPacket, LinkSlice, TransportSlice, UdpSlice,
};
use std::net::{IpAddr, SocketAddr};

/// What a frame carries.
pub struct Packet<'a> {
    pub source: Mac,
    pub destination: Mac,
    pub content: Content<'a>,
}

pub enum Content<'a> {
    Arp(Arp),
    Udp {
        from: SocketAddr,
        to: SocketAddr,
        /// What there is of it: a capture may have cut it off, and of a datagram in fragments this is the first.
        payload: &'a [u8],
        /// How many bytes the sender's payload has.
        length: usize,
    },
    Tcp {
        from: SocketAddr,
        to: SocketAddr,
        segment: Segment<'a>,
    },
    /// ICMP, from its type on.
    Icmp4 {
        message: &'a [u8],
    },
    /// ICMPv6, from its type on.
    Icmp6 {
        from: IpAddr,
        message: &'a [u8],
    },
    Other,
}

/// An ARP packet for IPv4 over Ethernet (RFC 826).
pub struct Arp {
    pub is_request: bool,
    pub sender: std::net::Ipv4Addr,
    pub target: std::net::Ipv4Addr,
}

/// A TCP segment (RFC 9293 §3.1).
pub struct Segment<'a> {
    pub sequence: u32,
    pub acknowledgement: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
    pub payload: &'a [u8],
}

/// The parts of a frame; `None` if it is no Ethernet frame at all.
pub fn parse(frame: &[u8]) -> Option<Packet<'_>> {
    let sliced = LaxSlicedPacket::from_ethernet(frame).ok()?;
    let Some(LinkSlice::Ethernet2(ethernet)) = &sliced.link else { return None };
    let content = content(&sliced).unwrap_or(Content::Other);
    Some(Packet { source: Mac(ethernet.source()), destination: Mac(ethernet.destination()), content })
}

fn content<'a>(sliced: &LaxSlicedPacket<'a>) -> Option<Content<'a>> {
    let (from, to): (IpAddr, IpAddr) = match sliced.net.as_ref()? {
        LaxNetSlice::Arp(arp) => {
            let address = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Into::into);
            return Some(Content::Arp(Arp {
                is_request: arp.operation().0 == 1,
                sender: address(arp.sender_protocol_addr())?,
                target: address(arp.target_protocol_addr())?,
            }));
        }
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            (header.source_addr().into(), header.destination_addr().into())
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            (header.source_addr().into(), header.destination_addr().into())
        }
    };
    let udp = |udp: &UdpSlice<'a>| Content::Udp {
        from: SocketAddr::new(from, udp.source_port()),
        to: SocketAddr::new(to, udp.destination_port()),
        payload: udp.payload(),
        length: usize::from(udp.length()).saturating_sub(udp.header_len()).max(udp.payload().len()),
    };
    let Some(transport) = &sliced.transport else {
        return first_fragment(sliced.net.as_ref()?).as_ref().map(udp);
    };
    Some(match transport {
        TransportSlice::Udp(datagram) => udp(datagram),
        TransportSlice::Tcp(tcp) => Content::Tcp {
            from: SocketAddr::new(from, tcp.source_port()),
            to: SocketAddr::new(to, tcp.destination_port()),
            segment: Segment {
                sequence: tcp.sequence_number(),
                acknowledgement: tcp.ack().then(|| tcp.acknowledgment_number()),
                syn: tcp.syn(),
                fin: tcp.fin(),
                rst: tcp.rst(),
                payload: tcp.payload(),
            },
        },
        TransportSlice::Icmpv6(icmp) => Content::Icmp6 { from, message: icmp.slice() },
        TransportSlice::Icmpv4(icmp) => Content::Icmp4 { message: icmp.slice() },
        TransportSlice::Igmp(_) => Content::Other,
    })
}

/// The head of a UDP datagram that was sent in fragments, in the first of them.
fn first_fragment<'a>(net: &LaxNetSlice<'a>) -> Option<UdpSlice<'a>> {
    let payload = net.ip_payload_ref()?;
    let offset = match net {
        LaxNetSlice::Ipv4(ip) => ip.header().fragments_offset(),
        // Before it there is nothing that routers need not see (RFC 8200 §4.5). Not by the iterator of etherparse 0.21, which reads
        // beyond the end of a truncated header.
        LaxNetSlice::Ipv6(ip) => {
            let extensions = ip.extensions();
            let is_fragment = extensions.first_header() == Some(IpNumber::IPV6_FRAGMENTATION_HEADER);
            let header = Ipv6FragmentHeaderSlice::from_slice(extensions.slice()).ok();
            header.filter(|_| is_fragment)?.fragment_offset()
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let is_first = payload.fragmented && payload.ip_number == IpNumber::UDP && offset.value() == 0;
    is_first.then(|| UdpSlice::from_slice_lax(payload.payload).ok())?
}
