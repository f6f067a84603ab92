//! The real `plugfest` command: what it prints, how it exits, what it leaves.

#![allow(clippy::unwrap_used)]

mod bench;
mod bundles;
mod firmware;
mod input;
mod malformed;
mod pull_request;
mod readme;
mod resume;
mod runs;
mod texts;
