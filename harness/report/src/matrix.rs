//! Cells arranged as people read them: areas, scenarios, parameter points, and a column per firmware.

use crate::words;
use record::{CellResult, FirmwareRecord, Level, Results};
use std::collections::HashMap;

/// Rows and columns of a run. No cell is left out: one whose firmware is not declared gets a column of its own.
pub(crate) struct Matrix<'a> {
    pub columns: Vec<Column<'a>>,
    pub areas: Vec<Area<'a>>,
}

/// One firmware.
pub(crate) struct Column<'a> {
    pub id: &'a str,
    pub record: Option<&'a FirmwareRecord>,
}

/// The scenarios whose ids begin with the same folder.
pub(crate) struct Area<'a> {
    pub name: &'a str,
    pub scenarios: Vec<Scenario<'a>>,
}

/// One scenario.
pub(crate) struct Scenario<'a> {
    pub id: &'a str,
    pub title: &'a str,
    pub clause: &'a str,
    pub level: Level,
    pub sha256: &'a str,
    pub rows: Vec<Row<'a>>,
}

/// One parameter point on every firmware; `None` where it did not run.
pub(crate) struct Row<'a> {
    /// The cells' id without the firmware.
    pub point: &'a str,
    /// Name and value of each swept setting; names are as short as they can be without becoming ambiguous.
    pub params: Vec<(&'a str, String)>,
    pub cells: Vec<Option<&'a CellResult>>,
}

impl<'a> Matrix<'a> {
    pub fn of(results: &'a Results) -> Self {
        let mut matrix = Self { columns: Vec::new(), areas: Vec::new() };
        let mut column_of: HashMap<&str, usize> = HashMap::new();
        for record in &results.firmware {
            column_of.entry(&record.id).or_insert_with(|| {
                matrix.columns.push(Column { id: &record.id, record: Some(record) });
                matrix.columns.len() - 1
            });
        }
        for cell in &results.cells {
            column_of.entry(&cell.firmware).or_insert_with(|| {
                matrix.columns.push(Column { id: &cell.firmware, record: None });
                matrix.columns.len() - 1
            });
        }
        let mut area_of: HashMap<&str, usize> = HashMap::new();
        let mut scenario_of: HashMap<&str, usize> = HashMap::new();
        let mut rows_of: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
        for cell in &results.cells {
            let name = area(&cell.scenario);
            let at = *area_of.entry(name).or_insert_with(|| {
                matrix.areas.push(Area { name, scenarios: Vec::new() });
                matrix.areas.len() - 1
            });
            let scenarios = &mut matrix.areas[at].scenarios;
            let at = *scenario_of.entry(&cell.scenario).or_insert_with(|| {
                scenarios.push(Scenario::of(cell));
                scenarios.len() - 1
            });
            let rows = &mut scenarios[at].rows;
            let column = column_of[cell.firmware.as_str()];
            let same = rows_of.entry((&cell.scenario, point(cell))).or_default();
            match same.iter().find(|at| rows[**at].cells[column].is_none()) {
                Some(at) => rows[*at].cells[column] = Some(cell),
                None => {
                    let mut cells = vec![None; matrix.columns.len()];
                    cells[column] = Some(cell);
                    same.push(rows.len());
                    rows.push(Row { point: point(cell), params: params(cell), cells });
                }
            }
        }
        matrix
    }
}

impl<'a> Scenario<'a> {
    fn of(cell: &'a CellResult) -> Self {
        Self {
            id: &cell.scenario,
            title: &cell.title,
            clause: &cell.clause,
            level: cell.level,
            sha256: &cell.scenario_sha256,
            rows: Vec::new(),
        }
    }

    /// Whether the scenario is one row without parameters.
    pub fn is_single(&self) -> bool {
        matches!(self.rows.as_slice(), [row] if row.params.is_empty())
    }
}

impl Row<'_> {
    /// `content_type=text/html, status=404`
    pub fn label(&self) -> String {
        let params: Vec<_> = self.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
        params.join(", ")
    }

    /// How much is asked for at this point. A row has a cell.
    pub fn level(&self) -> Level {
        self.cells.iter().flatten().next().map_or(Level::Observe, |cell| cell.level)
    }

    /// Whether the firmware builds that ran this point behaved differently.
    pub fn differs(&self) -> bool {
        let mut seen =
            self.cells.iter().flatten().map(|cell| (cell.verdict, cell.outcome, cell.stage, &cell.cause));
        seen.next().is_some_and(|first| seen.any(|other| other != first))
    }
}

/// The first folder of a scenario's id.
pub(crate) fn area(scenario: &str) -> &str {
    scenario.split_once('/').map_or(scenario, |(area, _)| area)
}

/// A cell's id without its firmware.
pub(crate) fn point(cell: &CellResult) -> &str {
    let id = cell.id.strip_suffix(&cell.firmware).and_then(|id| id.strip_suffix('@'));
    id.unwrap_or(&cell.id)
}

fn params(cell: &CellResult) -> Vec<(&str, String)> {
    cell.params
        .iter()
        .map(|(path, value)| {
            let alone = cell.params.keys().filter(|other| last(other) == last(path)).count() == 1;
            (if alone { last(path) } else { path.as_str() }, words::value(value))
        })
        .collect()
}

/// The last key of a dotted path.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}
