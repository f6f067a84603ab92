//! `plugfest check` on good files and on the corpus of malformed ones.

use crate::bench::{Bench, clone, scenario};
use std::path::PathBuf;

fn corpus() -> Vec<PathBuf> {
    let folder = clone("harness/scenario/tests/malformed");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

#[test]
fn each_malformed_file_exits_2_and_is_pointed_at() {
    let bench = Bench::new();
    let files = corpus();
    assert!(files.len() >= 60, "{}", files.len());
    for file in files {
        let name = file.to_str().unwrap();
        let ended = bench.call(&["check", name]).exits(2);
        let place = ended.stderr.split(&format!("{name}:")).nth(1).unwrap_or_default();
        let line: String = place.chars().take_while(char::is_ascii_digit).collect();
        assert!(line.parse::<usize>().is_ok_and(|line| line > 0), "{name} without a line:\n{}", ended.stderr);
        assert_eq!(ended.stdout, "", "{name}");
        assert!(ended.stderr.contains("1 of 1 files cannot be used"), "{}", ended.stderr);
    }
}

#[test]
fn all_are_reported_in_one_call_and_good_ones_are_said_to_be_good() {
    let bench = Bench::new();
    let good = bench.file("good.yaml", scenario("http/good", "boots"));
    let files = corpus();
    let mut arguments = vec!["check", good.to_str().unwrap()];
    arguments.extend(files.iter().map(|path| path.to_str().unwrap()));
    let ended = bench.call(&arguments).exits(2);
    assert_eq!(ended.stdout, format!("{}: ok, http/good with 1 point\n", good.display()));
    ended.says(&[&format!("{} of {} files cannot be used", files.len(), files.len() + 1)]);
}

#[test]
fn the_shipped_scenarios_pass() {
    let bench = Bench::new();
    let listed = bench.call(&["list", "scenarios"]).stdout;
    let ids = listed.lines().map(|line| line.split_whitespace().next().unwrap());
    let files: Vec<String> =
        ids.map(|id| clone("scenarios").join(format!("{id}.yaml")).display().to_string()).collect();
    let mut arguments = vec!["check"];
    arguments.extend(files.iter().map(String::as_str));
    let ended = bench.call(&arguments).exits(0);
    assert_eq!(ended.stdout.lines().count(), files.len());
    assert_eq!(ended.stderr, "");
}

#[test]
fn a_file_that_is_not_there_exits_2() {
    let bench = Bench::new();
    bench.call(&["check", "no-such.yaml"]).exits(2).says(&["failed to read no-such.yaml"]);
    bench.call(&["check"]).exits(2).says(&["Usage:"]);
}
