//! The terminal matrix: what it says, that it fits, and that no text of others gets through raw.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use record::{Results, Verdict};
use report::sample;
use report::terminal::{TerminalOptions, render};
use unicode_width::UnicodeWidthStr;

const PLAIN: TerminalOptions = TerminalOptions { width: 100, colour: false, unicode: true };

/// The sample without the rows that exist to attack.
fn tame() -> Results {
    let mut results = sample::results();
    results.cells.retain(|cell| !cell.scenario.starts_with("hostile/"));
    results.run.planned = results.cells.len();
    results
}

/// Few cells, for snapshots that a reader can judge at a glance.
fn few() -> Results {
    let mut results = tame();
    results.cells.retain(|cell| !cell.scenario.starts_with("url/") && !cell.scenario.contains("redirect"));
    results.run.planned = results.cells.len();
    results
}

#[test]
fn a_matrix_at_100_columns() {
    insta::assert_snapshot!(render(&tame(), &PLAIN));
}

#[test]
fn a_matrix_at_160_columns_in_full_words() {
    insta::assert_snapshot!(render(&few(), &TerminalOptions { width: 160, ..PLAIN }));
}

#[test]
fn a_matrix_at_60_columns() {
    insta::assert_snapshot!(render(&few(), &TerminalOptions { width: 60, ..PLAIN }));
}

#[test]
fn a_matrix_in_colour() {
    let text = render(&few(), &TerminalOptions { colour: true, ..PLAIN });
    insta::assert_snapshot!(text.replace('\u{1b}', "␛"));
}

#[test]
fn a_matrix_in_ascii() {
    let text = render(&few(), &TerminalOptions { unicode: false, ..PLAIN });
    assert!(text.is_ascii());
    insta::assert_snapshot!(text);
}

#[test]
fn hostile_texts_and_our_own_errors() {
    let mut results = sample::results();
    results.cells.retain(|cell| cell.scenario.starts_with("hostile/"));
    results.run.planned = results.cells.len();
    insta::assert_snapshot!(render(&results, &PLAIN));
}

#[test]
fn the_first_line_counts_all_six_verdicts() {
    for results in [sample::results(), Results { cells: Vec::new(), ..sample::results() }] {
        let text = render(&results, &PLAIN);
        let first = text.lines().next().unwrap();
        let words: Vec<_> = first.split_whitespace().collect();
        for verdict in Verdict::ALL {
            let count = results.cells.iter().filter(|cell| cell.verdict == *verdict).count().to_string();
            assert!(
                words.windows(2).any(|pair| pair == [count.as_str(), verdict.as_str()]),
                "{verdict}: {first}"
            );
        }
    }
}

#[test]
fn no_line_is_wider_than_the_terminal_with_1_to_12_columns() {
    for columns in 1..=12 {
        let mut results = sample::sized(columns, 25);
        results
            .cells
            .extend(sample::results().cells.into_iter().filter(|cell| cell.scenario == "hostile/texts"));
        for width in [40, 61, 80, 100, 137, 200] {
            for unicode in [true, false] {
                // The counts stay one line whatever the width.
                for line in
                    render(&results, &TerminalOptions { width, colour: false, unicode }).lines().skip(1)
                {
                    assert!(
                        line.width() <= width,
                        "{columns} columns, width {width}: {} {line:?}",
                        line.width()
                    );
                }
            }
        }
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    let results = sample::results();
    let coloured = render(&results, &TerminalOptions { colour: true, ..PLAIN });
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        stripped.push_str(before);
        let (sgr, after) = after.split_once('m').expect("every sequence is SGR");
        assert!(sgr.chars().all(|c| c.is_ascii_digit() || c == ';'), "{sgr:?}");
        rest = after;
    }
    stripped.push_str(rest);
    // Styles keep trailing blanks of a line alive, nothing else.
    let trimmed: Vec<_> = stripped.lines().map(str::trim_end).collect();
    assert_eq!(trimmed.join("\n") + "\n", render(&results, &PLAIN));
}

#[test]
fn no_text_of_others_controls_the_terminal() {
    let results = sample::results();
    assert!(serde_json::to_string(&results).unwrap().contains("\\u001b"), "the sample attacks");
    for unicode in [true, false] {
        let text = render(&results, &TerminalOptions { unicode, ..PLAIN });
        let bad = text.chars().find(|c| {
            (c.is_control() && *c != '\n')
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}')
        });
        assert_eq!(bad, None);
    }
}

#[test]
fn a_run_that_was_interrupted_says_what_is_missing() {
    let mut results = few();
    results.run.interrupted = true;
    results.cells.truncate(6);
    results.run.planned = 20;
    let text = render(&results, &PLAIN);
    assert!(text.contains("The run was interrupted: 14 of 20 cells did not run and stay empty."), "{text}");
}

#[test]
fn a_cell_of_an_undeclared_build_or_with_a_doubled_id_is_not_lost() {
    let mut results = few();
    results.firmware.pop();
    let double = results.cells[0].clone();
    results.cells.push(double);
    let text = render(&results, &PLAIN);
    assert!(text.contains("ovmf-x64-sid") && text.contains("not described in this run"), "{text}");
    let signs = text.lines().filter(|line| line.contains("control/plain")).count();
    assert_eq!(text.lines().filter(|line| line.contains("(no parameters)")).count() + signs, 3, "{text}");
}
