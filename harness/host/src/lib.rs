//! What this host has (QEMU, tools, apt), what is missing, and how to get it.
//!
//! `plugfest doctor` shows it, `cargo xtask` acts on it, and the firmware store fetches through [`apt`].
//! Nothing here changes the host except [`install::install`].

#![forbid(unsafe_code)]

pub mod apt;
mod check;
mod distribution;
pub mod install;
mod process;
mod program;

pub use check::{Check, Purpose, Status, checks};
pub use distribution::{Distribution, Manager};
pub use program::{QEMU_OLDEST, Version, find};
