//! What is expected where: levels with outcomes, and the exceptions of a sweep.

use crate::diagnostic::Diagnostic;
use crate::model::{Document, Exception, Expect};
use crate::point;
use crate::sweep::Combination;
use crate::tree::Node;
use indexmap::IndexMap;
use record::{Expected, Level, Outcome};
use serde_json::Value;
use std::collections::HashSet;

/// What is expected at a level; nothing where nothing can fail.
pub(crate) fn expected(level: Level, expect: Option<&Expect>) -> Expected {
    match expect.filter(|_| level != Level::Observe) {
        None => Expected { outcome: Vec::new(), stage: None, cause: None },
        Some(expect) => {
            Expected { outcome: expect.outcome.0.clone(), stage: expect.stage, cause: expect.cause.clone() }
        }
    }
}

/// Levels and expectations go together, for the scenario and for each exception.
pub(crate) fn expectations(document: &Document, root: &Node, errors: &mut Vec<Diagnostic>) {
    let Some(requirement) = &document.requirement else { return };
    expectation(requirement.level, document.expect.as_ref(), root, errors);
    let nodes = root.get("except").map(Node::elements).unwrap_or_default();
    for (exception, node) in document.except.iter().zip(nodes) {
        if exception.level.is_none() && exception.expect.is_none() {
            errors.push(
                Diagnostic::new(
                    node.span.clone(),
                    "this exception changes nothing",
                    "expected `level`, `expect` or both",
                )
                .help("say what is different at these points"),
            );
            continue;
        }
        let level = exception.level.unwrap_or(requirement.level);
        if level == Level::Observe || exception.expect.is_some() || document.expect.is_none() {
            expectation(level, exception.expect.as_ref(), node, errors);
        }
    }
}

/// The rules for an expectation and the level that it goes with. `place` is the entry that holds them.
fn expectation(level: Level, expect: Option<&Expect>, place: &Node, errors: &mut Vec<Diagnostic>) {
    let whole = place.get("expect").unwrap_or(place);
    let Some(expect) = expect else {
        if level != Level::Observe {
            errors.push(
                Diagnostic::new(
                    place.span.clone(),
                    "missing key `expect`",
                    format!("level `{level}` needs an expected outcome"),
                )
                .help("add a line such as `expect: { outcome: boots }`, or make the level `observe`"),
            );
        }
        return;
    };
    let key = place.entry("expect").map_or(place.span.clone(), |(key, _)| key.span.clone());
    if level == Level::Observe {
        errors.push(
            Diagnostic::new(key, "level `observe` cannot fail", "expected no `expect` with this level")
                .help("remove `expect`, or raise the level to `may`, `should` or `must`"),
        );
        return;
    }
    let at = |name: &str| whole.nearest(name).span.clone();
    let outcomes = &expect.outcome.0;
    if outcomes.is_empty() {
        errors.push(
            Diagnostic::new(at("outcome"), "`outcome` is an empty list", "expected at least one outcome")
                .help("write for example `outcome: boots` or `outcome: [refuses, gives-up]`"),
        );
    }
    if let Some(twice) = outcomes.iter().enumerate().find_map(|(i, o)| outcomes[..i].contains(o).then_some(o))
    {
        errors.push(
            Diagnostic::new(
                at("outcome"),
                format!("`{twice}` is listed twice"),
                "expected each outcome once",
            )
            .help("remove one of the two"),
        );
    }
    let boots = outcomes.contains(&Outcome::Boots);
    for (name, is_stated) in [("stage", expect.stage.is_some()), ("cause", expect.cause.is_some())] {
        if is_stated && boots {
            errors.push(
                Diagnostic::new(
                    at(name),
                    format!("`{name}` does not go with the outcome `boots`"),
                    "says where a boot broke",
                )
                .related(at("outcome"), "allows a boot that did not break")
                .help(format!("remove `{name}`, or `boots` from the outcomes")),
            );
        }
    }
    if let Some(cause) = expect.cause.as_deref().filter(|cause| !is_cause(cause)) {
        errors.push(
            Diagnostic::new(
                at("cause"),
                format!("`{}` is not a cause", crate::fault::shortened(cause)),
                "expected an identifier such as `dhcp4.offer-not-http`",
            )
            .help("write the area, a dot, and lower-case words joined by `-`"),
        );
    }
}

fn is_cause(cause: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    cause.split_once('.').is_some_and(|(area, words)| {
        is_word(area) && area.starts_with(|c: char| c.is_ascii_lowercase()) && words.split('-').all(is_word)
    })
}

/// The exception that holds at each combination.
pub(crate) fn exceptions<'d>(
    document: &'d Document,
    root: &Node,
    combinations: &[Combination<'_>],
    errors: &mut Vec<Diagnostic>,
) -> Vec<Option<&'d Exception>> {
    let nodes = root.get("except").map(Node::elements).unwrap_or_default();
    let place = |index: usize| {
        nodes.get(index).and_then(|node| node.get("where")).map_or(0..0, |node| node.span.clone())
    };
    let mut used = vec![false; document.except.len()];
    let mut clashes = HashSet::new();
    let chosen = combinations
        .iter()
        .map(|combination| {
            let mut matching =
                (0..document.except.len()).filter(|i| is_at(&document.except[*i].place, &combination.params));
            let first = matching.next();
            used.iter_mut().enumerate().filter(|(i, _)| Some(*i) == first).for_each(|(_, used)| *used = true);
            for second in matching {
                used[second] = true;
                if clashes.insert((first, second)) {
                    let id = point::id(document.id.as_deref().unwrap_or_default(), &combination.params);
                    errors.push(
                        Diagnostic::new(place(second), "two exceptions hold at one point", "this one …")
                            .related(place(first.unwrap_or_default()), "… and this one")
                            .help(format!("make one narrower: both hold at {id}")),
                    );
                }
            }
            first.map(|index| &document.except[index])
        })
        .collect();
    for (index, _) in used.iter().enumerate().filter(|(_, used)| !**used) {
        errors.push(
            Diagnostic::new(place(index), "this exception holds nowhere", "no point has these values")
                .help("remove it, or the exclusion that leaves its points out"),
        );
    }
    chosen
}

/// Whether a point is at a place: whether its swept settings have the values that are named there.
pub(crate) fn is_at(place: &IndexMap<String, Value>, params: &IndexMap<String, Value>) -> bool {
    place.iter().all(|(path, named)| {
        let value = params.get(path);
        value == Some(named)
            || named.as_array().is_some_and(|list| list.iter().any(|named| value == Some(named)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_have_a_shape() {
        assert!(is_cause("dhcp4.offer-not-http"));
        for bad in ["dhcp4", "dhcp4.", ".x", "4dhcp.x", "dhcp4.Offer", "dhcp4.a_b", "a.b.c"] {
            assert!(!is_cause(bad), "{bad}");
        }
    }
}
