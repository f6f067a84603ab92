//! `results.json`, its published schema and its reader.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use record::{Results, SCHEMA_ID};
use report::{Format, Json, ReportError, parse, sample};
use serde_json::{Value, json};
use std::path::PathBuf;

fn published() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../record/results.schema.json"))
}

fn rendered() -> Value {
    serde_json::from_str(&Json.render(&sample::results()).unwrap()).unwrap()
}

#[test]
fn the_published_schema_is_current() {
    let current = serde_json::to_string_pretty(&Results::json_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(published(), &current).unwrap();
    }
    let committed = std::fs::read_to_string(published()).unwrap_or_default();
    assert!(
        committed == current,
        "the types have moved on: UPDATE_SCHEMA=1 cargo test -p report --test json"
    );
}

#[test]
fn what_is_written_is_valid_and_what_is_not_written_is_not() {
    let validator = jsonschema::validator_for(&Results::json_schema()).unwrap();
    let results = rendered();
    let errors: Vec<_> = validator.iter_errors(&results).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);

    for (pointer, wrong) in [
        ("/cells/0/verdict", json!("passed")),
        ("/cells/0/outcome", json!(1)),
        ("/cells/0/params", json!([])),
        ("/run/clock", json!("Virtual")),
        ("/firmware/0/code/sha256", json!(null)),
    ] {
        let mut results = results.clone();
        *results.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&results), "{pointer}");
    }
}

#[test]
fn it_reads_what_it_wrote() {
    let text = Json.render(&sample::results()).unwrap();
    let read = parse("results.json", &text).unwrap();
    assert_eq!(read, sample::results());
    assert_eq!(Json.render(&read).unwrap(), text, "order and spelling are stable");
}

#[test]
fn the_beginning_of_the_file() {
    let text = Json.render(&sample::results()).unwrap();
    let head: Vec<_> = text.lines().take_while(|line| !line.contains("\"cells\"")).take(40).collect();
    insta::assert_snapshot!(head.join("\n"));
    let third = &rendered()["cells"][12];
    insta::assert_snapshot!(serde_json::to_string_pretty(third).unwrap());
}

#[test]
fn another_major_version_is_refused_before_its_shape_is_looked_at() {
    for schema in
        ["plugfest-results/2", "plugfest-results/10", "plugfest-results/0", "plugfest-results", "other/1"]
    {
        let error = parse("old.json", &json!({"schema": schema, "cells": 7}).to_string()).unwrap_err();
        assert!(matches!(&error, ReportError::Schema { found, .. } if found == schema), "{error}");
    }
    let error = parse("old.json", r#"{"schema": "plugfest-results/2"}"#).unwrap_err();
    insta::assert_snapshot!(error, @r#"read old.json: its schema is "plugfest-results/2", and this plugfest reads plugfest-results/1 and plugfest-baseline/1; use the plugfest that wrote it, or run it again"#);
}

#[test]
fn a_later_minor_version_is_read_without_what_it_added() {
    let mut newer = rendered();
    newer["schema"] = json!(format!("{SCHEMA_ID}.4"));
    newer["run"]["weather"] = json!("rain");
    assert_eq!(parse("newer.json", &newer.to_string()).unwrap().cells, sample::results().cells);
}

#[test]
fn what_is_no_result_is_refused_with_its_place() {
    for text in ["", "[]", "{\"schema\": 1}", "\u{0}", "{\"schema\": \"plugfest-results/1\"}"] {
        let error = parse("x.json", text).unwrap_err();
        assert!(matches!(error, ReportError::NotResults { .. }), "{text:?}: {error}");
        assert!(error.to_string().contains("line 1 column"), "{error}");
    }
    let deep = "[".repeat(100_000);
    assert!(matches!(parse("deep.json", &deep), Err(ReportError::NotResults { .. })));
}
