//! Runs a plan, several cells at a time on one thread, and puts each result into the journal.
//!
//! The harness is one thread on purpose: a guest takes a core, the harness a few percent of one, and QEMU dies with
//! the thread that started it.

use crate::cell::{CellError, Finished, Unmeasured, attempt};
use crate::journal::{Journal, JournalError, Line};
use crate::queue::{Costs, Queue, Task};
use crate::repeat::{Run, Runs};
use crate::{Cell, Guests, Plan};
use judge::{Charge, Waivers, deliver};
use record::{
    Accelerator, AssertionResult, AssertionState, CellResult, ClockMode, EvidencePaths, FirmwareRecord,
    Level, Outcome, QemuRecord, Results, RunRecord, ShardRecord, Verdict,
};
use std::cell::{Cell as Slot, RefCell};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, LocalSet};

/// Infrastructure errors are given this many tries in all.
const ATTEMPTS: u32 = 3;

/// Cells at the same time, if nobody says otherwise: one for each processor. Guests on the virtual clock wait for us now
/// and then and lose nothing by waiting for a processor too, so there are two for each.
pub fn default_jobs(clock: ClockMode) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    match clock {
        ClockMode::Virtual => 2 * processors,
        ClockMode::Real => processors,
    }
}

/// How to run.
#[derive(Debug)]
pub struct Options {
    /// The run's directory, `…/<run id>`; must exist.
    pub directory: PathBuf,
    /// Cells at the same time, at least 1.
    pub jobs: usize,
    /// Which clock the guests run on.
    pub clock: ClockMode,
    /// Seed of nonces and entropy.
    pub seed: u64,
    /// Host time after which a cell is an infrastructure error; a large image has more.
    pub host_limit: Duration,
    /// Known deviations.
    pub waivers: Waivers,
    /// The QEMU programs, for the record.
    pub qemus: Vec<QemuRecord>,
    /// How often each cell runs, at least 1. The first run gives the verdict.
    pub repeat: u32,
    /// Whether to take no new cell after one that is not as expected.
    pub fail_fast: bool,
    /// What the cells are expected to cost.
    pub costs: Costs,
    /// Keeps the results as they come. Those that it has already are not run again, unless they are errors.
    pub journal: Option<Journal>,
}

impl Options {
    /// One cell at a time, once, on the virtual clock with seed 1, without waivers or journal, in `directory`.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            jobs: 1,
            clock: ClockMode::Virtual,
            seed: 1,
            host_limit: Duration::from_secs(300),
            waivers: Waivers::default(),
            qemus: Vec::new(),
            repeat: 1,
            fail_fast: false,
            costs: Costs::default(),
            journal: None,
        }
    }
}

/// What happens while a run goes on, for whoever shows it.
#[derive(Debug)]
pub enum Progress<'a> {
    /// The cells of the run will have run this often in all.
    Planned(usize),
    /// So many of these runs are in the journal already.
    Resumed(usize),
    /// A cell has started.
    Started(&'a Cell),
    /// A cell could not be measured and is tried again.
    Retrying {
        /// The cell.
        cell: &'a Cell,
        /// What went wrong on our side.
        problem: String,
    },
    /// A cell has run; with repeats it may have to run again.
    Ran(&'a Cell),
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
        source: io::Error,
    },
    /// A result could not be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Everything that the cells of a run share.
struct Shared<G, P> {
    guests: G,
    plan: Plan,
    options: Options,
    journal: RefCell<Option<Journal>>,
    begun: Instant,
    /// Host time that earlier sessions of the run took.
    before: Duration,
    progress: RefCell<P>,
    queue: RefCell<Queue>,
    /// By cell.
    results: RefCell<Vec<Option<CellResult>>>,
    /// The cells of which some runs are there or going on.
    running: RefCell<Vec<Option<Runs>>>,
    /// By cell: why those that wait for it need not run.
    hindrances: RefCell<Vec<Option<Hindrance>>>,
    accelerators: RefCell<Vec<Option<Accelerator>>>,
    /// Why no new cells are taken.
    stopped: RefCell<Option<String>>,
}

/// Runs all cells of `plan` that are not in the journal yet. When `interrupt` resolves, running cells are abandoned, and
/// the results say so.
///
/// # Errors
/// [`RunError`] if the run's directory or its journal cannot be written.
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
    let started = jiff::Timestamp::now().to_string();
    let shared = Rc::new(Shared::new(plan, guests, options, progress));
    shared.remove_unfinished_evidence()?;
    let repeat = shared.repeat() as usize;
    shared.report(Progress::Planned(shared.plan.cells.len() * repeat));
    match shared.finished() {
        0 => {}
        finished => shared.report(Progress::Resumed(finished * repeat)),
    }

    let local = LocalSet::new();
    let interrupted = Slot::new(false);
    let done = tokio::select! {
        done = local.run_until(drive(&shared)) => done,
        () = interrupt => {
            interrupted.set(true);
            Ok(())
        }
    };
    // Dropping the tasks drops their guests, and with them every QEMU.
    drop(local);
    done?;
    shared.remove_unfinished_evidence()?;
    shared.conclude(started, interrupted.get())
}

/// Runs the queue empty.
async fn drive<G, P>(shared: &Rc<Shared<G, P>>) -> Result<(), RunError>
where
    G: Guests + 'static,
    P: FnMut(Progress<'_>) + 'static,
{
    let mut running = JoinSet::new();
    loop {
        while running.len() < shared.options.jobs.max(1)
            && let Some(task) = shared.next_task()?
        {
            let shared = Rc::clone(shared);
            running.spawn_local(async move { (task, shared.run_once(task).await) });
        }
        let Some(done) = running.join_next().await else { return Ok(()) };
        let (task, run) = done.expect("invariant: a task neither panics nor is cancelled alone");
        shared.take(task, run)?;
    }
}

impl<G: Guests, P: FnMut(Progress<'_>)> Shared<G, P> {
    fn new(plan: Plan, guests: G, mut options: Options, progress: P) -> Self {
        let journal = options.journal.take();
        let lines = journal.as_ref().map(Journal::lines).unwrap_or_default();
        let mut results = vec![None; plan.cells.len()];
        let mut hindrances = vec![None; plan.cells.len()];
        let mut accelerators = vec![None; plan.firmware.len()];
        for line in lines {
            let Some(index) = plan.cells.iter().position(|cell| cell.id == line.cell.id) else { continue };
            let cell = &plan.cells[index];
            accelerators[cell.firmware] = accelerators[cell.firmware].or(line.accelerator);
            if line.cell.verdict != Verdict::Error {
                hindrances[index] = hindrance(cell, &line.cell);
            }
            results[index] = Some(line.cell.clone());
        }
        let is_done = |index: usize| is_final(&results[index]);
        let queue = Queue::new(&plan, options.repeat.max(1), &options.costs, is_done);
        Self {
            before: lines
                .iter()
                .map(|line| line.elapsed)
                .max_by(f64::total_cmp)
                .map_or(Duration::ZERO, seconds),
            journal: RefCell::new(journal),
            guests,
            options,
            begun: Instant::now(),
            progress: RefCell::new(progress),
            queue: RefCell::new(queue),
            running: RefCell::new(plan.cells.iter().map(|_| None).collect()),
            results: RefCell::new(results),
            hindrances: RefCell::new(hindrances),
            accelerators: RefCell::new(accelerators),
            stopped: RefCell::default(),
            plan,
        }
    }

    fn report(&self, progress: Progress<'_>) {
        (self.progress.borrow_mut())(progress);
    }

    fn repeat(&self) -> u32 {
        self.options.repeat.max(1)
    }

    /// How many cells need not run any more.
    fn finished(&self) -> usize {
        self.results.borrow().iter().filter(|result| is_final(result)).count()
    }

    fn elapsed(&self) -> Duration {
        self.before + self.begun.elapsed()
    }

    /// The next run to be made, its place prepared.
    fn next_task(&self) -> Result<Option<Task>, RunError> {
        let Some(task) = self.queue.borrow_mut().pop() else { return Ok(None) };
        let runs = &mut self.running.borrow_mut()[task.cell];
        if runs.is_none() {
            *runs = Some(Runs::new(self.repeat()));
            // An error of an earlier session, which is going to be replaced.
            if self.results.borrow_mut()[task.cell].take().is_some() {
                self.remove_evidence(task.cell)?;
            }
        }
        Ok(Some(task))
    }

    async fn run_once(&self, task: Task) -> Run {
        let cell = &self.plan.cells[task.cell];
        let begun = Instant::now();
        let hindrance = {
            let hindrances = self.hindrances.borrow();
            self.plan.gates(task.cell).find_map(|gate| hindrances[gate].clone())
        };
        let mut run = if let Some(Hindrance { verdict, why }) = hindrance {
            let result = CellResult { verdict, ..self.error(cell, why, 0) };
            Run { result, transcript: None }
        } else {
            self.report(Progress::Started(cell));
            self.measure(cell, task.run).await
        };
        run.result.wall_seconds = begun.elapsed().as_secs_f64();
        run
    }

    /// Makes of a run what there is to be made of it.
    fn take(&self, task: Task, run: Run) -> Result<(), RunError> {
        let cell = &self.plan.cells[task.cell];
        if task.run == 1 {
            self.hindrances.borrow_mut()[task.cell] = hindrance(cell, &run.result);
            self.queue.borrow_mut().release(task.cell);
        }
        self.report(Progress::Ran(cell));
        let mut running = self.running.borrow_mut();
        let runs = running[task.cell].as_mut().expect("invariant: set when the cell's first task was taken");
        for directory in runs.take(task.run, run) {
            remove_directory(&self.options.directory.join(directory))?;
        }
        let Some(result) = runs.result() else { return Ok(()) };
        if let Some(journal) = self.journal.borrow_mut().as_mut() {
            let accelerator = self.accelerators.borrow()[cell.firmware];
            let elapsed = self.elapsed().as_secs_f64();
            journal.append(&Line { elapsed, accelerator, cell: result.clone() })?;
        }
        self.report(Progress::Finished(&result));
        let as_expected = !result.verdict.is_deviation() && result.verdict != Verdict::Error && !result.flaky;
        if self.options.fail_fast && !as_expected {
            // A cell some of whose runs are there or going on gets the others too.
            if self.queue.borrow_mut().drop_all_but(|cell| running[cell].is_some()) {
                let what = if result.flaky { "flaky" } else { result.verdict.as_str() };
                self.stopped.borrow_mut().get_or_insert(format!("--fail-fast: {} is {what}", result.id));
            }
        }
        self.results.borrow_mut()[task.cell] = Some(result);
        Ok(())
    }

    /// The run's results; everything is on disk.
    fn conclude(&self, started: String, interrupted: bool) -> Result<Results, RunError> {
        let journal = self.journal.take();
        let header = journal.as_ref().map(Journal::header);
        let now: Vec<FirmwareRecord> = self.plan.firmware.iter().map(|build| build.to_record(None)).collect();
        // As the run began: a path may have been typed in another way since.
        let firmware = header.map_or(now, |header| header.firmware.clone());
        let accelerators = self.accelerators.take();
        let accelerator = |id: &str| {
            let column = self.plan.firmware.iter().position(|build| build.id == id)?;
            accelerators[column]
        };
        let cells: Vec<CellResult> = self.results.take().into_iter().flatten().collect();
        let shard = self.plan.sharded.map(|(shard, planned)| {
            let mut places = self.plan.cells.iter().map(|cell| (cell.id.as_str(), cell.place));
            // Both are in the order of the plan.
            let place = |cell: &CellResult| places.find(|(id, _)| *id == cell.id).map(|(_, place)| place);
            ShardRecord { shard, planned, places: cells.iter().filter_map(place).collect() }
        });
        let results = Results {
            schema: record::SCHEMA_ID.into(),
            run: RunRecord {
                id: run_id(&self.options.directory),
                started: header.map_or(started, |header| header.started.clone()),
                wall_seconds: self.elapsed().as_secs_f64(),
                plugfest: env!("CARGO_PKG_VERSION").into(),
                qemus: self.options.qemus.clone(),
                clock: self.options.clock,
                seed: self.options.seed,
                jobs: self.options.jobs,
                planned: self.plan.cells.len(),
                interrupted,
                stopped: self.stopped.take(),
                repeat: self.repeat(),
                retries: cells.iter().map(retries).sum(),
                shard,
            },
            firmware: firmware
                .into_iter()
                .map(|record| {
                    let accelerator = accelerator(&record.id);
                    FirmwareRecord { accelerator, entropy: accelerator.map(Accelerator::entropy), ..record }
                })
                .collect(),
            cells,
        };
        journal.map_or(Ok(()), Journal::finish)?;
        Ok(results)
    }

    /// Runs the cell until it says something about the firmware, or the tries are used up.
    async fn measure(&self, cell: &Cell, run: u32) -> Run {
        let firmware = &self.plan.firmware[cell.firmware];
        let directory = evidence_directory(&cell.id, run);
        let mut attempts = 0;
        // What is in the cell's directory, if anything: of the last attempt that came so far.
        let mut evidence = None;
        loop {
            attempts += 1;
            let outcome = attempt(&self.guests, cell, firmware, &self.options, &directory).await;
            match outcome {
                Ok(finished) => return self.judged(cell, finished, attempts),
                Err(failed) if attempts < ATTEMPTS && failed.error.is_transient() => {
                    self.report(Progress::Retrying { cell, problem: failed.error.to_string() });
                    evidence = failed.evidence.or(evidence);
                }
                Err(failed) => return self.failed(cell, failed, evidence, attempts),
            }
        }
    }

    fn judged(&self, cell: &Cell, finished: Finished, attempts: u32) -> Run {
        let Finished {
            finding,
            mut conversation,
            transcript,
            client_hello,
            evidence,
            guest_time,
            accelerator,
        } = finished;
        self.accelerators.borrow_mut()[cell.firmware] = accelerator;
        let firmware = &self.plan.firmware[cell.firmware];
        let charge = Charge {
            cell: &cell.id,
            version: &self.plan.firmware[cell.firmware].version,
            level: cell.level,
            expected: &cell.expected,
            lacks: cell.lacks,
        };
        let ruling = deliver(charge, &finding, &self.options.waivers);
        let mut detail = finding.detail;
        match cell.lacks {
            // Nothing is asked of a build that cannot do it.
            Some(_) => conversation.clear(),
            None => judge::excuse(&mut conversation, &cell.id, &firmware.version, &self.options.waivers),
        }
        if let Some(need) = cell.lacks.filter(|need| need.is_shown_by(finding.outcome, finding.stage)) {
            let id = if firmware.family.has(need) { &firmware.id } else { firmware.family.id() };
            detail.push_str(&format!(" But {id} is declared to be without {need}; mend the declaration."));
        }
        detail.extend(conversation.iter().filter_map(violation));
        let result = CellResult {
            verdict: judge::together(ruling.verdict, &conversation),
            waiver: ruling.waiver,
            conversation,
            outcome: Some(finding.outcome),
            stage: Some(finding.stage),
            cause: finding.cause.map(str::to_owned),
            guest_seconds: guest_time.as_secs_f64(),
            transcript: Some(transcript.sha256()),
            client_hello: client_hello.filter(|_| cell.level == Level::Observe),
            evidence: Some(evidence),
            ..self.error(cell, detail, attempts)
        };
        Run { result, transcript: Some(transcript) }
    }

    fn failed(&self, cell: &Cell, failed: Unmeasured, earlier: Option<EvidencePaths>, attempts: u32) -> Run {
        let verdict = match failed.error {
            CellError::Unsupported(_) => Verdict::Unsupported,
            _ => Verdict::Error,
        };
        let result = CellResult {
            verdict,
            guest_seconds: failed.guest_time.as_secs_f64(),
            evidence: failed.evidence.or(earlier),
            ..self.error(cell, failed.error.to_string(), attempts)
        };
        Run { result, transcript: None }
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
            conversation: Vec::new(),
            wall_seconds: 0.0,
            guest_seconds: 0.0,
            attempts,
            transcript: None,
            repeats: None,
            flaky: false,
            client_hello: None,
            evidence: None,
        }
    }

    /// Removes the evidence of cells that were abandoned: nothing half-written stays.
    fn remove_unfinished_evidence(&self) -> Result<(), RunError> {
        let results = self.results.borrow();
        (0..results.len())
            .filter(|index| results[*index].is_none())
            .try_for_each(|index| self.remove_evidence(index))
    }

    fn remove_evidence(&self, cell: usize) -> Result<(), RunError> {
        let path = self.options.directory.join(evidence_directory(&self.plan.cells[cell].id, 1));
        if !path.exists() {
            return Ok(());
        }
        remove_directory(&path)?;
        // The folders above it, unless another cell's evidence is in them.
        for folder in path.ancestors().skip(1).take(2) {
            let _ = std::fs::remove_dir(folder);
        }
        Ok(())
    }
}

/// Whether nothing is left to be found out about a cell.
fn is_final(result: &Option<CellResult>) -> bool {
    result.as_ref().is_some_and(|result| result.verdict != Verdict::Error)
}

/// Why a cell need not run, and what its verdict is then.
#[derive(Clone)]
struct Hindrance {
    verdict: Verdict,
    why: String,
}

/// What the result of a control, or of a probe, means for the cells that wait for it.
fn hindrance(cell: &Cell, result: &CellResult) -> Option<Hindrance> {
    // What shows that this network and this firmware go together, whatever else is wrong with the verdict.
    let shows = |(outcome, stage)| match cell.probes() {
        Some(lack) => lack.is_shown_by(outcome, stage),
        None => outcome == Outcome::Boots,
    };
    if result.outcome.zip(result.stage).is_some_and(shows) {
        return None;
    }
    match (cell.probes(), result.verdict) {
        (Some(lack), Verdict::Unsupported) => {
            let why = format!(
                "The firmware is declared to be without {lack}, and did not show the contrary in {}.",
                cell.id
            );
            Some(Hindrance { verdict: Verdict::Unsupported, why })
        }
        _ if cell.control && result.verdict != Verdict::Unsupported => {
            Some(Hindrance { verdict: Verdict::Error, why: format!("control failed: {}", result.detail) })
        }
        _ => None,
    }
}

fn retries(cell: &CellResult) -> u32 {
    let runs = cell.repeats.map_or(1, |repeats| repeats.runs);
    cell.attempts.saturating_sub(runs)
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

fn remove_directory(path: &Path) -> Result<(), RunError> {
    let path_text = path.display().to_string();
    std::fs::remove_dir_all(path).map_err(|source| RunError::Directory { path: path_text, source })
}

fn run_id(directory: &Path) -> String {
    directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Where the evidence of one run of a cell goes, relative to the run's directory: readable, and safe as a path whatever
/// the id holds.
fn evidence_directory(id: &str, run: u32) -> String {
    let (point, firmware) = id.rsplit_once('@').unwrap_or((id, "unknown"));
    let plain = |text: &str| -> String {
        text.chars()
            .map(|c| if c.is_ascii_alphanumeric() || "-_=.".contains(c) { c } else { '_' })
            .take(120)
            .collect()
    };
    let digest = <sha2::Sha256 as sha2::Digest>::digest(id);
    let (firmware, point) = (plain(firmware), plain(point));
    let cell = format!("cells/{firmware}/{point}-{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2]);
    if run == 1 { cell } else { format!("{cell}/repeat-{run}") }
}

/// What a violated assertion adds to a cell's story.
fn violation(assertion: &AssertionResult) -> Option<String> {
    let AssertionResult { id, clause, state, detail, waiver, .. } = assertion;
    let known = waiver.as_ref().map(|waiver| format!(" Known: {}", waiver.reason)).unwrap_or_default();
    (*state == AssertionState::Violated).then(|| format!(" It violates {id} ({clause}): {detail}{known}"))
}
