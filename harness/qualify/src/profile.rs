//! Profiles: which scenarios a firmware has to pass for what it is sold as. One file each, in `profiles/`.

use record::Level;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// What a profile asks of a firmware.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// What a firmware with it can do.
    title: String,
    /// Scenarios, as on the command line.
    select: Vec<String>,
    /// The levels that count.
    levels: Vec<Level>,
}

/// A profile.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name: the file's, without the extension.
    pub name: String,
    /// What a firmware with it can do.
    pub title: String,
    /// Scenarios, as on the command line.
    pub select: Vec<String>,
    /// The levels that count.
    pub levels: Vec<Level>,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

/// Why a profile cannot be used. Each text finishes the sentence "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is none of this name.
    #[error("find profile {name}: there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The file cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file is no profile.
    #[error("understand {}: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        why: String,
    },
}

impl Profile {
    /// The profile of this name in `folder`, or in the file of this path.
    ///
    /// # Errors
    /// Every [`ProfileError`].
    pub fn find(folder: &Path, name: &str) -> Result<Self, ProfileError> {
        let path = PathBuf::from(name);
        if path.extension().is_some_and(|extension| extension == "yaml") {
            return Self::read(&path);
        }
        let known = profiles(folder)?;
        if !known.iter().any(|one| one == name) {
            return Err(ProfileError::Unknown { name: name.to_owned(), known: known.join(", ") });
        }
        Self::read(&folder.join(name).with_extension("yaml"))
    }

    fn read(path: &Path) -> Result<Self, ProfileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ProfileError::Read { path: path.to_owned(), source })?;
        let malformed = |why: String| ProfileError::Malformed { path: path.to_owned(), why };
        let File { title, select, levels } =
            serde_yaml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        if select.is_empty() || levels.is_empty() {
            return Err(malformed("a profile without scenarios or levels asks nothing of anybody".into()));
        }
        if levels.contains(&Level::Observe) {
            return Err(malformed("`observe` describes and cannot be failed".into()));
        }
        let sha256 = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, title, select, levels, sha256 })
    }
}

/// The names of the profiles in `folder`, sorted.
///
/// # Errors
/// [`ProfileError::Read`] if there is no such folder.
pub fn profiles(folder: &Path) -> Result<Vec<String>, ProfileError> {
    let entries =
        std::fs::read_dir(folder).map_err(|source| ProfileError::Read { path: folder.to_owned(), source })?;
    let name = |path: PathBuf| {
        let is_profile = path.extension().is_some_and(|extension| extension == "yaml");
        is_profile.then(|| path.file_stem().map(|name| name.to_string_lossy().into_owned()))?
    };
    let mut names: Vec<String> = entries.filter_map(|entry| name(entry.ok()?.path())).collect();
    names.sort();
    Ok(names)
}
