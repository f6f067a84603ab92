//! The figures that come out, for machines (`--json`) and for the tables.

use serde::Serialize;

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Where it was measured.
    pub host: Host,
    /// Firmware id and version.
    pub firmware: String,
    /// How often each batch was run.
    pub rounds: usize,
    /// The same cells warm and cold, by what they end in.
    pub kinds: Vec<KindFigures>,
    /// Where the time of a warm cell that boots goes.
    pub phases: Vec<Phase>,
    /// What the pool of waiting machines hides, each measured alone; absent without rounds.
    pub starts: Option<Starts>,
    /// Memory of warm cells; absent without rounds.
    pub memory: Option<MemoryFigures>,
    /// How fast a large payload gets into the guest.
    pub throughput: Vec<Throughput>,
}

/// The machine that the figures are of.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// Processor model, as the kernel names it.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// QEMU's version.
    pub qemu: String,
    /// Load averages (1, 5, 15 minutes) when it began.
    pub load_before: String,
    /// Load averages when it ended.
    pub load_after: String,
}

/// Cells that end alike.
#[derive(Clone, Debug, Serialize)]
pub struct KindFigures {
    /// What they end in.
    pub kind: &'static str,
    /// Ids of the cells.
    pub cells: Vec<String>,
    /// From a snapshot, on the virtual clock.
    pub warm: ModeFigures,
    /// From power-on, on the real clock.
    pub cold: ModeFigures,
}

impl KindFigures {
    /// How many times faster a warm cell is, by the medians.
    pub fn speed_up(&self) -> f64 {
        self.cold.median_seconds / self.warm.median_seconds
    }

    /// How many times more warm cells a second there are, with all jobs at work.
    pub fn rate_ratio(&self) -> f64 {
        self.warm.cells_per_second / self.cold.cells_per_second
    }
}

/// Cells in one mode.
#[derive(Clone, Debug, Serialize)]
pub struct ModeFigures {
    /// Cells at the same time.
    pub jobs: usize,
    /// Cells that were measured, all rounds together.
    pub cells: usize,
    /// Cells that had to be tried again: the host was too busy for them.
    pub tried_again: usize,
    /// Host seconds of one cell.
    pub median_seconds: f64,
    /// Cells a second, with all jobs at work; the median of the rounds.
    pub cells_per_second: f64,
    /// Processor seconds of the harness for one cell: everything that is not QEMU.
    pub harness_cpu_seconds: f64,
    /// Processor seconds of QEMU for one cell.
    pub guest_cpu_seconds: f64,
    /// Bytes of evidence of one cell, on average.
    pub evidence_bytes: f64,
    /// Bytes of evidence of the cell that has the most.
    pub most_evidence_bytes: u64,
}

impl ModeFigures {
    /// The harness's share of a cell's processor time, from 0 to 1.
    pub fn harness_share(&self) -> f64 {
        self.harness_cpu_seconds / (self.harness_cpu_seconds + self.guest_cpu_seconds)
    }
}

/// A part of a cell's host time.
#[derive(Clone, Debug, Serialize)]
pub struct Phase {
    /// What happens in it.
    pub name: &'static str,
    /// Median of its host seconds.
    pub median_seconds: f64,
}

/// Host seconds of starts, each the median of some, with nothing else running.
#[derive(Clone, Debug, Serialize)]
pub struct Starts {
    /// QEMU's start, until it waits for a snapshot.
    pub qemu_seconds: f64,
    /// The restore, until the guest could go on.
    pub restore_seconds: f64,
}

/// The most memory that was seen, in KiB.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryFigures {
    /// Memory of the guest.
    pub guest_mib: u32,
    /// Proportional set size of the harness.
    pub harness_pss: u64,
    /// Proportional set size of the QEMU that had the most.
    pub qemu_pss: u64,
    /// Private memory of the QEMU that had the most.
    pub qemu_private: u64,
    /// Resident set size of the QEMU that had the most.
    pub qemu_rss: u64,
    /// How often a QEMU was looked at.
    pub samples: u64,
}

/// A large payload on its way into a guest.
#[derive(Clone, Debug, Serialize)]
pub struct Throughput {
    /// Between whom.
    pub path: &'static str,
    /// Bytes of the payload.
    pub bytes: u64,
    /// Host seconds from GET until the image was there; absent if it never was.
    pub seconds: Option<f64>,
    /// Processor seconds of the harness; absent where it was not on the path.
    pub harness_cpu_seconds: Option<f64>,
    /// Processor seconds of QEMU; absent where there was none.
    pub guest_cpu_seconds: Option<f64>,
    /// What went wrong, or what has to be known.
    pub note: String,
}

impl Throughput {
    /// MB (10⁶ bytes) a second.
    pub fn megabytes_per_second(&self) -> Option<f64> {
        self.seconds.map(|seconds| self.bytes as f64 / 1e6 / seconds)
    }
}

/// The middle value; of an even number, the mean of the two in the middle. 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 100.0, 2.0]), 3.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
