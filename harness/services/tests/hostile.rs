//! Whatever a guest sends, the network neither panics nor answers without end, and serves the next client.
#![allow(clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use record::{Direction, Event};
use services::{
    Network, NetworkSettings, address,
    dhcp4::pxe::Service,
    http::{Connection, Framing},
};
use std::sync::LazyLock;
use support::{Bench, dhcp::Client, image};
use wire::{GuestTime, Node, Outbox};

const GET: &str = "GET /boot.efi HTTP/1.1\r\nHost: h\r\n\r\n";

/// Frames of a good client: DHCP, ARP, TCP with HEAD, GET and FIN.
static VALID: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut settings = NetworkSettings::default();
    settings.http.connection = Connection::Close;
    let mut bench = Bench::new(&settings, image(3000));
    for kind in 1..=8 {
        bench.exchange(&Client::new(kind).with(50, address::GUEST4.octets()).with(61, [1; 7]).frame());
    }
    for request in ["HEAD /boot.efi HTTP/1.1\r\nHost: h\r\n\r\n", GET] {
        bench.ask(80, request);
    }
    let sent = bench.frames.into_iter().filter(|(_, direction, _)| *direction == Direction::FromGuest);
    let frames: Vec<_> = sent.map(|(_, _, frame)| frame).collect();
    assert!(frames.len() > 15);
    frames
});

/// One change to a valid frame.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Truncate(prop::sample::Index),
    Overwrite(prop::sample::Index, Vec<u8>),
    Append(Vec<u8>),
    Repair(prop::sample::Index, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..8);
    prop_oneof![
        1 => Just(Damage::None),
        2 => any::<prop::sample::Index>().prop_map(Damage::Truncate),
        2 => (any::<prop::sample::Index>(), bytes()).prop_map(|(at, bytes)| Damage::Overwrite(at, bytes)),
        1 => prop::collection::vec(any::<u8>(), 0..64).prop_map(Damage::Append),
        4 => (any::<prop::sample::Index>(), bytes()).prop_map(|(at, bytes)| Damage::Repair(at, bytes)),
    ]
}

fn damaged(frame: &[u8], damage: &Damage) -> Vec<u8> {
    let mut frame = frame.to_vec();
    match damage {
        Damage::None => {}
        Damage::Truncate(at) => frame.truncate(at.index(frame.len())),
        Damage::Overwrite(at, bytes) | Damage::Repair(at, bytes) => {
            let at = at.index(frame.len());
            let end = frame.len().min(at + bytes.len());
            frame[at..end].copy_from_slice(&bytes[..end - at]);
        }
        Damage::Append(bytes) => frame.extend(bytes),
    }
    if matches!(damage, Damage::Repair(..)) {
        repair(&mut frame);
    }
    frame
}

/// Makes the checksums right again, so that the damage gets past them.
fn repair(frame: &mut [u8]) {
    use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, TcpPacket, UdpPacket};
    let Ok(ethernet) = EthernetFrame::new_checked(&mut *frame) else { return };
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return;
    }
    let Ok(mut ip) = Ipv4Packet::new_checked(&mut frame[14..]) else { return };
    ip.fill_checksum();
    let (source, destination) = (ip.src_addr().into(), ip.dst_addr().into());
    match ip.next_header() {
        IpProtocol::Tcp => {
            if let Ok(mut tcp) = TcpPacket::new_checked(ip.payload_mut()) {
                tcp.fill_checksum(&source, &destination);
            }
        }
        IpProtocol::Udp => {
            if let Ok(mut udp) = UdpPacket::new_checked(ip.payload_mut()) {
                udp.fill_checksum(&source, &destination);
            }
        }
        _ => {}
    }
}

/// Feeds frames at the given times and checks what every answer has to be.
fn feed(network: &mut Network, frames: &[(u64, Vec<u8>)]) -> Vec<Event> {
    let mut out = Outbox::default();
    for (micros, frame) in frames {
        let now = GuestTime::from_micros(*micros);
        network.receive(now, frame, &mut out);
        network.poll(now, &mut out);
        assert!(out.frames.len() < 400, "{} frames for one", out.frames.len());
        for answer in out.frames.drain(..) {
            assert!((42..=1514).contains(&answer.len()), "{} bytes", answer.len());
            assert_eq!(answer[6..12], address::SERVER_MAC);
        }
    }
    out.events
}

fn settings() -> impl Strategy<Value = NetworkSettings> {
    (any::<bool>(), 0u8..4, 0.0..10.0f64).prop_map(|(close, framing, delay)| {
        let mut settings = NetworkSettings::default();
        settings.dhcp4.offer_delay_seconds = delay;
        settings.http.connection = if close { Connection::Close } else { Connection::KeepAlive };
        settings.http.framing =
            [Framing::ContentLength, Framing::Chunked, Framing::UntilClose, Framing::ContentLengthOnGetOnly]
                [usize::from(framing)];
        settings
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_frames_are_survived(
        frames in prop::collection::vec((any::<u64>(), prop::collection::vec(any::<u8>(), 0..200)), 0..20),
        to_us in any::<bool>(),
        ether_type in prop::sample::select(vec![0x0800u16, 0x0806, 0x86dd, 0x8100]),
    ) {
        let mut network = Network::new(&NetworkSettings::default(), image(100)).unwrap();
        let frames: Vec<_> = frames.into_iter().map(|(at, mut frame)| {
            if to_us && frame.len() >= 14 {
                frame[..6].copy_from_slice(&address::SERVER_MAC);
                frame[12..14].copy_from_slice(&ether_type.to_be_bytes());
            }
            (at, frame)
        }).collect();
        feed(&mut network, &frames);
    }

    #[test]
    fn damaged_sessions_are_survived(
        settings in settings(),
        steps in prop::collection::vec((any::<prop::sample::Index>(), damage(), 0u64..3_000_000), 1..60),
        in_order in any::<bool>(),
    ) {
        let mut network = Network::new(&settings, image(3000)).unwrap();
        let mut now = 0;
        let frames: Vec<_> = steps.iter().enumerate().map(|(at, (index, damage, later))| {
            now += later;
            let index = if in_order { at % VALID.len() } else { index.index(VALID.len()) };
            (now, damaged(&VALID[index], damage))
        }).collect();
        feed(&mut network, &frames);
        // The network still serves a client that comes after.
        let mut out = Outbox::default();
        let later = GuestTime::from_micros(now + 100_000_000);
        network.receive(later, &Client::new(1).frame(), &mut out);
        network.poll(GuestTime::from_micros(now + 200_000_000), &mut out);
        let offered = out.events.iter().any(|event| matches!(event, Event::Dhcp4Sent { .. }));
        prop_assert!(offered);
    }

    #[test]
    fn arbitrary_dhcp_messages_are_survived(
        payload in prop::collection::vec(any::<u8>(), 0..600),
        options in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut settings = NetworkSettings::default();
        settings.dhcp4.port_4011 = Some(Service::default());
        let mut bench = Bench::new(&settings, image(1));
        let mut with_options = Client { options: vec![], ..Client::new(1) }.payload();
        with_options.truncate(240);
        with_options.extend(options);
        for payload in [payload, with_options] {
            let broadcast = support::dhcp::datagram([0xff; 6], std::net::Ipv4Addr::BROADCAST, 67, &payload);
            let unicast = support::dhcp::unicast(4011, (address::SERVER4, 4011), &payload);
            for frame in [broadcast, unicast] {
                let before = bench.events.len();
                let answers = bench.exchange(&frame);
                prop_assert!(answers.len() <= 1);
                prop_assert!(bench.events.len() > before, "every datagram leaves an event");
            }
        }
    }

    #[test]
    fn arbitrary_requests_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), tail in ".{0,80}") {
        let mut bench = Bench::new(&NetworkSettings::default(), image(100));
        let handle = bench.connect(address::SERVER4, 80);
        bench.run_for(std::time::Duration::from_millis(5));
        bench.send(handle, &bytes);
        bench.send(handle, format!("GET /{tail} HTTP/1.1\r\nHost: {tail}\r\n\r\n").as_bytes());
        bench.run_for(std::time::Duration::from_millis(50));
        bench.socket(handle).abort();
        bench.run_for(std::time::Duration::from_millis(5));
        let received = bench.ask(80, GET);
        prop_assert!(received.bytes.ends_with(&image(100)));
    }
}
