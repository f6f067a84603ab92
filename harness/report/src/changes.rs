//! What became of an earlier run's cells: regressions, fixes, other causes, cells that came or went.

use crate::words;
use record::{CellResult, Results, Verdict};
use std::collections::{HashMap, HashSet};

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
    /// The earlier result.
    pub before: Option<&'a CellResult>,
    /// The later result.
    pub after: Option<&'a CellResult>,
}

impl<'a> Changed<'a> {
    /// The cell's id.
    pub fn id(&self) -> &'a str {
        self.after.or(self.before).map_or("", |cell| cell.id.as_str())
    }
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
    pub fn between(before: &'a Results, after: &'a Results) -> Self {
        let measured = |cell: &&CellResult| cell.verdict != Verdict::Error;
        let of = |results: &'a Results| results.cells.iter().filter(measured);
        let earlier: HashMap<&str, &CellResult> = of(before).map(|cell| (cell.id.as_str(), cell)).collect();
        let later: HashSet<&str> = of(after).map(|cell| cell.id.as_str()).collect();
        let now = of(after).map(|cell| (earlier.get(cell.id.as_str()).copied(), Some(cell)));
        let gone = of(before).filter(|cell| !later.contains(cell.id.as_str())).map(|cell| (Some(cell), None));

        let mut changes = Self { cells: Vec::new(), same: 0 };
        for (before, after) in now.chain(gone) {
            match change(before, after) {
                Some(change) => changes.cells.push(Changed { change, before, after }),
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
}

fn change(before: Option<&CellResult>, after: Option<&CellResult>) -> Option<Change> {
    match (before, after) {
        (None, None) => None,
        (Some(_), None) => Some(Change::Vanished),
        (None, Some(after)) if is_bad(after) => Some(Change::Regression),
        (None, Some(_)) => Some(Change::New),
        (Some(before), Some(after)) => match (is_bad(before), is_bad(after)) {
            (false, true) => Some(Change::Regression),
            (true, false) => Some(Change::Fix),
            _ if what(before) == what(after) => None,
            (true, true) => Some(Change::OtherCause),
            (false, false) => Some(Change::OtherWay),
        },
    }
}

/// Whether somebody has to do something about it.
fn is_bad(cell: &CellResult) -> bool {
    matches!(cell.verdict, Verdict::Fail | Verdict::Xpass) || cell.flaky
}

fn what(cell: &CellResult) -> impl PartialEq + '_ {
    (cell.verdict, cell.flaky, cell.outcome, cell.stage, cell.cause.as_deref())
}

/// `pass, boots`, or `fail, refuses at get: http.media-type-unknown`.
pub(crate) fn said(cell: &CellResult) -> String {
    let mut text = cell.verdict.to_string();
    if let Some(happened) = words::happened(cell) {
        text.push_str(&format!(", {happened}"));
    }
    if let Some(cause) = &cell.cause {
        text.push_str(&format!(": {cause}"));
    }
    text
}
