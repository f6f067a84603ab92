//! What happens to packets for others, redirects, and listeners' reports; smoltcp's decoder and the kernel's rules.

use super::{GUEST_LINK_LOCAL, bench, icmp, sent};
use etherparse::PacketBuilder;
use record::Event;
use services::{
    address,
    ra::{Fault, Hop, Redirect, Router},
};
use smoltcp::wire::{Icmpv6Packet, NdiscRepr};
use std::net::Ipv6Addr;

/// The first of the other routers.
const OTHER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x11);
const NOWHERE: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xdead);

fn station(number: u8) -> [u8; 6] {
    let [a, b, c, d, e, _] = address::SERVER_MAC;
    [a, b, c, d, e, 0x10 + number]
}

/// A SYN of the guest's to port 80, by way of a link-layer address.
fn syn(by: [u8; 6], to: Ipv6Addr) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(address::GUEST_MAC, by)
        .ipv6(address::GUEST6.octets(), to.octets(), 64)
        .tcp(4000, 80, 7, 60000)
        .syn()
        .write(&mut frame, &[])
        .unwrap();
    frame
}

fn redirect(to: Hop, malformed: Option<Fault>) -> Option<Redirect> {
    Some(Redirect { to, malformed, forwards_after: true })
}

fn connections(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::TcpSyn { accepted: true, .. })).count()
}

#[test]
fn packets_reach_what_is_behind_a_router_that_forwards() {
    let (on, off) = (address::SERVER6, address::OFF_LINK6);
    // Which router forwards, by whose link-layer address a packet goes, where it goes, and whether it gets there.
    for (ours, other, by, to, expected) in [
        (true, true, address::SERVER_MAC, off, true),
        (false, true, address::SERVER_MAC, off, false),
        (false, true, address::SERVER_MAC, on, true),
        (false, true, station(1), off, true),
        (false, true, station(1), on, true),
        (true, false, station(1), off, false),
        (true, false, station(1), on, false),
        (true, true, address::NEIGHBOR_MAC, on, false),
    ] {
        let mut bench = bench(|n| {
            n.ra.forwards = ours;
            n.ra.more_routers = vec![Router { forwards: other, ..Router::default() }];
        });
        bench.exchange(&syn(by, to));
        assert_eq!(connections(&bench.events) == 1, expected, "{ours} {other} {by:?} {to}");
        let syns = bench.events.iter().filter(|event| matches!(event, Event::TcpSyn { .. }));
        assert_eq!(syns.count(), 1);
        let lost = bench.events.iter().any(|event| matches!(event, Event::NotForwarded { .. }));
        assert_eq!(lost, !expected);
    }
    for (hops, to, expected) in [(1, off, false), (2, off, true), (1, on, true)] {
        let mut bench = bench(|_| {});
        let mut frame = syn(address::SERVER_MAC, to);
        frame[21] = hops;
        bench.exchange(&frame);
        assert_eq!(connections(&bench.events) == 1, expected, "{hops} {to}");
    }
    let mut alone = bench(|n| n.ra.enabled = false);
    alone.exchange(&syn(address::SERVER_MAC, off));
    assert_eq!(connections(&alone.events), 0);
    alone.exchange(&syn(address::SERVER_MAC, on));
    assert_eq!(connections(&alone.events), 1);
}

#[test]
fn a_redirect_names_the_better_hop_once() {
    for (to, target, mac) in [
        (Hop::Router, OTHER, station(1)),
        (Hop::Destination, address::OFF_LINK6, station(9)),
        (Hop::Nowhere, NOWHERE, address::NEIGHBOR_MAC),
    ] {
        let mut bench = bench(|n| {
            n.ra.more_routers = vec![Router::default()];
            n.ra.redirect = redirect(to, None);
        });
        // What is on the link needs no router.
        assert!(
            !bench
                .exchange(&syn(address::SERVER_MAC, address::SERVER6))
                .iter()
                .any(|f| f[20] == 58 && f[54] == 137)
        );
        let packet = syn(address::SERVER_MAC, address::OFF_LINK6);
        let answers = bench.exchange(&packet);
        let message = sent(&answers[0]);
        assert_eq!((message.from, message.to, message.hops), (address::ROUTER6, address::GUEST6, 255));
        let icmp = Icmpv6Packet::new_checked(message.payload.as_slice()).unwrap();
        match NdiscRepr::parse(&icmp).unwrap() {
            NdiscRepr::Redirect { target_addr, dest_addr, lladdr, .. } => {
                assert_eq!((target_addr, dest_addr), (target, address::OFF_LINK6));
                assert_eq!(lladdr.unwrap().as_bytes(), mac);
                // The quoted packet is cut to a multiple of eight bytes, which smoltcp 0.14 does not read.
                assert!(message.payload.ends_with(&packet[14..14 + packet[14..].len() / 8 * 8]));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(connections(&bench.events), 2);
        let event = Event::Redirected { destination: address::OFF_LINK6, target, malformed: None };
        assert!(bench.events.contains(&event));
        assert!(!bench.exchange(&packet).iter().any(|frame| frame[20] == 58 && frame[54] == 137));
    }
}

#[test]
fn a_router_may_serve_a_redirected_host_no_more() {
    let mut bench = bench(|n| {
        n.ra.redirect = Some(Redirect { to: Hop::Destination, malformed: None, forwards_after: false });
    });
    bench.exchange(&syn(address::SERVER_MAC, address::OFF_LINK6));
    assert_eq!(connections(&bench.events), 1);
    let again = PacketBuilder::ethernet2(address::GUEST_MAC, address::SERVER_MAC)
        .ipv6(address::GUEST6.octets(), address::OFF_LINK6.octets(), 64)
        .tcp(4001, 80, 9, 60000)
        .syn();
    let mut frame = Vec::new();
    again.write(&mut frame, &[]).unwrap();
    assert!(bench.exchange(&frame).is_empty());
    assert_eq!(connections(&bench.events), 1);
    // The destination answers for itself.
    let body =
        [&[0; 4], address::OFF_LINK6.octets().as_slice(), &[1, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56]].concat();
    let group = "ff02::1:ff00:1".parse().unwrap();
    let answers = bench.exchange(&icmp(GUEST_LINK_LOCAL, group, 255, (135, 0), &body));
    assert_eq!((answers.len(), sent(&answers[0]).mac.0), (1, station(9)));
    frame[..6].copy_from_slice(&station(9));
    bench.exchange(&frame);
    assert_eq!(connections(&bench.events), 2);
}

#[test]
fn malformed_redirects_are_malformed() {
    use Fault::{
        Checksum, Code, GlobalSource, GlobalTarget, HopLimit, NotFirstHop, OverlongOption, ZeroLengthOption,
    };
    let message = |fault| {
        let mut bench = bench(|n| n.ra.redirect = redirect(Hop::Nowhere, fault));
        let frame = bench.exchange(&syn(address::SERVER_MAC, address::OFF_LINK6)).remove(0);
        let Some(Event::Redirected { malformed, .. }) =
            bench.events.iter().find(|e| matches!(e, Event::Redirected { .. }))
        else {
            panic!()
        };
        assert_eq!(malformed.is_some(), fault.is_some());
        frame
    };
    let good = message(None);
    for fault in
        [HopLimit, GlobalSource, NotFirstHop, GlobalTarget, Code, Checksum, ZeroLengthOption, OverlongOption]
    {
        let frame = message(Some(fault));
        assert_ne!(frame, good, "{fault:?}");
        let (from, hops, code) = (&frame[22..38], frame[21], frame[55]);
        let target = Ipv6Addr::from(<[u8; 16]>::try_from(&frame[62..78]).unwrap());
        match fault {
            HopLimit => assert_eq!(hops, 64),
            GlobalSource => assert_eq!(from, address::SERVER6.octets()),
            NotFirstHop => assert_eq!(from, [&OTHER.octets()[..15], &[0x12]].concat()),
            GlobalTarget => assert!(!target.is_unicast_link_local() && target != address::OFF_LINK6),
            Code => assert_eq!(code, 1),
            Checksum => assert_eq!((frame[56], frame.len()), (good[56] ^ 0xff, good.len())),
            ZeroLengthOption => assert_eq!(frame[frame.len() - 7], 0),
            OverlongOption => assert_eq!(frame[frame.len() - 7], 200),
        }
    }
}

/// The groups of RFC 2710 reports and of RFC 3810 reports, and what is none of either.
#[test]
fn listeners_are_heard() {
    let group: Ipv6Addr = "ff02::1:ff00:100".parse().unwrap();
    let with = |head: &[u8]| [head, group.octets().as_slice()].concat();
    let report = with(&[0; 4]);
    let record = |kind| with(&[0, 0, 0, 1, kind, 0, 0, 0]);
    let ask = |hops, kind, body: &[u8]| {
        let mut bench = bench(|_| {});
        assert!(bench.exchange(&icmp(GUEST_LINK_LOCAL, group, hops, (kind, 0), body)).is_empty());
        match bench.events.first() {
            Some(Event::GroupsReported { joined, left, .. }) => Some((joined.clone(), left.clone())),
            None => None,
            other => panic!("{other:?}"),
        }
    };
    let (joined, left) = (Some((vec![group], vec![])), Some((vec![], vec![group])));
    assert_eq!(ask(1, 131, &report), joined);
    assert_eq!(ask(1, 132, &report), left);
    assert_eq!(ask(1, 143, &record(4)), joined);
    assert_eq!(ask(1, 143, &record(3)), left);
    assert_eq!(ask(64, 131, &report), None);
    assert_eq!(ask(1, 131, &report[..16]), None);
    assert_eq!(ask(1, 143, &record(4)[..20]), None);
    assert_eq!(ask(1, 131, &[0; 20]), None);
}
