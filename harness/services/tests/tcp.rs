//! ARP, ICMP echo and TCP of the server: who answers, who ends, what is acknowledged.
#![allow(clippy::unwrap_used)]

mod support;

use etherparse::{ArpPacket, PacketBuilder, SlicedPacket, TcpHeader};
use record::{Event, TcpEnd};
use services::{Network, NetworkSettings, address, http::Connection};
use smoltcp::socket::tcp::State;
use std::{net::Ipv4Addr, time::Duration};
use support::{Bench, End, image, strict::responses};
use wire::{Direction, GuestTime, Node, Outbox};

const GET: &str = "GET /boot.efi HTTP/1.1\r\nHost: h\r\n\r\n";
const SHORT: Duration = Duration::from_millis(20);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// Bodies right behind their headers: what is tested here is TCP.
fn prompt() -> NetworkSettings {
    let mut settings = NetworkSettings::default();
    settings.http.body_delay_seconds = 0.0;
    settings
}

fn bench(length: usize) -> Bench {
    Bench::new(&prompt(), image(length))
}

fn ends(bench: &Bench) -> Vec<TcpEnd> {
    let how = |event: &Event| match event {
        Event::TcpClosed { how, .. } => Some(*how),
        _ => None,
    };
    bench.events.iter().filter_map(how).collect()
}

fn delivered(bench: &Bench) -> usize {
    bench.events.iter().filter(|e| matches!(e, Event::HttpDelivered { image: true, .. })).count()
}

/// A TCP frame from port 5000 of the guest.
fn tcp(to: Ipv4Addr, header: impl FnOnce(&mut TcpHeader), payload: &[u8]) -> Vec<u8> {
    let mut tcp = TcpHeader::new(5000, 80, 1000, 8192);
    header(&mut tcp);
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(address::GUEST_MAC, address::SERVER_MAC)
        .ipv4(address::GUEST4.octets(), to.octets(), 64)
        .tcp_header(tcp)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

fn tcp_of(frame: &[u8]) -> Option<TcpHeader> {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    match packet.transport? {
        etherparse::TransportSlice::Tcp(tcp) => Some(tcp.to_header()),
        _ => None,
    }
}

fn arp_request(sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let arp = ArpPacket::new(
        etherparse::ArpHardwareId::ETHERNET,
        etherparse::EtherType::IPV4,
        etherparse::ArpOperation::REQUEST,
        &address::GUEST_MAC,
        &sender.octets(),
        &[0; 6],
        &target.octets(),
    )
    .unwrap();
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(address::GUEST_MAC, [0xff; 6]).arp(arp).write(&mut frame).unwrap();
    frame
}

#[test]
fn arp_is_answered_for_our_address_only() {
    let mut bench = bench(1);
    let answers = bench.exchange(&arp_request(address::GUEST4, address::SERVER4));
    let [reply] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!((&reply[..6], &reply[6..12]), (&address::GUEST_MAC[..], &address::SERVER_MAC[..]));
    assert_eq!((reply[21], &reply[22..28]), (2, &address::SERVER_MAC[..]));
    // The guest's announcement and its probe for the leased address (RFC 5227 §2.1) are not contested.
    for sender in [address::GUEST4, Ipv4Addr::UNSPECIFIED] {
        assert!(bench.exchange(&arp_request(sender, address::GUEST4)).is_empty());
    }
}

#[test]
fn ping_is_answered() {
    let mut bench = bench(1);
    bench.exchange(&arp_request(address::GUEST4, address::SERVER4));
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(address::GUEST_MAC, address::SERVER_MAC)
        .ipv4(address::GUEST4.octets(), address::SERVER4.octets(), 64)
        .icmpv4_echo_request(7, 9)
        .write(&mut frame, b"ping")
        .unwrap();
    let answers = bench.exchange(&frame);
    let [reply] = &answers[..] else { panic!("{answers:?}") };
    let packet = SlicedPacket::from_ethernet(reply).unwrap();
    let Some(etherparse::TransportSlice::Icmpv4(icmp)) = packet.transport else { panic!() };
    let etherparse::Icmpv4Type::EchoReply(echo) = icmp.icmp_type() else { panic!() };
    assert_eq!((echo.id, echo.seq, icmp.payload()), (7, 9, &b"ping"[..]));
}

#[test]
fn frames_for_others_are_ignored() {
    let mut bench = bench(1);
    let mut to_another = arp_request(address::GUEST4, address::SERVER4);
    to_another[..6].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    let mut ipv6 = vec![0x33, 0x33, 0, 0, 0, 1];
    ipv6.extend(address::GUEST_MAC);
    ipv6.extend([0x86, 0xdd]);
    ipv6.resize(80, 0);
    for frame in [&to_another[..], &ipv6, &[0xff; 13], &[]] {
        assert!(bench.exchange(frame).is_empty());
    }
    assert_eq!(bench.events, []);
    assert_eq!(bench.network.poll_at(), None);
}

#[test]
fn the_guest_may_end_with_fin() {
    let mut bench = bench(1000);
    let handle = bench.connect(address::SERVER4, 80);
    bench.run_for(SHORT);
    bench.send(handle, GET.as_bytes());
    bench.run_for(SHORT);
    bench.socket(handle).close();
    bench.run_for(SHORT);
    assert_eq!(ends(&bench), [TcpEnd::GuestFin]);
    assert_eq!(bench.socket(handle).state(), State::TimeWait);
}

#[test]
fn the_guest_may_end_with_rst() {
    let mut bench = bench(1000);
    let handle = bench.connect(address::SERVER4, 80);
    bench.run_for(SHORT);
    bench.send(handle, GET.as_bytes());
    bench.run_for(SHORT);
    bench.socket(handle).abort();
    bench.run_for(SHORT);
    assert_eq!(ends(&bench), [TcpEnd::GuestReset]);
    assert_eq!(delivered(&bench), 1);
}

#[test]
fn the_server_ends_with_fin_and_only_later_data_is_reset() {
    let mut settings = prompt();
    settings.http.connection = Connection::CloseUnannounced;
    let mut bench = Bench::new(&settings, image(1000));
    let handle = bench.connect(address::SERVER4, 80);
    bench.run_for(SHORT);
    // The second request has arrived when the answer to the first ends the connection: it is dropped.
    bench.send(handle, GET.repeat(2).as_bytes());
    let received = bench.read(handle, Duration::from_secs(1));
    assert_eq!(received.end, End::Fin);
    assert_eq!(responses(&received.bytes, &["GET"], true)[0].body.len(), 1000);
    assert_eq!((ends(&bench), delivered(&bench)), (vec![TcpEnd::ServerFin], 1));
    // A client that does not see the end sends its next request on the dead connection.
    bench.send(handle, GET.as_bytes());
    bench.run_for(SHORT);
    assert_eq!(bench.socket(handle).state(), State::Closed);
    let (_, direction, last) = bench.frames.last().unwrap();
    assert_eq!((*direction, tcp_of(last).unwrap().rst), (Direction::ToGuest, true));
    assert_eq!(ends(&bench), [TcpEnd::ServerFin], "reported once");
}

#[test]
fn a_client_that_never_closes_is_forgotten() {
    let mut settings = prompt();
    settings.http.connection = Connection::Close;
    let mut bench = Bench::new(&settings, image(1000));
    let handle = bench.connect(address::SERVER4, 80);
    bench.run_for(SHORT);
    bench.send(handle, GET.as_bytes());
    assert_eq!(bench.read(handle, Duration::from_secs(1)).end, End::Fin);
    let at = bench.network.poll_at().unwrap();
    assert!(at.since(bench.now) > Duration::from_secs(50), "{at}");
    bench.tick(at);
    assert_eq!(bench.network.poll_at(), None);
}

#[test]
fn a_reset_may_acknowledge_the_last_bytes() {
    for (short, flag, count) in [(0, true, 1), (1, true, 0), (u32::MAX, true, 0), (0, false, 0)] {
        let mut bench = bench(500);
        bench.exchange(&arp_request(address::GUEST4, address::SERVER4));
        let answers = bench.exchange(&tcp(address::SERVER4, |h| h.syn = true, b""));
        let initial = tcp_of(&answers[0]).unwrap().sequence_number.wrapping_add(1);
        let acknowledge =
            |h: &mut TcpHeader| (h.sequence_number, h.ack, h.acknowledgment_number) = (1001, true, initial);
        let answers = bench.exchange(&tcp(address::SERVER4, acknowledge, GET.as_bytes()));
        let sent: usize = answers.iter().map(|f| f.len() - 54).sum();
        assert!(sent > 500, "head and image");
        assert_eq!(delivered(&bench), 0);
        let reset = |h: &mut TcpHeader| {
            h.sequence_number = 1001 + GET.len() as u32;
            (h.rst, h.ack) = (true, flag);
            h.acknowledgment_number = initial.wrapping_add(sent as u32).wrapping_sub(short);
        };
        bench.exchange(&tcp(address::SERVER4, reset, b""));
        assert_eq!((delivered(&bench), ends(&bench)), (count, vec![TcpEnd::GuestReset]), "{short}");
    }
}

/// What EDK2 does with a body that only the end of the connection ends: it resets before it has read the FIN.
#[test]
fn a_reset_before_our_fin_is_acknowledged_is_the_guests_end() {
    let mut settings = prompt();
    settings.http.connection = Connection::Close;
    let mut bench = Bench::new(&settings, image(500));
    bench.exchange(&arp_request(address::GUEST4, address::SERVER4));
    let answers = bench.exchange(&tcp(address::SERVER4, |h| h.syn = true, b""));
    let initial = tcp_of(&answers[0]).unwrap().sequence_number.wrapping_add(1);
    let get = |h: &mut TcpHeader| (h.sequence_number, h.ack, h.acknowledgment_number) = (1001, true, initial);
    let answers = bench.exchange(&tcp(address::SERVER4, get, GET.as_bytes()));
    assert!(tcp_of(answers.last().unwrap()).is_some_and(|h| h.fin));
    let reset = |h: &mut TcpHeader| (h.sequence_number, h.rst) = (1001 + GET.len() as u32, true);
    bench.exchange(&tcp(address::SERVER4, reset, b""));
    assert_eq!((delivered(&bench), ends(&bench)), (0, vec![TcpEnd::GuestReset]));
}

#[test]
fn a_reset_before_the_handshake_is_over_ends_it() {
    let mut bench = bench(1);
    bench.exchange(&arp_request(address::GUEST4, address::SERVER4));
    bench.exchange(&tcp(address::SERVER4, |h| h.syn = true, b""));
    let reset = |h: &mut TcpHeader| (h.sequence_number, h.rst) = (1001, true);
    assert!(bench.exchange(&tcp(address::SERVER4, reset, b"")).is_empty());
    assert_eq!(ends(&bench), [TcpEnd::GuestReset]);
    assert!(!bench.events.iter().any(|e| matches!(e, Event::TcpEstablished { .. })));
    assert_eq!(bench.network.poll_at(), None);
}

#[test]
fn a_retransmitted_syn_is_no_new_connection() {
    let mut bench = bench(1);
    bench.exchange(&arp_request(address::GUEST4, address::SERVER4));
    for _ in 0..3 {
        bench.exchange(&tcp(address::SERVER4, |h| h.syn = true, b""));
        bench.exchange(&tcp(ELSEWHERE, |h| h.syn = true, b""));
    }
    let syns: Vec<_> = bench.events.iter().map(|e| serde_json::to_value(e).unwrap()).collect();
    assert_eq!(syns.len(), 2, "{syns:?}");
    assert_eq!((&syns[0]["connection"], &syns[0]["accepted"]), (&1.into(), &true.into()));
    assert_eq!((&syns[1]["connection"], &syns[1]["to"]["address"]), (&2.into(), &"198.51.100.1".into()));
    assert_eq!(syns[1]["accepted"], false);
}

#[test]
fn a_syn_with_a_wrong_checksum_opens_nothing() {
    let mut bench = bench(1);
    bench.exchange(&arp_request(address::GUEST4, address::SERVER4));
    let mut frame = tcp(address::SERVER4, |h| h.syn = true, b"");
    frame[50] ^= 1;
    assert!(bench.exchange(&frame).is_empty());
    assert_eq!((bench.events.len(), bench.network.poll_at()), (0, None));
}

#[test]
fn a_port_may_be_used_again() {
    let mut settings = prompt();
    settings.http.connection = Connection::Close;
    let mut bench = Bench::new(&settings, image(10));
    bench.exchange(&arp_request(address::GUEST4, address::SERVER4));
    for round in 1..=3 {
        let start = 1000 * round;
        let syn = |h: &mut TcpHeader| (h.sequence_number, h.syn) = (start, true);
        let answers = bench.exchange(&tcp(address::SERVER4, syn, b""));
        let initial = tcp_of(&answers[0]).unwrap().sequence_number.wrapping_add(1);
        let data = |h: &mut TcpHeader| {
            (h.sequence_number, h.ack, h.acknowledgment_number) = (start + 1, true, initial)
        };
        let answers = bench.exchange(&tcp(address::SERVER4, data, GET.as_bytes()));
        let fin = answers.iter().map(|f| tcp_of(f).unwrap()).find(|h| h.fin).unwrap();
        let last = answers.last().unwrap();
        let end = fin.sequence_number.wrapping_add(last.len() as u32 - 54 + 1);
        let acknowledge = |h: &mut TcpHeader| {
            (h.sequence_number, h.ack, h.acknowledgment_number) = (start + 1 + GET.len() as u32, true, end);
        };
        bench.exchange(&tcp(address::SERVER4, acknowledge, b""));
        assert_eq!(ends(&bench).len(), round as usize, "the guest never sends FIN");
    }
    assert_eq!(delivered(&bench), 3);
}

#[test]
fn lost_frames_are_sent_again_in_guest_time() {
    let image = image(200_000);
    let mut bench = Bench::new(&NetworkSettings::default(), image.clone());
    let mut count = 0u32;
    bench.loss = Some(Box::new(move |_, _| {
        count += 1;
        count % 7 == 3
    }));
    let handle = bench.connect(address::SERVER4, 80);
    bench.run_for(Duration::from_secs(5));
    bench.send(handle, GET.as_bytes());
    let received = bench.read(handle, Duration::from_secs(300));
    assert!(responses(&received.bytes, &["GET"], false)[0].body == *image);
    assert_eq!(delivered(&bench), 1);
}

#[test]
fn a_silent_guest_is_tried_again_at_longer_intervals() {
    let mut bench = bench(1);
    bench.exchange(&arp_request(address::GUEST4, address::SERVER4));
    bench.exchange(&tcp(address::SERVER4, |h| h.syn = true, b""));
    let mut intervals = Vec::new();
    for _ in 0..4 {
        let at = bench.network.poll_at().unwrap();
        assert!(at > bench.now);
        intervals.push(at.since(bench.now).as_millis());
        let again = bench.tick(at);
        assert!(again.iter().all(|f| tcp_of(f).is_some_and(|h| h.syn && h.ack)), "{again:?}");
    }
    assert!(intervals.is_sorted() && intervals[3] >= 4 * intervals[0], "{intervals:?}");
}

#[test]
fn many_connections_at_once() {
    let mut bench = bench(5000);
    let handles: Vec<_> = (0..64).map(|_| bench.connect(address::SERVER4, 80)).collect();
    bench.run_for(SHORT);
    for &handle in &handles {
        bench.send(handle, GET.as_bytes());
    }
    bench.run_for(SHORT);
    assert_eq!(delivered(&bench), 64);
    let one_more = bench.connect(address::SERVER4, 80);
    bench.run_for(SHORT);
    assert_eq!(bench.socket(one_more).state(), State::Closed);
    for handle in handles {
        bench.socket(handle).abort();
    }
    bench.run_for(SHORT);
    assert_eq!(bench.ask(80, GET).bytes.len(), 5000 + 72);
}

#[test]
fn a_guest_with_an_address_from_elsewhere_is_on_link() {
    let mut settings = prompt();
    settings.dhcp4.address = Some(ELSEWHERE);
    let mut bench = Bench::with_address(&settings, image(100), ELSEWHERE);
    // Such a guest needs a route to the server; ours has one that leads to the server itself.
    bench.exchange(&arp_request(ELSEWHERE, address::SERVER4));
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(address::GUEST_MAC, address::SERVER_MAC)
        .ipv4(ELSEWHERE.octets(), address::SERVER4.octets(), 64)
        .tcp(5000, 80, 1, 1000)
        .syn()
        .write(&mut frame, b"")
        .unwrap();
    let answers = bench.exchange(&frame);
    assert!(tcp_of(&answers[0]).is_some_and(|h| h.syn && h.ack));
}

/// No copy of the image is made on the way.
#[test]
fn a_large_image_is_streamed() {
    let image = image(64 << 20);
    let mut bench = Bench::new(&prompt(), image.clone());
    let before = std::sync::Arc::strong_count(&image);
    let handle = bench.connect(address::SERVER4, 80);
    bench.run_for(SHORT);
    bench.send(handle, GET.as_bytes());
    let mut received = 0;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/efi\r\nContent-Length: 67108864\r\n\r\n".len();
    while received < image.len() + head && bench.step() {
        bench.frames.clear();
        let socket = bench.socket(handle);
        while socket.can_recv() {
            received += socket.recv(|part| (part.len(), part.len())).unwrap();
        }
    }
    bench.run_for(SHORT);
    assert_eq!(received, image.len() + head);
    assert_eq!((delivered(&bench), std::sync::Arc::strong_count(&image)), (1, before));
}

#[test]
fn time_never_goes_backwards() {
    let mut network = Network::new(&NetworkSettings::default(), image(1)).unwrap();
    let mut out = Outbox::default();
    network.receive(
        GuestTime::from_micros(u64::MAX),
        &arp_request(address::GUEST4, address::SERVER4),
        &mut out,
    );
    network.receive(GuestTime::ZERO, &tcp(address::SERVER4, |h| h.syn = true, b""), &mut out);
    network.poll(GuestTime::ZERO, &mut out);
    assert_eq!(out.frames.len(), 2);
}

/// What the guest got of the image, and what the server's TCP did.
fn with_tcp(change: impl FnOnce(&mut services::tcp::Settings)) -> Bench {
    let mut settings = prompt();
    change(&mut settings.tcp);
    Bench::new(&settings, image(20_000))
}

#[test]
fn segments_are_no_larger_than_asked_for() {
    let mut bench = with_tcp(|tcp| tcp.max_segment = Some(536));
    let received = bench.ask(80, GET);
    assert_eq!(responses(&received.bytes, &["GET"], false)[0].body.len(), 20_000);
    let payload = |bytes: &[u8]| match SlicedPacket::from_ethernet(bytes).unwrap().transport {
        Some(etherparse::TransportSlice::Tcp(tcp)) => tcp.payload().len(),
        _ => 0,
    };
    let ours = bench.frames.iter().filter(|(_, direction, _)| *direction == Direction::ToGuest);
    let sizes: Vec<usize> = ours.map(|(_, _, bytes)| payload(bytes)).collect();
    assert_eq!(sizes.iter().max(), Some(&536));
}

#[test]
fn a_small_window_shuts_until_it_is_read() {
    let mut bench = with_tcp(|tcp| {
        tcp.window_bytes = Some(16);
        tcp.read_after_seconds = 1.0;
    });
    let begun = bench.now;
    let received = bench.ask(80, GET);
    assert_eq!(responses(&received.bytes, &["GET"], false)[0].body.len(), 20_000);
    assert!(bench.now.since(begun) >= Duration::from_secs(1));
    let shut = |bytes: &[u8]| tcp_of(bytes).is_some_and(|tcp| !tcp.syn && tcp.window_size == 0);
    assert!(bench.frames.iter().any(|(_, direction, bytes)| *direction == Direction::ToGuest && shut(bytes)));
}

#[test]
fn a_connection_is_reset_at_the_byte_that_was_asked_for() {
    let mut bench = with_tcp(|tcp| tcp.reset_after_bytes = Some(5000));
    let received = bench.ask(80, GET);
    assert_eq!((received.bytes.len(), received.end), (5000, End::Reset));
    assert_eq!((ends(&bench), delivered(&bench)), (vec![TcpEnd::ServerReset], 0));
    // A response that is shorter than that is whole.
    let mut bench = with_tcp(|tcp| tcp.reset_after_bytes = Some(1 << 20));
    let received = bench.ask(80, GET);
    assert_eq!(responses(&received.bytes, &["GET"], false)[0].body.len(), 20_000);
}

/// RFC 792: type 3, and the header of the packet with 64 bits of what follows, which are the ports and the sequence number.
#[test]
fn a_router_says_what_it_does_not_reach() {
    use services::tcp::Unreachable::{Host, Net, Port, Prohibited};
    for (what, code) in [(Net, 0), (Host, 1), (Port, 3), (Prohibited, 13)] {
        let mut bench = with_tcp(|tcp| tcp.unreachable = Some(what));
        bench.exchange(&arp_request(address::GUEST4, address::SERVER4));
        let syn = tcp(address::SERVER4, |h| h.syn = true, b"");
        for _ in 0..2 {
            let answers = bench.exchange(&syn);
            let [answer] = &answers[..] else { panic!("{answers:?}") };
            let packet = SlicedPacket::from_ethernet(answer).unwrap();
            let Some(etherparse::TransportSlice::Icmpv4(icmp)) = packet.transport else {
                panic!("{answer:?}")
            };
            assert_eq!((icmp.type_u8(), icmp.code_u8()), (3, code));
            assert_eq!(icmp.checksum(), icmp.icmp_type().calc_checksum(icmp.payload()));
            assert_eq!(icmp.payload(), &syn[14..14 + 20 + 8]);
        }
        let syns = bench.events.iter().filter(|event| matches!(event, Event::TcpSyn { accepted: false, .. }));
        assert_eq!(
            (syns.count(), ends(&bench)),
            (1, vec![]),
            "a SYN that is sent again is no other connection"
        );
        // Other ports are closed as ever.
        let elsewhere = |h: &mut TcpHeader| (h.syn, h.destination_port) = (true, 81);
        assert!(tcp_of(&bench.exchange(&tcp(address::SERVER4, elsewhere, b""))[0]).unwrap().rst);
    }
}

/// Events about packets that are too large: their bytes, and whether they were split.
fn too_big(bench: &Bench) -> Vec<(usize, bool)> {
    let size = |event: &Event| match event {
        Event::PacketTooBig { bytes, split, mtu: 296, .. } => Some((*bytes, *split)),
        _ => None,
    };
    bench.events.iter().filter_map(size).collect()
}

/// A request of 512 bytes.
fn long() -> String {
    format!("GET /boot.efi HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(472))
}

/// RFC 1191 §4: type 3, code 4, and the MTU in the last two of the four bytes that were unused before.
#[test]
fn a_router_says_what_its_link_is_too_small_for() {
    let mut bench = with_tcp(|tcp| tcp.path_mtu = Some(296));
    // smoltcp forbids that its packets are split, and does not listen.
    let received = bench.ask(80, &long());
    assert_eq!((received.bytes.len(), received.end), (0, End::Open));
    let sizes = too_big(&bench);
    assert!(sizes.len() > 1 && sizes.iter().all(|size| *size == (40 + 512, false)), "{sizes:?}");
    let to_guest = bench.frames.iter().filter(|(_, direction, _)| *direction == Direction::ToGuest);
    let told =
        to_guest.filter_map(|(_, _, bytes)| match SlicedPacket::from_ethernet(bytes).unwrap().transport {
            Some(etherparse::TransportSlice::Icmpv4(icmp)) => {
                Some((icmp.type_u8(), icmp.code_u8(), icmp.bytes5to8(), icmp.payload().len()))
            }
            _ => None,
        });
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), sizes.len());
    assert!(told.iter().all(|it| *it == (3, 4, [0, 0, 1, 40], 28)), "{told:?}");
    // What fits is answered, in packets that fit.
    let mut bench = with_tcp(|tcp| tcp.path_mtu = Some(296));
    let received = bench.ask(80, GET);
    assert_eq!(responses(&received.bytes, &["GET"], false)[0].body.len(), 20_000);
    let largest = bench.frames.iter().map(|(_, _, bytes)| bytes.len()).max();
    assert_eq!((largest, too_big(&bench)), (Some(14 + 296), vec![]));
}

#[test]
fn the_end_of_a_smaller_path_offers_the_segments_of_its_own_link_and_takes_what_was_split() {
    let mut bench = with_tcp(|tcp| tcp.path_mtu = Some(296));
    bench.exchange(&arp_request(address::GUEST4, address::SERVER4));
    let answer = bench.exchange(&tcp(address::SERVER4, |h| h.syn = true, b"")).remove(0);
    let offer = tcp_of(&answer).unwrap();
    let size = offer.options_iterator().find_map(|option| match option {
        Ok(etherparse::TcpOptionElement::MaximumSegmentSize(size)) => Some(size),
        _ => None,
    });
    assert_eq!(size, Some(1460));
    let packet = SlicedPacket::from_ethernet(&answer).unwrap();
    let Some(etherparse::NetSlice::Ipv4(ip)) = packet.net else { panic!("{answer:?}") };
    assert_eq!(offer.calc_checksum_ipv4(&ip.header().to_header(), b""), Ok(offer.checksum));
    let mut request = tcp(
        address::SERVER4,
        |h| {
            (h.sequence_number, h.ack) = (1001, true);
            h.acknowledgment_number = offer.sequence_number.wrapping_add(1);
        },
        long().as_bytes(),
    );
    // The flag that forbids it (RFC 791 §3.1) is cleared, and the checksum, which is the complement of a sum, grows by as much.
    request[20] &= !0x40;
    let sum = u16::from_be_bytes([request[24], request[25]]);
    let (sum, carry) = sum.overflowing_add(0x4000);
    request[24..26].copy_from_slice(&(sum + u16::from(carry)).to_be_bytes());
    bench.exchange(&request);
    assert_eq!(too_big(&bench), [(40 + 512, true)]);
    assert!(bench.events.iter().any(|event| matches!(event, Event::HttpResponse { status: 200, .. })));
}

/// RFC 4443 §3.2: type 2, the MTU in four bytes, from the router.
#[test]
fn an_ipv6_router_says_it_too() {
    let mut settings = prompt();
    settings.client.boot = services::client::Boot::Ipv6;
    settings.tcp.path_mtu = Some(1280);
    let mut bench = Bench::new6(&settings, image(20_000));
    let request = format!("GET /boot.efi HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(1300));
    assert_eq!(bench.ask_at(address::OFF_LINK6, 80, &request).bytes, b"");
    let told = bench.frames.iter().find_map(|(_, direction, bytes)| {
        let packet = SlicedPacket::from_ethernet(bytes).unwrap();
        match (packet.net, packet.transport) {
            (Some(etherparse::NetSlice::Ipv6(ip)), Some(etherparse::TransportSlice::Icmpv6(icmp)))
                if *direction == Direction::ToGuest && icmp.type_u8() == 2 =>
            {
                let from = ip.header().source_addr();
                assert!(icmp.is_checksum_valid(ip.header().source(), ip.header().destination()));
                Some((from, icmp.code_u8(), icmp.bytes5to8(), bytes.len()))
            }
            _ => None,
        }
    });
    assert_eq!(told, Some((address::ROUTER6, 0, [0, 0, 5, 0], 14 + 1280)));
    let received = bench.ask_at(address::OFF_LINK6, 80, GET);
    assert_eq!(responses(&received.bytes, &["GET"], false)[0].body.len(), 20_000);
}

/// RFC 9293 §3.6: the other half of the connection is read and acknowledged until the guest ends it.
#[test]
fn a_half_closed_connection_is_read_on() {
    let after_get = |end: fn(&mut smoltcp::socket::tcp::Socket<'static>)| {
        let mut settings = prompt();
        settings.http.connection = Connection::HalfCloseAfterGet;
        let mut bench = Bench::new(&settings, image(1000));
        let handle = bench.connect(address::SERVER4, 80);
        bench.run_for(SHORT);
        bench.send(handle, GET.replace("GET", "HEAD").as_bytes());
        assert_eq!(bench.read(handle, SHORT).end, End::Open, "HEAD is not what it is about");
        bench.send(handle, GET.as_bytes());
        let received = bench.read(handle, Duration::from_secs(1));
        assert_eq!(responses(&received.bytes, &["GET"], false)[0].body.len(), 1000);
        assert_eq!((received.end, delivered(&bench), ends(&bench)), (End::Fin, 1, vec![]));
        bench.send(handle, GET.as_bytes());
        bench.run_for(Duration::from_secs(100));
        assert_eq!((bench.socket(handle).state(), bench.socket(handle).send_queue()), (State::CloseWait, 0));
        let events = |which: fn(&Event) -> bool| bench.events.iter().filter(|event| which(event)).count();
        assert_eq!(events(|event| matches!(event, Event::TcpHalfClosed { .. })), 1);
        assert_eq!(events(|event| matches!(event, Event::HttpUnanswered { .. })), 1);
        end(bench.socket(handle));
        bench.run_for(SHORT);
        ends(&bench)
    };
    assert_eq!(after_get(|socket| socket.close()), [TcpEnd::GuestFin]);
    assert_eq!(after_get(|socket| socket.abort()), [TcpEnd::GuestReset]);
}

#[test]
fn what_tcp_cannot_do_is_refused() {
    let refused = |change: fn(&mut services::tcp::Settings)| {
        let mut settings = prompt();
        change(&mut settings.tcp);
        Network::check(&settings).unwrap_err().path
    };
    assert_eq!(refused(|tcp| tcp.max_segment = Some(27)), "network.tcp.max_segment");
    assert_eq!(refused(|tcp| tcp.window_bytes = Some(0)), "network.tcp.window_bytes");
    assert_eq!(refused(|tcp| tcp.read_after_seconds = -1.0), "network.tcp.read_after_seconds");
    assert_eq!(refused(|tcp| tcp.path_mtu = Some(67)), "network.tcp.path_mtu");
    assert_eq!(refused(|tcp| tcp.path_mtu = Some(1501)), "network.tcp.path_mtu");
    let mut settings = prompt();
    settings.client.boot = services::client::Boot::Ipv6;
    settings.tcp.path_mtu = Some(1279);
    assert_eq!(Network::check(&settings).unwrap_err().path, "network.tcp.path_mtu");
}

/// A download over a link that loses, repeats and reorders: TCP mends it (RFC 9293 §3.8).
#[test]
fn an_image_comes_whole_over_a_bad_link() {
    let mut settings = prompt();
    let faults = services::link::Faults {
        lose_percent: 10.0,
        duplicate_percent: 5.0,
        corrupt_percent: 5.0,
        reorder_percent: 5.0,
        delay_seconds: 0.01,
        only: vec![services::link::Protocol::Tcp],
        ..Default::default()
    };
    settings.link.to_guest = faults.clone();
    settings.link.from_guest = faults;
    let mut bench = Bench::new(&settings, image(100_000));
    let handle = bench.connect(address::SERVER4, 80);
    bench.run_for(Duration::from_secs(5));
    bench.send(handle, GET.as_bytes());
    let received = bench.read(handle, Duration::from_secs(60));
    let body = &responses(&received.bytes, &["GET"], false)[0].body;
    assert_eq!(body[..], image(100_000)[..]);
    assert!(bench.events.iter().any(|event| matches!(event, Event::LinkFault { .. })));
}
