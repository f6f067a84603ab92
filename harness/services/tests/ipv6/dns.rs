//! DNS answers byte by byte; `dig` reads them in `witness6.rs`.

use super::{GUEST_LINK_LOCAL, bench, later, sent, udp};
use crate::support::End;
use record::Event;
use services::{
    NetworkSettings, address,
    dns::{Chain, Extra, Mismatch, Names, Rcode},
};

use std::time::Duration;

const A: u16 = 1;
const AAAA: u16 = 28;

fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        bytes.push(label.len() as u8);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend([kind.to_be_bytes(), [0, 1]].concat());
    bytes
}

fn query(name: &str, kind: u16) -> Vec<u8> {
    let header = [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let payload = [header.as_slice(), &question(name, kind)].concat();
    udp((GUEST_LINK_LOCAL, 4000), (address::SERVER6, 53), &payload)
}

/// The answer's payload and its event.
fn ask(change: impl FnOnce(&mut NetworkSettings), name: &str, kind: u16) -> (super::Sent, Event) {
    let mut bench = bench(change);
    let answers = bench.exchange(&query(name, kind));
    assert_eq!(answers.len(), 1);
    (sent(&answers[0]), bench.events.pop().unwrap())
}

fn lines(event: &Event) -> (String, Vec<String>) {
    match event {
        Event::DnsAnswer { rcode, answers, .. } => (rcode.clone(), answers.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_address_is_answered_behind_a_pointer() {
    let (answer, event) = ask(|_| {}, "BOOT.example.com", AAAA);
    assert_eq!((answer.from, answer.ports), (address::SERVER6, (53, 4000)));
    let mut expected = vec![0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    expected.extend(question("BOOT.example.com", AAAA));
    expected.extend([0xc0, 12, 0, 28, 0, 1, 0, 0, 0x0e, 0x10, 0, 16]);
    expected.extend(address::SERVER6.octets());
    assert_eq!(answer.payload, expected);
    assert_eq!(lines(&event), ("NOERROR".into(), vec!["boot.example.com AAAA 2001:db8::1".into()]));
}

#[test]
fn names_and_types_that_are_not_there() {
    let (_, unknown) = ask(|_| {}, "other.example.com", AAAA);
    assert_eq!(lines(&unknown), ("NXDOMAIN".into(), vec![]));
    let (_, empty) = ask(|n| n.dns.aaaa = vec![], "boot.example.com", AAAA);
    assert_eq!(lines(&empty), ("NOERROR".into(), vec![]));
    for (rcode, number, name) in [
        (Rcode::FormErr, 1, "FORMERR"),
        (Rcode::ServFail, 2, "SERVFAIL"),
        (Rcode::NxDomain, 3, "NXDOMAIN"),
        (Rcode::NotImp, 4, "NOTIMP"),
        (Rcode::Refused, 5, "REFUSED"),
    ] {
        let (answer, event) = ask(|n| n.dns.rcode = rcode, "boot.example.com", A);
        assert_eq!((answer.payload[3] & 15, lines(&event).0.as_str()), (number, name));
    }
}

#[test]
fn chains_and_what_is_beside_the_address() {
    let chained = |chain| {
        move |n: &mut NetworkSettings| {
            (n.dns.cname, n.dns.chain) = (vec!["a.example.com".into(), "b.example.net".into()], chain);
        }
    };
    let (one, two) = ("boot.example.com CNAME a.example.com", "a.example.com CNAME b.example.net");
    let address = "b.example.net A 192.0.2.1";
    let answers = |chain, name: &str| lines(&ask(chained(chain), name, A).1).1;
    assert_eq!(answers(Chain::Whole, "boot.example.com"), [one, two, address]);
    assert_eq!(answers(Chain::AddressesFirst, "boot.example.com"), [address, one, two]);
    assert_eq!(answers(Chain::OneName, "boot.example.com"), [one]);
    assert_eq!(answers(Chain::OneName, "a.example.com"), [two]);
    assert_eq!(answers(Chain::OneName, "b.example.net"), [address]);
    let extra = ask(
        |n| n.dns.extra = vec![Extra::Rrsig, Extra::Https, Extra::Txt, Extra::Private],
        "boot.example.com",
        A,
    );
    assert_eq!(lines(&extra.1).1.len(), 5);
    assert_eq!(
        lines(&ask(|n| n.dns.crossed = true, "boot.example.com", AAAA).1).1,
        ["boot.example.com A 192.0.2.1"]
    );
}

#[test]
fn answers_that_are_to_be_dropped() {
    let with = |mismatch| ask(move |n| n.dns.mismatch = Some(mismatch), "boot.example.com", A).0;
    let (good, _) = ask(|_| {}, "boot.example.com", A);
    assert_ne!(with(Mismatch::Id).payload[..2], good.payload[..2]);
    assert_eq!(with(Mismatch::SourcePort).ports, (54, 4000));
    assert_eq!(with(Mismatch::DestinationPort).ports, (53, 4001));
    assert_eq!(with(Mismatch::Query).payload[2], 1);
    assert_eq!(with(Mismatch::Question).payload[12..14], [4, b'x']);
    let (truncated, _) = ask(|n| n.dns.truncated = true, "boot.example.com", A);
    assert_eq!((truncated.payload[2], truncated.payload[7]), (0x83, 0));
    let (written, _) = ask(|n| n.dns.names = Names::WrittenOut, "boot.example.com", A);
    assert_eq!(written.payload.len(), good.payload.len() + 16);
}

/// A query over TCP, in pieces, and the whole answer, which UDP cuts off.
#[test]
fn over_tcp_nothing_is_cut_off() {
    let udp = |n: &mut NetworkSettings| (n.dns.truncated, n.dns.delay_seconds) = (true, 1.5);
    let mut bench = bench(udp);
    let message = query("boot.example.com", AAAA)[14 + 40 + 8..].to_vec();
    let framed = [&(message.len() as u16).to_be_bytes(), message.as_slice()].concat();
    let handle = bench.connect(address::OFF_LINK6, 53);
    bench.run_for(Duration::from_millis(5));
    let start = bench.now;
    for part in [&framed[..1], &framed[1..20], &[&framed[20..], &framed, &framed[..2]].concat()] {
        bench.send(handle, part);
        bench.run_for(Duration::from_millis(5));
    }
    let received = bench.read(handle, Duration::from_secs(3));
    assert!(bench.now.since(start).as_secs_f64() > 1.5);
    let (whole, _) = ask(|_| {}, "boot.example.com", AAAA);
    let answer = [&(whole.payload.len() as u16).to_be_bytes(), whole.payload.as_slice()].concat();
    assert_eq!(received.bytes, answer.repeat(2));
    let asked = bench.events.iter().filter(
        |event| matches!(event, Event::DnsQuery { tcp: true, server, .. } if *server == address::OFF_LINK6),
    );
    assert_eq!(asked.count(), 2);
}

#[test]
fn what_is_no_query_ends_a_connection() {
    for bytes in [&[0, 3, 1, 2, 3][..], &[0, 0]] {
        let mut bench = bench(|_| {});
        let handle = bench.connect(address::SERVER6, 53);
        bench.run_for(Duration::from_millis(5));
        bench.send(handle, bytes);
        assert_eq!(bench.read(handle, Duration::from_secs(2)).end, End::Fin, "{bytes:?}");
        assert!(bench.events.iter().any(|event| matches!(event, Event::DnsUnanswered { .. })));
    }
}

#[test]
fn a_server_that_is_dead_at_one_address_lives_at_another() {
    let dead = |n: &mut NetworkSettings| n.dns.dead = vec![address::SERVER6.into()];
    let mut bench = bench(dead);
    assert!(bench.exchange(&query("boot.example.com", AAAA)).is_empty());
    assert!(matches!(bench.events.last(), Some(Event::DnsUnanswered { .. })));
    let other =
        udp((GUEST_LINK_LOCAL, 4000), (address::OFF_LINK6, 53), &query("boot.example.com", AAAA)[62..]);
    assert_eq!(bench.exchange(&other).len(), 1);
    for (to, end) in [(address::SERVER6, End::Reset), (address::OFF_LINK6, End::Open)] {
        let handle = bench.connect(to, 53);
        assert_eq!(bench.read(handle, Duration::from_secs(1)).end, end, "{to}");
    }
    let mut without = super::bench(|n| n.dns.tcp = false);
    let handle = without.connect(address::SERVER6, 53);
    assert_eq!(without.read(handle, Duration::from_secs(1)).end, End::Reset);
}

#[test]
fn late_and_silent_servers() {
    let mut slow = bench(|n| n.dns.delay_seconds = 2.1);
    let start = slow.now;
    assert!(slow.exchange(&query("boot.example.com", A)).is_empty());
    let answers = later(&mut slow, 5.0);
    assert_eq!((answers.len(), answers[0].0.since(start).as_secs_f64()), (1, 2.1));
    let mut silent = bench(|n| n.dns.enabled = false);
    assert!(silent.exchange(&query("boot.example.com", A)).is_empty());
    assert!(matches!(silent.events.last(), Some(Event::DnsUnanswered { .. })));
}
