//! What deviates, grouped by cause: the same refusal on three builds at five parameter points is one finding.

use crate::{matrix, words};
use record::{CellResult, Results, Verdict};
use std::collections::HashMap;

/// Cells with one verdict and one cause.
pub(crate) struct Finding<'a> {
    pub verdict: Verdict,
    /// Whether the firmware took what it must refuse for the sake of security.
    pub security: bool,
    /// `refuses at get`; absent if nothing can be said of the firmware.
    pub happened: Option<String>,
    pub cause: Option<&'a str>,
    /// The cause in one sentence, as the first of the cells says it.
    pub detail: &'a str,
    pub points: Vec<Point<'a>>,
}

/// One parameter point of a finding.
pub(crate) struct Point<'a> {
    pub id: &'a str,
    /// One cell per build, in the order of the run.
    pub cells: Vec<&'a CellResult>,
}

/// Every verdict that is worth a list, the most urgent first.
pub(crate) const LISTED: &[Verdict] =
    &[Verdict::Fail, Verdict::Xpass, Verdict::Error, Verdict::Xfail, Verdict::Unsupported];

impl<'a> Finding<'a> {
    /// The findings with `verdict`: those of security first, then those that touch most cells.
    pub fn of(results: &'a Results, verdict: Verdict) -> Vec<Self> {
        let mut findings: Vec<Self> = Vec::new();
        let mut finding_of: HashMap<_, usize> = HashMap::new();
        let mut point_of: HashMap<(usize, &str), usize> = HashMap::new();
        for cell in results.cells.iter().filter(|cell| cell.verdict == verdict) {
            // Without an outcome the sentence is all there is to tell two errors apart.
            let sentence = cell.outcome.is_none().then_some(cell.detail.as_str());
            let security = words::is_security(cell);
            let key = (cell.outcome, cell.stage, cell.cause.as_deref(), sentence, cell.flaky, security);
            let at = *finding_of.entry(key).or_insert_with(|| {
                findings.push(Self {
                    verdict,
                    security,
                    happened: words::happened(cell),
                    cause: cell.cause.as_deref(),
                    detail: &cell.detail,
                    points: Vec::new(),
                });
                findings.len() - 1
            });
            let id = matrix::point(cell);
            let points = &mut findings[at].points;
            let at = *point_of.entry((at, id)).or_insert_with(|| {
                points.push(Point { id, cells: Vec::new() });
                points.len() - 1
            });
            points[at].cells.push(cell);
        }
        findings.sort_by_key(|finding| std::cmp::Reverse((finding.security, finding.cells())));
        findings
    }

    /// How many cells it touches.
    pub fn cells(&self) -> usize {
        self.points.iter().map(|point| point.cells.len()).sum()
    }

    /// How many builds it touches.
    pub fn builds(&self) -> usize {
        let mut builds: Vec<_> =
            self.points.iter().flat_map(|point| &point.cells).map(|cell| &cell.firmware).collect();
        builds.sort_unstable();
        builds.dedup();
        builds.len()
    }

    /// What happened in few words, `refuses at get: http.media-type-unknown`, and the sentence that explains it, if
    /// the sentence is not all there is.
    pub fn summary(&self) -> (String, Option<&'a str>) {
        match (&self.happened, self.cause) {
            (Some(happened), Some(cause)) => (format!("{happened}: {cause}"), Some(self.detail)),
            (Some(happened), None) => (happened.clone(), Some(self.detail)),
            (None, Some(cause)) => (cause.to_owned(), Some(self.detail)),
            (None, None) => (self.detail.to_owned(), None),
        }
    }
}

impl<'a> Point<'a> {
    /// The cell that speaks for the point.
    pub fn first(&self) -> &'a CellResult {
        self.cells.first().expect("invariant: a point is made from a cell")
    }

    /// The builds, in the order of the run.
    pub fn builds(&self) -> Vec<&'a str> {
        self.cells.iter().map(|cell| cell.firmware.as_str()).collect()
    }
}

/// What a list of findings is called, and what a reader does about it.
pub(crate) const fn heading(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Pass => ("As expected", ""),
        Verdict::Fail => ("Deviations", "Not as the cited clause says. Each cell has its capture."),
        Verdict::Xpass => (
            "Stale waivers",
            "These cells pass although a waiver says otherwise. Remove the waiver, or narrow its versions.",
        ),
        Verdict::Error => (
            "Errors",
            "Our infrastructure failed; this says nothing about the firmware. Mend the cause (plugfest doctor checks this host), then run these cells again.",
        ),
        Verdict::Xfail => ("Known deviations", "Waived for these builds, with a reason."),
        Verdict::Unsupported => {
            ("Unsupported", "A capability that the scenario needs is missing, and that was checked.")
        }
    }
}
