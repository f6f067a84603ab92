//! Files that are made for guests, named by their digests: equal contents are one file, which never changes.

use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// For how long a file stays that nobody uses.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// The folder of such files.
pub(crate) struct Kept(PathBuf);

impl Kept {
    /// The folder below `cache`, without what has not been used for a month. It need not exist yet.
    pub(crate) fn open(cache: &Path) -> Self {
        let kept = Self(cache.join("fw_cfg"));
        // What cannot be removed now is tried again next time.
        let _ = kept.sweep(SystemTime::now());
        kept
    }

    /// The file with this content.
    pub(crate) fn file(&self, content: &[u8]) -> io::Result<PathBuf> {
        let digest = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let path = self.0.join(digest);
        // Its time tells when it was last used.
        let used = File::options().append(true).open(&path);
        if used.and_then(|file| file.set_modified(SystemTime::now())).is_err() {
            fs::create_dir_all(&self.0)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
            file.write_all(content)?;
            file.persist(&path)?;
        }
        path.canonicalize()
    }

    fn sweep(&self, now: SystemTime) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let used = entry.metadata()?.modified()?;
            if now.duration_since(used).is_ok_and(|unused| unused > LIFETIME) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_contents_are_one_file_and_what_nobody_uses_goes() {
        let cache = tempfile::tempdir().unwrap();
        let kept = Kept::open(cache.path());
        let [one, other] = [b"one", b"two"].map(|content| kept.file(content).unwrap());
        assert_eq!(fs::read(&one).unwrap(), b"one");
        let long_ago = SystemTime::now() - LIFETIME - Duration::from_secs(60);
        for file in [&one, &other] {
            File::options().append(true).open(file).unwrap().set_modified(long_ago).unwrap();
        }
        assert_eq!(kept.file(b"one").unwrap(), one, "used again");
        let again = Kept::open(cache.path());
        assert!(one.is_file() && !other.is_file());
        assert_eq!(again.file(b"two").unwrap(), other);
        assert_eq!(fs::read(other).unwrap(), b"two");
    }
}
