//! What the pool of waiting machines hides: QEMU's start and the restore, each alone.

use crate::figures::{Starts, median};
use machine::{MachineConfig, MachineError, Snapshot, Standby};
use std::time::Instant;

/// How often each is measured.
const TIMES: usize = 9;

/// Starts machines that wait for `snapshot` and resumes each, one after the other.
pub async fn measure(config: &MachineConfig, snapshot: &Snapshot) -> Result<Starts, MachineError> {
    let (mut starts, mut restores) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let begun = Instant::now();
        let standby = Standby::start(config.clone(), snapshot.clone()).await?;
        starts.push(begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        let machine = standby.resume().await?;
        restores.push(begun.elapsed().as_secs_f64());
        machine.stop().await?;
    }
    Ok(Starts { qemu_seconds: median(starts), restore_seconds: median(restores) })
}
