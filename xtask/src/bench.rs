//! `cargo xtask bench`: set-up, and the benchmark in `harness/bench`.

use crate::{become_program, setup};
use std::process::ExitCode;

/// Sets up, builds, and measures; `arguments` are the benchmark's own.
pub fn bench(arguments: &[String]) -> Result<ExitCode, String> {
    setup::tools(false, false)?;
    setup::firmware(false, false)?;
    become_program("bench", "plugfest-bench", arguments.iter().map(String::as_str))
}
