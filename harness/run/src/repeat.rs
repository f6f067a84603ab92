//! A cell that runs several times: the first run gives the verdict, the others have to do the same.

use crate::transcript::Transcript;
use record::{CellResult, Repeats};

/// Characters of a transcript's line in a sentence.
const EXCERPT: usize = 120;

/// One run of a cell.
pub(crate) struct Run {
    pub result: CellResult,
    /// Absent if nothing can be said of the firmware.
    pub transcript: Option<Transcript>,
}

/// The runs of one cell.
pub(crate) struct Runs {
    wanted: u32,
    first: Option<Run>,
    /// Runs that ended before the first.
    early: Vec<(u32, Run)>,
    taken: u32,
    /// Runs in which a guest was wanted: not those of firmware whose control failed.
    ran: u32,
    attempts: u32,
    seconds: f64,
    differing: u32,
    /// The first difference in words.
    example: Option<(u32, String)>,
}

impl Runs {
    /// A cell that is going to run `wanted` times.
    pub fn new(wanted: u32) -> Self {
        Self {
            wanted,
            first: None,
            early: Vec::new(),
            taken: 0,
            ran: 0,
            attempts: 0,
            seconds: 0.0,
            differing: 0,
            example: None,
        }
    }

    /// Takes a run by its number. Returns the directories of evidence that shows nothing else than the first run's.
    pub fn take(&mut self, number: u32, run: Run) -> Vec<String> {
        self.taken += 1;
        self.ran += u32::from(run.result.attempts > 0);
        self.attempts += run.result.attempts;
        self.seconds += run.result.wall_seconds;
        match number {
            1 => self.first = Some(run),
            _ => self.early.push((number, run)),
        }
        let Some(first) = &self.first else { return Vec::new() };
        let mut superfluous = Vec::new();
        for (number, run) in self.early.drain(..) {
            match difference(first, &run) {
                None => superfluous.extend(run.result.evidence.map(|evidence| evidence.directory)),
                Some(how) => {
                    self.differing += 1;
                    let place = run.result.evidence.map(|evidence| format!(" ({})", evidence.directory));
                    let how = format!("{how}{}", place.unwrap_or_default());
                    self.example.get_or_insert((number, how));
                }
            }
        }
        superfluous
    }

    /// The cell's result, once all runs have been taken.
    pub fn result(&mut self) -> Option<CellResult> {
        if self.taken < self.wanted {
            return None;
        }
        let mut result = self.first.take()?.result;
        result.attempts = self.attempts;
        result.wall_seconds = self.seconds;
        if self.wanted > 1 && self.ran > 0 {
            result.repeats = Some(Repeats { runs: self.ran, differing: self.differing });
        }
        if let Some((number, how)) = self.example.take() {
            result.flaky = true;
            let (differing, others) = (self.differing, self.taken - 1);
            result.detail.push_str(&format!(
                " Flaky: {differing} of {others} repeats did not do the same; run {number}: {how}."
            ));
        }
        Some(result)
    }
}

/// In what `other` differs from `first`, if in anything that must be the same.
fn difference(first: &Run, other: &Run) -> Option<String> {
    let said = |run: &Run| {
        let CellResult { verdict, outcome, stage, cause, .. } = &run.result;
        (*verdict, *outcome, *stage, cause.clone())
    };
    if said(first) != said(other) {
        let (verdict, outcome, stage, cause) = said(other);
        return Some(match (outcome, stage) {
            (Some(outcome), Some(stage)) => {
                let cause = cause.map(|cause| format!(" ({cause})")).unwrap_or_default();
                format!("{verdict}, {outcome} at {stage}{cause}")
            }
            _ => format!("{verdict}, {}", other.result.detail),
        });
    }
    let (first, other) = (first.transcript.as_ref()?, other.transcript.as_ref()?);
    let line = first.first_difference(other)?;
    let excerpt: String = match other.lines.get(line) {
        Some(line) => line.chars().take(EXCERPT).collect(),
        None => "nothing more".into(),
    };
    Some(format!("its transcript differs from line {} on, {excerpt}", line + 1))
}
