//! The cache of snapshots, shared by every plugfest of a user.
//!
//! ```text
//! snapshots/<key>/memory         the guest's memory
//! snapshots/<key>/state          everything else of the machine
//! snapshots/<key>/state-long     the same for a clock with longer instructions
//! snapshots/<key>/moment.json    when it was taken, and all that had come from the guest by then
//! snapshots/<key>/manifest.json  sizes, times and digests of the above
//! snapshots/<key>.taking/        one that is being taken, locked by its taker; or left over by a killed one
//! ```
//! The key is a digest of all that makes a snapshot valid. A folder gets its name once it is complete. The locks are
//! the kernel's, and go with the process that holds them: what a killed taker has left is told from what is being made,
//! and what is in use, by shared locks, from what may be removed.

use crate::arguments::{ChannelNumbers, arguments};
use crate::config::{Instruction, MachineConfig};
use crate::memory::Memory;
use crate::qemu::{digest, hexadecimal};
use crate::snapshot::{FILES, Moment, Snapshot, SnapshotError, take};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Part of every key: change it when what a snapshot holds or means changes.
const FORMAT: &str = "plugfest-snapshot/3";

/// Bytes on disk that the cache may take. The least recently used snapshots go first.
const LIMIT: u64 = 12 << 30;

/// How often to look whether another taker is done, on the host.
const POLL: Duration = Duration::from_millis(20);

/// What `manifest.json` holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    key: String,
    /// Not digested, for its size: looking it up must not cost more than a boot saves.
    memory: FileStamp,
    states: [FileStamp; 2],
    states_sha256: [String; 2],
    moment_sha256: String,
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

    /// The same cache, which may take that many bytes on disk. Snapshots that somebody uses stay, however large.
    pub fn with_limit(self, bytes: u64) -> Self {
        Self { limit: bytes, ..self }
    }

    /// The snapshot of the machine in `config`, taken if it is not there; `qemu_sha256` is the program's digest.
    ///
    /// Whoever takes the same one already is waited for. An entry that is cut, changed or foreign is taken again.
    pub async fn get(&self, config: &MachineConfig, qemu_sha256: &str) -> Result<Snapshot, SnapshotError> {
        let failed = |source| SnapshotError::Cache { path: self.directory.clone(), source };
        let key = key(config, qemu_sha256).map_err(failed)?;
        if let Some(snapshot) = self.look_up(&key) {
            return Ok(snapshot);
        }
        // Absolute: QEMU is told where the files are.
        fs::create_dir_all(&self.directory).map_err(failed)?;
        let cache = Self { directory: self.directory.canonicalize().map_err(failed)?, limit: self.limit };
        let taking = Taking::begin(cache.directory.join(format!("{key}.taking"))).await.map_err(failed)?;
        // While we waited, it may have been taken.
        if let Some(snapshot) = cache.look_up(&key) {
            return Ok(snapshot);
        }
        let moment = take(config, &taking.directory).await?;
        let snapshot = cache.publish(&key, taking, moment).map_err(failed)?;
        // What cannot be removed now is tried again next time.
        let _ = cache.make_room();
        Ok(snapshot)
    }

    /// The complete and undamaged entry, if there is one. It is in use from now on.
    fn look_up(&self, key: &str) -> Option<Snapshot> {
        let entry = self.directory.join(key).canonicalize().ok()?;
        let Locked::Ours(in_use) = lock(&entry, FlockOperation::NonBlockingLockShared).ok()? else {
            return None; // It is being removed.
        };
        let path = entry.join("manifest.json");
        let found: Manifest = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        if manifest(key, &entry).ok()? != found {
            return None;
        }
        let moment: Moment = serde_json::from_slice(&fs::read(entry.join("moment.json")).ok()?).ok()?;
        // The manifest's own time tells when the entry was last used.
        let used = File::options().append(true).open(&path);
        let _ = used.and_then(|file| file.set_modified(SystemTime::now()));
        Some(Snapshot::new(&entry, moment, in_use))
    }

    /// Gives the finished files of `taking` their name.
    fn publish(&self, key: &str, taking: Taking, moment: Moment) -> io::Result<Snapshot> {
        let scratch = &taking.directory;
        fs::write(scratch.join("moment.json"), serde_json::to_vec(&moment)?)?;
        // Before the name, so that a power failure leaves no complete entry with holes.
        for file in FILES.into_iter().chain(["moment.json"]) {
            File::open(scratch.join(file))?.sync_all()?;
        }
        fs::write(scratch.join("manifest.json"), serde_json::to_vec(&manifest(key, scratch)?)?)?;
        let entry = self.directory.join(key);
        // Whatever has the name is damaged, or it would have been used.
        remove(&entry)?;
        fs::rename(scratch, &entry)?;
        let in_use = taking.lock.try_clone()?;
        flock(&in_use, FlockOperation::LockShared)?;
        Ok(Snapshot::new(&entry, moment, in_use))
    }

    /// Removes what killed takers have left and, while the cache is over its limit, the least recently used of the
    /// entries that nobody uses.
    fn make_room(&self) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "taking") {
                drop(Taking::try_begin(&path)?);
            } else if path.is_dir() {
                let used = fs::metadata(path.join("manifest.json")).and_then(|manifest| manifest.modified());
                entries.push((used.unwrap_or(SystemTime::UNIX_EPOCH), on_disk(&path)?, path));
            }
        }
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, path) in entries {
            if total <= self.limit {
                break;
            }
            if let Locked::Ours(_lock) = lock(&path, FlockOperation::NonBlockingLockExclusive)? {
                remove(&path)?;
                total -= bytes;
            }
        }
        Ok(())
    }
}

/// The folder in which a snapshot is being made. Dropped, it is removed, unless it has got another name.
struct Taking {
    directory: PathBuf,
    /// The folder itself, locked: nobody else is in it.
    lock: File,
}

impl Taking {
    /// Waits until nobody else makes this one. The folder is empty.
    async fn begin(directory: PathBuf) -> io::Result<Self> {
        loop {
            match fs::create_dir(&directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            match Self::try_begin(&directory)? {
                Some(taking) => {
                    // What a killed taker has left.
                    for file in fs::read_dir(&directory)? {
                        remove(&file?.path())?;
                    }
                    return Ok(taking);
                }
                // Not to hold up the other cells of this process.
                None => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// The folder, unless somebody is in it or it is no longer there.
    fn try_begin(directory: &Path) -> io::Result<Option<Self>> {
        Ok(match lock(directory, FlockOperation::NonBlockingLockExclusive)? {
            Locked::Ours(lock) => Some(Self { directory: directory.into(), lock }),
            Locked::Not => None,
        })
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        // What cannot be removed is left over, and found by the next.
        if has_name(&self.lock, &self.directory).unwrap_or(false) {
            let _ = remove(&self.directory);
        }
    }
}

/// What became of an attempt to lock a folder.
enum Locked {
    /// Until the file is closed.
    Ours(File),
    /// Somebody else has it, or it has gone.
    Not,
}

fn lock(folder: &Path, how: FlockOperation) -> io::Result<Locked> {
    let file = match File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Locked::Not),
        file => file?,
    };
    match flock(&file, how) {
        Err(Errno::WOULDBLOCK) => Ok(Locked::Not),
        // Whoever had it before may have removed it or given it another name.
        Ok(()) if has_name(&file, folder)? => Ok(Locked::Ours(file)),
        Ok(()) => Ok(Locked::Not),
        Err(error) => Err(error.into()),
    }
}

fn has_name(file: &File, name: &Path) -> io::Result<bool> {
    let of_file = file.metadata()?;
    Ok(fs::metadata(name).is_ok_and(|named| (named.dev(), named.ino()) == (of_file.dev(), of_file.ino())))
}

/// What the manifest of the entry in `directory` has to say.
fn manifest(key: &str, directory: &Path) -> io::Result<Manifest> {
    let [memory, state, long] = FILES.map(|name| directory.join(name));
    Ok(Manifest {
        key: key.to_owned(),
        memory: stamp(&memory)?,
        states: [stamp(&state)?, stamp(&long)?],
        states_sha256: [digest(&state)?, digest(&long)?],
        moment_sha256: digest(&directory.join("moment.json"))?,
    })
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
    for file in std::iter::once(&config.code).chain(&config.kernel).chain(&config.vars).chain(items) {
        add(digest(file)?.as_bytes());
    }
    // The files go by their content, not by their names.
    let nameless = MachineConfig {
        code: "code".into(),
        kernel: config.kernel.as_ref().map(|_| "kernel".into()),
        vars: config.vars.as_ref().map(|_| "vars".into()),
        fw_cfg_files: config.fw_cfg_files.iter().map(|(name, _)| (name.clone(), "item".into())).collect(),
        // Each snapshot can go on with any.
        instruction: Instruction::Short,
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

/// Removes a file or folder that need not be there.
fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
