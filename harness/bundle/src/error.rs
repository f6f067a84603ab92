//! Why a bundle cannot be written or used. Each text finishes the sentence "failed to …".

use std::io;
use std::path::PathBuf;

/// Why a bundle cannot be written or used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file system said no.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// Which step, as an infinitive.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is no zip file, or a damaged one.
    #[error("read {} as a bundle: {why}; ask its sender for a new one", path.display())]
    NotZip {
        /// The file.
        path: PathBuf,
        /// What the reader of zip files says.
        why: String,
    },
    /// It holds what no bundle holds.
    #[error("use the bundle: it holds {name:?}, which plugfest never writes: {why}")]
    Foreign {
        /// The file's name in the bundle.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It would unpack to more than a bundle may.
    #[error("use the bundle: {name} unpacks to more than {limit} bytes; no bundle of plugfest does")]
    TooLarge {
        /// The file's name in the bundle, or `all of it`.
        name: String,
        /// The limit.
        limit: u64,
    },
    /// A file that every bundle has is not there.
    #[error("use the bundle: it is without {name}")]
    Missing {
        /// The file's name in the bundle.
        name: String,
    },
    /// A file is not what its sender packed.
    #[error(
        "use the bundle: {name} is not what {} says; it was damaged or changed on the way",
        crate::CHECKSUMS
    )]
    Checksum {
        /// The file's name in the bundle.
        name: String,
    },
    /// A file does not say what it should.
    #[error("understand {file} of the bundle: {why}")]
    Malformed {
        /// The file's name in the bundle.
        file: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Another plugfest wrote it.
    #[error(
        "use the bundle: its schema is {found:?}, and this plugfest reads {}; use the plugfest that wrote it",
        crate::BUNDLE_ID
    )]
    Schema {
        /// What it says.
        found: String,
    },
}
