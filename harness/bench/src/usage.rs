//! What this process and its guests use: processor time, and memory.

use rustix::process::{Pid, getpid};
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Processor time, user and system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cpu {
    /// Of this process, in seconds.
    pub own: f64,
    /// Of its children that have ended: the guests. In seconds.
    pub guests: f64,
}

impl Cpu {
    /// Until now.
    pub fn now() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        parse_stat(&stat, rustix::param::clock_ticks_per_second())
            .ok_or_else(|| io::Error::other(format!("/proc/self/stat is not as expected: {stat}")))
    }

    /// Used since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self { own: self.own - earlier.own, guests: self.guests - earlier.guests }
    }
}

/// Processor time of a process until now, in seconds; `None` if it is gone.
pub fn process_cpu(process: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    parse_stat(&stat, rustix::param::clock_ticks_per_second()).map(|cpu| cpu.own)
}

/// utime, stime, cutime and cstime are fields 14 to 17 (proc(5)); the second may hold anything, in parentheses.
fn parse_stat(stat: &str, ticks_per_second: u64) -> Option<Cpu> {
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> =
        rest.split_whitespace().skip(11).take(4).map(|field| field.parse().ok()).collect::<Option<_>>()?;
    let [user, system, guests_user, guests_system] = ticks[..] else { return None };
    let seconds = |ticks: u64| ticks as f64 / ticks_per_second as f64;
    Some(Cpu { own: seconds(user + system), guests: seconds(guests_user + guests_system) })
}

/// Memory of a process in KiB, as `smaps_rollup` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident.
    pub rss: u64,
    /// Resident, with what several processes share divided among them.
    pub pss: u64,
    /// Resident and its own: what ending it gives back.
    pub private: u64,
}

impl Memory {
    /// Of a process, unless it has just ended.
    pub fn of(process: Pid) -> Option<Self> {
        parse_rollup(&fs::read_to_string(format!("/proc/{}/smaps_rollup", process.as_raw_nonzero())).ok()?)
    }

    /// The larger of each.
    fn max(self, other: Self) -> Self {
        Self {
            rss: self.rss.max(other.rss),
            pss: self.pss.max(other.pss),
            private: self.private.max(other.private),
        }
    }
}

fn parse_rollup(text: &str) -> Option<Memory> {
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some(Memory {
        rss: field("Rss")?,
        pss: field("Pss")?,
        private: field("Private_Clean")? + field("Private_Dirty")?,
    })
}

/// The most memory that was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peak {
    /// This process.
    pub own: Memory,
    /// The guest that used the most.
    pub guest: Memory,
    /// Samples of guests.
    pub samples: u64,
}

/// Looks at the memory of this process and of its children again and again, in a thread.
pub struct Sampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Peak>,
}

impl Sampler {
    /// Starts looking, each `every`.
    pub fn start(every: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut peak = Peak::default();
            while !stopped.load(Ordering::Relaxed) {
                peak.own = peak.own.max(Memory::of(getpid()).unwrap_or_default());
                for child in children() {
                    if let Some(memory) = Memory::of(child) {
                        peak.guest = peak.guest.max(memory);
                        peak.samples += 1;
                    }
                }
                std::thread::sleep(every);
            }
            peak
        });
        Self { stop, thread }
    }

    /// Stops looking.
    pub fn finish(self) -> Peak {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// The children of all threads of this process that have become what they were started for: until then, the memory that
/// they show is ours.
fn children() -> Vec<Pid> {
    let program = |process: &str| fs::read_link(format!("/proc/{process}/exe")).ok();
    let own = program("self");
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let numbers = lists.flat_map(|list| {
        list.split_whitespace().filter_map(|number| number.parse().ok()).collect::<Vec<i32>>()
    });
    let started = |number: &i32| program(&number.to_string()) != own;
    numbers.filter(started).filter_map(Pid::from_raw).collect()
}

/// Load averages of the last 1, 5 and 15 minutes, as the kernel prints them.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_move_the_fields() {
        let stat = "4242 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 1000 24 20 0 1 0 99";
        assert_eq!(parse_stat(stat, 100), Some(Cpu { own: 2.0, guests: 10.24 }));
        assert_eq!(parse_stat("4242 (a) S 1 2", 100), None);
    }

    #[test]
    fn a_child_that_was_busy_and_has_ended_counts_as_a_guest() {
        let before = Cpu::now().unwrap();
        let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        std::process::Command::new("sh").args(["-c", script]).status().unwrap();
        assert!(Cpu::now().unwrap().since(before).guests > 0.0);
    }

    #[test]
    fn memory_is_of_the_process_that_was_asked_for() {
        let text = "55a1-7ffd ---p 00000000 00:00 0 [rollup]\nRss:   1808 kB\nPss:    195 kB\nPss_Dirty:  116 kB\n\
                    Private_Clean:         4 kB\nPrivate_Dirty:       116 kB\n";
        assert_eq!(parse_rollup(text), Some(Memory { rss: 1808, pss: 195, private: 120 }));
        assert_eq!(parse_rollup("Rss: 1 kB"), None);
        let held = vec![1u8; 32 << 20];
        assert!(Memory::of(getpid()).unwrap().private > 32 << 10);
        drop(held);
    }

    #[test]
    fn the_sampler_sees_children() {
        let sampler = Sampler::start(Duration::from_millis(1));
        std::process::Command::new("sleep").arg("0.3").status().unwrap();
        let peak = sampler.finish();
        assert!(peak.samples > 0 && peak.guest.rss > 0 && peak.own.rss > peak.guest.rss, "{peak:?}");
    }
}
