//! `keys.log`: the secrets of the cell's TLS connections, in the format of NSS's key log (SSLKEYLOGFILE), which Wireshark
//! reads. They decrypt what a test machine said to a test server, and nothing else.

use crate::EvidenceError;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes that are kept: some five thousand connections.
const MAX: usize = 4 << 20;

/// The file, once there is a secret.
#[derive(Default)]
pub(crate) struct Secrets {
    file: Option<(File, PathBuf)>,
    text: String,
}

impl Secrets {
    /// Adds a line; the file comes to be in `directory` with the first one.
    pub(crate) fn add(&mut self, directory: &Path, line: &str) -> Result<(), EvidenceError> {
        if self.text.len() >= MAX {
            return Ok(());
        }
        let path = || directory.join("keys.log");
        let (file, path) = match &mut self.file {
            Some(open) => open,
            none => {
                let file = File::create(path()).map_err(|reason| EvidenceError::write(&path(), reason))?;
                none.insert((file, path()))
            }
        };
        let line = format!("{}\n", line.trim_end());
        file.write_all(line.as_bytes()).map_err(|reason| EvidenceError::write(path, reason))?;
        self.text.push_str(&line);
        Ok(())
    }

    /// The file and what is in it, if there is one.
    pub(crate) fn finish(self) -> Option<(PathBuf, String)> {
        self.file.map(|(_, path)| (path, self.text))
    }
}
