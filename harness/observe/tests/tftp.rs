//! Transfers by TFTP as captures show them, with what real servers and mirror ports make of them.
#![allow(clippy::unwrap_used)]

use etherparse::{IpFragOffset, IpNumber, Ipv4Header, PacketBuilder};
use observe::{Capture, Frame, Observation, observe};
use record::{Event, GuestTime, Stage};

const CLIENT: ([u8; 6], [u8; 4]) = ([2, 0, 0, 0, 0, 1], [10, 0, 0, 1]);
const SERVER: ([u8; 6], [u8; 4]) = ([2, 0, 0, 0, 0, 2], [10, 0, 0, 2]);
const READ: &[u8] = b"\0\x01boot.efi\0octet\0blksize\x001000\0";
const TAKEN: &[u8] = b"\0\x06blksize\x001000\0";

/// Ports and payload, from the client or to it.
type Datagram<'a> = (bool, u16, u16, &'a [u8]);

fn frame((from_client, from, to, payload): Datagram<'_>) -> Vec<u8> {
    let (source, destination) = if from_client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(source.0, destination.0)
        .ipv4(source.1, destination.1, 64)
        .udp(from, to)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

fn seen(frames: Vec<Vec<u8>>) -> Observation {
    let frame = |(at, bytes)| Frame { number: at as u64 + 1, at: GuestTime::ZERO, bytes };
    let frames = frames.into_iter().enumerate().map(frame).collect();
    observe(&Capture { frames, ..Capture::default() }, "02:00:00:00:00:01".parse().unwrap())
}

/// What was said of TFTP, in words.
fn told(seen: &Observation) -> Vec<&'static str> {
    let word = |event: &Event| match event {
        Event::TftpRequest { .. } => Some("request"),
        Event::TftpAccepted { .. } => Some("accepted"),
        Event::TftpRefused { .. } => Some("refused"),
        Event::TftpUnanswered { .. } => Some("unanswered"),
        Event::TftpAborted { .. } => Some("aborted"),
        Event::TftpDelivered { .. } => Some("delivered"),
        _ => None,
    };
    seen.timeline.iter().filter_map(|entry| word(&entry.event)).collect()
}

fn block(number: u16, length: usize) -> Vec<u8> {
    [&[0, 3][..], &number.to_be_bytes(), &vec![7; length]].concat()
}

/// A whole transfer of two blocks, for which the server uses this port.
fn transfer(port: u16) -> Vec<Vec<u8>> {
    let (first, last) = (block(1, 1000), block(2, 10));
    let datagrams: [Datagram<'_>; 7] = [
        (true, 2000, 69, READ),
        (false, port, 2000, TAKEN),
        (true, 2000, port, b"\0\x04\0\0"),
        (false, port, 2000, &first),
        (true, 2000, port, b"\0\x04\0\x01"),
        (false, port, 2000, &last),
        (true, 2000, port, b"\0\x04\0\x02"),
    ];
    datagrams.map(frame).to_vec()
}

#[test]
fn a_transfer_is_followed_to_the_port_that_the_server_chooses() {
    // dnsmasq's --tftp-single-port stays on 69.
    for port in [50_000, 69] {
        let seen = seen(transfer(port));
        assert_eq!(told(&seen), ["request", "accepted", "delivered"], "{port}");
        assert_eq!(seen.finding.stage, Stage::Image);
    }
}

#[test]
fn what_is_seen_twice_or_cut_off_or_retransmitted_is_the_same_transfer() {
    let twice = transfer(50_000).into_iter().flat_map(|frame| [frame.clone(), frame]).collect();
    assert_eq!(told(&seen(twice)), ["request", "request", "accepted", "delivered"]);
    let cut = transfer(50_000).into_iter().map(|mut frame| {
        frame.truncate(80);
        frame
    });
    assert_eq!(told(&seen(cut.collect())), ["request", "accepted", "delivered"]);
    let mut late = transfer(50_000);
    // The request once more, while its answer was on its way.
    late.insert(2, late[0].clone());
    assert_eq!(seen(late).finding.stage, Stage::Image);
}

#[test]
fn a_transfer_without_its_last_acknowledgement_is_incomplete() {
    let mut frames = transfer(50_000);
    frames.pop();
    let seen = seen(frames);
    assert_eq!((seen.finding.stage, seen.finding.cause), (Stage::Get, Some("tftp.incomplete")));
    assert_eq!(told(&seen), ["request", "accepted"]);
}

#[test]
fn silence_and_errors_are_told() {
    let ask = || frame((true, 2000, 69, READ));
    let silent = seen(vec![ask(), ask()]);
    assert_eq!(told(&silent), ["request", "unanswered", "request"]);
    assert_eq!(silent.finding.cause, Some("tftp.incomplete"));
    let refused = seen(vec![ask(), frame((false, 50_000, 2000, b"\0\x05\0\x01no\0"))]);
    assert_eq!(told(&refused), ["request", "refused"]);
    assert_eq!(refused.finding.cause, Some("tftp.refused"));
    let aborted = [(false, 50_000, 2000, TAKEN), (true, 2000, 50_000, &b"\0\x05\0\x08no\0"[..])].map(frame);
    assert_eq!(told(&seen([vec![ask()], aborted.to_vec()].concat())), ["request", "accepted", "aborted"]);
    // Another port of another conversation is no answer.
    let other = frame((false, 50_000, 2001, TAKEN));
    assert_eq!(told(&seen(vec![ask(), other])), ["request", "unanswered"]);
}

/// Blocks that are larger than a frame come in fragments (RFC 2348 §3).
#[test]
fn blocks_in_fragments_are_counted() {
    const LARGE: &[u8] = b"\0\x01boot.efi\0octet\0blksize\x003000\0";
    const TAKEN: &[u8] = b"\0\x06blksize\x003000\0";
    let mut frames = vec![
        frame((true, 2000, 69, LARGE)),
        frame((false, 50_000, 2000, TAKEN)),
        frame((true, 2000, 50_000, b"\0\x04\0\0")),
    ];
    for (number, length) in [(1, 3000), (2, 2000)] {
        let whole = frame((false, 50_000, 2000, &block(number, length)));
        let datagram = &whole[34..];
        for begin in (0..datagram.len()).step_by(1480) {
            let part = &datagram[begin..datagram.len().min(begin + 1480)];
            let mut ip = Ipv4Header::new(part.len() as u16, 64, IpNumber::UDP, SERVER.1, CLIENT.1).unwrap();
            ip.dont_fragment = false;
            ip.more_fragments = begin + part.len() < datagram.len();
            ip.fragment_offset = IpFragOffset::try_new((begin / 8) as u16).unwrap();
            ip.header_checksum = ip.calc_header_checksum();
            frames.push([&whole[..14], &ip.to_bytes()[..], part].concat());
        }
        frames.push(frame((true, 2000, 50_000, &[0, 4, 0, number as u8])));
        let stage = seen(frames.clone()).finding.stage;
        assert_eq!(stage, if number == 1 { Stage::Get } else { Stage::Image });
    }
}
