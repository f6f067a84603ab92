//! Snapshots: one cold boot of a machine up to the first frame that its firmware sends, taken once and resumed by
//! every cell.
//!
//! Memory is a file that each resumed QEMU maps copy-on-write (`memory-backend-file,share=off`), so that resuming
//! copies nothing; the rest of the machine is a migration stream of a few MiB (`x-ignore-shared`). Everything that the
//! harness had seen until then (console, monitor, the first frames) is kept as the prelude, and delivered again by
//! every resumed machine before its guest goes on: whoever listens cannot tell it from a cold boot.

use crate::config::{Instruction, MachineConfig};
use crate::error::MachineError;
use crate::guest::Machine;
use crate::instructions;
use crate::memory::Memory;
use crate::qmp::QmpError;
use record::{Direction, GuestTime};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::{Guest, GuestEvent};

/// Guest time within which firmware sends its first frame; power-on takes 60 to 110 s of it on the virtual clock.
const FIRST_FRAME: Duration = Duration::from_secs(200);

/// Longest that QEMU may take to write or read a machine's state, on the host.
const MIGRATION: Duration = Duration::from_secs(60);

/// The guest may run on for this long, in guest time, between its first frame and the stop. Later, and it could be
/// about to ask again for what nobody has answered: EDK2's first timer runs for 4 s.
const PROMPT_STOP: Duration = Duration::from_millis(1000);

/// Tries to stop a guest promptly, on a host that may be busy.
const TRIES: usize = 5;

/// A machine at the moment of its first frame. Its files stay as long as it or a clone of it lives.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) memory: PathBuf,
    /// For short and for long instructions.
    pub(crate) states: [PathBuf; 2],
    pub(crate) moment: Moment,
    /// A lock.
    _in_use: Arc<File>,
}

impl Snapshot {
    /// The state to resume with; there is none for brief instructions, whose clock would not fit.
    pub(crate) fn state(&self, instruction: Instruction) -> &Path {
        let [short, long] = &self.states;
        if instruction == Instruction::Long { long } else { short }
    }
}

/// What has to be known of a snapshot besides its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// Guest time at which the guest was stopped.
    pub at: GuestTime,
    /// Everything that had come from the guest by then.
    pub prelude: Vec<GuestEvent>,
}

/// There is no snapshot of this machine.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The firmware does not use the network.
    #[error("failed to take a snapshot: the firmware sends no frame ({0})")]
    NoFrame(String),
    /// The guest could not be stopped soon enough after its first frame.
    #[error("failed to take a snapshot: the host is too busy to stop the guest in time")]
    Busy,
    /// This QEMU cannot do it.
    #[error("failed to take a snapshot: {0}")]
    Refused(String),
    /// Our side failed.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The cache cannot be used.
    #[error("failed to keep a snapshot in {path}: {source}")]
    Cache {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl From<QmpError> for SnapshotError {
    fn from(error: QmpError) -> Self {
        Self::Machine(error.into())
    }
}

/// Boots the machine in `config` and writes its memory and state into `directory`.
pub(crate) async fn take(config: &MachineConfig, directory: &Path) -> Result<Moment, SnapshotError> {
    let [memory, state, long] = files(directory);
    let uri = uri(&state)?;
    let config = MachineConfig { instruction: Instruction::Short, ..config.clone() };
    for _ in 0..TRIES {
        // A guest's memory is empty at power-on.
        match fs::remove_file(&memory) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(SnapshotError::Cache { path: memory, source });
            }
            _ => {}
        }
        let mut machine = Machine::start_with(config.clone(), Memory::Kept(memory.clone())).await?;
        let (moment, first_frame) = run_to_first_frame(&mut machine).await?;
        if moment.at.since(first_frame) > PROMPT_STOP {
            machine.stop().await?;
            continue;
        }
        save(&mut machine, &uri).await?;
        machine.stop().await?;
        let failed = |source| SnapshotError::Cache { path: long.clone(), source };
        let lengthened = instructions::with(&fs::read(&state).map_err(failed)?, Instruction::Long);
        let lengthened = lengthened.ok_or_else(|| {
            SnapshotError::Refused("the clock in the state that QEMU wrote is not understood".into())
        })?;
        fs::write(&long, lengthened).map_err(failed)?;
        return Ok(moment);
    }
    Err(SnapshotError::Busy)
}

/// Runs the guest until it sends a frame, and stops it. Also tells when the frame was sent.
async fn run_to_first_frame(machine: &mut Machine) -> Result<(Moment, GuestTime), SnapshotError> {
    let mut prelude = Vec::new();
    let first_frame = loop {
        let event = machine.next(Some(GuestTime::ZERO + FIRST_FRAME)).await?;
        match &event {
            GuestEvent::Tick { .. } => {
                return Err(SnapshotError::NoFrame(format!(
                    "within {} guest seconds",
                    FIRST_FRAME.as_secs()
                )));
            }
            GuestEvent::Exited { how, .. } => return Err(SnapshotError::NoFrame(how.clone())),
            GuestEvent::Frame { at, direction: Direction::FromGuest, .. } => {
                let at = *at;
                prelude.push(event);
                break at;
            }
            _ => prelude.push(event),
        }
    };
    machine.qmp().raw("stop", json!({})).await?;
    let at = machine.now().await?;
    prelude.extend(machine.take_arrivals());
    // Our own doing is no event of the guest's.
    prelude.retain(|event| !matches!(event, GuestEvent::Monitor { name, .. } if name == "STOP"));
    Ok((Moment { at, prelude }, first_frame))
}

/// Writes the stopped machine's state, without its memory, to `uri`.
async fn save(machine: &mut Machine, uri: &str) -> Result<(), SnapshotError> {
    let qmp = machine.qmp().clone();
    let refused = |error| match error {
        QmpError::Refused { description, .. } => SnapshotError::Refused(description),
        other => other.into(),
    };
    qmp.raw("migrate-set-capabilities", leave_memory_alone()).await.map_err(refused)?;
    qmp.raw("migrate", json!({ "uri": uri })).await.map_err(refused)?;
    let begun = Instant::now();
    loop {
        let progress = qmp.raw("query-migrate", json!({})).await?;
        match progress["status"].as_str() {
            Some("completed") => return Ok(()),
            Some(status @ ("failed" | "cancelled")) => {
                let why = progress["error-desc"].as_str().unwrap_or(status);
                return Err(SnapshotError::Refused(why.to_owned()));
            }
            _ if begun.elapsed() > MIGRATION => return Err(SnapshotError::Busy),
            _ => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}

/// Gives the waiting machine the state in `file`. It stays stopped.
pub(crate) async fn restore(machine: &mut Machine, file: &Path) -> Result<(), MachineError> {
    let uri = uri(file).map_err(|error| MachineError::Resume { state: error.to_string() })?;
    let qmp = machine.qmp().clone();
    qmp.raw("migrate-set-capabilities", leave_memory_alone()).await?;
    // Else QEMU announces the NIC to the segment by itself.
    qmp.raw("migrate-set-parameters", json!({ "announce-rounds": 0 })).await?;
    qmp.raw("migrate-incoming", json!({ "uri": uri })).await?;
    let begun = Instant::now();
    loop {
        let status = qmp.raw("query-status", json!({})).await?;
        match status["status"].as_str() {
            Some("inmigrate") if begun.elapsed() < MIGRATION => {
                tokio::time::sleep(Duration::from_millis(1)).await
            }
            Some("paused" | "prelaunch") => return Ok(()),
            state => {
                return Err(MachineError::Resume { state: state.unwrap_or("unknown").to_owned() });
            }
        }
    }
}

/// Memory is in its own file already.
fn leave_memory_alone() -> serde_json::Value {
    json!({ "capabilities": [{ "capability": "x-ignore-shared", "state": true }] })
}

/// How QEMU is told to write to `file` or read it (since 8.2).
fn uri(file: &Path) -> Result<String, SnapshotError> {
    match file.to_str() {
        // The rest of such a name would be an option, and the monitor's language has no bytes.
        Some(name) if !name.contains(",offset=") => Ok(format!("file:{name}")),
        _ => Err(SnapshotError::Refused(format!(
            "QEMU cannot be told the name of the cache, {}",
            file.display()
        ))),
    }
}

/// The names of the files in a snapshot's folder: memory, and the state for each [`Instruction`].
pub(crate) const FILES: [&str; 3] = ["memory", "state", "state-long"];

fn files(directory: &Path) -> [PathBuf; 3] {
    FILES.map(|name| directory.join(name))
}

impl Snapshot {
    /// The snapshot whose files are in `directory`, which `in_use` keeps there.
    pub(crate) fn new(directory: &Path, moment: Moment, in_use: File) -> Self {
        let [memory, states @ ..] = files(directory);
        Self { memory, states, moment, _in_use: Arc::new(in_use) }
    }

    /// Guest time at which it was taken.
    pub fn at(&self) -> GuestTime {
        self.moment.at
    }
}
