//! tshark's opinion of captures.

use std::path::Path;
use std::process::Command;

/// What tshark is asked about sequence numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sequences {
    /// A capture of one cell.
    Analysed,
    /// Captures of many cells in one file: every cell uses the same ports and sequence numbers again, so streams can
    /// be neither followed nor put together.
    #[allow(dead_code)] // one of two test targets has many captures
    Ignored,
}

/// RST is how EDK2 ends every connection, and how we refuse one. EDK2's has an acknowledgment number but no ACK flag, so
/// the number means nothing (RFC 9293 §3.1).
const ENDINGS: [&str; 2] =
    ["Connection reset (RST)", "The acknowledgment number field is nonzero while the ACK flag is not set"];

/// What tshark objects to in `capture`, one line each: malformed packets, warnings and errors, wrong checksums.
/// How a guest ends its connections is no objection: see [`ENDINGS`]. `None`, with the reason on stderr, where there is no tshark;
/// with `PLUGFEST_REQUIRE_TOOLS` set, that is a failure.
pub fn objections(capture: &Path, sequences: Sequences) -> Option<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-T", "fields"]);
    command.args(["-Y", "_ws.malformed || _ws.expert.severity >= 0x600000"]);
    command.args(["-e", "frame.number", "-e", "_ws.expert.message", "-e", "_ws.malformed"]);
    for protocol in ["ip", "tcp", "udp"] {
        command.args(["-o", &format!("{protocol}.check_checksum:TRUE")]);
    }
    if sequences == Sequences::Ignored {
        command.args(["-o", "tcp.analyze_sequence_numbers:FALSE", "-o", "tcp.desegment_tcp_streams:FALSE"]);
        // Without HTTP and TLS, tshark would guess: now and then encrypted bytes look like a protocol nobody spoke.
        command.args(["-d", "tcp.port==1-65535,data"]);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_none(), "failed to run tshark: {error}");
            eprintln!("skipped: no tshark");
            return None;
        }
    };
    // Of many cells in one file, or of a resolver that asks again: every cell uses the same ports and numbers.
    let is_again = |message: &str| {
        let number = message.strip_prefix("DNS query retransmission. Original request in frame ");
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaints = complaints.lines().filter(|line| !line.contains("Running as user")).map(str::to_owned);
    let frames = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_objection = |line: &&str| {
        let messages = line.split('\t').nth(1).unwrap_or_default();
        line.split('\t').nth(2).is_some_and(|malformed| !malformed.is_empty())
            || messages.split(',').any(|message| !ENDINGS.contains(&message) && !is_again(message))
    };
    Some(complaints.chain(frames.lines().filter(is_objection).map(str::to_owned)).collect())
}
