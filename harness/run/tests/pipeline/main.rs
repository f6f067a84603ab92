//! The whole pipeline without QEMU: the real services, evidence, judge, schedule and reports against a fake firmware,
//! in milliseconds.

#![allow(clippy::unwrap_used)]

mod bench;
mod captures;
mod causes;
mod foreign;
mod ipv6;
mod matrix;
mod order;
mod repeat;
mod resume;
mod schedule;
mod supply;
mod tls;
mod verdicts;

#[path = "../support/tshark.rs"]
mod tshark;
