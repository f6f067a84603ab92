//! Captures are hostile: damaged, cut off, of nonsense. Nothing panics, and what can be read is told.

use observe::{Capture, CaptureError, Frame, clients, observe, read};
use proptest::prelude::*;
use record::GuestTime;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Reads a file of these bytes and looks at everybody in it.
fn look(bytes: &[u8]) -> Result<Capture, CaptureError> {
    let file = tempfile::NamedTempFile::new().unwrap_or_else(|error| panic!("{error}"));
    std::fs::write(file.path(), bytes).unwrap_or_else(|error| panic!("{error}"));
    let capture = read(file.path())?;
    for client in clients(&capture.frames) {
        observe(&capture, client);
    }
    Ok(capture)
}

#[test]
fn what_is_no_capture_is_an_error_that_says_so() {
    for nonsense in
        [&b""[..], b"x", b"\x0a\x0d\x0d\x0a", b"not a capture at all, but long enough to have a header"]
    {
        let error = look(nonsense).map(drop).expect_err("nonsense").to_string();
        assert!(error.contains("give a pcap or pcapng file") || error.contains("holds no frame"), "{error}");
    }
    let error = read(Path::new("/no/such/file")).map(drop).expect_err("nothing").to_string();
    assert!(error.contains("/no/such/file"), "{error}");
    // Linux cooked capture, link type 113.
    let mut cooked = bytes("boots.pcap");
    cooked[20] = 113;
    let error = look(&cooked).map(drop).expect_err("no Ethernet").to_string();
    assert!(error.contains("only Ethernet is understood"), "{error}");
}

#[test]
fn a_capture_that_is_cut_off_is_told_as_far_as_it_goes() {
    let whole = bytes("boots.pcap");
    let all = look(&whole).expect("good").frames.len();
    for end in (24..whole.len()).step_by(97) {
        match look(&whole[..end]) {
            Ok(capture) => assert!(capture.frames.len() <= all),
            Err(error) => assert!(
                matches!(error, CaptureError::Empty { .. } | CaptureError::NotCapture { .. }),
                "{error}"
            ),
        }
    }
}

#[test]
fn wrong_bits_anywhere_are_survived() {
    for name in [
        "boots.pcap",
        "untrusted.pcap",
        "no-vendor-class6.pcap",
        "no-such-name.pcap",
        "pxe-boots.pcap",
        "pxe-no-such-file.pcap",
        "pxe-boots6.pcap",
    ] {
        let whole = bytes(name);
        for at in (24..whole.len()).step_by(13) {
            let mut wrong = whole.clone();
            wrong[at] ^= 1 << (at % 8);
            // An error is as good as a story.
            let _ = look(&wrong);
        }
    }
}

/// Frames in any order, twice, or left out: a mirror port does all of it.
#[test]
fn a_capture_that_lost_the_order_still_tells_of_the_boot() {
    for name in ["boots.pcap", "pxe-boots.pcap", "pxe-boots6.pcap"] {
        let mut capture = read(&fixture(name)).expect("good");
        let client = clients(&capture.frames)[0];
        let twice: Vec<Frame> =
            capture.frames.iter().flat_map(|frame| [frame.clone(), frame.clone()]).collect();
        capture.frames = twice;
        assert_eq!(observe(&capture, client).finding.stage, record::Stage::Image, "{name}");
        capture.frames.drain(..20);
        observe(&capture, client);
    }
}

proptest! {
    #[test]
    fn arbitrary_frames_are_survived(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20)) {
        let frame = |(number, bytes): (usize, Vec<u8>)| Frame { number: number as u64 + 1, at: GuestTime::ZERO, bytes };
        let capture = Capture { frames: frames.into_iter().enumerate().map(frame).collect(), ..Capture::default() };
        for client in clients(&capture.frames) {
            observe(&capture, client);
        }
    }
}
