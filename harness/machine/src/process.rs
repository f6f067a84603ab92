//! QEMU's process: started with its channels, its stderr kept, ended and reaped.

use crate::arguments::{ChannelNumbers, arguments, reads_entropy};
use crate::channel::{Channel, Left, socket_pair};
use crate::config::MachineConfig;
use crate::entropy;
use crate::error::MachineError;
use crate::gate::Gate;
use crate::memory::Memory;
use crate::spawn::tie_to_this_thread;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// Bytes of stderr that are kept: the last ones.
const KEPT: usize = 8 << 10;

/// Longest that dropping a machine waits for the kernel to end its process.
const REAP: Duration = Duration::from_millis(500);

/// What QEMU says about our clock's networks, which have no NIC on purpose.
const NO_COMPLAINT: &str = "with no nics";

/// Our ends of the channels.
pub(crate) struct Channels {
    pub frames: Channel,
    pub frame_dump: Channel,
    pub gate: Gate,
    pub clock: Channel,
    pub beats: [Channel; 2],
    pub clock_dump: Channel,
    pub console: Channel,
    pub monitor: Option<UnixStream>,
}

/// A QEMU that runs or has run.
pub(crate) struct Process {
    child: Child,
    pid: u32,
    status: Option<ExitStatus>,
    stderr: Channel,
    said: Vec<u8>,
    /// What the system says about the thread of the main loop, which is the first.
    main_thread: Option<File>,
}

impl Process {
    /// Starts QEMU. It dies with the calling thread.
    pub fn start(config: &MachineConfig, memory: &Memory) -> Result<(Self, Channels), MachineError> {
        let ends = || -> io::Result<_> {
            let ((frames, frames_q), (frame_dump, frame_dump_q)) = (Channel::socket()?, Channel::pipe()?);
            let ((clock, clock_q), (clock_dump, clock_dump_q)) = (Channel::socket()?, Channel::pipe()?);
            let ((console, console_q), (monitor, monitor_q)) = (Channel::pipe()?, socket_pair()?);
            let (gate, [first_q, second_q]) = Gate::new()?;
            let ((beat, beat_q), (long_beat, long_beat_q)) = (Channel::socket()?, Channel::socket()?);
            let (monitor, beats) = (Some(monitor), [beat, long_beat]);
            let entropy = match reads_entropy(config, memory) {
                true => entropy::file(config.seed)?,
                false => File::open("/dev/null")?.into(),
            };
            let ours = Channels { frames, frame_dump, gate, clock, beats, clock_dump, console, monitor };
            let theirs = [
                frames_q,
                frame_dump_q,
                first_q,
                second_q,
                clock_q,
                beat_q,
                long_beat_q,
                clock_dump_q,
                console_q,
                monitor_q,
                entropy,
            ];
            Ok((ours, theirs, Channel::pipe()?))
        };
        let (ours, theirs, (stderr, stderr_q)) = ends().map_err(MachineError::Channels)?;

        let [
            frames,
            frame_dump,
            first,
            second,
            clock,
            beat,
            long_beat,
            clock_dump,
            console,
            monitor,
            entropy,
        ] = theirs.each_ref().map(AsRawFd::as_raw_fd);
        let (gate, beats) = ([first, second], [beat, long_beat]);
        let numbers =
            ChannelNumbers { frames, frame_dump, gate, clock, beats, clock_dump, console, monitor, entropy };
        let mut command = Command::new(&config.qemu);
        command
            .args(arguments(config, memory, &numbers))
            // `filter-dump` computes its epoch with mktime(3): local time would shift every stamp.
            .env("TZ", "UTC0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(stderr_q))
            .kill_on_drop(true);
        tie_to_this_thread(&mut command, theirs.into());
        let child =
            command.spawn().map_err(|source| MachineError::Spawn { program: config.qemu.clone(), source })?;
        let pid = child.id().unwrap_or_default();
        // Without it, the main loop is taken to wait.
        let main_thread = File::open(format!("/proc/{pid}/task/{pid}/stat")).ok();
        Ok((Self { child, pid, status: None, stderr, said: Vec::new(), main_thread }, ours))
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the main loop waits: for something to do, or for its turn to do it.
    pub fn main_loop_waits(&mut self) -> bool {
        let mut stat = [0; 512];
        // pid (name) state …; a name may have parentheses (proc(5)).
        let read = self.main_thread.as_ref().and_then(|file| file.read_at(&mut stat, 0).ok()).unwrap_or(0);
        let state = stat[..read].rsplit(|&byte| byte == b')').next().and_then(|rest| rest.get(1));
        !matches!(state, Some(b'R' | b'D'))
    }

    /// How it ended, if it has.
    pub fn status(&self) -> Option<ExitStatus> {
        self.status
    }

    /// Waits for the end, or for more stderr. Cancel-safe.
    pub async fn changes(&mut self) -> io::Result<()> {
        if self.status.is_some() {
            return self.stderr.readable().await;
        }
        tokio::select! {
            status = self.child.wait() => {
                self.status = Some(status?);
                Ok(())
            }
            readable = self.stderr.readable() => readable,
        }
    }

    /// Takes what is on stderr.
    pub fn read_stderr(&mut self) -> io::Result<Left> {
        let left = self.stderr.read(&mut self.said)?;
        if self.said.len() > 2 * KEPT {
            self.said.drain(..self.said.len() - KEPT);
        }
        Ok(left)
    }

    /// The end of stderr without what is no complaint; empty or ending in a line break.
    pub fn stderr(&self) -> String {
        let tail = &self.said[self.said.len().saturating_sub(KEPT)..];
        String::from_utf8_lossy(tail)
            .lines()
            .filter(|line| !line.contains(NO_COMPLAINT))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// How it ended and what it last said, for people.
    pub fn how(&self) -> String {
        let how = match self.status {
            Some(status) => how_it_ended(status),
            None => "still running".into(),
        };
        match self.stderr().trim_end() {
            "" => how,
            said => format!("{how}; it said: {said}"),
        }
    }

    /// Ends and reaps the process.
    pub async fn kill(&mut self) -> io::Result<()> {
        if self.status.is_none() {
            // An error means that it has ended by itself.
            let _ = self.child.start_kill();
            self.status = Some(self.child.wait().await?);
        }
        Ok(())
    }
}

impl Drop for Process {
    /// Not left to the runtime, which may be ending too: no process outlives its machine.
    fn drop(&mut self) {
        if self.status.is_some() || self.child.start_kill().is_err() {
            return;
        }
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < REAP {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// An exit status for people.
pub(crate) fn how_it_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("QEMU ended with exit code {code}"),
        (None, Some(signal)) => format!("QEMU was ended by signal {signal}"),
        (None, None) => format!("QEMU ended: {status}"),
    }
}
