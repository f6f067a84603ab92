//! Files that are made once and kept: whole or not at all, and the same for every process.
//!
//! ```text
//! pki/keys/TEST-KEY-rsa-2048-leaf.pem     made on first use
//! pki/keys/.TEST-KEY-rsa-2048-leaf.lock   held by whoever makes it
//! pki/signatures/3f…e1.sig                a signature, by the digest of what is signed and with which key
//! pki/signatures/.lock                    held by whoever makes one
//! ```

use crate::MintError;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// The file `name` in `directory`, as `read` understands it. What is not there, or is not understood, is made with `make`
/// under the lock `lock`, so that all processes get the same.
pub(super) fn kept<T>(
    directory: &Path,
    name: &str,
    lock: &str,
    read: impl Fn(&[u8]) -> Option<T>,
    make: impl FnOnce() -> Result<Vec<u8>, MintError>,
) -> Result<T, MintError> {
    let path = directory.join(name);
    let cache = |source| MintError::Cache { path: path.clone(), source };
    let present = || match fs::read(&path) {
        Ok(bytes) => Ok(read(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cache(error)),
    };
    if let Some(found) = present()? {
        return Ok(found);
    }
    fs::create_dir_all(directory).map_err(cache)?;
    let _lock = locked(&directory.join(lock)).map_err(cache)?;
    // While we waited, it may have been made.
    if let Some(found) = present()? {
        return Ok(found);
    }
    let bytes = make()?;
    // Under the lock the name is ours, also if one who was killed left the file behind.
    publish(&bytes, &directory.join(format!(".{name}.new")), &path).map_err(cache)?;
    read(&bytes).ok_or_else(|| cache(io::Error::other("what was made cannot be read")))
}

/// Held until dropped; the kernel gives it up for a process that dies.
fn locked(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

fn publish(bytes: &[u8], staged: &Path, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(staged)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(staged, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn read(bytes: &[u8]) -> Option<u32> {
        std::str::from_utf8(bytes).ok()?.strip_prefix("value ")?.parse().ok()
    }

    #[test]
    fn it_is_made_once_however_many_ask() {
        let directory = tempfile::tempdir().unwrap();
        let made = AtomicUsize::new(0);
        let ask = || {
            kept(directory.path(), "thing", ".lock", read, || {
                std::thread::sleep(std::time::Duration::from_millis(50));
                Ok(format!("value {}", made.fetch_add(1, Ordering::SeqCst)).into_bytes())
            })
        };
        let answers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        assert_eq!(answers, [0; 8]);
    }

    #[test]
    fn what_is_damaged_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let ask = |value: &str| {
            let value = value.as_bytes().to_vec();
            kept(directory.path(), "thing", ".lock", read, || Ok(value))
        };
        assert_eq!(ask("value 1").unwrap(), 1);
        assert_eq!(ask("value 2").unwrap(), 1, "what is there stays");
        // One who was killed while writing leaves this, longer than what follows.
        std::fs::write(directory.path().join(".thing.new"), "value 123456789").unwrap();
        for damage in ["", "value", "value x", "\u{0}\u{0}"] {
            std::fs::write(directory.path().join("thing"), damage).unwrap();
            assert_eq!(ask("value 3").unwrap(), 3, "{damage:?}");
        }
        // What cannot be read even when new is an error and no endless loop.
        std::fs::remove_file(directory.path().join("thing")).unwrap();
        assert!(ask("nonsense").unwrap_err().to_string().contains("cannot be read"));
    }

    #[test]
    fn a_directory_that_cannot_be_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = kept(&file.join("below"), "thing", ".lock", read, || Ok(Vec::new())).unwrap_err();
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
    }
}
