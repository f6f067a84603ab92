//! Announcements that real firmware sent, and what becomes of them under attack.

#![allow(clippy::unwrap_used)]

use payload::{Payload, announce, device_path};
use proptest::prelude::*;
use record::{Event, LoadOptions};
use std::net::Ipv4Addr;

const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
const HTTP_BOOT: &str = include_str!("captured/ovmf-http-boot.hex");
const DISK_BOOT: &str = include_str!("captured/ovmf-disk-boot.hex");
/// Where the announcement begins in a frame, and its paths.
const BODY: usize = 14;
const PATHS: usize = BODY + 36;

fn bytes(hex: &str) -> Vec<u8> {
    let hex = hex.trim();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn payload() -> Payload {
    Payload::new("x64", std::array::from_fn(|i| 0xa0 + i as u8)).unwrap()
}

fn read(frame: &[u8]) -> Option<(bool, String, Option<String>)> {
    payload().read_proof(frame).map(|event| match event {
        Event::Proof { genuine, loaded_from, .. } => (genuine, loaded_from.device_path, loaded_from.uri),
        other => panic!("{other:?}"),
    })
}

fn is_genuine(frame: &[u8]) -> bool {
    matches!(read(frame), Some((true, ..)))
}

#[test]
fn real_http_boot() {
    let (genuine, path, uri) = read(&bytes(HTTP_BOOT)).unwrap();
    assert!(genuine);
    assert_eq!(
        path,
        "PciRoot(0x0)/Pci(0x1,0x0)/MAC(525400123456,0x1)\
         /IPv4(0.0.0.0,TCP,DHCP,192.0.2.58,192.0.2.1,255.255.255.0)/Uri(http://192.0.2.1/boot.efi)"
    );
    assert_eq!(uri.as_deref(), Some("http://192.0.2.1/boot.efi"));
}

#[test]
fn real_disk_boot() {
    let (genuine, path, uri) = read(&bytes(DISK_BOOT)).unwrap();
    assert!(genuine);
    assert_eq!(path, r"PciRoot(0x0)/Pci(0x2,0x0)/HD(1,MBR,0xBE1AFDFA,0x3f,0xfbfc1)/\EFI\BOOT\BOOTX64.EFI");
    assert_eq!(uri, None);
}

/// The C that ran in the firmware and the Rust that stands in for it write the same frame.
#[test]
fn a_simulated_guest_announces_what_a_real_one_does() {
    let uri = "http://192.0.2.1/boot.efi";
    let path = device_path::of_http_boot(MAC, Ipv4Addr::new(192, 0, 2, 58), Ipv4Addr::new(192, 0, 2, 1), uri);
    let end = [0x7f, 0xff, 4, 0];
    assert_eq!(announce(&payload().image(), MAC, &path, &end, &[]).unwrap(), bytes(HTTP_BOOT));
}

#[test]
fn another_cells_proof_is_not_genuine() {
    let other = Payload::new("x64", [1; 16]).unwrap();
    let event = other.read_proof(&bytes(HTTP_BOOT)).unwrap();
    assert!(matches!(event, Event::Proof { genuine: false, .. }));
}

/// Firmware that knows the image's bytes and never runs them can put the nonce into a frame, not what belongs after it.
#[test]
fn echoing_the_image_proves_nothing() {
    let image = payload().image();
    let mut frame = bytes(HTTP_BOOT);
    let proof = frame.len() - 8;
    assert!(is_genuine(&frame));
    for chunk in image.windows(8) {
        frame[proof..].copy_from_slice(chunk);
        assert!(!is_genuine(&frame));
    }
}

#[test]
fn a_changed_byte_is_noticed_wherever_it_is() {
    let frame = bytes(HTTP_BOOT);
    for at in BODY..frame.len() {
        for bit in 0..8 {
            let mut changed = frame.clone();
            changed[at] ^= 1 << bit;
            assert!(!is_genuine(&changed), "byte {at}, bit {bit}");
        }
    }
    // Addresses are not part of it: a bridge may have rewritten them.
    let mut readdressed = frame;
    readdressed[..12].fill(0);
    assert!(is_genuine(&readdressed));
}

#[test]
fn a_frame_that_is_something_else_is_none() {
    let frame = bytes(HTTP_BOOT);
    let mut other = frame.clone();
    other[13] = 0xb6;
    assert_eq!(read(&other), None);
    let mut other = frame.clone();
    other[BODY] = b'p';
    assert_eq!(read(&other), None);
    assert_eq!(read(&frame[..13]), None);
    assert_eq!(read(&[]), None);
    // Cut inside, it still claims to be an announcement.
    assert_eq!(read(&frame[..frame.len() - 1]), Some((false, String::new(), None)));
}

#[test]
fn paths_too_long_for_a_frame_are_cut_and_say_so() {
    let uri = format!("http://192.0.2.1/{}", "x".repeat(3000));
    let path = device_path::of_http_boot(MAC, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, &uri);
    let frame = announce(&payload().image(), MAC, &path, &[0x7f, 0xff, 4, 0], &[]).unwrap();
    assert_eq!(frame.len(), 1514);
    let (genuine, text, shown) = read(&frame).unwrap();
    assert!(genuine);
    let shown = shown.unwrap();
    assert!(shown.ends_with("xxx…") && uri.starts_with(shown.trim_end_matches('…')));
    assert!(text.ends_with("xxx)…/…"), "{text}");
}

#[test]
fn an_image_without_paths_announces_itself_too() {
    let frame = announce(&payload().image(), MAC, &[], &[], &[]).unwrap();
    assert_eq!(frame.len(), 68);
    assert_eq!(read(&frame), Some((true, String::new(), None)));
    assert_eq!(announce(&payload().image()[1..], MAC, &[], &[], &[]), None);
}

fn load_options(options: &[u8]) -> Option<LoadOptions> {
    let frame = announce(&payload().image(), MAC, &[], &[], options).unwrap();
    match payload().read_proof(&frame) {
        Some(Event::Proof { genuine: true, load_options, .. }) => load_options,
        other => panic!("{other:?}"),
    }
}

#[test]
fn load_options_are_told_in_hexadecimal_and_as_text_if_they_are_one() {
    assert_eq!(load_options(b""), None);
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    for (options, text) in [
        (b"ip=dhcp".to_vec(), Some("ip=dhcp")),
        (b"ip=dhcp\0".to_vec(), Some("ip=dhcp")),
        (wide("ip=dhcp"), Some("ip=dhcp")),
        (wide("ip=dhcp\0"), Some("ip=dhcp")),
        (b"ip=\x1b[31m".to_vec(), None),
        (wide("ip=\u{202e}"), None),
        (b"a\0b".to_vec(), None),
        (b"\0".to_vec(), None),
        (vec![0, 0xff, 0x0d, 0x0a, 0x80], None),
    ] {
        let told = load_options(&options).unwrap();
        let hex: String = options.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((told.bytes as usize, told.hex, told.text.as_deref()), (options.len(), hex, text));
    }
}

#[test]
fn load_options_too_long_for_a_frame_are_cut_and_say_so() {
    let told = load_options(&[7; 3000]).unwrap();
    assert_eq!((told.bytes, told.hex.len()), (3000, 1024));
    // Paths come first.
    let frame = announce(&payload().image(), MAC, &[1; 3000], &[2; 3000], b"ip=dhcp").unwrap();
    assert_eq!(frame.len(), 1514);
    match payload().read_proof(&frame) {
        Some(Event::Proof { genuine: true, load_options: Some(told), .. }) => {
            assert_eq!((told.bytes, told.hex.as_str(), told.text), (7, "", None));
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn hostile_frames_are_read_without_harm(
        tail in prop::collection::vec(any::<u8>(), 0..1600),
        kept in 0..PATHS + 2,
    ) {
        let frame = [&bytes(HTTP_BOOT)[..kept], &tail].concat();
        prop_assert!(!is_genuine(&frame));
    }
}
