//! Files that are there completely or not at all.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use report::{Context, ReportError, latest, sample, write_all};
use std::fs;
use std::path::{Path, PathBuf};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_format_is_written_next_to_the_evidence() {
    let reports = tempfile::tempdir().unwrap();
    let run = reports.path().join("a/run");
    fs::create_dir_all(run.join("cells")).unwrap();
    let written = write_all(&run, &sample::results(), &Context::default()).unwrap();
    let expected: Vec<PathBuf> =
        ["matrix.md", "summary.md", "junit.xml", "results.tap", "index.html", "results.json"]
            .map(|name| run.join(name))
            .into();
    assert_eq!(written, expected);
    // No temporary file stays.
    assert_eq!(
        names(&run),
        ["cells", "index.html", "junit.xml", "matrix.md", "results.json", "results.tap", "summary.md"]
    );
    assert_eq!(report::load(&run.join("results.json")).unwrap(), sample::results());
}

#[test]
fn a_failure_leaves_the_directory_as_it_was() {
    let run = tempfile::tempdir().unwrap();
    fs::write(run.path().join("matrix.md"), "old").unwrap();
    fs::create_dir(run.path().join("results.json")).unwrap();
    let error = write_all(run.path(), &sample::results(), &Context::default()).unwrap_err();
    assert!(matches!(error, ReportError::Io { .. }), "{error}");
    assert_eq!(names(run.path()), ["matrix.md", "results.json"]);
    assert_eq!(fs::read_to_string(run.path().join("matrix.md")).unwrap(), "old");
}

#[test]
fn a_report_is_as_readable_as_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let run = tempfile::tempdir().unwrap();
    fs::write(run.path().join("any"), "").unwrap();
    write_all(run.path(), &sample::results(), &Context::default()).unwrap();
    let mode = |name| fs::metadata(run.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("index.html"), mode("any"));
}

#[test]
fn latest_moves_to_the_newest_run_and_is_relative() {
    let reports = tempfile::tempdir().unwrap();
    for run in ["one", "two"] {
        fs::create_dir(reports.path().join(run)).unwrap();
        let link = latest(reports.path(), run).unwrap();
        assert_eq!(fs::read_link(link).unwrap(), Path::new(run), "a folder that is moved keeps its link");
    }
    assert_eq!(names(reports.path()), ["latest", "one", "two"]);
}

#[test]
fn latest_points_at_nothing_but_a_run() {
    let reports = tempfile::tempdir().unwrap();
    fs::create_dir(reports.path().join("one")).unwrap();
    for run in ["", ".", "..", "one/..", "one/", "/tmp", "latest", "missing"] {
        let error = latest(reports.path(), run).unwrap_err();
        assert!(matches!(error, ReportError::Latest { .. }), "{run:?}: {error}");
    }
    fs::create_dir(reports.path().join("latest")).unwrap();
    let error = latest(reports.path(), "one").unwrap_err();
    assert!(error.to_string().contains("is not a link; move it away"), "{error}");
    assert_eq!(names(reports.path()), ["latest", "one"]);
}
