//! `journal.jsonl`: what a run set out to do, then each result as soon as it is there.
//!
//! The first line is the [`Header`]. Each further line is a [`Line`], written in one go when a cell has its result,
//! so that a `kill -9` can tear the last line only; a line without its line feed never happened. Of two lines about one
//! cell the later one counts. The process that runs the cells holds a lock on the file.

use crate::header::{FORMAT, Header};
use indexmap::IndexMap;
use record::{Accelerator, CellResult};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Name of the file in a run's directory.
pub const JOURNAL: &str = "journal.jsonl";

/// A cell that has its result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Host seconds that the run had taken by then, without the pauses between its sessions.
    pub elapsed: f64,
    /// What executed the guest, if one ran.
    pub accelerator: Option<Accelerator>,
    /// The result, as in `results.json`.
    pub cell: CellResult,
}

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system said no.
    #[error("failed to {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process runs the cells.
    #[error("failed to take over {}: another plugfest is still running its cells; wait for it, or end it", .0.display())]
    Busy(PathBuf),
    /// The run ended before it had begun.
    #[error("failed to resume {}: it has not even begun; run the same command again", .0.display())]
    Empty(PathBuf),
    /// Another version wrote it.
    #[error("failed to resume {}: its format is {found:?}, and this plugfest writes {FORMAT}; use the plugfest that began it", path.display())]
    Version {
        /// The journal.
        path: PathBuf,
        /// What it says of its format.
        found: String,
    },
    /// It is not what was written.
    #[error("failed to understand {} line {line}: {source}; somebody else has changed it, run everything again", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// 1-based number of the line.
        line: usize,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// A journal being written, and what was in it before.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    header: Header,
    lines: Vec<Line>,
    syncer: Syncer,
}

impl Journal {
    /// Begins the journal of the run in `directory`, which must not have one.
    ///
    /// # Errors
    /// [`JournalError::Io`]
    pub fn create(directory: &Path, header: Header) -> Result<Self, JournalError> {
        let path = directory.join(JOURNAL);
        let file =
            OpenOptions::new().append(true).create_new(true).open(&path).map_err(io_error("make", &path))?;
        lock(&file, &path)?;
        let syncer = Syncer::start(&file).map_err(io_error("write to", &path))?;
        let mut journal = Self { path, file, header, lines: Vec::new(), syncer };
        let header = serde_json::to_vec(&journal.header);
        journal.write(header)?;
        Ok(journal)
    }

    /// Takes over the journal of the run in `directory`, whose process has ended, and drops a torn last line.
    ///
    /// # Errors
    /// Any [`JournalError`].
    pub fn open(directory: &Path) -> Result<Self, JournalError> {
        let path = directory.join(JOURNAL);
        let mut file =
            OpenOptions::new().read(true).append(true).open(&path).map_err(io_error("open", &path))?;
        lock(&file, &path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io_error("read", &path))?;
        let (header, lines, kept) = parse(&path, &bytes)?;
        if kept < bytes.len() {
            file.set_len(kept as u64)
                .and_then(|()| file.seek(io::SeekFrom::End(0)))
                .map_err(io_error("repair", &path))?;
        }
        let syncer = Syncer::start(&file).map_err(io_error("write to", &path))?;
        Ok(Self { path, file, header, lines, syncer })
    }

    /// What the run set out to do.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The results so far: one line for each cell that has one.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Adds a result. When this returns it survives the end of this process, and soon that of the system.
    ///
    /// # Errors
    /// [`JournalError::Io`]
    pub(crate) fn append(&mut self, line: &Line) -> Result<(), JournalError> {
        self.write(serde_json::to_vec(line))
    }

    fn write(&mut self, line: serde_json::Result<Vec<u8>>) -> Result<(), JournalError> {
        let mut line = line.expect("invariant: headers and results can be written as JSON");
        line.push(b'\n');
        self.file.write_all(&line).map_err(io_error("write to", &self.path))?;
        self.syncer.soon();
        Ok(())
    }

    /// Brings everything to the disk.
    ///
    /// # Errors
    /// [`JournalError::Io`], also for what was written before.
    pub(crate) fn finish(mut self) -> Result<(), JournalError> {
        self.syncer.end().map_err(io_error("write to", &self.path))
    }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io { what, path, source }
}

/// Longest that a lock is waited for.
const PASSING: Duration = Duration::from_secs(1);

/// The lock goes with the process, however that ends. It may stay a moment longer: a child that another thread is just
/// starting has every file of its parent between fork(2) and execve(2), and with them the lock (flock(2)).
fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    let start = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if start.elapsed() < PASSING => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => return Err(JournalError::Busy(path.to_owned())),
            Err(TryLockError::Error(source)) => {
                return Err(JournalError::Io { what: "lock", path: path.to_owned(), source });
            }
        }
    }
}

/// Header, the last line about each cell, and how many bytes of the file they are.
fn parse(path: &Path, bytes: &[u8]) -> Result<(Header, Vec<Line>, usize), JournalError> {
    /// Read first: what another version looks like is not ours to complain about.
    #[derive(Deserialize)]
    struct Format {
        journal: String,
    }
    let path = || path.to_owned();
    let damaged = |line| move |source| JournalError::Damaged { path: path(), line, source };
    let mut whole = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let first = whole.next().ok_or_else(|| JournalError::Empty(path()))?;
    let Format { journal } = serde_json::from_slice(first).map_err(damaged(1))?;
    if journal != FORMAT {
        return Err(JournalError::Version { path: path(), found: journal });
    }
    let header: Header = serde_json::from_slice(first).map_err(damaged(1))?;
    let mut kept = first.len();
    let mut lines = IndexMap::new();
    for (number, text) in (2..).zip(whole) {
        let line: Line = serde_json::from_slice(text).map_err(damaged(number))?;
        kept += text.len();
        lines.insert(line.cell.id.clone(), line);
    }
    Ok((header, lines.into_values().collect(), kept))
}

/// Brings the file to the disk while the cells go on: what was written during one `fdatasync` shares the next.
#[derive(Debug)]
struct Syncer {
    /// `None` once it has been told to end.
    wishes: Option<Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Syncer {
    fn start(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let (wishes, wished) = channel();
        let thread =
            std::thread::Builder::new().name("journal".into()).spawn(move || sync(&file, &wished))?;
        Ok(Self { wishes: Some(wishes), thread: Some(thread) })
    }

    fn soon(&self) {
        // If the thread has ended, `end` says why.
        let _ = self.wishes.as_ref().map(|wishes| wishes.send(()));
    }

    fn end(&mut self) -> io::Result<()> {
        self.wishes = None;
        let end = |thread: JoinHandle<_>| thread.join().expect("invariant: the thread does not panic");
        self.thread.take().map_or(Ok(()), end)
    }
}

impl Drop for Syncer {
    /// The thread shares the lock.
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn sync(file: &File, wished: &Receiver<()>) -> io::Result<()> {
    while wished.recv().is_ok() {
        while wished.try_recv().is_ok() {}
        file.sync_data()?;
    }
    Ok(())
}
