//! Programs that get and unpack builds.

use std::process::{Command, Stdio};

/// Why a program did not do it.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Its exit code; none if it was not even started.
    pub code: Option<i32>,
    /// What it said, in one line.
    pub why: String,
}

/// Runs a program; what it wrote.
pub(crate) fn run(command: &mut Command) -> Result<String, Failed> {
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output();
    let output = output.map_err(|error| Failed {
        code: None,
        why: format!("{}: {error}; install it", command.get_program().to_string_lossy()),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    let why = if why.is_empty() { output.status.to_string() } else { why };
    Err(Failed { code: output.status.code(), why })
}
