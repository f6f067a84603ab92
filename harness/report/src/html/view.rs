//! What the page's template shows.

use super::blocks::Blocks;
use super::data::limited;
use super::features::FeaturesView;
use crate::capabilities::capabilities;
use crate::findings::{Finding, LISTED, Point, heading};
use crate::matrix::{Area, Column, Matrix, Row, Scenario};
use crate::words;
use record::{Accelerator, CellResult, Results, Verdict};
use serde::Serialize;
use std::collections::HashMap;

/// Characters of one text before the rest is only counted.
const LIMIT: usize = 400;
/// The same for a list of what a build offers.
const LONG: usize = 4_000;

/// The root of the template's context.
#[derive(Serialize)]
pub(super) struct View {
    headline: String,
    /// What the reader must know of the run at once.
    brief: Vec<String>,
    /// Verdict, sign, count, meaning.
    totals: Vec<(&'static str, &'static str, usize, &'static str)>,
    counts: String,
    cells: usize,
    rows: usize,
    incomplete: Option<String>,
    flaky: Option<String>,
    builds: Vec<BuildView>,
    /// Whether there are so many builds that the matrix scrolls by itself.
    wide: bool,
    areas: Vec<AreaView>,
    /// Who boots where a client must refuse: before everything else.
    security: Vec<SecurityView>,
    features: Vec<FeaturesView>,
    lists: Vec<ListView>,
    /// Property of what the builds offer in TLS, and its value for each build.
    capabilities: Vec<(&'static str, Vec<String>)>,
    facts: Vec<(&'static str, String)>,
    /// What the page does not hold of the cells' evidence.
    details: Vec<String>,
}

#[derive(Serialize)]
struct BuildView {
    /// The id in the pieces at which it may be broken.
    pieces: Vec<String>,
    version: String,
    short: String,
    code: Option<(String, String)>,
    vars: Option<(String, String)>,
    source: String,
    family: String,
    accelerator: &'static str,
    /// Verdict and count, without the verdicts that do not occur.
    totals: Vec<(&'static str, usize)>,
}

#[derive(Serialize)]
struct AreaView {
    name: String,
    scenarios: Vec<ScenarioView>,
}

#[derive(Serialize)]
struct ScenarioView {
    id: String,
    title: String,
    clause: String,
    level: &'static str,
    single: bool,
    /// Characters that each parameter needs to stand in a column of its own; 0 for one that is too long.
    widths: Vec<usize>,
    rows: Vec<RowView>,
}

#[derive(Serialize)]
struct RowView {
    params: Vec<(String, String)>,
    differs: bool,
    cells: Vec<Option<CellView>>,
}

#[derive(Serialize)]
struct CellView {
    number: usize,
    verdict: &'static str,
    sign: &'static str,
    word: &'static str,
    place: Option<String>,
}

/// A scenario that somebody boots through where a client must refuse.
#[derive(Serialize)]
struct SecurityView {
    id: String,
    title: String,
    clause: String,
    /// For each build: its id, how many points it boots through, of how many, and the number of the first cell.
    builds: Vec<(String, usize, usize, usize)>,
}

/// The findings with one verdict.
#[derive(Serialize)]
struct ListView {
    verdict: &'static str,
    sign: &'static str,
    title: &'static str,
    advice: &'static str,
    count: String,
    /// Whether the list is worth showing before anybody asks.
    urgent: bool,
    findings: Vec<FindingView>,
}

#[derive(Serialize)]
struct FindingView {
    happened: Option<String>,
    cause: Option<String>,
    /// Whether the sentence is all there is.
    bare: bool,
    detail: String,
    size: String,
    points: Vec<PointView>,
}

#[derive(Serialize)]
struct PointView {
    id: String,
    level: &'static str,
    clause: String,
    expected: String,
    detail: Option<String>,
    waiver: Option<String>,
    link: Option<String>,
    /// Number of the cell, and its build.
    cells: Vec<(usize, String)>,
}

impl View {
    pub fn of(results: &Results, blocks: &Blocks) -> Self {
        let matrix = Matrix::of(results);
        let numbers = numbers(&matrix);
        let totals: Vec<_> = Verdict::ALL
            .iter()
            .map(|verdict| {
                let count = words::count(results, *verdict);
                (verdict.as_str(), words::sign(*verdict, true), count, words::meaning(*verdict))
            })
            .collect();
        let mut counts: Vec<_> =
            totals.iter().map(|(verdict, _, count, _)| format!("{count} {verdict}")).collect();
        counts.extend(words::flaky(results));
        let rows =
            matrix.areas.iter().flat_map(|area| &area.scenarios).map(|scenario| scenario.rows.len()).sum();
        Self {
            headline: headline(results),
            brief: brief(results),
            totals,
            counts: counts.join(", "),
            cells: results.cells.len(),
            rows,
            incomplete: words::incomplete(results).map(|note| show(&note)),
            flaky: words::flaky_note(results).map(|note| show(&note)),
            builds: matrix.columns.iter().map(|column| BuildView::of(column, results)).collect(),
            wide: matrix.columns.len() > 6,
            areas: matrix.areas.iter().map(|area| AreaView::of(area, &numbers)).collect(),
            security: security(&matrix, &numbers),
            features: FeaturesView::all(&matrix, &numbers),
            lists: LISTED.iter().filter_map(|verdict| ListView::of(results, *verdict, &numbers)).collect(),
            capabilities: capabilities(results, &matrix.columns)
                .into_iter()
                .map(|capability| (capability.name, capability.values.iter().map(value).collect()))
                .collect(),
            facts: facts(results),
            details: details(blocks),
        }
    }
}

/// The scenarios with a finding of security, waived ones too: a reader who relies on a build has to know them.
fn security(matrix: &Matrix<'_>, numbers: &Numbers) -> Vec<SecurityView> {
    let scenarios = matrix.areas.iter().flat_map(|area| &area.scenarios);
    scenarios.filter_map(|scenario| SecurityView::of(scenario, &matrix.columns, numbers)).collect()
}

fn details(blocks: &Blocks) -> Vec<String> {
    let mut notes = Vec::new();
    if blocks.left_out > 0 {
        notes.push(format!(
            "The page is full: ladder, console and timeline of {} that are as expected are in their files only.",
            words::counted(blocks.left_out, "cell")
        ));
    }
    if blocks.gone > 0 {
        notes.push(format!(
            "The evidence of {} was not there when this page was made, so it has no ladder, console or timeline of them.",
            words::counted(blocks.gone, "cell")
        ));
    }
    notes
}

fn value(value: &Option<String>) -> String {
    value.as_deref().map(|value| limited(value, LONG)).unwrap_or_default()
}

/// A cell's number in the page, by its address in memory: two cells may claim the same id.
pub(super) type Numbers = HashMap<*const CellResult, usize>;

/// Numbers cells in the order in which [`super::data::Data`] lists them.
fn numbers(matrix: &Matrix<'_>) -> Numbers {
    let rows = matrix.areas.iter().flat_map(|area| &area.scenarios).flat_map(|scenario| &scenario.rows);
    let cells = rows.flat_map(|row| row.cells.iter().flatten());
    cells.enumerate().map(|(number, cell)| (std::ptr::from_ref::<CellResult>(cell), number)).collect()
}

pub(super) fn number(numbers: &Numbers, cell: &CellResult) -> usize {
    numbers.get(&std::ptr::from_ref(cell)).copied().unwrap_or_default()
}

/// The answer in one sentence.
fn headline(results: &Results) -> String {
    let totals = results.totals();
    let cells = words::counted(results.cells.len(), "cell");
    let deviations = totals.fail + totals.xpass;
    let said = match (results.cells.len(), deviations, totals.error) {
        (0, ..) => "No cell ran.".to_owned(),
        (_, 0, 0) if totals.xfail > 0 => {
            format!("Nothing new in {cells}; known: {}.", words::counted(totals.xfail, "deviation"))
        }
        (_, 0, 0) => format!("All {cells} as expected."),
        (_, 0, errors) => format!("No deviation, but {errors} of {cells} could not be judged."),
        (_, deviations, 0) => format!("{deviations} of {cells} not as expected."),
        (_, deviations, errors) => {
            format!("{deviations} of {cells} not as expected, {errors} could not be judged.")
        }
    };
    words::flaky(results).map_or(said.clone(), |flaky| format!("{said} But {flaky}."))
}

fn brief(results: &Results) -> Vec<String> {
    let run = &results.run;
    let mut brief = vec![format!("Run {}", run.id), format!("plugfest {}", run.plugfest)];
    brief.extend(words::qemus(run));
    brief.push(format!("{} clock", words::clock(run.clock)));
    brief.push(format!("took {}", words::seconds(run.wall_seconds)));
    brief.extend(words::retries(results));
    brief.iter().map(|fact| show(fact)).collect()
}

fn facts(results: &Results) -> Vec<(&'static str, String)> {
    let run = &results.run;
    let mut facts = vec![
        ("Run", show(&run.id)),
        ("Started", show(&run.started)),
        ("Took", words::seconds(run.wall_seconds)),
        ("plugfest", show(&run.plugfest)),
    ];
    for qemu in &run.qemus {
        facts.push(("QEMU", show(&format!("{} {}", qemu.program, qemu.version))));
        facts.push(("QEMU SHA-256", show(&qemu.sha256)));
    }
    facts.push(("Clock", words::clock(run.clock).to_owned()));
    facts.push(("Seed", run.seed.to_string()));
    facts.push(("Cells at a time", run.jobs.to_string()));
    facts.push(("Runs of each cell", run.repeat.to_string()));
    facts.push(("Retries", run.retries.to_string()));
    facts
}

impl BuildView {
    fn of(column: &Column<'_>, results: &Results) -> Self {
        let totals = Verdict::ALL.iter().map(|verdict| {
            let mine =
                results.cells.iter().filter(|cell| cell.firmware == column.id && cell.verdict == *verdict);
            (verdict.as_str(), mine.count())
        });
        let record = column.record;
        let file = |file: &record::ImageFile| (show(&file.file), show(&file.sha256));
        Self {
            pieces: show(column.id).split_inclusive('-').map(str::to_owned).collect(),
            version: record
                .map_or_else(|| "not described in this run".to_owned(), |record| show(&record.version)),
            short: record.map(|record| show(words::short(&record.code.sha256))).unwrap_or_default(),
            code: record.map(|record| file(&record.code)),
            vars: record.and_then(|record| record.vars.as_ref()).map(file),
            source: record.map(|record| show(&record.source)).unwrap_or_default(),
            family: record
                .map(|record| show(&format!("{} {}", record.family, record.architecture)))
                .unwrap_or_default(),
            accelerator: match record.and_then(|record| record.accelerator) {
                Some(Accelerator::Tcg) => "TCG",
                Some(Accelerator::Kvm) => "KVM",
                None => "none",
            },
            totals: totals.filter(|(_, count)| *count > 0).collect(),
        }
    }
}

impl AreaView {
    fn of(area: &Area<'_>, numbers: &Numbers) -> Self {
        let scenarios = area.scenarios.iter().map(|scenario| ScenarioView::of(scenario, numbers)).collect();
        Self { name: show(area.name), scenarios }
    }
}

impl ScenarioView {
    fn of(scenario: &Scenario<'_>, numbers: &Numbers) -> Self {
        Self {
            id: show(scenario.id),
            title: show(scenario.title),
            clause: show(scenario.clause),
            level: scenario.level.as_str(),
            single: scenario.is_single(),
            widths: widths(scenario),
            rows: scenario.rows.iter().map(|row| RowView::of(row, numbers)).collect(),
        }
    }
}

fn widths(scenario: &Scenario<'_>) -> Vec<usize> {
    let count = scenario.rows.iter().map(|row| row.params.len()).max().unwrap_or(0);
    let width = |at: usize| {
        let params = scenario.rows.iter().filter_map(|row| row.params.get(at));
        params.map(|(name, value)| name.chars().count() + 1 + value.chars().count()).max().unwrap_or(0)
    };
    (0..count).map(width).map(|width| if width > 40 { 0 } else { width }).collect()
}

impl RowView {
    fn of(row: &Row<'_>, numbers: &Numbers) -> Self {
        let cell = |cell: &CellResult| CellView {
            number: number(numbers, cell),
            verdict: cell.verdict.as_str(),
            sign: words::sign(cell.verdict, true),
            // A row that only observes passes whatever happens; what happened is what a reader wants.
            word: if cell.verdict == Verdict::Pass && words::place(cell).is_some() {
                ""
            } else {
                cell.verdict.as_str()
            },
            place: words::place(cell),
        };
        Self {
            params: row.params.iter().map(|(name, value)| (show(name), show(value))).collect(),
            differs: row.differs(),
            cells: row.cells.iter().map(|slot| slot.map(cell)).collect(),
        }
    }
}

impl SecurityView {
    fn of(scenario: &Scenario<'_>, columns: &[Column<'_>], numbers: &Numbers) -> Option<Self> {
        let build = |(at, column): (usize, &Column<'_>)| {
            let cells: Vec<_> = scenario.rows.iter().filter_map(|row| row.cells[at]).collect();
            let found: Vec<_> = cells.iter().filter(|cell| words::is_security(cell)).collect();
            let first = number(numbers, found.first()?);
            Some((show(column.id), found.len(), cells.len(), first))
        };
        let builds: Vec<_> = columns.iter().enumerate().filter_map(build).collect();
        (!builds.is_empty()).then(|| Self {
            id: show(scenario.id),
            title: show(scenario.title),
            clause: show(scenario.clause),
            builds,
        })
    }
}

impl ListView {
    fn of(results: &Results, verdict: Verdict, numbers: &Numbers) -> Option<Self> {
        let findings = Finding::of(results, verdict);
        let (title, advice) = heading(verdict);
        (!findings.is_empty()).then(|| Self {
            verdict: verdict.as_str(),
            sign: words::sign(verdict, true),
            title,
            advice,
            count: words::counted(words::count(results, verdict), "cell"),
            urgent: matches!(verdict, Verdict::Fail | Verdict::Xpass | Verdict::Error),
            findings: findings.iter().map(|finding| FindingView::of(finding, numbers)).collect(),
        })
    }
}

impl FindingView {
    fn of(finding: &Finding<'_>, numbers: &Numbers) -> Self {
        let points = words::counted(finding.points.len(), "point");
        Self {
            happened: finding.happened.clone(),
            cause: finding.cause.map(show),
            bare: finding.happened.is_none() && finding.cause.is_none(),
            detail: show(finding.detail),
            size: format!("{points}, {}", words::counted(finding.builds(), "build")),
            points: finding.points.iter().map(|point| PointView::of(point, finding, numbers)).collect(),
        }
    }
}

impl PointView {
    fn of(point: &Point<'_>, finding: &Finding<'_>, numbers: &Numbers) -> Self {
        let first = point.first();
        let link = first.waiver.as_ref().and_then(|waiver| waiver.link.as_deref());
        Self {
            id: show(point.id),
            level: first.level.as_str(),
            clause: show(&first.clause),
            expected: show(&words::expectation(&first.expected)),
            detail: (first.detail != finding.detail).then(|| show(&first.detail)),
            waiver: first.waiver.as_ref().map(|waiver| show(&waiver.reason)),
            // A waiver's file is somebody's text: only a web address becomes a link.
            link: link.filter(|link| link.starts_with("https://") || link.starts_with("http://")).map(show),
            cells: point.cells.iter().map(|cell| (number(numbers, cell), show(&cell.firmware))).collect(),
        }
    }
}

pub(super) fn show(text: &str) -> String {
    limited(text, LIMIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::Verdict;

    #[test]
    fn the_headline_hides_no_known_deviation() {
        let said = |verdicts: &[Verdict]| {
            let mut results = crate::sample::results();
            results.cells.truncate(verdicts.len());
            for (cell, verdict) in results.cells.iter_mut().zip(verdicts) {
                (cell.verdict, cell.flaky) = (*verdict, false);
            }
            headline(&results)
        };
        use Verdict::{Error, Fail, Pass, Xfail, Xpass};
        for (verdicts, expected) in [
            (&[][..], "No cell ran."),
            (&[Pass, Pass], "All 2 cells as expected."),
            (&[Pass, Xfail], "Nothing new in 2 cells; known: 1 deviation."),
            (&[Pass, Xfail, Xpass], "1 of 3 cells not as expected."),
            (&[Fail, Error], "1 of 2 cells not as expected, 1 could not be judged."),
            (&[Pass, Error], "No deviation, but 1 of 2 cells could not be judged."),
        ] {
            assert_eq!(said(verdicts), expected, "{verdicts:?}");
        }
    }
}
