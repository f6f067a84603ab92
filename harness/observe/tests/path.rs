//! What routers say of paths, as captures show it.
#![allow(clippy::unwrap_used)]

use etherparse::PacketBuilder;
use observe::{Capture, Frame, observe};
use record::{Event, GuestTime};

const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 1];
const ROUTER: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// Bytes, MTU and destination of packets that were too large.
fn told(frame: Vec<u8>) -> Vec<(usize, u16, String)> {
    let frames = vec![Frame { number: 1, at: GuestTime::ZERO, bytes: frame }];
    let seen = observe(&Capture { frames, ..Capture::default() }, "02:00:00:00:00:01".parse().unwrap());
    let word = |entry: &record::Entry| match &entry.event {
        Event::PacketTooBig { bytes, mtu, to, split: false, .. } => Some((*bytes, *mtu, to.to_string())),
        _ => None,
    };
    seen.timeline.iter().filter_map(word).collect()
}

#[test]
fn a_packet_that_is_too_large_is_told_with_its_ends() {
    let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let mut large = Vec::new();
    let builder = PacketBuilder::ipv4(client, server, 64).tcp(5000, 80, 1, 1000);
    builder.write(&mut large, &[7; 1000]).unwrap();
    let icmp = PacketBuilder::ethernet2(ROUTER, CLIENT).ipv4([10, 0, 0, 9], client, 64);
    let mut frame = Vec::new();
    icmp.icmpv4_raw(3, 4, [0, 0, 2, 64]).write(&mut frame, &large[..28]).unwrap();
    assert_eq!(told(frame.clone()), [(1040, 576, "10.0.0.2:80".to_owned())]);
    for end in 0..frame.len() {
        told(frame[..end].to_vec());
    }
}

#[test]
fn so_is_one_over_ipv6() {
    let (client, server) = ([0xfd; 16], [0xfe; 16]);
    let mut large = Vec::new();
    let builder = PacketBuilder::ipv6(client, server, 64).tcp(5000, 80, 1, 1000);
    builder.write(&mut large, &[7; 1400]).unwrap();
    let icmp = PacketBuilder::ethernet2(ROUTER, CLIENT).ipv6([0xfc; 16], client, 64);
    let mut frame = Vec::new();
    icmp.icmpv6_raw(2, 0, [0, 0, 5, 0]).write(&mut frame, &large[..1232]).unwrap();
    let [(bytes, mtu, _)] = &told(frame.clone())[..] else { panic!("{frame:?}") };
    assert_eq!((*bytes, *mtu), (1460, 1280));
    for end in 0..frame.len() {
        told(frame[..end].to_vec());
    }
}
