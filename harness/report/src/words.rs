//! How a cell is said in few words, in every report alike.

use crate::matrix;
use record::{CellResult, ClockMode, Expected, Level, Outcome, Results, RunRecord, Verdict};

/// A verdict's sign: it says without colour what the colour says.
pub(crate) const fn sign(verdict: Verdict, unicode: bool) -> &'static str {
    match (verdict, unicode) {
        (Verdict::Pass, true) => "✓",
        (Verdict::Pass, false) => "+",
        (Verdict::Fail, true) => "✗",
        (Verdict::Fail, false) => "x",
        (Verdict::Xfail, _) => "~",
        (Verdict::Xpass, true) => "↑",
        (Verdict::Xpass, false) => "^",
        (Verdict::Unsupported, true) => "–",
        (Verdict::Unsupported, false) => "-",
        (Verdict::Error, _) => "!",
    }
}

/// What a verdict means, in one sentence.
pub(crate) const fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "As expected.",
        Verdict::Fail => "Not as expected.",
        Verdict::Xfail => "Not as expected, and waived for this build with a reason.",
        Verdict::Xpass => "As expected although a waiver says otherwise: the waiver is stale.",
        Verdict::Unsupported => "A capability that the scenario needs is missing, and that was checked.",
        Verdict::Error => "Our infrastructure failed; nothing is said about the firmware.",
    }
}

/// The QEMU that ran the guests, with the programs' names where their versions differ; `None` if no cell needed one.
pub(crate) fn qemus(run: &RunRecord) -> Option<String> {
    let first = run.qemus.first()?;
    if run.qemus.iter().all(|qemu| qemu.version == first.version) {
        return Some(format!("QEMU {}", first.version));
    }
    let each = run.qemus.iter().map(|qemu| format!("{} {}", qemu.program, qemu.version));
    Some(each.collect::<Vec<_>>().join(", "))
}

/// How many cells have `verdict`.
pub(crate) fn count(results: &Results, verdict: Verdict) -> usize {
    let totals = results.totals();
    match verdict {
        Verdict::Pass => totals.pass,
        Verdict::Fail => totals.fail,
        Verdict::Xfail => totals.xfail,
        Verdict::Xpass => totals.xpass,
        Verdict::Unsupported => totals.unsupported,
        Verdict::Error => totals.error,
    }
}

/// How many cells are flaky, if any are: a seventh count, beside the verdicts.
pub(crate) fn flaky(results: &Results) -> Option<String> {
    Some(results.flaky()).filter(|count| *count > 0).map(|count| format!("{count} {FLAKY}"))
}

/// What flaky cells mean for whoever reads the report, with the cells; nothing if there are none.
pub(crate) fn flaky_note(results: &Results) -> Option<String> {
    let cells: Vec<_> = results.cells.iter().filter(|cell| cell.flaky).map(|cell| cell.id.as_str()).collect();
    (!cells.is_empty()).then(|| {
        format!(
            "{} did not do the same in each of {} runs; until shown otherwise that is a bug of plugfest: {}",
            counted(cells.len(), "cell"),
            results.run.repeat,
            cells.join(", ")
        )
    })
}

/// How often cells were run again, if any were.
pub(crate) fn retries(results: &Results) -> Option<String> {
    let retries = results.run.retries;
    (retries > 0).then(|| format!("{retries} {}", if retries == 1 { "retry" } else { "retries" }))
}

/// The label of a verdict that a repeat did not confirm.
const FLAKY: &str = "flaky";

/// The words after the verdict: where a failure stopped, what a row that only observes saw, and the label of a cell
/// that is flaky.
pub(crate) fn place(cell: &CellResult) -> Option<String> {
    match (place_alone(cell), cell.flaky) {
        (place, false) => place,
        (None, true) => Some(FLAKY.to_owned()),
        (Some(place), true) => Some(format!("{place} {FLAKY}")),
    }
}

fn place_alone(cell: &CellResult) -> Option<String> {
    match cell.verdict {
        Verdict::Fail | Verdict::Xfail => match (cell.outcome, cell.stage) {
            (Some(Outcome::Boots), _) => Some(Outcome::Boots.to_string()),
            (_, stage) => stage.map(|stage| stage.to_string()),
        },
        Verdict::Pass if cell.level == Level::Observe => cell.outcome.map(|outcome| outcome.to_string()),
        _ => None,
    }
}

/// Whether the firmware took what a client must refuse, where that is a matter of security: in TLS.
pub(crate) fn is_security(cell: &CellResult) -> bool {
    let expected = &cell.expected.outcome;
    matrix::area(&cell.scenario) == "tls"
        && cell.level == Level::Must
        && cell.outcome == Some(Outcome::Boots)
        && !expected.is_empty()
        && !expected.contains(&Outcome::Boots)
}

/// Whether somebody will want to know how it came to this: not as expected, waived or not, or not the same every time.
pub(crate) fn is_deviation(cell: &CellResult) -> bool {
    !matches!(cell.verdict, Verdict::Pass | Verdict::Unsupported) || cell.flaky
}

/// What the firmware did: `boots`, or `refuses at get`.
pub(crate) fn happened(cell: &CellResult) -> Option<String> {
    let mut happened = match (cell.outcome?, cell.stage) {
        (Outcome::Boots, _) if is_security(cell) => "security: boots where it must refuse".to_owned(),
        (Outcome::Boots, _) => Outcome::Boots.to_string(),
        (outcome, Some(stage)) => format!("{outcome} at {stage}"),
        (outcome, None) => outcome.to_string(),
    };
    if cell.flaky {
        happened.push_str(&format!(" ({FLAKY})"));
    }
    Some(happened)
}

/// What was expected: `boots`, `refuses or gives-up at get: cause`, or that nothing was.
pub(crate) fn expectation(expected: &Expected) -> String {
    let outcomes: Vec<_> = expected.outcome.iter().map(|outcome| outcome.as_str()).collect();
    let mut text = match outcomes.as_slice() {
        [] => "anything (this row only observes)".to_owned(),
        some => some.join(" or "),
    };
    if let Some(stage) = expected.stage {
        text.push_str(&format!(" at {stage}"));
    }
    if let Some(cause) = &expected.cause {
        text.push_str(&format!(": {cause}"));
    }
    text
}

/// A parameter's value as it is written in a cell's id: strings without quotes, the rest as JSON.
pub(crate) fn value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "absent".to_owned(),
        other => other.to_string(),
    }
}

/// A sentence for a run that did not get to all its cells.
pub(crate) fn incomplete(results: &Results) -> Option<String> {
    let (done, planned) = (results.cells.len(), results.run.planned);
    let missing = planned.saturating_sub(done);
    if let Some(why) = &results.run.stopped {
        return Some(format!(
            "The run stopped: {why}. {missing} of {planned} cells did not run and stay empty."
        ));
    }
    match (results.run.interrupted, missing) {
        (false, 0) => None,
        (true, 0) => Some("The run was interrupted after its last cell.".to_owned()),
        (true, _) => {
            Some(format!("The run was interrupted: {missing} of {planned} cells did not run and stay empty."))
        }
        (false, _) => Some(format!("{missing} of {planned} cells have no result and stay empty.")),
    }
}

/// The beginning of a digest, enough to tell builds apart.
pub(crate) fn short(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// Seconds with the precision that a reader has use for.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 10.0 { format!("{seconds:.2} s") } else { format!("{seconds:.1} s") }
}

/// The clock's word.
pub(crate) const fn clock(clock: ClockMode) -> &'static str {
    match clock {
        ClockMode::Virtual => "virtual",
        ClockMode::Real => "real",
    }
}

/// `1 build`, `3 builds`.
pub(crate) fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distributions have all of QEMU in one version; a machine with several says which is which.
    #[test]
    fn one_version_of_qemu_is_said_once() {
        let mut run = crate::sample::results().run;
        run.qemus[0].version = "10.0.2".into();
        run.qemus.push(record::QemuRecord { program: "qemu-system-arm".into(), ..run.qemus[0].clone() });
        assert_eq!(qemus(&run).unwrap(), "QEMU 10.0.2");
        run.qemus[1].version = "8.2.2".into();
        assert_eq!(qemus(&run).unwrap(), "qemu-system-x86_64 10.0.2, qemu-system-arm 8.2.2");
        run.qemus.clear();
        assert_eq!(qemus(&run), None);
    }
}
