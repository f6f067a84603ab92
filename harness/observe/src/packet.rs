//! A frame in its parts, as far as they can be read.

use crate::client::Mac;
use etherparse::{LaxNetSlice, LaxSlicedPacket, LinkSlice, TransportSlice};
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
        payload: &'a [u8],
    },
    Tcp {
        from: SocketAddr,
        to: SocketAddr,
        segment: Segment<'a>,
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
    Some(match sliced.transport.as_ref()? {
        TransportSlice::Udp(udp) => Content::Udp {
            from: SocketAddr::new(from, udp.source_port()),
            to: SocketAddr::new(to, udp.destination_port()),
            payload: udp.payload(),
        },
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
        TransportSlice::Icmpv4(_) | TransportSlice::Igmp(_) => Content::Other,
    })
}
