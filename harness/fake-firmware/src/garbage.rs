//! Frames that no parser likes.

use crate::guest::MAC;
use etherparse::PacketBuilder;

/// One of each kind, from too short to almost right.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let mut tcp = Vec::new();
    PacketBuilder::ethernet2(MAC, [0xff; 6])
        .ipv4([192, 0, 2, 100], [192, 0, 2, 1], 64)
        .tcp(1, 80, 0, 0)
        .syn()
        .write(&mut tcp, b"")
        .expect("invariant: a header without payload fits");
    let mut bad_offset = tcp.clone();
    bad_offset[14 + 20 + 12] = 0x10;
    let mut bad_length = tcp.clone();
    bad_length[16..18].copy_from_slice(&[0xff, 0xff]);
    let ethernet = |kind: [u8; 2], payload: &[u8]| [&[0xff; 6][..], &MAC, &kind, payload].concat();
    vec![
        vec![0xff; 3],
        ethernet([0x08, 0x00], &[0x4f]),
        ethernet([0x08, 0x06], &[0; 5]),
        ethernet([0x86, 0xdd], &[0x60; 20]),
        bad_offset,
        bad_length,
        tcp[..40].to_vec(),
        crate::dhcp4::datagram(&[1; 200]),
        crate::dhcp4::datagram(&[&[0; 236][..], &[99, 130, 83, 99, 53, 200, 1]].concat()),
        // The payload's ethertype with something else behind it.
        ethernet([0x88, 0xb5], b"PLUGFEST"),
        ethernet([0x12, 0x34], &[0xaa; 1500]),
    ]
}
