//! The files of a cell, as another program reads them.

#![allow(clippy::unwrap_used)]

use etherparse::PacketBuilder;
use evidence::{CellEvidence, CellMeta, Finished};
use record::{Direction, Entry, Event, GuestTime};
use std::fs;
use std::path::Path;
use std::process::Command;

const GUEST: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const SERVER: [u8; 6] = [2, 0, 0x5e, 0, 2, 1];

fn meta() -> CellMeta {
    CellMeta {
        cell: "http/content-type[content_type=text/html]@ovmf-x64-sid".into(),
        firmware: "ovmf-x64-sid 2026.08+ds-2".into(),
        title: "A media type with parameters still selects the EFI application handler".into(),
        // 2026-11-22 14:01:02 UTC
        rtc_base_unix: 1_795_356_062,
    }
}

fn at(micros: u64) -> GuestTime {
    GuestTime::from_micros(micros)
}

fn create(directory: &Path) -> CellEvidence {
    CellEvidence::create(directory, &meta(), "id: http/content-type\n").unwrap()
}

/// One side of a TCP connection that numbers its bytes.
struct Peer {
    from_guest: bool,
    seq: u32,
}

fn segment(from: &mut Peer, to: &Peer, flags: &str, payload: &[u8]) -> (Direction, Vec<u8>) {
    let (direction, ethernet, ip, ports) = if from.from_guest {
        (Direction::FromGuest, (GUEST, SERVER), ([192, 0, 2, 100], [192, 0, 2, 1]), (49152, 80))
    } else {
        (Direction::ToGuest, (SERVER, GUEST), ([192, 0, 2, 1], [192, 0, 2, 100]), (80, 49152))
    };
    let mut step = PacketBuilder::ethernet2(ethernet.0, ethernet.1)
        .ipv4(ip.0, ip.1, 64)
        .tcp(ports.0, ports.1, from.seq, 0xffff);
    if flags.contains('S') {
        step = step.syn().options(&[etherparse::TcpOptionElement::MaximumSegmentSize(1460)]).unwrap();
    }
    if flags.contains('A') {
        step = step.ack(to.seq);
    }
    if flags.contains('P') {
        step = step.psh();
    }
    if flags.contains('R') {
        step = step.rst();
    }
    let mut frame = Vec::new();
    step.write(&mut frame, payload).unwrap();
    from.seq = from.seq.wrapping_add(payload.len() as u32 + u32::from(flags.contains('S')));
    (direction, frame)
}

/// A download of `segments` full segments, acknowledged every second time.
fn download(segments: usize) -> Vec<(Direction, Vec<u8>)> {
    let mut guest = Peer { from_guest: true, seq: 1000 };
    let mut server = Peer { from_guest: false, seq: 5000 };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", segments * 1400);
    let mut frames = vec![
        segment(&mut guest, &server, "S", b""),
        segment(&mut server, &guest, "SA", b""),
        segment(&mut guest, &server, "A", b""),
        segment(&mut guest, &server, "AP", b"GET /boot.efi HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"),
        segment(&mut server, &guest, "AP", head.as_bytes()),
    ];
    for number in 0..segments {
        frames.push(segment(&mut server, &guest, "A", &[number as u8; 1400]));
        if number % 2 == 1 {
            frames.push(segment(&mut guest, &server, "A", b""));
        }
    }
    frames.push(segment(&mut guest, &server, "RA", b""));
    frames
}

/// A cell with a bit of everything.
fn record(directory: &Path, segments: usize) -> Finished {
    let mut cell = create(directory);
    cell.command(["qemu-system-x86_64", "-nodefaults", "-netdev", "stream,id=n0,addr.path=/tmp/a b"])
        .unwrap();
    cell.event(at(0), Event::Qmp { name: "RESUME".into(), data: serde_json::json!({}) }).unwrap();
    assert!(cell.console(at(1_000_000), b"\x1b[05;01H>>Start HTTP Boot over IPv4.").unwrap().is_empty());
    assert_eq!(cell.unfinished_console_line(), ">>Start HTTP Boot over IPv4.");
    let mut now = 5_000_000;
    for (direction, frame) in download(segments) {
        now += 120;
        cell.frame(at(now), direction, &frame).unwrap();
    }
    // Reported late, with a time that is already past.
    assert_eq!(cell.console(at(now - 2000), b"..\r\n\r\n\x1b[1mdone\xff").unwrap().len(), 2);
    cell.finish(at(now + 10)).unwrap()
}

fn tool(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            // The only thing a healthy run says, and only to root.
            let complaints: Vec<_> =
                stderr.lines().filter(|line| !line.contains("Running as user")).collect();
            assert!(output.status.success() && complaints.is_empty(), "{program}: {stderr}");
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(error) if std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_some() => panic!("{program}: {error}"),
        Err(error) => {
            println!("skipped: {program}: {error}");
            None
        }
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn tshark_reads_the_capture_without_a_complaint() {
    let directory = tempfile::tempdir().unwrap();
    let files = record(directory.path(), 40).files;
    let capture = path(&files.capture);
    let Some(expert) = tool("tshark", &["-r", capture, "-q", "-z", "expert,note"]) else { return };
    // The guest ends with a reset, as EDK2 does: tshark calls that a warning, and it is the only one.
    let findings: Vec<_> =
        expert.lines().filter(|line| line.contains("TCP") || line.contains("Malformed")).collect();
    assert_eq!(findings.len(), 1, "{expert}");
    assert!(findings[0].contains("Connection reset (RST)"), "{expert}");

    let fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "frame.packet_flags_direction", "-e"];
    let fields =
        [&["-r", capture, "-o", "tcp.check_checksum:TRUE"][..], &fields, &["tcp.checksum.status"]].concat();
    let lines = tool("tshark", &fields).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    assert_eq!(lines.len(), 40 + 20 + 6);
    assert_eq!(lines[0], "1795356067.000120000\t0x00000002\t1");
    assert_eq!(lines[1], "1795356067.000240000\t0x00000001\t1");
}

#[test]
fn capinfos_shows_cell_firmware_and_version() {
    let directory = tempfile::tempdir().unwrap();
    let files = record(directory.path(), 4).files;
    let Some(info) = tool("capinfos", &[path(&files.capture)]) else { return };
    for expected in [
        "cell: http/content-type[content_type=text/html]@ovmf-x64-sid",
        "firmware: ovmf-x64-sid 2026.08+ds-2",
        concat!("plugfest ", env!("CARGO_PKG_VERSION")),
        "Name = guest",
        "Encapsulation = Ethernet",
        "Time precision = microseconds (6)",
        "Number of packets:   12",
        "First packet time:   2026-11-2",
    ] {
        assert!(info.contains(expected), "{expected} is not in {info}");
    }
}

#[test]
fn a_killed_cell_leaves_files_that_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let mut cell = create(directory.path());
    cell.console(at(1), b"line one\r\nline tw").unwrap();
    for (index, (direction, frame)) in download(3).into_iter().enumerate() {
        cell.frame(at(index as u64), direction, &frame).unwrap();
    }
    // What a killed process does: nothing.
    std::mem::forget(cell);
    assert_eq!(fs::read_to_string(directory.path().join("console.txt")).unwrap(), "line one\nline tw");
    let timeline = fs::read_to_string(directory.path().join("timeline.jsonl")).unwrap();
    assert_eq!(timeline.lines().count(), 1 + 10);
    assert!(timeline.ends_with('\n'));
    let capture = directory.path().join("capture.pcapng");
    let Some(lines) = tool("tshark", &["-r", path(&capture)]) else { return };
    assert_eq!(lines.lines().count(), 10);
}

#[test]
fn a_cell_that_ends_in_an_error_keeps_its_bulk_data() {
    let directory = tempfile::tempdir().unwrap();
    let mut cell = create(directory.path());
    for (index, (direction, frame)) in download(30).into_iter().take(40).enumerate() {
        cell.frame(at(index as u64), direction, &frame).unwrap();
    }
    let capture = directory.path().join("capture.pcapng");
    let before = fs::metadata(&capture).unwrap().len();
    drop(cell);
    assert!(fs::metadata(&capture).unwrap().len() > before + 20_000);
}

#[test]
fn a_write_cut_in_the_middle_loses_only_that_frame() {
    let directory = tempfile::tempdir().unwrap();
    let files = record(directory.path(), 4).files;
    let whole = fs::read(&files.capture).unwrap();
    fs::write(&files.capture, &whole[..whole.len() - 30]).unwrap();
    let Ok(output) = Command::new("tshark").args(["-r", path(&files.capture)]).output() else {
        assert!(std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_none(), "tshark is missing");
        return println!("skipped: no tshark");
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 11);
    assert!(String::from_utf8_lossy(&output.stderr).contains("cut short"));
}

#[test]
fn the_timeline_is_readable_and_never_goes_back() {
    let directory = tempfile::tempdir().unwrap();
    let Finished { files, entries } = record(directory.path(), 40);
    let text = fs::read_to_string(&files.timeline).unwrap();
    let read: Vec<Entry> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, entries);
    assert!(entries.is_sorted_by_key(|entry| entry.at));
    insta::assert_snapshot!(text);
}

#[test]
fn the_other_files_say_what_they_were_given() {
    let directory = tempfile::tempdir().unwrap();
    let files = record(directory.path(), 4).files;
    assert_eq!(fs::read_to_string(&files.cell).unwrap(), "id: http/content-type\n");
    assert_eq!(
        fs::read_to_string(&files.console).unwrap(),
        ">>Start HTTP Boot over IPv4...\n\ndone\u{fffd}\n"
    );
    assert_eq!(
        fs::read_to_string(files.command.unwrap()).unwrap(),
        "qemu-system-x86_64 \\\n  -nodefaults \\\n  -netdev \\\n  'stream,id=n0,addr.path=/tmp/a b'\n"
    );
}

#[test]
fn a_large_image_is_a_few_lines_of_timeline_and_all_of_the_capture() {
    let directory = tempfile::tempdir().unwrap();
    // 42 MB in 3.6 s of guest time.
    let Finished { files, entries } = record(directory.path(), 20_000);
    assert!(fs::metadata(&files.capture).unwrap().len() > 28_000_000);
    assert!(entries.len() < 30, "{} entries", entries.len());
    let bulk: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Frame { summary, length, direction, .. } if summary.contains("bulk") => {
                assert_eq!(*direction, Direction::ToGuest);
                Some(*length)
            }
            _ => None,
        })
        .collect();
    assert_eq!(bulk.len(), 4);
    // All frames but the four that were shown: three segments and one acknowledgement.
    assert_eq!(bulk.iter().sum::<usize>(), (20_000 - 3) * 1454 + 9_999 * 54);
}

#[test]
fn a_cell_with_a_small_image_stays_under_100_kib() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), 4);
    let total: u64 =
        fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(total < 20 * 1024, "{total} bytes");
}

#[test]
fn a_stall_in_a_download_is_visible() {
    let directory = tempfile::tempdir().unwrap();
    let mut cell = create(directory.path());
    let frames = download(30);
    let (before, after) = frames.split_at(25);
    for (index, (direction, frame)) in before.iter().enumerate() {
        cell.frame(at(index as u64), *direction, frame).unwrap();
    }
    for (index, (direction, frame)) in after.iter().enumerate() {
        cell.frame(at(5_000_000 + index as u64), *direction, frame).unwrap();
    }
    let entries = cell.finish(at(6_000_000)).unwrap().entries;
    let resumed: Vec<_> = entries.iter().filter(|entry| entry.at >= at(5_000_000)).collect();
    assert!(resumed.len() >= 5, "{entries:#?}");
    assert!(matches!(&resumed[0].event, Event::Frame { number: 26, .. }), "{:?}", resumed[0]);
}

#[test]
fn a_console_without_end_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let mut cell = create(directory.path());
    for _ in 0..300 {
        cell.console(at(1), &[b"\x1b[31m", &[b'A'; 60][..], b"\xff\r\n"].concat().repeat(100)).unwrap();
    }
    let Finished { files, entries } = cell.finish(at(2)).unwrap();
    let text = fs::read_to_string(&files.console).unwrap();
    assert!((evidence::CONSOLE_MAX..evidence::CONSOLE_MAX + 100).contains(&text.len()));
    assert!(text.ends_with("[plugfest keeps 1048576 bytes of console; the rest is lost]\n"));
    assert!(entries.len() < 17_000);
    assert!(
        matches!(&entries.last().unwrap().event, Event::Harness { note } if note.contains("console.txt is full"))
    );
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_with_a_way_out() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = CellEvidence::create(&file.join("cell"), &meta(), "").err().unwrap().to_string();
    assert!(error.starts_with("failed to create ") && error.contains("--out"), "{error}");
}

/// Block types of a pcapng file of our byte order, in order.
fn blocks(bytes: &[u8]) -> Vec<u32> {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut types = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        types.push(word(at));
        let length = word(at + 4) as usize;
        assert_eq!(word(at + length - 4) as usize, length, "the length stands at both ends");
        at += length;
    }
    types
}

#[test]
fn secrets_stand_before_the_packets() {
    let directory = tempfile::tempdir().unwrap();
    let without = record(&directory.path().join("without"), 8);
    assert_eq!(without.files.keys, None);
    let plain = fs::read(&without.files.capture).unwrap();

    let mut cell = create(&directory.path().join("with"));
    // One that comes before the first frame, and one whose length is no multiple of four.
    cell.secret("CLIENT_RANDOM 00 11").unwrap();
    for (direction, frame) in download(8) {
        cell.frame(at(5), direction, &frame).unwrap();
    }
    cell.secret("CLIENT_RANDOM 22 333\n").unwrap();
    let with = cell.finish(at(6)).unwrap();
    let keys = fs::read_to_string(with.files.keys.unwrap()).unwrap();
    assert_eq!(keys, "CLIENT_RANDOM 00 11\nCLIENT_RANDOM 22 333\n");
    let capture = fs::read(&with.files.capture).unwrap();
    assert!(capture.windows(keys.len()).any(|part| part == keys.as_bytes()));

    let mut expected = blocks(&plain);
    assert!(expected.len() > 10 && expected[2..].iter().all(|kind| *kind == 6), "{expected:?}");
    expected.insert(2, 10);
    assert_eq!(blocks(&capture), expected);
    let beside: Vec<_> =
        fs::read_dir(directory.path().join("with")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(!beside.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{beside:?}");
}
