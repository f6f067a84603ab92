//! Firmware images: what builds there are, how to get them, what exactly was used, and what a family is like.
//!
//! [`Catalog`] says which builds there are, [`Store`] puts one on this machine, [`Firmware`] is what then runs.

#![forbid(unsafe_code)]

mod catalog;
mod debian;
mod digest;
mod family;
mod image;
mod provenance;
mod source;
mod store;
mod system;
mod tool;
mod url;

pub use catalog::{Build, Catalog, CatalogError, Column, SelectError, Selected};
pub use family::{
    ALL as FAMILIES, Architecture, BootOver, ConsoleSign, Enrolment, Family, LOADER, Load, MachineSpec,
    Medium, by_id as family_by_id,
};
pub use image::ImageError;
pub use provenance::Provenance;
pub use source::{Source, SourceError};
pub use store::{AcquireError, Cached, Store, cache};
pub use system::{SystemBuild, SystemError, system_builds};

use record::{Accelerator, Capability, FirmwareRecord, ImageFile};
use std::{collections::BTreeMap, fmt, path::PathBuf};

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
    /// Other files of its package, by name: of a loader what belongs to it, of firmware other variable stores.
    pub files: BTreeMap<String, PathBuf>,
    /// The firmware that starts it, where it is not what the machine starts with.
    pub base: Option<Box<Firmware>>,
    /// Name and digest of the code image.
    pub code_file: ImageFile,
    /// Name and digest of the variable store template.
    pub vars_file: Option<ImageFile>,
    /// Whether its variables are in System Management Mode, which its machine then has to have.
    pub smm: bool,
    /// What the catalog says that it is built without although its family has it.
    pub lacks: Vec<Capability>,
}

impl Firmware {
    /// Whether it is declared to be able to do it, which [`Family::has`] claims for the family.
    pub fn has(&self, capability: Capability) -> bool {
        self.family.has(capability) && !self.lacks.contains(&capability)
    }

    /// What the machine starts with: the build itself, or the one that starts it.
    pub fn in_flash(&self) -> &Self {
        self.base.as_deref().unwrap_or(self)
    }

    /// The same, started by `base`.
    fn on(self, base: Option<Box<Self>>) -> Self {
        let Some(base) = base else { return self };
        let digest = &base.code_file.sha256[..12];
        let source = format!("{}, on {} {} (sha256 {digest}…)", self.source, base.id, base.version);
        Self { source, base: Some(base), ..self }
    }

    /// What a result records of this build; `accelerator` is what ran it, if anything did.
    pub fn to_record(&self, accelerator: Option<Accelerator>) -> FirmwareRecord {
        FirmwareRecord {
            id: self.id.clone(),
            family: self.family.id().to_owned(),
            architecture: self.architecture.as_str().to_owned(),
            version: self.version.clone(),
            source: self.source.clone(),
            code: self.code_file.clone(),
            vars: self.vars_file.clone(),
            accelerator,
            entropy: accelerator.map(Accelerator::entropy),
        }
    }
}

impl fmt::Debug for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Firmware")
            .field("id", &self.id)
            .field("family", &self.family.id())
            .field("version", &self.version)
            .field("code", &self.code_file)
            .field("vars", &self.vars_file)
            .finish_non_exhaustive()
    }
}
