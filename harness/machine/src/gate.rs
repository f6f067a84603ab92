//! The gate behind the record of frames: a frame of the guest's waits in it until we have answered.
//!
//! Without it, the virtual clock runs on while the host is busy with other things than us: milliseconds of the host are
//! seconds to a firmware that waits. QEMU's main loop writes a few bytes about each of the guest's frames into a pipe
//! that is full; until we make room, no timer of the machine fires, and firmware, which asks devices for the time,
//! does not come far. Our answers are in QEMU's socket before that.

use crate::channel::{Channel, Left};
use record::GuestTime;
use rustix::io::{Errno, write};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;

/// A page: the smallest pipe, full after one write, and what [`write`] writes in one piece (PIPE_BUF, pipe(7)).
const FULL: usize = 4096;

/// Length of what comes first: the header of a pcap file from each of QEMU's two ends.
const HEADERS: u64 = 2 * 24;

/// Length of a frame's record: 16 bytes of header, and as much of the frame as `filter-dump` can be told to cut to.
const RECORD: u64 = 16 + KEPT;

/// Bytes of each frame that QEMU writes into the gate. None are needed; it allows no less.
pub(crate) const KEPT: u64 = 1;

/// Our side of the gate.
pub(crate) struct Gate {
    pipe: Channel,
    /// Fills the pipe. Its other end is QEMU's, opened anew, so that ours does not block when QEMU's does.
    filler: OwnedFd,
    closed: bool,
    /// Frames of the guest's that have reached the gate, as far as we have seen.
    reached: u64,
    /// When the last of them did.
    last: GuestTime,
    /// Bytes that QEMU has written, which tell how many frames have passed.
    written: u64,
}

impl Gate {
    /// An open gate, and QEMU's end of it.
    pub fn new() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        fcntl_setpipe_size(&theirs, FULL)?;
        let gate = Self {
            pipe: Channel::from_pipe(ours)?,
            filler: theirs.try_clone()?,
            closed: false,
            reached: 0,
            last: GuestTime::ZERO,
            written: 0,
        };
        Ok((gate, theirs))
    }

    /// Notes that at `at` something has reached the gate.
    pub fn reached(&mut self, at: GuestTime) {
        self.reached += 1;
        self.last = at;
    }

    /// When QEMU came to wait in the gate, if it does.
    pub fn holds(&self) -> Option<GuestTime> {
        (self.closed && self.passed() < self.reached).then_some(self.last)
    }

    /// Closes the gate behind the frames that have passed, unless one still has to.
    pub fn close(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        self.take()?;
        if self.written < HEADERS || self.passed() < self.reached {
            return Ok(());
        }
        match write(&self.filler, &[0; FULL]) {
            Ok(_) => {
                self.closed = true;
                Ok(())
            }
            // QEMU has written meanwhile.
            Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the frame that waits, if there is one, and all later ones pass.
    pub fn open(&mut self) -> io::Result<()> {
        if self.closed {
            self.take()?;
            self.written = self.written.saturating_sub(FULL as u64); // the filler
            self.closed = false;
        }
        Ok(())
    }

    /// Opens the gate for something of which we do not know that it waits there.
    pub fn give_up(&mut self) -> io::Result<()> {
        if self.closed {
            self.open()?;
            self.reached = self.reached.max(self.passed() + 1);
        }
        Ok(())
    }

    /// Waits for a frame to have passed an open gate.
    pub async fn passes(&self) -> io::Result<()> {
        if self.closed {
            return pending().await;
        }
        self.pipe.readable().await
    }

    fn passed(&self) -> u64 {
        self.written.saturating_sub(HEADERS) / RECORD
    }

    fn take(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        while self.pipe.read(&mut bytes)? == Left::Perhaps {}
        self.written += bytes.len() as u64;
        Ok(())
    }
}
