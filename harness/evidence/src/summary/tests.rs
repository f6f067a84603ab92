use super::{LINE_MAX, line};
use etherparse::PacketBuilder;
use proptest::prelude::*;
use std::fmt::Write;

const GUEST: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const SERVER: [u8; 6] = [2, 0, 0x5e, 0, 2, 1];
const GUEST4: [u8; 4] = [192, 0, 2, 100];
const SERVER4: [u8; 4] = [192, 0, 2, 1];

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&SERVER[..], &GUEST, &kind.to_be_bytes(), payload].concat()
}

fn arp(operation: u8, sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, operation];
    ethernet(0x0806, &[&head[..], &GUEST, &sender, &[0; 6], &target].concat())
}

fn udp4(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(GUEST, SERVER).ipv4(GUEST4, SERVER4, 64).udp(from, to);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

fn udp6(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let (source, destination) = (link_local(1), link_local(2));
    let builder = PacketBuilder::ethernet2(GUEST, SERVER).ipv6(source, destination, 64).udp(from, to);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

fn link_local(last: u8) -> [u8; 16] {
    let mut address = [0; 16];
    (address[0], address[1], address[15]) = (0xfe, 0x80, last);
    address
}

fn icmp6(kind: u8, rest: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(GUEST, SERVER).ipv6(link_local(1), link_local(2), 255).icmpv6_raw(
        kind,
        0,
        [64, 0xc0, 0, 0],
    );
    let mut frame = Vec::new();
    builder.write(&mut frame, rest).unwrap();
    frame
}

fn tcp(payload: &[u8], flags: &str) -> Vec<u8> {
    let mut step =
        PacketBuilder::ethernet2(GUEST, SERVER).ipv4(GUEST4, SERVER4, 64).tcp(49152, 80, 1000, 65535);
    if flags.contains('S') {
        step = step.syn();
    }
    if flags.contains('A') {
        step = step.ack(2000);
    }
    if flags.contains('F') {
        step = step.fin();
    }
    if flags.contains('R') {
        step = step.rst();
    }
    let mut frame = Vec::new();
    step.write(&mut frame, payload).unwrap();
    frame
}

fn dhcp4(options: &[u8], file: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 236];
    message[..8].copy_from_slice(&[1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78]);
    message[108..108 + file.len()].copy_from_slice(file);
    message.extend([99, 130, 83, 99]);
    message.extend(options);
    message
}

fn option(code: u8, value: &[u8]) -> Vec<u8> {
    [&[code, value.len() as u8][..], value].concat()
}

/// Every kind of frame that the summary tells apart.
fn frames() -> Vec<(&'static str, Vec<u8>)> {
    let discover = [option(53, &[1]), option(60, b"HTTPClient:Arch:00016:UNDI:003000"), vec![255]].concat();
    let mut offer = dhcp4(
        &[
            option(53, &[2]),
            vec![0, 0],
            option(54, &SERVER4),
            option(60, b"HTTPClient"),
            option(67, b"http://192.0.2.1/boot.efi\0"),
            vec![255],
        ]
        .concat(),
        b"",
    );
    offer[16..20].copy_from_slice(&GUEST4);
    let query = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x04boot\x07example\0\0\x01\0\x01";
    let mut response = query.to_vec();
    (response[2], response[3]) = (0x81, 0x83);
    let mut fragment = udp4(1, 2, b"12345678");
    (fragment[20], fragment[21]) = (0x20, 0x01);
    vec![
        ("arp request", arp(1, GUEST4, SERVER4)),
        ("arp reply", arp(2, GUEST4, SERVER4)),
        ("arp probe", arp(1, [0; 4], SERVER4)),
        ("arp announcement", arp(1, GUEST4, GUEST4)),
        ("discover", udp4(68, 67, &dhcp4(&discover, b""))),
        ("offer", udp4(67, 68, &offer)),
        ("file field", udp4(67, 68, &dhcp4(&[53, 1, 5, 255], b"http://h/\x1b[31m"))),
        ("bootp", udp4(67, 68, &[0; 240])),
        ("short dhcp", udp4(67, 68, &[0; 10])),
        ("dns query", udp4(1024, 53, query)),
        ("dns response", udp4(53, 1024, &response)),
        ("dns pointer in question", udp4(1024, 53, b"\0\0\0\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01")),
        ("udp", udp4(1024, 4011, b"hello")),
        ("udp over ipv6", udp6(1024, 4011, b"hello")),
        ("solicit", udp6(546, 547, b"\x01\xaa\xbb\xcc\0\x10\0\x10\0\0\x01W\0\x0aHTTPClient")),
        ("reply", udp6(547, 546, b"\x07\xaa\xbb\xcc\0\x3b\0\x0dhttp://[2]/a\"\0\x0d\0\x02\0\x02")),
        ("router advertisement", icmp6(134, &[0; 8])),
        ("neighbour solicitation", icmp6(135, &link_local(9))),
        ("neighbour advertisement cut", icmp6(136, &[0; 3])),
        ("syn", tcp(b"", "S")),
        ("ack", tcp(b"", "A")),
        ("fin", tcp(b"", "FA")),
        ("reset", tcp(b"", "R")),
        ("data", tcp(&[0xff; 100], "A")),
        ("head", tcp(b"HEAD /boot.efi HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", "A")),
        ("status", tcp(b"HTTP/1.1 404 Not \x1b[2JFound\r\n\r\n", "A")),
        ("client hello", tcp(&[22, 3, 1, 0, 100, 1, 0, 0, 96], "A")),
        ("alert", tcp(&[21, 3, 3, 0, 2, 2, 48], "A")),
        ("proof", ethernet(0x88b5, &[0; 64])),
        ("rarp", ethernet(0x8035, &[0; 46])),
        ("unknown", ethernet(0x1234, &[0; 46])),
        ("802.3", ethernet(38, &[0x42; 46])),
        ("vlan", ethernet(0x8100, &[&[0, 5][..], &arp(1, GUEST4, SERVER4)[12..]].concat())),
        ("fragment", fragment),
        ("unknown protocol", {
            let mut frame = udp4(1, 2, b"");
            frame[23] = 200;
            frame
        }),
        ("cut ip", ethernet(0x0800, &[0x45, 0, 0])),
        ("cut tcp", tcp(b"", "S")[..44].to_vec()),
        ("runt", vec![1, 2, 3]),
        ("empty", Vec::new()),
    ]
}

#[test]
fn every_kind_of_frame_has_its_line() {
    let mut table = String::new();
    for (name, frame) in frames() {
        writeln!(table, "{name:27} {}", line(&frame)).unwrap();
    }
    insta::assert_snapshot!(table);
}

fn sound(frame: &[u8]) -> Result<(), TestCaseError> {
    let line = line(frame);
    prop_assert!(!line.is_empty());
    prop_assert!(line.len() <= LINE_MAX, "{} characters", line.len());
    prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_have_a_line(frame: Vec<u8>) {
        sound(&frame)?;
    }

    #[test]
    fn damaged_frames_have_a_line(
        which in 0..frames().len(),
        damage in prop::collection::vec((0usize..600, any::<u8>()), 0..8),
        keep in 0usize..600,
    ) {
        let (_, mut frame) = frames().swap_remove(which);
        for (at, value) in damage {
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
        }
        frame.truncate(keep);
        sound(&frame)?;
        let _ = crate::segment::Segment::bulk(&frame);
    }
}
