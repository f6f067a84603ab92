//! Where the guest's memory lives, and whether it begins at power-on.

use std::path::{Path, PathBuf};

/// The guest's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// The process's own; the guest begins at power-on.
    Own,
    /// A file that a snapshot is going to keep; the guest begins at power-on.
    Kept(PathBuf),
    /// A private, copy-on-write view of a snapshot's file; the guest waits for the snapshot's state.
    Snapshot(PathBuf),
}

impl Memory {
    /// The file, and whether writes go to it.
    pub fn file(&self) -> Option<(&Path, bool)> {
        match self {
            Self::Own => None,
            Self::Kept(file) => Some((file, true)),
            Self::Snapshot(file) => Some((file, false)),
        }
    }
}
