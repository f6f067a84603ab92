//! Measures the engine: the same cells warm (from a snapshot, virtual clock) and cold (from power-on, real clock) in
//! turns, so that whatever else the host does hits both; where a warm cell's time goes; what it costs; and how fast a
//! large payload gets into a guest.
//!
//! Figures are for people to judge. No test depends on one.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod batch;
pub mod boot_option;
pub mod compare;
pub mod figures;
pub mod milestone;
pub mod slirp;
pub mod start;
pub mod table;
pub mod throughput;
pub mod transfer;
pub mod usage;
pub mod watched;
