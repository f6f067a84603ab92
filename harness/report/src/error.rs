//! What can go wrong with a report. Each text finishes the sentence "failed to …".

use std::path::{Path, PathBuf};

/// Why a report could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file system said no.
    #[error("{what} {}: {source}; check that it exists, that it may be written, and that the disk is not full", path.display())]
    Io {
        /// Which step, as an infinitive.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A format could not be made from these results.
    #[error("render {file}: {why}; this is a bug in plugfest, please report it with results.json")]
    Render {
        /// The file's name.
        file: &'static str,
        /// What the renderer says.
        why: String,
    },
    /// The file is not JSON, or not JSON of the right shape.
    #[error("read {origin} as plugfest results: {source}; give a results.json that plugfest wrote")]
    NotResults {
        /// Where the text came from.
        origin: String,
        /// Line, column and reason.
        source: serde_json::Error,
    },
    /// The file was written by a plugfest with another major version of the format.
    #[error(
        "read {origin}: its schema is {found:?}, and this plugfest reads {} and {}; use the plugfest that wrote it, or run it again",
        record::SCHEMA_ID,
        record::BASELINE_ID
    )]
    Schema {
        /// Where the text came from.
        origin: String,
        /// The `schema` field.
        found: String,
    },
    /// `reports/latest` cannot be pointed at such a run.
    #[error("point {} at run {run:?}: {why}", link.display())]
    Latest {
        /// The link.
        link: PathBuf,
        /// The run's id.
        run: String,
        /// Why not, and what to do.
        why: &'static str,
    },
}

impl ReportError {
    /// For `map_err`: which step failed on which path.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, path: path.to_owned(), source }
    }
}
