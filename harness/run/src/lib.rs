//! Plans cells, runs them against guests, keeps their evidence, and collects the results.
//!
//! One [`Cell`] is one point of a scenario on one firmware. [`run`] starts a guest for each (from [`Guests`]: QEMU, or
//! a fake firmware in tests), moves frames between it and the simulated network, writes the evidence, and judges.

#![forbid(unsafe_code)]

mod cell;
mod equip;
mod guests;
mod header;
mod image;
mod journal;
mod kept;
mod plan;
mod qemu;
mod queue;
mod repeat;
mod schedule;
mod shard;
mod supply;
mod transcript;
mod variables;

pub use equip::{Equipment, Keys, Unequipped, equip};
pub use guests::{Guests, StartError, Started};
pub use header::{Choices, Header};
pub use image::{PayloadError, payload};
pub use journal::{JOURNAL, Journal, JournalError, Line};
pub use plan::{CONTROL, Cell, Plan, controls, plan};
pub use qemu::{QemuGuests, QemuOptions, Qemus};
pub use queue::Costs;
pub use schedule::{Options, Progress, RunError, default_jobs, run};
pub use supply::supply;
pub use transcript::Transcript;
