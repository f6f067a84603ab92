//! Waivers: known deviations of builds, each with a reason. Files under `firmware-images/waivers/`, one for each family.
//!
//! A waiver excuses one deviation, and nothing else: the same cells failing in another way fail. One that nothing needs
//! any more turns its cells into `xpass`, and one that has expired excuses nothing.

use crate::Finding;
use globset::{GlobBuilder, GlobMatcher};
use jiff::civil::Date;
use record::{Deviation, Outcome, Stage};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::Path;

mod version;

use version::Versions;

/// What a waiver file holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Glob over firmware ids.
    firmware: String,
    waivers: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// Globs over `scenario[point]`.
    cells: Vec<String>,
    /// Conditions on the build's version, all of which hold: `>=2022.11 <2025.08`; any version if absent.
    versions: Option<String>,
    /// The deviation: what the finding is. At least one of the three.
    outcome: Option<Outcome>,
    stage: Option<Stage>,
    cause: Option<String>,
    /// What the build does instead, in one sentence.
    reason: String,
    /// Where it is reported; absent for one that nobody has reported yet.
    link: Option<String>,
    /// Who looks after it.
    owner: Option<String>,
    /// The last day on which it excuses anything.
    expires: Option<Date>,
}

/// One waiver.
#[derive(Clone, Debug)]
pub struct Waiver {
    firmware: GlobMatcher,
    versions: Versions,
    cells: Vec<(String, GlobMatcher)>,
    outcome: Option<Outcome>,
    stage: Option<Stage>,
    cause: Option<String>,
    expires: Option<Date>,
    deviation: Deviation,
}

impl Waiver {
    fn is_about(&self, cell: &str, version: &str) -> bool {
        let Some((point, firmware)) = cell.rsplit_once('@') else { return false };
        self.firmware.is_match(firmware)
            && self.versions.hold(version)
            && self.cells.iter().any(|(_, glob)| covers(glob, point))
    }

    fn is_of(&self, finding: &Finding) -> bool {
        self.outcome.is_none_or(|outcome| outcome == finding.outcome)
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
    #[error("failed to understand waivers in {path}:\n{problem}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong and where.
        problem: String,
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

    /// SHA-256 of the files' contents, hexadecimal.
    pub fn sha256(&self) -> String {
        self.digest.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Parses one waiver file; `path` is for errors.
    pub fn parse(path: &str, text: &str) -> Result<Self, WaiverError> {
        let malformed = |problem: String| WaiverError::Malformed { path: path.to_owned(), problem };
        let file: File = serde_yaml::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let firmware = glob(&file.firmware).map_err(malformed)?;
        let waivers = file.waivers.into_iter().map(|row| row.waiver(firmware.clone()).map_err(malformed));
        let digest = Sha256::new_with_prefix(text);
        waivers.collect::<Result<_, _>>().map(|all| Self { all, digest })
    }

    /// The waivers that still excuse something on that day, and a line on each of the others.
    pub fn on(mut self, today: Date) -> (Self, Vec<String>) {
        let expired = self.all.extract_if(.., |waiver| waiver.has_expired(today));
        let line = |waiver: Waiver| {
            let last = waiver.expires.map(|last| last.to_string()).unwrap_or_default();
            let cells: Vec<String> = waiver.cells.into_iter().map(|(text, _)| text).collect();
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
        self.all.iter().find(|waiver| waiver.is_about(cell, version)).map(|waiver| &waiver.deviation)
    }

    /// The globs that match none of `points`, which are all that there are: most likely misspelt.
    pub fn unused<'a>(&self, points: impl Iterator<Item = &'a str> + Clone) -> Vec<&str> {
        let globs = self.all.iter().flat_map(|waiver| &waiver.cells);
        let used = |glob: &GlobMatcher| points.clone().any(|point| covers(glob, point));
        globs.filter(|(_, glob)| !used(glob)).map(|(text, _)| text.as_str()).collect()
    }
}

impl Row {
    fn waiver(self, firmware: GlobMatcher) -> Result<Waiver, String> {
        let Self { cells, versions, outcome, stage, cause, reason, link, owner, expires } = self;
        let about = cells.first().cloned().unwrap_or_default();
        if cells.is_empty() {
            return Err(format!("the waiver `{reason}` is about no cells; name them in `cells`"));
        }
        if outcome.is_none() && stage.is_none() && cause.is_none() {
            return Err(format!(
                "the waiver of {about:?} would excuse every failure; say which with `outcome`, `stage` or `cause`"
            ));
        }
        if let Some(cause) =
            cause.as_deref().filter(|cause| crate::CAUSES.iter().all(|known| known.id != *cause))
        {
            return Err(format!(
                "{cause:?} in the waiver of {about:?} is no cause; README.md says how to list them"
            ));
        }
        let versions = versions.as_deref().map(Versions::parse).transpose()?.unwrap_or_default();
        let cells =
            cells.into_iter().map(|text| Ok((text.clone(), glob(&text)?))).collect::<Result<_, String>>()?;
        let reason = owner.map_or(reason.clone(), |owner| format!("{reason} (owner: {owner})"));
        Ok(Waiver {
            firmware,
            versions,
            cells,
            outcome,
            stage,
            cause,
            expires,
            deviation: Deviation { reason, link },
        })
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
