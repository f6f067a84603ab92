//! Which cells a user means: `http`, `http/content-type`, `http/*`, `dir/file.yaml`, `…[content_type=text/*]@ovmf-*`.
//!
//! A selector is a scenario part, optionally a point part in brackets, optionally `@` and a firmware part.
//!
//! - The scenario part is an id, the beginning of ids up to a `/`, a glob over ids, or the path of a scenario file
//!   (it ends in `.yaml` or `.yml`).
//! - The point part names some swept settings and their values, in any order, each a glob; a point matches if it has
//!   all of them. A whole id, as a report prints it, selects exactly its point, even where a value has a `*` of its own.
//! - The firmware part is a firmware id or a glob.
//!
//! In a glob `*` stands for any text, `/` included, and `?` for one character; nothing else is special.

use crate::load::{LoadError, Scenario, is_scenario_file, load_dir};
use crate::point::{self, Point};
use globset::{GlobBuilder, GlobMatcher};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// One SELECT argument.
#[derive(Clone, Debug)]
pub struct Selector {
    text: String,
    scenario: ScenarioPart,
    /// Name and value, each as a glob.
    assignments: Vec<(String, GlobMatcher)>,
    firmware: Option<GlobMatcher>,
}

#[derive(Clone, Debug)]
enum ScenarioPart {
    File(PathBuf),
    Id { prefix: String, glob: GlobMatcher },
}

/// A SELECT argument that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "failed to read the selection `{text}`: {problem}; write for example `http`, `http/*` or `http/error-status[status=404]@ovmf-*`"
)]
pub struct SelectorError {
    /// The argument.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// A selection that selects nothing.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("failed to find anything for `{selector}`: {problem}{}", similar(near))]
pub struct NoMatch {
    /// The argument.
    pub selector: String,
    /// Which of its parts matches nothing.
    pub problem: &'static str,
    /// What was probably meant.
    pub near: Vec<String>,
}

/// A point of a scenario on a firmware, by its index in the list of firmware ids.
#[derive(Clone, Copy, Debug)]
pub struct Selected<'s> {
    /// The scenario.
    pub scenario: &'s Scenario,
    /// Its point.
    pub point: &'s Point,
    /// Index of the firmware id.
    pub firmware: usize,
}

fn similar(near: &[String]) -> String {
    match near {
        [] => "; `plugfest list` shows what there is".to_owned(),
        near => format!(
            "; did you mean {}?",
            near.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(" or ")
        ),
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        let error = |problem| SelectorError { text: text.to_owned(), problem };
        let (rest, firmware) =
            match text.rfind('@').filter(|at| text.rfind(']').is_none_or(|bracket| *at > bracket)) {
                // A file's name may have an `@`; its extension comes last.
                Some(_) if is_scenario_file(Path::new(text)) => (text, None),
                Some(at) => (&text[..at], Some(&text[at + 1..])),
                None => (text, None),
            };
        let (scenario, assignments) = match rest.split_once('[') {
            None => (rest, Vec::new()),
            Some((scenario, inside)) => {
                let inside = inside.strip_suffix(']').ok_or_else(|| error("the `]` is missing"))?;
                let assignment = |part: &str| {
                    let (name, value) = part
                        .split_once('=')
                        .ok_or_else(|| error("expected `setting=value` in the brackets"))?;
                    Ok((name.to_owned(), glob(value)))
                };
                (scenario, inside.split(',').map(assignment).collect::<Result<_, _>>()?)
            }
        };
        if scenario.is_empty() {
            return Err(error("it names no scenario"));
        }
        if firmware == Some("") {
            return Err(error("no firmware follows the `@`"));
        }
        let scenario = match is_scenario_file(Path::new(scenario)) {
            true => ScenarioPart::File(scenario.into()),
            false => {
                let id = scenario.trim_end_matches('/');
                ScenarioPart::Id { prefix: format!("{id}/"), glob: glob(id) }
            }
        };
        Ok(Self { text: text.to_owned(), scenario, assignments, firmware: firmware.map(glob) })
    }
}

/// A glob in which only `*` and `?` are special.
fn glob(text: &str) -> GlobMatcher {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '[' | ']' | '{' | '}' | '!' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    GlobBuilder::new(&escaped)
        .backslash_escape(true)
        .literal_separator(false)
        .build()
        .expect("invariant: everything that could make a glob invalid is escaped")
        .compile_matcher()
}

impl Selector {
    /// The file that is selected, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.scenario {
            ScenarioPart::File(path) => Some(path),
            ScenarioPart::Id { .. } => None,
        }
    }

    /// Whether the scenario part matches.
    pub fn matches_scenario(&self, scenario: &Scenario) -> bool {
        match &self.scenario {
            ScenarioPart::File(path) => same_file(path, &scenario.path),
            ScenarioPart::Id { prefix, glob } => {
                scenario.id.starts_with(prefix) || glob.is_match(&scenario.id)
            }
        }
    }

    /// Whether the point part matches.
    pub fn matches_point(&self, point: &Point) -> bool {
        self.assignments.iter().all(|(name, value)| {
            point.params.iter().any(|(path, actual)| {
                let named = name == path || name == point::key(path, &point.params);
                named && value.is_match(point::value(actual))
            })
        })
    }

    /// Whether it is the id of a point, letter by letter. Values can have a `*` of their own.
    fn is_id_of(&self, point: &Point) -> bool {
        let written = match self.firmware {
            Some(_) => self.text.rsplit_once('@').map_or(&*self.text, |(point, _)| point),
            None => &self.text,
        };
        written == point.id
    }

    /// Whether the firmware part matches.
    pub fn matches_firmware(&self, id: &str) -> bool {
        self.firmware.as_ref().is_none_or(|glob| glob.is_match(id))
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// The scenarios that `selectors` can select from: the tree at `root`, unless they only name files, and those files.
pub fn open(root: &Path, selectors: &[Selector]) -> Result<Vec<Scenario>, LoadError> {
    let only_files = !selectors.is_empty() && selectors.iter().all(|selector| selector.file().is_some());
    let mut scenarios = if only_files { Vec::new() } else { load_dir(root)? };
    let mut invalid = Vec::new();
    for file in selectors.iter().filter_map(Selector::file) {
        if scenarios.iter().any(|scenario| same_file(&scenario.path, file)) {
            continue;
        }
        match Scenario::load(file) {
            Ok(scenario) => {
                if let Some(first) = scenarios.iter().find(|other| other.id == scenario.id) {
                    let (id, first, second) = (scenario.id, first.path.clone(), scenario.path);
                    return Err(LoadError::SameId { id, first, second });
                }
                scenarios.push(scenario);
            }
            Err(LoadError::Invalid(files)) => invalid.extend(files),
            Err(error) => return Err(error),
        }
    }
    if !invalid.is_empty() {
        return Err(LoadError::Invalid(invalid));
    }
    scenarios.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(scenarios)
}

/// The cells that any of `selectors` selects, ordered by scenario, point and firmware; all without a selector.
/// Each selector has to select something.
pub fn select<'s>(
    scenarios: &'s [Scenario],
    firmware: &[String],
    selectors: &[Selector],
) -> Result<Vec<Selected<'s>>, NoMatch> {
    for selector in selectors {
        explain_no_match(selector, scenarios, firmware)?;
    }
    let mut selected = Vec::new();
    let has_id = |s: &Selector| scenarios.iter().flat_map(Scenario::points).any(|point| s.is_id_of(point));
    // Each, and whether it is the id of a point.
    let selectors: Vec<(&Selector, bool)> = selectors.iter().map(|s| (s, has_id(s))).collect();
    for scenario in scenarios {
        let of_scenario: Vec<_> = selectors.iter().filter(|(s, _)| s.matches_scenario(scenario)).collect();
        for point in scenario.points() {
            for (index, id) in firmware.iter().enumerate() {
                let is_meant = |(s, is_id): &&(&Selector, bool)| {
                    let is_point = if *is_id { s.is_id_of(point) } else { s.matches_point(point) };
                    is_point && s.matches_firmware(id)
                };
                if selectors.is_empty() || of_scenario.iter().any(is_meant) {
                    selected.push(Selected { scenario, point, firmware: index });
                }
            }
        }
    }
    Ok(selected)
}

fn explain_no_match(selector: &Selector, scenarios: &[Scenario], firmware: &[String]) -> Result<(), NoMatch> {
    let no_match = |problem, near: Vec<&str>| {
        let near = near.into_iter().map(str::to_owned).collect();
        Err(NoMatch { selector: selector.text.clone(), problem, near })
    };
    let matching: Vec<&Scenario> =
        scenarios.iter().filter(|scenario| selector.matches_scenario(scenario)).collect();
    if matching.is_empty() {
        let name = selector.text.split(['[', '@', '*']).next().unwrap_or_default().trim_end_matches('/');
        let folders = scenarios.iter().filter_map(|scenario| scenario.id.split('/').next());
        let mut known: Vec<&str> =
            scenarios.iter().map(|scenario| scenario.id.as_str()).chain(folders).collect();
        known.sort_unstable();
        known.dedup();
        return no_match("no scenario has this id", crate::suggest::near(name, known, 4));
    }
    if !matching.iter().any(|scenario| scenario.points().iter().any(|point| selector.matches_point(point))) {
        let points = matching.iter().flat_map(|scenario| scenario.points()).map(|point| point.id.as_str());
        return no_match("no point of the scenario has these values", points.take(4).collect());
    }
    if !firmware.iter().any(|id| selector.matches_firmware(id)) {
        return no_match(
            "no such firmware is available",
            firmware.iter().map(String::as_str).take(6).collect(),
        );
    }
    Ok(())
}
