//! Bundles: one zip file with everything about a cell, so that somebody else can read it, check it and run it again.
//!
//! A bundle that was received is untrusted. Each of its files has a name from the list here, so no name leads anywhere;
//! sizes are bounded before anything is unpacked; every file has the checksum that `SHA256SUMS` says, and there is none
//! that it does not name. What a bundle says about how QEMU was called is for people and is never executed.

#![forbid(unsafe_code)]

mod error;
mod manifest;
mod read;
mod redact;
mod write;

pub use error::BundleError;
pub use manifest::{BUNDLE_ID, FwCfg, Manifest, Recording};
pub use read::{Bundle, read};
pub use redact::Redactor;
pub use write::Builder;

/// The manifest.
pub const MANIFEST: &str = "bundle.json";
/// SHA-256 of every other file, as sha256sum(1) writes and checks it.
pub const CHECKSUMS: &str = "SHA256SUMS";
/// A bug report, ready to be filed.
pub const REPORT: &str = "report.md";
/// What `plugfest explain` says.
pub const EXPLANATION: &str = "explanation.txt";
/// The scenario with every setting resolved.
pub const SCENARIO: &str = "cell.yaml";
/// Every frame, with the secrets of TLS connections.
pub const CAPTURE: &str = "capture.pcapng";
/// The same secrets, in the format of NSS's key log.
pub const KEYS: &str = "keys.log";
/// The guest's console.
pub const CONSOLE: &str = "console.txt";
/// Everything on one clock.
pub const TIMELINE: &str = "timeline.jsonl";
/// QEMU's command line, for people.
pub const COMMAND: &str = "command.txt";
/// The firmware's code image.
pub const CODE: &str = "firmware/code.fd";
/// The firmware's variable store template.
pub const VARS: &str = "firmware/vars.fd";
/// The variable store that the cell's scenario chose in its place.
pub const CHOSEN_VARS: &str = "firmware/chosen-vars.fd";
/// Code of the firmware that starts it.
pub const BASE_CODE: &str = "firmware/base-code.fd";
/// Variable store template of the firmware that starts it.
pub const BASE_VARS: &str = "firmware/base-vars.fd";
/// All images; which is which, their digests say.
pub const IMAGES: [&str; 5] = [CODE, VARS, CHOSEN_VARS, BASE_CODE, BASE_VARS];
/// What QEMU recorded.
pub const RECORDED_EVENTS: &str = "recording/events.bin";
/// The recording's frames, as QEMU wrote them.
pub const RECORDED_FRAMES: &str = "recording/frames.pcap";
/// The recording's console, byte for byte.
pub const RECORDED_CONSOLE: &str = "recording/console.bin";

/// Most fw_cfg items of a recording.
pub const MOST_ITEMS: usize = 8;

/// The content of the recording's fw_cfg item with this number.
pub fn recorded_item(number: usize) -> String {
    format!("recording/fw_cfg-{number}.bin")
}

/// Every name that a file of a bundle may have.
fn names() -> impl Iterator<Item = String> {
    let fixed = [
        MANIFEST,
        CHECKSUMS,
        REPORT,
        EXPLANATION,
        SCENARIO,
        CAPTURE,
        KEYS,
        CONSOLE,
        TIMELINE,
        COMMAND,
        RECORDED_EVENTS,
        RECORDED_FRAMES,
        RECORDED_CONSOLE,
    ];
    fixed.into_iter().chain(IMAGES).map(str::to_owned).chain((0..MOST_ITEMS).map(recorded_item))
}
