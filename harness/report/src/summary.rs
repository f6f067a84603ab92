//! `summary.md`: what somebody who looks at a pull request has to know, in GitHub's Markdown and within its limits.

use crate::changes::{Change, Changed, Changes, said};
use crate::escape::{plain, table_code};
use crate::findings::{Finding, heading};
use crate::matrix::Matrix;
use crate::{Context, Format, ReportError, text, words};
use record::{Baseline, Ended, Results, Verdict};
use std::fmt::Write;

/// Rows of one list before the rest is only counted: the whole stays below the 65,536 characters that a comment may have.
const LISTED: usize = 40;
/// Characters of one cell of a table.
const LENGTH: usize = 300;

/// `summary.md`.
pub struct Summary;

impl Format for Summary {
    fn name(&self) -> &'static str {
        "summary"
    }

    fn file_name(&self) -> &'static str {
        "summary.md"
    }

    fn render_with(&self, results: &Results, context: &Context<'_>) -> Result<String, ReportError> {
        let mut out = String::new();
        write_summary(&mut out, results, context)
            .map_err(|error| ReportError::Render { file: self.file_name(), why: error.to_string() })?;
        Ok(out)
    }
}

fn write_summary(out: &mut String, results: &Results, context: &Context<'_>) -> std::fmt::Result {
    let changes = context.baseline.map(|baseline| Changes::between(baseline, results));
    writeln!(out, "## {}\n", headline(results, changes.as_ref()))?;
    for note in [words::incomplete(results), words::flaky_note(results)].into_iter().flatten() {
        writeln!(out, "> {}\n", short(&note))?;
    }
    write_builds(out, results)?;
    write_findings(out, results, Verdict::Error)?;
    match (context.baseline, &changes) {
        (Some(baseline), Some(changes)) => {
            write_other_builds(out, results, baseline)?;
            for change in Change::ALL {
                write_changes(out, change, &changes.of(change).collect::<Vec<_>>())?;
            }
            let (run, same) = (plain(&baseline.run), words::counted(changes.same, "cell"));
            writeln!(out, "Compared with {run}; {same} unchanged.\n")?;
        }
        _ => {
            for verdict in [Verdict::Fail, Verdict::Xpass] {
                write_findings(out, results, verdict)?;
            }
        }
    }
    let run = &results.run;
    let qemu = words::qemus(run).map(|qemus| format!(" · {}", plain(&qemus))).unwrap_or_default();
    writeln!(
        out,
        "<sub>{} in {} · plugfest {}{qemu} · {} clock · seed {}</sub>",
        words::counted(results.cells.len(), "cell"),
        words::seconds(run.wall_seconds),
        plain(&run.plugfest),
        words::clock(run.clock),
        run.seed
    )
}

/// The answer, in one line.
fn headline(results: &Results, changes: Option<&Changes<'_>>) -> String {
    let count = |verdict| words::count(results, verdict);
    let mut wrong: Vec<String> = Vec::new();
    match changes {
        Some(changes) => {
            let regressions = changes.of(Change::Regression).count();
            wrong.extend((regressions > 0).then(|| words::counted(regressions, "regression")));
        }
        None => {
            let (failing, stale) = (count(Verdict::Fail), count(Verdict::Xpass));
            wrong.extend((failing > 0).then(|| words::counted(failing, "deviation")));
            wrong.extend((stale > 0).then(|| format!("{stale} with a stale waiver")));
        }
    }
    let errors = count(Verdict::Error);
    wrong.extend((errors > 0).then(|| words::counted(errors, "error")));
    wrong.extend(words::flaky(results));
    match (wrong.is_empty(), changes) {
        (false, _) => format!("✗ plugfest: {}", wrong.join(", ")),
        (true, Some(_)) => "✓ plugfest: no regression".into(),
        (true, None) => "✓ plugfest: all as expected".into(),
    }
}

fn write_builds(out: &mut String, results: &Results) -> std::fmt::Result {
    let signs: Vec<String> =
        Verdict::ALL.iter().map(|verdict| format!("{} {verdict}", words::sign(*verdict, true))).collect();
    writeln!(out, "| firmware | version | {} |", plain(&signs.join(" ; ")).replace(" ; ", " | "))?;
    writeln!(out, "|---|---|{}", "---:|".repeat(signs.len()))?;
    for column in &Matrix::of(results).columns {
        let version = column.record.map(|record| short(&record.version)).unwrap_or_default();
        write!(out, "| {} | {version} |", plain(column.id))?;
        for verdict in Verdict::ALL {
            let cells = results.cells.iter().filter(|cell| cell.firmware == column.id);
            write!(out, " {} |", cells.filter(|cell| cell.verdict == *verdict).count())?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

/// Builds that are not those of the baseline: what a reader wants to know first about a regression.
fn write_other_builds(out: &mut String, results: &Results, baseline: &Baseline) -> std::fmt::Result {
    let mut any = false;
    for build in &results.firmware {
        let Some(was) = baseline.firmware.get(&build.id) else { continue };
        if was.code.sha256 != build.code.sha256 {
            let (before, now) = (words::short(&was.code.sha256), words::short(&build.code.sha256));
            writeln!(
                out,
                "- {} has changed: {} ({}) → {} ({})",
                plain(&build.id),
                short(&was.version),
                table_code(before),
                short(&build.version),
                table_code(now)
            )?;
            any = true;
        }
    }
    if any { writeln!(out) } else { Ok(()) }
}

fn write_changes(out: &mut String, change: Change, cells: &[&Changed<'_>]) -> std::fmt::Result {
    if cells.is_empty() {
        return Ok(());
    }
    let (title, advice) = change.heading();
    // What needs nobody's attention is folded.
    let open = change == Change::Regression;
    if open {
        writeln!(out, "### {title} ({})\n\n{advice}\n", cells.len())?;
    } else {
        writeln!(out, "<details><summary>{title} ({})</summary>\n\n{advice}\n", cells.len())?;
    }
    writeln!(out, "| cell | before | now | because |\n|---|---|---|---|")?;
    for cell in cells.iter().take(LISTED) {
        let before = cell.before.map(said).unwrap_or_default();
        let now = cell.after.map(|after| said(&Ended::of(after))).unwrap_or_default();
        let because = cell.after.map(|after| format!("{} ({})", after.detail, after.clause));
        let because = because.map(|text| short(&text)).unwrap_or_default();
        writeln!(out, "| {} | {} | {} | {because} |", id(cell.id), short(&before), short(&now))?;
    }
    write_rest(out, cells.len())?;
    if open { Ok(()) } else { writeln!(out, "</details>\n") }
}

fn write_findings(out: &mut String, results: &Results, verdict: Verdict) -> std::fmt::Result {
    let findings = Finding::of(results, verdict);
    if findings.is_empty() {
        return Ok(());
    }
    let (title, advice) = heading(verdict);
    writeln!(out, "### {title} ({})\n\n{}\n", words::count(results, verdict), plain(advice))?;
    writeln!(out, "| what | cells | builds | for example | because |\n|---|---:|---:|---|---|")?;
    for finding in findings.iter().take(LISTED) {
        let (summary, detail) = finding.summary();
        let example = finding.points.first().map(|point| id(&point.first().id)).unwrap_or_default();
        let (cells, builds) = (finding.cells(), finding.builds());
        let detail = detail.map(short).unwrap_or_default();
        writeln!(out, "| {} | {cells} | {builds} | {example} | {detail} |", short(&summary))?;
    }
    write_rest(out, findings.len())
}

fn write_rest(out: &mut String, all: usize) -> std::fmt::Result {
    let rest = all.saturating_sub(LISTED);
    if rest > 0 {
        writeln!(out, "\nand {rest} more in the report.")?;
    }
    writeln!(out)
}

fn id(text: &str) -> String {
    table_code(text::head(text, LENGTH).0)
}

fn short(text: &str) -> String {
    let (head, missing) = text::head(text, LENGTH);
    let more = if missing == 0 { "" } else { "…" };
    format!("{}{more}", plain(head))
}
