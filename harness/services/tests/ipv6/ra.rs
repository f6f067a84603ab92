//! Router advertisements, as smoltcp's decoder sees them, and byte by byte where it has none.

use super::{ALL_NODES, ALL_ROUTERS, GUEST_LINK_LOCAL, bench, icmp, later, sent};
use record::Event;
use services::{
    NetworkSettings, address,
    ra::{Change, Malformed, Pref64, Preference, Prefix, Router, UnknownOption},
};
use smoltcp::wire::{Icmpv6Packet, NdiscPrefixInfoFlags, NdiscRepr, NdiscRouterFlags};
use std::net::Ipv6Addr;

fn solicitation() -> Vec<u8> {
    icmp(GUEST_LINK_LOCAL, ALL_ROUTERS, 255, (133, 0), &[0; 4])
}

/// The only advertisement that answers a solicitation.
fn advertised(change: impl FnOnce(&mut NetworkSettings)) -> (super::Sent, Vec<Event>) {
    let mut bench = bench(change);
    let answers = bench.exchange(&solicitation());
    assert_eq!(answers.len(), 1);
    (sent(&answers[0]), bench.events)
}

/// The options of an advertisement: type and value.
fn options(payload: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut rest = &payload[16..];
    let mut options = Vec::new();
    while let [kind, units, ..] = rest {
        let (option, after) = rest.split_at(usize::from(*units) * 8);
        options.push((*kind, option[2..].to_vec()));
        rest = after;
    }
    options
}

#[test]
fn the_usual_advertisement() {
    let (ra, events) = advertised(|_| {});
    assert_eq!((ra.from, ra.to, ra.hops), (address::ROUTER6, ALL_NODES, 255));
    assert_eq!(ra.mac, (address::SERVER_MAC, [0x33, 0x33, 0, 0, 0, 1]));
    let packet = Icmpv6Packet::new_checked(ra.payload.as_slice()).unwrap();
    assert!(packet.verify_checksum(&ra.from, &ra.to));
    let NdiscRepr::RouterAdvert { hop_limit, flags, router_lifetime, lladdr, mtu, prefix_info, .. } =
        NdiscRepr::parse(&packet).unwrap()
    else {
        panic!("no advertisement");
    };
    assert_eq!((hop_limit, flags.bits(), router_lifetime.secs(), mtu), (64, 0xc0, 1800, None));
    assert_eq!(lladdr.unwrap().as_bytes(), address::SERVER_MAC);
    let prefix = prefix_info.unwrap();
    assert_eq!((prefix.prefix, prefix.prefix_len), (address::PREFIX6, 64));
    assert_eq!(prefix.flags, NdiscPrefixInfoFlags::all());
    assert_eq!((prefix.valid_lifetime.secs(), prefix.preferred_lifetime.secs()), (2_592_000, 604_800));
    assert_eq!(events[0], Event::RouterSolicited { from: Some(GUEST_LINK_LOCAL) });
    let Event::RouterAdvertised { prefixes, managed: true, other: true, malformed: None, .. } = &events[1]
    else {
        panic!("{events:?}");
    };
    assert_eq!(prefixes, &["2001:db8::/64 L A"]);
}

#[test]
fn flags_and_timers() {
    let mut bits = Vec::new();
    for (managed, other) in [(false, false), (false, true), (true, false), (true, true)] {
        for preference in [Preference::Low, Preference::Medium, Preference::High, Preference::Reserved] {
            let (ra, _) = advertised(|n| {
                (n.ra.managed, n.ra.other, n.ra.preference) = (managed, other, preference);
                (n.ra.lifetime_seconds, n.ra.hop_limit) = (0, 0);
                (n.ra.reachable_ms, n.ra.retransmit_ms) = (u32::MAX, 7);
            });
            assert_eq!(ra.payload[4], 0);
            assert_eq!(ra.payload[6..16], [0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 7]);
            bits.push(ra.payload[5]);
        }
    }
    assert_eq!(
        bits,
        [0x18, 0, 8, 0x10, 0x58, 0x40, 0x48, 0x50, 0x98, 0x80, 0x88, 0x90, 0xd8, 0xc0, 0xc8, 0xd0]
    );
    assert_eq!(NdiscRouterFlags::MANAGED.bits() | NdiscRouterFlags::OTHER.bits(), 0xc0);
}

#[test]
fn every_option() {
    let second = Prefix {
        prefix: "2001:db8:2::".parse().unwrap(),
        length: 48,
        autonomous: false,
        ..Prefix::default()
    };
    let (ra, _) = advertised(|n| {
        (n.ra.on_link, n.ra.autonomous, n.ra.prefix_length) = (false, true, 128);
        n.ra.more_prefixes = vec![second];
        n.ra.link_address = false;
        n.ra.mtu = Some(1280);
        n.ra.rdnss = vec![address::SERVER6, address::ROUTER6];
        n.ra.dnssl = vec!["example.com".into(), "a.example".into()];
        n.ra.captive_portal = Some("https://h/".into());
        n.ra.pref64 =
            Some(Pref64 { prefix: "64:ff9b::".parse().unwrap(), length: 96, lifetime_seconds: 1800 });
        n.ra.unknown_options = vec![UnknownOption { kind: 200, units: 3 }];
    });
    let options = options(&ra.payload);
    let kinds: Vec<u8> = options.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [5, 3, 3, 25, 31, 37, 38, 200]);
    assert_eq!(options[0].1, [0, 0, 0, 0, 5, 0]);
    assert_eq!(options[1].1[..2], [128, 0x40]);
    assert_eq!(options[2].1[..2], [48, 0x80]);
    assert_eq!(options[3].1[2..6], 1800u32.to_be_bytes());
    assert_eq!(options[3].1[6..], [address::SERVER6.octets(), address::ROUTER6.octets()].concat());
    assert_eq!(&options[4].1[6..], b"\x07example\x03com\0\x01a\x07example\0");
    assert_eq!(&options[5].1, b"https://h/\0\0\0\0");
    assert_eq!(options[6].1[..2], 1800u16.to_be_bytes());
    assert_eq!(options[6].1[2..], Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0).octets()[..12]);
    assert_eq!(options[7].1.len(), 22);
}

#[test]
fn when_routers_speak() {
    let mut late = bench(|n| {
        (n.ra.delay_seconds, n.ra.lose, n.ra.copies) = (1.5, 1, 2);
        n.ra.unicast = true;
    });
    for expected in [0, 2] {
        let start = late.now;
        assert!(late.exchange(&solicitation()).is_empty());
        let answers = later(&mut late, 5.0);
        assert_eq!(answers.len(), expected);
        for (at, frame) in answers {
            assert_eq!(at.since(start).as_secs_f64(), 1.5);
            assert_eq!((sent(&frame).to, sent(&frame).mac.1), (GUEST_LINK_LOCAL, address::GUEST_MAC));
        }
    }
    for silent in
        [|n: &mut NetworkSettings| n.ra.enabled = false, |n: &mut NetworkSettings| n.ra.solicited = false]
    {
        let mut bench = bench(silent);
        assert!(bench.exchange(&solicitation()).is_empty());
        assert!(matches!(bench.events.last(), Some(Event::RouterUnanswered { .. })));
    }
    let mut unasked = bench(|n| (n.ra.solicited, n.ra.interval_seconds) = (false, Some(4.0)));
    assert!(later(&mut unasked, 100.0).is_empty(), "nobody is there yet");
    unasked.exchange(&solicitation());
    let start = unasked.now;
    let times: Vec<_> = later(&mut unasked, 13.0).iter().map(|(at, _)| at.since(start).as_secs()).collect();
    assert_eq!(times, [4, 8, 12]);
}

#[test]
fn a_router_changes_its_mind_once() {
    let mut bench = bench(|n| {
        n.ra.then = Some(Change {
            after_seconds: 3.0,
            managed: Some(false),
            other: None,
            lifetime_seconds: Some(0),
            valid_seconds: None,
            preferred_seconds: Some(0),
        });
    });
    let first = sent(&bench.exchange(&solicitation())[0]);
    let second = later(&mut bench, 10.0);
    assert_eq!(second.len(), 1);
    let second = sent(&second[0].1);
    assert_eq!((first.payload[5], &first.payload[6..8]), (0xc0, &[7, 8][..]));
    assert_eq!((second.payload[5], &second.payload[6..8]), (0x40, &[0, 0][..]));
    let third = sent(&bench.exchange(&solicitation())[0]);
    assert_eq!(third.payload, second.payload);
    assert!(later(&mut bench, 10.0).is_empty());
}

#[test]
fn several_routers() {
    let mut bench = bench(|n| {
        n.ra.more_routers = vec![
            Router { preference: Preference::High, lifetime_seconds: 9, ..Router::default() },
            Router { delay_seconds: 1.0, managed: false, ..Router::default() },
        ];
    });
    let now: Vec<_> = bench.exchange(&solicitation()).iter().map(|frame| sent(frame)).collect();
    let from: Vec<_> = now.iter().map(|ra| ra.from.to_string()).collect();
    assert_eq!(from, ["fe80::1", "fe80::11"]);
    assert_eq!((now[1].payload[5], now[1].payload[7]), (0xc8, 9));
    assert_eq!(options(&now[1].payload), [(1, now[1].mac.0.to_vec())]);
    let late = later(&mut bench, 2.0);
    assert_eq!((late.len(), sent(&late[0].1).from.to_string().as_str()), (1, "fe80::12"));
    // A router forwards: an echo request to its MAC address for a host behind it is answered.
    let mut echo = icmp(address::GUEST6, address::OFF_LINK6, 64, (128, 0), &[0, 1, 0, 1, 5]);
    echo[..6].copy_from_slice(&now[1].mac.0);
    bench.exchange(&super::icmp(address::GUEST6, address::SERVER6, 255, (135, 0), &{
        let mut body = [&[0; 4], address::SERVER6.octets().as_slice(), &[1, 1]].concat();
        body.extend(address::GUEST_MAC);
        body
    }));
    let reply = bench.exchange(&echo);
    assert_eq!((reply.len(), sent(&reply[0]).payload[0]), (1, 129));
}

/// RFC 4861 §6.1.2, and smoltcp agrees where it looks.
#[test]
fn malformed_advertisements_are_malformed() {
    let kind = |malformed| advertised(move |n| n.ra.malformed = Some(malformed)).0;
    assert_eq!(kind(Malformed::HopLimit).hops, 64);
    assert_eq!(kind(Malformed::GlobalSource).from, address::SERVER6);
    assert_eq!(kind(Malformed::Code).payload[1], 1);
    assert_eq!(kind(Malformed::Truncated).payload.len(), 12);
    for malformed in [Malformed::ZeroLengthOption, Malformed::OverlongOption, Malformed::Truncated] {
        let payload = kind(malformed).payload;
        let read =
            Icmpv6Packet::new_checked(payload.as_slice()).and_then(|p| NdiscRepr::parse(&p).map(|_| ()));
        assert!(read.is_err(), "{malformed:?}");
    }
    for malformed in [None, Some(Malformed::Checksum)] {
        let ra = advertised(|n| n.ra.malformed = malformed).0;
        let packet = Icmpv6Packet::new_unchecked(ra.payload.as_slice());
        assert_eq!(packet.verify_checksum(&ra.from, &ra.to), malformed.is_none());
    }
}

/// RFC 4861 §6.1.1.
#[test]
fn invalid_solicitations_are_dropped() {
    let none = Ipv6Addr::UNSPECIFIED;
    for frame in [
        icmp(GUEST_LINK_LOCAL, ALL_ROUTERS, 254, (133, 0), &[0; 4]),
        icmp(GUEST_LINK_LOCAL, ALL_ROUTERS, 255, (133, 1), &[0; 4]),
        icmp(GUEST_LINK_LOCAL, ALL_ROUTERS, 255, (133, 0), &[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
        icmp(none, ALL_ROUTERS, 255, (133, 0), &[0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]),
    ] {
        let mut bench = bench(|_| {});
        assert!(bench.exchange(&frame).is_empty());
        assert!(bench.events.is_empty());
    }
    let mut bench = bench(|_| {});
    assert_eq!(bench.exchange(&icmp(none, ALL_ROUTERS, 255, (133, 0), &[0; 4])).len(), 1);
}
