//! The captures of the shipped scenarios, explained as if somebody else had made them: an observer has to come to what our own
//! services and the judge say. That is the proof of `plugfest explain FILE` at scale.

use crate::matrix::{evidence, shipped};
use record::{CellResult, Outcome, Stage};

/// What the observer says of a cell's capture.
fn seen(cell: &CellResult) -> Option<(Stage, Option<&'static str>)> {
    let capture = shipped().directory.path().join(&evidence(cell)?.capture);
    let capture = observe::read(&capture).ok()?;
    let client = *observe::clients(&capture.frames).first()?;
    let finding = observe::observe(&capture, client).finding;
    Some((finding.stage, finding.cause))
}

#[test]
fn an_observer_of_the_wire_comes_to_what_the_judge_says() {
    let mut same = 0;
    let mut other: Vec<String> = Vec::new();
    for cell in &shipped().results.cells {
        let Some((stage, cause)) = seen(cell) else { continue };
        let (expected, why) = match cell.outcome {
            Some(Outcome::Boots) => (Some(Stage::Image), None),
            _ => (cell.stage, cell.cause.as_deref()),
        };
        if (Some(stage), cause) == (expected, why) {
            same += 1;
            continue;
        }
        let said = |stage: Option<Stage>, cause: Option<&str>| {
            format!("{} {}", stage.map_or("none".into(), |stage| stage.to_string()), cause.unwrap_or("-"))
        };
        other.push(format!(
            "{:<34} for {:<34} {}",
            said(Some(stage), cause),
            said(expected, why),
            cell.scenario
        ));
    }
    other.sort();
    other.dedup();
    insta::assert_snapshot!(other.join("\n"));
    assert!(same > 2000, "{same}");
}
