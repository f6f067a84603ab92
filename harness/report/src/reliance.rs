//! Whether one can rely on a feature: a scenario's points on one build, and since which version all is well.

use crate::matrix::{Column, Scenario};
use record::{CellResult, Level, Verdict};
use std::cmp::Ordering;

/// What a build makes of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Every point is as the clause says.
    Yes,
    /// Some points are: how many of how many.
    Partly(usize, usize),
    /// No point is.
    No,
    /// The build lacks what the feature needs, and that was checked.
    Unsupported,
    /// No point has a result that says anything about the build.
    Unknown,
}

impl Answer {
    /// `scenario` in column `column` of the matrix. What did not do the same every time is not to be relied on.
    pub fn of(scenario: &Scenario<'_>, column: usize) -> Self {
        let cells = || scenario.rows.iter().filter_map(|row| row.cells[column]).filter(|cell| asks(cell));
        let judged =
            cells().filter(|cell| !matches!(cell.verdict, Verdict::Unsupported | Verdict::Error)).count();
        let kept = cells().filter(|cell| is_kept(cell)).count();
        match (judged, kept) {
            (0, _) if cells().any(|cell| cell.verdict == Verdict::Unsupported) => Self::Unsupported,
            (0, _) => Self::Unknown,
            (_, 0) => Self::No,
            (all, kept) if all == kept => Self::Yes,
            (all, kept) => Self::Partly(kept, all),
        }
    }

    /// The word in the table.
    pub fn word(self) -> String {
        match self {
            Self::Yes => "yes".to_owned(),
            Self::Partly(kept, all) => format!("{kept} of {all}"),
            Self::No => "no".to_owned(),
            Self::Unsupported => "no support".to_owned(),
            Self::Unknown => "unknown".to_owned(),
        }
    }

    /// A stable name for style and script.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Partly(..) => "partly",
            Self::No => "no",
            Self::Unsupported => "unsupported",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether the build did what the clause asks for.
pub(crate) fn is_kept(cell: &CellResult) -> bool {
    matches!(cell.verdict, Verdict::Pass | Verdict::Xpass) && !cell.flaky
}

/// Whether there is anything to rely on: a point that only observes asks for nothing.
fn asks(cell: &CellResult) -> bool {
    cell.level != Level::Observe
}

/// The levels of a scenario's points that ask for something, each once; a scenario with none is no feature.
pub(crate) fn levels(scenario: &Scenario<'_>) -> Vec<Level> {
    let cells = || scenario.rows.iter().flat_map(|row| row.cells.iter().flatten()).filter(|cell| asks(cell));
    let all = [Level::Must, Level::Should, Level::May];
    all.into_iter().filter(|level| cells().any(|cell| cell.level == *level)).collect()
}

/// The answers in a few words: `yes`, `no`, `since 2025.02-8`, `until 2022.11-6`, `partly` or `varies`; for several kinds
/// of firmware, each in turn.
pub(crate) fn in_short(columns: &[Column<'_>], answers: &[Answer]) -> String {
    let mut kinds: Vec<(String, Vec<(&str, Answer)>)> = Vec::new();
    for (column, answer) in columns.iter().zip(answers) {
        let (kind, version) = column.record.map_or((column.id.to_owned(), column.id), |record| {
            (format!("{} {}", record.family, record.architecture), &record.version)
        });
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, builds)) => builds.push((version, *answer)),
            None => kinds.push((kind, vec![(version, *answer)])),
        }
    }
    let alone = kinds.len() == 1;
    let said = kinds.into_iter().map(|(kind, mut builds)| {
        builds.sort_by(|(one, _), (other, _)| by_version(one, other));
        let said = over_versions(&builds);
        if alone { said } else { format!("{kind}: {said}") }
    });
    said.collect::<Vec<_>>().join("; ")
}

/// `builds` from the oldest to the newest.
fn over_versions(builds: &[(&str, Answer)]) -> String {
    let known: Vec<_> = builds.iter().filter(|(_, answer)| *answer != Answer::Unknown).copied().collect();
    let said = over_known_versions(&known);
    if known.is_empty() || known.len() == builds.len() { said } else { format!("{said} where known") }
}

fn over_known_versions(known: &[(&str, Answer)]) -> String {
    let is_yes = |at: usize| known[at].1 == Answer::Yes;
    let count = known.len();
    let yes = (0..count).filter(|at| is_yes(*at)).count();
    let first = (0..count).find(|at| is_yes(*at));
    match first {
        _ if count == 0 => "unknown".to_owned(),
        _ if yes == count => "yes".to_owned(),
        Some(first) if first + yes == count => format!("since {}", known[first].0),
        Some(0) if (0..yes).all(is_yes) => format!("until {}", known[yes - 1].0),
        None if known.iter().all(|(_, answer)| *answer == Answer::Unsupported) => "no support".to_owned(),
        None if known.iter().all(|(_, answer)| !matches!(answer, Answer::Partly(..))) => "no".to_owned(),
        None => "partly".to_owned(),
        Some(_) => "varies".to_owned(),
    }
}

/// Numbers as numbers, the rest as text: 2022.11 comes before 2025.02, and u9 before u10.
fn by_version(one: &str, other: &str) -> Ordering {
    parts(one).cmp(&parts(other)).then_with(|| one.cmp(other))
}

/// Runs of digits, without leading zeros but with their length first, and runs of anything else.
fn parts(version: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    for part in version.as_bytes().chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit()) {
        let text = std::str::from_utf8(part).unwrap_or_default();
        if part[0].is_ascii_digit() {
            let number = text.trim_start_matches('0');
            parts.push((number.len() + 1, number));
        } else {
            parts.push((0, text));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::Answer::{No, Partly, Unknown, Unsupported, Yes};
    use super::*;

    #[test]
    fn answers_in_the_order_of_versions_in_short() {
        for (answers, short) in [
            ([Yes, Yes, Yes], "yes"),
            ([No, No, Unsupported], "no"),
            ([Unsupported; 3], "no support"),
            ([No, Partly(1, 2), Yes], "since 2025.02"),
            ([Unsupported, Yes, Yes], "since 2022.11"),
            ([Yes, Yes, No], "until 2022.11"),
            ([Yes, No, Yes], "varies"),
            ([Partly(1, 2), No, No], "partly"),
            ([Unknown, Yes, Yes], "yes where known"),
            ([Unknown; 3], "unknown"),
        ] {
            let builds: Vec<_> = ["2020.11", "2022.11", "2025.02"].into_iter().zip(answers).collect();
            assert_eq!(over_versions(&builds), short, "{answers:?}");
        }
    }

    #[test]
    fn versions_are_numbers() {
        let mut versions = ["2025.02-8+deb13u10", "2020.11-2", "2025.02-8+deb13u9", "2025.2", "edk2-stable9"];
        versions.sort_by(|one, other| by_version(one, other));
        assert_eq!(
            versions,
            ["edk2-stable9", "2020.11-2", "2025.2", "2025.02-8+deb13u9", "2025.02-8+deb13u10"]
        );
    }

    #[test]
    fn a_feature_of_the_sample_is_relied_on_by_build() {
        let results = crate::sample::results();
        let matrix = crate::matrix::Matrix::of(&results);
        let scenarios = matrix.areas.iter().flat_map(|area| &area.scenarios);
        let said: Vec<_> = scenarios
            .filter(|scenario| !levels(scenario).is_empty())
            .map(|scenario| {
                let answers: Vec<_> =
                    (0..matrix.columns.len()).map(|column| Answer::of(scenario, column)).collect();
                let words: Vec<_> = answers.iter().map(|answer| answer.word()).collect();
                format!("{}: {} | {}", scenario.id, words.join(", "), in_short(&matrix.columns, &answers))
            })
            .collect();
        insta::assert_snapshot!(said.join("\n"));
    }
}
