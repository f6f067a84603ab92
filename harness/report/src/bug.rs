//! A bug report of one cell in GitHub's Markdown, ready to be filed with whoever maintains the firmware.

use crate::escape::{code, plain};
use crate::explain::Line;
use crate::words;
use record::{CellResult, FirmwareRecord, RunRecord};
use std::fmt::Write;

/// The report: what happened, what was expected and by which clause, the story with its packets, what was tested, and how
/// to see it again. `bundle` is the name of the file with the evidence.
pub fn bug_report(
    run: &RunRecord,
    firmware: &FirmwareRecord,
    cell: &CellResult,
    story: &[Line],
    bundle: &str,
) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_report(&mut out, run, firmware, cell, story, bundle);
    out
}

fn write_report(
    out: &mut String,
    run: &RunRecord,
    firmware: &FirmwareRecord,
    cell: &CellResult,
    story: &[Line],
    bundle: &str,
) -> std::fmt::Result {
    let happened = words::happened(cell).unwrap_or_else(|| cell.verdict.to_string());
    let cause = cell.cause.as_deref().map(|cause| format!(" ({cause})")).unwrap_or_default();
    writeln!(out, "# {}: {}{}\n", plain(&firmware.version), plain(&happened), plain(&cause))?;
    writeln!(out, "**Summary.** {}. {}\n", plain(&cell.title), plain(&cell.detail))?;
    writeln!(
        out,
        "**Expected** by {} ({}): {}\n",
        plain(&cell.clause),
        cell.level,
        plain(&words::expectation(&cell.expected))
    )?;
    writeln!(out, "**Happened:** {}{}\n", plain(&happened), plain(&cause))?;
    writeln!(out, "## What was seen\n\nPacket numbers are those of `capture.pcapng`.\n\n| | |\n|---|---|")?;
    for line in story {
        writeln!(out, "| {} | {} |", plain(&line.topic), plain(&line.text))?;
    }
    writeln!(out, "\n## What was tested\n\n| | |\n|---|---|")?;
    let vars = firmware.vars.as_ref().map(|vars| vars.sha256.as_str()).unwrap_or("none");
    let qemus = words::qemus(run).unwrap_or_else(|| "none".to_owned());
    for (what, value) in [
        ("firmware", format!("{} {}", firmware.family, firmware.version)),
        ("from", firmware.source.clone()),
        ("SHA-256 of code", firmware.code.sha256.clone()),
        ("SHA-256 of variables", vars.to_owned()),
        ("QEMU", qemus),
        ("clock, seed", format!("{}, {}", words::clock(run.clock), run.seed)),
        ("cell", cell.id.clone()),
        ("plugfest", run.plugfest.clone()),
    ] {
        writeln!(out, "| {what} | {} |", plain(&value))?;
    }
    writeln!(
        out,
        "\n## How to see it again\n\nThe attached {} has the capture (opens in Wireshark, TLS included), the console, the timeline, and the \
         scenario. With plugfest, on any machine with QEMU:\n\n    plugfest replay {}\n",
        code(bundle),
        crate::text::visible(bundle)
    )
}
