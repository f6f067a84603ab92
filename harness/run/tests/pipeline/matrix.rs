//! The shipped scenarios against five clients: the whole matrix, one whole timeline, and what is written to disk.

use crate::bench::{Done, Fakes, Link, Setup, build, cache, plan, run, run_in};
use fake_firmware::{Behaviour, NOT_OF_OPENSSL};
use record::{CellResult, EvidencePaths, Level, Results, Verdict};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

type Preset = fn() -> Behaviour;

const CLIENTS: [(&str, Preset); 5] = [
    ("conforming", Behaviour::conforming),
    ("edk2-2020.11", Behaviour::edk2_2020_11),
    ("edk2-2022.11", Behaviour::edk2_2022_11),
    ("edk2-2025.02", Behaviour::edk2_2025_02),
    ("edk2-2026.08", Behaviour::edk2_2026_08),
];

/// The run is the same for all tests of this file.
pub fn shipped() -> &'static Done {
    static DONE: OnceLock<Done> = OnceLock::new();
    DONE.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        let mut scenarios = scenario::load_dir(&root).unwrap_or_else(|error| panic!("{error}"));
        // The former have clients that none of ours is, one after the other; the captures of the latter are 2.5 GB.
        scenarios.retain(|scenario| !scenario.id.starts_with("chain/") && scenario.id != "image/memory");
        let builds = CLIENTS.iter().map(|(id, _)| build(id)).collect();
        let guests = Fakes::choosing(|_, firmware, _| {
            let client = CLIENTS.iter().find(|(id, _)| *id == firmware.id).unwrap().1;
            Ok((client(), Link::Good))
        });
        // A static is never dropped, so what the last run of these tests left is removed now.
        let directory = cache().join("shipped");
        if directory.exists() {
            fs::remove_dir_all(&directory).unwrap();
        }
        fs::create_dir(&directory).unwrap();
        let directory = tempfile::tempdir_in(directory).unwrap();
        run_in(directory, plan(&scenarios, builds), guests, Setup::default())
    })
}

/// The evidence of a cell. One that this host's OpenSSL cannot do never started; all others have some.
pub fn evidence(cell: &CellResult) -> Option<&EvidencePaths> {
    assert_eq!(cell.evidence.is_none(), cell.verdict == Verdict::Unsupported, "{}", cell.id);
    cell.evidence.as_ref()
}

/// Without what differs from run to run.
fn normalised(mut results: Results) -> Results {
    results.run.id = "RUN".into();
    results.run.started = "2026-11-22T14:01:02Z".into();
    results.run.plugfest = "0.0.0".into();
    results.run.wall_seconds = 1.0;
    for cell in &mut results.cells {
        cell.wall_seconds = 0.1;
    }
    results
}

#[test]
fn a_conforming_client_passes_everything_and_the_others_do_not() {
    let done = shipped();
    assert!(done.results.cells.len() >= 40 * CLIENTS.len());
    let failures = |client: &str, levels: &[Level]| -> Vec<String> {
        done.results
            .cells
            .iter()
            .filter(|cell| {
                cell.firmware == client
                    && levels.contains(&cell.level)
                    && !matches!(cell.verdict, Verdict::Pass | Verdict::Unsupported)
            })
            .map(|cell| format!("{}: {} ({:?}: {})", cell.id, cell.verdict, cell.cause, cell.detail))
            .collect()
    };
    // `may` included: no expectation that we ship is beyond a client, and nothing of ours stands in its way.
    let found = failures("conforming", Level::ALL);
    let new: Vec<_> =
        found.iter().filter(|it| !NOT_OF_OPENSSL.iter().any(|point| it.starts_with(point))).collect();
    assert_eq!(new, Vec::<&String>::new());
    assert_eq!(found.len(), NOT_OF_OPENSSL.len(), "no deviation any more");
    for (client, _) in &CLIENTS[1..] {
        assert!(!failures(client, &[Level::Must]).is_empty(), "{client}");
    }
}

fn is_tls(cell: &CellResult) -> bool {
    cell.scenario.starts_with("tls/")
}

/// Only what an OpenSSL can lack is unsupported, and an OpenSSL that lacks all of it lacks little.
#[test]
fn few_cells_are_unsupported() {
    let mut unsupported: Vec<_> = shipped()
        .results
        .cells
        .iter()
        .filter(|cell| cell.verdict == Verdict::Unsupported && cell.firmware == "conforming")
        .map(|cell| cell.id.as_str())
        .collect();
    unsupported.retain(|id| {
        let of_openssl = [
            "tls/suite-weak[",
            "tls/leaf-key[key=ed25519,version=1.0]",
            "tls/leaf-key[key=ed25519,version=1.1]",
        ];
        !of_openssl.iter().any(|point| id.starts_with(point))
    });
    assert_eq!(unsupported, [""; 0]);
}

#[test]
fn the_matrix() {
    let mut results = normalised(shipped().results.clone());
    results.cells.retain(|cell| !is_tls(cell));
    results.run.planned = results.cells.len();
    let options = report::terminal::TerminalOptions { width: 120, ..Default::default() };
    insta::assert_snapshot!(report::terminal::render(&results, &options));
}

/// One line for each point of the TLS scenarios: level, and what each client did. What this host's OpenSSL cannot do is
/// not in it: another one can.
#[test]
fn the_tls_matrix() {
    let clients: Vec<_> = CLIENTS.iter().map(|(id, _)| format!("{id:<14}")).collect();
    let mut lines = vec![format!("{}point", clients.concat())];
    let cells: Vec<_> = shipped().results.cells.iter().filter(|cell| is_tls(cell)).collect();
    for point in cells.chunks(CLIENTS.len()) {
        if point.iter().any(|cell| cell.verdict == Verdict::Unsupported) {
            continue;
        }
        let did = point.iter().map(|cell| {
            let sign = if cell.verdict == Verdict::Pass { ' ' } else { 'x' };
            format!("{sign} {:<12}", cell.outcome.unwrap().to_string())
        });
        let (id, _) = point[0].id.rsplit_once('@').unwrap();
        lines.push(format!("{}{:<7} {id}", did.collect::<String>(), point[0].level.to_string()));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

/// One line for each entry: guest time and event. Nothing in it differs from run to run.
#[test]
fn the_timeline_of_a_plain_boot() {
    let done = shipped();
    let cell = done.results.cells.iter().find(|cell| cell.id == "control/plain@edk2-2026.08").unwrap();
    let lines: Vec<String> = done
        .timeline(cell)
        .iter()
        .map(|entry| format!("{} {}", entry.at, serde_json::to_string(&entry.event).unwrap()))
        .collect();
    // Sequence numbers depend on the size of the payload, which its own test looks after.
    insta::with_settings!({ filters => [(r"\b(seq|ack) \d+", "$1 N")] }, {
        insta::assert_snapshot!(lines.join("\n"));
    });
}

#[test]
fn results_json_is_what_its_schema_says_and_names_files_that_exist() {
    let done = shipped();
    report::write_all(done.directory.path(), &done.results, &report::Context::default()).unwrap();
    let read = |path: &Path| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let schema = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../record/results.schema.json"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut results = read(&done.directory.path().join("results.json"));
    let errors: Vec<String> = validator.iter_errors(&results).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    results["cells"][0]["verdict"] = "passed".into();
    assert!(!validator.is_valid(&results));

    let reread = report::load(&done.directory.path().join("results.json")).unwrap();
    assert_eq!(reread, done.results);
    for evidence in reread.cells.iter().filter_map(evidence) {
        let files = [&evidence.capture, &evidence.console, &evidence.timeline, &evidence.cell];
        for file in files.into_iter().chain(&evidence.command).chain(&evidence.keys) {
            assert!(done.directory.path().join(file).is_file(), "{file}");
        }
    }
}

/// A cell's resolved scenario is itself a scenario with one point and the same network.
#[test]
fn a_cell_can_be_run_again_from_its_evidence() {
    let done = shipped();
    for cell in done.results.cells.iter().filter(|cell| cell.firmware == "conforming") {
        let Some(evidence) = evidence(cell) else { continue };
        let path = done.directory.path().join(&evidence.cell);
        let bytes = std::fs::read(&path).unwrap();
        let again = scenario::Scenario::parse(&path, &bytes, None).unwrap_or_else(|error| panic!("{error}"));
        let [point] = again.points() else { panic!("{} has several points", cell.id) };
        assert_eq!((&point.expected, point.level), (&cell.expected, cell.level), "{}", cell.id);
    }
}

#[test]
fn the_same_run_gives_the_same_results() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let scenarios = scenario::load_dir(&root).unwrap_or_else(|error| panic!("{error}"));
    let http: Vec<_> = scenarios.into_iter().filter(|s| s.id.starts_with("http/")).collect();
    let again = || {
        let guests = Fakes::all(Behaviour::edk2_2026_08());
        normalised(run(plan(&http, vec![build("fake")]), guests).results)
    };
    assert_eq!(again(), again());
}
