//! IPv6 packets of the client below TCP (RFC 8200), and the messages of neighbour discovery (RFC 4861 §4) that it reads.

use crate::guest::MAC;
use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use std::net::{IpAddr, Ipv6Addr};

pub(crate) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All_DHCP_Relay_Agents_and_Servers (RFC 8415 §7.1).
pub(crate) const ALL_DHCP_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
pub(crate) const DHCP_CLIENT: u16 = 546;
const DHCP_SERVER: u16 = 547;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;
/// No router has passed the packet on (RFC 4861 §11.2).
const UNROUTED: u8 = 255;

/// What a router says, as far as the client looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Router {
    pub(crate) address: Ipv6Addr,
    /// Seconds for which it is a default router; 0 is not at all.
    pub(crate) lifetime: u16,
    /// The hop limit that hosts are to use; 0 leaves it to them.
    pub(crate) hop_limit: u8,
    /// From -1 to 1 (RFC 4191 §2.1).
    pub(crate) preference: i8,
    /// Prefixes with L and a lifetime, and their lengths.
    pub(crate) on_link: Vec<(Ipv6Addr, u8)>,
    /// DNS servers (RFC 8106 §5.1).
    pub(crate) resolvers: Vec<IpAddr>,
}

/// A packet that the client itself looks at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// Somebody wants to use, or looks for, this address.
    Solicitation { target: Ipv6Addr, probe: bool },
    /// Somebody has this address.
    Advertisement(Ipv6Addr),
    /// A router spoke; whether it is to be believed is said with it.
    Router { says: Router, valid: bool },
    /// A router knows a better first hop (RFC 4861 §4.5). It passes the checks of §8.1 that need no more than the packet.
    Redirect { from: Ipv6Addr, target: Ipv6Addr, destination: Ipv6Addr },
    /// To the DHCPv6 client's port.
    Dhcp(&'a [u8]),
}

/// The address that an interface makes itself (RFC 4291 §2.5.6, appendix A).
pub(crate) fn link_local() -> Ipv6Addr {
    let [a, b, c, d, e, f] = MAC;
    let mut octets = [0; 16];
    octets[..2].copy_from_slice(&[0xfe, 0x80]);
    octets[8..].copy_from_slice(&[a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    octets.into()
}

/// A solicitation for an address that the client wants to use (RFC 4862 §5.4.2).
pub(crate) fn probe(target: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = target.octets();
    let mut group = [0; 16];
    group[..2].copy_from_slice(&[0xff, 2]);
    group[11..].copy_from_slice(&[1, 0xff, a, b, c]);
    icmp(Ipv6Addr::UNSPECIFIED, group.into(), NEIGHBOR_SOLICITATION, &target.octets())
}

/// RFC 4861 §4.1, with the option for the sender's link-layer address.
pub(crate) fn router_solicitation() -> Vec<u8> {
    let [a, b, c, d, e, f] = MAC;
    icmp(link_local(), ALL_ROUTERS, ROUTER_SOLICITATION, &[1, 1, a, b, c, d, e, f])
}

/// A DHCPv6 message to all servers.
pub(crate) fn dhcp(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(MAC, group_mac(ALL_DHCP_SERVERS))
        .ipv6(link_local().octets(), ALL_DHCP_SERVERS.octets(), 64)
        .udp(DHCP_CLIENT, DHCP_SERVER)
        .write(&mut frame, message)
        .expect("invariant: DHCP messages fit a datagram");
    frame
}

/// An ICMPv6 message of code 0, with `body` after four bytes of zeros.
fn icmp(from: Ipv6Addr, to: Ipv6Addr, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(MAC, group_mac(to))
        .ipv6(from.octets(), to.octets(), UNROUTED)
        .icmpv6_raw(kind, 0, [0; 4])
        .write(&mut frame, body)
        .expect("invariant: these messages fit a packet");
    frame
}

/// RFC 2464 §7.
fn group_mac(group: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

/// Reads a frame to the client or to a group. `None` if it is something else, or broken.
pub(crate) fn read(frame: &[u8]) -> Option<Packet<'_>> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Ipv6(ip)) = &packet.net else { return None };
    let header = ip.header();
    let (from, hops) = (header.source_addr(), header.hop_limit());
    match packet.transport? {
        TransportSlice::Udp(udp) if udp.destination_port() == DHCP_CLIENT => {
            let payload = udp.payload();
            let sum = udp.to_header().calc_checksum_ipv6_raw(header.source(), header.destination(), payload);
            (sum.ok()? == udp.checksum()).then_some(Packet::Dhcp(payload))
        }
        TransportSlice::Icmpv6(icmp) => {
            let intact = icmp.is_checksum_valid(header.source(), header.destination());
            let strict = intact && icmp.code_u8() == 0 && hops == UNROUTED;
            let body = icmp.slice().get(4..)?;
            let address =
                |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(body.get(at..at + 16)?).ok()?));
            let target = || address(4);
            match icmp.type_u8() {
                NEIGHBOR_SOLICITATION if strict => {
                    Some(Packet::Solicitation { target: target()?, probe: from.is_unspecified() })
                }
                NEIGHBOR_ADVERTISEMENT if strict => Some(Packet::Advertisement(target()?)),
                ROUTER_ADVERTISEMENT => {
                    let (says, whole) = router(from, body)?;
                    let valid = strict && whole && from.is_unicast_link_local();
                    Some(Packet::Router { says, valid })
                }
                REDIRECT if strict && from.is_unicast_link_local() => {
                    let (target, destination) = (target()?, address(20)?);
                    let whole = are_whole(body.get(36..)?) && !destination.is_multicast();
                    let valid = whole && (target.is_unicast_link_local() || target == destination);
                    valid.then_some(Packet::Redirect { from, target, destination })
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether options end where the message ends, and none has the length 0.
fn are_whole(mut options: &[u8]) -> bool {
    while let &[_, units, ..] = options {
        match options.split_at_checked(usize::from(units) * 8) {
            Some((_, rest)) if units > 0 => options = rest,
            _ => return false,
        }
    }
    options.is_empty()
}

/// What an advertisement says, and whether its options are whole. `body` follows the checksum.
fn router(address: Ipv6Addr, body: &[u8]) -> Option<(Router, bool)> {
    let (head, mut options) = body.split_at_checked(12)?;
    let whole = are_whole(options);
    let preference = match head[1] >> 3 & 3 {
        1 => 1,
        3 => -1,
        _ => 0,
    };
    let lifetime = u16::from_be_bytes([head[2], head[3]]);
    let (on_link, resolvers) = (Vec::new(), Vec::new());
    let mut router = Router { address, lifetime, hop_limit: head[0], preference, on_link, resolvers };
    while let &[kind, units, ..] = options {
        let Some((option, rest)) = options.split_at_checked(usize::from(units) * 8).filter(|_| units > 0)
        else {
            break;
        };
        let address = |at: usize| Some(Ipv6Addr::from(<[u8; 16]>::try_from(option.get(at..at + 16)?).ok()?));
        match kind {
            // RFC 4861 §4.6.2: L, and the valid lifetime.
            3 if units == 4 && option[3] & 0x80 != 0 && option[4..8] != [0; 4] => {
                let prefix = address(16).filter(|prefix| !prefix.is_unicast_link_local());
                router.on_link.extend(prefix.map(|prefix| (prefix, option[2].min(128))));
            }
            25 if units >= 3 && option[4..8] != [0; 4] => {
                let servers = (0..usize::from(units / 2)).filter_map(|at| address(8 + at * 16));
                router.resolvers.extend(servers.map(IpAddr::from));
            }
            _ => {}
        }
        options = rest;
    }
    Some((router, whole))
}

/// Whether an address has a prefix.
pub(crate) fn has_prefix(address: Ipv6Addr, (prefix, length): (Ipv6Addr, u8)) -> bool {
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    (address.to_bits() ^ prefix.to_bits()) & mask == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_makes_its_address_of_its_own() {
        assert_eq!(link_local().to_string(), "fe80::5054:ff:fe12:3456");
        assert_eq!(
            read(&probe(link_local())),
            Some(Packet::Solicitation { target: link_local(), probe: true })
        );
    }

    #[test]
    fn prefixes_have_lengths() {
        let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
        for (prefix, length, expected) in [
            ("2001:db8::", 64, true),
            ("2001:db8:0:1::", 64, false),
            ("2001:db8:0:1::", 63, true),
            ("::", 0, true),
            ("2001:db8::1", 128, true),
            ("2001:db8::2", 128, false),
        ] {
            let found = has_prefix(address("2001:db8::1"), (address(prefix), length));
            assert_eq!(found, expected, "{prefix}/{length}");
        }
    }

    #[test]
    fn an_advertisement_is_read_as_far_as_it_is_whole() {
        let from = "fe80::1".parse().unwrap();
        let mut body = vec![64, 0x80 | 1 << 3, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        body.extend([3, 4, 64, 0xc0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
        body.extend("2001:db8::".parse::<Ipv6Addr>().unwrap().octets());
        let (says, whole) = router(from, &body).unwrap();
        assert!(whole);
        assert_eq!((says.lifetime, says.preference), (0x0708, 1));
        assert_eq!(says.on_link, [("2001:db8::".parse().unwrap(), 64)]);
        body.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        assert!(!router(from, &body).unwrap().1);
        assert!(router(from, &body[..11]).is_none());
    }
}
