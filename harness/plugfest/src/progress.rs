//! What a run shows while it goes on: a live line on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use record::{CellResult, Verdict};
use report::visible as escape;
use run::Progress;
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::Duration;

/// Shows progress on stderr.
pub struct Display {
    bar: ProgressBar,
    live: bool,
    running: BTreeSet<String>,
    failures: usize,
    errors: usize,
}

impl Display {
    /// A display for this process's stderr.
    pub fn new() -> Self {
        let live = std::io::stderr().is_terminal();
        let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            live,
            running: BTreeSet::new(),
            failures: 0,
            errors: 0,
        }
    }

    /// Takes one step of a run.
    pub fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Planned(cells) => self.begin(cells),
            Progress::Started(cell) => {
                self.running.insert(cell.id.clone());
            }
            Progress::Retrying { cell, problem } => {
                self.line(&format!("retry {}: {}", escape(&cell.id), escape(&problem)));
            }
            Progress::Finished(result) => self.finished(result),
        }
        let waiting_for = self.running.iter().next().map(|id| escape(id).into_owned()).unwrap_or_default();
        self.bar.set_message(format!("{} failed, {} errors  {waiting_for}", self.failures, self.errors));
    }

    fn begin(&mut self, cells: usize) {
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} cells, {eta} left, {wide_msg}");
        self.bar.set_style(style.expect("invariant: the template is well-formed"));
        self.bar.set_length(cells as u64);
        if self.live {
            self.bar.enable_steady_tick(Duration::from_millis(250));
        }
    }

    fn finished(&mut self, result: &CellResult) {
        self.running.remove(&result.id);
        match result.verdict {
            Verdict::Fail | Verdict::Xpass => self.failures += 1,
            Verdict::Error => self.errors += 1,
            _ => {}
        }
        let noteworthy = result.verdict.is_deviation() || result.verdict == Verdict::Error;
        if noteworthy || !self.live {
            self.line(&one_line(result));
        }
        self.bar.inc(1);
    }

    fn line(&self, text: &str) {
        if self.live {
            self.bar.println(text);
        } else {
            eprintln!("{text}");
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `fail  http/x[…]@fw  refuses at get: http.error-status (4.1 s)`
fn one_line(result: &CellResult) -> String {
    let said = match (result.outcome, result.stage, &result.cause) {
        (Some(outcome), Some(stage), Some(cause)) => format!("{outcome} at {stage}: {cause}"),
        (Some(outcome), ..) => outcome.to_string(),
        _ => result.detail.clone(),
    };
    let seconds = result.wall_seconds;
    escape(&format!("{:<11} {}  {said} ({seconds:.1} s)", result.verdict, result.id)).into_owned()
}
