//! Rules for the parts of a scenario that people read: its name, its clause, its sentences, its links.

use crate::diagnostic::Diagnostic;
use crate::model::Document;
use crate::tree::{Content, Node};
use record::Requirement;
use std::ops::Range;

/// Keys without which there is no scenario.
const REQUIRED: [(&str, &str); 4] = [
    ("id", "id: http/content-type"),
    ("title", "title: A media type with parameters still selects the EFI application handler"),
    ("requirement", "requirement: { spec: \"RFC 9110 §8.3.1\", level: must, text: \"…\" }"),
    ("why", "why: One sentence on whom it hurts."),
];

/// Every key once, as a word, with a value; the keys that must be there are. Repeated entries are removed.
pub(crate) fn shape(root: &mut Node, errors: &mut Vec<Diagnostic>) {
    match &root.content {
        Content::Map(_) => {}
        Content::Null => {
            errors.push(
                Diagnostic::new(0..0, "the file holds no scenario", "expected `id:`")
                    .help(format!("begin with `{}`; scenarios/README.md has a whole example", REQUIRED[0].1)),
            );
            return;
        }
        other => {
            let found = crate::fault::found(other);
            errors.push(
                Diagnostic::new(
                    root.span.clone(),
                    format!("expected a scenario, found {found}"),
                    "expected `key: value`",
                )
                .help(format!("begin with `{}`; scenarios/README.md has a whole example", REQUIRED[0].1)),
            );
            return;
        }
    }
    once(root, errors);
    for (key, example) in REQUIRED {
        if !root.has_or_means(key) {
            errors.push(
                Diagnostic::new(
                    root.span.clone(),
                    format!("missing key `{key}`"),
                    format!("a scenario needs `{key}`"),
                )
                .help(format!("add a line such as `{example}`")),
            );
        }
    }
    let Content::Map(entries) = &mut root.content else { return };
    entries.retain(|(key, value)| match (key.text(), &value.content) {
        (Some(name), Content::Null) => {
            let title = format!("`{name}` has no value");
            errors.push(
                Diagnostic::new(key.span.clone(), title, "expected a value after the colon")
                    .help("write a value, or remove the key"),
            );
            false
        }
        _ => true,
    });
}

fn once(node: &mut Node, errors: &mut Vec<Diagnostic>) {
    match &mut node.content {
        Content::List(elements) => elements.iter_mut().for_each(|element| once(element, errors)),
        Content::Map(entries) => {
            let mut first: indexmap::IndexMap<String, Range<usize>> = indexmap::IndexMap::new();
            entries.retain(|(key, _)| {
                let Some(name) = key.text() else { return true };
                let Some(before) = first.get(name) else {
                    first.insert(name.to_owned(), key.span.clone());
                    return true;
                };
                errors.push(
                    Diagnostic::new(
                        key.span.clone(),
                        format!("duplicate key `{name}`"),
                        "written again here",
                    )
                    .related(before.clone(), "first written here")
                    .help("keep one of the two"),
                );
                false
            });
            entries.iter_mut().for_each(|(_, value)| once(value, errors));
        }
        _ => {}
    }
}

/// The rules for names, sentences, clauses and links. `expected_id` is what the file's place says.
pub(crate) fn prose(
    document: &Document,
    root: &Node,
    expected_id: Option<&str>,
    errors: &mut Vec<Diagnostic>,
) {
    let span = |path: &str| root.nearest(path).span.clone();
    if let Some(id) = &document.id {
        identifier(id, span("id"), expected_id, errors);
    }
    if let Some(title) = &document.title {
        sentence("title", title, span("title"), 120, errors);
        if title.trim_end().ends_with('.') {
            errors.push(
                Diagnostic::new(
                    span("title"),
                    "the title ends with a full stop",
                    "expected no full stop at the end",
                )
                .help("titles are headings: remove the full stop"),
            );
        }
    }
    if let Some(why) = &document.why {
        sentence("why", why, span("why"), 300, errors);
    }
    if let Some(requirement) = &document.requirement {
        self::requirement(requirement, root, errors);
    }
    let links = root.get("reports").map(Node::elements).unwrap_or_default();
    for link in links {
        if let Some(text) = link.text().filter(|text| !is_web_address(text)) {
            let text = crate::fault::shortened(text);
            errors.push(
                Diagnostic::new(
                    link.span.clone(),
                    format!("`{text}` is not a web address"),
                    "expected http:// or https://",
                )
                .help("link the report itself, for example https://github.com/tianocore/edk2/issues/9714"),
            );
        }
    }
    for (number, link) in links.iter().enumerate() {
        if let Some(before) =
            links[..number].iter().find(|before| before.text().is_some() && before.text() == link.text())
        {
            errors.push(
                Diagnostic::new(link.span.clone(), "this report is listed twice", "listed again here")
                    .related(before.span.clone(), "first listed here")
                    .help("remove one of the two"),
            );
        }
    }
}

/// The rules for a requirement of the block at `node`.
pub(crate) fn requirement(requirement: &Requirement, node: &Node, errors: &mut Vec<Diagnostic>) {
    let span = |path: &str| node.nearest(path).span.clone();
    sentence("requirement.text", &requirement.text, span("requirement.text"), 300, errors);
    clauses(&requirement.spec, span("requirement.spec"), errors);
}

fn identifier(id: &str, span: Range<usize>, expected: Option<&str>, errors: &mut Vec<Diagnostic>) {
    let shape = "lower-case words and digits, joined by `-`, below at least one folder";
    if let Some(expected) = expected.filter(|expected| is_identifier(expected)) {
        if id != expected {
            errors.push(
                Diagnostic::new(
                    span,
                    format!("the id is not the file's place: `{id}`"),
                    format!("expected `{expected}`"),
                )
                .help(format!("write `id: {expected}`, or move the file")),
            );
        }
    } else if let Some(expected) = expected {
        errors.push(
            Diagnostic::new(
                span,
                "the file's place makes no id",
                format!("expected an id like `http/content-type`, not `{expected}`"),
            )
            .help(format!("name the folder and the file in {shape}")),
        );
    } else if !is_identifier(id) {
        let kebab: String = id
            .trim_matches('/')
            .chars()
            .map(|c| if matches!(c, '_' | ' ' | '.') { '-' } else { c.to_ascii_lowercase() })
            .collect();
        let error = Diagnostic::new(
            span,
            format!("`{}` is not an id", crate::fault::shortened(id)),
            "expected an id like `http/content-type`",
        );
        errors.push(match is_identifier(&kebab) {
            true => error.help(format!("did you mean `{kebab}`?")),
            false => error.help(format!("write {shape}")),
        });
    }
}

/// Kebab-case words separated by `/`, at least two.
fn is_identifier(id: &str) -> bool {
    id.contains('/') && id.split('/').all(is_word)
}

/// Lower-case words and digits, joined by `-`.
pub(crate) fn is_word(text: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.split('-').all(is_part)
}

fn sentence(name: &str, text: &str, span: Range<usize>, longest: usize, errors: &mut Vec<Diagnostic>) {
    let problem = if text.trim().is_empty() {
        Some((format!("`{name}` is empty"), "expected one sentence".to_owned(), "say it in one sentence"))
    } else if text.trim_end().contains('\n') {
        Some((
            format!("`{name}` has several lines"),
            "expected one sentence".to_owned(),
            "say it in one sentence; `>` folds a long one",
        ))
    } else if text.chars().count() > longest {
        let length = text.chars().count();
        Some((
            format!("`{name}` has {length} characters"),
            format!("expected at most {longest}"),
            "say it in one short sentence",
        ))
    } else if let Some(second) = second_sentence(text) {
        let second: String = second.chars().take(30).collect();
        Some((
            format!("`{name}` has more than one sentence"),
            format!("the second begins with `{second}`"),
            "say it in one sentence",
        ))
    } else {
        None
    };
    if let Some((title, label, help)) = problem {
        errors.push(Diagnostic::new(span, title, label).help(help));
    }
}

/// Where a second sentence begins: after a full stop and a space, with a capital. Not after `e.g.` and the like.
fn second_sentence(text: &str) -> Option<&str> {
    text.match_indices(['.', '!', '?']).find_map(|(at, _)| {
        let before = &text[..at];
        let rest = text[at + 1..].strip_prefix(' ')?;
        let is_abbreviation =
            ["e.g", "i.e", "cf", "vs", "etc", "sec"].iter().any(|short| before.ends_with(short));
        (rest.starts_with(char::is_uppercase) && !is_abbreviation).then_some(rest)
    })
}

fn clauses(spec: &str, span: Range<usize>, errors: &mut Vec<Diagnostic>) {
    for clause in spec.split("; ") {
        if let Err(problem) = clause_problem(clause) {
            errors.push(
                Diagnostic::new(
                    span.clone(),
                    format!("`{}` is not a clause: {problem}", crate::fault::shortened(clause)),
                    "expected a document, its version and a section",
                )
                .help(
                    "write for example `RFC 9110 §8.3.1` or `UEFI 2.11 §24.7.3`, with `; ` between several",
                ),
            );
        }
    }
}

/// A clause is a document with its number or version, and a section: `RFC 9110 §8.3.1`, `UEFI 2.11 §24.7.3`, `RFC 2132 §9.13`.
fn clause_problem(clause: &str) -> Result<(), &'static str> {
    let (document, section) = clause.split_once(" §").ok_or("there is no ` §`")?;
    let (name, version) = document.split_once(' ').ok_or("the document has no number or version")?;
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_name {
        return Err("the document's name is not one");
    }
    let is_version = match name {
        "RFC" => {
            version.len() <= 5 && version.bytes().all(|b| b.is_ascii_digit()) && !version.starts_with('0')
        }
        _ => {
            version.starts_with(|c: char| c.is_ascii_alphanumeric())
                && version.bytes().any(|b| b.is_ascii_digit())
        }
    };
    if !is_version {
        return Err("the document's number or version is not one");
    }
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    match section.split('.').all(is_part) && section.len() <= 20 {
        true => Ok(()),
        false => Err("the section is not one"),
    }
}

fn is_web_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    let is_host_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    host.contains(['.', ':']) && host.bytes().all(is_host_byte) && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_are_recognised() {
        for good in [
            "RFC 9110 §8.3.1",
            "UEFI 2.11 §24.7.3",
            "RFC 2131 §4.3.1",
            "PXE 2.1 §2.2",
            "RFC 8415 §A",
            "IEEE 802.1Q-2022 §9.6",
        ] {
            assert_eq!(clause_problem(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "RFC 9110",
            "RFC9110 §8",
            "RFC x §8",
            "RFC 9110 §",
            "9110 §8.3.1",
            "UEFI §24.7",
            "RFC 9110 § 8.3.1",
            "RFC 9110 §8..1",
            "see the RFC",
        ] {
            assert!(clause_problem(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sentences_are_counted() {
        assert_eq!(second_sentence("A client, e.g. EDK2, stops. Users wait"), Some("Users wait"));
        assert_eq!(second_sentence("HTTP/1.1 and i.e. That"), None);
        assert_eq!(second_sentence("Version 2.11 of UEFI."), None);
    }

    #[test]
    fn addresses_are_recognised() {
        for good in
            ["https://github.com/tianocore/edk2/issues/9714", "http://[2001:db8::1]/x", "https://example.org"]
        {
            assert!(is_web_address(good), "{good}");
        }
        for bad in [
            "github.com/x",
            "ftp://example.org",
            "https://",
            "https://nohost",
            "https://example.org/a b",
            "#9714",
        ] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }

    #[test]
    fn identifiers_have_a_shape() {
        assert!(is_identifier("http/content-type") && is_identifier("a/b/c1"));
        for bad in [
            "http",
            "/http",
            "http/",
            "http//x",
            "Http/x",
            "http/content_type",
            "http/-x",
            "http/x-",
            "http/é",
        ] {
            assert!(!is_identifier(bad), "{bad}");
        }
    }
}
