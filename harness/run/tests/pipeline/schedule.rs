//! Controls, retries, errors of our own, interruption.

use crate::bench::{Done, Fakes, Link, Setup, build, plan, run, run_with, scenario};
use fake_firmware::{Behaviour, Moment, TroubleKind};
use record::{CellResult, Verdict};
use run::StartError;
use scenario::Scenario;
use std::time::Duration;
use wire::GuestTime;

fn boots(id: &str) -> Scenario {
    scenario(id, "must", "expect: { outcome: boots }")
}

/// One cell beside its control; `choice` is about that cell.
fn one(choice: impl Fn(u32) -> Result<(Behaviour, Link), StartError> + 'static) -> Done {
    one_within(Duration::from_secs(60), choice)
}

fn one_within(
    host_limit: Duration,
    choice: impl Fn(u32) -> Result<(Behaviour, Link), StartError> + 'static,
) -> Done {
    let guests = Fakes::choosing(move |cell, _, attempt| match cell.control {
        true => Ok(Default::default()),
        false => choice(attempt),
    });
    let setup = Setup { host_limit: Some(host_limit), ..Setup::default() };
    run_with(plan(&[boots("x/x")], vec![build("fake")]), guests, setup)
}

fn exit() -> Behaviour {
    Behaviour::conforming().with_trouble(Moment::GetSent, TroubleKind::Exit)
}

#[test]
fn controls_run_first_and_each_only_once() {
    let scenarios = [boots("a/a"), boots("b/b")];
    let done = run(plan(&scenarios, vec![build("one"), build("two")]), Fakes::all(Behaviour::conforming()));
    let started: Vec<&str> = done.said.iter().filter_map(|line| line.strip_prefix("started ")).collect();
    assert_eq!(
        started,
        ["control/plain@one", "control/plain@two", "a/a@one", "a/a@two", "b/b@one", "b/b@two"]
    );
    assert_eq!(done.said[0], "planned 6");
    assert_eq!(done.results.run.planned, 6);
    let ids: Vec<&str> = done.results.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids, started, "the order of the plan, whatever finished first");
}

#[test]
fn a_failed_control_says_nothing_about_its_firmware_and_nothing_against_others() {
    let scenarios = [boots("a/a"), scenario("b/b", "observe", "network: { http: { status: 404 } }")];
    let mute = Behaviour { speaks: false, ..Behaviour::conforming() };
    let guests = Fakes::choosing(move |_, firmware, _| {
        Ok((if firmware.id == "bad" { mute.clone() } else { Behaviour::conforming() }, Link::Good))
    });
    let done = run(plan(&scenarios, vec![build("bad"), build("good")]), guests);
    for cell in &done.results.cells {
        match (cell.firmware.as_str(), cell.scenario.as_str()) {
            ("good", _) => assert_eq!(cell.verdict, Verdict::Pass, "{}", cell.id),
            (_, run::CONTROL) => {
                assert_eq!((cell.verdict, cell.attempts), (Verdict::Fail, 1));
                assert_eq!(cell.cause.as_deref(), Some("link.no-boot-option"));
            }
            _ => {
                assert_eq!((cell.verdict, cell.attempts), (Verdict::Error, 0), "{}", cell.id);
                assert!(
                    cell.detail.starts_with("control failed: The firmware sent no frame"),
                    "{}",
                    cell.detail
                );
                assert_eq!(
                    (cell.outcome, cell.stage, &cell.cause, &cell.evidence),
                    (None, None, &None, &None)
                );
            }
        }
    }
    assert!(!done.said.contains(&"started a/a@bad".to_owned()), "it does not run");
}

#[test]
fn a_control_that_could_not_be_measured_condemns_too() {
    let guests = Fakes::choosing(|_, _, _| Err(StartError("no such program".into())));
    let done = run(plan(&[boots("a/a")], vec![build("fake")]), guests);
    assert_eq!(done.results.totals().error, 2);
    let detail = &done.cell("a/a").detail;
    assert!(detail.starts_with("control failed: ") && detail.contains("no such program"), "{detail}");
}

#[test]
fn a_transient_error_is_tried_again() {
    for failures in [1, 2] {
        let done = one(move |attempt| match attempt <= failures {
            true => Err(StartError("out of memory".into())),
            false => Ok(Default::default()),
        });
        let cell = done.cell("x/x");
        assert_eq!((cell.verdict, cell.attempts), (Verdict::Pass, failures + 1));
        let retries: Vec<_> = done.said.iter().filter(|line| line.starts_with("retrying ")).collect();
        assert_eq!(retries.len(), failures as usize);
        assert_eq!(retries[0], "retrying x/x@fake: failed to start the guest: out of memory");
        // The evidence is that of the attempt that counts.
        let command = done.directory.path().join(cell.evidence.as_ref().unwrap().command.as_ref().unwrap());
        assert!(std::fs::read_to_string(command).unwrap().contains(&format!("--attempt={}", failures + 1)));
    }
}

/// The detail of a cell that stays an error, whose evidence is there and ends with the reason.
fn assert_error(done: &Done, attempts: u32) -> &CellResult {
    let cell = done.cell("x/x");
    assert_eq!((cell.verdict, cell.attempts), (Verdict::Error, attempts), "{}", cell.detail);
    assert_eq!((cell.outcome, cell.stage, &cell.cause), (None, None, &None));
    let evidence = cell.evidence.as_ref().unwrap();
    for file in [&evidence.capture, &evidence.console, &evidence.timeline, &evidence.cell] {
        assert!(done.directory.path().join(file).is_file(), "{file}");
    }
    let mut notes = done.timeline(cell).into_iter().filter_map(|entry| match entry.event {
        wire::Event::Harness { note } => Some(note),
        _ => None,
    });
    assert_eq!(notes.next_back().as_ref(), Some(&cell.detail));
    assert_eq!(done.cell(run::CONTROL).verdict, Verdict::Pass);
    cell
}

#[test]
fn what_stays_broken_is_an_error_with_evidence() {
    let done = one(|_| Ok((exit(), Link::Good)));
    let cell = assert_error(&done, 3);
    assert!(cell.detail.contains("QEMU ended by itself: signal: 11"), "{}", cell.detail);
    assert!(cell.guest_seconds > 2.0);
    let timeline = done.timeline(cell);
    assert!(timeline.iter().any(|entry| matches!(entry.event, wire::Event::HttpRequest { .. })));

    let done = one(|_| Ok((Behaviour::conforming(), Link::Breaks(GuestTime::from_micros(3_000_000)))));
    let cell = assert_error(&done, 3);
    assert!(cell.detail.contains("lost the connection to the guest: the socket broke"), "{}", cell.detail);

    let done = one_within(Duration::from_millis(20), |_| Ok((Behaviour::conforming(), Link::Stuck)));
    let cell = assert_error(&done, 3);
    assert!(cell.detail.contains("did not end within"), "{}", cell.detail);
}

/// An answer that the host delayed may be why a firmware gave up.
#[test]
fn a_late_answer_is_our_error_even_if_the_firmware_boots() {
    let late = Link::Late(Duration::from_millis(1200));
    let done =
        one(move |attempt| Ok((Behaviour::conforming(), if attempt == 1 { late } else { Link::Good })));
    let cell = done.cell("x/x");
    assert_eq!((cell.verdict, cell.attempts), (Verdict::Pass, 2));
    let retries: Vec<_> = done.said.iter().filter(|line| line.starts_with("retrying ")).collect();
    assert!(retries[0].contains("an answer of ours reached the guest 1.2 s late"), "{retries:?}");

    let done = one(move |_| Ok((Behaviour::conforming(), late)));
    let cell = assert_error(&done, 3);
    assert!(cell.detail.contains("overloaded"), "{}", cell.detail);
    let proven = |entry: &record::Entry| matches!(entry.event, wire::Event::Proof { genuine: true, .. });
    assert!(done.timeline(cell).iter().any(proven));

    let done = one(|_| Ok((Behaviour::conforming(), Link::Late(Duration::from_millis(800)))));
    assert_eq!((done.cell("x/x").verdict, done.cell("x/x").attempts), (Verdict::Pass, 1));
}

/// The evidence of the attempt before is still there, and the result says where.
#[test]
fn an_attempt_that_did_not_start_does_not_hide_the_one_before() {
    let done = one(|attempt| match attempt {
        1 => Ok((exit(), Link::Good)),
        _ => Err(StartError("out of memory".into())),
    });
    let cell = done.cell("x/x");
    assert_eq!((cell.verdict, cell.attempts), (Verdict::Error, 3));
    assert!(cell.detail.contains("out of memory"), "{}", cell.detail);
    assert!(done.directory.path().join(&cell.evidence.as_ref().unwrap().timeline).is_file());
}

#[test]
fn an_interrupted_run_keeps_what_is_finished_and_nothing_else() {
    let guests = Fakes::choosing(|cell, _, _| {
        let link = if cell.scenario == "b/b" { Link::Stuck } else { Link::Good };
        Ok((Behaviour::conforming(), link))
    });
    let scenarios = [boots("a/a"), boots("b/b"), boots("c/c")];
    let setup = Setup { interrupted_after: Some(2), ..Setup::default() };
    let done = run_with(plan(&scenarios, vec![build("fake")]), guests, setup);
    assert!(done.said.contains(&"started b/b@fake".to_owned()), "it was in the middle of a cell");
    assert!(done.results.run.interrupted);
    assert_eq!(done.results.run.planned, 4);
    let ids: Vec<&str> = done.results.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids, ["control/plain@fake", "a/a@fake"]);
    let leftovers: Vec<_> = done.files().into_iter().filter(|file| file.contains("b_b")).collect();
    assert_eq!(leftovers, [""; 0]);
    for cell in &done.results.cells {
        assert!(done.directory.path().join(&cell.evidence.as_ref().unwrap().capture).is_file());
    }
}

#[test]
fn a_run_that_is_interrupted_in_its_first_cell_leaves_an_empty_folder() {
    let guests = Fakes::choosing(|_, _, _| Ok((Behaviour::conforming(), Link::Stuck)));
    let setup = Setup { interrupted_after: Some(0), jobs: 2, ..Setup::default() };
    let done = run_with(plan(&[boots("a/a")], vec![build("one"), build("two")]), guests, setup);
    assert!(done.results.cells.is_empty() && done.results.run.interrupted);
    assert_eq!(done.files(), [""; 0]);
}

/// Several at a time give what one at a time gives.
#[test]
fn the_number_of_jobs_changes_nothing() {
    let run_with_jobs = |jobs| {
        let scenarios = [boots("a/a"), scenario("b/b", "observe", "vary: { http.status: [404, 503] }")];
        let plan = plan(&scenarios, vec![build("one"), build("two")]);
        let setup = Setup { jobs, ..Setup::default() };
        let mut results = run_with(plan, Fakes::all(Behaviour::edk2_2022_11()), setup).results;
        for cell in &mut results.cells {
            cell.wall_seconds = 0.0;
        }
        results.cells
    };
    assert_eq!(run_with_jobs(1), run_with_jobs(7));
}
