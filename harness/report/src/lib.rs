//! Results for people and machines: terminal, JSON, Markdown, HTML, JUnit; and what changed between two runs.
//!
//! Every report is made from [`record::Results`], the page also from the evidence of the cells. Each begins with the counts
//! of all six verdicts, and treats whatever a guest, a parameter or a waiver says as text to be shown, never as markup or
//! control sequences.

#![forbid(unsafe_code)]

mod annotations;
mod baseline;
mod bug;
mod capabilities;
mod changes;
mod directory;
mod error;
mod escape;
mod explain;
mod findings;
mod html;
mod json;
mod junit;
mod markdown;
mod matrix;
mod merge;
mod reliance;
#[cfg(feature = "sample")]
#[doc(hidden)]
pub mod sample;
mod summary;
mod tap;
pub mod terminal;
mod text;
mod words;

pub use annotations::GithubAnnotations;
pub use baseline::{BaselineFile, load_baseline};
pub use bug::bug_report;
pub use changes::{Change, Changed, Changes, said};
pub use directory::{latest, write_all, write_file};
pub use error::ReportError;
pub use escape::{code as markdown_code, plain as markdown_text, table_code as markdown_table_code};
pub use explain::{Line, Seen, explain, explain_capture};
pub use html::{Html, inside};
pub use json::{Json, load, parse};
pub use junit::Junit;
pub use markdown::Markdown;
pub use merge::{Differences, Merged, merge};
pub use summary::Summary;
pub use tap::Tap;
pub use text::visible;

use record::{Baseline, Results};
use std::path::Path;

/// What a line of the console says, for a build of a family with this id.
pub type Meaning<'a> = &'a dyn Fn(&str, &str) -> Option<&'static str>;

/// What there is beside the results.
#[derive(Clone, Copy, Default)]
pub struct Context<'a> {
    /// The run's directory, which has the evidence: paths in the results are relative to it. What is not there is no
    /// error.
    pub evidence: Option<&'a Path>,
    /// Who knows what lines of the console mean.
    pub meaning: Option<Meaning<'a>>,
    /// What the run is compared with.
    pub baseline: Option<&'a Baseline>,
}

/// A report that is a text.
pub trait Format: Sync {
    /// Its word on the command line.
    fn name(&self) -> &'static str;
    /// Name of the file in the run's directory.
    fn file_name(&self) -> &'static str;
    /// The whole report, with what the context adds.
    ///
    /// # Errors
    /// [`ReportError::Render`] if the results cannot be written in this format.
    fn render_with(&self, results: &Results, context: &Context<'_>) -> Result<String, ReportError>;
    /// The report of the results alone.
    ///
    /// # Errors
    /// As [`render_with`](Self::render_with).
    fn render(&self, results: &Results) -> Result<String, ReportError> {
        self.render_with(results, &Context::default())
    }
}

/// Every format that [`write_all`] writes, in the order in which the files appear: `results.json` is last, so that
/// a directory that has it has the others too.
pub const FORMATS: &[&dyn Format] = &[&Markdown, &Summary, &Junit, &Tap, &Html, &Json];

/// The format with this name: one of [`FORMATS`], or one that is only printed.
pub fn format_named(name: &str) -> Option<&'static dyn Format> {
    formats().find(|format| format.name() == name)
}

/// Every format.
pub fn formats() -> impl Iterator<Item = &'static dyn Format> {
    FORMATS.iter().copied().chain([&GithubAnnotations as &dyn Format, &BaselineFile])
}
