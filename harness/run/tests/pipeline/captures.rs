//! Every capture of the shipped scenarios, as tshark sees it.

use crate::matrix::{evidence, shipped};
use crate::tshark::{Sequences, objections};
use record::CellResult;
use std::fs;
use std::path::PathBuf;

/// Scenarios whose frames are malformed on purpose, or may be taken for it: a TTL with its uppermost bit.
const UNSOUND: [&str; 13] = [
    "dhcp4/address-in-use",
    "ra/malformed",
    "ra/malformed-router",
    "nd/redirect-malformed",
    "dns/ttl",
    "link/corruption",
    "link/corrupted-dhcp",
    "dhcp4/no-end",
    "dhcp4/no-message-type",
    "dhcp4/option-length",
    "dhcp4/overload-invalid",
    "dhcp4/not-a-reply",
    // Packet Too Big quotes as much of a segment as fits (RFC 4443 §3.2), and tshark misses the rest of it in the checksum.
    "tcp/path-mtu-ipv6",
];

#[test]
fn tshark_objects_to_no_frame_of_any_cell() {
    let done = shipped();
    // A pcapng file is a list of sections, so captures that follow each other are a capture.
    let mut all = Vec::new();
    // A transfer by TFTP leaves tshark with a conversation that ports of other cells fall into, and an error of the server's is
    // remarkable to it; services/tests/witness.rs shows it transfers of curl's.
    let sound = |cell: &&CellResult| {
        let is_tftp = cell.scenario.starts_with("pxe/")
            || ["control/pxe", "secure-boot/pxe"].contains(&cell.scenario.as_str());
        !is_tftp && UNSOUND.iter().all(|scenario| cell.scenario != *scenario)
    };
    for evidence in done.results.cells.iter().filter(sound).filter_map(evidence) {
        all.extend(fs::read(done.directory.path().join(&evidence.capture)).unwrap());
    }
    let path = done.directory.path().join("all.pcapng");
    fs::write(&path, &all).unwrap();
    if let Some(found) = objections(&path, Sequences::Ignored) {
        assert_eq!(found, [""; 0]);
    }

    // The same look at a capture that is damaged: the last byte of a frame's data, so a checksum is wrong.
    let mut damaged = fs::read(capture("control/plain@conforming")).unwrap();
    let at = damaged.windows(4).position(|bytes| bytes == b"HEAD").unwrap();
    damaged[at] ^= 1;
    fs::write(&path, &damaged).unwrap();
    if let Some(found) = objections(&path, Sequences::Ignored) {
        assert!(found.iter().any(|line| line.contains("Bad checksum")), "{found:?}");
    }
}

/// The capture of a cell.
fn capture(id: &str) -> PathBuf {
    let done = shipped();
    let cell = done.results.cells.iter().find(|cell| cell.id == id).unwrap_or_else(|| panic!("{id}"));
    done.directory.path().join(&cell.evidence.as_ref().unwrap().capture)
}

#[test]
fn tshark_can_follow_the_connections_of_telling_cells() {
    for id in [
        "control/plain@conforming",
        "control/plain@edk2-2020.11",
        "http/connection-close[connection=close-unannounced]@conforming",
        "http/head-refused[head={status:405}]@edk2-2026.08",
        "http/framing[framing=chunked]@conforming",
        "tls/leaf-key[key=rsa-2048,version=1.2]@edk2-2020.11",
        "tls/leaf-key[key=rsa-2048,version=1.3]@conforming",
        "tls/leaf-key[key=rsa-2048,version=1.3]@edk2-2026.08",
        "tls/chain-size[padding_bytes=90000]@conforming",
        "tls/record-size[record_size=1]@conforming",
        "tls/resumption[resumption=tickets,connection=close-unannounced]@edk2-2025.02",
    ] {
        if let Some(found) = objections(&capture(id), Sequences::Analysed) {
            assert_eq!(found, [""; 0], "{id}");
        }
    }
}
