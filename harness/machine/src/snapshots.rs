//! The cache of snapshots, shared by every plugfest of a user.
//!
//! ```text
//! snapshots/<key>/memory       the guest's memory
//! snapshots/<key>/state        everything else of the machine
//! snapshots/<key>/moment.json  written before the folder gets its name: sizes, digest, prelude
//! snapshots/<key>.lock         held by whoever takes it
//! snapshots/.taking-XXXX/      one that is being taken, or whose taker was killed
//! ```
//! The key is a digest of all that makes a snapshot valid. Reading needs no lock: a folder has its name only once it is
//! complete.

use crate::arguments::{ChannelNumbers, arguments};
use crate::config::MachineConfig;
use crate::memory::Memory;
use crate::qemu::{digest, hexadecimal};
use crate::snapshot::{Moment, Snapshot, SnapshotError, take};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Part of every key: change it when what a snapshot holds or means changes.
const FORMAT: &str = "plugfest-snapshot/1";

/// Bytes on disk that the cache may take. The least recently used snapshots go first.
const LIMIT: u64 = 8 << 30;

/// A folder of a snapshot that is being taken is left over if it is older than this.
const LEFT_OVER: Duration = Duration::from_secs(3600);

/// What `moment.json` holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    key: String,
    memory: FileStamp,
    state: FileStamp,
    state_sha256: String,
    moment: Moment,
}

/// A file as it was when the snapshot was taken: enough to see that it was cut, replaced or written to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileStamp {
    bytes: u64,
    modified_ns: i128,
}

/// The cache.
#[derive(Clone, Debug)]
pub struct Snapshots {
    directory: PathBuf,
    limit: u64,
}

impl Snapshots {
    /// The cache below `cache`, which need not exist yet.
    pub fn open(cache: &Path) -> Self {
        Self { directory: cache.join("snapshots"), limit: LIMIT }
    }

    /// The snapshot of the machine in `config`, taken if it is not there; `qemu_sha256` is the program's digest.
    ///
    /// Another process that takes the same one is waited for. An entry that is stale, cut or foreign is taken again.
    pub async fn get(&self, config: &MachineConfig, qemu_sha256: &str) -> Result<Snapshot, SnapshotError> {
        let key = key(config, qemu_sha256).map_err(|source| self.failed(source))?;
        if let Some(snapshot) = self.look_up(&key) {
            return Ok(snapshot);
        }
        fs::create_dir_all(&self.directory).map_err(|source| self.failed(source))?;
        let _lock = self.lock(&key).await?;
        // While we waited, it may have been taken.
        if let Some(snapshot) = self.look_up(&key) {
            return Ok(snapshot);
        }
        self.make_room().map_err(|source| self.failed(source))?;
        let scratch = tempfile::Builder::new()
            .prefix(".taking-")
            .tempdir_in(&self.directory)
            .map_err(|source| self.failed(source))?;
        let snapshot = take(config, scratch.path()).await?;
        self.publish(&key, scratch.path(), snapshot.moment).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> SnapshotError {
        SnapshotError::Cache { path: self.directory.clone(), source }
    }

    fn entry(&self, key: &str) -> PathBuf {
        self.directory.join(key)
    }

    /// The complete and undamaged entry, if there is one.
    fn look_up(&self, key: &str) -> Option<Snapshot> {
        let entry = self.entry(key);
        let path = entry.join("moment.json");
        let manifest: Manifest = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        let snapshot = Snapshot::in_directory(&entry, manifest.moment);
        let intact = manifest.key == key
            && stamp(&snapshot.memory).ok()? == manifest.memory
            && stamp(&snapshot.state).ok()? == manifest.state
            && digest(&snapshot.state).ok()? == manifest.state_sha256;
        // The manifest's own time tells when the entry was last used.
        let _ =
            File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        intact.then_some(snapshot)
    }

    /// Gives the finished files in `scratch` their name.
    fn publish(&self, key: &str, scratch: &Path, moment: Moment) -> io::Result<Snapshot> {
        let made = Snapshot::in_directory(scratch, moment);
        let manifest = Manifest {
            key: key.to_owned(),
            memory: stamp(&made.memory)?,
            state: stamp(&made.state)?,
            state_sha256: digest(&made.state)?,
            moment: made.moment,
        };
        fs::write(scratch.join("moment.json"), serde_json::to_vec(&manifest)?)?;
        let entry = self.entry(key);
        // Whatever has the name is damaged, or it would have been used.
        match fs::remove_dir_all(&entry) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::rename(scratch, &entry)?,
        }
        Ok(Snapshot::in_directory(&entry, manifest.moment))
    }

    /// Waits for the lock without holding up the other cells of this process.
    async fn lock(&self, key: &str) -> Result<File, SnapshotError> {
        let path = self.directory.join(format!("{key}.lock"));
        let failed = |source| SnapshotError::Cache { path: path.clone(), source };
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    /// Removes what was left over, and the least recently used entries while the cache is over its limit. A guest that
    /// is running from one keeps its files open.
    fn make_room(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            let is_scratch =
                path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(".taking-"));
            let used = fs::metadata(path.join("moment.json")).or_else(|_| fs::metadata(&path))?.modified()?;
            if is_scratch && used.elapsed().is_ok_and(|age| age > LEFT_OVER) {
                fs::remove_dir_all(&path)?;
            } else if path.is_dir() && !is_scratch {
                entries.push((used, on_disk(&path)?, path));
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in entries {
            if total <= self.limit {
                break;
            }
            fs::remove_dir_all(path)?;
            total -= bytes;
        }
        Ok(())
    }
}

/// A digest of everything that decides what the machine is at its first frame: QEMU, every argument, and the content of
/// every file that they name.
fn key(config: &MachineConfig, qemu_sha256: &str) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    add(FORMAT.as_bytes());
    add(qemu_sha256.as_bytes());
    let items = config.fw_cfg_files.iter().map(|(_, file)| file);
    for file in std::iter::once(&config.code).chain(&config.vars).chain(items) {
        add(digest(file)?.as_bytes());
    }
    // The files go by their content, not by their names.
    let nameless = MachineConfig {
        code: "code".into(),
        vars: config.vars.as_ref().map(|_| "vars".into()),
        fw_cfg_files: config.fw_cfg_files.iter().map(|(name, _)| (name.clone(), "item".into())).collect(),
        ..config.clone()
    };
    for argument in arguments(&nameless, &Memory::Own, &ChannelNumbers::SHOWN) {
        add(argument.as_encoded_bytes());
    }
    Ok(hexadecimal(&hash.finalize()[..16]))
}

fn stamp(path: &Path) -> io::Result<FileStamp> {
    let metadata = fs::metadata(path)?;
    let modified_ns = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    Ok(FileStamp { bytes: metadata.len(), modified_ns })
}

/// Bytes that the files of a folder take on disk; memory is sparse.
fn on_disk(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.blocks() * 512)).sum()
}
