//! Firmware images: what builds there are, how to get them, what exactly was used, and what a family is like.

mod family;

pub use family::{Architecture, ConsoleSign, Family, MachineSpec};

use record::ImageFile;
use std::path::PathBuf;

/// A firmware build that is on this machine and ready to run.
#[derive(Clone)]
pub struct Firmware {
    /// Stable id, for example `ovmf-x64-sid`.
    pub id: String,
    /// The family that it belongs to.
    pub family: &'static dyn Family,
    /// Architecture.
    pub architecture: Architecture,
    /// Version as its package or its user says.
    pub version: String,
    /// Where it came from, for people.
    pub source: String,
    /// Path of the code image.
    pub code: PathBuf,
    /// Path of the variable store template.
    pub vars: Option<PathBuf>,
    /// Name and digest of the code image.
    pub code_file: ImageFile,
    /// Name and digest of the variable store template.
    pub vars_file: Option<ImageFile>,
}
