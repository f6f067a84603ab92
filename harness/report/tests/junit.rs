//! `junit.xml`.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use record::Verdict;
use report::{Format, Junit, sample};

#[test]
fn every_cell_is_a_case_with_the_result_that_junit_has_for_it() {
    let results = sample::results();
    let xml = Junit.render(&results).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!(report.tests, results.cells.len());
    let totals = results.totals();
    let flaky = results.cells.iter().filter(|cell| cell.flaky && cell.verdict == Verdict::Pass).count();
    assert_eq!(report.failures, totals.fail + totals.xpass + flaky);
    assert_eq!(report.errors, totals.error);
    assert_eq!(report.test_suites.len(), results.firmware.len());
    assert_eq!(xml.matches("<skipped").count(), totals.xfail + totals.unsupported);
}

#[test]
fn hostile_text_stays_text() {
    let mut results = sample::results();
    let cell = results.cells.iter_mut().find(|cell| cell.verdict == Verdict::Fail).unwrap();
    cell.detail = format!("]]>{}", sample::HOSTILE);
    let xml = Junit.render(&results).unwrap();
    assert!(!xml.contains('\u{1b}') && !xml.contains('\0'), "XML 1.0 has no such characters");
    let report = quick_junit::Report::deserialize_from_str(&xml).unwrap();
    assert_eq!(report.tests, results.cells.len());
    assert!(!xml.contains("<script>"), "{xml}");
}
