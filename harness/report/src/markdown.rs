//! `matrix.md`: the matrix for code forges and mails, in GitHub's Markdown.

use crate::capabilities::capabilities;
use crate::escape::{code, plain, table_code};
use crate::findings::{Finding, LISTED, Point, heading};
use crate::matrix::{Area, Matrix};
use crate::{Context, Format, ReportError, words};
use record::{Accelerator, CellResult, Results, Verdict};
use std::fmt::Write;

/// `matrix.md`.
pub struct Markdown;

impl Format for Markdown {
    fn file_name(&self) -> &'static str {
        "matrix.md"
    }

    fn name(&self) -> &'static str {
        "markdown"
    }

    fn render_with(&self, results: &Results, _: &Context<'_>) -> Result<String, ReportError> {
        let mut out = String::new();
        write_report(&mut out, results)
            .map_err(|error| ReportError::Render { file: self.file_name(), why: error.to_string() })?;
        Ok(out)
    }
}

fn write_report(out: &mut String, results: &Results) -> std::fmt::Result {
    let matrix = Matrix::of(results);
    let mut counts: Vec<_> =
        Verdict::ALL.iter().map(|verdict| format!("{} {verdict}", words::count(results, *verdict))).collect();
    counts.extend(words::flaky(results));
    writeln!(out, "**{}**\n", counts.join(" · "))?;
    writeln!(out, "# plugfest run {}\n", plain(&results.run.id))?;
    for note in [words::incomplete(results), words::flaky_note(results)].into_iter().flatten() {
        writeln!(out, "> {}\n", plain(&note))?;
    }
    let key: Vec<_> =
        Verdict::ALL.iter().map(|verdict| format!("{} {verdict}", words::sign(*verdict, true))).collect();
    writeln!(out, "{}\n", plain(&key.join("   ")))?;
    for area in &matrix.areas {
        write_area(out, &matrix, area)?;
    }
    for verdict in LISTED {
        write_findings(out, results, *verdict)?;
    }
    write_capabilities(out, results, &matrix)?;
    write_provenance(out, results, &matrix)
}

/// The first two lines of a table with a column for each build, right of those that `left` names.
fn write_head(out: &mut String, left: &str, matrix: &Matrix<'_>) -> std::fmt::Result {
    write!(out, "{left}")?;
    for column in &matrix.columns {
        write!(out, " {} |", plain(column.id))?;
    }
    let columns = left.matches('|').count() - 1 + matrix.columns.len();
    writeln!(out, "\n|{}", "---|".repeat(columns))
}

fn write_capabilities(out: &mut String, results: &Results, matrix: &Matrix<'_>) -> std::fmt::Result {
    let capabilities = capabilities(results, &matrix.columns);
    if capabilities.is_empty() {
        return Ok(());
    }
    writeln!(out, "## What each build offers in TLS\n\nFrom its ClientHello.\n")?;
    write_head(out, "| |", matrix)?;
    for capability in &capabilities {
        write!(out, "| {} |", plain(capability.name))?;
        for value in &capability.values {
            write!(out, " {} |", value.as_deref().map(plain).unwrap_or_default())?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn write_area(out: &mut String, matrix: &Matrix<'_>, area: &Area<'_>) -> std::fmt::Result {
    writeln!(out, "## {}\n", plain(area.name))?;
    write_head(out, "| scenario | level |", matrix)?;
    for scenario in &area.scenarios {
        let id = table_code(scenario.id);
        let title = plain(scenario.title);
        let single = scenario.is_single();
        if !single {
            let blanks = " |".repeat(matrix.columns.len());
            writeln!(out, "| **{id}** {title} | {} |{blanks}", scenario.level)?;
        }
        for row in &scenario.rows {
            match single {
                true => write!(out, "| **{id}** {title} | {} |", scenario.level)?,
                false if row.params.is_empty() => write!(out, "| (no parameters) | |")?,
                false => write!(out, "| {} | |", table_code(&row.label()))?,
            }
            for cell in &row.cells {
                write!(out, " {} |", cell.map(say).unwrap_or_default())?;
            }
            writeln!(out)?;
        }
    }
    writeln!(out)
}

fn say(cell: &CellResult) -> String {
    let sign = words::sign(cell.verdict, true);
    let place = words::place(cell);
    plain(&match (cell.verdict, place) {
        (Verdict::Pass, Some(place)) => format!("{sign} {place}"),
        (verdict, Some(place)) => format!("{sign} {verdict} {place}"),
        (verdict, None) => format!("{sign} {verdict}"),
    })
}

fn write_findings(out: &mut String, results: &Results, verdict: Verdict) -> std::fmt::Result {
    let findings = Finding::of(results, verdict);
    if findings.is_empty() {
        return Ok(());
    }
    let (title, advice) = heading(verdict);
    writeln!(
        out,
        "## {title} ({})\n\n{}\n",
        words::counted(words::count(results, verdict), "cell"),
        plain(advice)
    )?;
    for finding in &findings {
        let (summary, detail) = finding.summary();
        writeln!(out, "### {} {}\n", plain(words::sign(verdict, true)), plain(&summary))?;
        if let Some(detail) = detail {
            writeln!(out, "{}\n", plain(detail))?;
        }
        for point in &finding.points {
            write_point(out, finding, point)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_point(out: &mut String, finding: &Finding<'_>, point: &Point<'_>) -> std::fmt::Result {
    let first = point.first();
    let builds: Vec<_> = point.builds().into_iter().map(plain).collect();
    write!(
        out,
        "- {} {} on {}: {}; {}; expected {}",
        first.level,
        code(point.id),
        words::counted(builds.len(), "build"),
        builds.join(", "),
        plain(&first.clause),
        plain(&words::expectation(&first.expected)),
    )?;
    if first.detail != finding.detail {
        write!(out, ". {}", plain(&first.detail))?;
    }
    if let Some(waiver) = &first.waiver {
        write!(out, ". Waiver: {}", plain(&waiver.reason))?;
        if let Some(link) = &waiver.link {
            write!(out, " {}", code(link))?;
        }
    }
    writeln!(out)
}

fn write_provenance(out: &mut String, results: &Results, matrix: &Matrix<'_>) -> std::fmt::Result {
    let run = &results.run;
    writeln!(
        out,
        "## Provenance\n\n| firmware | version | SHA-256 of code | SHA-256 of variables | accelerator | source |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for column in &matrix.columns {
        let Some(record) = column.record else {
            writeln!(out, "| {} | not described in this run | | | | |", plain(column.id))?;
            continue;
        };
        let vars = record.vars.as_ref().map(|vars| table_code(&vars.sha256)).unwrap_or_default();
        let accelerator = match record.accelerator {
            Some(Accelerator::Tcg) => "TCG",
            Some(Accelerator::Kvm) => "KVM",
            None => "none",
        };
        let (id, version, source) = (plain(column.id), plain(&record.version), plain(&record.source));
        writeln!(
            out,
            "| {id} | {version} | {} | {vars} | {accelerator} | {source} |",
            table_code(&record.code.sha256)
        )?;
    }
    writeln!(out, "\n| run | |\n|---|---|")?;
    let qemus = run.qemus.iter().map(|qemu| {
        let (version, sha256) = (plain(&qemu.version), table_code(&qemu.sha256));
        (qemu.program.as_str(), format!("{version}, SHA-256 {sha256}"))
    });
    let known = [
        ("started", plain(&run.started)),
        ("took", words::seconds(run.wall_seconds)),
        ("plugfest", plain(&run.plugfest)),
    ];
    let settings = [
        ("clock", words::clock(run.clock).to_owned()),
        ("seed", run.seed.to_string()),
        ("cells at a time", run.jobs.to_string()),
        ("runs of each cell", run.repeat.to_string()),
        ("retries", run.retries.to_string()),
    ];
    for (name, value) in known.into_iter().chain(qemus).chain(settings) {
        writeln!(out, "| {} | {value} |", plain(name))?;
    }
    Ok(())
}
