//! Which cell runs next: those that others wait for before all others, and otherwise the longest first, so that no long one
//! is left over for the end while processors stand idle.

use crate::{Cell, Plan};
use record::{CellResult, Outcome};
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};

/// Host seconds that a cell is expected to take.
#[derive(Clone, Debug, Default)]
pub struct Costs(HashMap<String, f64>);

impl Costs {
    /// What the cells of an earlier run took; those that could not be measured tell nothing.
    pub fn of(results: &[CellResult]) -> Self {
        let measured = results.iter().filter(|cell| cell.outcome.is_some());
        let each =
            |cell: &CellResult| cell.wall_seconds / cell.repeats.map_or(1.0, |r| f64::from(r.runs.max(1)));
        Self(measured.map(|cell| (cell.id.clone(), each(cell))).collect())
    }

    fn expected(&self, cell: &Cell) -> f64 {
        self.0.get(&cell.id).copied().unwrap_or_else(|| guess(cell))
    }
}

/// Seconds by what a conforming client does (measured from snapshots on the virtual clock; only the order matters):
/// timeouts take longest.
fn guess(cell: &Cell) -> f64 {
    let of = |outcome: &Outcome| match outcome {
        Outcome::Hangs => 3.0,
        Outcome::GivesUp => 1.7,
        Outcome::Crashes => 0.6,
        Outcome::Refuses => 0.4,
        Outcome::Boots => 0.3,
    };
    // A row that only observes is about something that is not clear: it may end in a timeout.
    cell.expected.outcome.iter().map(of).max_by(f64::total_cmp).unwrap_or(1.0)
}

/// One run of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// Index into the plan's cells.
    pub cell: usize,
    /// 1 for the first run, which decides the verdict.
    pub run: u32,
}

/// The tasks that have not been taken.
pub(crate) struct Queue {
    ready: BinaryHeap<Ranked>,
    /// Those that wait for another cell, by that cell.
    waiting: HashMap<usize, Vec<Ranked>>,
}

/// Greater means earlier.
struct Ranked {
    task: Task,
    awaited: bool,
    seconds: f64,
}

impl Queue {
    /// All runs of the cells of `plan`, `runs` of each, that `is_done` does not exclude.
    pub fn new(plan: &Plan, runs: u32, costs: &Costs, is_done: impl Fn(usize) -> bool) -> Self {
        let mut queue = Self { ready: BinaryHeap::new(), waiting: HashMap::new() };
        for (index, cell) in plan.cells.iter().enumerate().filter(|(index, _)| !is_done(*index)) {
            let gate = plan.gates(index).filter(|gate| !is_done(*gate)).last();
            for run in 1..=runs {
                let awaited = run == 1 && (cell.control || cell.probes().is_some());
                let ranked =
                    Ranked { task: Task { cell: index, run }, awaited, seconds: costs.expected(cell) };
                match gate {
                    Some(gate) => queue.waiting.entry(gate).or_default().push(ranked),
                    // The other runs of a control wait for its first.
                    None if cell.control && !awaited => {
                        queue.waiting.entry(index).or_default().push(ranked);
                    }
                    None => queue.ready.push(ranked),
                }
            }
        }
        queue
    }

    /// Takes the next task, if one is ready.
    pub fn pop(&mut self) -> Option<Task> {
        self.ready.pop().map(|ranked| ranked.task)
    }

    /// The first run of the cell at `index` has been made: what waited for it goes on.
    pub fn release(&mut self, index: usize) {
        self.ready.extend(self.waiting.remove(&index).into_iter().flatten());
    }

    /// Gives up all cells but those for which `keep` says true; returns whether there were others.
    pub fn drop_all_but(&mut self, keep: impl Fn(usize) -> bool) -> bool {
        let before = self.len();
        self.ready.retain(|ranked| keep(ranked.task.cell));
        for waiting in self.waiting.values_mut() {
            waiting.retain(|ranked| keep(ranked.task.cell));
        }
        self.len() < before
    }

    fn len(&self) -> usize {
        self.ready.len() + self.waiting.values().map(Vec::len).sum::<usize>()
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |ranked: &Self| (Reverse(ranked.task.cell), Reverse(ranked.task.run));
        (self.awaited.cmp(&other.awaited))
            .then(self.seconds.total_cmp(&other.seconds))
            .then_with(|| place(self).cmp(&place(other)))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}
