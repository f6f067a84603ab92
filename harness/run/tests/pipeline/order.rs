//! Which cell runs when, and when no more are taken.

use crate::bench::{Done, Fakes, Link, Setup, build, plan, run_with, scenario};
use fake_firmware::{Behaviour, Moment, TroubleKind};
use record::{CellResult, Verdict};
use run::{Costs, StartError};
use scenario::Scenario;
use std::time::Duration;

fn expecting(id: &str, expectation: &str) -> Scenario {
    scenario(id, "must", &format!("expect: {{ outcome: {expectation} }}"))
}

fn boots(id: &str) -> Scenario {
    expecting(id, "boots")
}

fn conforming() -> Fakes {
    Fakes::all(Behaviour::conforming())
}

/// What was said that begins with `word`, without it.
fn said<'d>(done: &'d Done, word: &str) -> Vec<&'d str> {
    done.said.iter().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).collect()
}

fn ids(done: &Done) -> Vec<&str> {
    done.results.cells.iter().map(|cell| cell.id.as_str()).collect()
}

#[test]
fn what_is_expected_to_take_long_starts_first_and_results_keep_their_order() {
    let scenarios = [
        boots("a/boots"),
        scenario("b/observes", "observe", ""),
        expecting("c/refuses", "refuses"),
        expecting("d/hangs", "hangs"),
        expecting("e/either", "[refuses, gives-up]"),
    ];
    let done = run_with(plan(&scenarios, vec![build("fake")]), conforming(), Setup::default());
    let order = ["control/plain", "d/hangs", "e/either", "b/observes", "c/refuses", "a/boots"];
    assert_eq!(said(&done, "started"), order.map(|id| format!("{id}@fake")));
    let order = ["control/plain", "a/boots", "b/observes", "c/refuses", "d/hangs", "e/either"];
    assert_eq!(ids(&done), order.map(|id| format!("{id}@fake")));
}

/// A result of an earlier run, changed.
fn earlier(id: &str, change: impl FnOnce(&mut CellResult)) -> CellResult {
    let done = run_with(plan(&[boots(id)], vec![build("fake")]), conforming(), Setup::default());
    let mut cell = done.cell(id).clone();
    change(&mut cell);
    cell
}

#[test]
fn what_a_cell_took_before_is_a_better_guess_than_its_expectation() {
    let costs = Costs::of(&[
        earlier("a/a", |cell| cell.wall_seconds = 0.01),
        earlier("b/b", |cell| cell.wall_seconds = 20.0),
        // Twenty runs of half a second.
        earlier("c/c", |cell| {
            cell.wall_seconds = 10.0;
            cell.repeats = Some(record::Repeats { runs: 20, differing: 0 });
        }),
        // Nothing was measured.
        earlier("d/d", |cell| {
            cell.wall_seconds = 900.0;
            cell.outcome = None;
        }),
    ]);
    let scenarios = [boots("a/a"), boots("b/b"), boots("c/c"), boots("d/d"), expecting("e/e", "gives-up")];
    let setup = Setup { costs, ..Setup::default() };
    let done = run_with(plan(&scenarios, vec![build("fake")]), conforming(), setup);
    let order = ["control/plain", "b/b", "e/e", "c/c", "d/d", "a/a"];
    assert_eq!(said(&done, "started"), order.map(|id| format!("{id}@fake")));
}

#[test]
fn a_slow_control_holds_up_nobody_but_its_own_firmware() {
    let guests = Fakes::choosing(|cell, firmware, _| {
        let stuck = firmware.id == "slow" && cell.control;
        Ok((Behaviour::conforming(), if stuck { Link::Stuck } else { Link::Good }))
    });
    let setup = Setup { jobs: 2, host_limit: Some(Duration::from_secs(1)), ..Setup::default() };
    let scenarios = [boots("a/a"), boots("b/b")];
    let done = run_with(plan(&scenarios, vec![build("slow"), build("quick")]), guests, setup);
    let at = |line: &str| done.said.iter().position(|said| said == line).unwrap_or_else(|| panic!("{line}"));
    assert!(at("finished b/b@quick") < at("finished control/plain@slow"), "{:?}", done.said);
    assert!(at("finished control/plain@quick") < at("started a/a@quick"));
    assert!(at("finished control/plain@slow") < at("finished a/a@slow"));
    assert_eq!(done.results.totals().pass, 3);
    assert_eq!(done.results.totals().error, 3);
}

fn five() -> run::Plan {
    plan(&[boots("a/a"), boots("b/b"), boots("c/c"), boots("d/d"), boots("e/e")], vec![build("fake")])
}

/// A client that boots, but for one scenario.
fn fails_at(id: &'static str) -> Fakes {
    Fakes::choosing(move |cell, _, _| {
        let speaks = cell.scenario != id;
        Ok((Behaviour { speaks, ..Behaviour::conforming() }, Link::Good))
    })
}

#[test]
fn without_fail_fast_everything_runs() {
    let done = run_with(five(), fails_at("c/c"), Setup::default());
    assert_eq!((done.results.cells.len(), &done.results.run.stopped), (6, &None));
}

#[test]
fn fail_fast_takes_no_cell_after_the_first_failure() {
    let setup = || Setup { fail_fast: true, ..Setup::default() };
    let done = run_with(five(), fails_at("c/c"), setup());
    let run = &done.results.run;
    assert_eq!(ids(&done), ["control/plain@fake", "a/a@fake", "b/b@fake", "c/c@fake"]);
    assert_eq!(run.stopped.as_deref(), Some("--fail-fast: c/c@fake is fail"));
    assert!(!run.interrupted, "nobody interrupted it");
    assert_eq!(run.planned, 6);

    let done = run_with(five(), fails_at("e/e"), setup());
    assert_eq!((done.results.cells.len(), &done.results.run.stopped), (6, &None), "nothing was left");

    let nothing_starts = Fakes::choosing(|_, _, _| Err(StartError("no".into())));
    let done = run_with(five(), nothing_starts, setup());
    assert_eq!(ids(&done), ["control/plain@fake"]);
    assert_eq!(done.results.run.stopped.as_deref(), Some("--fail-fast: control/plain@fake is error"));
}

/// As QEMU for Arm says it of a model of x86.
#[test]
fn a_processor_of_another_architecture_is_nothing_that_failed() {
    let said = "failed to start QEMU: QEMU ended with exit code 1\nqemu: unable to find CPU model 'Nehalem'\ncommand: …";
    let no_such_processor = Fakes::choosing(|cell, _, _| match cell.scenario.as_str() {
        "b/b" => Err(StartError(said.into())),
        _ => Ok((Behaviour::conforming(), Link::Good)),
    });
    let done = run_with(five(), no_such_processor, Setup::default());
    let cell = done.cell("b/b");
    assert_eq!((cell.verdict, cell.attempts), (Verdict::Unsupported, 1));
    assert_eq!(cell.detail, "QEMU has no processor `Nehalem` for the architecture of this firmware.");
}

#[test]
fn fail_fast_lets_running_cells_finish() {
    let exits = Behaviour::conforming().with_trouble(Moment::GetSent, TroubleKind::Exit);
    let guests = Fakes::choosing(move |cell, _, _| match cell.scenario.as_str() {
        "a/a" => Ok((Behaviour { speaks: false, ..Behaviour::conforming() }, Link::Good)),
        "b/b" => Ok((exits.clone(), Link::Good)),
        _ => Ok(Default::default()),
    });
    let setup = Setup { fail_fast: true, jobs: 2, ..Setup::default() };
    let done = run_with(five(), guests, setup);
    // `b/b` had begun beside `a/a`.
    assert_eq!(ids(&done)[..3], ["control/plain@fake", "a/a@fake", "b/b@fake"]);
    assert_eq!(done.cell("b/b").verdict, Verdict::Error);
    assert!(done.results.cells.len() < 6);
    for started in said(&done, "started") {
        assert!(ids(&done).contains(&started), "{started} was begun and has no result");
    }
}
