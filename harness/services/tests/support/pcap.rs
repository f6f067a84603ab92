//! A plain pcap file (microseconds, Ethernet), for tshark.

use super::Frame;
use std::{fs, path::Path};

pub fn write(path: &Path, frames: &[Frame]) {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65535, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for (at, _, frame) in frames {
        let micros = at.as_micros();
        for word in [micros / 1_000_000, micros % 1_000_000, frame.len() as u64, frame.len() as u64] {
            bytes.extend((word as u32).to_le_bytes());
        }
        bytes.extend(frame);
    }
    fs::write(path, bytes).unwrap();
}
