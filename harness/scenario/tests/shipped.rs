//! The scenarios that we ship: valid, within the schema; and the examples of their documentation.

use scenario::{Scenario, Selector, json_schema, load_dir, select};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn shipped() -> Vec<Scenario> {
    load_dir(&tree()).unwrap_or_else(|error| panic!("{error}"))
}

fn json(yaml: &str) -> Value {
    let options = serde_yaml::options! { strict_booleans: true, with_snippet: false };
    serde_yaml::from_str_with_options(yaml, options).expect("valid YAML")
}

/// The whole list of points, so that a change of an id, a level or an expectation is seen in review.
#[test]
fn points_are_as_reviewed() {
    let mut list = String::new();
    for scenario in shipped() {
        for point in scenario.points() {
            let outcomes: Vec<&str> = point.expected.outcome.iter().map(|outcome| outcome.as_str()).collect();
            let stage = point.expected.stage.map(|stage| format!(" at {stage}")).unwrap_or_default();
            list += &format!("{:7} {:17}{stage} {}\n", point.level, outcomes.join("|"), point.id);
        }
    }
    insta::assert_snapshot!(list);
}

/// Every file begins with the line by which editors find the schema.
#[test]
fn files_name_their_schema() {
    for scenario in shipped() {
        let text = fs::read_to_string(&scenario.path).expect("a file that was just read");
        let up = "../".repeat(scenario.id.matches('/').count());
        let line = format!("# yaml-language-server: $schema={up}schema.json");
        assert_eq!(text.lines().next(), Some(line.as_str()), "{}", scenario.path.display());
    }
}

/// `UPDATE_SCHEMA=1 cargo test -p scenario --test shipped` writes the file.
#[test]
fn committed_schema_is_current() {
    let current = format!("{}\n", serde_json::to_string_pretty(&json_schema()).expect("a schema serialises"));
    let path = tree().join("schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &current).expect("scenarios/schema.json can be written");
    }
    let committed = fs::read_to_string(&path).expect("scenarios/schema.json");
    assert!(committed == current, "scenarios/schema.json is stale; run with UPDATE_SCHEMA=1");
}

#[test]
fn files_are_valid_by_the_schema_and_mistakes_are_not() {
    let schema = jsonschema::validator_for(&json_schema()).expect("a valid schema");
    for scenario in shipped() {
        let text = fs::read_to_string(&scenario.path).expect("a file that was just read");
        let errors: Vec<String> = schema.iter_errors(&json(&text)).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", scenario.path.display());
    }
    let good = fs::read_to_string(tree().join("url/suffix.yaml")).expect("a shipped scenario");
    assert!(schema.is_valid(&json(&good)));
    for (right, wrong) in [
        ("level: must", "level: most"),
        ("id: url/suffix", "id: url_suffix"),
        ("http.content_type:\n    -", "http.content_typ:\n    -"),
        ("    - null", "    - 17"),
        ("outcome: boots", "outcome: [boots, boots]"),
        ("expect: {", "expected: {"),
        ("- where: { http.content_type:", "- where: { http.content: "),
        ("title: ", "titel: "),
    ] {
        let bad = good.replace(right, wrong);
        assert_ne!(bad, good, "{right} is not in the file");
        assert!(!schema.is_valid(&json(&bad)), "{wrong} is taken");
    }
}

/// `cell.yaml` is a scenario that says the same of its only point.
#[test]
fn resolved_points_read_back_as_themselves() {
    for scenario in shipped() {
        for point in scenario.points() {
            let yaml = scenario.resolved(point);
            let again = Scenario::parse(Path::new("cell.yaml"), yaml.as_bytes(), None);
            let again = again.unwrap_or_else(|error| panic!("{error}\n{yaml}"));
            let [only] = again.points() else { panic!("{yaml}") };
            assert_eq!(only.network, point.network, "{yaml}");
            assert_eq!((only.level, &only.expected), (point.level, &point.expected), "{yaml}");
            assert_eq!(
                (&again.title, &again.why, &again.needs),
                (&scenario.title, &scenario.why, &scenario.needs)
            );
        }
    }
    let all = shipped();
    let redirect = all.iter().find(|scenario| scenario.id == "http/redirect").expect("a shipped scenario");
    insta::assert_snapshot!(redirect.resolved(&redirect.points()[0]));
}

/// Ids are unique across the tree, and each, given back as a selector, selects exactly its cell.
#[test]
fn every_cell_is_selected_by_its_id() {
    let (scenarios, firmware) = (shipped(), ["ovmf-x64-sid".to_owned(), "ovmf-x64-trixie".to_owned()]);
    for cell in select(&scenarios, &firmware, &[]).expect("everything") {
        let id = cell.point.cell_id(&firmware[cell.firmware]);
        let found = select(&scenarios, &firmware, &[id.parse().expect("a cell's id is a selector")])
            .expect("one cell");
        let ids: Vec<String> = found.iter().map(|c| c.point.cell_id(&firmware[c.firmware])).collect();
        assert_eq!(ids, [id]);
    }
}

/// Code blocks of the documentation: information string, contents.
fn blocks() -> Vec<(String, String)> {
    let text = fs::read_to_string(tree().join("README.md")).expect("scenarios/README.md");
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((info.to_owned(), body.join("\n") + "\n"));
        }
    }
    blocks
}

#[test]
fn documented_examples_do_what_the_documentation_says() {
    let head = "id: a/b\ntitle: T\nrequirement: { spec: RFC 9110 §8.3.1, level: must, text: T. }\nwhy: W.\n";
    let (scenarios, firmware) = (shipped(), ["ovmf-x64-sid".to_owned()]);
    let mut seen = Vec::new();
    let mut rendered = String::new();
    for (info, body) in blocks() {
        let parse =
            |text: &str| Scenario::parse(Path::new("scenarios/http/example.yaml"), text.as_bytes(), None);
        match info.as_str() {
            "yaml" => drop(parse(&body).unwrap_or_else(|error| panic!("{error}"))),
            "yaml part" => drop(parse(&format!("{head}{body}")).unwrap_or_else(|error| panic!("{error}"))),
            "yaml error" => rendered = parse(&body).expect_err("an example of errors").render(false) + "\n",
            "text rendered" => {
                assert_eq!(body, rendered, "the documented errors are not the real ones:\n{rendered}")
            }
            "text cell" | "text select" => {
                for line in body.lines() {
                    let line = line.replace("scenarios/control", &format!("{}/control", tree().display()));
                    let selector: Selector = line.parse().unwrap_or_else(|error| panic!("{error}"));
                    let found =
                        select(&scenarios, &firmware, &[selector]).unwrap_or_else(|error| panic!("{error}"));
                    if info == "text cell" {
                        let ids: Vec<String> =
                            found.iter().map(|cell| cell.point.cell_id(&firmware[0])).collect();
                        assert_eq!(ids, [line]);
                    }
                }
            }
            other => panic!("a block of a kind that no test reads: {other}"),
        }
        seen.push(info);
    }
    for kind in ["yaml", "yaml part", "yaml error", "text rendered", "text cell", "text select"] {
        assert!(seen.iter().any(|info| info == kind), "no block of the kind {kind}");
    }
}
