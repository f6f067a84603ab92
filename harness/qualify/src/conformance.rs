//! `conformance.md`: what each clause asks, and whether the firmware does it.

use crate::Profile;
use record::{AssertionResult, AssertionState, CellResult, Level, Results, Verdict};
use report::{markdown_code as code, markdown_text as text};
use std::fmt::Write;

/// One thing that is asked of the firmware: how a cell ends, or an assertion about its conversation.
#[derive(Debug)]
struct Finding<'a> {
    cell: &'a CellResult,
    clause: &'a str,
    level: Level,
    answer: Answer,
    assertion: Option<&'a AssertionResult>,
}

/// Whether the firmware does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    AsAsked,
    /// It does something else, waived or not.
    Deviates,
    /// It lacks what the cell needs, or the cell did not come to it.
    NotApplicable,
    /// Nothing could be found out.
    Open,
}

impl<'a> Finding<'a> {
    /// All that is asked in a cell.
    fn of(cell: &'a CellResult) -> impl Iterator<Item = Self> {
        let is_met = |(outcome, stage)| cell.expected.is_met(outcome, stage, cell.cause.as_deref());
        let answer = match cell.verdict {
            Verdict::Error => Answer::Open,
            Verdict::Unsupported => Answer::NotApplicable,
            _ if !cell.flaky && cell.outcome.zip(cell.stage).is_some_and(is_met) => Answer::AsAsked,
            _ => Answer::Deviates,
        };
        let ending = Self { cell, clause: &cell.clause, level: cell.level, answer, assertion: None };
        let assertions = cell.conversation.iter().map(move |assertion| Self {
            cell,
            clause: &assertion.clause,
            level: assertion.level,
            answer: match assertion.state {
                AssertionState::Kept | AssertionState::Observed => Answer::AsAsked,
                AssertionState::Violated => Answer::Deviates,
                AssertionState::Untested => Answer::NotApplicable,
            },
            assertion: Some(assertion),
        });
        std::iter::once(ending).chain(assertions)
    }
}

/// A clause, and what is asked by it.
#[derive(Debug)]
struct Clause<'a> {
    name: &'a str,
    findings: Vec<&'a Finding<'a>>,
}

/// What came of a qualification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conformance {
    /// How often the firmware does not do what it must.
    pub must_deviations: usize,
    /// How often it does not do what it should, or may.
    pub other_deviations: usize,
    /// Cells about which nothing could be found out.
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

/// What a run of a profile says of its firmware.
pub fn conformance(results: &Results, profile: &Profile) -> Conformance {
    let findings = results.cells.iter().flat_map(Finding::of);
    let counted: Vec<Finding<'_>> =
        findings.filter(|finding| profile.levels.contains(&finding.level)).collect();
    let count =
        |wanted: &dyn Fn(&Finding<'_>) -> bool| counted.iter().filter(|finding| wanted(finding)).count();
    let deviates = |finding: &Finding<'_>| finding.answer == Answer::Deviates;
    let mut conformance = Conformance {
        must_deviations: count(&|it| deviates(it) && it.level == Level::Must),
        other_deviations: count(&|it| deviates(it) && it.level != Level::Must),
        open: count(&|it| it.answer == Answer::Open)
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
    counted: &[Finding<'_>],
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
    let levels = |cell: &&CellResult| profile.levels.contains(&cell.level);
    write_index(out, results.cells.iter().filter(levels))
}

fn clauses<'a>(counted: &'a [Finding<'a>]) -> Vec<Clause<'a>> {
    let mut clauses: Vec<Clause<'a>> = Vec::new();
    for finding in counted {
        for name in finding.clause.split(';').map(str::trim).filter(|name| !name.is_empty()) {
            match clauses.iter_mut().find(|clause| clause.name == name) {
                Some(clause) => clause.findings.push(finding),
                None => clauses.push(Clause { name, findings: vec![finding] }),
            }
        }
    }
    clauses.sort_by(|one, other| one.name.cmp(other.name));
    clauses
}

fn write_clauses(out: &mut String, counted: &[Finding<'_>]) -> std::fmt::Result {
    writeln!(
        out,
        "## By clause\n\n| clause | level | asked | as asked | deviating | not applicable | open | conforms |"
    )?;
    writeln!(out, "|---|---|---:|---:|---:|---:|---:|---|")?;
    for Clause { name, findings } in clauses(counted) {
        let count = |answer| findings.iter().filter(|finding| finding.answer == answer).count();
        let [deviating, open, absent] = [Answer::Deviates, Answer::Open, Answer::NotApplicable].map(count);
        let mut levels: Vec<String> = findings.iter().map(|finding| finding.level.to_string()).collect();
        levels.sort();
        levels.dedup();
        let all = findings.len();
        let answer = match (deviating, open) {
            (0, 0) if absent == all => "not applicable",
            (0, 0) => "yes",
            (0, _) => "not known",
            _ => "no",
        };
        writeln!(
            out,
            "| {} | {} | {all} | {} | {deviating} | {absent} | {open} | {answer} |",
            text(name),
            levels.join(", "),
            count(Answer::AsAsked)
        )?;
    }
    writeln!(out)
}

fn write_deviations(out: &mut String, counted: &[Finding<'_>]) -> std::fmt::Result {
    let deviating = || counted.iter().filter(|finding| finding.answer == Answer::Deviates);
    writeln!(out, "## Deviations ({})\n", deviating().count())?;
    for Finding { cell, clause, level, assertion, .. } in deviating() {
        let (what, detail, waiver) = match assertion {
            Some(it) => (format!("violates {}", text(&it.id)), &it.detail, &it.waiver),
            None => (text(&report::said(&record::Ended::of(cell))), &cell.detail, &cell.waiver),
        };
        let known = waiver.as_ref().map(|waiver| format!(" Known: {}", text(&waiver.reason)));
        writeln!(
            out,
            "- {level} {} ({}): {what}. {}{}",
            code(&cell.id),
            text(clause),
            text(detail),
            known.unwrap_or_default()
        )?;
    }
    writeln!(out)
}

fn write_index<'a>(out: &mut String, cells: impl Iterator<Item = &'a CellResult>) -> std::fmt::Result {
    writeln!(out, "## Evidence\n\nThe digests of all files are in {}.\n", code(crate::MANIFEST))?;
    writeln!(out, "| cell | verdict | folder |\n|---|---|---|")?;
    for cell in cells {
        let folder = cell.evidence.as_ref().map(|evidence| code(&evidence.directory)).unwrap_or_default();
        writeln!(out, "| {} | {} | {folder} |", report::markdown_table_code(&cell.id), cell.verdict)?;
    }
    Ok(())
}
