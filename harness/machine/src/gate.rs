//! The gate in which QEMU waits until we have answered.
//!
//! Without it the virtual clock runs on while the host is busy with other things than us: milliseconds of the host are
//! seconds to a firmware that waits. So whenever the guest has sent a frame, and at every beat of its clock, QEMU stops
//! in the gate. It holds its global lock there, so the clock stands still; our answers are in its socket before it goes
//! on.
//!
//! The gate is a lock with two doors, each a pipe that is full: `filter-dump` writes a few bytes into one, then those of
//! another into the other. One of them is always shut, so it does not matter how long we need to shut the other again.

use crate::channel::{Channel, Left};
use record::GuestTime;
use rustix::io::{Errno, write};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;

/// Most bytes that a pipe takes in one piece or not at all (PIPE_BUF, pipe(7)), and the size of the smallest pipe where
/// a page is no larger.
const PIECE: usize = 4096;

/// Bytes that QEMU writes into a door before all others: the header of a pcap file for each of the two networks.
const HEADERS: usize = 2 * 24;

/// Bytes of each frame that QEMU writes into a door. None are needed; it allows no less.
pub(crate) const KEPT: usize = 1;

/// Bytes that QEMU writes into a door to pass it: the header of a record, and a piece of the frame.
const RECORD: usize = 16 + KEPT;

/// Our side of the gate.
pub(crate) struct Gate {
    first: Door,
    second: Door,
    state: State,
    /// How many times QEMU has come to the gate, as far as we know.
    reached: usize,
    /// When it last did.
    last: GuestTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// QEMU passes without stopping.
    Open,
    /// QEMU comes as far as the first door.
    Shut,
    /// QEMU is being let through the first door; the second is shut.
    Between,
}

impl Gate {
    /// An open gate, and QEMU's ends of its doors.
    pub fn new() -> io::Result<(Self, [OwnedFd; 2])> {
        let ((first, first_q), (second, second_q)) = (Door::new()?, Door::new()?);
        let gate = Self { first, second, state: State::Open, reached: 0, last: GuestTime::ZERO };
        Ok((gate, [first_q, second_q]))
    }

    /// Notes that QEMU came to the gate at `at`, which it has said elsewhere just before: it has left the second door
    /// behind.
    pub fn reached(&mut self, at: GuestTime) {
        self.reached += 1;
        self.last = at;
    }

    /// When QEMU came to wait in the gate, if it does, or is about to.
    pub fn holds(&self) -> Option<GuestTime> {
        (self.state == State::Shut && self.first.passed() < self.reached).then_some(self.last)
    }

    /// Shuts what can be shut: to be called again whenever [`passes`](Self::passes) returns.
    pub fn shut(&mut self) -> io::Result<()> {
        if self.state == State::Shut {
            return Ok(());
        }
        self.first.take()?;
        // Not before QEMU has written its headers, and not while it is known to be on its way to the first door.
        if self.first.written < HEADERS || self.first.passed() < self.reached || !self.first.fill()? {
            return Ok(());
        }
        self.second.empty()?;
        self.state = State::Shut;
        Ok(())
    }

    /// Lets QEMU, which waits in the gate, go as far as its next visit and no farther.
    pub fn let_pass(&mut self) -> io::Result<()> {
        self.second.take()?;
        if !self.second.fill()? {
            return self.open();
        }
        self.first.empty()?;
        self.state = State::Between;
        // It may have been quick.
        self.shut()
    }

    /// Lets QEMU pass without stopping.
    pub fn open(&mut self) -> io::Result<()> {
        self.first.empty()?;
        self.second.empty()?;
        self.state = State::Open;
        Ok(())
    }

    /// Waits until there may be something to shut.
    pub async fn passes(&self) -> io::Result<()> {
        match self.state {
            State::Shut => pending().await,
            State::Open | State::Between => self.first.pipe.readable().await,
        }
    }
}

/// A pipe that QEMU has to write to.
struct Door {
    pipe: Channel,
    /// Our own end to write to. QEMU opens its end anew: its writing waits, ours does not.
    filler: OwnedFd,
    /// Bytes of ours in it; none if it is open.
    filled: usize,
    /// Bytes of QEMU's that have been taken out of it.
    written: usize,
}

impl Door {
    fn new() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        fcntl_setpipe_size(&theirs, PIECE)?;
        let filler = theirs.try_clone()?;
        Ok((Self { pipe: Channel::from_pipe(ours)?, filler, filled: 0, written: 0 }, theirs))
    }

    /// How many times QEMU has passed, as far as we have looked.
    fn passed(&self) -> usize {
        self.written.saturating_sub(HEADERS) / RECORD
    }

    /// Takes what QEMU has written into an open door.
    fn take(&mut self) -> io::Result<()> {
        if self.filled == 0 { self.empty() } else { Ok(()) }
    }

    /// Makes room for QEMU.
    fn empty(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        while self.pipe.read(&mut bytes)? == Left::Perhaps {}
        self.written += bytes.len().saturating_sub(self.filled);
        self.filled = 0;
        Ok(())
    }

    /// Whether the door is shut now: it cannot be while QEMU's bytes are in it.
    fn fill(&mut self) -> io::Result<bool> {
        if self.filled > 0 {
            return Ok(true);
        }
        loop {
            match write(&self.filler, &[0; PIECE]) {
                Ok(count) => self.filled += count, // again, should a page be larger
                Err(Errno::AGAIN) => return Ok(self.filled > 0),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{Mode, OFlags};
    use std::os::fd::AsRawFd;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::{Sender, channel};
    use std::thread::JoinHandle;
    use std::time::{Duration, Instant};

    /// What QEMU does: writes the headers, then for each visit a record into the first door and one into the second.
    struct Visitor {
        come: Sender<()>,
        passed: Arc<AtomicUsize>,
        thread: JoinHandle<()>,
    }

    impl Visitor {
        fn new(doors: [OwnedFd; 2]) -> Self {
            let doors = doors.map(|end| {
                let path = format!("/proc/self/fd/{}", end.as_raw_fd());
                let blocking = rustix::fs::open(path, OFlags::WRONLY, Mode::empty()).unwrap();
                write(&blocking, &[1; HEADERS]).unwrap();
                blocking
            });
            let passed = Arc::new(AtomicUsize::new(0));
            let counter = Arc::clone(&passed);
            let (come, visits) = channel();
            let thread = std::thread::spawn(move || {
                while visits.recv().is_ok() {
                    if doors.iter().any(|door| write(door, &[1; RECORD]).is_err()) {
                        return;
                    }
                    counter.fetch_add(1, Ordering::SeqCst);
                }
            });
            Self { come, passed, thread }
        }

        fn come(&self, times: usize) {
            (0..times).for_each(|_| self.come.send(()).unwrap());
        }

        /// Whether that many have passed and the next one does not.
        async fn has_passed(&self, times: usize) -> bool {
            let start = Instant::now();
            while self.passed.load(Ordering::SeqCst) < times && start.elapsed() < Duration::from_secs(5) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.passed.load(Ordering::SeqCst) == times
        }
    }

    fn at(visit: usize) -> GuestTime {
        GuestTime::from_micros(visit.try_into().unwrap())
    }

    async fn settle(gate: &mut Gate) {
        gate.shut().unwrap();
        let passing = async {
            while gate.state != State::Shut {
                gate.passes().await.unwrap();
                gate.shut().unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), passing).await.expect("somebody passes");
    }

    fn with_gate(test: impl AsyncFnOnce(&mut Gate, &Visitor)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (mut gate, ends) = Gate::new().unwrap();
            let visitor = Visitor::new(ends);
            settle(&mut gate).await;
            test(&mut gate, &visitor).await;
            // Our end does not make a QEMU wait for ever: it gets an error.
            visitor.come(1);
            drop(gate);
            visitor.thread.join().unwrap();
        });
    }

    #[test]
    fn one_visit_passes_each_time() {
        with_gate(async |gate, visitor| {
            assert_eq!(gate.holds(), None);
            visitor.come(600); // more than fit into a pipe
            assert!(visitor.has_passed(0).await);
            for visit in 1..=20 {
                gate.reached(at(visit));
                assert_eq!(gate.holds(), Some(at(visit)));
                gate.let_pass().unwrap();
                settle(gate).await;
                assert_eq!(gate.holds(), None);
                assert!(visitor.has_passed(visit).await, "after {visit}");
            }
        });
    }

    #[test]
    fn it_does_not_matter_when_we_find_the_time() {
        with_gate(async |gate, visitor| {
            visitor.come(600);
            for visit in 1..=20 {
                gate.reached(at(visit));
                gate.let_pass().unwrap();
                std::thread::sleep(Duration::from_millis(5));
                settle(gate).await;
                assert!(visitor.has_passed(visit).await);
            }
        });
    }

    #[test]
    fn who_is_let_through_before_coming_is_not_stopped() {
        with_gate(async |gate, visitor| {
            for visit in 1..=20 {
                gate.reached(at(visit));
                gate.let_pass().unwrap();
                assert_eq!(gate.holds(), None);
                visitor.come(1);
                settle(gate).await;
                assert!(visitor.has_passed(visit).await);
            }
            visitor.come(1);
            assert!(visitor.has_passed(20).await);
        });
    }

    #[test]
    fn an_open_gate_stops_nobody_and_is_shut_behind_whoever_is_on_the_way() {
        with_gate(async |gate, visitor| {
            visitor.come(1);
            gate.open().unwrap();
            visitor.come(99);
            assert!(visitor.has_passed(100).await);
            // We know of 90 of them only.
            (1..=90).for_each(|visit| gate.reached(at(visit)));
            settle(gate).await;
            assert_eq!(gate.holds(), None);
            (91..=101).for_each(|visit| gate.reached(at(visit)));
            visitor.come(1);
            assert!(visitor.has_passed(100).await);
            assert_eq!(gate.holds(), Some(at(101)));
            gate.let_pass().unwrap();
            settle(gate).await;
            assert!(visitor.has_passed(101).await);

            // Known, and not there yet.
            gate.open().unwrap();
            gate.reached(at(102));
            gate.shut().unwrap();
            assert_eq!(gate.holds(), None);
            visitor.come(1);
            settle(gate).await;
            visitor.come(1);
            assert!(visitor.has_passed(102).await);
        });
    }
}
