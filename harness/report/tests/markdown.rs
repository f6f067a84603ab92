//! `matrix.md`.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use report::{Format, Markdown, sample};

#[test]
fn the_whole_file() {
    let text = Markdown.render(&sample::results()).unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn every_table_row_has_as_many_cells_as_its_head() {
    let text = Markdown.render(&sample::results()).unwrap();
    let mut head = None;
    let mut rows = 0;
    for line in text.lines() {
        if !line.starts_with('|') {
            head = None;
            continue;
        }
        let pipes = unescaped(line).filter(|c| *c == '|').count();
        assert_eq!(pipes, *head.get_or_insert(pipes), "{line}");
        rows += 1;
    }
    assert!(rows > 60, "{rows}");
}

#[test]
fn no_raw_markup_of_others() {
    let text = Markdown.render(&sample::results()).unwrap();
    let prose = without_code_spans(&text);
    let markup: String = prose.lines().flat_map(unescaped).collect();
    let markup = markup.replace("<code>", "").replace("</code>", "");
    assert!(!markup.contains(['<', '[', '`']), "{markup}");
    assert!(text.lines().all(|line| !line.starts_with("# heading")));
    assert!(!text.contains(['\u{202e}', '\u{1b}', '\u{2028}', '\0']));
}

/// The characters of a line without those that are escaped, as GFM splits table rows.
fn unescaped(line: &str) -> impl Iterator<Item = char> {
    let mut escaped = false;
    line.chars().filter(move |c| {
        let keep = !escaped && *c != '\\';
        escaped = !escaped && *c == '\\';
        keep
    })
}

/// The text without its code spans (CommonMark §6.1: a span ends at a run of as many backticks).
fn without_code_spans(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('`') {
        if rest[..start].ends_with('\\') {
            out.push_str(&rest[..=start]);
            rest = &rest[start + 1..];
            continue;
        }
        out.push_str(&rest[..start]);
        let run = rest[start..].len() - rest[start..].trim_start_matches('`').len();
        let mut inside = &rest[start + run..];
        loop {
            inside = &inside[inside.find('`').expect("every span is closed")..];
            let end = inside.len() - inside.trim_start_matches('`').len();
            inside = &inside[end..];
            if end == run {
                break;
            }
        }
        rest = inside;
    }
    out + rest
}
