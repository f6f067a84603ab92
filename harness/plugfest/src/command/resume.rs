//! Which run `--resume` completes.

use crate::exit::Failure;
use record::{Results, Verdict};
use run::{JOURNAL, Journal, JournalError};
use std::fs;
use std::path::{Path, PathBuf};

/// What `--resume` means without a directory.
pub const LATEST_UNFINISHED: &str = "latest-unfinished";

/// A run that no process works on any more.
pub struct Found {
    /// Its directory.
    pub directory: PathBuf,
    /// Its journal, which is ours now.
    pub journal: Journal,
}

/// The run that `which` means: a directory, the name of one in `out`, or [`LATEST_UNFINISHED`].
pub fn find(out: &Path, which: &str) -> Result<Found, Failure> {
    if which == LATEST_UNFINISHED {
        return latest_unfinished(out)?.ok_or_else(|| {
            Failure::nothing_selected(format!("there is no unfinished run in {}", out.display()))
        });
    }
    let places = [PathBuf::from(which), out.join(which)];
    let Some(directory) = places.into_iter().find(|directory| directory.join(JOURNAL).is_file()) else {
        return Err(Failure::bad_input(format!(
            "failed to find a run to resume at {which}, or of this name in {}: there is no {JOURNAL}",
            out.display()
        )));
    };
    // `latest` is a link; the run has another name.
    let directory = directory.canonicalize().unwrap_or(directory);
    let journal = Journal::open(&directory).map_err(refuse)?;
    Ok(Found { directory, journal })
}

/// The newest run of which cells have not run, and that nobody is running.
fn latest_unfinished(out: &Path) -> Result<Option<Found>, Failure> {
    let Ok(entries) = fs::read_dir(out) else { return Ok(None) };
    let mut directories: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|directory| directory.join(JOURNAL).is_file())
        .collect();
    // Runs are named by their start.
    directories.sort();
    for directory in directories.into_iter().rev() {
        match Journal::open(&directory) {
            Ok(journal) if !has_ended(&directory, &journal) => return Ok(Some(Found { directory, journal })),
            Ok(_) | Err(JournalError::Busy(_) | JournalError::Empty(_)) => {}
            Err(error) => eprintln!("plugfest: {error}; looking for an older run"),
        }
    }
    Ok(None)
}

/// Why a journal cannot be taken over.
pub fn refuse(error: JournalError) -> Failure {
    match error {
        JournalError::Io { .. } => Failure::infrastructure(error),
        other => Failure::bad_input(other),
    }
}

impl Found {
    /// The report, if nothing is left to be run.
    pub fn complete(&self) -> Option<Results> {
        let measured = self.journal.lines().iter().all(|line| line.cell.verdict != Verdict::Error);
        report_of(&self.directory, &self.journal).filter(|_| measured)
    }

    /// Removes what a killed process left half-written beside the evidence.
    pub fn remove_leftovers(&self) {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().filter_map(Result::ok);
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".report-")) {
            // It disturbs nobody who does not look for it.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether every cell of the run has a result, and its report says so.
fn has_ended(directory: &Path, journal: &Journal) -> bool {
    report_of(directory, journal).is_some()
}

/// The report, if it is about all cells and not older than the journal.
fn report_of(directory: &Path, journal: &Journal) -> Option<Results> {
    let results = report::load(&directory.join("results.json")).ok()?;
    let verdict_of = |id: &str| results.cells.iter().find(|cell| cell.id == id).map(|cell| cell.verdict);
    let current = |line: &run::Line| verdict_of(&line.cell.id) == Some(line.cell.verdict);
    let all = journal.lines().len() == journal.header().cells.len();
    (all && !results.run.interrupted && journal.lines().iter().all(current)).then_some(results)
}
