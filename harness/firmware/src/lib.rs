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
    ALL as FAMILIES, Architecture, BootBy, BootOver, ConsoleSign, Enrolment, Family, LOADER, Load,
    MachineSpec, Medium, by_id as family_by_id,
};
pub use image::ImageError;
pub use provenance::Provenance;
pub use source::{Source, SourceError};
pub use store::{AcquireError, Cached, Store, cache};
pub use system::{SystemBuild, SystemError, system_builds};

use record::{Accelerator, Capability, FirmwareRecord, ImageFile};
use std::{collections::BTreeMap, fmt, path::PathBuf};

/// An image that is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Where it is.
    pub path: PathBuf,
    /// Its name and digest.
    pub file: ImageFile,
}

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
    /// Code image.
    pub code: Image,
    /// Variable store template.
    pub vars: Option<Image>,
    /// Other files of its package, by name: of a loader what belongs to it, of firmware other variable stores.
    pub files: BTreeMap<String, Image>,
    /// The firmware that starts it, where it is not what the machine starts with.
    pub base: Option<Box<Firmware>>,
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

    /// Everything that it consists of, the firmware that starts it included.
    pub fn images(&self) -> Vec<&Image> {
        let own = std::iter::once(&self.code).chain(&self.vars).chain(self.files.values());
        own.chain(self.base.iter().flat_map(|base| base.images())).collect()
    }

    /// The build that `record` is of, which may be somebody else's word, made of those of `images` that have its digests. Variable
    /// stores under a name are left out where there are none such.
    ///
    /// # Errors
    /// What it has that this plugfest does not know, or that is not among the images.
    pub fn from_record(record: &FirmwareRecord, images: &[&Image]) -> Result<Self, RecordError> {
        let find = |file: &ImageFile| images.iter().find(|image| image.file.sha256 == file.sha256);
        let need = |what, file: &ImageFile| {
            let found = find(file).map(|image| Image { path: image.path.clone(), file: file.clone() });
            found.ok_or_else(|| RecordError::Absent { what, sha256: file.sha256.clone() })
        };
        let unknown = |what, word: &str| RecordError::Unknown { what, word: word.to_owned() };
        let architecture = Architecture::by_name(&record.architecture);
        let files = record.files.iter().filter_map(|(name, file)| Some((name.clone(), need("", file).ok()?)));
        Ok(Self {
            id: record.id.clone(),
            family: family_by_id(&record.family).ok_or_else(|| unknown("family", &record.family))?,
            architecture: architecture.ok_or_else(|| unknown("architecture", &record.architecture))?,
            version: record.version.clone(),
            source: record.source.clone(),
            code: need("code", &record.code)?,
            vars: record.vars.as_ref().map(|vars| need("variables", vars)).transpose()?,
            files: files.collect(),
            base: record
                .base
                .as_ref()
                .map(|base| Self::from_record(base, images).map(Box::new))
                .transpose()?,
            smm: record.smm,
            lacks: record.lacks.clone(),
        })
    }

    /// The same, started by `base`.
    fn on(self, base: Option<Box<Self>>) -> Self {
        let Some(base) = base else { return self };
        let digest = &base.code.file.sha256[..12];
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
            code: self.code.file.clone(),
            vars: self.vars.as_ref().map(|vars| vars.file.clone()),
            files: self.files.iter().map(|(name, image)| (name.clone(), image.file.clone())).collect(),
            base: self.base.as_ref().map(|base| Box::new(base.to_record(None))),
            smm: self.smm,
            lacks: self.lacks.clone(),
            accelerator,
            entropy: accelerator.map(Accelerator::entropy),
        }
    }
}

/// Why a recorded build cannot be had from some images.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A word that only a newer plugfest knows, or none.
    #[error("this plugfest knows no {what} {word:?}")]
    Unknown {
        /// What it should name.
        what: &'static str,
        /// The word.
        word: String,
    },
    /// No image has the digest.
    #[error("it has no {what} with the SHA-256 {sha256}")]
    Absent {
        /// What the image is.
        what: &'static str,
        /// The digest.
        sha256: String,
    },
}

impl fmt::Debug for Firmware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Firmware")
            .field("id", &self.id)
            .field("family", &self.family.id())
            .field("version", &self.version)
            .field("code", &self.code.file)
            .field("vars", &self.vars.as_ref().map(|vars| &vars.file))
            .finish_non_exhaustive()
    }
}
