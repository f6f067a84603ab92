//! What can go wrong while evidence is written. None of it is the firmware's fault.

use std::io;
use std::path::{Path, PathBuf};

/// Evidence could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The cell's directory cannot be made.
    #[error("failed to create {}: {reason}; choose a writable directory with --out", path.display())]
    Create {
        /// The directory.
        path: PathBuf,
        /// What the operating system says.
        reason: io::Error,
    },
    /// A file cannot be written.
    #[error("failed to write {}: {reason}; check free space and permissions there", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        reason: io::Error,
    },
    /// Something has no representation in the file's format; a defect of plugfest.
    #[error("failed to encode a record for {}: {reason}; please report this", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the encoder says.
        reason: String,
    },
}

impl EvidenceError {
    pub(crate) fn write(path: &Path, reason: io::Error) -> Self {
        Self::Write { path: path.into(), reason }
    }

    /// Keeps the whole chain of causes: the encoders' own texts name only the outermost.
    pub(crate) fn encode(path: &Path, error: &dyn std::error::Error) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            reason = format!("{reason}: {inner}");
            cause = inner.source();
        }
        Self::Encode { path: path.into(), reason }
    }
}
