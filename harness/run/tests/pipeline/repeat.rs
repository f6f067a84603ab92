//! Cells that run several times: whatever differs is noticed, and what does not leaves no trace.

use crate::bench::{Done, Fakes, Link, Setup, build, plan, run_with, scenario};
use fake_firmware::Behaviour;
use record::{CellResult, Outcome, Repeats, Verdict};
use run::{Cell, StartError};
use std::time::Duration;

type Guest = Result<(Behaviour, Link), StartError>;

/// A cell of `x/x` beside its control, each run `repeat` times; `choice` is about the how-manieth start of `x/x`.
fn repeated(repeat: u32, jobs: usize, choice: impl Fn(u32) -> Guest + 'static) -> Done {
    let guests = Fakes::choosing(move |cell: &Cell, _, start| match cell.control {
        true => Ok(Default::default()),
        false => choice(start),
    });
    let scenario = scenario("x/x", "must", "expect: { outcome: boots }");
    let setup = Setup { repeat, jobs, host_limit: Some(Duration::from_secs(2)), ..Setup::default() };
    run_with(plan(&[scenario], vec![build("fake")]), guests, setup)
}

fn conforming() -> Behaviour {
    Behaviour::conforming()
}

fn mute() -> Behaviour {
    Behaviour { speaks: false, ..conforming() }
}

fn good(behaviour: Behaviour) -> Guest {
    Ok((behaviour, Link::Good))
}

/// The repeats whose evidence is there.
fn kept(done: &Done, cell: &CellResult) -> Vec<String> {
    let prefix = format!("{}/repeat-", cell.evidence.as_ref().unwrap().directory);
    let files = done.files();
    let repeats = files.iter().filter_map(|file| file.strip_prefix(&prefix));
    repeats.filter(|number| !number.contains('/')).map(str::to_owned).collect()
}

#[test]
fn a_cell_that_always_does_the_same_is_not_flaky() {
    for jobs in [1, 3] {
        let done = repeated(20, jobs, |_| good(conforming()));
        let cell = done.cell("x/x");
        assert_eq!((cell.verdict, cell.flaky), (Verdict::Pass, false), "{}", cell.detail);
        assert_eq!(cell.repeats, Some(Repeats { runs: 20, differing: 0 }));
        assert_eq!(cell.attempts, 20);
        assert!(!cell.detail.contains("laky"), "{}", cell.detail);
        assert_eq!(kept(&done, cell), [""; 0]);
        assert_eq!((done.results.flaky(), done.results.run.repeat, done.results.run.retries), (0, 20, 0));
        assert_eq!(done.said[0], "planned 40");
        let count = |what: &str| done.said.iter().filter(|said| said.starts_with(what)).count();
        assert_eq!((count("ran x/x"), count("finished x/x")), (20, 1));
    }
}

/// Where the bytes of a line are torn apart is the host's doing: a line must not end an attempt before its own end.
#[test]
fn a_console_that_comes_in_pieces_says_the_same() {
    for client in [conforming, mute] {
        let link = |start| if start % 2 == 0 { Link::Drips } else { Link::Good };
        let done = repeated(4, 1, move |start| Ok((client(), link(start))));
        let cell = done.cell("x/x");
        assert_eq!(cell.repeats, Some(Repeats { runs: 4, differing: 0 }), "{}", cell.detail);
    }
}

#[test]
fn without_repeats_nothing_is_said_about_them() {
    let done = repeated(1, 1, |_| good(conforming()));
    let cell = done.cell("x/x");
    assert_eq!((cell.repeats, cell.flaky, cell.attempts), (None, false, 1));
    assert_eq!(cell.transcript.as_ref().unwrap().len(), 64);
}

#[test]
fn another_verdict_makes_a_cell_flaky() {
    let done = repeated(6, 1, |start| good(if start % 3 == 0 { mute() } else { conforming() }));
    let cell = done.cell("x/x");
    assert_eq!((cell.verdict, cell.outcome), (Verdict::Pass, Some(Outcome::Boots)), "that of the first run");
    assert!(cell.flaky);
    assert_eq!(cell.repeats, Some(Repeats { runs: 6, differing: 2 }));
    assert_eq!(done.results.flaky(), 1);
    assert_eq!(kept(&done, cell), ["3", "6"], "the evidence of what differs stays");
    let said = cell.detail.split_once(" Flaky: ").unwrap().1;
    let directory = &cell.evidence.as_ref().unwrap().directory;
    let how = format!("run 3: fail, gives-up at link (link.no-boot-option) ({directory}/repeat-3).");
    assert_eq!(said, format!("2 of 5 repeats did not do the same; {how}"));
    assert!(done.timeline(cell).iter().any(|entry| matches!(entry.event, wire::Event::Proof { .. })));
}

#[test]
fn the_first_run_gives_the_verdict_whoever_ends_first() {
    // The first start fails after a while, and its retry boots when the second run has ended.
    let done = repeated(2, 2, |start| match start {
        1 => Ok((conforming(), Link::Stuck)),
        2 => good(mute()),
        _ => good(conforming()),
    });
    let cell = done.cell("x/x");
    assert_eq!((cell.verdict, cell.flaky), (Verdict::Pass, true), "{}", cell.detail);
    assert!(cell.detail.contains("run 2: fail, gives-up at link"), "{}", cell.detail);
}

#[test]
fn the_same_verdict_in_another_way_is_flaky_too() {
    let headless = Behaviour { heads: false, ..conforming() };
    let done = repeated(2, 1, move |start| good(if start == 2 { headless.clone() } else { conforming() }));
    let cell = done.cell("x/x");
    assert!(cell.flaky);
    assert_eq!((cell.verdict, cell.repeats.unwrap().differing), (Verdict::Pass, 1));
    assert!(cell.detail.contains("run 2: its transcript differs from line "), "{}", cell.detail);
    assert!(cell.detail.contains("\"method\":\"GET\""), "{}", cell.detail);
}

#[test]
fn an_error_that_a_retry_mends_is_not_flaky_and_is_counted() {
    let done = repeated(3, 1, |start| match start {
        2 | 3 => Err(StartError("out of memory".into())),
        _ => good(conforming()),
    });
    let cell = done.cell("x/x");
    assert_eq!((cell.flaky, cell.attempts), (false, 5), "{}", cell.detail);
    assert_eq!(cell.repeats, Some(Repeats { runs: 3, differing: 0 }));
    assert_eq!(done.results.run.retries, 2);
}

#[test]
fn an_error_that_stays_differs() {
    let done = repeated(2, 1, |start| match start {
        1 => good(conforming()),
        _ => Err(StartError("out of memory".into())),
    });
    let cell = done.cell("x/x");
    assert_eq!((cell.verdict, cell.flaky), (Verdict::Pass, true));
    assert!(
        cell.detail.contains("run 2: error, failed to start the guest: out of memory"),
        "{}",
        cell.detail
    );
}

#[test]
fn repeats_of_firmware_whose_control_failed_are_not_counted() {
    let scenario = scenario("x/x", "must", "expect: { outcome: boots }");
    let setup = Setup { repeat: 3, ..Setup::default() };
    let done = run_with(plan(&[scenario], vec![build("fake")]), Fakes::all(mute()), setup);
    let cell = done.cell("x/x");
    assert_eq!((cell.verdict, cell.repeats, cell.flaky, cell.attempts), (Verdict::Error, None, false, 0));
    assert_eq!(done.cell(run::CONTROL).repeats, Some(Repeats { runs: 3, differing: 0 }));
    assert_eq!(done.results.run.retries, 0);
}

#[test]
fn fail_fast_completes_the_repeats_of_a_cell_that_has_begun() {
    let scenarios = ["a/a", "b/b"].map(|id| scenario(id, "must", "expect: { outcome: boots }"));
    let guests = Fakes::choosing(|cell, _, start| {
        let flaky = cell.scenario == "a/a" && start == 2;
        good(if flaky { mute() } else { conforming() })
    });
    let setup = Setup { repeat: 4, fail_fast: true, ..Setup::default() };
    let done = run_with(plan(&scenarios, vec![build("fake")]), guests, setup);
    assert_eq!(done.cell("a/a").repeats, Some(Repeats { runs: 4, differing: 1 }));
    let begun_after: Vec<_> = done.said.iter().filter(|said| said.starts_with("started b/b")).collect();
    assert_eq!(begun_after, [""; 0]);
    assert_eq!(done.results.run.stopped.as_deref(), Some("--fail-fast: a/a@fake is flaky"));
}
