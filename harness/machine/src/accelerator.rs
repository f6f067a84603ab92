//! Which accelerator runs this firmware. A `/dev/kvm` that opens is no proof: the firmware is tried.

use crate::config::MachineConfig;
use crate::error::MachineError;
use crate::guest::Machine;
use crate::qemu::Qemu;
use record::{Accelerator, ClockMode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wire::{Guest, GuestEvent};

/// Longest wait for a sign of life under KVM, on the host. Firmware that works shows one within 5 s.
const TRIAL: Duration = Duration::from_secs(20);

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accel {
    /// KVM where the firmware runs under it and the clock allows it, TCG elsewhere.
    #[default]
    Auto,
    /// KVM, whatever happens.
    Kvm,
    /// TCG.
    Tcg,
}

/// The accelerator for a firmware build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The accelerator.
    pub accelerator: Accelerator,
    /// One line for the user if it is not what [`Accel::Auto`] would have liked.
    pub note: Option<String>,
}

/// Chooses the accelerator for the firmware in `config` on the clock in `config`; `config.accelerator` is not looked at.
///
/// [`Accel::Auto`] on a real clock boots the firmware for a moment under KVM. The answer is remembered in `cache`
/// until the host is restarted, under the digests of QEMU and of the firmware (`code_sha256`).
pub async fn choose_accelerator(
    wanted: Accel,
    config: &MachineConfig,
    qemu: &Qemu,
    code_sha256: &str,
    cache: &Path,
) -> Result<Choice, MachineError> {
    let plain = |accelerator| Choice { accelerator, note: None };
    match (wanted, config.clock) {
        (Accel::Tcg, _) | (Accel::Auto, ClockMode::Virtual) => return Ok(plain(Accelerator::Tcg)),
        (Accel::Kvm, ClockMode::Virtual) => return Err(MachineError::VirtualClockUnderKvm),
        (Accel::Kvm, ClockMode::Real) => return Ok(plain(Accelerator::Kvm)),
        (Accel::Auto, ClockMode::Real) => {}
    }
    if let Err(error) = OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        return Ok(Choice {
            accelerator: Accelerator::Tcg,
            note: Some(format!("KVM is not available (/dev/kvm: {error}); using TCG")),
        });
    }
    let remembered = remembered_in(cache, config, qemu, code_sha256);
    if let Some(choice) = fs::read(&remembered).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        return Ok(choice);
    }
    let choice = match try_kvm(config).await {
        Ok(()) => plain(Accelerator::Kvm),
        Err(why) => Choice {
            accelerator: Accelerator::Tcg,
            note: Some(format!("this firmware does not run under KVM here ({why}); using TCG")),
        },
    };
    // A cache that cannot be written costs the next run a trial, nothing else.
    let _ = remember(&remembered, &choice);
    Ok(choice)
}

/// Boots the firmware under KVM until it shows a sign of life.
async fn try_kvm(config: &MachineConfig) -> Result<(), String> {
    let config = MachineConfig { accelerator: Accelerator::Kvm, clock: ClockMode::Real, ..config.clone() };
    let mut machine = match Machine::start(config).await {
        Ok(machine) => machine,
        Err(MachineError::Start { why, stderr, .. }) => return Err(one_line(&format!("{why}: {stderr}"))),
        Err(error) => return Err(one_line(&error.to_string())),
    };
    let alive = async {
        loop {
            match machine.next(None).await {
                Ok(GuestEvent::Console { .. } | GuestEvent::Frame { .. }) => return Ok(()),
                Ok(GuestEvent::Exited { how, .. }) => return Err(one_line(&how)),
                Ok(_) => {}
                Err(MachineError::Stopped { state, stderr }) => {
                    return Err(one_line(&format!("{state}: {stderr}")));
                }
                Err(error) => return Err(one_line(&error.to_string())),
            }
        }
    };
    let start = Instant::now();
    match tokio::time::timeout(TRIAL, alive).await {
        Ok(result) => result,
        Err(_) => Err(format!("no sign of life after {:.0} s", start.elapsed().as_secs_f64())),
    }
}

/// The first line, where QEMU puts the reason; a register dump follows.
fn one_line(text: &str) -> String {
    text.lines().next().unwrap_or("").trim().chars().take(160).collect()
}

/// Where the answer is kept. The host's boot id is part of the question: after a restart KVM may be another.
fn remembered_in(cache: &Path, config: &MachineConfig, qemu: &Qemu, code_sha256: &str) -> PathBuf {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let spec = format!("{:?}", config.spec);
    let mut hash = Sha256::new();
    for part in [boot.trim(), &qemu.sha256, code_sha256, &spec] {
        hash.update(part);
        hash.update([0]);
    }
    let name: String = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    cache.join("accelerator").join(format!("{name}.json"))
}

/// Writes the answer; a reader sees all of it or nothing.
fn remember(path: &Path, choice: &Choice) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let unfinished = path.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&unfinished, serde_json::to_vec(choice)?)?;
    fs::rename(unfinished, path)
}
