//! Which processor a QEMU runs on.
//!
//! The threads of a QEMU on the virtual clock take turns, hundreds of times in a second of the guest. None of them gains
//! by a second processor, and waking the next one there costs more than what it then does, above all where the host is
//! itself a virtual machine: kept on one processor, a guest that waits costs half. So each such QEMU gets one, the one
//! with the fewest, and another when that leaves too few elsewhere.

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// The QEMUs of this process.
static PLACES: LazyLock<Mutex<Places>> = LazyLock::new(|| Mutex::new(Places::new(allowed())));

/// A QEMU's place on a processor, until it is dropped.
pub(crate) struct Place {
    pid: u32,
}

impl Place {
    /// Keeps all threads of process `pid` on the processor that has the fewest. Where the system does not allow it, they
    /// run as they did: it is only slower.
    pub fn take(pid: u32) -> Self {
        let processor = places().add(pid);
        keep(pid, processor);
        Self { pid }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let moved = places().remove(self.pid);
        if let Some((pid, processor)) = moved {
            keep(pid, Some(processor));
        }
    }
}

fn places() -> MutexGuard<'static, Places> {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The processors that this process may use. Another plugfest beside it begins elsewhere in the list.
fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap_or_default();
    let mut allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&processor| set.is_set(processor)).collect();
    if !allowed.is_empty() {
        let first = std::process::id() as usize % allowed.len();
        allowed.rotate_left(first);
    }
    allowed
}

fn keep(pid: u32, processor: Option<usize>) {
    let Some(processor) = processor else { return };
    let mut set = CpuSet::new();
    set.set(processor);
    // Threads that are yet to be made get what those that make them have.
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return };
    for thread in threads.flatten() {
        let id = thread.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // It may have ended just now.
            let _ = sched_setaffinity(Some(id), &set);
        }
    }
}

/// Processors, each with the processes on it.
#[derive(Debug, PartialEq, Eq)]
struct Places(Vec<(usize, Vec<u32>)>);

impl Places {
    fn new(processors: Vec<usize>) -> Self {
        Self(processors.into_iter().map(|processor| (processor, Vec::new())).collect())
    }

    /// The processor where `pid` is to run; none is known on a system that names none.
    fn add(&mut self, pid: u32) -> Option<usize> {
        let (processor, pids) = self.0.iter_mut().min_by_key(|(_, pids)| pids.len())?;
        pids.push(pid);
        Some(*processor)
    }

    /// Which other process is to move where, now that `pid` has ended.
    fn remove(&mut self, pid: u32) -> Option<(u32, usize)> {
        let (_, pids) = self.0.iter_mut().find(|(_, pids)| pids.contains(&pid))?;
        pids.retain(|&other| other != pid);
        let free = pids.len();
        let fullest = self.0.iter_mut().map(|(_, pids)| pids).max_by_key(|pids| pids.len())?;
        if fullest.len() < free + 2 {
            return None;
        }
        let moved = fullest.pop()?;
        Some((moved, self.add(moved)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_spread_and_stay_so() {
        let mut places = Places::new(vec![4, 7]);
        let spread: Vec<_> = (1..=5).map(|pid| places.add(pid)).collect();
        assert_eq!(spread, [4, 7, 4, 7, 4].map(Some));

        assert_eq!(places.remove(1), None, "two on each");
        assert_eq!(places.remove(2), None, "two and one");
        // Two would be left on one processor, none on the other.
        assert_eq!(places.remove(4), Some((5, 7)));
        assert_eq!(places, Places(vec![(4, vec![3]), (7, vec![5])]));
        assert_eq!(places.remove(9), None, "nobody");
    }

    #[test]
    fn a_system_that_names_no_processors_gets_no_orders() {
        let mut places = Places::new(Vec::new());
        assert_eq!(places.add(1), None);
        assert_eq!(places.remove(1), None);
    }
}
