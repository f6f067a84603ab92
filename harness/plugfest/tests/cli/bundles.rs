//! Bundles of real cells: what is in them, their replay, and that a replay can differ.

use crate::bench::{Bench, Ended, ended};
use crate::firmware::nothing_to_boot;
use crate::runs::{cached_build, obtain};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// A call with the user's firmware and snapshots.
fn call(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = bench.command(arguments);
    command.env("PLUGFEST_CACHE", firmware::cache().unwrap()).env("USER", "somebody");
    ended(command.output().unwrap())
}

/// A run of one cell on a build of the cache: where its reports are.
fn run_one(bench: &Bench, select: &str, build: &str) -> String {
    let out = bench.path("reports").to_str().unwrap().to_owned();
    call(bench, &["run", select, "-f", build, "--out", &out]).exits(0);
    out
}

pub fn files(bundle: &Path) -> Vec<(String, Vec<u8>)> {
    let mut zip = ZipArchive::new(std::fs::File::open(bundle).unwrap()).unwrap();
    (0..zip.len())
        .map(|at| {
            let mut entry = zip.by_index(at).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.name().unwrap().into_owned(), content)
        })
        .collect()
}

/// The bundle with one of its files changed, and its checksums made to fit.
fn changed(bench: &Bench, bundle: &Path, name: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> PathBuf {
    let path = bench.path("changed.zip");
    let mut zip = ZipWriter::new(std::fs::File::create(&path).unwrap());
    let mut sums = String::new();
    for (each, content) in files(bundle).into_iter().filter(|(each, _)| each != "SHA256SUMS") {
        let content = if each == name { change(content) } else { content };
        zip.start_file(each.as_str(), SimpleFileOptions::default()).unwrap();
        zip.write_all(&content).unwrap();
        let sum = <sha2::Sha256 as sha2::Digest>::digest(&content);
        sums.push_str(&sum.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        sums.push_str(&format!("  {each}\n"));
    }
    zip.start_file("SHA256SUMS", SimpleFileOptions::default()).unwrap();
    zip.write_all(sums.as_bytes()).unwrap();
    zip.finish().unwrap();
    path
}

#[test]
fn a_bundle_replays_as_it_was_recorded_and_one_that_lies_does_not() {
    let Some(build) = cached_build() else { return };
    let bench = Bench::new();
    let out = run_one(&bench, "dhcp4/no-bootfile", &build);
    let bundle = bench.path("b.zip");
    let path = bundle.to_str().unwrap();
    let cell = format!("dhcp4/no-bootfile@{build}");
    call(&bench, &["bundle", &cell, "--out", &out, "-o", path]).exits(0);

    let files = files(&bundle);
    for name in [
        "bundle.json",
        "report.md",
        "explanation.txt",
        "cell.yaml",
        "capture.pcapng",
        "console.txt",
        "timeline.jsonl",
        "command.txt",
        "SHA256SUMS",
    ] {
        assert!(files.iter().any(|(each, content)| each == name && !content.is_empty()), "{name}");
    }
    // Nothing says where it was made, or by whom.
    let here = bench.path("").display().to_string();
    let cache = firmware::cache().unwrap().display().to_string();
    for (name, content) in &files {
        let text = String::from_utf8_lossy(content);
        for told in [here.trim_end_matches('/'), cache.as_str(), "somebody"] {
            assert!(!text.contains(told), "{told} is in {name}");
        }
    }

    let same = call(&bench, &["replay", path]).exits(0);
    assert!(same.stdout.contains("same       outcome, stage, cause and transcript"), "{}", same.stdout);
    call(&bench, &["replay", path, "--exact"]).exits(2).says(&["the bundle has no recording"]);

    // Another scenario under the same name.
    let served = |yaml: Vec<u8>| {
        let yaml = String::from_utf8(yaml).unwrap();
        assert!(yaml.contains("bootfile: null"), "{yaml}");
        yaml.replacen("bootfile: null", "bootfile: 'http://{server4}/boot.efi'", 1).into_bytes()
    };
    let lie = changed(&bench, &bundle, "cell.yaml", served);
    let differs = call(&bench, &["replay", lie.to_str().unwrap()]).exits(1);
    assert!(differs.stdout.contains("outcome was gives-up, and is boots"), "{}", differs.stdout);

    // Other firmware than it says.
    let tiny = bench.file("tiny.fd", nothing_to_boot());
    call(&bench, &["replay", path, "--firmware", tiny.to_str().unwrap()])
        .exits(2)
        .says(&["it has no code with the SHA-256"]);
    // Something that is no scenario, and something that is no bundle.
    let nonsense = changed(&bench, &bundle, "cell.yaml", |_| b"id: [".to_vec());
    call(&bench, &["replay", nonsense.to_str().unwrap()]).exits(2);
    call(&bench, &["replay", tiny.to_str().unwrap()]).exits(2).says(&["as a bundle"]);
    call(&bench, &["bundle", "no/such", "--out", &out]).exits(2);
}

/// The machine has System Management Mode, and the scenario chooses its variables: both are the record's to say, and the images
/// are the bundle's.
#[test]
fn a_bundle_with_firmware_needs_neither_cache_nor_catalog() {
    let build = "ovmf-x64-secboot-bookworm";
    if cached_build().is_none() || !obtain(build) {
        return;
    }
    let bench = Bench::new();
    let out = run_one(&bench, "secure-boot/factory-keys[variables=ms]", build);
    let bundle = bench.path("b.zip");
    let path = bundle.to_str().unwrap();
    let cell = format!("secure-boot/factory-keys[variables=ms]@{build}");
    call(&bench, &["bundle", &cell, "--out", &out, "-o", path, "--with-firmware"]).exits(0);
    for name in ["firmware/code.fd", "firmware/vars.fd", "firmware/chosen-vars.fd"] {
        assert!(files(&bundle).iter().any(|(each, content)| each == name && !content.is_empty()), "{name}");
    }
    let mut elsewhere = bench.command(&["replay", path]);
    elsewhere.env("PLUGFEST_CACHE", bench.path("empty"));
    let same = ended(elsewhere.output().unwrap()).exits(0);
    assert!(same.stdout.contains("same       outcome, stage, cause and transcript"), "{}", same.stdout);
    // Without the image that is chosen, nothing runs.
    let other = changed(&bench, &bundle, "firmware/chosen-vars.fd", |mut image| {
        image[0x10000] ^= 1;
        image
    });
    let mut elsewhere = bench.command(&["replay", other.to_str().unwrap()]);
    elsewhere.env("PLUGFEST_CACHE", bench.path("empty"));
    ended(elsewhere.output().unwrap()).exits(3).says(&["brings no variables that the catalog calls `ms`"]);
}

/// A debugger's end of the remote serial protocol, as far as it takes to step.
struct Debugger(TcpStream);

impl Debugger {
    fn attach(port: u16) -> Self {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                return Self(stream);
            }
            assert!(Instant::now() < deadline, "nobody listens");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0, u8::wrapping_add);
        self.0.write_all(format!("${packet}#{sum:02x}").as_bytes()).unwrap();
    }

    /// The answer to a packet, without its frame.
    fn ask(&mut self, packet: &str) -> String {
        self.send(packet);
        let mut answer = Vec::new();
        let mut byte = [0];
        // Acknowledgement, `$`, answer, `#` and two digits.
        while answer.len() < 3 || answer[answer.len() - 3] != b'#' {
            self.0.read_exact(&mut byte).unwrap();
            answer.push(byte[0]);
        }
        self.0.write_all(b"+").unwrap();
        let text = String::from_utf8(answer).unwrap();
        text.split_once('$').unwrap().1.rsplit_once('#').unwrap().0.to_owned()
    }

    /// RIP, the 17th register of x86-64.
    fn at(&mut self) -> String {
        self.ask("g")[16 * 16..17 * 16].to_owned()
    }
}

/// Under a debugger the guest waits before its first instruction, steps forwards and backwards, and ends as it was recorded.
fn step_back(bench: &Bench, bundle: &str) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = bench.command(&["replay", bundle, "--exact", "--gdb", &port.to_string()]);
    let replay = command.env("PLUGFEST_CACHE", firmware::cache().unwrap()).spawn().unwrap();
    let mut debugger = Debugger::attach(port);
    let mut places = vec![debugger.at()];
    for _ in 0..3 {
        debugger.ask("s");
        places.push(debugger.at());
    }
    assert!(places.windows(2).all(|two| two[0] != two[1]), "{places:?}");
    debugger.ask("bs");
    assert_eq!(debugger.at(), places[2], "one step back from {places:?}");
    debugger.send("c");
    let ended = crate::bench::wait(replay).exits(0);
    assert!(ended.stdout.contains("same       frames: "), "{}", ended.stdout);
}

#[test]
fn a_recording_replays_byte_for_byte_and_a_damaged_one_does_not() {
    let Some(build) = cached_build() else { return };
    let bench = Bench::new();
    let out = run_one(&bench, "control/plain", &build);
    let bundle = bench.path("b.zip");
    let path = bundle.to_str().unwrap();
    call(&bench, &["bundle", "control/plain", "--out", &out, "-o", path, "--record", "--with-firmware"])
        .exits(0);

    let same = call(&bench, &["replay", path, "--exact"]).exits(0);
    for what in ["same       frames: ", "same       console: "] {
        assert!(same.stdout.contains(what), "{}", same.stdout);
    }

    step_back(&bench, path);

    // A frame that was another one.
    let other = changed(&bench, &bundle, "recording/frames.pcap", |mut pcap| {
        let at = pcap.len() - 1;
        pcap[at] ^= 1;
        pcap
    });
    let differs = call(&bench, &["replay", other.to_str().unwrap(), "--exact"]).exits(1);
    assert!(differs.stdout.contains("different  frames: from byte "), "{}", differs.stdout);
    assert!(differs.stdout.contains("same       console: "), "{}", differs.stdout);

    // Another QEMU, another machine.
    let manifest = |from: &'static str, to: &'static str| {
        move |json: Vec<u8>| {
            let text = String::from_utf8(json).unwrap();
            let at = text.find("\"recording\"").unwrap();
            let (head, tail) = text.split_at(at);
            assert!(tail.contains(from), "{tail}");
            format!("{head}{}", tail.replacen(from, to, 1)).into_bytes()
        }
    };
    let qemu = changed(&bench, &bundle, "bundle.json", manifest("\"sha256\": \"", "\"sha256\": \"0"));
    call(&bench, &["replay", qemu.to_str().unwrap(), "--exact"]).exits(2).says(&["the recording is of QEMU"]);
    let machine = changed(&bench, &bundle, "bundle.json", manifest("\"machine\": \"", "\"machine\": \"0"));
    call(&bench, &["replay", machine.to_str().unwrap(), "--exact"]).exits(2).says(&["another machine"]);
}
