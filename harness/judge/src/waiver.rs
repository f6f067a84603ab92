//! Waivers: known deviations of builds, each with a reason. One file per family of builds under
//! `firmware-images/waivers/`; a waiver that nothing needs any more turns its cell into an `xpass`.

use globset::{Glob, GlobMatcher};
use record::Deviation;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::Path;

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
    /// Glob over `scenario[point]`.
    cells: String,
    /// Only failures with this cause are excused; any cause if absent.
    cause: Option<String>,
    reason: String,
    link: Option<String>,
}

/// One waiver.
#[derive(Clone, Debug)]
pub struct Waiver {
    firmware: GlobMatcher,
    cells: GlobMatcher,
    cause: Option<String>,
    deviation: Deviation,
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
        let glob = |pattern: &str| {
            // Point ids contain brackets; a waiver's brackets mean themselves.
            let escaped = pattern.replace('[', "[[]");
            Glob::new(&escaped)
                .map(|glob| glob.compile_matcher())
                .map_err(|error| malformed(format!("{pattern:?} is not a glob: {error}")))
        };
        let firmware = glob(&file.firmware)?;
        let waivers = file.waivers.into_iter().map(|row| {
            Ok(Waiver {
                firmware: firmware.clone(),
                cells: glob(&row.cells)?,
                cause: row.cause,
                deviation: Deviation { reason: row.reason, link: row.link },
            })
        });
        let digest = Sha256::new_with_prefix(text);
        waivers.collect::<Result<_, _>>().map(|all| Self { all, digest })
    }

    /// The first waiver for a cell; with a cause, the first that excuses this cause.
    pub fn find(&self, cell: &str, cause: Option<&str>) -> Option<Deviation> {
        let (point, firmware) = cell.rsplit_once('@')?;
        self.all
            .iter()
            .filter(|waiver| waiver.firmware.is_match(firmware) && waiver.cells.is_match(point))
            .find(|waiver| cause.is_none() || waiver.cause.is_none() || waiver.cause.as_deref() == cause)
            .map(|waiver| waiver.deviation.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_a_waiver_mean_themselves() {
        let text = "firmware: 'ovmf-*'\nwaivers:\n  - {cells: 'url/suffix[bootfile=*.EFI]', reason: r}\n";
        let waivers = Waivers::parse("w", text).expect("well-formed");
        assert!(waivers.find("url/suffix[bootfile=x.EFI]@ovmf-x64-sid", None).is_some());
        assert!(waivers.find("url/suffix[bootfile=x.efi]@ovmf-x64-sid", None).is_none());
        assert!(waivers.find("url/suffix[bootfile=x.EFI]@aavmf", None).is_none());
    }

    #[test]
    fn the_digest_is_that_of_the_text() {
        let digest = |reason| {
            let text = format!("firmware: x\nwaivers:\n  - {{cells: y, reason: {reason}}}\n");
            Waivers::parse("w", &text).expect("well-formed").sha256()
        };
        assert_eq!(digest("r"), digest("r"));
        assert_ne!(digest("r"), digest("s"));
        assert_ne!(digest("r"), Waivers::default().sha256());
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../firmware-images/waivers");
        let load = || Waivers::load(Path::new(shipped)).expect("well-formed").sha256();
        assert_eq!(load(), load());
        assert_eq!(load().len(), 64);
    }

    #[test]
    fn a_malformed_file_is_an_error_that_names_it() {
        let error = Waivers::parse("w.yaml", "firmware: x\nwaiver: []\n").expect_err("unknown key");
        assert!(error.to_string().contains("w.yaml") && error.to_string().contains("waiver"), "{error}");
    }
}
