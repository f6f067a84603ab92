//! What a cell leaves behind: its capture, console, timeline, resolved scenario and command line.
//!
//! | file | holds |
//! |---|---|
//! | `capture.pcapng` | every frame, stamped with the guest's clock |
//! | `console.txt` | the console as text, control sequences removed |
//! | `timeline.jsonl` | frames, service events, console lines, monitor events: one [`record::Entry`] a line |
//! | `cell.yaml` | the resolved scenario |
//! | `command.txt` | QEMU's command line, ready to paste |
//!
//! All of it is written while the cell runs, so that a killed run leaves its evidence too.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod capture;
mod cell;
mod command;
mod console;
mod error;
mod secrets;
mod segment;
pub mod summary;
mod timeline;

pub use cell::{CAPTURE_MAX, CONSOLE_MAX, CellEvidence, CellMeta, Files, Finished};
pub use console::{ConsoleDecoder, LINE_MAX};
pub use error::EvidenceError;
