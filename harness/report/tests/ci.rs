//! What CI systems read: the summary of a pull request, annotations, TAP, the baseline that is committed.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use record::{Baseline, Results, Verdict};
use report::{BaselineFile, Context, Format, GithubAnnotations, Summary, Tap, sample};

/// The sample after a change: one cell worse, one better, another build.
fn changed() -> (Baseline, Results) {
    let mut after = sample::results();
    let before = Baseline::of(&after);
    let mut passing = after.cells.iter_mut().filter(|cell| cell.verdict == Verdict::Pass);
    let worse = passing.next().unwrap();
    (worse.verdict, worse.cause, worse.detail) =
        (Verdict::Fail, Some("http.error-status".into()), sample::HOSTILE.into());
    after.cells.iter_mut().find(|cell| cell.verdict == Verdict::Xpass).unwrap().verdict = Verdict::Pass;
    (after.firmware[3].version, after.firmware[3].code.sha256) = ("2026.11-1".into(), "0".repeat(64));
    (before, after)
}

#[test]
fn the_summary_of_a_run() {
    insta::assert_snapshot!(Summary.render(&sample::results()).unwrap());
}

#[test]
fn the_summary_since_a_baseline() {
    let (before, after) = changed();
    let context = Context { baseline: Some(&before), ..Context::default() };
    insta::assert_snapshot!(Summary.render_with(&after, &context).unwrap());
}

#[test]
fn a_summary_is_short_enough_for_a_comment() {
    let mut results = sample::sized(10, 500);
    for (at, cell) in results.cells.iter_mut().enumerate() {
        cell.verdict = Verdict::Fail;
        cell.cause = Some(format!("x.{at}"));
        cell.detail = "&".repeat(100_000);
    }
    let context = Context { baseline: Some(&Baseline::of(&sample::results())), ..Context::default() };
    for text in [Summary.render(&results).unwrap(), Summary.render_with(&results, &context).unwrap()] {
        assert!(text.len() < 200_000 && text.contains("more in the report"), "{}", text.len());
    }
    results.cells.iter_mut().for_each(|cell| cell.detail = "words ".repeat(100_000));
    for text in [Summary.render(&results).unwrap(), Summary.render_with(&results, &context).unwrap()] {
        assert!(text.chars().count() < 65_536, "{}", text.len());
    }
}

#[test]
fn annotations_are_one_line_each_and_few() {
    let (before, after) = changed();
    let context = Context { baseline: Some(&before), ..Context::default() };
    insta::assert_snapshot!(GithubAnnotations.render_with(&after, &context).unwrap());
    for text in
        [GithubAnnotations.render(&after).unwrap(), GithubAnnotations.render(&sample::sized(9, 99)).unwrap()]
    {
        assert!(text.lines().count() <= 11, "{text}");
        assert!(
            text.lines().all(|line| line.starts_with("::error ") || line.starts_with("::notice ")),
            "{text}"
        );
    }
}

#[test]
fn without_a_baseline_each_cause_is_an_annotation() {
    insta::assert_snapshot!(GithubAnnotations.render(&sample::results()).unwrap());
}

#[test]
fn every_cell_is_a_point_of_tap() {
    let results = sample::results();
    let text = Tap.render(&results).unwrap();
    let points = |begin: &str| text.lines().filter(|line| line.starts_with(begin)).count();
    assert_eq!(points("ok ") + points("not ok "), results.cells.len());
    let todo = text.lines().filter(|line| line.starts_with("not ok ") && line.contains(" # TODO ")).count();
    assert_eq!(todo, results.totals().xfail);
    let skipped = text.lines().filter(|line| line.starts_with("ok ") && line.contains(" # SKIP ")).count();
    assert_eq!(skipped, results.totals().unsupported);
    insta::assert_snapshot!(text);
}

#[test]
fn a_baseline_is_read_as_it_was_written_a_line_for_each_cell() {
    let results = sample::results();
    let text = BaselineFile.render(&results).unwrap();
    let measured = results.cells.iter().filter(|cell| cell.verdict != Verdict::Error);
    for cell in measured.clone() {
        let begin = format!("    {}: ", serde_json::to_string(&cell.id).unwrap());
        assert_eq!(text.lines().filter(|line| line.starts_with(&begin)).count(), 1, "{begin}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("b.json");
    std::fs::write(&path, &text).unwrap();
    let read = report::load_baseline(&path).unwrap();
    assert_eq!(read, Baseline::of(&results));
    assert_eq!(read.cells.len(), measured.count());
    assert_eq!(BaselineFile.text(&read).unwrap(), text);

    // A run is one too; what is neither is an error.
    std::fs::write(&path, report::Json.render(&results).unwrap()).unwrap();
    assert_eq!(report::load_baseline(&path).unwrap(), read);
    for wrong in
        ["{}", "[]", "{\"schema\": \"plugfest-baseline/2\"}", "{\"schema\": \"plugfest-baseline/1\"}"]
    {
        std::fs::write(&path, wrong).unwrap();
        let error = report::load_baseline(&path).unwrap_err().to_string();
        assert!(error.contains("b.json"), "{wrong}: {error}");
    }
}
