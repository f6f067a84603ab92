//! The table of what can be relied on: features in rows, builds in columns.

use super::view::{Numbers, number, show};
use crate::matrix::{Area, Column, Matrix, Scenario};
use crate::reliance::{self, Answer, in_short, levels};
use record::Verdict;
use serde::Serialize;

/// The features of one area.
#[derive(Serialize)]
pub(super) struct FeaturesView {
    area: String,
    /// Features with a yes, of those with an answer, for each build.
    sums: Vec<String>,
    features: Vec<FeatureView>,
}

/// One scenario that asks for something.
#[derive(Serialize)]
struct FeatureView {
    id: String,
    title: String,
    clause: String,
    /// Of its points, the strictest first.
    levels: Vec<&'static str>,
    /// Its position among the data's scenarios.
    number: usize,
    /// Kind and word of each build's answer, and the number of the cell that shows it.
    answers: Vec<(&'static str, String, Option<usize>)>,
    short: String,
}

impl FeaturesView {
    /// The areas that have features.
    pub fn all(matrix: &Matrix<'_>, numbers: &Numbers) -> Vec<Self> {
        let mut first = 0;
        let areas = matrix.areas.iter().map(|area| {
            let view = Self::of(area, &matrix.columns, numbers, first);
            first += area.scenarios.len();
            view
        });
        areas.filter(|area| !area.features.is_empty()).collect()
    }

    fn of(area: &Area<'_>, columns: &[Column<'_>], numbers: &Numbers, first: usize) -> Self {
        let features =
            || area.scenarios.iter().enumerate().filter(|(_, scenario)| !levels(scenario).is_empty());
        let sums = (0..columns.len()).map(|column| {
            let answers: Vec<_> = features().map(|(_, scenario)| Answer::of(scenario, column)).collect();
            let yes = answers.iter().filter(|answer| **answer == Answer::Yes).count();
            let known = answers.iter().filter(|answer| **answer != Answer::Unknown).count();
            format!("{yes} of {known}")
        });
        Self {
            area: show(area.name),
            sums: sums.collect(),
            features: features()
                .map(|(at, scenario)| FeatureView::of(scenario, first + at, columns, numbers))
                .collect(),
        }
    }
}

impl FeatureView {
    fn of(scenario: &Scenario<'_>, number: usize, columns: &[Column<'_>], numbers: &Numbers) -> Self {
        let answers: Vec<_> = (0..columns.len()).map(|column| Answer::of(scenario, column)).collect();
        let view = |(column, answer): (usize, &Answer)| {
            (answer.kind(), answer.word(), witness(scenario, column, numbers))
        };
        Self {
            id: show(scenario.id),
            title: show(scenario.title),
            clause: show(scenario.clause),
            levels: levels(scenario).iter().map(|level| level.as_str()).collect(),
            number,
            answers: answers.iter().enumerate().map(view).collect(),
            short: show(&in_short(columns, &answers)),
        }
    }
}

/// The cell that shows a reader why the answer is what it is: the first that is not as it should be, or the first.
fn witness(scenario: &Scenario<'_>, column: usize, numbers: &Numbers) -> Option<usize> {
    let cells = || scenario.rows.iter().filter_map(|row| row.cells[column]);
    let against = cells().find(|cell| cell.verdict != Verdict::Unsupported && !reliance::is_kept(cell));
    against.or_else(|| cells().next()).map(|cell| number(numbers, cell))
}
