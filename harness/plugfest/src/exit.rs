//! Exit codes: few, documented, never a count.

use std::fmt;
use std::process::ExitCode;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All as expected.
    AsExpected = 0,
    /// Deviations: at least one `fail` or `xpass`.
    Deviations = 1,
    /// Bad usage, scenario, catalog or waiver.
    BadInput = 2,
    /// Our infrastructure failed, for at least one cell or altogether, or a verdict is flaky.
    Infrastructure = 3,
    /// The selection is empty.
    NothingSelected = 4,
    /// Interrupted by the user.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that could not do its work.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub exit: Exit,
    text: String,
}

impl Failure {
    /// Bad usage, scenario, catalog or waiver.
    pub fn bad_input(text: impl fmt::Display) -> Self {
        Self { exit: Exit::BadInput, text: text.to_string() }
    }

    /// Our infrastructure failed.
    pub fn infrastructure(text: impl fmt::Display) -> Self {
        Self { exit: Exit::Infrastructure, text: text.to_string() }
    }

    /// The same failure, but `other` where it would have been `exit`.
    pub fn instead_of(self, exit: Exit, other: Exit) -> Self {
        Self { exit: if self.exit == exit { other } else { self.exit }, ..self }
    }

    /// The selection is empty.
    pub fn nothing_selected(text: impl fmt::Display) -> Self {
        Self { exit: Exit::NothingSelected, text: text.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
