//! Plans cells, runs them against guests, keeps their evidence, and collects the results.
//!
//! One [`Cell`] is one point of a scenario on one firmware. [`run`] starts a guest for each (from [`Guests`]: QEMU, or
//! a fake firmware in tests), moves frames between it and the simulated network, writes the evidence, and judges.

#![forbid(unsafe_code)]

mod cell;
mod guests;
mod plan;
mod qemu;
mod schedule;

pub use guests::{Guests, StartError, Started};
pub use plan::{CONTROL, Cell, Plan, control, plan};
pub use qemu::{QemuGuests, QemuOptions};
pub use schedule::{Options, Progress, RunError, run};
