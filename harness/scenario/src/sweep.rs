//! From `vary`, `exclude`, `network` and `except` to points, with everything checked on the way.

use crate::conversation;
use crate::diagnostic::Diagnostic;
use crate::expectation::{exceptions, expectations, expected};
use crate::model::Document;
use crate::point::{self, Point};
use crate::tree::{Content, Node};
use crate::{fault, read, settings};
use indexmap::IndexMap;
use record::Level;
use serde_json::Value;
use services::{Network, NetworkSettings};
use std::collections::{HashMap, HashSet};

/// Most points that one scenario may have, before `exclude`.
pub const MAX_POINTS: usize = 10_000;

/// The points of a scenario whose keys and types are right; none if something else is wrong.
pub(crate) fn points(
    document: &Document,
    root: &Node,
    source: &str,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Point> {
    let before = errors.len();
    swept_settings(root, errors);
    if errors.len() == before {
        swept_values(root, source, errors);
        size(root, errors);
    }
    if errors.len() == before {
        assignments(document, root, errors);
        expectations(document, root, errors);
        conversation::check(document, root, errors);
    }
    if errors.len() > before {
        return Vec::new();
    }
    let combinations = combinations(document, root, errors);
    let chosen = exceptions(document, root, &combinations, errors);
    let networks = networks(root, &combinations, document.id.as_deref().unwrap_or_default(), source, errors);
    if errors.len() > before {
        return Vec::new();
    }
    let level = document.requirement.as_ref().map_or(Level::Observe, |requirement| requirement.level);
    let conversations: Vec<_> = combinations
        .iter()
        .zip(&networks)
        .map(|(combination, network)| conversation::resolve(document, root, combination, network, errors))
        .collect();
    if errors.len() > before {
        return Vec::new();
    }
    combinations
        .into_iter()
        .zip(networks)
        .zip(chosen)
        .zip(conversations)
        .map(|(((combination, network), exception), conversation)| {
            let level = exception.and_then(|e| e.level).unwrap_or(level);
            let expect = exception.and_then(|e| e.expect.as_ref()).or(document.expect.as_ref());
            Point {
                id: point::id(document.id.as_deref().unwrap_or_default(), &combination.params),
                params: combination.params,
                network,
                level,
                expected: expected(level, expect),
                conversation,
            }
        })
        .collect()
}

/// The entries of `vary`: path and values.
fn swept(root: &Node) -> impl Iterator<Item = (&Node, &str, &[Node])> {
    let entries = root.get("vary").map(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|(key, values)| Some((key, key.text()?, values.elements())))
}

fn swept_settings(root: &Node, errors: &mut Vec<Diagnostic>) {
    for (key, path, values) in swept(root) {
        let at = key.span.clone();
        if settings::is_block(path) {
            let inside: Vec<&str> = settings::all()
                .iter()
                .map(String::as_str)
                .filter(|p| p.starts_with(&format!("{path}.")))
                .collect();
            errors.push(
                Diagnostic::new(at, format!("`{path}` is a block of settings"), "expected one setting")
                    .help(format!("sweep {}", fault::joined(&inside, "or"))),
            );
        } else if !settings::exists(path) {
            let error = Diagnostic::new(
                at,
                format!("unknown setting `{}`", fault::shortened(path)),
                "expected the dotted path of a setting",
            );
            errors.push(match settings::probably(path) {
                Some(known) => error.help(format!("did you mean `{known}`?")),
                None => error.help("`plugfest schema` and scenarios/schema.json list the settings"),
            });
        } else if values.is_empty() {
            errors.push(
                Diagnostic::new(
                    at,
                    format!("no values to sweep `{path}` over"),
                    "expected a list of at least one value",
                )
                .help("list the values, or set it under `network`"),
            );
        } else if let Some(set) = root.get("network").and_then(|network| exactly(network, path)) {
            errors.push(
                Diagnostic::new(
                    set.span.clone(),
                    format!("`{path}` is both set and swept"),
                    "never used: the swept values replace it",
                )
                .related(at, "swept here")
                .help("remove one of the two"),
            );
        }
    }
}

fn exactly<'t>(node: &'t Node, path: &str) -> Option<&'t Node> {
    path.split('.').try_fold(node, |node, key| node.get(key))
}

fn swept_values(root: &Node, source: &str, errors: &mut Vec<Diagnostic>) {
    for (_, path, values) in swept(root) {
        let mut seen: HashMap<String, &Node> = HashMap::new();
        for value in values {
            let network: NetworkSettings = match read::read(&Node::at_path(path, value.clone())) {
                Ok(network) => network,
                Err(fault) => {
                    errors.push(fault.diagnostic(source));
                    continue;
                }
            };
            // Compared as settings, so that 5 and 5.0 seconds are the same.
            let settings = serde_json::to_string(&network).unwrap_or_default();
            if let Some(before) = seen.get(&settings) {
                errors.push(
                    Diagnostic::new(value.span.clone(), "this value is swept twice", "the same value again")
                        .related(before.span.clone(), "first here")
                        .help("remove one of the two"),
                );
            }
            seen.entry(settings).or_insert(value);
        }
    }
}

fn size(root: &Node, errors: &mut Vec<Diagnostic>) {
    let lengths: Vec<usize> = swept(root).map(|(_, _, values)| values.len()).collect();
    let total = lengths.iter().try_fold(1_usize, |product, length| product.checked_mul(*length));
    if total.is_none_or(|total| total > MAX_POINTS)
        && let Some((key, _)) = root.entry("vary")
    {
        let product = lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        errors.push(
            Diagnostic::new(
                key.span.clone(),
                format!("{product} combinations are too many"),
                format!("expected at most {MAX_POINTS}"),
            )
            .help("sweep fewer values, or split the scenario"),
        );
    }
}

/// `exclude` and `except: where` name swept settings and swept values.
fn assignments(document: &Document, root: &Node, errors: &mut Vec<Diagnostic>) {
    let excluded = root.get("exclude").map(Node::elements).unwrap_or_default();
    let elements = |key: &str| root.get(key).map(Node::elements).unwrap_or_default().iter();
    let places = elements("except").chain(elements("conversation")).filter_map(|entry| entry.get("where"));
    for assignment in excluded.iter().chain(places) {
        if assignment.entries().is_empty() {
            errors.push(
                Diagnostic::new(
                    assignment.span.clone(),
                    "names no setting",
                    "expected a swept setting and its value",
                )
                .help("name at least one setting of `vary` and one of its values"),
            );
        }
        let lists = !excluded.iter().any(|entry| entry.id == assignment.id);
        for (key, value) in assignment.entries() {
            let path = key.text().unwrap_or_default();
            let Some(values) = document.vary.get(path) else {
                let known: Vec<&str> = document.vary.keys().map(String::as_str).collect();
                let error = Diagnostic::new(
                    key.span.clone(),
                    format!("`{}` is not swept", fault::shortened(path)),
                    format!("expected {}", fault::joined(&known, "or")),
                );
                let by_last_name = known.iter().copied().find(|known| known.rsplit('.').next() == Some(path));
                errors.push(match by_last_name {
                    Some(known) => error.help(format!("did you mean `{known}`?")),
                    None => error
                        .suggest(path, known.iter().copied())
                        .help("name a setting of `vary` by its whole path"),
                });
                continue;
            };
            let one_of_list =
                |value: &Node| lists && !values.contains(&value.to_json()) && !value.elements().is_empty();
            let named: Vec<&Node> =
                if one_of_list(value) { value.elements().iter().collect() } else { vec![value] };
            for node in named.into_iter().filter(|node| !values.contains(&node.to_json())) {
                let swept: Vec<String> = values.iter().map(shown).collect();
                let error = Diagnostic::new(
                    node.span.clone(),
                    format!("`{path}` is not swept over this value"),
                    format!(
                        "expected {}",
                        fault::joined(&swept.iter().map(String::as_str).collect::<Vec<_>>(), "or")
                    ),
                );
                errors.push(
                    error
                        .suggest(&shown(&node.to_json()), swept.iter().map(String::as_str))
                        .help("write the value as it is under `vary`"),
                );
            }
        }
    }
}

/// A value as an author would write it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One combination of swept values, with their nodes.
pub(crate) struct Combination<'t> {
    pub params: IndexMap<String, Value>,
    nodes: Vec<(&'t str, &'t Node)>,
}

/// The cross product without what is excluded; the last path varies fastest.
fn combinations<'t>(
    document: &Document,
    root: &'t Node,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Combination<'t>> {
    let mut product = vec![Combination { params: IndexMap::new(), nodes: Vec::new() }];
    for (_, path, values) in swept(root) {
        product = product
            .iter()
            .flat_map(|combination| {
                values.iter().map(move |value| {
                    let mut next =
                        Combination { params: combination.params.clone(), nodes: combination.nodes.clone() };
                    next.params.insert(path.to_owned(), value.to_json());
                    next.nodes.push((path, value));
                    next
                })
            })
            .collect();
    }
    let nodes = root.get("exclude").map(Node::elements).unwrap_or_default();
    for (assignment, node) in document.exclude.iter().zip(nodes) {
        let before = product.len();
        product.retain(|combination| {
            !assignment.iter().all(|(path, value)| combination.params.get(path) == Some(value))
        });
        if product.len() == before {
            errors.push(
                Diagnostic::new(
                    node.span.clone(),
                    "this exclusion leaves nothing out",
                    "these combinations are left out already",
                )
                .help("remove it"),
            );
        }
        if product.is_empty() {
            errors.push(
                Diagnostic::new(
                    node.span.clone(),
                    "nothing is left of the sweep",
                    "with this, every combination is left out",
                )
                .help("exclude fewer combinations"),
            );
            break;
        }
    }
    product
}

/// The whole settings of each combination, each checked by the network that would have to be built from it.
fn networks(
    root: &Node,
    combinations: &[Combination<'_>],
    scenario: &str,
    source: &str,
    errors: &mut Vec<Diagnostic>,
) -> Vec<NetworkSettings> {
    let empty = Node { id: root.id, span: root.span.clone(), plain: true, content: Content::Map(Vec::new()) };
    let base = root.get("network").unwrap_or(&empty);
    let mut told = HashSet::new();
    let mut networks = Vec::new();
    for combination in combinations {
        let mut merged = base.clone();
        for (path, value) in &combination.nodes {
            merged.set(path, (*value).clone());
        }
        let error = match read::read::<NetworkSettings>(&merged) {
            Ok(network) => match Network::check(&network) {
                Ok(()) => {
                    networks.push(network);
                    continue;
                }
                Err(error) => {
                    let path = error.path.strip_prefix("network.").unwrap_or(&error.path);
                    let id = point::id(scenario, &combination.params);
                    Diagnostic::new(
                        merged.nearest(path).span.clone(),
                        format!("no network can be built: `{path}`"),
                        error.problem,
                    )
                    .help(format!("change this setting, or one that it depends on; found at {id}"))
                }
            },
            Err(fault) => fault.diagnostic(source),
        };
        if told.insert((error.span.clone(), error.label.clone())) {
            errors.push(error);
        }
    }
    networks
}
