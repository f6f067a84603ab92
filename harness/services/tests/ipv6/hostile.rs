//! Whatever a guest sends over IPv6, the network neither panics nor answers without end, and serves on.

use super::{ALL_ROUTERS, GUEST_LINK_LOCAL, icmp, settings, udp};
use proptest::prelude::*;
use services::{
    Network, address,
    nd::InUse,
    ra::{Hop, Redirect, Router},
};
use smoltcp::wire::{EthernetFrame, Icmpv6Packet, IpProtocol, Ipv6Packet, UdpPacket};
use std::net::Ipv6Addr;
use wire::{GuestTime, Node, Outbox};

/// A solicitation of each kind, a DHCPv6 message, with two relay agents too, a DNS query, a listener's report, and a packet
/// to forward.
fn valid() -> Vec<Vec<u8>> {
    let servers = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
    let mut target = [&[0; 4], address::SERVER6.octets().as_slice(), &[1, 1]].concat();
    target.extend(address::GUEST_MAC);
    let duid = [0, 1, 0, 4, 0, 3, 0, 1];
    let ia = [0, 3, 0, 40, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 24];
    let solicit = [&[1, 1, 2, 3], duid.as_slice(), &ia, &[0x20; 24], &[0, 6, 0, 4, 0, 59, 0, 16]].concat();
    let query =
        [&[1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], b"\x04boot\x07example\x03com\0\0\x1c\0\x01".as_slice()]
            .concat();
    let option = |value: &[u8]| [&[0, 9, 0, value.len() as u8], value].concat();
    let inner = [&[12, 0], [0x20; 32].as_slice(), &option(&solicit)].concat();
    let relayed = [&[12, 1], [0x20; 32].as_slice(), &option(&inner)].concat();
    let mut report = vec![0, 0, 0, 2, 4, 0, 0, 0];
    report.extend([0xff; 16]);
    report.extend([3, 1, 0, 1]);
    report.extend([0xff; 36]);
    vec![
        icmp(GUEST_LINK_LOCAL, ALL_ROUTERS, 255, (133, 0), &[0; 4]),
        icmp(GUEST_LINK_LOCAL, address::SERVER6, 255, (135, 0), &target),
        udp((GUEST_LINK_LOCAL, 546), (servers, 547), &solicit),
        udp((GUEST_LINK_LOCAL, 999), (address::SERVER6, 53), &query),
        udp((GUEST_LINK_LOCAL, 547), (address::SERVER6, 547), &relayed),
        icmp(GUEST_LINK_LOCAL, ALL_ROUTERS, 1, (143, 0), &report),
        icmp(GUEST_LINK_LOCAL, address::OFF_LINK6, 64, (128, 0), &[0; 90]),
    ]
}

/// Makes the checksum right again, so that the damage gets past it.
fn repair(frame: &mut [u8]) {
    if EthernetFrame::new_checked(&*frame).is_err() {
        return;
    }
    let Ok(mut ip) = Ipv6Packet::new_checked(&mut frame[14..]) else { return };
    let (from, to, next) = (ip.src_addr(), ip.dst_addr(), ip.next_header());
    match next {
        IpProtocol::Icmpv6 => {
            if let Ok(mut icmp) = Icmpv6Packet::new_checked(ip.payload_mut()) {
                icmp.fill_checksum(&from, &to);
            }
        }
        IpProtocol::Udp => {
            if let Ok(mut udp) = UdpPacket::new_checked(ip.payload_mut()) {
                udp.fill_checksum(&from.into(), &to.into());
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_packets_are_survived(
        steps in prop::collection::vec(
            (0usize..7, any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..8), any::<bool>(), 0u64..3_000_000),
            1..40,
        ),
    ) {
        let valid = valid();
        let settings = settings(|n| {
            (n.ra.delay_seconds, n.ra.interval_seconds) = (0.5, Some(0.7));
            n.ra.more_routers = vec![Router::default()];
            n.ra.redirect = Some(Redirect { to: Hop::Router, malformed: None, forwards_after: true });
            n.nd.in_use = vec![InUse::Assigned, InUse::Autonomous, InUse::LinkLocal];
            (n.dhcp6.delay_seconds, n.dns.delay_seconds, n.nd.delay_seconds) = (0.4, 0.3, 0.2);
        });
        let mut network = Network::new(&settings, super::image(10)).unwrap();
        let mut out = Outbox::default();
        let mut now = 0;
        for (which, at, bytes, cut, wait) in steps {
            now += wait;
            let mut frame = valid[which].clone();
            let at = 12 + at.index(frame.len() - 12);
            if cut {
                frame.truncate(at);
            } else {
                let end = frame.len().min(at + bytes.len());
                frame[at..end].copy_from_slice(&bytes[..end - at]);
            }
            repair(&mut frame);
            network.receive(GuestTime::from_micros(now), &frame, &mut out);
            network.poll(GuestTime::from_micros(now), &mut out);
            prop_assert!(out.frames.len() < 100, "{} frames", out.frames.len());
            for answer in out.frames.drain(..) {
                prop_assert!((42..=1514).contains(&answer.len()), "{} bytes", answer.len());
                prop_assert_eq!(&answer[6..11], &address::SERVER_MAC[..5]);
            }
        }
        // It still serves.
        now += 100_000_000;
        network.receive(GuestTime::from_micros(now), &valid[0], &mut out);
        network.poll(GuestTime::from_micros(now + 1_000_000), &mut out);
        prop_assert!(out.frames.len() >= 2);
    }
}
