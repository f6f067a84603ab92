//! What exactly was fetched: `provenance.json` of a build in the cache.

use crate::{Build, Firmware, Image, digest, digest::Stamp};
use record::ImageFile;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Written last: a build without it was not finished.
pub(crate) const FILE: &str = "provenance.json";
const FORMAT: u32 = 2;

/// Where a cached build came from and what it consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Version of this file's format.
    pub format: u32,
    /// The build's id.
    pub id: String,
    /// Where it was fetched from, as the catalog names it.
    pub source: String,
    /// The build's version.
    pub version: String,
    /// SHA-256 of the package, which apt checked against the signed index, or we against the catalog.
    pub package_sha256: String,
    /// When it was fetched, RFC 3339, UTC.
    pub fetched: String,
    /// Directory of the images, beside this file.
    pub directory: String,
    /// Code image.
    pub code: CachedImage,
    /// Variable store template.
    pub vars: Option<CachedImage>,
    /// What else was kept of the package, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, CachedImage>,
}

/// An image in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CachedImage {
    /// Its path in the package.
    pub path: PathBuf,
    /// Its name and digest.
    pub image: ImageFile,
    /// Size and time as they were when it was hashed.
    pub stamp: Stamp,
}

/// Why a cache entry cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    /// There is none.
    Absent,
    /// It was made from another source, or by another version of plugfest.
    Other,
    /// Its files are not those that were fetched.
    Corrupt(String),
}

impl Provenance {
    pub(crate) fn new(
        build: &Build,
        version: String,
        package_sha256: String,
        images: (CachedImage, Option<CachedImage>),
        files: BTreeMap<String, CachedImage>,
    ) -> Self {
        Self {
            format: FORMAT,
            id: build.id.clone(),
            source: build.source.to_string(),
            version,
            // The package's digest names the directory, so that an update never changes files under a running guest.
            directory: package_sha256[..16].to_owned(),
            package_sha256,
            fetched: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            code: images.0,
            vars: images.1,
            files,
        }
    }

    /// Reads and verifies the entry of `build` in `entry`.
    pub(crate) fn read(entry: &Path, build: &Build) -> Result<Self, Stale> {
        let text = match fs::read(entry.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Stale::Absent),
            Err(error) => return Err(Stale::Corrupt(error.to_string())),
        };
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        if serde_json::from_slice(&text).is_ok_and(|Format { format }| format != FORMAT) {
            return Err(Stale::Other);
        }
        let found: Self =
            serde_json::from_slice(&text).map_err(|error| Stale::Corrupt(format!("{FILE}: {error}")))?;
        if !found.is_of(build) {
            return Err(Stale::Other);
        }
        for image in found.images() {
            image.verify(&entry.join(&found.directory).join(&image.image.file)).map_err(Stale::Corrupt)?;
        }
        Ok(found)
    }

    /// Everything that was kept.
    pub(crate) fn images(&self) -> impl Iterator<Item = &CachedImage> {
        std::iter::once(&self.code).chain(&self.vars).chain(self.files.values())
    }

    fn is_of(&self, build: &Build) -> bool {
        self.format == FORMAT
            && self.id == build.id
            && self.source == build.source.to_string()
            && build.version.as_ref().is_none_or(|version| self.version == *version)
            && match &build.source {
                crate::Source::Url { sha256, .. } => self.package_sha256 == *sha256,
                _ => true,
            }
            && self.code.path == build.code
            && self.vars.as_ref().map(|vars| &vars.path) == build.vars.as_ref()
            && self.files.len() == build.files.len()
            && build
                .files
                .iter()
                .all(|(name, path)| self.files.get(name).is_some_and(|image| image.path == *path))
    }

    /// The build as it lies in `entry`.
    pub(crate) fn firmware(&self, entry: &Path, build: &Build) -> Firmware {
        let directory = entry.join(&self.directory);
        let image = |cached: &CachedImage| Image {
            path: directory.join(&cached.image.file),
            file: cached.image.clone(),
        };
        Firmware {
            id: self.id.clone(),
            family: build.family,
            architecture: build.architecture,
            version: self.version.clone(),
            source: format!("{} {}", self.source, self.version),
            code: image(&self.code),
            vars: self.vars.as_ref().map(image),
            files: self.files.iter().map(|(name, cached)| (name.clone(), image(cached))).collect(),
            base: None,
            smm: build.smm,
            lacks: build.lacks.clone(),
        }
    }
}

impl CachedImage {
    /// Describes the file at `file`, which is `path` in its package.
    pub(crate) fn describe(file: &Path, path: &Path) -> io::Result<Self> {
        let sha256 = digest::sha256_file(file)?;
        let image = ImageFile { file: crate::image::file_name(file), sha256 };
        Ok(Self { path: path.to_owned(), image, stamp: Stamp::from(&fs::metadata(file)?) })
    }

    /// Size and time as recorded are taken for the file itself; if they differ (a copied cache, a touched file), the digest decides.
    fn verify(&self, file: &Path) -> Result<(), String> {
        let data = fs::metadata(file).map_err(|error| format!("{}: {error}", self.image.file))?;
        if Stamp::from(&data) == self.stamp {
            return Ok(());
        }
        match digest::sha256_file(file) {
            Ok(sha256) if sha256 == self.image.sha256 => Ok(()),
            Ok(_) => Err(format!("{} is not what was fetched", self.image.file)),
            Err(error) => Err(format!("{}: {error}", self.image.file)),
        }
    }
}
