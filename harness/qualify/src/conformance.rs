//! `conformance.md`: what each clause asks, and whether the firmware does it.

use crate::Profile;
use record::{CellResult, Level, Results, Verdict};
use report::{markdown_code as code, markdown_text as text};
use std::fmt::Write;

/// A clause, and the points that are about it.
#[derive(Debug)]
struct Clause<'a> {
    name: &'a str,
    cells: Vec<&'a CellResult>,
}

/// What came of a qualification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conformance {
    /// Points at which the firmware does not do what it must.
    pub must_deviations: usize,
    /// Points at which it does not do what it should, or may.
    pub other_deviations: usize,
    /// Points about which nothing could be found out.
    pub open: usize,
    /// The report, in GitHub's Markdown.
    pub markdown: String,
}

impl Conformance {
    /// Whether it conforms: everything that it must do was tried, and it does it.
    pub fn conforms(&self) -> bool {
        self.must_deviations == 0 && self.open == 0
    }
}

/// Whether the firmware did something else than its clause asks, waived or not.
fn deviates(cell: &CellResult) -> bool {
    matches!(cell.verdict, Verdict::Fail | Verdict::Xfail) || cell.flaky
}

/// What a run of a profile says of its firmware.
pub fn conformance(results: &Results, profile: &Profile) -> Conformance {
    let counted: Vec<&CellResult> =
        results.cells.iter().filter(|cell| profile.levels.contains(&cell.level)).collect();
    let count = |wanted: &dyn Fn(&CellResult) -> bool| counted.iter().filter(|cell| wanted(cell)).count();
    let mut conformance = Conformance {
        must_deviations: count(&|cell| deviates(cell) && cell.level == Level::Must),
        other_deviations: count(&|cell| deviates(cell) && cell.level != Level::Must),
        open: count(&|cell| cell.verdict == Verdict::Error)
            + results.run.planned.saturating_sub(results.cells.len()),
        markdown: String::new(),
    };
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, results, profile, &counted, &conformance);
    conformance.markdown = out;
    conformance
}

fn write(
    out: &mut String,
    results: &Results,
    profile: &Profile,
    counted: &[&CellResult],
    conformance: &Conformance,
) -> std::fmt::Result {
    let answer = match (conformance.conforms(), conformance.other_deviations) {
        (true, 0) => "It conforms.".to_owned(),
        (true, others) => {
            format!("It conforms, with {others} deviations from what a client should or may do.")
        }
        (false, _) => format!(
            "It does not conform: {} deviations from what a client must do, {} from what it should or may, {} points open.",
            conformance.must_deviations, conformance.other_deviations, conformance.open
        ),
    };
    writeln!(out, "# Qualification: {}\n\n**{answer}**\n", text(&profile.title))?;
    writeln!(
        out,
        "| | |\n|---|---|\n| profile | {} (SHA-256 {}) |",
        text(&profile.name),
        code(&profile.sha256)
    )?;
    for build in &results.firmware {
        writeln!(out, "| firmware | {} {} |", text(&build.id), text(&build.version))?;
        writeln!(out, "| SHA-256 of code | {} |", code(&build.code.sha256))?;
        if let Some(vars) = &build.vars {
            writeln!(out, "| SHA-256 of variables | {} |", code(&vars.sha256))?;
        }
    }
    writeln!(out, "| run | {}, {} |", text(&results.run.id), text(&results.run.started))?;
    writeln!(out, "| plugfest | {} |\n", text(&results.run.plugfest))?;
    write_clauses(out, counted)?;
    write_deviations(out, counted)?;
    write_index(out, counted)
}

fn clauses<'a>(cells: &[&'a CellResult]) -> Vec<Clause<'a>> {
    let mut clauses: Vec<Clause<'a>> = Vec::new();
    for cell in cells {
        for name in cell.clause.split(';').map(str::trim).filter(|name| !name.is_empty()) {
            match clauses.iter_mut().find(|clause| clause.name == name) {
                Some(clause) => clause.cells.push(cell),
                None => clauses.push(Clause { name, cells: vec![cell] }),
            }
        }
    }
    clauses.sort_by(|one, other| one.name.cmp(other.name));
    clauses
}

fn write_clauses(out: &mut String, counted: &[&CellResult]) -> std::fmt::Result {
    writeln!(
        out,
        "## By clause\n\n| clause | level | points | as asked | deviating | not applicable | open | conforms |"
    )?;
    writeln!(out, "|---|---|---:|---:|---:|---:|---:|---|")?;
    for clause in clauses(counted) {
        let count =
            |wanted: &dyn Fn(&CellResult) -> bool| clause.cells.iter().filter(|cell| wanted(cell)).count();
        let (deviating, open) = (count(&deviates), count(&|cell| cell.verdict == Verdict::Error));
        let absent = count(&|cell| cell.verdict == Verdict::Unsupported);
        let mut levels: Vec<String> = clause.cells.iter().map(|cell| cell.level.to_string()).collect();
        levels.sort();
        levels.dedup();
        let all = clause.cells.len();
        let answer = match (deviating, open) {
            (0, 0) if absent == all => "not applicable",
            (0, 0) => "yes",
            (0, _) => "not known",
            _ => "no",
        };
        writeln!(
            out,
            "| {} | {} | {all} | {} | {deviating} | {absent} | {open} | {answer} |",
            text(clause.name),
            levels.join(", "),
            all - deviating - absent - open
        )?;
    }
    writeln!(out)
}

fn write_deviations(out: &mut String, counted: &[&CellResult]) -> std::fmt::Result {
    let deviating: Vec<&&CellResult> = counted.iter().filter(|cell| deviates(cell)).collect();
    writeln!(out, "## Deviations ({})\n", deviating.len())?;
    for cell in deviating {
        let known = cell
            .waiver
            .as_ref()
            .map(|waiver| format!(" Known: {}", text(&waiver.reason)))
            .unwrap_or_default();
        writeln!(
            out,
            "- {} {} ({}): {}. {}{known}",
            cell.level,
            code(&cell.id),
            text(&cell.clause),
            text(&report::said(&record::Ended::of(cell))),
            text(&cell.detail)
        )?;
    }
    writeln!(out)
}

fn write_index(out: &mut String, counted: &[&CellResult]) -> std::fmt::Result {
    writeln!(out, "## Evidence\n\nThe digests of all files are in {}.\n", code(crate::MANIFEST))?;
    writeln!(out, "| cell | verdict | folder |\n|---|---|---|")?;
    for cell in counted {
        let folder = cell.evidence.as_ref().map(|evidence| code(&evidence.directory)).unwrap_or_default();
        writeln!(out, "| {} | {} | {folder} |", report::markdown_table_code(&cell.id), cell.verdict)?;
    }
    Ok(())
}
