//! `results.tap`: the Test Anything Protocol, version 14, for CI systems that know no JUnit.

use crate::{Context, Format, ReportError, changes::said, text, words};
use record::{CellResult, Ended, Results, Verdict};

/// `results.tap`.
///
/// `xfail` is `not ok` with a TODO directive and `unsupported` is `ok` with a SKIP directive; neither fails a test run. A
/// flaky cell is `not ok` whatever its verdict. Cells that did not run are missing from the plan's count.
pub struct Tap;

impl Format for Tap {
    fn name(&self) -> &'static str {
        "tap"
    }

    fn file_name(&self) -> &'static str {
        "results.tap"
    }

    fn render_with(&self, results: &Results, _: &Context<'_>) -> Result<String, ReportError> {
        let planned = results.run.planned.max(results.cells.len());
        let mut out = format!("TAP version 14\n1..{planned}\n");
        for (at, cell) in results.cells.iter().enumerate() {
            out.push_str(&point(at + 1, cell));
        }
        Ok(out)
    }
}

fn point(number: usize, cell: &CellResult) -> String {
    let (ok, directive) = match cell.verdict {
        _ if cell.flaky => (false, None),
        Verdict::Pass => (true, None),
        Verdict::Unsupported => (true, Some(format!("SKIP {}", cell.detail))),
        Verdict::Xfail => {
            let reason = cell.waiver.as_ref().map_or(&cell.detail, |waiver| &waiver.reason);
            (false, Some(format!("TODO {reason}")))
        }
        Verdict::Fail | Verdict::Xpass | Verdict::Error => (false, None),
    };
    let status = if ok { "ok" } else { "not ok" };
    let directive = directive.map(|words| format!(" # {}", escaped(&words))).unwrap_or_default();
    let mut out = format!("{status} {number} - {}{directive}\n", escaped(&cell.id));
    if !ok {
        out.push_str(&diagnostics(cell));
    }
    out
}

/// A YAML block. JSON strings are YAML, whatever is in them.
fn diagnostics(cell: &CellResult) -> String {
    let capture = cell.evidence.as_ref().map(|evidence| evidence.capture.clone());
    let fields = [
        ("message", Some(said(&Ended::of(cell)))),
        ("detail", Some(cell.detail.clone())),
        ("expected", Some(words::expectation(&cell.expected))),
        ("clause", Some(cell.clause.clone())),
        ("capture", capture),
    ];
    let line = |(name, value): (&str, Option<String>)| {
        let value = serde_json::Value::from(text::visible(&value?).into_owned());
        Some(format!("  {name}: {value}\n"))
    };
    format!("  ---\n{}  ...\n", fields.into_iter().filter_map(line).collect::<String>())
}

/// In one line, without anything that would begin a directive.
fn escaped(text: &str) -> String {
    text::visible(text).replace('\\', "\\\\").replace('#', "\\#")
}
