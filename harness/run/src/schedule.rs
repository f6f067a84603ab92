//! Runs a plan: controls first, then everything else, several cells at a time on one thread.
//!
//! The harness is one thread on purpose: a guest takes a core, the harness a few percent of one, and QEMU dies with
//! the thread that started it.

use crate::cell::{CellError, Finished, attempt};
use crate::{Cell, Guests, Plan};
use judge::{Charge, Waivers, deliver};
use record::{CellResult, ClockMode, QemuRecord, Results, RunRecord, Verdict};
use std::cell::{Cell as Slot, RefCell};
use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, LocalSet};

/// Infrastructure errors are given this many tries in all.
const ATTEMPTS: u32 = 3;

/// How to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The run's directory, `…/<run id>`; must exist.
    pub directory: PathBuf,
    /// Cells at the same time, at least 1.
    pub jobs: usize,
    /// Which clock the guests run on.
    pub clock: ClockMode,
    /// Seed of nonces and entropy.
    pub seed: u64,
    /// Host time after which a cell is an infrastructure error.
    pub host_limit: Duration,
    /// Known deviations.
    pub waivers: Waivers,
    /// QEMU, for the record.
    pub qemu: Option<QemuRecord>,
}

/// What happens while a run goes on, for whoever shows it.
#[derive(Debug)]
pub enum Progress<'a> {
    /// The run has this many cells.
    Planned(usize),
    /// A cell has started.
    Started(&'a Cell),
    /// A cell could not be measured and is tried again.
    Retrying {
        /// The cell.
        cell: &'a Cell,
        /// What went wrong on our side.
        problem: String,
    },
    /// A cell has its result.
    Finished(&'a CellResult),
}

/// Why there are no results at all.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run's directory cannot be used.
    #[error("failed to write to {path}: {source}")]
    Directory {
        /// The directory.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Everything that the cells of a run share.
struct Shared<G, P> {
    guests: G,
    plan: Plan,
    options: Options,
    progress: RefCell<P>,
    queue: RefCell<VecDeque<usize>>,
    results: RefCell<Vec<(usize, CellResult)>>,
    /// Firmware whose control cell did not pass, with the control's own words.
    condemned: RefCell<Vec<Option<String>>>,
    accelerators: RefCell<Vec<Option<record::Accelerator>>>,
    stopping: Slot<bool>,
}

/// Runs all cells of `plan`. When `interrupt` resolves, running cells are abandoned, and the results say so.
pub async fn run<G, P, I>(
    plan: Plan,
    guests: G,
    options: Options,
    progress: P,
    interrupt: I,
) -> Result<Results, RunError>
where
    G: Guests + 'static,
    P: FnMut(Progress<'_>) + 'static,
    I: Future<Output = ()>,
{
    let begun = Instant::now();
    let started = jiff::Timestamp::now();
    let columns = plan.firmware.len();
    let (controls, others): (Vec<usize>, Vec<usize>) =
        (0..plan.cells.len()).partition(|&index| plan.cells[index].is_control());
    let shared = Rc::new(Shared {
        guests,
        plan,
        options,
        progress: RefCell::new(progress),
        queue: RefCell::default(),
        results: RefCell::default(),
        condemned: RefCell::new(vec![None; columns]),
        accelerators: RefCell::new(vec![None; columns]),
        stopping: Slot::new(false),
    });
    shared.report(Progress::Planned(shared.plan.cells.len()));

    let local = LocalSet::new();
    let work = local.run_until(async {
        for phase in [controls, others] {
            shared.queue.borrow_mut().extend(phase);
            let mut workers = JoinSet::new();
            for _ in 0..shared.options.jobs.max(1) {
                workers.spawn_local(work(Rc::clone(&shared)));
            }
            while let Some(joined) = workers.join_next().await {
                joined.expect("invariant: a worker neither panics nor is cancelled alone");
            }
        }
    });
    tokio::select! {
        () = work => {}
        () = interrupt => shared.stopping.set(true),
    }
    // Dropping the workers drops their guests, and with them every QEMU.
    drop(local);
    shared.remove_unfinished_evidence()?;

    let mut results = shared.results.take();
    results.sort_by_key(|(index, _)| *index);
    let accelerators = shared.accelerators.take();
    Ok(Results {
        schema: record::SCHEMA_ID.into(),
        run: RunRecord {
            id: run_id(&shared.options.directory),
            started: started.to_string(),
            wall_seconds: begun.elapsed().as_secs_f64(),
            plugfest: env!("CARGO_PKG_VERSION").into(),
            qemu: shared.options.qemu.clone(),
            clock: shared.options.clock,
            seed: shared.options.seed,
            jobs: shared.options.jobs,
            planned: shared.plan.cells.len(),
            interrupted: shared.stopping.get(),
            stopped: None,
            repeat: 1,
            retries: 0,
        },
        firmware: shared
            .plan
            .firmware
            .iter()
            .zip(accelerators)
            .map(|(f, accelerator)| f.to_record(accelerator))
            .collect(),
        cells: results.into_iter().map(|(_, result)| result).collect(),
    })
}

fn run_id(directory: &std::path::Path) -> String {
    directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Takes cells from the queue until it is empty.
async fn work<G, P>(shared: Rc<Shared<G, P>>)
where
    G: Guests,
    P: FnMut(Progress<'_>),
{
    loop {
        let Some(index) = shared.queue.borrow_mut().pop_front() else { return };
        let result = shared.run_cell(index).await;
        shared.report(Progress::Finished(&result));
        shared.results.borrow_mut().push((index, result));
    }
}

impl<G: Guests, P: FnMut(Progress<'_>)> Shared<G, P> {
    fn report(&self, progress: Progress<'_>) {
        (self.progress.borrow_mut())(progress);
    }

    async fn run_cell(&self, index: usize) -> CellResult {
        let cell = &self.plan.cells[index];
        let begun = Instant::now();
        let condemned = self.condemned.borrow()[cell.firmware].clone();
        let mut result = if let Some(why) = condemned {
            self.error(cell, format!("control failed: {why}"), 0)
        } else {
            self.report(Progress::Started(cell));
            self.measure(cell).await
        };
        result.wall_seconds = begun.elapsed().as_secs_f64();
        if cell.is_control() && result.verdict != Verdict::Pass {
            self.condemned.borrow_mut()[cell.firmware] = Some(result.detail.clone());
        }
        result
    }

    /// Runs the cell until it says something about the firmware, or the tries are used up.
    async fn measure(&self, cell: &Cell) -> CellResult {
        let firmware = &self.plan.firmware[cell.firmware];
        let directory = evidence_directory(&cell.id);
        let mut attempts = 0;
        loop {
            attempts += 1;
            let outcome = attempt(
                &self.guests,
                cell,
                firmware,
                self.options.seed,
                self.options.host_limit,
                &self.options.directory,
                &directory,
            )
            .await;
            match outcome {
                Ok(finished) => return self.judged(cell, finished, attempts),
                Err(problem) if attempts < ATTEMPTS && problem.is_transient() => {
                    self.report(Progress::Retrying { cell, problem: problem.to_string() });
                }
                Err(problem) => return self.failed(cell, &problem, attempts),
            }
        }
    }

    fn judged(&self, cell: &Cell, finished: Finished, attempts: u32) -> CellResult {
        let Finished { finding, evidence, guest_time, accelerator } = finished;
        self.accelerators.borrow_mut()[cell.firmware] = accelerator;
        let firmware = &self.plan.firmware[cell.firmware];
        let charge = Charge {
            cell: &cell.id,
            level: cell.level,
            expected: &cell.expected,
            declared_unsupported: cell.needs.iter().any(|need| !firmware.family.has(*need)),
        };
        let ruling = deliver(charge, &finding, &self.options.waivers);
        CellResult {
            verdict: ruling.verdict,
            waiver: ruling.waiver,
            outcome: Some(finding.outcome),
            stage: Some(finding.stage),
            cause: finding.cause.map(str::to_owned),
            guest_seconds: guest_time.as_secs_f64(),
            evidence: Some(evidence),
            ..self.error(cell, finding.detail, attempts)
        }
    }

    fn failed(&self, cell: &Cell, problem: &CellError, attempts: u32) -> CellResult {
        self.error(cell, problem.to_string(), attempts)
    }

    /// A result that says nothing about the firmware.
    fn error(&self, cell: &Cell, detail: String, attempts: u32) -> CellResult {
        CellResult {
            id: cell.id.clone(),
            scenario: cell.scenario.clone(),
            title: cell.title.clone(),
            clause: cell.clause.clone(),
            scenario_sha256: cell.scenario_sha256.clone(),
            params: cell.params.clone(),
            firmware: self.plan.firmware[cell.firmware].id.clone(),
            level: cell.level,
            expected: cell.expected.clone(),
            verdict: Verdict::Error,
            outcome: None,
            stage: None,
            cause: None,
            detail,
            waiver: None,
            wall_seconds: 0.0,
            guest_seconds: 0.0,
            attempts,
            transcript: None,
            repeats: None,
            flaky: false,
            evidence: None,
        }
    }

    /// Removes the evidence of cells that were abandoned: nothing half-written stays.
    fn remove_unfinished_evidence(&self) -> Result<(), RunError> {
        let finished: HashSet<usize> = self.results.borrow().iter().map(|(index, _)| *index).collect();
        for (index, cell) in self.plan.cells.iter().enumerate() {
            let path = self.options.directory.join(evidence_directory(&cell.id));
            if !finished.contains(&index) && path.exists() {
                let path_text = path.display().to_string();
                std::fs::remove_dir_all(&path)
                    .map_err(|source| RunError::Directory { path: path_text, source })?;
            }
        }
        Ok(())
    }
}

/// Where a cell's evidence goes, relative to the run's directory: readable, and safe as a path whatever the id holds.
fn evidence_directory(id: &str) -> String {
    let (point, firmware) = id.rsplit_once('@').unwrap_or((id, "unknown"));
    let plain = |text: &str| -> String {
        text.chars()
            .map(|c| if c.is_ascii_alphanumeric() || "-_=.".contains(c) { c } else { '_' })
            .take(120)
            .collect()
    };
    let digest = <sha2::Sha256 as sha2::Digest>::digest(id);
    format!("cells/{}/{}-{:02x}{:02x}{:02x}", plain(firmware), plain(point), digest[0], digest[1], digest[2])
}
