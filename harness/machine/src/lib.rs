//! One QEMU per cell: process, QMP, console, guest clock, Ethernet link.
//!
//! A [`Machine`] is the guest's end of a simulated segment ([`wire::Guest`]). All channels to QEMU are inherited file
//! descriptors. What crosses the link is read from `filter-dump`, which stamps every frame of both directions with the
//! guest's clock before it is passed on; the link's own socket only carries our frames to QEMU.
//!
//! `unsafe` is denied, with one exception: see `spawn.rs`.

#![deny(unsafe_code)]

mod accelerator;
mod alarm;
mod arguments;
mod arrivals;
mod channel;
mod clock;
mod config;
mod crossing;
mod dump;
mod entropy;
mod error;
mod gate;
mod guest;
mod instructions;
mod memory;
mod process;
mod processors;
mod qemu;
mod qmp;
mod snapshot;
mod snapshots;
mod spawn;
pub mod tape;

pub use accelerator::{Accel, Choice, choose_accelerator};
pub use config::{DEFAULT_RTC_BASE, Instruction, MachineConfig};
pub use crossing::FrameError;
pub use dump::DumpError;
pub use error::MachineError;
pub use guest::{Machine, Standby};
pub use qemu::{Qemu, QemuError};
pub use qmp::{Qmp, QmpError, QmpEvent};
pub use snapshot::{Snapshot, SnapshotError};
pub use snapshots::Snapshots;
pub use tape::Tape;
