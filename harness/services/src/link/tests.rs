//! Each fault does what was asked, to the frames that it is about, and the same every time.

use super::*;
use Direction::{FromGuest, ToGuest};
use etherparse::PacketBuilder;

const FRAMES: u32 = 20_000;

fn at(millis: u64) -> GuestTime {
    GuestTime::ZERO + Duration::from_millis(millis)
}

/// A TCP segment with a number in it, of so many bytes in all.
fn segment(number: u32, length: usize) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([192, 0, 2, 1], [192, 0, 2, 100], 64)
        .tcp(80, 1024, number, 1000);
    let payload = vec![0; length - 54];
    let mut frame = Vec::new();
    builder.write(&mut frame, &payload).unwrap();
    frame
}

fn dns() -> Vec<u8> {
    let builder =
        PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([192, 0, 2, 100], [192, 0, 2, 1], 64).udp(1024, 53);
    let mut frame = Vec::new();
    builder.write(&mut frame, &[0; 20]).unwrap();
    frame
}

fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes(frame[38..42].try_into().unwrap())
}

/// Sends numbered frames of 100 bytes, one each millisecond; returns when which arrived, and what the link did.
fn send(settings: &Settings, frames: u32) -> (Vec<(GuestTime, Vec<u8>)>, Vec<LinkFault>) {
    settings.check().unwrap();
    let mut link = Link::new(settings).expect("it does something");
    let mut events = Vec::new();
    let mut arrived = Vec::new();
    let mut advance = |link: &mut Link, until: GuestTime| {
        while let Some(due) = link.poll_at().filter(|due| *due <= until) {
            arrived.extend(link.crossed(due, ToGuest).into_iter().map(|frame| (due, frame)));
        }
    };
    for number in 0..frames {
        let now = at(number.into());
        advance(&mut link, now);
        link.send(now, ToGuest, segment(number, 100), &mut events);
    }
    advance(&mut link, at(1 << 40));
    let faults = events.iter().map(|event| match event {
        Event::LinkFault { fault, direction: ToGuest, protocol: Protocol::Tcp, .. } => *fault,
        other => panic!("{other:?}"),
    });
    (arrived, faults.collect())
}

fn to_guest(faults: Faults) -> Settings {
    Settings { to_guest: faults, ..Settings::default() }
}

/// Whether what was measured is within 5 % of what was asked for.
fn close(measured: f64, asked: f64) -> bool {
    (measured / asked - 1.0).abs() < 0.05
}

#[test]
fn so_many_percent_are_struck() {
    let faults = Faults::default();
    for (settings, fault) in [
        (Faults { lose_percent: 10.0, ..faults.clone() }, LinkFault::Lost),
        (Faults { duplicate_percent: 10.0, ..faults.clone() }, LinkFault::Duplicated),
        (Faults { corrupt_percent: 10.0, ..faults.clone() }, LinkFault::Corrupted),
    ] {
        let (arrived, struck) = send(&to_guest(settings), FRAMES);
        let share = struck.len() as f64 / f64::from(FRAMES);
        assert!(struck.iter().all(|one| *one == fault) && close(share, 0.1), "{fault:?}: {share}");
        let change = (arrived.len() as f64 - f64::from(FRAMES)).abs() / f64::from(FRAMES);
        let expected = if fault == LinkFault::Corrupted { 0.0 } else { share };
        assert_eq!(change, expected, "{fault:?}");
        let damaged = arrived.iter().filter(|(_, frame)| *frame != segment(number(frame), 100)).count();
        assert_eq!(damaged, if fault == LinkFault::Corrupted { struck.len() } else { 0 });
    }
}

#[test]
fn all_or_none_are_struck_if_asked_for() {
    let lose = |lose_percent| to_guest(Faults { lose_percent, rate_kbit: Some(1e6), ..Faults::default() });
    assert_eq!(send(&lose(100.0), 1000).0.len(), 0);
    assert_eq!(send(&lose(0.0), 1000).0.len(), 1000);
}

#[test]
fn the_seed_decides_and_nothing_else() {
    let lost = |seed, other_traffic: bool| {
        let faults = Faults { lose_percent: 20.0, only: vec![Protocol::Tcp], ..Faults::default() };
        let mut link = Link::new(&Settings { seed, ..to_guest(faults) }).unwrap();
        let mut events = Vec::new();
        for number in 0..500 {
            if other_traffic {
                link.send(at(0), ToGuest, dns(), &mut events);
            }
            link.send(at(0), ToGuest, segment(number, 100), &mut events);
        }
        let tcp = |frame: &Vec<u8>| protocol::of(frame) == Protocol::Tcp;
        link.crossed(at(0), ToGuest)
            .iter()
            .filter(|frame| tcp(frame))
            .map(|frame| number(frame))
            .collect::<Vec<_>>()
    };
    assert_eq!(lost(1, false), lost(1, false));
    assert_eq!(lost(1, false), lost(1, true));
    assert_ne!(lost(1, false), lost(2, false));
}

#[test]
fn frames_are_counted_from_one_for_those_that_are_meant() {
    let faults = Faults { lose: vec![1, 3], only: vec![Protocol::Dns], ..Faults::default() };
    let mut link = Link::new(&to_guest(faults)).unwrap();
    let mut events = Vec::new();
    let frames = [segment(0, 100), dns(), segment(1, 100), dns(), dns(), dns()];
    let arrived = frames.map(|frame| {
        link.send(at(0), ToGuest, frame, &mut events);
        !link.crossed(at(0), ToGuest).is_empty()
    });
    assert_eq!(arrived, [true, false, true, true, false, true]);
    assert_eq!(events.len(), 2);
}

#[test]
fn directions_are_apart() {
    let faults = Faults { lose_percent: 100.0, ..Faults::default() };
    let mut link = Link::new(&Settings { from_guest: faults, ..Settings::default() }).unwrap();
    let mut events = Vec::new();
    link.send(at(0), ToGuest, dns(), &mut events);
    link.send(at(0), FromGuest, dns(), &mut events);
    assert_eq!((link.crossed(at(0), ToGuest).len(), link.crossed(at(0), FromGuest).len()), (1, 0));
}

#[test]
fn a_delay_is_what_was_asked_for_and_jitter_keeps_the_order() {
    let faults = Faults { delay_seconds: 0.25, ..Faults::default() };
    let (arrived, _) = send(&to_guest(faults.clone()), 1000);
    assert!(
        arrived
            .iter()
            .all(|(when, frame)| when.since(at(number(frame).into())) == Duration::from_millis(250))
    );

    let (arrived, _) = send(&to_guest(Faults { jitter_seconds: 0.0005, ..faults }), FRAMES);
    assert!(arrived.is_sorted_by_key(|(_, frame)| number(frame)));
    let delays =
        arrived.iter().map(|(when, frame)| when.since(at(number(frame).into())).as_secs_f64() - 0.25);
    let (mean, most) = (delays.clone().sum::<f64>() / f64::from(FRAMES), delays.fold(0.0, f64::max));
    assert!(close(mean, 0.00025) && most < 0.0005, "{mean} {most}");
}

#[test]
fn a_rate_is_what_was_asked_for_and_what_waits_is_limited() {
    // 100 bytes each millisecond are 800 kbit/s.
    let (arrived, faults) = send(&to_guest(Faults { rate_kbit: Some(400.0), ..Faults::default() }), 1500);
    let (first, last) = (arrived[0].0, arrived[arrived.len() - 1].0);
    let rate = (arrived.len() - 1) as f64 * 0.8 / last.since(first).as_secs_f64();
    assert!(close(rate, 400.0) && faults.is_empty(), "{rate}");

    let (arrived, faults) = send(&to_guest(Faults { rate_kbit: Some(1.0), ..Faults::default() }), 1500);
    assert_eq!((arrived.len(), faults.len()), (1001, 499), "one has crossed by then");
    assert!(faults.iter().all(|fault| *fault == LinkFault::Overflow));
}

#[test]
fn a_frame_that_lets_others_pass_is_next_or_late() {
    let (arrived, faults) = send(&to_guest(Faults { reorder_percent: 10.0, ..Faults::default() }), FRAMES);
    // One that would let others pass while another does so already is an ordinary one.
    assert!(close(faults.len() as f64, f64::from(FRAMES) * 0.1 / 1.1), "{}", faults.len());
    assert_eq!(arrived.len(), FRAMES as usize);
    let behind = arrived.windows(2).filter(|two| number(&two[1].1) < number(&two[0].1)).count();
    assert_eq!(behind, faults.len(), "each of them is behind the one after it");

    let (arrived, _) = send(&to_guest(Faults { reorder_percent: 100.0, ..Faults::default() }), 1);
    assert_eq!(arrived[0].0, GuestTime::ZERO + HELD, "nothing came after it");
}

#[test]
fn larger_packets_than_the_mtu_vanish() {
    let mut link = Link::new(&Settings { mtu: Some(1280), ..Settings::default() }).unwrap();
    let mut events = Vec::new();
    let crosses = [1294, 1295].map(|length| {
        link.send(at(0), ToGuest, segment(0, length), &mut events);
        link.crossed(at(0), ToGuest).len()
    });
    assert_eq!(crosses, [1, 0]);
    assert!(matches!(events[..], [Event::LinkFault { fault: LinkFault::TooLarge, .. }]));
}

#[test]
fn a_link_is_down_for_as_long_as_asked_after_the_guests_first_frame() {
    let outage = Outage { after_seconds: 1.0, for_seconds: 2.0 };
    let mut link = Link::new(&Settings { down: vec![outage], ..Settings::default() }).unwrap();
    let mut events = Vec::new();
    link.send(at(500), FromGuest, dns(), &mut events);
    let crosses = [1499, 1500, 3499, 3500].map(|millis| {
        link.send(at(millis), ToGuest, dns(), &mut events);
        link.crossed(at(millis), ToGuest).len()
    });
    assert_eq!(crosses, [1, 0, 0, 1]);
}

#[test]
fn faults_compose() {
    let faults = Faults {
        lose_percent: 10.0,
        duplicate_percent: 20.0,
        corrupt_percent: 5.0,
        reorder_percent: 5.0,
        delay_seconds: 0.01,
        jitter_seconds: 0.002,
        rate_kbit: Some(10_000.0),
        ..Faults::default()
    };
    let (arrived, struck) = send(&to_guest(faults), FRAMES);
    let count = |fault| struck.iter().filter(|one| **one == fault).count() as f64 / f64::from(FRAMES);
    assert!(close(count(LinkFault::Lost), 0.1), "{}", count(LinkFault::Lost));
    assert!(close(count(LinkFault::Duplicated), 0.9 * 0.2), "{}", count(LinkFault::Duplicated));
    assert!(close(count(LinkFault::Corrupted), 0.9 * 0.05), "{}", count(LinkFault::Corrupted));
    let copies = arrived.len() as f64 / f64::from(FRAMES);
    assert!(close(copies, 0.9 * 1.2), "{copies}");
}

#[test]
fn what_a_link_cannot_do_is_refused() {
    let faults = |faults| Settings { from_guest: faults, ..Settings::default() };
    for (settings, path) in [
        (Settings { mtu: Some(67), ..Settings::default() }, "network.link.mtu"),
        (faults(Faults { lose_percent: 100.1, ..Faults::default() }), "network.link.from_guest.lose_percent"),
        (
            faults(Faults { reorder_percent: f64::NAN, ..Faults::default() }),
            "network.link.from_guest.reorder_percent",
        ),
        (faults(Faults { lose: vec![1, 0], ..Faults::default() }), "network.link.from_guest.lose"),
        (
            faults(Faults { jitter_seconds: -1.0, ..Faults::default() }),
            "network.link.from_guest.jitter_seconds",
        ),
        (faults(Faults { rate_kbit: Some(0.0), ..Faults::default() }), "network.link.from_guest.rate_kbit"),
        (
            Settings { down: vec![Outage { after_seconds: 0.0, for_seconds: 1e9 }], ..Settings::default() },
            "network.link.down[0].for_seconds",
        ),
    ] {
        assert_eq!(settings.check().unwrap_err().path, path);
    }
}

#[test]
fn frames_that_are_none_do_no_harm() {
    let faults = Faults { corrupt_percent: 100.0, duplicate_percent: 100.0, ..Faults::default() };
    let mut link = Link::new(&to_guest(faults)).unwrap();
    let mut events = Vec::new();
    for length in 0..80 {
        link.send(at(0), ToGuest, vec![0xff; length], &mut events);
        assert_eq!(link.crossed(at(0), ToGuest).len(), 2);
    }
}
