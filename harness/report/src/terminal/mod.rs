//! The matrix for a terminal: scenarios × firmware, then what deviates and why.

mod changes;
mod grid;
mod ink;
mod options;

pub use changes::{render_change, render_changes};
pub use options::TerminalOptions;

use crate::capabilities::capabilities;
use crate::findings::{Finding, LISTED, Point, heading};
use crate::matrix::{Column, Matrix};
use crate::{text, words};
use ink::{Ink, Style};
use record::{Accelerator, CellResult, Results, Verdict};

/// Narrowest layout; a narrower terminal wraps lines itself.
const MIN_WIDTH: usize = 40;
/// Parameter points listed for one finding before the rest is only counted.
const POINTS: usize = 12;
/// Characters of a sentence before the rest is only counted.
const SENTENCE: usize = 600;
/// Characters of a list of what a build offers before the rest is only counted.
const OFFER: usize = 4_000;
/// Where a point's text begins, behind its level.
const POINT: usize = 11;
/// Characters of an id in a list before the rest is only counted.
const ID: usize = 200;

/// The whole report. Contains no control characters but line feeds and, with `colour`, SGR sequences of our own.
pub fn render(results: &Results, options: &TerminalOptions) -> String {
    let options = TerminalOptions { width: options.width.max(MIN_WIDTH), ..*options };
    let mut page = Page { out: String::new(), ink: Ink::new(&options), options: &options };
    let matrix = Matrix::of(results);
    page.totals(results);
    page.provenance(results, &matrix);
    if matrix.areas.is_empty() {
        page.line("No cell ran.");
    }
    grid::draw(&mut page, &matrix);
    for verdict in LISTED {
        page.findings(results, *verdict, matrix.columns.len());
    }
    page.capabilities(results, &matrix);
    page.out
}

/// What has been written so far, and how to write.
struct Page<'a> {
    out: String,
    ink: Ink,
    options: &'a TerminalOptions,
}

impl Page<'_> {
    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// A line of plain text, wrapped, in one style, behind an indent.
    fn paragraph(&mut self, indent: usize, style: Style, text: &str) {
        for part in text::wrap(text, self.options.width.saturating_sub(indent)) {
            let part = self.ink.paint(style, &part);
            self.line(&format!("{:indent$}{part}", ""));
        }
    }

    fn totals(&mut self, results: &Results) {
        let mut counts: Vec<_> = Verdict::ALL
            .iter()
            .map(|verdict| {
                let count = words::count(results, *verdict);
                let style = if count == 0 { Style::Dim } else { Style::Of(*verdict) };
                self.ink.paint(style, &format!("{count} {verdict}"))
            })
            .collect();
        counts.extend(words::flaky(results).map(|flaky| self.ink.paint(Style::Of(Verdict::Error), &flaky)));
        self.line(&counts.join("  "));
    }

    fn provenance(&mut self, results: &Results, matrix: &Matrix<'_>) {
        let run = &results.run;
        let mut facts = vec![format!("run {}", run.id), format!("plugfest {}", run.plugfest)];
        facts.extend(words::qemus(run));
        facts.push(format!("{} clock", words::clock(run.clock)));
        facts.push(format!("seed {}", run.seed));
        facts.push(words::seconds(run.wall_seconds));
        facts.extend(words::retries(results));
        let facts = self.ink.plain(&facts.join(", "));
        self.paragraph(0, Style::Dim, &facts);
        for note in [words::incomplete(results), words::flaky_note(results)].into_iter().flatten() {
            self.sentence(0, Style::Of(Verdict::Error), &note);
        }
        self.line("");
        let fields: Vec<[String; 3]> = matrix.columns.iter().map(|column| self.build(column)).collect();
        let widest = |at: usize| fields.iter().map(|fields| text::width(&fields[at])).max().unwrap_or(0);
        let (ids, versions) = (widest(0), widest(1).min(32));
        for (at, [id, version, rest]) in fields.iter().enumerate() {
            let after_id = ids.saturating_sub(text::width(id));
            let after_version = versions.saturating_sub(text::width(version));
            let line = format!("{:>2}  {id}{:after_id$}  {version}{:after_version$}  {rest}", at + 1, "", "");
            let line = text::clip(&line, self.options.width, self.ink.ellipsis()).into_owned();
            self.line(&line);
        }
        self.line("");
    }

    /// Id, version, digest and accelerator.
    fn build(&self, column: &Column<'_>) -> [String; 3] {
        let (version, rest) = column.record.map_or_else(
            || ("not described in this run".to_owned(), String::new()),
            |record| {
                let accelerator = match record.accelerator {
                    Some(Accelerator::Tcg) => "  TCG",
                    Some(Accelerator::Kvm) => "  KVM",
                    None => "",
                };
                (record.version.clone(), format!("sha256 {}{accelerator}", words::short(&record.code.sha256)))
            },
        );
        [column.id, &version, &rest].map(|text| self.ink.plain(text))
    }

    /// One line a property, or one for each value if the builds differ; builds by their numbers.
    fn capabilities(&mut self, results: &Results, matrix: &Matrix<'_>) {
        let capabilities = capabilities(results, &matrix.columns);
        if capabilities.is_empty() {
            return;
        }
        self.line("");
        let title = self.ink.paint(Style::Heading, "What each build offers in TLS");
        self.line(&title);
        self.paragraph(0, Style::Dim, "From its ClientHello; builds by their numbers.");
        for capability in &capabilities {
            let name = self.ink.paint(Style::Bold, capability.name);
            self.line(&name);
            for (value, columns) in capability.by_value() {
                let numbers: Vec<_> = columns.iter().map(|column| (column + 1).to_string()).collect();
                let value = self.limited(&format!("{}: {value}", numbers.join(",")), OFFER);
                self.paragraph(2, Style::Plain, &value);
            }
        }
    }

    fn findings(&mut self, results: &Results, verdict: Verdict, columns: usize) {
        let findings = Finding::of(results, verdict);
        if findings.is_empty() {
            return;
        }
        let (title, advice) = heading(verdict);
        self.line("");
        let title = format!("{title} ({})", words::counted(words::count(results, verdict), "cell"));
        let title = self.ink.paint(Style::Heading, &title);
        self.line(&title);
        self.paragraph(0, Style::Dim, advice);
        for finding in &findings {
            self.line("");
            self.finding(finding, columns);
        }
    }

    fn finding(&mut self, finding: &Finding<'_>, columns: usize) {
        let sign = self.ink.sign(finding.verdict);
        let (summary, detail) = finding.summary();
        let summary = self.limited(&summary, SENTENCE);
        let mut lines = text::wrap(&summary, self.options.width - 2).into_iter();
        let first = self.ink.paint(Style::Bold, &lines.next().unwrap_or_default());
        self.line(&format!("{sign} {first}"));
        lines.for_each(|line| self.paragraph(2, Style::Bold, &line));
        if let Some(detail) = detail {
            self.sentence(2, Style::Plain, detail);
        }
        for point in finding.points.iter().take(POINTS) {
            self.point(finding, point, columns);
        }
        let rest = finding.points.len().saturating_sub(POINTS);
        if rest > 0 {
            let rest = words::counted(rest, "point");
            self.paragraph(2, Style::Dim, &format!("and {rest} more; matrix.md and index.html list all."));
        }
        let clauses = distinct(finding, |cell| cell.clause.clone());
        let expected = distinct(finding, |cell| words::expectation(&cell.expected));
        let source = self.ink.plain(&format!("{}; expected: {}", clauses.join(", "), expected.join("; ")));
        self.paragraph(2, Style::Dim, &source);
    }

    /// One line: level, point and builds. What differs from the finding follows below.
    fn point(&mut self, finding: &Finding<'_>, point: &Point<'_>, columns: usize) {
        let first = point.first();
        let builds = point.builds();
        let builds = match builds.len() {
            1 => builds.join(""),
            count if count == columns => format!("all {count} builds"),
            count => format!("{count} builds: {}", builds.join(", ")),
        };
        let builds = self.ink.plain(&builds);
        let id = self.limited(point.id, ID);
        let lines = text::wrap(&format!("{id}  {builds}"), self.options.width - POINT);
        for (at, line) in lines.iter().enumerate() {
            let level = if at == 0 { first.level.as_str() } else { "" };
            let level = self.ink.paint(Style::Dim, &format!("{level:<7}"));
            self.line(&format!("  {level}  {line}"));
        }
        if first.detail != finding.detail {
            self.sentence(POINT, Style::Plain, &first.detail);
        }
        if let Some(waiver) = &first.waiver {
            let link = waiver.link.as_deref().map(|link| format!(" ({link})")).unwrap_or_default();
            self.sentence(POINT, Style::Dim, &format!("waiver: {}{link}", waiver.reason));
        }
    }

    fn sentence(&mut self, indent: usize, style: Style, sentence: &str) {
        let sentence = self.limited(sentence, SENTENCE);
        self.paragraph(indent, style, &sentence);
    }

    /// Fit to be printed, and not endless.
    fn limited(&self, text: &str, limit: usize) -> String {
        let (text, missing) = text::head(text, limit);
        let text = self.ink.plain(text);
        if missing == 0 { text } else { format!("{text}{} ({missing} more characters)", self.ink.ellipsis()) }
    }
}

/// What the cells of a finding say, each thing once.
fn distinct(finding: &Finding<'_>, say: impl Fn(&CellResult) -> String) -> Vec<String> {
    let mut said = Vec::new();
    for cell in finding.points.iter().flat_map(|point| &point.cells) {
        let text = say(cell);
        if !said.contains(&text) {
            said.push(text);
        }
    }
    said
}
