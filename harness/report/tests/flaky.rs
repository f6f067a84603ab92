//! Verdicts that a repeat did not confirm, retries, and runs that stopped by themselves: every report says so.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use record::{Repeats, Results, Verdict};
use report::terminal::{TerminalOptions, render};
use report::{Format, Html, Json, Markdown, sample};

const WIDE: TerminalOptions = TerminalOptions { width: 160, colour: false, unicode: true };

/// The sample in which one cell that passes and one that fails are flaky.
fn flaky() -> (Results, [String; 2]) {
    let mut results = sample::results();
    results.run.repeat = 50;
    let ids = [Verdict::Pass, Verdict::Fail].map(|verdict| {
        let cell = results.cells.iter_mut().find(|cell| cell.verdict == verdict).unwrap();
        cell.flaky = true;
        cell.repeats = Some(Repeats { runs: 50, differing: 3 });
        cell.detail.push_str(" Flaky: 3 of 49 repeats did not do the same.");
        cell.id.clone()
    });
    (results, ids)
}

#[test]
fn the_terminal_counts_labels_and_names_flaky_cells() {
    let (results, [passed, failed]) = flaky();
    let text = render(&results, &WIDE);
    let first = text.lines().next().unwrap();
    assert!(first.ends_with(" error  2 flaky"), "{first}");
    assert!(text.contains("✓ flaky"), "{text}");
    let label = |line: &str| line.contains("✗ fail") && line.contains(" flaky");
    assert!(text.lines().any(label), "{text}");
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(joined.contains("2 cells did not do the same in each of 50 runs"), "{joined}");
    assert!(joined.contains(&passed) && joined.contains(&failed), "{joined}");
    assert!(joined.contains("(flaky): "), "the finding too: {joined}");
    assert!(joined.contains("Flaky: 3 of 49 repeats"), "{joined}");

    let short = render(&results, &TerminalOptions { width: 60, ..WIDE });
    assert!(short.contains("✓ flaky"), "{short}");
}

#[test]
fn markdown_and_page_count_label_and_name_flaky_cells() {
    let (results, [passed, _]) = flaky();
    let text = Markdown.render(&results).unwrap();
    assert!(text.lines().next().unwrap().ends_with(" error · 2 flaky**"), "{text}");
    assert!(text.contains("| ✓ flaky |"), "{text}");
    assert!(text.contains("did not do the same in each of 50 runs"), "{text}");

    let page = Html.render(&results).unwrap();
    assert!(page.lines().nth(1).unwrap().ends_with(" error, 2 flaky -->"), "{page}");
    assert!(page.contains("<b>flaky</b>"));
    assert!(page.contains("<b>Flaky.</b> 2 cells did not do the same in each of 50 runs"));
    assert!(page.contains(passed.split('@').next().unwrap()));
    let headline = page.lines().find(|line| line.contains("<h1>")).unwrap();
    assert!(headline.contains("But 2 flaky."), "{headline}");
}

#[test]
fn nothing_is_said_about_flaky_cells_where_there_are_none() {
    let results = sample::results();
    let page = Html.render(&results).unwrap();
    let (seen, _script) = page.rsplit_once("<script").unwrap();
    for text in [&render(&results, &WIDE), &Markdown.render(&results).unwrap(), seen] {
        assert_eq!(text.lines().find(|line| line.to_lowercase().contains("flaky")), None);
    }
}

#[test]
fn retries_are_said_if_there_were_any() {
    let mut results = sample::results();
    assert!(!render(&results, &WIDE).contains(" 0 retr"));
    results.run.retries = 1;
    assert!(render(&results, &WIDE).contains(", 1 retry"));
    results.run.retries = 7;
    assert!(render(&results, &WIDE).contains(", 7 retries"));
    assert!(Markdown.render(&results).unwrap().contains("| retries | 7 |"));
    assert!(Html.render(&results).unwrap().contains("<span>7 retries</span>"));
}

#[test]
fn a_run_that_stopped_by_itself_says_why_and_what_is_missing() {
    let mut results = sample::results();
    results.run.stopped = Some("--fail-fast: http/x@y is fail".into());
    results.run.planned = results.cells.len() + 5;
    let said = format!(
        "The run stopped: --fail-fast: http/x@y is fail. 5 of {} cells did not run and stay empty.",
        results.run.planned
    );
    let text = render(&results, &WIDE).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(&said), "{text}");
    assert!(Html.render(&results).unwrap().contains("<b>Incomplete.</b> The run stopped: "));
    assert!(Markdown.render(&results).unwrap().contains("> The run stopped: "));
}

#[test]
fn results_of_before_are_read() {
    let mut old: serde_json::Value = serde_json::from_str(&Json.render(&sample::results()).unwrap()).unwrap();
    for field in ["stopped", "repeat", "retries"] {
        old["run"].as_object_mut().unwrap().remove(field).unwrap();
    }
    old["firmware"][0].as_object_mut().unwrap().remove("entropy").unwrap();
    for field in ["transcript", "repeats", "flaky"] {
        old["cells"][0].as_object_mut().unwrap().remove(field).unwrap();
    }
    let read = report::parse("old.json", &old.to_string()).unwrap();
    assert_eq!((read.run.repeat, read.run.retries, &read.run.stopped), (1, 0, &None));
    assert!(!read.cells[0].flaky);
}
