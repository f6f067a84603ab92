//! Shards become the run that they are parts of.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use record::{Repeats, Results, Shard, ShardRecord, Verdict};
use report::{merge, sample};

/// The sample in two parts, every other cell in each, and its first cell in both.
fn halves() -> [Results; 2] {
    let whole = sample::results();
    [1, 2].map(|number| {
        let mut part = whole.clone();
        let mine = |at: &usize| *at == 0 || at % 2 + 1 == number as usize;
        let places: Vec<usize> = (0..whole.cells.len()).filter(mine).collect();
        part.cells = places.iter().map(|at| whole.cells[*at].clone()).collect();
        part.run.id = format!("part-{number}");
        part.run.planned = places.len();
        let shard = Shard { number, count: 2 };
        part.run.shard = Some(ShardRecord { shard, planned: whole.cells.len(), places });
        part
    })
}

#[test]
fn both_halves_are_the_whole_in_whatever_order() {
    let whole = sample::results();
    let [one, two] = halves();
    for parts in [[one.clone(), two.clone()], [two, one]] {
        let merged = merge("whole", &parts).unwrap();
        assert_eq!(merged.missing, [0; 0]);
        assert_eq!(merged.results.cells, whole.cells);
        assert_eq!(merged.results.firmware, whole.firmware);
        assert_eq!((merged.results.run.planned, &merged.results.run.shard), (whole.cells.len(), &None));
        for (cell, origin) in merged.results.cells.iter().zip(merged.origins) {
            assert!(parts[origin].cells.contains(cell), "{}", cell.id);
        }
    }
}

#[test]
fn a_missing_half_is_told() {
    let [one, _] = halves();
    let merged = merge("whole", &[one]).unwrap();
    assert_eq!(merged.missing, [2]);
    assert_eq!(merged.results.run.planned, sample::results().cells.len());
}

#[test]
fn a_cell_that_did_something_else_in_the_other_half_is_flaky() {
    let [one, mut two] = halves();
    two.cells[0].transcript = Some("other".into());
    let merged = merge("whole", &[one.clone(), two.clone()]).unwrap().results;
    assert!(merged.cells[0].flaky);
    assert_eq!(merged.cells[0].repeats, Some(Repeats { runs: 2, differing: 1 }));
    assert_eq!(merged.cells.iter().filter(|cell| cell.flaky).count(), 1);

    // An error says nothing.
    two.cells[0].verdict = Verdict::Error;
    for parts in [[one.clone(), two.clone()], [two, one.clone()]] {
        assert_eq!(merge("whole", &parts).unwrap().results.cells[0], one.cells[0]);
    }
}

#[test]
fn runs_of_other_things_are_refused() {
    let differences = |edit: &dyn Fn(&mut Results)| {
        let [one, mut two] = halves();
        edit(&mut two);
        merge("whole", &[one, two]).map(drop).unwrap_err().0
    };
    for (said, edit) in [
        ("the seed is ", &(|run: &mut Results| run.run.seed = 2) as &dyn Fn(&mut Results)),
        ("plugfest is ", &|run| run.run.plugfest.push('9')),
        ("firmware ovmf-x64-sid is ", &|run| run.firmware[3].code.sha256 = "0".repeat(64)),
        ("the SHA-256 of scenario ", &|run| run.cells[0].scenario_sha256 = "0".repeat(64)),
        ("a shard is ", &|run| run.run.shard = None),
        ("a shard is ", &|run| run.run.shard.as_mut().unwrap().planned += 1),
    ] {
        let found = differences(edit);
        assert!(found.len() == 1 && found[0].starts_with(said), "{said}: {found:?}");
    }
}

#[test]
fn runs_of_different_areas_are_joined_by_scenario() {
    let whole = sample::results();
    let area = |wanted: bool| {
        let mut part = whole.clone();
        part.cells.retain(|cell| cell.scenario.starts_with("http/") == wanted);
        part.run.planned = part.cells.len();
        part
    };
    let merged = merge("whole", &[area(true), area(false)]).unwrap().results;
    assert_eq!(merged.cells.len(), whole.cells.len());
    assert_eq!(merged.run.planned, whole.cells.len());
    assert!(merged.cells.is_sorted_by_key(|cell| &cell.scenario));
}
