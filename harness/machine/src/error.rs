//! What can go wrong with a machine. None of it is the firmware's fault.

use crate::crossing::FrameError;
use crate::dump::DumpError;
use crate::qmp::QmpError;
use std::io;
use std::path::PathBuf;

/// Our side of a machine failed.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// Hardware virtualisation was asked to run on a virtual clock.
    #[error(
        "failed to start a machine: KVM cannot run on the virtual clock; use the real clock, or let TCG execute the guest"
    )]
    VirtualClockUnderKvm,
    /// The date at power-on does not fit.
    #[error("failed to start a machine: the date at power-on, {0}, is not between 1970 and 2037")]
    RtcBase(jiff::civil::DateTime),
    /// An image cannot be used.
    #[error("failed to open the firmware image {}: {source}", path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No sockets, pipes or timers.
    #[error("failed to open the channels to QEMU: {0}; is the limit of open files too low (ulimit -n)?")]
    Channels(io::Error),
    /// The program cannot be executed.
    #[error("failed to execute {}: {source}; is QEMU installed?", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// QEMU did not come up.
    #[error("failed to start QEMU: {why}\n{stderr}command: {command}")]
    Start {
        /// What happened instead.
        why: String,
        /// The end of QEMU's stderr, empty or ending in a line break.
        stderr: String,
        /// The command line.
        command: String,
    },
    /// The guest's clock does not start where it should.
    #[error(
        "failed to read the guest's clock: it shows {shown} s since 1970 at power-on, not {expected}; please report this with the version of QEMU"
    )]
    ClockBase {
        /// Seconds shown.
        shown: u64,
        /// Seconds set.
        expected: u64,
    },
    /// QEMU lives, and its main loop does not answer.
    #[error("failed to read the guest's clock: QEMU has not answered for {seconds} s\n{stderr}")]
    Unresponsive {
        /// Host seconds waited.
        seconds: u64,
        /// The end of QEMU's stderr.
        stderr: String,
    },
    /// QEMU has stopped the guest and will not let it go on.
    #[error("failed to go on: QEMU has stopped the guest, its state is {state}\n{stderr}")]
    Stopped {
        /// QEMU's run state, for example `internal-error`.
        state: String,
        /// The end of QEMU's stderr.
        stderr: String,
    },
    /// A snapshot cannot be resumed.
    #[error("failed to resume a snapshot: QEMU's state is {state}")]
    Resume {
        /// QEMU's run state.
        state: String,
    },
    /// A resumed guest's clock does not go on where the snapshot's stopped.
    #[error("failed to resume a snapshot: the guest's clock shows {shown} s, and {expected} s were saved")]
    ResumedClock {
        /// Guest time shown.
        shown: record::GuestTime,
        /// Guest time saved.
        expected: record::GuestTime,
    },
    /// What came through a dump pipe is no dump.
    #[error("failed to read QEMU's record of the network: {0}")]
    Dump(#[from] DumpError),
    /// The frame cannot be sent.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A recording could not be replayed.
    #[error("failed to replay the recording: {why}; {said}")]
    Replay {
        /// What happened instead.
        why: String,
        /// The end of QEMU's stderr, in one line.
        said: String,
    },
    /// The monitor refused or fell silent.
    #[error(transparent)]
    Monitor(#[from] QmpError),
    /// A channel failed.
    #[error("failed to talk to QEMU: {0}")]
    Io(#[from] io::Error),
}
