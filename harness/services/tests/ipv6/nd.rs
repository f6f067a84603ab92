//! Neighbour discovery, as smoltcp's decoder sees it.

use super::{ALL_NODES, GUEST_LINK_LOCAL, bench, icmp, later, sent};
use record::Event;
use services::{
    address,
    nd::{InUse, Objection},
};
use smoltcp::wire::{Icmpv6Packet, NdiscNeighborFlags, NdiscRepr};
use std::net::Ipv6Addr;

const SLAAC: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0x5054, 0xff, 0xfe12, 0x3456);

fn group(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

fn solicit(from: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let mut body = [&[0; 4], target.octets().as_slice()].concat();
    if !from.is_unspecified() {
        body.extend([1, 1]);
        body.extend(address::GUEST_MAC);
    }
    icmp(from, group(target), 255, (135, 0), &body)
}

fn flags(payload: &[u8]) -> (NdiscNeighborFlags, Ipv6Addr, Option<Vec<u8>>) {
    let packet = Icmpv6Packet::new_checked(payload).unwrap();
    match NdiscRepr::parse(&packet).unwrap() {
        NdiscRepr::NeighborAdvert { flags, target_addr, lladdr } => {
            (flags, target_addr, lladdr.map(|mac| mac.as_bytes().to_vec()))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn our_hosts_answer_for_their_addresses() {
    for target in [address::SERVER6, address::ROUTER6] {
        let mut bench = bench(|_| {});
        let answers = bench.exchange(&solicit(GUEST_LINK_LOCAL, target));
        assert_eq!(answers.len(), 1);
        let answer = sent(&answers[0]);
        assert_eq!((answer.from, answer.to, answer.hops), (target, GUEST_LINK_LOCAL, 255));
        assert_eq!(answer.mac, (address::SERVER_MAC, address::GUEST_MAC));
        let (all, mac) = (NdiscNeighborFlags::all(), address::SERVER_MAC.to_vec());
        assert_eq!(flags(&answer.payload), (all, target, Some(mac)));
    }
    let mut bench = bench(|_| {});
    for elsewhere in [address::OFF_LINK6, address::GUEST6] {
        assert!(bench.exchange(&solicit(GUEST_LINK_LOCAL, elsewhere)).is_empty(), "{elsewhere}");
    }
}

#[test]
fn settings_of_answers_are_on_the_wire() {
    let mut bench = bench(|n| {
        (n.nd.router, n.nd.solicited, n.nd.r#override, n.nd.link_address) = (false, false, false, false);
        (n.nd.lose, n.nd.delay_seconds) = (1, 2.5);
    });
    let ask = solicit(GUEST_LINK_LOCAL, address::SERVER6);
    assert!(bench.exchange(&ask).is_empty());
    assert!(matches!(bench.events.last(), Some(Event::NeighborUnanswered { .. })));
    assert!(bench.exchange(&ask).is_empty());
    let start = bench.now;
    let answers = later(&mut bench, 10.0);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].0.since(start).as_secs_f64(), 2.5);
    assert_eq!(flags(&sent(&answers[0].1).payload), (NdiscNeighborFlags::empty(), address::SERVER6, None));
}

#[test]
fn without_answers_there_is_no_connection() {
    let mut bench = bench(|n| n.nd.answer = false);
    let handle = bench.connect(address::SERVER6, 80);
    bench.run_for(std::time::Duration::from_secs(3));
    assert!(bench.events.iter().all(|event| matches!(event, Event::NeighborUnanswered { .. })));
    assert!(!bench.events.is_empty());
    let _ = handle;
}

#[test]
fn probes_meet_the_hosts_that_the_scenario_has() {
    let kinds = [
        (GUEST_LINK_LOCAL, InUse::LinkLocal),
        (address::GUEST6, InUse::Assigned),
        (SLAAC, InUse::Autonomous),
    ];
    for (probed, kind) in kinds {
        for (_, in_use) in kinds {
            let mut bench = bench(|n| n.nd.in_use = vec![in_use]);
            let answers = bench.exchange(&solicit(Ipv6Addr::UNSPECIFIED, probed));
            let taken = kind == in_use;
            assert_eq!(answers.len(), usize::from(taken), "{probed} {in_use:?}");
            assert_eq!(bench.events, [Event::DadProbe { target: probed, taken }]);
            for answer in answers {
                let answer = sent(&answer);
                assert_eq!((answer.to, answer.hops, answer.mac.0), (ALL_NODES, 255, address::NEIGHBOR_MAC));
                let (flags, target, _) = flags(&answer.payload);
                assert_eq!((flags, target), (NdiscNeighborFlags::OVERRIDE, probed));
            }
        }
    }
    let mut bench = bench(|n| {
        (n.nd.in_use, n.nd.objection) = (vec![InUse::Assigned], Objection::Solicitation);
    });
    let answers = bench.exchange(&solicit(Ipv6Addr::UNSPECIFIED, address::GUEST6));
    let probe = sent(&answers[0]);
    assert_eq!((probe.from, probe.to), (Ipv6Addr::UNSPECIFIED, group(address::GUEST6)));
    let packet = Icmpv6Packet::new_checked(probe.payload.as_slice()).unwrap();
    let target_addr = address::GUEST6;
    assert_eq!(NdiscRepr::parse(&packet), Ok(NdiscRepr::NeighborSolicit { target_addr, lladdr: None }));
}

/// RFC 4861 §7.1.1.
#[test]
fn invalid_solicitations_are_dropped() {
    let target = address::SERVER6;
    let body = [&[0; 4], target.octets().as_slice()].concat();
    let with = |option: &[u8]| [&body, option].concat();
    let to = group(target);
    let none = Ipv6Addr::UNSPECIFIED;
    for (name, frame) in [
        ("hop limit", icmp(GUEST_LINK_LOCAL, to, 64, (135, 0), &body)),
        ("code", icmp(GUEST_LINK_LOCAL, to, 255, (135, 1), &body)),
        ("short", icmp(GUEST_LINK_LOCAL, to, 255, (135, 0), &body[..16])),
        ("option of no length", icmp(GUEST_LINK_LOCAL, to, 255, (135, 0), &with(&[1, 0, 0, 0, 0, 0, 0, 0]))),
        ("option too long", icmp(GUEST_LINK_LOCAL, to, 255, (135, 0), &with(&[1, 2, 0, 0, 0, 0, 0, 0]))),
        ("probe with an address", icmp(none, to, 255, (135, 0), &with(&[1, 1, 2, 0, 0, 0, 0, 9]))),
        ("probe to one host", icmp(none, target, 255, (135, 0), &body)),
    ] {
        let mut bench = bench(|_| {});
        assert!(bench.exchange(&frame).is_empty(), "{name}");
        assert!(bench.events.is_empty(), "{name}");
        let good = icmp(GUEST_LINK_LOCAL, to, 255, (135, 0), &with(&[1, 1, 2, 0, 0, 0, 0, 9]));
        assert_eq!(bench.exchange(&good).len(), 1, "{name}");
    }
}
