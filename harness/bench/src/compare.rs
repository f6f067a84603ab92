//! The same cells warm and cold, in turns.

use crate::batch::{self, Batch, BatchError, Measured, Setup};
use crate::figures::{KindFigures, MemoryFigures, ModeFigures, Phase, median};
use crate::usage::{Peak, Sampler};
use firmware::Firmware;
use record::{ClockMode, Outcome};
use run::{Cell, QemuGuests, QemuOptions, Qemus};
use std::path::PathBuf;
use std::time::Duration;

/// Copies of each cell in a warm batch: it then lasts about as long as a cold one.
const WARM_COPIES: usize = 10;
/// How often memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(10);
/// A cell that does not boot and takes this much guest time after its first frame has waited for a timer of the
/// firmware's, not for an answer.
const LONG_WAIT: Duration = Duration::from_secs(45);

/// What to compare, and on what.
pub struct Comparison {
    /// The cells, all of `firmware`.
    pub cells: Vec<Cell>,
    /// One build.
    pub firmware: Firmware,
    /// QEMU.
    pub qemus: Qemus,
    /// Where snapshots are.
    pub cache: PathBuf,
    /// Cells at the same time, unless as many as a run has by default.
    pub jobs: Option<usize>,
    /// How often each batch is run.
    pub rounds: usize,
    /// Seed of nonces and entropy.
    pub seed: u64,
}

/// What came out.
pub struct Compared {
    /// By what the cells end in.
    pub kinds: Vec<KindFigures>,
    /// Of a warm cell that boots; empty if none does.
    pub phases: Vec<Phase>,
    /// Of warm cells.
    pub memory: MemoryFigures,
}

/// What a cell ends in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boots,
    Waits,
    Other,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Boots, Self::Waits, Self::Other];

    fn of(measured: &Measured) -> Self {
        match measured.outcome {
            Some(Outcome::Boots) => Self::Boots,
            _ if measured.life.attempt >= LONG_WAIT => Self::Waits,
            _ => Self::Other,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Boots => "cells that boot",
            Self::Waits => "cells that wait out a guest timeout",
            Self::Other => "other cells",
        }
    }
}

impl Comparison {
    /// Runs everything; `say` gets a line before each batch.
    pub async fn run(&self, mut say: impl FnMut(&str)) -> Result<Compared, BatchError> {
        say("once warm, to take the snapshot, to see which cell ends in what, and to look at memory");
        self.batch(&self.cells, 1, false).await?;
        let sampler = Sampler::start(SAMPLE_EVERY);
        let tried = self.batch(&self.cells, 2, false).await;
        let peak = sampler.finish();
        let tried = tried?;

        let mut kinds = Vec::new();
        let mut booting = Vec::new();
        for kind in Kind::ALL {
            let of_kind = |cell: &&Cell| {
                let is_copy = |measured: &&Measured| measured.id == batch::numbered(cell, 0).id;
                tried.cells.iter().find(is_copy).is_some_and(|measured| Kind::of(measured) == kind)
            };
            let cells: Vec<Cell> = self.cells.iter().filter(of_kind).cloned().collect();
            if cells.is_empty() {
                continue;
            }
            let (mut warm, mut cold) = (Vec::new(), Vec::new());
            for round in 1..=self.rounds {
                let what = format!("round {round} of {}: {} {}", self.rounds, cells.len(), kind.words());
                say(&format!("{what}, warm, {WARM_COPIES} times"));
                warm.push(self.batch(&cells, WARM_COPIES, false).await?);
                say(&format!("{what}, cold"));
                cold.push(self.batch(&cells, 1, true).await?);
            }
            if kind == Kind::Boots {
                booting.extend(warm.iter().flat_map(|batch| batch.cells.clone()));
            }
            kinds.push(KindFigures {
                kind: kind.words(),
                cells: cells.iter().map(|cell| cell.id.clone()).collect(),
                warm: mode_figures(&warm, self.jobs(ClockMode::Virtual)),
                cold: mode_figures(&cold, self.jobs(ClockMode::Real)),
            });
        }
        Ok(Compared { kinds, phases: phases(&booting), memory: self.memory(peak) })
    }

    async fn batch(&self, cells: &[Cell], copies: usize, cold: bool) -> Result<Batch, BatchError> {
        let clock = if cold { ClockMode::Real } else { ClockMode::Virtual };
        let options = QemuOptions {
            clock,
            // The same processor for both: the virtual clock needs TCG.
            accel: machine::Accel::Tcg,
            cold,
            seed: self.seed,
            cache: self.cache.clone(),
            recording: None,
        };
        let guests = QemuGuests::new(self.qemus.clone(), options, |note| eprintln!("bench: {note}"));
        let setup = Setup { jobs: self.jobs(clock), clock, seed: self.seed };
        batch::run(cells, std::slice::from_ref(&self.firmware), copies, guests, &setup).await
    }

    fn jobs(&self, clock: ClockMode) -> usize {
        self.jobs.unwrap_or_else(|| run::default_jobs(clock))
    }

    fn memory(&self, peak: Peak) -> MemoryFigures {
        let spec = self.firmware.family.machine(self.firmware.architecture);
        MemoryFigures {
            guest_mib: spec.map_or(0, |spec| spec.memory_mib),
            harness_pss: peak.own.pss,
            qemu_pss: peak.guest.pss,
            qemu_private: peak.guest.private,
            qemu_rss: peak.guest.rss,
            samples: peak.samples,
        }
    }
}

fn mode_figures(batches: &[Batch], jobs: usize) -> ModeFigures {
    let cells: Vec<&Measured> = batches.iter().flat_map(|batch| &batch.cells).collect();
    let each = |total: f64| total / cells.len().max(1) as f64;
    ModeFigures {
        jobs,
        cells: cells.len(),
        tried_again: cells.iter().filter(|measured| measured.attempts > 1).count(),
        median_seconds: median(cells.iter().map(|measured| measured.wall_seconds).collect()),
        cells_per_second: median(
            batches.iter().map(|batch| batch.cells.len() as f64 / batch.wall.as_secs_f64()).collect(),
        ),
        harness_cpu_seconds: each(batches.iter().map(|batch| batch.cpu.own).sum()),
        guest_cpu_seconds: each(batches.iter().map(|batch| batch.cpu.guests).sum()),
        evidence_bytes: each(batches.iter().map(|batch| batch.evidence as f64).sum()),
        most_evidence_bytes: batches.iter().map(|batch| batch.most_evidence).max().unwrap_or(0),
    }
}

/// Where the time of these cells goes. Those that skipped a step or were tried again are left out.
fn phases(cells: &[Measured]) -> Vec<Phase> {
    let mut rows: Vec<[f64; 8]> = Vec::new();
    for Measured { attempts, wall_seconds, life, .. } in cells {
        let reached: Option<Vec<Duration>> = life.reached.iter().copied().collect();
        let Some(reached) = reached.filter(|_| *attempts == 1) else { continue };
        let [request, head, get, proof] = reached[..] else { continue };
        let at = [Duration::ZERO, life.started, request, head, get, proof, life.dropped, life.gone];
        let mut row = [0.0; 8];
        for (part, pair) in row.iter_mut().zip(at.windows(2)) {
            *part = pair[1].saturating_sub(pair[0]).as_secs_f64();
        }
        row[7] = (wall_seconds - life.gone.as_secs_f64()).max(0.0);
        rows.push(row);
    }
    if rows.is_empty() {
        return Vec::new();
    }
    const NAMES: [&str; 8] = [
        "get a machine: QEMU's start unless one waits, and the restore",
        "guest, until it sends REQUEST",
        "guest, until it sends HEAD",
        "guest, until it sends GET",
        "guest, until the image proves that it runs",
        "write evidence, judge",
        "end QEMU",
        "anything else: build the network, open the files",
    ];
    NAMES
        .iter()
        .enumerate()
        .map(|(part, name)| Phase {
            name,
            median_seconds: median(rows.iter().map(|row| row[part]).collect()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::Cpu;
    use crate::watched::Life;

    fn measured(outcome: Outcome, attempts: u32, wall_seconds: f64, life: Life) -> Measured {
        Measured { id: "a/b@c".into(), outcome: Some(outcome), attempts, wall_seconds, life }
    }

    fn life(millis: [u64; 7]) -> Life {
        let [started, request, head, get, proof, dropped, gone] = millis.map(Duration::from_millis);
        let reached = [request, head, get, proof].map(Some);
        Life { started, reached, dropped, gone, attempt: Duration::from_secs(4) }
    }

    #[test]
    fn a_cell_is_what_it_ends_in() {
        let waited = Life { attempt: Duration::from_secs(60), ..Life::default() };
        assert!(Kind::of(&measured(Outcome::Boots, 1, 1.0, waited)) == Kind::Boots);
        assert!(Kind::of(&measured(Outcome::GivesUp, 1, 1.0, waited)) == Kind::Waits);
        assert!(Kind::of(&measured(Outcome::GivesUp, 1, 1.0, Life::default())) == Kind::Other);
        assert!(Kind::of(&measured(Outcome::Refuses, 1, 1.0, Life::default())) == Kind::Other);
    }

    #[test]
    fn the_parts_of_a_cell_add_up_to_it() {
        let cell = measured(Outcome::Boots, 1, 0.5, life([10, 110, 210, 220, 300, 310, 330]));
        let again = measured(Outcome::Boots, 2, 9.0, life([9000; 7]));
        let parts = phases(&[cell.clone(), again]);
        let millis: Vec<u64> =
            parts.iter().map(|part| (part.median_seconds * 1000.0).round() as u64).collect();
        assert_eq!(millis, [10, 100, 100, 10, 80, 10, 20, 170]);
        assert_eq!(millis.iter().sum::<u64>(), 500);
        let mut no_head = cell;
        no_head.life.reached[1] = None;
        assert!(phases(&[no_head]).is_empty());
    }

    #[test]
    fn costs_are_per_cell_and_rates_per_batch() {
        let batch = |wall, seconds: &[f64]| Batch {
            cells: seconds.iter().map(|s| measured(Outcome::Boots, 1, *s, Life::default())).collect(),
            wall: Duration::from_secs(wall),
            cpu: Cpu { own: 0.2, guests: 1.8 },
            evidence: 3000,
            most_evidence: wall * 1000,
        };
        let figures = mode_figures(&[batch(1, &[1.0, 2.0]), batch(4, &[3.0, 9.0])], 2);
        assert_eq!((figures.cells, figures.median_seconds, figures.cells_per_second), (4, 2.5, 1.25));
        assert_eq!((figures.harness_cpu_seconds, figures.guest_cpu_seconds), (0.1, 0.9));
        assert_eq!((figures.evidence_bytes, figures.most_evidence_bytes), (1500.0, 4000));
        assert!((figures.harness_share() - 0.1).abs() < 1e-9);
    }
}
