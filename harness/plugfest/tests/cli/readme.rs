//! What the README shows works as it shows it.

use crate::bench::{Bench, clone};
use scenario::Scenario;
use std::path::Path;

/// The indented code blocks of a Markdown text.
fn code_blocks(markdown: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block = String::new();
    for line in markdown.lines().chain([""; 1]).chain(["end"; 1]) {
        match line.strip_prefix("    ") {
            Some(code) => block.push_str(&format!("{code}\n")),
            None if line.is_empty() && !block.is_empty() => block.push('\n'),
            None if !block.is_empty() => blocks.push(format!("{}\n", std::mem::take(&mut block).trim_end())),
            None => {}
        }
    }
    blocks
}

fn readme() -> String {
    std::fs::read_to_string(clone("README.md")).unwrap()
}

#[test]
fn its_scenario_is_one() {
    let blocks = code_blocks(&readme());
    let examples: Vec<&String> = blocks.iter().filter(|block| block.starts_with("id: ")).collect();
    let [example] = examples[..] else { panic!("{} scenarios in the README", examples.len()) };
    let parsed = Scenario::parse(Path::new("README.md"), example.as_bytes(), None);
    let parsed = parsed.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parsed.points().len(), 2);
    // The check sees a mistake.
    let wrong = example.replace("expect:", "expects:");
    assert_ne!(&wrong, example);
    assert!(Scenario::parse(Path::new("README.md"), wrong.as_bytes(), None).is_err());
}

#[test]
fn its_commands_exist() {
    let bench = Bench::new();
    let mut seen = 0;
    for line in code_blocks(&readme()).iter().flat_map(|block| block.lines()) {
        let Some(arguments) = line.strip_prefix("plugfest ") else { continue };
        let arguments = arguments.split(" #").next().unwrap();
        let command = arguments.split_whitespace().next().unwrap();
        bench.call(&[command, "--help"]).exits(0);
        for flag in arguments.split_whitespace().filter(|word| word.starts_with('-')) {
            let help = bench.call(&[command, "--help"]).stdout;
            let ends = [",", " ", "\n"];
            assert!(ends.iter().any(|end| help.contains(&format!("{flag}{end}"))), "{line}");
        }
        seen += 1;
    }
    assert!(seen >= 5, "{seen} commands");
}

/// The tables of exit codes and verdicts are those of the program.
#[test]
fn its_exit_codes_are_those_of_the_help() {
    let help = Bench::new().call(&["--help"]).stdout.replace('\n', " ");
    let readme = readme();
    for code in ["0", "1", "2", "3", "4", "130"] {
        assert!(readme.contains(&format!("\n| {code} | ")), "{code} is not in the README");
        assert!(help.contains(&format!(" {code} ")), "{code} is not in the help");
    }
}
