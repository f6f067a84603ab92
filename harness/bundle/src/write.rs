//! Writes a bundle.

use crate::{BundleError, CHECKSUMS, MANIFEST, Manifest, names};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The files of a bundle, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Builder {
    files: Vec<(String, Vec<u8>)>,
}

impl Builder {
    /// Adds a file; its name is one of those of this crate.
    pub fn add(&mut self, name: &str, content: impl Into<Vec<u8>>) {
        debug_assert!(names().any(|known| known == name), "{name} is no name of a bundle's file");
        self.files.push((name.to_owned(), content.into()));
    }

    /// Writes the bundle into `path`, which gets its name once it is complete. The same files make the same bytes.
    ///
    /// # Errors
    /// [`BundleError::Io`] if it cannot be written.
    pub fn write(mut self, manifest: &Manifest, path: &Path) -> Result<(), BundleError> {
        let io = |what| move |source: io::Error| BundleError::Io { what, path: path.to_owned(), source };
        let mut text = serde_json::to_vec_pretty(manifest).map_err(|error| io("write")(error.into()))?;
        text.push(b'\n');
        self.files.insert(0, (MANIFEST.to_owned(), text));
        let sums: String =
            self.files.iter().map(|(name, content)| format!("{}  {name}\n", sha256(content))).collect();
        self.files.push((CHECKSUMS.to_owned(), sums.into_bytes()));

        let part = path.with_extension("zip.part");
        let written = self.pack(&part).and_then(|()| std::fs::rename(&part, path));
        written.map_err(|source| {
            // Nothing half-written stays.
            let _ = std::fs::remove_file(&part);
            io("write")(source)
        })
    }

    fn pack(&self, path: &Path) -> io::Result<()> {
        let mut zip = ZipWriter::new(File::create(path)?);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644);
        for (name, content) in &self.files {
            zip.start_file(name.as_str(), options)?;
            zip.write_all(content)?;
        }
        zip.finish()?.sync_all()
    }
}

/// SHA-256, hexadecimal.
pub(crate) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}
