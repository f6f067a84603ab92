//! Recordings: what a guest did, from power-on to its end, so that it can be done again instruction by instruction with no
//! network behind it.
//!
//! QEMU's record mode writes down what reaches the guest from outside, frames included, and at which instruction. A
//! machine that replays has the same devices, filters and timers, but nothing at the other end of its channels.

use crate::arguments::{ChannelNumbers, arguments};
use crate::config::MachineConfig;
use crate::error::MachineError;
use crate::memory::Memory;
use crate::process::how_it_ended;
use crate::spawn::tie_to_this_thread;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Files of a recording, in its folder: what QEMU recorded, the frames that crossed, and the console.
pub const EVENTS: &str = "events.bin";
/// Frames that crossed the guest's NIC, as QEMU's `filter-dump` wrote them: pcap, in guest time.
pub const FRAMES: &str = "frames.pcap";
/// What the guest wrote to its serial console.
pub const CONSOLE: &str = "console.bin";

/// What QEMU's record mode is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tape {
    /// Recording into this folder, which is there. The guest begins at power-on and ends with [`Machine::finish`](crate::Machine::finish).
    Record(PathBuf),
    /// Replaying.
    Replay {
        /// The recorded events.
        events: PathBuf,
        /// The folder, which is there, for frames and console.
        into: PathBuf,
        /// Where a debugger finds the guest, which waits for it; in the words of QEMU's `-gdb`.
        gdb: Option<String>,
    },
}

impl Tape {
    /// Events, frames and console.
    pub(crate) fn files(&self) -> [PathBuf; 3] {
        match self {
            Self::Record(folder) => [EVENTS, FRAMES, CONSOLE].map(|name| folder.join(name)),
            Self::Replay { events, into, .. } => [events.clone(), into.join(FRAMES), into.join(CONSOLE)],
        }
    }

    pub(crate) fn is_replay(&self) -> bool {
        matches!(self, Self::Replay { .. })
    }
}

/// What a machine is, as a digest: the same for all recordings that the same replay can play. Paths do not count, contents
/// of files do not either.
pub fn identity(config: &MachineConfig) -> String {
    let tape = Tape::Replay { events: EVENTS.into(), into: PathBuf::new(), gdb: None };
    let nameless = MachineConfig {
        qemu: PathBuf::new(),
        code: "code".into(),
        kernel: config.kernel.as_ref().map(|_| "kernel".into()),
        vars: config.vars.as_ref().map(|_| "vars".into()),
        fw_cfg_files: config.fw_cfg_files.iter().map(|(name, _)| (name.clone(), "item".into())).collect(),
        tape: Some(tape),
        ..config.clone()
    };
    let mut hash = Sha256::new();
    for argument in arguments(&nameless, &Memory::Own, &ChannelNumbers::SHOWN) {
        hash.update(argument.as_encoded_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Replays the recording that the configuration's tape names, to its end, and leaves frames and console in its folder.
///
/// Needs a current runtime with I/O and time. The guest dies with the calling thread.
///
/// # Errors
/// [`MachineError::Replay`] if QEMU ended otherwise than at the end of the recording, or not within `limit` of host time.
pub async fn replay(config: &MachineConfig, limit: Duration) -> Result<(), MachineError> {
    let mut command = Command::new(&config.qemu);
    command
        .args(arguments(config, &Memory::Own, &ChannelNumbers::SHOWN))
        .env("TZ", "UTC0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    tie_to_this_thread(&mut command, Vec::new());
    let child =
        command.spawn().map_err(|source| MachineError::Spawn { program: config.qemu.clone(), source })?;
    let failed = |why: String, stderr: &[u8]| {
        let said = String::from_utf8_lossy(stderr).lines().rev().take(5).collect::<Vec<_>>().join("; ");
        Err(MachineError::Replay { why, said })
    };
    match tokio::time::timeout(limit, child.wait_with_output()).await {
        Err(_) => {
            failed(format!("QEMU did not reach the end of the recording within {} s", limit.as_secs()), b"")
        }
        Ok(output) => {
            let output = output?;
            if output.status.success() { Ok(()) } else { failed(how_it_ended(output.status), &output.stderr) }
        }
    }
}
