//! What a run shows while it goes on: a live line on a terminal, plain lines elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use record::{CellResult, Verdict};
use report::visible as escape;
use run::Progress;
use std::collections::BTreeSet;
use std::fmt;
use std::io::IsTerminal;
use std::time::Duration;

/// Shows progress on stderr.
pub struct Display {
    bar: ProgressBar,
    live: bool,
    /// What the bar counts.
    unit: &'static str,
    running: BTreeSet<String>,
    troubles: Troubles,
}

/// What has gone wrong so far.
#[derive(Default)]
struct Troubles {
    failed: usize,
    errors: usize,
    flaky: usize,
}

impl Display {
    /// A display for this process's stderr; every cell is going to run `repeat` times.
    pub fn new(repeat: u32) -> Self {
        let live = std::io::stderr().is_terminal();
        let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            bar: ProgressBar::with_draw_target(None, target),
            live,
            unit: if repeat > 1 { "runs" } else { "cells" },
            running: BTreeSet::new(),
            troubles: Troubles::default(),
        }
    }

    /// Takes one step of a run.
    pub fn show(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Planned(runs) => self.begin(runs),
            Progress::Resumed(runs) => {
                self.bar.set_position(runs as u64);
                // What an earlier session did says nothing about the rate of this one.
                self.bar.reset_eta();
            }
            Progress::Started(cell) => {
                self.running.insert(cell.id.clone());
            }
            Progress::Retrying { cell, problem } => {
                self.line(&format!("retry {}: {}", escape(&cell.id), escape(&problem)));
            }
            Progress::Ran(cell) => {
                self.running.remove(&cell.id);
                self.bar.inc(1);
            }
            Progress::Finished(result) => self.finished(result),
        }
        let waiting_for = self.running.iter().next().map(|id| escape(id).into_owned()).unwrap_or_default();
        self.bar.set_message(format!("{}  {waiting_for}", self.troubles));
    }

    fn begin(&mut self, runs: usize) {
        let template =
            format!("{{bar:24}} {{pos}}/{{len}} {}, {{rate}}, {{eta}} left, {{wide_msg}}", self.unit);
        let style = ProgressStyle::with_template(&template).expect("invariant: the template is well-formed");
        self.bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // A display that cannot be written to shows nothing.
            let _ = write!(out, "{:.1}/s", state.per_sec());
        }));
        self.bar.set_length(runs as u64);
        if self.live {
            self.bar.enable_steady_tick(Duration::from_millis(250));
        }
    }

    fn finished(&mut self, result: &CellResult) {
        let noteworthy = self.troubles.count(result);
        if noteworthy || !self.live {
            self.line(&one_line(result));
        }
    }

    fn line(&self, text: &str) {
        if self.live {
            self.bar.println(text);
        } else {
            eprintln!("{text}");
        }
    }
}

impl Troubles {
    /// Counts a result; returns whether something is wrong with it.
    fn count(&mut self, result: &CellResult) -> bool {
        self.failed += usize::from(result.verdict.is_deviation());
        self.errors += usize::from(result.verdict == Verdict::Error);
        self.flaky += usize::from(result.flaky);
        result.verdict.is_deviation() || result.verdict == Verdict::Error || result.flaky
    }
}

impl fmt::Display for Troubles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed", self.failed)?;
        for (count, what) in [(self.errors, "errors"), (self.flaky, "flaky")] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        Ok(())
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
        _ if result.flaky => result.detail.clone(),
        (Some(outcome), Some(stage), Some(cause)) => format!("{outcome} at {stage}: {cause}"),
        (Some(outcome), ..) => outcome.to_string(),
        _ => result.detail.clone(),
    };
    let seconds = result.wall_seconds;
    let flaky = if result.flaky { "flaky " } else { "" };
    let verdict = format!("{flaky}{}", result.verdict);
    escape(&format!("{verdict:<11} {}  {said} ({seconds:.1} s)", result.id)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(verdict: Verdict) -> CellResult {
        let cells = report::sample::results().cells;
        cells.into_iter().find(|cell| cell.verdict == verdict).expect("the sample has every verdict")
    }

    #[test]
    fn troubles_are_counted_and_only_they_are_noteworthy() {
        let mut troubles = Troubles::default();
        assert!(!troubles.count(&cell(Verdict::Pass)));
        assert!(!troubles.count(&cell(Verdict::Xfail)));
        assert_eq!(troubles.to_string(), "0 failed");
        assert!(troubles.count(&cell(Verdict::Fail)) && troubles.count(&cell(Verdict::Xpass)));
        assert_eq!(troubles.to_string(), "2 failed");
        assert!(troubles.count(&cell(Verdict::Error)));
        assert!(troubles.count(&CellResult { flaky: true, ..cell(Verdict::Pass) }));
        assert_eq!(troubles.to_string(), "2 failed, 1 errors, 1 flaky");
    }

    #[test]
    fn a_line_says_what_happened_and_a_flaky_one_how() {
        let fail = CellResult { wall_seconds: 4.06, ..cell(Verdict::Fail) };
        let line = one_line(&fail);
        assert!(line.starts_with(&format!("fail        {}  ", fail.id)), "{line}");
        assert!(
            line.contains(fail.cause.as_deref().unwrap_or("nothing")) && line.ends_with("(4.1 s)"),
            "{line}"
        );
        let detail = "Boots. Flaky: 1 of 2 repeats did not do the same.".to_owned();
        let flaky = CellResult { flaky: true, detail: detail.clone(), ..cell(Verdict::Pass) };
        let line = one_line(&flaky);
        assert!(line.starts_with("flaky pass  ") && line.contains(&detail), "{line}");
    }
}
