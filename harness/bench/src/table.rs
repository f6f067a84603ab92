//! The figures for people.

use crate::figures::{Figures, KindFigures, MemoryFigures, ModeFigures, Phase, Throughput};
use std::fmt::{self, Display, Formatter, Write};

/// All tables.
pub fn render(figures: &Figures) -> String {
    let mut text = String::new();
    let host = &figures.host;
    let _ = writeln!(text, "{}, {} processors, QEMU {}, TCG", host.processor, host.processors, host.qemu);
    let _ =
        writeln!(text, "{}; load {} before, {} after", figures.firmware, host.load_before, host.load_after);
    for kind in &figures.kinds {
        let _ = writeln!(text, "\n{}", comparison(kind, figures));
    }
    if !figures.phases.is_empty() {
        let title = "Where the time of a warm cell that boots goes (medians)";
        let _ = writeln!(text, "\n{title}\n{}", phases(&figures.phases));
    }
    if let Some(starts) = &figures.starts {
        let (qemu, restore) = (millis(starts.qemu_seconds), millis(starts.restore_seconds));
        let _ = writeln!(text, "Alone: QEMU's start {qemu}, restore {restore}.");
    }
    if let Some(figures) = &figures.memory {
        let _ = writeln!(text, "\n{}", memory(figures));
    }
    if !figures.throughput.is_empty() {
        let _ = writeln!(
            text,
            "\nA large payload, from GET until the firmware starts it\n{}",
            throughput(&figures.throughput)
        );
    }
    text
}

fn comparison(kind: &KindFigures, figures: &Figures) -> String {
    let mut table = table(&["", "warm + virtual", "cold + real", "ratio"]);
    let (warm, cold) = (&kind.warm, &kind.cold);
    let mut row = |name: &str, show: &dyn Fn(&ModeFigures) -> String, ratio: String| {
        table.add_row([name.to_owned(), show(warm), show(cold), ratio]);
    };
    row("cell, median", &|mode| seconds(mode.median_seconds), times(kind.speed_up()));
    row(
        "cells per second (jobs)",
        &|mode| format!("{:.2} ({})", mode.cells_per_second, mode.jobs),
        times(kind.rate_ratio()),
    );
    let (warm_cpu, cold_cpu) = (warm.guest_cpu_seconds, cold.guest_cpu_seconds);
    row("QEMU's CPU per cell", &|mode| seconds(mode.guest_cpu_seconds), times(cold_cpu / warm_cpu));
    let harness = |mode: &ModeFigures| {
        format!("{} = {:.1} %", seconds(mode.harness_cpu_seconds), 100.0 * mode.harness_share())
    };
    row("harness's CPU per cell", &harness, String::new());
    let evidence = |mode: &ModeFigures| {
        format!(
            "{} (most {})",
            kib(mode.evidence_bytes / 1024.0),
            kib(mode.most_evidence_bytes as f64 / 1024.0)
        )
    };
    row("evidence per cell", &evidence, String::new());
    row("measured", &|mode| format!("{} cells", mode.cells), String::new());
    row("of them tried again", &|mode| mode.tried_again.to_string(), String::new());
    format!("{} {}, {} rounds\n{table}", kind.cells.len(), kind.kind, figures.rounds)
}

fn phases(phases: &[Phase]) -> String {
    let total: f64 = phases.iter().map(|phase| phase.median_seconds).sum();
    let mut table = table(&["", "", "of all"]);
    for Phase { name, median_seconds } in phases {
        table.add_row([
            (*name).to_owned(),
            millis(*median_seconds),
            format!("{:.0} %", 100.0 * median_seconds / total),
        ]);
    }
    table.add_row(["sum".to_owned(), millis(total), String::new()]);
    table.to_string()
}

fn memory(memory: &MemoryFigures) -> String {
    let mut table = table(&["Memory, the most seen", "PSS", "private", "RSS"]);
    let mib = |kib: u64| format!("{:.0} MiB", kib as f64 / 1024.0);
    table.add_row(["harness".to_owned(), mib(memory.harness_pss), String::new(), String::new()]);
    table.add_row([
        format!("one QEMU, guest of {} MiB", memory.guest_mib),
        mib(memory.qemu_pss),
        mib(memory.qemu_private),
        mib(memory.qemu_rss),
    ]);
    format!("{table}\n{} samples of running QEMUs", memory.samples)
}

fn throughput(paths: &[Throughput]) -> String {
    let mut table = table(&["", "MB/s", "time", "harness's CPU", "QEMU's CPU"]);
    let mut notes = String::new();
    for path in paths {
        let rate = path.megabytes_per_second().map_or("-".to_owned(), |rate| format!("{rate:.1}"));
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), seconds);
        table.add_row([
            path.path.to_owned(),
            rate,
            shown(path.seconds),
            shown(path.harness_cpu_seconds),
            shown(path.guest_cpu_seconds),
        ]);
        if !path.note.is_empty() {
            let _ = write!(notes, "\n{}: {}", path.path, path.note);
        }
    }
    format!("{table}{notes}")
}

/// Columns without borders: the first to the left, the others to the right.
struct Table(Vec<Vec<String>>);

fn table(header: &[&str]) -> Table {
    Table(vec![header.iter().map(|text| (*text).to_owned()).collect()])
}

impl Table {
    fn add_row<const N: usize>(&mut self, row: [String; N]) {
        self.0.push(row.into());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let columns = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.0
                .iter()
                .filter_map(|row| row.get(column))
                .map(|text| text.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.0.iter().enumerate() {
            let mut line = String::new();
            for (column, (text, width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0 => write!(line, "  {text:<width$}")?,
                    _ => write!(line, "   {text:>width$}")?,
                }
            }
            let newline = if number == 0 { "" } else { "\n" };
            write!(f, "{newline}{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.3} s")
}

fn millis(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1000.0)
}

fn times(ratio: f64) -> String {
    format!("{ratio:.1} x")
}

fn kib(kib: f64) -> String {
    format!("{kib:.1} KiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Host, Starts};

    #[test]
    fn every_figure_is_shown() {
        let mode = |seconds: f64, rate| ModeFigures {
            jobs: 2,
            cells: 60,
            tried_again: 1,
            median_seconds: seconds,
            cells_per_second: rate,
            harness_cpu_seconds: 0.02,
            guest_cpu_seconds: seconds * 0.9,
            evidence_bytes: 12345.0,
            most_evidence_bytes: 54321,
        };
        let path = |path, seconds, note: &str| Throughput {
            path,
            bytes: 256 << 20,
            seconds,
            harness_cpu_seconds: seconds.map(|seconds| seconds / 3.0),
            guest_cpu_seconds: seconds,
            note: note.into(),
        };
        let figures = Figures {
            host: Host {
                processor: "Example CPU".into(),
                processors: 2,
                qemu: "10.0.2".into(),
                load_before: "0.10 0.20 0.30".into(),
                load_after: "2.00 1.00 0.50".into(),
            },
            firmware: "ovmf-x64-sid 2026.08".into(),
            rounds: 3,
            kinds: vec![KindFigures {
                kind: "cells that boot",
                cells: vec!["a/b@c".into(), "a/d@c".into()],
                warm: mode(0.25, 7.5),
                cold: mode(7.0, 0.25),
            }],
            phases: vec![
                Phase { name: "get a machine", median_seconds: 0.05 },
                Phase { name: "guest, until it sends REQUEST", median_seconds: 0.15 },
            ],
            starts: Some(Starts { qemu_seconds: 0.065, restore_seconds: 0.012 }),
            memory: Some(MemoryFigures {
                guest_mib: 256,
                harness_pss: 20 << 10,
                qemu_pss: 90 << 10,
                qemu_private: 80 << 10,
                qemu_rss: 120 << 10,
                samples: 1234,
            }),
            throughput: vec![path("one way", Some(4.0), ""), path("another", None, "it broke")],
        };
        insta::assert_snapshot!(render(&figures));
    }
}
