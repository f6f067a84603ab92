//! Reads a bundle of somebody else.

use crate::write::sha256;
use crate::{BundleError, CHECKSUMS, MANIFEST, Manifest, SCENARIO, names};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zip::ZipArchive;

/// Bytes that one file may unpack to: the largest flash image, or what a day of frames takes.
const LARGEST: u64 = 256 << 20;
/// Bytes that all of it may unpack to.
const ALL: u64 = 512 << 20;

/// A bundle whose files are those that its sender packed.
#[derive(Debug)]
pub struct Bundle {
    /// What it is of.
    pub manifest: Manifest,
    files: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    /// A file's content, if the bundle has it.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// A file's content.
    ///
    /// # Errors
    /// [`BundleError::Missing`] if the bundle is without it.
    pub fn need(&self, name: &str) -> Result<&[u8], BundleError> {
        self.file(name).ok_or_else(|| BundleError::Missing { name: name.to_owned() })
    }
}

/// Unpacks the bundle into memory and checks it.
///
/// # Errors
/// Every [`BundleError`]: nothing in it is taken for granted.
pub fn read(path: &Path) -> Result<Bundle, BundleError> {
    let file =
        File::open(path).map_err(|source| BundleError::Io { what: "open", path: path.to_owned(), source })?;
    let not_zip =
        |error: zip::result::ZipError| BundleError::NotZip { path: path.to_owned(), why: error.to_string() };
    let mut zip = ZipArchive::new(file).map_err(not_zip)?;
    let most = names().count();
    let mut files = BTreeMap::new();
    let mut left = ALL;
    for index in 0..zip.len() {
        let entry = zip.by_index(index).map_err(not_zip)?;
        let name = entry.name().map_err(not_zip)?.into_owned();
        let foreign = |why| Err(BundleError::Foreign { name: name.clone(), why });
        if index >= most {
            return foreign("there are more files than a bundle has");
        }
        if !names().any(|known| known == name) {
            return foreign("a bundle has no file of this name");
        }
        if !entry.is_file() || entry.is_symlink() || entry.encrypted() {
            return foreign("it is no plain file");
        }
        let limit = left.min(LARGEST);
        let mut content = Vec::new();
        // What the entry says of its size is not relied on.
        entry.take(limit + 1).read_to_end(&mut content).map_err(|error| not_zip(error.into()))?;
        let size = content.len() as u64;
        if size > limit {
            let (name, limit) =
                if limit == LARGEST { (name, LARGEST) } else { ("all of it".to_owned(), ALL) };
            return Err(BundleError::TooLarge { name, limit });
        }
        left -= size;
        if files.insert(name.clone(), content).is_some() {
            return foreign("it is there twice");
        }
    }
    check(&files)?;
    let bundle = Bundle {
        manifest: Manifest::parse(files.get(MANIFEST).map(Vec::as_slice).unwrap_or_default())?,
        files,
    };
    bundle.need(SCENARIO)?;
    Ok(bundle)
}

/// Whether every file but the list itself has the checksum that the list says, and is there.
fn check(files: &BTreeMap<String, Vec<u8>>) -> Result<(), BundleError> {
    let missing = |name: &str| BundleError::Missing { name: name.to_owned() };
    let list = files.get(CHECKSUMS).ok_or_else(|| missing(CHECKSUMS))?;
    let list = String::from_utf8_lossy(list);
    let sums: BTreeMap<&str, &str> =
        list.lines().filter_map(|line| line.split_once("  ")).map(|(sum, name)| (name, sum)).collect();
    for (name, content) in files.iter().filter(|(name, _)| *name != CHECKSUMS) {
        if sums.get(name.as_str()).is_none_or(|sum| *sum != sha256(content)) {
            return Err(BundleError::Checksum { name: name.clone() });
        }
    }
    let gone = sums.keys().find(|name| !files.contains_key(**name));
    gone.map_or(Ok(()), |name| Err(missing(name)))?;
    if files.contains_key(MANIFEST) { Ok(()) } else { Err(missing(MANIFEST)) }
}
