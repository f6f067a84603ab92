//! A run as it could have been: four OVMF builds, all six verdicts, every outcome, and texts that attack the reader.
//!
//! For tests of this and of other crates (feature `sample`); nothing in here was measured.

use indexmap::IndexMap;
use record::{
    Accelerator, CellResult, ClientHello, ClockMode, Deviation, EvidencePaths, Expected, FirmwareRecord,
    ImageFile, Level, Outcome, QemuRecord, Results, RunRecord, SCHEMA_ID, Stage, Verdict,
};
use serde_json::{Value, json};

const BUILDS: [(&str, &str); 4] = [
    ("bullseye", "2020.11-2+deb11u3"),
    ("bookworm", "2022.11-6+deb12u2"),
    ("trixie", "2025.02-8+deb13u1"),
    ("sid", "2026.08+ds-2"),
];

/// Text that tries every way out of a report: markup, escape sequences, reordering, table syntax, and length.
pub const HOSTILE: &str = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> {{ 7*7 }} \
    \u{1b}[31mred\u{1b}]0;title\u{7}\u{9b}2J \u{202e}txt.efi\u{202c} a|b `code` *bold* [link](javascript:alert(3)) \
    \u{2028}line\r\n# heading\u{0} \\| \u{200b}end";

/// A realistic run: four builds, 43 parameter points.
pub fn results() -> Results {
    let mut maker = Maker { cells: Vec::new() };
    maker.control();
    maker.http();
    maker.url();
    maker.dhcp4();
    maker.hostile();
    Results {
        schema: SCHEMA_ID.to_owned(),
        run: RunRecord {
            id: "2026-11-22T140102Z-7f3a".to_owned(),
            started: "2026-11-22T14:01:02Z".to_owned(),
            wall_seconds: 83.417,
            plugfest: "0.1.0".to_owned(),
            qemus: vec![QemuRecord {
                program: "qemu-system-x86_64".to_owned(),
                version: "10.0.2 (Debian 1:10.0.2+ds-2~bpo12+1)".to_owned(),
                sha256: digest("qemu"),
            }],
            clock: ClockMode::Virtual,
            seed: 12_345_678_901_234_567_890,
            jobs: 2,
            planned: maker.cells.len(),
            interrupted: false,
            stopped: None,
            repeat: 1,
            retries: 0,
            shard: None,
        },
        firmware: BUILDS
            .iter()
            .map(|(suite, version)| firmware(&format!("ovmf-x64-{suite}"), suite, version))
            .collect(),
        cells: maker.cells,
    }
}

/// A run of TLS rows: one that only observes what three of four builds offer, and one that some builds should refuse.
pub fn tls() -> Results {
    let mut maker = Maker { cells: Vec::new() };
    maker.tls();
    let mut results = results();
    results.run.planned = maker.cells.len();
    results.cells = maker.cells;
    results
}

/// A run of `rows` parameter points on `columns` builds, for layout and speed.
pub fn sized(columns: usize, rows: usize) -> Results {
    let mut few = results();
    few.run.planned = columns * rows;
    let firmware: Vec<_> = (0..columns)
        .map(|at| {
            let (suite, version) = BUILDS[at % BUILDS.len()];
            firmware(&format!("ovmf-x64-{suite}{}", at / BUILDS.len() + 1), suite, version)
        })
        .collect();
    let points: Vec<_> = few.cells.chunks(BUILDS.len()).take(40).collect();
    let cells = (0..rows)
        .flat_map(|row| firmware.iter().enumerate().map(move |(column, build)| (row, column, build)))
        .map(|(row, column, build)| {
            let mut cell = points[row % points.len()][(column + row / 7) % BUILDS.len()].clone();
            cell.params.insert("seed".to_owned(), json!(row / points.len()));
            cell.firmware.clone_from(&build.id);
            identify(&mut cell);
            cell
        })
        .collect();
    Results { firmware, cells, ..few }
}

fn firmware(id: &str, suite: &str, version: &str) -> FirmwareRecord {
    FirmwareRecord {
        id: id.to_owned(),
        family: "edk2".to_owned(),
        architecture: "x64".to_owned(),
        version: version.to_owned(),
        source: format!("Debian package ovmf, suite {suite}"),
        code: ImageFile { file: "OVMF_CODE_4M.fd".to_owned(), sha256: digest(&format!("{id} code")) },
        vars: Some(ImageFile { file: "OVMF_VARS_4M.fd".to_owned(), sha256: digest(&format!("{id} vars")) }),
        files: Default::default(),
        base: None,
        smm: false,
        lacks: Vec::new(),
        accelerator: Some(Accelerator::Tcg),
        entropy: Some(record::Entropy::Seeded),
    }
}

/// 64 hexadecimal digits that depend on `seed` (FNV-1a, four times; not a real digest).
fn digest(seed: &str) -> String {
    (0u8..4)
        .map(|salt| {
            let hash = seed.bytes().chain([salt]).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            format!("{hash:016x}")
        })
        .collect()
}

/// Names the cell and its evidence after its scenario, parameters and firmware.
fn identify(cell: &mut CellResult) {
    let params: Vec<_> = cell
        .params
        .iter()
        .map(|(path, value)| {
            let value = crate::words::value(value);
            format!("{}={value}", path.rsplit('.').next().unwrap_or(path))
        })
        .collect();
    let params = if params.is_empty() { String::new() } else { format!("[{}]", params.join(",")) };
    cell.id = format!("{}{params}@{}", cell.scenario, cell.firmware);
    if cell.evidence.is_some() {
        let directory =
            format!("cells/{}/{}-{}", cell.firmware, cell.scenario.replace('/', "-"), &digest(&cell.id)[..8]);
        cell.evidence = Some(EvidencePaths {
            capture: format!("{directory}/capture.pcapng"),
            console: format!("{directory}/console.txt"),
            timeline: format!("{directory}/timeline.jsonl"),
            cell: format!("{directory}/cell.yaml"),
            command: Some(format!("{directory}/command.txt")),
            keys: None,
            directory,
        });
    }
}

/// What a firmware did: outcome, stage, cause, sentence, guest seconds.
type Did = (Outcome, Stage, Option<&'static str>, &'static str, f64);

const BOOTS: Did =
    (Outcome::Boots, Stage::Executed, None, "The served image ran and announced this cell's nonce.", 6.41);
const UNKNOWN_TYPE: Did = (
    Outcome::Refuses,
    Stage::Get,
    Some("http.media-type-unknown"),
    "The firmware closed the connection after the response head: neither the media type nor the suffix of the URL is one that it knows.",
    5.93,
);
const NO_REDIRECT: Did = (
    Outcome::Refuses,
    Stage::Head,
    Some("http.redirect-not-followed"),
    "The firmware gave up after the redirect and sent no request to its Location.",
    5.52,
);
const STATUS: Did = (
    Outcome::Refuses,
    Stage::Head,
    Some("http.status"),
    "The firmware ended the attempt after the error status, as it should.",
    5.49,
);
const HANGS: Did = (
    Outcome::Hangs,
    Stage::Head,
    Some("http.head-unanswered"),
    "After the refused HEAD the firmware sent nothing more and did not return to its boot manager within 300 s.",
    300.0,
);
const NO_OFFER: Did = (
    Outcome::GivesUp,
    Stage::Address,
    Some("dhcp4.offer-not-http"),
    "The firmware ignored four offers without vendor class HTTPClient and gave up after its last timeout.",
    64.02,
);
const CRASH: Did = (
    Outcome::Crashes,
    Stage::Get,
    Some("cpu.exception"),
    "X64 exception type 0x0E (page fault) on the console while the first chunk arrived.",
    6.02,
);

struct Maker {
    cells: Vec<CellResult>,
}

struct Case<'a> {
    scenario: &'a str,
    title: &'a str,
    clause: &'a str,
    level: Level,
    expect: &'a [Outcome],
}

impl Maker {
    /// Adds one row; `did` says per build what happened.
    fn row(&mut self, case: &Case<'_>, params: &[(&str, Value)], did: impl Fn(usize) -> Did) {
        for (build, (suite, _)) in BUILDS.iter().enumerate() {
            let (outcome, stage, cause, detail, guest_seconds) = did(build);
            let met = case.expect.is_empty() || case.expect.contains(&outcome);
            let mut cell = CellResult {
                id: String::new(),
                scenario: case.scenario.to_owned(),
                title: case.title.to_owned(),
                clause: case.clause.to_owned(),
                scenario_sha256: digest(case.scenario),
                params: params
                    .iter()
                    .map(|(path, value)| ((*path).to_owned(), value.clone()))
                    .collect::<IndexMap<_, _>>(),
                firmware: format!("ovmf-x64-{suite}"),
                level: case.level,
                expected: Expected { outcome: case.expect.to_vec(), stage: None, cause: None },
                verdict: if met { Verdict::Pass } else { Verdict::Fail },
                outcome: Some(outcome),
                stage: Some(stage),
                cause: cause.map(str::to_owned),
                detail: detail.to_owned(),
                waiver: None,
                conversation: Vec::new(),
                wall_seconds: 0.3 + guest_seconds / 50.0,
                guest_seconds,
                attempts: 1,
                transcript: Some(digest(detail)),
                repeats: None,
                flaky: false,
                client_hello: None,
                evidence: Some(EvidencePaths {
                    directory: String::new(),
                    capture: String::new(),
                    console: String::new(),
                    timeline: String::new(),
                    cell: String::new(),
                    command: None,
                    keys: None,
                }),
            };
            identify(&mut cell);
            self.cells.push(cell);
        }
    }

    /// The cells of the last row.
    fn last(&mut self) -> &mut [CellResult] {
        let start = self.cells.len() - BUILDS.len();
        &mut self.cells[start..]
    }

    fn waive(&mut self, builds: &[usize], reason: &str, link: &str) {
        for (build, cell) in self.last().iter_mut().enumerate() {
            if builds.contains(&build) {
                cell.verdict = if cell.verdict == Verdict::Pass { Verdict::Xpass } else { Verdict::Xfail };
                cell.waiver = Some(Deviation { reason: reason.to_owned(), link: Some(link.to_owned()) });
            }
        }
    }

    fn tls(&mut self) {
        let observes = Case {
            scenario: "tls/client-hello",
            title: "What a client offers",
            clause: "RFC 8446 §4.1.2",
            level: Level::Observe,
            expect: &[],
        };
        self.row(&observes, &[], |_| BOOTS);
        for (build, cell) in self.last().iter_mut().enumerate().skip(1) {
            let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            cell.client_hello = Some(ClientHello {
                versions: words(&["TLS 1.2"]),
                suites: words(&["TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384"]),
                groups: if build == 3 { words(&["secp256r1"]) } else { Vec::new() },
                server_name: (build == 2).then(|| HOSTILE.to_owned()),
                session_ticket: true,
                ..ClientHello::default()
            });
        }
        let refuses = Case {
            scenario: "tls/leaf-expired",
            title: "An expired leaf is refused",
            clause: "RFC 5280 §6.1.3",
            level: Level::Must,
            expect: &[Outcome::Refuses],
        };
        self.row(&refuses, &[], |build| if build == 3 { STATUS } else { BOOTS });
        // Of the same area and outcome, and no matter of security.
        let boots = Case { level: Level::Should, ..refuses };
        self.row(&boots, &[("tls.certificate.anchor.valid_until_days", json!(-1))], |_| BOOTS);
        // What a client told to offer one suite says is not what its build offers.
        self.row(&observes, &[("client.suites", json!(["TLS_RSA_WITH_NULL_SHA"]))], |_| BOOTS);
        for cell in self.last() {
            let suites = vec!["TLS_RSA_WITH_NULL_SHA".to_owned()];
            cell.client_hello = Some(ClientHello { suites, ..ClientHello::default() });
        }
    }

    fn control(&mut self) {
        let case = Case {
            scenario: "control/plain",
            title: "A plain IPv4 network boots",
            clause: "UEFI 2.11 §24.7",
            level: Level::Must,
            expect: &[Outcome::Boots],
        };
        self.row(&case, &[], |_| BOOTS);
    }

    fn http(&mut self) {
        let boots = |scenario, title, clause, level| Case {
            scenario,
            title,
            clause,
            level,
            expect: &[Outcome::Boots],
        };
        let case = boots(
            "http/content-type",
            "A media type with parameters still selects the EFI application handler",
            "RFC 9110 §8.3.1",
            Level::Must,
        );
        for value in ["application/efi", "Application/EFI", "application/efi; charset=binary"] {
            self.row(&case, &[("http.content_type", json!(value))], |_| {
                if value.contains(';') { UNKNOWN_TYPE } else { BOOTS }
            });
        }
        let case = boots("http/redirect", "A redirect is followed", "RFC 9110 §15.4", Level::Should);
        for status in [301, 302, 307, 308] {
            self.row(&case, &[("http.status", json!(status))], |_| NO_REDIRECT);
        }
        let case = Case {
            scenario: "http/error-status",
            title: "An error status ends the attempt and its body is not executed",
            clause: "RFC 9110 §15.5",
            level: Level::Must,
            expect: &[Outcome::Refuses, Outcome::GivesUp],
        };
        for status in [404, 503] {
            self.row(&case, &[("http.status", json!(status))], |_| STATUS);
        }
        let case =
            boots("http/head-refused", "A refused HEAD is followed by GET", "RFC 9110 §9.3.2", Level::Should);
        self.row(&case, &[("http.head", json!("405")), ("http.retry.after", json!(null))], |build| {
            [HANGS, HANGS, BOOTS, BOOTS][build]
        });
        self.row(&case, &[("http.head", json!("close")), ("http.retry.after", json!(3))], |_| HANGS);
        self.waive(
            &[0, 1],
            "HEAD is never retried before edk2-stable202402",
            "https://github.com/tianocore/edk2/issues/10001",
        );
        let case = boots(
            "http/chunked",
            "A body in chunked transfer coding is reassembled",
            "RFC 9112 §7.1",
            Level::Must,
        );
        self.row(&case, &[], |build| if build == 1 { CRASH } else { BOOTS });
        self.waive(
            &[3],
            "Chunk parser loses the last chunk",
            "https://bugzilla.tianocore.org/show_bug.cgi?id=1234",
        );
        let case =
            boots("http/connection-close", "Connection: close ends the body", "RFC 9112 §9.6", Level::Must);
        self.row(&case, &[], |_| BOOTS);
        let case = boots("http/version", "An HTTP/1.0 response is accepted", "RFC 9110 §2.5", Level::Must);
        self.row(&case, &[("http.version", json!("1.0"))], |_| BOOTS);
        let case = boots("http/port", "A port in the URL is used", "RFC 3986 §3.2.3", Level::Must);
        for port in [8080, 49152] {
            self.row(&case, &[("http.port", json!(port))], |_| BOOTS);
        }
    }

    fn url(&mut self) {
        let case = Case {
            scenario: "url/suffix",
            title: "The media type decides, whatever the URL ends in",
            clause: "RFC 9110 §8.3",
            level: Level::Must,
            expect: &[Outcome::Boots],
        };
        for path in ["/boot.efi", "/boot.EFI", "/boot", "/boot.bin", "/boot.efi?v=1"] {
            for media in
                [json!("application/efi"), json!("application/octet-stream"), json!("text/html"), json!(null)]
            {
                let known = media == "application/efi" || path.to_lowercase().ends_with(".efi");
                let params = [("dhcp4.bootfile", json!(path)), ("http.content_type", media)];
                self.row(&case, &params, |build| {
                    let query_parsed = build == 3 && path.contains('?');
                    if known || query_parsed { BOOTS } else { UNKNOWN_TYPE }
                });
            }
        }
    }

    fn dhcp4(&mut self) {
        let case = Case {
            scenario: "dhcp4/option-60-missing",
            title: "An offer without option 60 is no HTTP Boot offer",
            clause: "UEFI 2.11 §24.7.2.1",
            level: Level::Observe,
            expect: &[],
        };
        self.row(&case, &[], |_| NO_OFFER);
        let case = Case {
            scenario: "dhcp4/bootfile-in-file-field",
            title: "A boot file in the file field is as good as option 67",
            clause: "RFC 2132 §9.5",
            level: Level::May,
            expect: &[Outcome::Boots],
        };
        self.row(&case, &[], |build| if build < 2 { NO_OFFER } else { BOOTS });
        let case = Case {
            scenario: "dhcp4/vendor-options",
            title: "A boot server list in option 43 is used",
            clause: "PXE 2.1 §2.4",
            level: Level::May,
            expect: &[Outcome::Boots],
        };
        for count in [1, 16] {
            self.row(&case, &[("dhcp4.vendor.boot_servers", json!(count))], |_| BOOTS);
            for (build, cell) in self.last().iter_mut().enumerate() {
                if build < 3 {
                    nothing_known(
                        cell,
                        Verdict::Unsupported,
                        "This build has no PXE base code (capability `pxe`).",
                    );
                }
            }
        }
    }

    /// Rows whose parameters, sentences and waivers are [`HOSTILE`], and our own failures.
    fn hostile(&mut self) {
        let long = format!("{}\u{202e}{}", "A".repeat(5_000), "日本語 wide ".repeat(417));
        let case = Case {
            scenario: "hostile/texts",
            title: HOSTILE,
            clause: "RFC 1 | §<b>1</b>",
            level: Level::Must,
            expect: &[Outcome::Boots],
        };
        self.row(&case, &[("dhcp4.bootfile", json!(HOSTILE))], |build| {
            [UNKNOWN_TYPE, CRASH, BOOTS, BOOTS][build]
        });
        for cell in self.last() {
            cell.detail = format!("The guest said: {HOSTILE}");
        }
        self.waive(&[1, 3], HOSTILE, "javascript:alert('link')");
        self.row(&case, &[("http.body", json!(long)), ("dhcp4.body", json!({"a": [1, null]}))], |_| BOOTS);
        for (build, cell) in self.last().iter_mut().enumerate() {
            match build {
                0 => cell.detail.clone_from(&long),
                1 => nothing_known(
                    cell,
                    Verdict::Error,
                    "QEMU ended before its monitor answered: qemu-system-x86_64: could not lock pflash; end the other QEMU and run again.",
                ),
                _ => {
                    nothing_known(
                        cell,
                        Verdict::Error,
                        "control failed: control/plain did not boot on this build, so nothing else was tried; see that cell.",
                    );
                    cell.evidence = None;
                    cell.attempts = 0;
                    (cell.wall_seconds, cell.guest_seconds) = (0.0, 0.0);
                }
            }
        }
    }
}

/// A cell that says nothing about what the firmware did.
fn nothing_known(cell: &mut CellResult, verdict: Verdict, detail: &str) {
    cell.verdict = verdict;
    (cell.outcome, cell.stage, cell.cause) = (None, None, None);
    detail.clone_into(&mut cell.detail);
}
