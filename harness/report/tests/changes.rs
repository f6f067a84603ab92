//! What changed between two runs.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use record::{Baseline, CellResult, Outcome, Results, Stage, Verdict};
use report::terminal::{TerminalOptions, render_changes};
use report::{Change, Changes, sample};

/// The sample, and an edited copy of it.
fn runs(edit: impl FnOnce(&mut Results)) -> (Results, Results) {
    let before = sample::results();
    let mut after = before.clone();
    edit(&mut after);
    (before, after)
}

fn first(results: &mut Results, verdict: Verdict) -> &mut CellResult {
    results.cells.iter_mut().find(|cell| cell.verdict == verdict).unwrap()
}

/// The kinds of change that an edit makes.
fn changes(edit: impl FnOnce(&mut Results)) -> Vec<Change> {
    let (before, after) = runs(edit);
    Changes::between(&Baseline::of(&before), &after).cells.iter().map(|cell| cell.change).collect()
}

#[test]
fn every_kind_of_change_is_told_apart() {
    assert_eq!(changes(|_| {}), []);
    assert_eq!(changes(|run| first(run, Verdict::Pass).verdict = Verdict::Fail), [Change::Regression]);
    assert_eq!(changes(|run| first(run, Verdict::Pass).flaky = true), [Change::Regression]);
    assert_eq!(changes(|run| first(run, Verdict::Xfail).verdict = Verdict::Xpass), [Change::Regression]);
    assert_eq!(changes(|run| first(run, Verdict::Fail).verdict = Verdict::Pass), [Change::Fix]);
    assert_eq!(changes(|run| first(run, Verdict::Fail).verdict = Verdict::Xfail), [Change::Fix], "waived");
    assert_eq!(changes(|run| first(run, Verdict::Fail).cause = Some("x.y".into())), [Change::OtherCause]);
    assert_eq!(changes(|run| first(run, Verdict::Pass).outcome = Some(Outcome::GivesUp)), [Change::OtherWay]);
    assert_eq!(changes(|run| drop(run.cells.remove(0))), [Change::Vanished]);
    let renamed = |run: &mut Results| first(run, Verdict::Pass).id.push('2');
    assert_eq!(changes(renamed), [Change::New, Change::Vanished]);
    let failing = |run: &mut Results| first(run, Verdict::Fail).id.push('2');
    assert_eq!(changes(failing), [Change::Regression, Change::Vanished], "new and failing");
}

#[test]
fn an_error_says_nothing_about_a_firmware() {
    assert_eq!(changes(|run| first(run, Verdict::Pass).verdict = Verdict::Error), [Change::Vanished]);
    assert_eq!(changes(|run| first(run, Verdict::Error).verdict = Verdict::Pass), [Change::New]);
}

#[test]
fn time_and_evidence_are_no_change() {
    let edit = |run: &mut Results| {
        for cell in &mut run.cells {
            cell.wall_seconds += 1.0;
            cell.guest_seconds += 1.0;
            cell.evidence = None;
        }
    };
    assert_eq!(changes(edit), []);
}

#[test]
fn the_terminal_says_what_changed() {
    let (before, after) = runs(|run| {
        run.run.id = "2026-11-23T080000Z".into();
        let firmware = &mut run.firmware[3];
        (firmware.version, firmware.code.sha256) = ("2026.11-1".into(), "0".repeat(64));
        let worse = first(run, Verdict::Pass);
        (worse.verdict, worse.outcome, worse.stage) =
            (Verdict::Fail, Some(Outcome::Refuses), Some(Stage::Get));
        worse.detail = sample::HOSTILE.into();
        first(run, Verdict::Xpass).verdict = Verdict::Pass;
        run.cells.retain(|cell| cell.scenario != "url/suffix" || cell.firmware != "ovmf-x64-trixie");
    });
    let options = TerminalOptions { width: 100, colour: false, unicode: true };
    insta::assert_snapshot!(render_changes(&Baseline::of(&before), &after, &options));
}
