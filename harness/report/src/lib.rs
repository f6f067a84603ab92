//! Results for people and machines: terminal, JSON, Markdown, HTML, JUnit; and what changed between two runs.
//!
//! Every report is made from [`record::Results`], the page also from the evidence of the cells. Each begins with the counts
//! of all six verdicts, and treats whatever a guest, a parameter or a waiver says as text to be shown, never as markup or
//! control sequences.

#![forbid(unsafe_code)]

mod capabilities;
mod changes;
mod directory;
mod error;
mod explain;
mod findings;
mod html;
mod json;
mod junit;
mod markdown;
mod matrix;
mod reliance;
#[cfg(feature = "sample")]
#[doc(hidden)]
pub mod sample;
pub mod terminal;
mod text;
mod words;

pub use changes::{Change, Changed, Changes};
pub use directory::{latest, write_all, write_all_to};
pub use error::ReportError;
pub use explain::{Line, explain};
pub use html::Html;
pub use json::{Json, load, parse};
pub use junit::Junit;
pub use markdown::Markdown;
pub use text::visible;

use record::Results;
use std::path::Path;

/// A report that is a file in the run's directory.
pub trait Format: Sync {
    /// Name of the file.
    fn file_name(&self) -> &'static str;
    /// The whole content of the file.
    ///
    /// # Errors
    /// [`ReportError::Render`] if the results cannot be written in this format.
    fn render(&self, results: &Results) -> Result<String, ReportError>;
    /// The same, with what the evidence below `run` adds: the paths in the results are relative to it, and files that
    /// are not there are no error.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    fn render_with_evidence(&self, results: &Results, run: &Path) -> Result<String, ReportError> {
        let _ = run;
        self.render(results)
    }
}

/// Every format that [`write_all`] writes, in the order in which the files appear: `results.json` is last, so that
/// a directory that has it has the others too.
pub const FORMATS: &[&dyn Format] = &[&Markdown, &Junit, &Html, &Json];
