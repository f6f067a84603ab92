//! Waivers: known deviations of builds, each with a reason. Files under `firmware-images/waivers/`, one for each family.
//!
//! A waiver excuses one deviation, and nothing else: the same cells failing in another way fail. One that nothing needs
//! any more turns its cells into `xpass`, and one that has expired excuses nothing.

use crate::Finding;
use globset::{GlobBuilder, GlobMatcher};
use jiff::civil::Date;
use record::{Deviation, Outcome, Stage};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_yaml::Spanned;
use sha2::{Digest, Sha256};
use std::path::Path;

mod version;

use version::Versions;

/// Known deviations of one family's builds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Waivers")]
struct File {
    /// Globs over firmware ids, separated by spaces.
    #[schemars(with = "String")]
    firmware: Spanned<String>,
    /// The waivers.
    #[schemars(with = "Vec<Row>")]
    waivers: Vec<Spanned<Row>>,
}

/// One known deviation: what it is, of which builds, in which cells.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Waiver")]
struct Row {
    /// Globs over `scenario[point]`.
    #[schemars(with = "Vec<String>", length(min = 1))]
    cells: Vec<Spanned<String>>,
    /// Conditions on the build's version, all of which hold: `>=2022.11 <2025.08`; any version if absent.
    #[schemars(with = "Option<String>")]
    versions: Option<Spanned<String>>,
    /// The assertion about the conversation that does not hold; then there is no outcome, stage or cause.
    violates: Option<String>,
    /// The outcome of the deviation. Without `violates`, at least one of outcome, stage and cause is needed.
    outcome: Option<Outcome>,
    /// The stage of the deviation.
    stage: Option<Stage>,
    /// The cause of the deviation.
    #[schemars(with = "Option<String>")]
    cause: Option<Spanned<String>>,
    /// What the build does instead, in one sentence.
    reason: String,
    /// Where it is reported; absent for one that nobody has reported yet.
    link: Option<String>,
    /// Who looks after it.
    owner: Option<String>,
    /// The last day on which it excuses anything.
    #[schemars(with = "Option<String>", extend("format" = "date"))]
    expires: Option<Date>,
}

/// One waiver.
#[derive(Clone, Debug)]
pub struct Waiver {
    firmware: Vec<GlobMatcher>,
    versions: Versions,
    cells: Vec<Cells>,
    /// The assertion that it is about; else it is about how a cell ends.
    violates: Option<String>,
    outcome: Option<Outcome>,
    stage: Option<Stage>,
    cause: Option<String>,
    expires: Option<Date>,
    deviation: Deviation,
}

/// Which points a waiver is about, and where that stands.
#[derive(Clone, Debug)]
struct Cells {
    text: String,
    glob: GlobMatcher,
    /// `PATH:LINE:COLUMN`
    place: String,
}

impl Waiver {
    fn is_about(&self, cell: &str, version: &str) -> bool {
        let Some((point, firmware)) = cell.rsplit_once('@') else { return false };
        self.firmware.iter().any(|glob| glob.is_match(firmware))
            && self.versions.hold(version)
            && self.cells.iter().any(|cells| covers(&cells.glob, point))
    }

    fn is_of(&self, finding: &Finding) -> bool {
        self.violates.is_none()
            && self.outcome.is_none_or(|outcome| outcome == finding.outcome)
            && self.stage.is_none_or(|stage| stage == finding.stage)
            && self.cause.as_deref().is_none_or(|cause| Some(cause) == finding.cause)
    }

    fn has_expired(&self, today: Date) -> bool {
        self.expires.is_some_and(|last| last < today)
    }
}

/// All waivers of a run.
#[derive(Clone, Debug, Default)]
pub struct Waivers {
    all: Vec<Waiver>,
    /// Of the texts that they were read from.
    digest: Sha256,
}

/// Why waivers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WaiverError {
    /// The file or folder cannot be read.
    #[error("failed to read waivers from {path}: {source}")]
    Read {
        /// The file or folder.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not a waiver file.
    #[error("failed to understand waivers in {path}:\n{}", problems.join("\n"))]
    Malformed {
        /// The file.
        path: String,
        /// Everything that is wrong, each with its place.
        problems: Vec<String>,
    },
}

impl Waivers {
    /// Reads every `.yaml` file of `folder`, in the order of their names.
    pub fn load(folder: &Path) -> Result<Self, WaiverError> {
        let read_error = |path: &Path| {
            let path = path.display().to_string();
            move |source| WaiverError::Read { path, source }
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(read_error(folder))? {
            let path = entry.map_err(read_error(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                files.push(path);
            }
        }
        files.sort();
        let mut all = Self::default();
        for path in files {
            let text = std::fs::read_to_string(&path).map_err(read_error(&path))?;
            all.all.extend(Self::parse(&path.display().to_string(), &text)?.all);
            all.digest.update(&text);
            all.digest.update([0]);
        }
        Ok(all)
    }

    /// Reads one file.
    pub fn open(path: &Path) -> Result<Self, WaiverError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| WaiverError::Read { path: name.clone(), source })?;
        Self::parse(&name, &text)
    }

    /// SHA-256 of the files' contents, hexadecimal.
    pub fn sha256(&self) -> String {
        self.digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Parses one waiver file; `path` is for errors.
    pub fn parse(path: &str, text: &str) -> Result<Self, WaiverError> {
        let malformed = |problems| WaiverError::Malformed { path: path.to_owned(), problems };
        let file: File = serde_yaml::from_str(text).map_err(|error| malformed(vec![error.to_string()]))?;
        let mut lint = Lint { path, problems: Vec::new() };
        let firmware = lint.globs(&file.firmware);
        let all = file.waivers.iter().filter_map(|row| lint.waiver(row, firmware.as_deref()?)).collect();
        match lint.problems {
            problems if problems.is_empty() => Ok(Self { all, digest: Sha256::new_with_prefix(text) }),
            problems => Err(malformed(problems)),
        }
    }

    /// The JSON Schema of a waiver file.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(File).to_value()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The waivers that still excuse something on that day, and a line on each of the others.
    pub fn on(mut self, today: Date) -> (Self, Vec<String>) {
        let expired = self.all.extract_if(.., |waiver| waiver.has_expired(today));
        let line = |waiver: Waiver| {
            let last = waiver.expires.map(|last| last.to_string()).unwrap_or_default();
            let cells: Vec<String> = waiver.cells.into_iter().map(|cells| cells.text).collect();
            format!("the waiver of {} expired on {last}: {}", cells.join(", "), waiver.deviation.reason)
        };
        let lines = expired.map(line).collect();
        (self, lines)
    }

    /// The waiver that excuses this finding in a cell of a build of this version.
    pub fn excuse(&self, cell: &str, version: &str, finding: &Finding) -> Option<&Deviation> {
        let waiver = self.all.iter().find(|waiver| waiver.is_about(cell, version) && waiver.is_of(finding));
        waiver.map(|waiver| &waiver.deviation)
    }

    /// A waiver that is about this cell, whatever it excuses: stale, should the cell be as expected.
    pub fn stale(&self, cell: &str, version: &str) -> Option<&Deviation> {
        let is_of_end = |waiver: &&Waiver| waiver.violates.is_none() && waiver.is_about(cell, version);
        self.all.iter().find(is_of_end).map(|waiver| &waiver.deviation)
    }

    /// The waiver that excuses what violates this assertion in a cell: stale, should it be kept.
    pub fn of_assertion(&self, cell: &str, version: &str, assertion: &str) -> Option<&Deviation> {
        let is_of = |waiver: &&Waiver| {
            waiver.violates.as_deref() == Some(assertion) && waiver.is_about(cell, version)
        };
        self.all.iter().find(is_of).map(|waiver| &waiver.deviation)
    }

    /// Whether some waiver is about this point, on whatever build.
    pub fn are_about(&self, point: &str) -> bool {
        self.all.iter().flat_map(|waiver| &waiver.cells).any(|cells| covers(&cells.glob, point))
    }

    /// The globs that match none of `points`, which are all that there are: misspelt, or of a scenario that is gone. A
    /// sentence for each, which begins with its place.
    pub fn unused<'a>(&self, points: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
        let globs = self.all.iter().flat_map(|waiver| &waiver.cells);
        let unused = globs.filter(|cells| !points.clone().any(|point| covers(&cells.glob, point)));
        unused.map(|Cells { text, place, .. }| format!("{place}: {text:?} matches no scenario")).collect()
    }
}

/// Looks at a file that has the right shape, and collects all that is wrong with it.
struct Lint<'a> {
    path: &'a str,
    problems: Vec<String>,
}

impl Lint<'_> {
    /// `PATH:LINE:COLUMN`
    fn place<T>(&self, at: &Spanned<T>) -> String {
        format!("{}:{}:{}", self.path, at.referenced.line(), at.referenced.column())
    }

    fn problem<T>(&mut self, at: &Spanned<T>, what: String) {
        self.problems.push(format!("{}: {what}", self.place(at)));
    }

    fn glob(&mut self, text: &Spanned<String>) -> Option<GlobMatcher> {
        glob(&text.value).map_err(|problem| self.problem(text, problem)).ok()
    }

    fn globs(&mut self, texts: &Spanned<String>) -> Option<Vec<GlobMatcher>> {
        let globs: Result<Vec<_>, _> = texts.value.split_whitespace().map(glob).collect();
        globs.map_err(|problem| self.problem(texts, problem)).ok()
    }

    fn waiver(&mut self, row: &Spanned<Row>, firmware: &[GlobMatcher]) -> Option<Waiver> {
        let Row { cells, versions, violates, outcome, stage, cause, reason, link, owner, expires } =
            &row.value;
        if cells.is_empty() {
            self.problem(row, format!("the waiver `{reason}` is about no cells; name them in `cells`"));
        }
        let ends = outcome.is_some() || stage.is_some() || cause.is_some();
        if !ends && violates.is_none() {
            let what = "this waiver would excuse every failure; say which with `outcome`, `stage`, `cause` or `violates`";
            self.problem(row, what.into());
        }
        if ends && violates.is_some() {
            let what = "`violates` is about the conversation; `outcome`, `stage` and `cause` need a waiver of their own";
            self.problem(row, what.into());
        }
        if let Some(cause) =
            cause.as_ref().filter(|cause| crate::CAUSES.iter().all(|it| it.id != cause.value))
        {
            self.problem(cause, format!("{:?} is no cause{}", cause.value, like(&cause.value)));
        }
        let conditions = versions.as_ref().map(|text| Versions::parse(&text.value)).transpose();
        if let (Some(text), Err(problem)) = (versions, &conditions) {
            self.problem(text, problem.clone());
        }
        let cells: Vec<Cells> = cells
            .iter()
            .filter_map(|text| {
                let glob = self.glob(text)?;
                Some(Cells { text: text.value.clone(), glob, place: self.place(text) })
            })
            .collect();
        let owner = owner.as_ref().map(|owner| format!(" (owner: {owner})")).unwrap_or_default();
        Some(Waiver {
            firmware: firmware.to_vec(),
            versions: conditions.ok()?.unwrap_or_default(),
            cells,
            violates: violates.clone(),
            outcome: *outcome,
            stage: *stage,
            cause: cause.as_ref().map(|cause| cause.value.clone()),
            expires: *expires,
            deviation: Deviation { reason: format!("{reason}{owner}"), link: link.clone() },
        })
    }
}

/// Causes with the same beginning as one that does not exist.
fn like(wrong: &str) -> String {
    let area = wrong.split('.').next().unwrap_or(wrong);
    let like: Vec<&str> =
        crate::CAUSES.iter().map(|cause| cause.id).filter(|id| id.split('.').next() == Some(area)).collect();
    match like.as_slice() {
        [] => "; scenarios/README.md says what a cause is".into(),
        some => format!("; there are {}", some.join(", ")),
    }
}

/// Whether a glob is about a point, by its id or by its scenario's, as in selections.
fn covers(glob: &GlobMatcher, point: &str) -> bool {
    glob.is_match(point) || point.split_once('[').is_some_and(|(scenario, _)| glob.is_match(scenario))
}

/// Ids contain brackets and braces; a waiver's mean themselves. `*` and `?` are what they are in selections.
fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    let mut escaped = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        if matches!(c, '[' | ']' | '{' | '}' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    let glob = GlobBuilder::new(&escaped).backslash_escape(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| format!("{pattern:?} is not a glob: {error}"))
}

#[cfg(test)]
mod tests;
