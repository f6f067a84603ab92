//! What became of an earlier run's cells: regressions, fixes, other causes, cells that came or went.

use record::{Baseline, CellResult, Ended, Outcome, Results, Verdict};
use std::collections::HashSet;

/// What is different about a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Not as it should be, and it was, or it did not exist. This is what a gate asks about.
    Regression,
    /// As it should be, and it was not.
    Fix,
    /// Not as it should be, as before, but it ends elsewhere or for another reason.
    OtherCause,
    /// As it should be, as before, in another way: another verdict, outcome, stage or cause.
    OtherWay,
    /// It did not exist, and is as it should be.
    New,
    /// It has no result any more.
    Vanished,
}

impl Change {
    /// Every kind, the most urgent first.
    pub const ALL: [Self; 6] =
        [Self::Regression, Self::Fix, Self::OtherCause, Self::OtherWay, Self::New, Self::Vanished];

    /// A list's heading, and what a reader does about it.
    pub(crate) const fn heading(self) -> (&'static str, &'static str) {
        match self {
            Self::Regression => ("Regressions", "Not as expected now; as expected before, or new."),
            Self::Fix => ("Fixes", "As expected now, and not before."),
            Self::OtherCause => ("Changed causes", "Not as expected before and now, in different ways."),
            Self::OtherWay => ("Other ways to what is expected", "As expected before and now."),
            Self::New => ("New cells", "As expected; the earlier run did not have them."),
            Self::Vanished => (
                "Vanished cells",
                "The earlier run had them. A scenario that is gone finds nothing any more.",
            ),
        }
    }
}

/// A cell of two runs that is not the same in both. At least one of them is there.
#[derive(Clone, Copy, Debug)]
pub struct Changed<'a> {
    /// What is different.
    pub change: Change,
    /// The cell's id.
    pub id: &'a str,
    /// The earlier result.
    pub before: Option<&'a Ended>,
    /// The later result.
    pub after: Option<&'a CellResult>,
}

/// The differences between two runs.
#[derive(Clone, Debug)]
pub struct Changes<'a> {
    /// The changed cells, by kind, then in the order of the later run.
    pub cells: Vec<Changed<'a>>,
    /// How many cells are the same in both.
    pub same: usize,
}

impl<'a> Changes<'a> {
    /// What is different in `after`. Cells are the same if their ids are; an `error` on either side says nothing about a
    /// firmware, so such a cell counts as one without a result: nobody's regression, and nobody's fix.
    pub fn between(before: &'a Baseline, after: &'a Results) -> Self {
        let measured = |cell: &&CellResult| cell.verdict != Verdict::Error;
        let later = || after.cells.iter().filter(measured);
        let ids: HashSet<&str> = later().map(|cell| cell.id.as_str()).collect();
        let now = later().map(|cell| (cell.id.as_str(), before.cells.get(&cell.id), Some(cell)));
        let gone = before.cells.iter().filter(|(id, _)| !ids.contains(id.as_str()));
        let gone = gone.map(|(id, ended)| (id.as_str(), Some(ended), None));

        let mut changes = Self { cells: Vec::new(), same: 0 };
        for (id, before, after) in now.chain(gone) {
            match change(before, after.map(Ended::of).as_ref()) {
                Some(change) => changes.cells.push(Changed { change, id, before, after }),
                None => changes.same += 1,
            }
        }
        changes.cells.sort_by_key(|cell| cell.change);
        changes
    }

    /// The cells with this change.
    pub fn of(&self, change: Change) -> impl Iterator<Item = &Changed<'a>> {
        self.cells.iter().filter(move |cell| cell.change == change)
    }

    /// Whether anything is worse.
    pub fn regressed(&self) -> bool {
        self.of(Change::Regression).next().is_some()
    }
}

fn change(before: Option<&Ended>, after: Option<&Ended>) -> Option<Change> {
    match (before, after) {
        (None, None) => None,
        (Some(_), None) => Some(Change::Vanished),
        (None, Some(after)) if is_bad(after) => Some(Change::Regression),
        (None, Some(_)) => Some(Change::New),
        (Some(before), Some(after)) => match (is_bad(before), is_bad(after)) {
            (false, true) => Some(Change::Regression),
            (true, false) => Some(Change::Fix),
            _ if before == after => None,
            (true, true) => Some(Change::OtherCause),
            (false, false) => Some(Change::OtherWay),
        },
    }
}

/// Whether somebody has to do something about it.
fn is_bad(ended: &Ended) -> bool {
    matches!(ended.verdict, Verdict::Fail | Verdict::Xpass) || ended.flaky
}

/// `pass, boots`, or `fail, refuses at get: http.media-type-unknown`.
pub fn said(ended: &Ended) -> String {
    let mut text = ended.verdict.to_string();
    match (ended.outcome, ended.stage) {
        (Some(outcome), Some(stage)) if outcome != Outcome::Boots => {
            text.push_str(&format!(", {outcome} at {stage}"));
        }
        (Some(outcome), _) => text.push_str(&format!(", {outcome}")),
        (None, _) => {}
    }
    if ended.flaky {
        text.push_str(" (flaky)");
    }
    if let Some(cause) = &ended.cause {
        text.push_str(&format!(": {cause}"));
    }
    if !ended.violated.is_empty() {
        text.push_str(&format!(", violates {}", ended.violated.join(", ")));
    }
    text
}
