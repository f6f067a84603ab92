//! What the command prints that needs no firmware: help, lists, schemas.

use crate::bench::{Bench, clone};

/// Without the paths of this machine.
fn portable(text: &str) -> String {
    text.replace(clone("").to_str().unwrap(), "CLONE")
}

#[test]
fn help() {
    let bench = Bench::new();
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help_run", &["run", "--help"]),
        ("help_diff", &["diff", "--help"]),
        ("help_explain", &["explain", "--help"]),
        ("help_bundle", &["bundle", "--help"]),
        ("help_replay", &["replay", "--help"]),
        ("help_report", &["report", "--help"]),
        ("help_merge", &["merge", "--help"]),
        ("help_baseline", &["baseline", "--help"]),
        ("help_baseline_save", &["baseline", "save", "--help"]),
        ("help_baseline_review", &["baseline", "review", "--help"]),
        ("help_qualify", &["qualify", "--help"]),
        ("help_verify", &["verify", "--help"]),
        ("help_list", &["list", "--help"]),
        ("help_check", &["check", "--help"]),
        ("help_doctor", &["doctor", "--help"]),
        ("help_schema", &["schema", "--help"]),
    ] {
        let ended = bench.call(arguments).exits(0);
        assert_eq!(ended.stderr, "");
        insta::assert_snapshot!(name, portable(&ended.stdout));
    }
}

#[test]
fn version() {
    let ended = Bench::new().call(&["--version"]).exits(0);
    assert_eq!(ended.stdout, format!("plugfest {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn scenarios_are_listed_in_order_with_their_points() {
    let bench = Bench::new();
    let all = bench.call(&["list", "scenarios"]).exits(0).stdout;
    let ids: Vec<&str> = all.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert!(ids.len() >= 12 && ids.is_sorted(), "{ids:?}");
    let points: usize =
        all.lines().map(|line| line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap()).sum();
    assert!(points >= 40, "{points}");
    let http = bench.call(&["list", "scenarios", "http"]).exits(0).stdout;
    assert!(http.lines().all(|line| line.starts_with("http/")) && !http.is_empty(), "{http}");
}

#[test]
fn the_catalogue_is_the_one_that_is_committed() {
    let printed = Bench::new().call(&["list", "catalogue"]).exits(0).stdout;
    let path = clone("scenarios").join("CATALOGUE.md");
    if std::env::var_os("UPDATE_CATALOGUE").is_some() {
        std::fs::write(&path, &printed).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        printed == committed,
        "scenarios/CATALOGUE.md is out of date; run this test with UPDATE_CATALOGUE=1"
    );
}

#[test]
fn the_builds_of_the_catalog_are_listed_and_an_empty_cache_has_none() {
    let listed = Bench::new().call(&["list", "firmware"]).exits(0).stdout;
    for id in ["ovmf-x64-bullseye", "ovmf-x64-bookworm", "ovmf-x64-trixie", "ovmf-x64-sid"] {
        let line =
            listed.lines().find(|line| line.starts_with(id)).unwrap_or_else(|| panic!("{id}: {listed}"));
        assert!(line.contains("x64") && line.ends_with("not fetched yet"), "{line}");
    }
}

#[test]
fn a_listed_cell_selects_itself() {
    let bench = Bench::new();
    let cells = bench.call(&["list", "cells", "url", "http/redirect", "-f", "ovmf-x64-sid"]).exits(0).stdout;
    assert!(cells.lines().count() > 20, "{cells}");
    // Every tenth: each is a call.
    for id in cells.lines().step_by(10) {
        let again = bench.call(&["list", "cells", id, "-f", "ovmf-x64-sid", "-f", "ovmf-x64-trixie"]);
        assert_eq!(again.exits(0).stdout, format!("{id}\n"));
    }
}

#[test]
fn schemas_are_json_and_those_that_are_committed() {
    let bench = Bench::new();
    for (of, committed) in [
        ("scenario", "scenarios/schema.json"),
        ("results", "harness/record/results.schema.json"),
        ("baseline", "harness/record/baseline.schema.json"),
        ("waivers", "firmware-images/waivers.schema.json"),
    ] {
        let printed = bench.call(&["schema", of]).exits(0).stdout;
        let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
        let committed = std::fs::read_to_string(clone(committed)).unwrap();
        assert_eq!(printed, serde_json::from_str::<serde_json::Value>(&committed).unwrap(), "{of}");
    }
    assert_eq!(bench.call(&["schema"]).stdout, bench.call(&["schema", "scenario"]).stdout);
}

#[test]
fn doctor_looks_at_everything_and_says_what_to_do() {
    let bench = Bench::new();
    // Without any program at all.
    let empty = bench.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let output = bench.command(&["doctor"]).env("PATH", &empty).output().unwrap();
    let ended = crate::bench::ended(output).exits(3);
    assert!(ended.stdout.contains("MISSING") && ended.stdout.contains("mend: "), "{}", ended.stdout);
    assert!(ended.stdout.contains("ovmf-x64-sid"), "{}", ended.stdout);
    ended.says(&["failed to find what a run needs"]);
}
