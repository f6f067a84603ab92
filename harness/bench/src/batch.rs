//! A batch: some cells in one mode, run by the engine as `plugfest run` does, and what they cost.

use crate::usage::Cpu;
use crate::watched::{Life, Lives, Watched};
use record::{ClockMode, Outcome, Verdict};
use run::{Cell, Guests, Options, Plan};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Host time that one cell may take.
const HOST_LIMIT: Duration = Duration::from_secs(1800);

/// How to run a batch.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Cells at the same time.
    pub jobs: usize,
    /// The guests' clock.
    pub clock: ClockMode,
    /// Seed of nonces and entropy.
    pub seed: u64,
}

/// What a batch cost.
#[derive(Clone, Debug)]
pub struct Batch {
    /// One for each cell.
    pub cells: Vec<Measured>,
    /// Host time for all of them.
    pub wall: Duration,
    /// Processor time for all of them.
    pub cpu: Cpu,
    /// Bytes of evidence of all of them.
    pub evidence: u64,
    /// Bytes of evidence of the cell that has the most.
    pub most_evidence: u64,
}

/// A cell that has run.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Its id.
    pub id: String,
    /// What the firmware did.
    pub outcome: Option<Outcome>,
    /// How often it ran before it said something.
    pub attempts: u32,
    /// Host seconds, all attempts together.
    pub wall_seconds: f64,
    /// Its guest's life.
    pub life: Life,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A cell is an infrastructure error.
    #[error("failed to measure {cell}: {why}")]
    Cell {
        /// The cell's id.
        cell: String,
        /// What went wrong.
        why: String,
    },
    /// The engine failed.
    #[error(transparent)]
    Run(#[from] run::RunError),
    /// Something could not be read.
    #[error("failed to read what a batch cost: {0}")]
    Io(#[from] io::Error),
}

/// Runs `repeats` copies of each of `cells`, one after the other, on guests by `guests`.
///
/// The guests are dropped before the processor time is taken, so that all of theirs is in it.
pub async fn run<G: Guests + 'static>(
    cells: &[Cell],
    firmware: &[firmware::Firmware],
    repeats: usize,
    guests: G,
    setup: &Setup,
) -> Result<Batch, BatchError> {
    let copies = (0..repeats).flat_map(|copy| cells.iter().map(move |cell| numbered(cell, copy)));
    let plan = Plan { firmware: firmware.to_vec(), cells: copies.collect(), sharded: None };
    let directory = tempfile::tempdir()?;
    let options = Options {
        jobs: setup.jobs,
        clock: setup.clock,
        seed: setup.seed,
        host_limit: HOST_LIMIT,
        ..Options::new(directory.path().to_owned())
    };
    let lives = Lives::default();
    let guests = Watched::new(guests, Rc::clone(&lives));

    let before = Cpu::now()?;
    let begun = Instant::now();
    let results = run::run(plan, guests, options, |_| {}, std::future::pending()).await?;
    let wall = begun.elapsed();
    let cpu = Cpu::now()?.since(before);

    let lives: HashMap<String, Life> = lives.take();
    let mut batch = Batch { cells: Vec::new(), wall, cpu, evidence: 0, most_evidence: 0 };
    for result in results.cells {
        let life = lives.get(&result.id).copied();
        let (Some(life), Some(evidence), false) = (life, &result.evidence, result.verdict == Verdict::Error)
        else {
            return Err(BatchError::Cell { cell: result.id, why: result.detail });
        };
        let bytes = size_of(&directory.path().join(&evidence.directory))?;
        batch.evidence += bytes;
        batch.most_evidence = batch.most_evidence.max(bytes);
        batch.cells.push(Measured {
            id: result.id,
            outcome: result.outcome,
            attempts: result.attempts,
            wall_seconds: result.wall_seconds,
            life,
        });
    }
    Ok(batch)
}

/// The cell under a name of its own: copies that run at the same time may not share their evidence. Its nonce differs,
/// and nothing else.
pub(crate) fn numbered(cell: &Cell, copy: usize) -> Cell {
    let id = match cell.id.rsplit_once('@') {
        Some((point, firmware)) => format!("{point}#{copy}@{firmware}"),
        None => format!("{}#{copy}", cell.id),
    };
    Cell { id, ..cell.clone() }
}

/// Bytes of all files below `folder`.
fn size_of(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
