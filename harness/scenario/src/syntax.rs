//! What the YAML parser objects to, said with what to do.

use crate::{diagnostic::Diagnostic, tree::byte_range};
use serde_yaml::{Error, Location};
use std::ops::Range;

/// Turns an error of the parser into one of ours.
pub(crate) fn explain(error: &Error, source: &str) -> Diagnostic {
    let error = error.without_snippet();
    let span = error.location().map_or(0..0, |location| locate(location, source));
    let at = |title: &str, label: &str, help: &str| Diagnostic::new(span.clone(), title, label).help(help);
    match error {
        Error::MultipleDocuments { .. } => at(
            "more than one YAML document",
            "a second document starts here",
            "write one scenario per file: remove the `---` line and what follows, or move it to a file of its own",
        ),
        Error::MergeKeyNotAllowed { .. } => at(
            "merge keys are not part of the scenario language",
            "expected a key of this block",
            "write the settings out; sweep them under `vary` if there are many",
        ),
        Error::NonFiniteFloat { value, .. } => at(
            &format!("`{value}` is not a finite number"),
            "expected a finite number",
            "write a number that a 64-bit float can hold",
        ),
        Error::UnsupportedTag { .. } => tag(crate::tree::tag_before(span.start, source).unwrap_or(span)),
        Error::UnknownAnchor { .. } => at(
            "this alias names no anchor",
            "expected an anchor above this line",
            "define it with `&name` first, or put the text in quotes if it is meant to start with `*`",
        ),
        Error::AliasError { error, .. } => explain(error, source),
        Error::RecursiveReferencesRequireWeakTypes { .. } => at(
            "this anchor contains itself",
            "expected a value that is complete without itself",
            "write the value out",
        ),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => at(
            "the file expands to more than a scenario may hold",
            "expected at most 24 levels, 1,000 aliases and 20,000 values",
            "write the values out, or split the scenario",
        ),
        _ => scanner(&message(error), span.clone(), source),
    }
}

/// A tag, which no setting needs.
pub(crate) fn tag(span: Range<usize>) -> Diagnostic {
    Diagnostic::new(span, "YAML tags are not part of the scenario language", "expected a value without a tag")
        .help("remove the word that starts with `!`; write variants as `{ name: value }`")
}

/// Errors that the parser gives as text only.
fn scanner(message: &str, mut span: Range<usize>, source: &str) -> Diagnostic {
    let rest_of_line = source.get(span.start..).unwrap_or_default().split('\n').next().unwrap_or_default();
    if message.contains("unexpected character")
        && let Some(at) = rest_of_line.find(|c: char| c.is_control() && !matches!(c, '\t' | '\r'))
    {
        // The parser names the beginning of the text that has the character.
        span = span.start + at..span.start + at + 1;
    }
    let rest = source.get(span.start..).unwrap_or_default();
    let above = source.get(..span.start).unwrap_or_default().trim_end_matches(|c| c != '\n').trim_end();
    let above = above.rsplit('\n').next().unwrap_or_default();
    let (label, help) = if message.contains("tabs disallowed") {
        ("expected spaces", "YAML is indented with spaces: replace the tab")
    } else if message.contains("recursion limit") {
        ("expected at most 24 levels", "no setting is nested this deeply: close the brackets")
    } else if message.contains("unclosed quote") {
        ("expected a closing quote", "close the quotation mark that opens here")
    } else if message.contains("unclosed bracket") {
        ("expected a closing bracket", "close the bracket that opens here")
    } else if message.contains("mapping values are not allowed")
        && above.contains(':')
        && !above.contains(": ")
        && !above.ends_with(':')
    {
        ("expected no `:` here", "write a space after the `:` in the line above")
    } else if message.contains("mapping values are not allowed") {
        (
            "expected no `:` here",
            "put a text that contains `: ` in quotes, or indent this key like its neighbours",
        )
    } else if message.contains("simple key expected") || message.contains("could not find expected ':'") {
        ("expected `key: value`", "add a `:` and a space after the key, or indent the line below its key")
    } else if message.contains("did not find expected key") {
        ("expected a key in line with those above", "indent this line like the other keys of its block")
    } else if message.contains("did not find expected ','") || message.contains("illegal placement of ':'") {
        (
            "expected a `,` or a closing bracket",
            "close the bracket or brace that is open above, or add the comma",
        )
    } else if rest.starts_with(['@', '`']) {
        ("expected a value", "a value that starts with this character has to be in quotes")
    } else if rest.starts_with(char::is_control) {
        (
            "expected text",
            "remove the control character; in double quotes it can be written as an escape such as \"\\x00\"",
        )
    } else if message.contains("unknown escape") {
        ("expected a known escape", "in double quotes write `\\\\` for a backslash, or use single quotes")
    } else {
        ("expected YAML", "put a text with special characters in quotes")
    };
    Diagnostic::new(span, format!("not valid YAML: {message}"), label).help(help)
}

/// The parser's words without the place, which the marker shows.
fn message(error: &Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Byte range of a location; from line and column where the parser gives no bytes.
fn locate(location: Location, source: &str) -> Range<usize> {
    if location.span().byte_offset().is_some() {
        return byte_range(location);
    }
    let line = usize::try_from(location.line()).unwrap_or(usize::MAX).saturating_sub(1);
    let column = usize::try_from(location.column()).unwrap_or(usize::MAX).saturating_sub(1);
    let start: usize = source.split_inclusive('\n').take(line).map(str::len).sum();
    let text = source.get(start..).unwrap_or_default();
    let offset: usize = text.chars().take(column).map(char::len_utf8).sum();
    let width = text.get(offset..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    start + offset..start + offset + width
}
