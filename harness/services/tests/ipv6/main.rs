//! IPv6 below and at TCP, and DNS: every setting as a second decoder or stack sees it.
#![allow(clippy::unwrap_used)]

mod dhcp6;
mod dns;
mod hostile;
mod nd;
mod ra;
mod redirect;
mod refused;
mod relay;
#[path = "../support/mod.rs"]
mod support;

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use services::{NetworkSettings, address, client::Boot};
use std::{net::Ipv6Addr, time::Duration};
use support::{Bench, GUEST_LINK_LOCAL, image};
use wire::{GuestTime, Node as _};

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// A network for a guest that boots over IPv6.
fn settings(change: impl FnOnce(&mut NetworkSettings)) -> NetworkSettings {
    let mut settings = NetworkSettings::default();
    settings.client.boot = Boot::Ipv6;
    change(&mut settings);
    settings
}

fn bench(change: impl FnOnce(&mut NetworkSettings)) -> Bench {
    Bench::new6(&settings(change), image(5000))
}

/// A group's MAC address, or our server's.
fn mac(to: Ipv6Addr) -> [u8; 6] {
    match to.octets() {
        [0xff, .., a, b, c, d] => [0x33, 0x33, a, b, c, d],
        _ => address::SERVER_MAC,
    }
}

/// An ICMPv6 message of the guest's; `body` is what follows the checksum.
fn icmp(from: Ipv6Addr, to: Ipv6Addr, hops: u8, (kind, code): (u8, u8), body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(address::GUEST_MAC, mac(to))
        .ipv6(from.octets(), to.octets(), hops)
        .icmpv6_raw(kind, code, body[..4].try_into().unwrap())
        .write(&mut frame, &body[4..])
        .unwrap();
    frame
}

fn udp(from: (Ipv6Addr, u16), to: (Ipv6Addr, u16), payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(address::GUEST_MAC, mac(to.0))
        .ipv6(from.0.octets(), to.0.octets(), 64)
        .udp(from.1, to.1)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

/// What a frame of ours says: ends of the link and of the network, hop limit, ports, and what is behind the IPv6 header.
struct Sent {
    mac: ([u8; 6], [u8; 6]),
    from: Ipv6Addr,
    to: Ipv6Addr,
    hops: u8,
    ports: (u16, u16),
    /// UDP's payload, or the whole ICMPv6 message.
    payload: Vec<u8>,
}

fn sent(frame: &[u8]) -> Sent {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let Some(NetSlice::Ipv6(ip)) = &packet.net else { panic!("no IPv6: {frame:?}") };
    let header = ip.header();
    let (ports, payload) = match &packet.transport {
        Some(TransportSlice::Udp(udp)) => {
            let sum =
                udp.to_header().calc_checksum_ipv6_raw(header.source(), header.destination(), udp.payload());
            assert_eq!(sum.unwrap(), udp.checksum());
            ((udp.source_port(), udp.destination_port()), udp.payload().to_vec())
        }
        Some(TransportSlice::Icmpv6(icmp)) => ((0, 0), icmp.slice().to_vec()),
        other => panic!("{other:?}"),
    };
    Sent {
        mac: (frame[6..12].try_into().unwrap(), frame[..6].try_into().unwrap()),
        from: header.source().into(),
        to: header.destination().into(),
        hops: header.hop_limit(),
        ports,
        payload,
    }
}

/// What the network sends by itself until `seconds` have passed, with the time of each frame.
fn later(bench: &mut Bench, seconds: f64) -> Vec<(GuestTime, Vec<u8>)> {
    let end = bench.now + Duration::from_secs_f64(seconds);
    let mut frames = Vec::new();
    while let Some(at) = bench.network.poll_at().filter(|at| *at <= end) {
        let before = bench.now;
        frames.extend(bench.tick(at).into_iter().map(|frame| (at, frame)));
        bench.now = bench.now.max(before);
    }
    bench.now = end;
    frames
}

#[test]
fn the_site_is_served_at_every_address_of_ours() {
    for to in address::SERVER_ADDRESSES6 {
        let mut bench = bench(|_| {});
        let received = bench.ask_at(*to, 80, "GET /boot.efi HTTP/1.1\r\nHost: h\r\n\r\n");
        let head = String::from_utf8_lossy(&received.bytes[..15]).into_owned();
        assert_eq!(head, "HTTP/1.1 200 OK", "{to}");
        assert!(received.bytes.ends_with(&image(5000)), "{to}");
    }
}

#[test]
fn a_closed_port_and_no_host_differ() {
    let mut bench = bench(|_| {});
    let closed = bench.connect(address::SERVER6, 81);
    assert_eq!(bench.read(closed, Duration::from_secs(2)).end, support::End::Reset);
    let before = bench.frames.len();
    let absent = bench.connect(Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 1), 80);
    bench.read(absent, Duration::from_secs(2));
    let tcp = |frame: &[u8]| frame[20] == 6;
    let answers = bench.frames[before..]
        .iter()
        .filter(|(_, direction, frame)| *direction == wire::Direction::ToGuest && tcp(frame));
    assert_eq!(answers.count(), 0);
    let tried: Vec<_> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            record::Event::TcpSyn { to, accepted, .. } => Some((to.to_string(), *accepted)),
            _ => None,
        })
        .collect();
    assert_eq!(tried, [("[2001:db8::1]:81".to_owned(), false), ("[2001:db8:9::1]:80".to_owned(), false)]);
}

#[test]
fn where_the_client_boots_over_ipv4_nobody_speaks_ipv6() {
    let mut bench = Bench::new6(&NetworkSettings::default(), image(1));
    let handle = bench.connect(address::SERVER6, 80);
    assert_eq!(bench.read(handle, Duration::from_secs(5)).end, support::End::Open);
    assert!(bench.exchange(&icmp(GUEST_LINK_LOCAL, ALL_ROUTERS, 255, (133, 0), &[0; 4])).is_empty());
    assert!(bench.frames.iter().all(|(_, direction, _)| *direction == wire::Direction::FromGuest));
}

#[test]
fn where_the_client_boots_over_ipv6_there_is_no_dhcpv4_server() {
    let mut bench = bench(|_| {});
    assert!(bench.exchange(&support::dhcp::Client::new(1).frame()).is_empty());
    assert!(matches!(bench.events.last(), Some(record::Event::Dhcp4Unanswered { .. })));
}
