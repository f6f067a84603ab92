//! The journal: at whatever moment a run ends, the rest of it gives the matrix of an undisturbed run.

use crate::bench::{Done, Fakes, Link, Setup, build, plan, run_in, scenario};
use fake_firmware::{Behaviour, Moment, TroubleKind};
use record::{CellResult, ClockMode, Verdict};
use run::{Choices, Header, JOURNAL, Journal, JournalError, Plan, StartError};
use scenario::Scenario;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Cells of [`the_plan`], controls included.
const CELLS: usize = 10;

fn scenarios() -> [Scenario; 3] {
    [
        scenario("a/a", "must", "expect: { outcome: boots }"),
        scenario("b/b", "observe", "vary: { http.status: [404, 503] }"),
        scenario("c/c", "must", "expect: { outcome: refuses }"),
    ]
}

fn the_plan() -> Plan {
    plan(&scenarios(), vec![build("one"), build("two")])
}

fn conforming() -> Fakes {
    Fakes::all(Behaviour::conforming())
}

fn header(plan: &Plan) -> Header {
    let choices = Choices {
        select: Vec::new(),
        firmware: Vec::new(),
        scenarios: "/s".into(),
        catalog: None,
        waivers: "/w".into(),
        clock: ClockMode::Virtual,
        accel: "auto".into(),
        cold: false,
        seed: 1,
        repeat: 1,
        level: Vec::new(),
        shard: None,
    };
    Header::new("run".into(), choices, plan, Vec::new(), String::new(), Vec::new())
}

/// A run with a journal, from its beginning.
fn begin(guests: Fakes, setup: Setup) -> Done {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::create(directory.path(), header(&the_plan())).unwrap();
    run_in(directory, the_plan(), guests, Setup { journal: Some(journal), ..setup })
}

/// The rest of the run in `directory`.
fn resume(directory: TempDir, guests: Fakes, setup: Setup) -> Done {
    let journal = Journal::open(directory.path()).unwrap();
    run_in(directory, the_plan(), guests, Setup { journal: Some(journal), ..setup })
}

/// The results without what may differ.
fn matrix(done: &Done) -> Vec<CellResult> {
    let same = |cell: &CellResult| CellResult { wall_seconds: 0.0, attempts: 0, ..cell.clone() };
    done.results.cells.iter().map(same).collect()
}

fn journal(directory: &Path) -> Vec<u8> {
    fs::read(directory.join(JOURNAL)).unwrap()
}

fn lines(journal: &[u8]) -> usize {
    journal.iter().filter(|byte| **byte == b'\n').count()
}

fn started(done: &Done) -> usize {
    done.said.iter().filter(|said| said.starts_with("started ")).count()
}

fn by_id<'d>(done: &'d Done, id: &str) -> &'d CellResult {
    done.results.cells.iter().find(|cell| cell.id == id).unwrap()
}

#[test]
fn every_result_is_a_line_of_the_journal() {
    let done = begin(conforming(), Setup { jobs: 3, ..Setup::default() });
    let whole = journal(done.directory.path());
    assert_eq!(lines(&whole), 1 + CELLS);
    let header: serde_json::Value =
        serde_json::from_slice(whole.split(|b| *b == b'\n').next().unwrap()).unwrap();
    assert_eq!(header["cells"].as_array().unwrap().len(), CELLS);
    assert_eq!(header["firmware"][0]["id"], "one");
    assert_eq!(header["scenarios"]["a/a"], scenarios()[0].sha256);
    assert_eq!(header["started"], done.results.run.started);
    let read = Journal::open(done.directory.path()).unwrap();
    for line in read.lines() {
        assert_eq!(line.cell.verdict, by_id(&done, &line.cell.id).verdict);
        assert_eq!(line.cell.transcript, by_id(&done, &line.cell.id).transcript);
        assert!(line.elapsed > 0.0 && line.elapsed <= done.results.run.wall_seconds);
    }
}

/// As a `kill -9` at any moment leaves it: with any part of the last line, and with any number of lines.
#[test]
fn a_journal_that_is_torn_anywhere_resumes_to_the_same_matrix() {
    let undisturbed = begin(conforming(), Setup::default());
    let (expected, files) = (matrix(&undisturbed), undisturbed.files());
    let whole = journal(undisturbed.directory.path());
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] == b'\n').map(|at| at + 1).collect();
    let last_begins = ends[CELLS - 1];
    let around_ends = ends[..CELLS].iter().flat_map(|end| [*end, end + 1, end + 700]);
    let mut directory = undisturbed.directory;
    for cut in (last_begins..whole.len()).chain(around_ends) {
        fs::write(directory.path().join(JOURNAL), &whole[..cut]).unwrap();
        let done = resume(directory, conforming(), Setup::default());
        assert_eq!(matrix(&done), expected, "cut at {cut}");
        assert!(!done.results.run.interrupted);
        assert_eq!(done.files(), files, "cut at {cut}");
        let missing = ends.iter().filter(|end| **end > cut).count();
        assert_eq!(started(&done), missing, "cut at {cut}: only what is missing runs");
        assert_eq!(lines(&journal(done.directory.path())), 1 + CELLS);
        directory = done.directory;
    }
}

#[test]
fn evidence_that_is_half_there_does_not_stay() {
    let done = begin(conforming(), Setup::default());
    let expected = matrix(&done);
    let evidence = by_id(&done, "a/a@one").evidence.clone().unwrap();
    let directory = done.directory;
    let whole = String::from_utf8(journal(directory.path())).unwrap();
    let without = |line: &&str| !line.contains("\"cell\":{\"id\":\"a/a@one\"");
    let text: Vec<&str> = whole.lines().filter(without).collect();
    assert_eq!(text.len(), CELLS);
    fs::write(directory.path().join(JOURNAL), text.join("\n") + "\n").unwrap();
    fs::write(directory.path().join(&evidence.capture), "half a cap").unwrap();
    fs::create_dir(directory.path().join(&evidence.directory).join("repeat-2")).unwrap();
    let done = resume(directory, conforming(), Setup::default());
    assert_eq!(matrix(&done), expected);
    assert_eq!(started(&done), 1);
    assert!(fs::metadata(done.directory.path().join(&evidence.capture)).unwrap().len() > 1000);
    assert!(!done.files().iter().any(|file| file.contains("repeat-2")));
}

#[test]
fn an_interrupted_run_resumes_too() {
    let undisturbed = matrix(&begin(conforming(), Setup::default()));
    for finished in [0, 1, 2, 5, 7] {
        let interrupted = Setup { interrupted_after: Some(finished), jobs: 2, ..Setup::default() };
        let first = begin(conforming(), interrupted);
        assert!(first.results.run.interrupted);
        let had = first.results.cells.len();
        let done = resume(first.directory, conforming(), Setup { jobs: 2, ..Setup::default() });
        assert_eq!(matrix(&done), undisturbed, "interrupted after {finished}");
        assert_eq!(started(&done), CELLS - had);
        match had {
            0 => {}
            _ => assert_eq!(done.said[1], format!("resumed {had}")),
        }
        assert_eq!(done.results.run.started, first.results.run.started);
    }
}

#[test]
fn errors_run_again_and_findings_do_not() {
    let undisturbed = matrix(&begin(conforming(), Setup::default()));
    let exits = Behaviour::conforming().with_trouble(Moment::GetSent, TroubleKind::Exit);
    let guests = Fakes::choosing(move |cell, _, _| match cell.id.as_str() {
        "a/a@one" => Ok((exits.clone(), Link::Good)),
        "control/plain@two" => Err(StartError("out of memory".into())),
        _ => Ok(Default::default()),
    });
    let first = begin(guests, Setup::default());
    assert_eq!(first.results.totals().error, 6, "a cell, a control, and the four cells that need it");
    let done = resume(first.directory, conforming(), Setup::default());
    assert_eq!(started(&done), 6);
    assert_eq!(matrix(&done), undisturbed);
    assert_eq!(done.said[1], "resumed 4");
}

#[test]
fn a_control_that_failed_stays_failed() {
    let guests = || {
        Fakes::choosing(move |_, firmware, _| {
            let speaks = firmware.id != "two";
            Ok((Behaviour { speaks, ..Behaviour::conforming() }, Link::Good))
        })
    };
    let undisturbed = begin(guests(), Setup::default());
    let first = begin(guests(), Setup { interrupted_after: Some(3), ..Setup::default() });
    let done = resume(first.directory, guests(), Setup::default());
    assert_eq!(matrix(&done), matrix(&undisturbed));
    assert!(!done.said.contains(&"started control/plain@two".to_owned()), "{:?}", done.said);
    let errors: Vec<_> = done.results.cells.iter().filter(|cell| cell.verdict == Verdict::Error).collect();
    assert_eq!(errors.len(), 4);
    assert!(errors.iter().all(|cell| cell.detail.starts_with("control failed: ")));
}

#[test]
fn a_complete_run_has_nothing_to_resume() {
    let first = begin(conforming(), Setup::default());
    let expected = matrix(&first);
    let before = journal(first.directory.path());
    let done = resume(first.directory, conforming(), Setup::default());
    assert_eq!((started(&done), matrix(&done)), (0, expected));
    assert_eq!(journal(done.directory.path()), before);
}

#[test]
fn a_run_that_stopped_at_a_failure_can_be_completed() {
    let guests = || {
        Fakes::choosing(|cell, _, _| {
            let speaks = cell.id != "a/a@two";
            Ok((Behaviour { speaks, ..Behaviour::conforming() }, Link::Good))
        })
    };
    let undisturbed = matrix(&begin(guests(), Setup::default()));
    let first = begin(guests(), Setup { fail_fast: true, ..Setup::default() });
    assert!(first.results.run.stopped.is_some() && first.results.cells.len() < CELLS);
    let done = resume(first.directory, guests(), Setup::default());
    assert_eq!(matrix(&done), undisturbed);
    assert_eq!(done.results.run.stopped, None);
}

#[test]
fn a_run_with_repeats_resumes_by_whole_cells() {
    let setup = |interrupted_after| Setup { repeat: 3, interrupted_after, ..Setup::default() };
    let undisturbed = begin(conforming(), setup(None));
    let first = begin(conforming(), setup(Some(4)));
    let done = resume(first.directory, conforming(), setup(None));
    assert_eq!(matrix(&done), matrix(&undisturbed));
    assert_eq!(done.files(), undisturbed.files());
}

#[test]
fn a_lock_that_is_let_go_in_a_moment_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    drop(Journal::create(directory.path(), header(&the_plan())).unwrap());
    // As a child has it that another thread is starting.
    let held = fs::File::open(directory.path().join(JOURNAL)).unwrap();
    held.lock().unwrap();
    let holder = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        drop(held);
    });
    Journal::open(directory.path()).unwrap();
    holder.join().unwrap();
}

#[test]
fn nobody_resumes_a_run_that_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::create(directory.path(), header(&the_plan())).unwrap();
    let began = journal.header().clone();
    let error = Journal::open(directory.path()).unwrap_err();
    assert!(matches!(&error, JournalError::Busy(_)), "{error}");
    assert!(error.to_string().contains("another plugfest is still running its cells"), "{error}");
    drop(journal);
    assert_eq!(Journal::open(directory.path()).unwrap().header(), &began);
}

/// Why the journal with this text cannot be used.
fn refused(text: &[u8]) -> JournalError {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(JOURNAL), text).unwrap();
    Journal::open(directory.path()).unwrap_err()
}

#[test]
fn what_is_no_journal_of_ours_is_refused() {
    let done = begin(conforming(), Setup::default());
    let whole = journal(done.directory.path());
    let header = whole.iter().position(|byte| *byte == b'\n').unwrap();
    for cut in 0..=header {
        assert!(matches!(refused(&whole[..cut]), JournalError::Empty(_)), "cut at {cut}");
    }
    let newer = String::from_utf8(whole.clone()).unwrap().replace("plugfest-journal/2", "plugfest-journal/3");
    let error = refused(newer.as_bytes());
    assert!(
        matches!(&error, JournalError::Version { found, .. } if found == "plugfest-journal/3"),
        "{error}"
    );
    // Not at the end, so not torn by us.
    let mut damaged = whole;
    damaged[header + 20] = b'\n';
    let error = refused(&damaged);
    assert!(matches!(&error, JournalError::Damaged { line: 2, .. }), "{error}");
}
