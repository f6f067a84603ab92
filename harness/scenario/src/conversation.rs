//! Assertions about the conversation: checked against what events there are, and resolved for each point.

use crate::diagnostic::Diagnostic;
use crate::expectation::is_at;
use crate::fault::{joined, shortened};
use crate::model::Document;
use crate::sweep::Combination;
use crate::tree::Node;
use crate::{lint, settings, suggest};
use record::{Assertion, Event, Level, Matcher, Pattern};
use serde_json::Value;
use services::NetworkSettings;
use std::collections::HashSet;
use std::sync::LazyLock;

/// The rules for assertions, whatever the point.
pub(crate) fn check(document: &Document, root: &Node, errors: &mut Vec<Diagnostic>) {
    let nodes = root.get("conversation").map(Node::elements).unwrap_or_default();
    let mut names = HashSet::new();
    for (assertion, node) in document.conversation.iter().zip(nodes) {
        let span = |path: &str| node.nearest(path).span.clone();
        if !lint::is_word(&assertion.id) {
            errors.push(
                Diagnostic::new(
                    span("id"),
                    format!("`{}` is not a name", shortened(&assertion.id)),
                    "expected words like `host-has-port`",
                )
                .help("write lower-case words and digits, joined by `-`"),
            );
        } else if !names.insert(&assertion.id) {
            errors.push(
                Diagnostic::new(
                    span("id"),
                    format!("two assertions are called `{}`", assertion.id),
                    "expected a name of its own",
                )
                .help("rename one: reports and waivers name them"),
            );
        }
        lint::requirement(&assertion.requirement, node, errors);
        checked(assertion, node, errors);
        let events = pattern(&assertion.each, node.nearest("each"), None, errors);
        for (name, other) in [("after", &assertion.after), ("before", &assertion.before)] {
            if let Some(other) = other {
                pattern(other, node.nearest(name), None, errors);
            }
        }
        if let Some(has) = &assertion.has {
            pattern(has, node.nearest("has"), Some(&events), errors);
        }
        for (path, at) in assertion.same.iter().zip(node.get("same").map(Node::elements).unwrap_or_default())
        {
            field(path, at, &events, errors);
        }
    }
}

/// What is asserted goes with the level.
fn checked(assertion: &Assertion, node: &Node, errors: &mut Vec<Diagnostic>) {
    match (assertion.requirement.level, assertion.is_checked()) {
        (Level::Observe, true) => errors.push(
            Diagnostic::new(
                node.nearest("requirement.level").span.clone(),
                "level `observe` cannot fail",
                "expected a level of what can",
            )
            .help("remove the check, or raise the level to `may`, `should` or `must`"),
        ),
        (level, false) if level != Level::Observe => errors.push(
            Diagnostic::new(
                node.nearest("id").span.clone(),
                "nothing is asserted",
                "expected `has`, `same`, `at_least`, `at_most` or `apart_seconds`",
            )
            .help("say what is the same, how many, or what each has; or make the level `observe`"),
        ),
        _ => {}
    }
    if let (Some(least), Some(most)) = (assertion.at_least, assertion.at_most)
        && least > most
    {
        errors.push(
            Diagnostic::new(
                node.nearest("at_least").span.clone(),
                format!("at least {least} and at most {most}"),
                "never holds",
            )
            .help("swap the two numbers"),
        );
    }
}

/// The fields of a pattern are those of its events, or of `events`; those events.
fn pattern(
    pattern: &Pattern,
    node: &Node,
    events: Option<&[String]>,
    errors: &mut Vec<Diagnostic>,
) -> Vec<String> {
    let named = match pattern.0.get("event") {
        Some(Matcher::Text(event)) => vec![event.clone()],
        Some(Matcher::AnyOf(all)) => all
            .iter()
            .filter_map(|one| match one {
                Matcher::Text(event) => Some(event.clone()),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    for event in named.iter().filter(|event| fields(event).is_none()) {
        let known: Vec<&str> = SCHEMA.events.iter().map(|(name, _)| name.as_str()).collect();
        let error = Diagnostic::new(
            node.nearest("event").span.clone(),
            format!("there is no event `{}`", shortened(event)),
            "expected an event of timeline.jsonl",
        );
        errors.push(match suggest::nearest(event, known.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("there are {}", joined(&known, "and"))),
        });
    }
    if named.is_empty() && events.is_none() {
        errors.push(
            Diagnostic::new(node.span.clone(), "no event is named", "expected `event: …`")
                .help("write for example `{ event: http-request, method: GET }`"),
        );
    }
    let events: Vec<String> = match events {
        Some(events) => events.to_vec(),
        None => named.into_iter().filter(|event| fields(event).is_some()).collect(),
    };
    for (key, _) in node.entries() {
        if let Some(path) = key.text().filter(|path| *path != "event") {
            field(path, key, &events, errors);
        }
    }
    events
}

/// Whether all of `events` have a field at this path.
fn field(path: &str, at: &Node, events: &[String], errors: &mut Vec<Diagnostic>) {
    for event in events {
        let Some(schema) = fields(event) else { continue };
        let mut node = schema;
        for key in path.split('.') {
            let known = SCHEMA.properties(node);
            if SCHEMA.is_open(node) {
                return;
            }
            let Some(next) = known.iter().find(|(name, _)| name == key) else {
                let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
                errors.push(
                    Diagnostic::new(
                        at.span.clone(),
                        format!("`{event}` has no field `{}`", shortened(path)),
                        format!("expected {}", joined(&names, "or")),
                    )
                    .suggest(key, names.iter().copied())
                    .or_help("timeline.jsonl of any cell shows the fields of an event"),
                );
                return;
            };
            node = next.1;
        }
    }
}

fn fields(event: &str) -> Option<&'static Value> {
    SCHEMA.events.iter().find(|(name, _)| name == event).map(|(_, schema)| schema)
}

static SCHEMA: LazyLock<Events> = LazyLock::new(Events::new);

/// The fields of all events, from their types.
struct Events {
    events: Vec<(String, Value)>,
    defs: Value,
}

impl Events {
    fn new() -> Self {
        let mut schema = schemars::schema_for!(Event).to_value();
        let variants = schema["oneOf"].as_array().cloned().unwrap_or_default();
        let named = variants.into_iter().filter_map(|variant| {
            Some((variant["properties"]["event"]["const"].as_str()?.to_owned(), variant))
        });
        Self { events: named.collect(), defs: schema["$defs"].take() }
    }

    /// What a schema stands for: references, optional values and elements of lists.
    fn inner<'s>(&'s self, schema: &'s Value) -> &'s Value {
        if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/$defs/")) {
            return self.inner(&self.defs[name]);
        }
        let optional =
            schema["anyOf"].as_array().and_then(|all| all.iter().find(|one| one["type"] != "null"));
        match (optional, schema.get("items")) {
            (Some(inner), _) | (None, Some(inner)) => self.inner(inner),
            _ => schema,
        }
    }

    fn properties<'s>(&'s self, schema: &'s Value) -> Vec<(String, &'s Value)> {
        let properties = self.inner(schema)["properties"].as_object();
        properties.into_iter().flatten().map(|(name, schema)| (name.clone(), schema)).collect()
    }

    /// Whether any name is a field: header fields have the names that they have, data of QEMU too.
    fn is_open(&self, schema: &Value) -> bool {
        let schema = self.inner(schema);
        let has = |name: &str| schema["properties"].get(name).is_some();
        schema == &Value::Bool(true) || (has("name") && has("value"))
    }
}

/// What is asserted at a point, with all placeholders replaced.
pub(crate) fn resolve(
    document: &Document,
    root: &Node,
    combination: &Combination<'_>,
    network: &NetworkSettings,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Assertion> {
    let nodes = root.get("conversation").map(Node::elements).unwrap_or_default();
    let values = serde_json::to_value(network).unwrap_or_default();
    let mut resolved = Vec::new();
    for (assertion, node) in document.conversation.iter().zip(nodes) {
        if !is_at(&assertion.place, &combination.params) {
            continue;
        }
        let mut assertion = Assertion { place: Default::default(), ..assertion.clone() };
        let patterns = [Some(&mut assertion.each), assertion.after.as_mut(), assertion.before.as_mut()];
        for pattern in patterns.into_iter().flatten().chain(assertion.has.as_mut()) {
            for matcher in pattern.0.values_mut() {
                if let Err(problem) = expand(matcher, &values, network)
                    && !errors.iter().any(|error| error.span == node.span)
                {
                    errors.push(
                        Diagnostic::new(node.span.clone(), problem, "in a text of this assertion")
                            .help("write `{server4}` or the dotted path of a setting, `{http.port}`"),
                    );
                }
            }
        }
        resolved.push(assertion);
    }
    resolved
}

fn expand(matcher: &mut Matcher, values: &Value, network: &NetworkSettings) -> Result<(), String> {
    match matcher {
        Matcher::Text(text) => *text = expanded(text, values, network)?,
        Matcher::AnyOf(all) => return all.iter_mut().try_for_each(|one| expand(one, values, network)),
        Matcher::Not { not } => return expand(not, values, network),
        _ => {}
    }
    Ok(())
}

/// First the settings, then what URLs have.
fn expanded(text: &str, values: &Value, network: &NetworkSettings) -> Result<String, String> {
    let mut out = text.to_owned();
    for path in settings::all() {
        let placeholder = format!("{{{path}}}");
        if out.contains(&placeholder) {
            let value = match values.pointer(&format!("/{}", path.replace('.', "/"))) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) | None => return Err(format!("`{path}` has no value here")),
                Some(value) => value.to_string(),
            };
            out = out.replace(&placeholder, &value);
        }
    }
    network.expand(&out).map_err(|error| error.problem)
}
