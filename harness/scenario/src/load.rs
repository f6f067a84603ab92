//! Scenario files and trees of them.

use crate::diagnostic::{Diagnostic, InvalidFile};
use crate::model::{Document, Expect, OneOrMore};
use crate::point::Point;
use crate::tree::{MAX_FILE_BYTES, Node};
use crate::{lint, read, sweep};
use record::{Assertion, Capability, Requirement};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// A scenario that was read and checked.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Path below the tree's root, for example `http/content-type`.
    pub id: String,
    /// What a conforming client does, in one sentence.
    pub title: String,
    /// The clause that it checks. Its level may differ at single points: see [`Point::level`].
    pub requirement: Requirement,
    /// Whom it hurts if a client does otherwise.
    pub why: String,
    /// Known reports: web addresses.
    pub reports: Vec<String>,
    /// What the firmware must be able to do for this to say anything about it.
    pub needs: Vec<Capability>,
    /// What it asserts of the conversation, as it stands in the file; see [`Point::conversation`].
    pub conversation: Vec<Assertion>,
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    points: Vec<Point>,
}

/// Why scenarios could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file system refused.
    #[error("failed to read {}: {source}; check the path and its permissions", path.display())]
    Read {
        /// File or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A directory without scenarios.
    #[error("failed to find any scenario under {}; name another directory with --scenarios", .0.display())]
    Empty(PathBuf),
    /// Two files claim one id.
    #[error("failed to tell two scenarios apart: {} and {} both have the id {id}; change one", first.display(), second.display())]
    SameId {
        /// The id.
        id: String,
        /// File that had it first.
        first: PathBuf,
        /// Other file.
        second: PathBuf,
    },
    /// Files with errors in them, each with the places.
    #[error("{}", .0.iter().map(|file| file.render(false)).collect::<Vec<_>>().join("\n\n"))]
    Invalid(Vec<InvalidFile>),
}

impl Scenario {
    /// Reads and checks a scenario from the bytes of the file at `path`. `expected_id` is the id that its place in a
    /// tree demands.
    pub fn parse(path: &Path, bytes: &[u8], expected_id: Option<&str>) -> Result<Self, InvalidFile> {
        let invalid = |source: &str, mut diagnostics: Vec<Diagnostic>| {
            diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
            InvalidFile { path: path.to_owned(), source: source.to_owned(), diagnostics }
        };
        let source = text(path, bytes)?;
        let mut root = Node::parse(source).map_err(|error| invalid(source, vec![error]))?;

        let mut errors = Vec::new();
        lint::shape(&mut root, &mut errors);
        let mut faults = Vec::new();
        let document: Option<Document> = read::read_all(&root, &mut faults);
        if errors.is_empty() || matches!(root.content, crate::tree::Content::Map(_)) {
            errors.extend(faults.iter().map(|fault| fault.diagnostic(source)));
        }
        let Some(document) = document else { return Err(invalid(source, errors)) };
        lint::prose(&document, &root, expected_id, &mut errors);
        let points = match faults.is_empty() {
            true => sweep::points(&document, &root, source, &mut errors),
            false => Vec::new(),
        };
        match (errors.is_empty(), document.id, document.title, document.requirement, document.why) {
            (true, Some(id), Some(title), Some(requirement), Some(why)) => {
                let (reports, needs, conversation) =
                    (document.reports, document.needs, document.conversation);
                let (path, sha256) = (path.to_owned(), sha256(bytes));
                Ok(Self { id, title, requirement, why, reports, needs, conversation, path, sha256, points })
            }
            _ => Err(invalid(source, errors)),
        }
    }

    /// Reads and checks one file. Below a directory called `scenarios`, its id has to match its place.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let bytes = read_file(path)?;
        Self::parse(path, &bytes, place_in_tree(path).as_deref())
            .map_err(|file| LoadError::Invalid(vec![file]))
    }

    /// The points of the sweep, in the order of the file; the last swept setting varies fastest. Never empty.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The scenario with one point's settings written out, defaults included: itself a scenario file without a sweep.
    pub fn resolved(&self, point: &Point) -> String {
        let expect = (!point.expected.outcome.is_empty()).then(|| Expect {
            outcome: OneOrMore(point.expected.outcome.clone()),
            stage: point.expected.stage,
            cause: point.expected.cause.clone(),
        });
        let document = Document {
            id: Some(self.id.clone()),
            title: Some(self.title.clone()),
            requirement: Some(Requirement { level: point.level, ..self.requirement.clone() }),
            why: Some(self.why.clone()),
            reports: self.reports.clone(),
            needs: self.needs.clone(),
            network: Some(point.network.clone()),
            expect,
            conversation: point.conversation.clone(),
            ..Document::default()
        };
        let yaml =
            serde_yaml::to_string(&document).expect("invariant: a document has text keys and finite numbers");
        format!("# {}\n# from a scenario file with SHA-256 {}\n{yaml}", point.id, self.sha256)
    }
}

/// Reads and checks every `*.yaml` below `root`, in the order of their ids. Every invalid file is reported.
pub fn load_dir(root: &Path) -> Result<Vec<Scenario>, LoadError> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    let mut scenarios = Vec::new();
    let mut invalid = Vec::new();
    for path in files {
        let bytes = read_file(&path)?;
        let id = path.strip_prefix(root).ok().map(without_extension);
        match Scenario::parse(&path, &bytes, id.as_deref()) {
            Ok(scenario) => scenarios.push(scenario),
            Err(file) => invalid.push(file),
        }
    }
    if !invalid.is_empty() {
        return Err(LoadError::Invalid(invalid));
    }
    if scenarios.is_empty() {
        return Err(LoadError::Empty(root.to_owned()));
    }
    scenarios.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(scenarios)
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let failed = |source| LoadError::Read { path: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.file_type().map_err(failed)?.is_dir() {
            collect(&path, files)?;
        } else if is_scenario_file(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

/// Whether a path is named like a scenario file.
pub(crate) fn is_scenario_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Reads a file, but not much more than a scenario may have.
fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    let failed = |source| LoadError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The text of a file; else the file with as much of it as can be shown, and why it cannot be used.
fn text<'b>(path: &Path, bytes: &'b [u8]) -> Result<&'b str, InvalidFile> {
    let invalid = |source: &str, error| InvalidFile {
        path: path.to_owned(),
        source: source.to_owned(),
        diagnostics: vec![error],
    };
    if bytes.len() > MAX_FILE_BYTES {
        let beginning = String::from_utf8_lossy(&bytes[..200]);
        let limit = MAX_FILE_BYTES / 1024;
        let error = Diagnostic::new(0..0, "the file is too large", format!("expected at most {limit} KiB"))
            .help("split the scenario, if this is one");
        return Err(invalid(beginning.lines().next().unwrap_or_default(), error));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let byte = bytes.get(at).copied().unwrap_or_default();
        let title = format!("not UTF-8: byte {byte:#04x}");
        let error = Diagnostic::new(at..at + '\u{fffd}'.len_utf8(), title, "expected UTF-8 text")
            .help("save the file in UTF-8");
        invalid(&String::from_utf8_lossy(bytes), error)
    })
}

/// The id that a file's place demands, if it is below a directory called `scenarios`.
fn place_in_tree(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let components: Vec<Component<'_>> = path.components().collect();
    let root = components.iter().rposition(|component| component.as_os_str() == "scenarios")?;
    Some(without_extension(&components[root + 1..].iter().collect::<PathBuf>()))
}

fn without_extension(path: &Path) -> String {
    let path = path.with_extension("");
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a String takes everything that is written to it");
        out
    })
}
