//! The machine as the guest's end of a segment.

use crate::alarm::Alarm;
use crate::arguments::{ChannelNumbers, NIC, arguments};
use crate::arrivals::Arrivals;
use crate::channel::Left;
use crate::clock::{Beat, Clock, Signal};
use crate::config::{Instruction, MachineConfig};
use crate::crossing::{Crossing, is_announcement};
use crate::dump::DumpReader;
use crate::error::MachineError;
use crate::memory::Memory;
use crate::process::{Channels, Process, how_it_ended};
use crate::processors::Place;
use crate::qmp::{Qmp, QmpError, QmpEvent};
use crate::snapshot::{Snapshot, restore};
use record::{Accelerator, ClockMode, Direction, GuestTime};
use serde_json::Value;
use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use wire::{Guest, GuestEvent};

/// Longest wait for QEMU to come up, on the host.
const START: Duration = Duration::from_secs(30);

/// Longest wait for an answer of the guest's clock while QEMU runs, on the host.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest wait for it while QEMU may be held in the gate by something unknown.
const GATE_PATIENCE: Duration = Duration::from_millis(500);

/// Longest that QEMU's main loop may take to notice what was sent to it, on the host, before the guest goes on without.
const NOTICE: Duration = Duration::from_secs(1);

/// Host time between two looks at it.
const GLANCE: Duration = Duration::from_micros(20);

/// Beats that may pass without being held, one after the other: some do while the monitor is used.
const NOT_HELD: u32 = 50;

/// Guest time after which a beat that is on its way is one that never comes: many beats.
const NO_BEAT: Duration = Duration::from_secs(5);

/// Longest wait for anything before the clock is asked whether QEMU still lives.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Longest wait for the rest of what a dead QEMU said.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The answer to a command that is on its way.
type Going = Pin<Box<dyn Future<Output = Result<Value, QmpError>>>>;

/// A running QEMU and its channels. Dropping it ends the guest.
///
/// Must live on the thread that started it: the guest dies with that thread.
pub struct Machine {
    process: Process,
    /// On a virtual clock, from when the guest was set going.
    place: Option<Place>,
    channels: Channels,
    alarm: Alarm,
    clock: Clock,
    frame_dump: DumpReader,
    clock_dump: DumpReader,
    crossing: Crossing,
    arrivals: Arrivals,
    /// Bytes of questions that the clock's socket has not taken yet.
    questions: Vec<u8>,
    /// Whether QEMU comes to the gate. It does on a virtual clock.
    gated: bool,
    /// Whether it waits for us there, so that its clock stands still while we think.
    lockstep: bool,
    /// Whether each of [`Beat::ALL`] is on its way.
    beating: [bool; 2],
    /// Beats one after the other that were not held in the gate.
    unheld: u32,
    /// Since when nothing was left to do for us while QEMU waits in the gate.
    ready: Option<Instant>,
    /// What the clock showed when QEMU had not come to the gate for long.
    doubt: Option<GuestTime>,
    qmp: Option<Qmp>,
    /// `None` once the monitor has closed.
    events: Option<mpsc::Receiver<QmpEvent>>,
    /// A monitor event that was received and not yet sorted in.
    event: Option<QmpEvent>,
    /// QEMU has stopped the guest, and the reason is not known yet.
    stopped: bool,
    /// How long the clock has owed an answer, counted so that a pause of the whole host does not count.
    silence: (Instant, Duration),
    /// What a snapshot had seen before it was taken, and has not been delivered again.
    prelude: VecDeque<GuestEvent>,
    /// The guest waits until the prelude has been delivered.
    held: bool,
    /// The card on the link is to say that it is down.
    unplugged: bool,
    /// The guest is being told to go on.
    going: Option<Going>,
    command_line: Vec<String>,
    accelerator: Accelerator,
    /// Physical address and size of the flash with the variables.
    variables_at: Option<(u64, u64)>,
}

/// A started QEMU that waits for a snapshot's state, so that a cell does not pay for its start.
pub struct Standby {
    machine: Machine,
    instruction: Instruction,
    snapshot: Snapshot,
}

impl Standby {
    /// Starts a QEMU for the machine in `config` that is going to resume `snapshot`, which must be of the same machine.
    ///
    /// Threads and runtimes as for [`Machine::start`].
    pub async fn start(config: MachineConfig, snapshot: Snapshot) -> Result<Self, MachineError> {
        let instruction = config.instruction;
        let machine = Machine::start_with(config, Memory::Snapshot(snapshot.memory.clone())).await?;
        Ok(Self { machine, instruction, snapshot })
    }

    /// Gives it the snapshot's state. Everything that the snapshot had seen comes out of [`Guest::next`] again, then the
    /// guest goes on.
    pub async fn resume(self) -> Result<Machine, MachineError> {
        let Self { mut machine, instruction, snapshot } = self;
        restore(&mut machine, snapshot.state(instruction)).await?;
        let shown = machine.now().await?;
        if shown != snapshot.moment.at {
            return Err(MachineError::ResumedClock { shown, expected: snapshot.moment.at });
        }
        // What QEMU reported while it restored is not the guest's.
        while machine.next_event().is_some() {}
        machine.arrivals = Arrivals::default();
        machine.stopped = false;
        machine.prelude = snapshot.moment.prelude.into();
        Ok(machine)
    }
}

impl Machine {
    /// Starts QEMU and sets the guest going. Guest time zero is when its first instruction runs.
    ///
    /// The guest dies with the calling thread, however it ends. Needs a current runtime with I/O and time.
    pub async fn start(config: MachineConfig) -> Result<Self, MachineError> {
        Self::start_with(config, Memory::Own).await
    }

    /// Starts QEMU with the guest's memory in `memory`; a guest that waits for a snapshot's state is not set going.
    pub(crate) async fn start_with(config: MachineConfig, memory: Memory) -> Result<Self, MachineError> {
        let (mut machine, base) = Self::spawn(config, &memory)?;
        let why = match tokio::time::timeout(START, machine.come_up(base)).await {
            Ok(Ok(())) => return Ok(machine),
            // Most likely QEMU is ending, and says why.
            Ok(Err(MachineError::Monitor(error @ (QmpError::Closed { .. } | QmpError::Greeting(_))))) => {
                match tokio::time::timeout(LAST_WORDS, machine.ended()).await {
                    Ok(_) => machine.process.status().map_or(error.to_string(), how_it_ended),
                    Err(_) => error.to_string(),
                }
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it did not come up within {} s", START.as_secs()),
        };
        machine.process.kill().await?;
        machine.process.read_stderr()?;
        Err(MachineError::Start {
            why,
            stderr: machine.process.stderr(),
            command: machine.command_line.join(" "),
        })
    }

    /// Starts the process; also returns the seconds since 1970 that the guest's clock shall show.
    fn spawn(mut config: MachineConfig, memory: &Memory) -> Result<(Self, u64), MachineError> {
        if config.accelerator == Accelerator::Kvm && config.clock == ClockMode::Virtual {
            return Err(MachineError::VirtualClockUnderKvm);
        }
        let year = config.rtc_base.year();
        let base = config.rtc_base.to_zoned(jiff::tz::TimeZone::UTC).ok();
        let base = base.filter(|_| (1970..=2037).contains(&year)).map(|date| date.timestamp().as_second());
        let base = base.and_then(|seconds| u64::try_from(seconds).ok());
        let base = base.ok_or(MachineError::RtcBase(config.rtc_base))?;
        // Absolute: QEMU would take `a:b` for a protocol, and its own messages then name the file.
        for path in
            std::iter::once(&mut config.code).chain(config.kernel.as_mut()).chain(config.vars.as_mut())
        {
            *path =
                path.canonicalize().map_err(|source| MachineError::Image { path: path.clone(), source })?;
        }

        let shown = arguments(&config, memory, &ChannelNumbers::SHOWN);
        let command_line = std::iter::once(config.qemu.to_string_lossy().into_owned())
            .chain(shown.iter().map(|argument| argument.to_string_lossy().into_owned()))
            .collect();
        let size = |path: &std::path::Path| {
            let metadata = std::fs::metadata(path);
            metadata
                .map(|file| file.len())
                .map_err(|source| MachineError::Image { path: path.to_owned(), source })
        };
        let code = size(&config.code)?;
        let variables_at = config.vars.as_deref().map(size).transpose()?.and_then(|variables| {
            Some((config.spec.flash_end.checked_sub(code.checked_add(variables)?)?, variables))
        });
        let alarm = Alarm::new().map_err(MachineError::Channels)?;
        let (process, channels) = Process::start(&config, memory)?;
        let now = Instant::now();
        let machine = Self {
            process,
            place: None,
            channels,
            alarm,
            clock: Clock::new(config.clock, base * 1_000_000, now),
            frame_dump: DumpReader::default(),
            clock_dump: DumpReader::default(),
            crossing: Crossing::default(),
            arrivals: Arrivals::default(),
            questions: Vec::new(),
            gated: config.clock == ClockMode::Virtual,
            lockstep: config.clock == ClockMode::Virtual,
            unheld: 0,
            beating: [false; 2],
            ready: None,
            doubt: None,
            qmp: None,
            events: None,
            event: None,
            stopped: false,
            silence: (now, Duration::ZERO),
            prelude: VecDeque::new(),
            held: matches!(memory, Memory::Snapshot(_)),
            unplugged: !config.spec.media_present,
            going: None,
            command_line,
            accelerator: config.accelerator,
            variables_at,
        };
        Ok((machine, base))
    }

    /// Greets the monitor, checks the clock, lets the guest run.
    async fn come_up(&mut self, base: u64) -> Result<(), MachineError> {
        let monitor = self.channels.monitor.take().expect("invariant: taken only here");
        let (qmp, events) = Qmp::connect(monitor).await?;
        self.qmp = Some(qmp.clone());
        self.events = Some(events);

        // Stopped before its first instruction, the guest must show exactly the date that was set.
        self.ask()?;
        loop {
            self.channels.clock_dump.read(&mut self.clock_dump.buffer)?;
            if let Some(answer) = self.clock_dump.next()? {
                if answer.unix_micros != base * 1_000_000 {
                    return Err(MachineError::ClockBase {
                        shown: answer.unix_micros / 1_000_000,
                        expected: base,
                    });
                }
                self.clock.answer(Instant::now(), GuestTime::ZERO);
                break;
            }
            self.wait(Instant::now() + HEARTBEAT).await?;
            if self.process.status().is_some() {
                return Err(QmpError::Closed { command: "cont".into() }.into());
            }
        }
        if self.unplugged {
            qmp.raw("set_link", serde_json::json!({ "name": NIC, "up": false })).await?;
        }
        if !self.held {
            self.set_going()?;
        }
        Ok(())
    }

    /// Tells a stopped guest to go on. QEMU may have to wait for us before it answers.
    fn set_going(&mut self) -> Result<(), MachineError> {
        if self.lockstep {
            self.place = Some(Place::take(self.process.pid()));
            self.channels.gate.shut()?;
            self.beat(Beat::Short)?;
        }
        let qmp = self.qmp.as_ref().expect("invariant: connected before");
        self.going = Some(Box::pin(qmp.begin("cont", Value::Null)?));
        Ok(())
    }

    /// QEMU's command line, program first. The channels' numbers are shown as 3 to 12, whatever they really are, so that
    /// equal machines have equal command lines.
    pub fn command_line(&self) -> Vec<String> {
        self.command_line.clone()
    }

    /// What executes the guest.
    pub fn accelerator(&self) -> Accelerator {
        self.accelerator
    }

    /// QEMU's process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The end of QEMU's stderr so far; empty if it has not complained.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// QEMU's monitor. Its events come through [`Guest::next`].
    ///
    /// It answers until the next event is asked for. From then on QEMU may have to wait for us first.
    pub fn qmp(&mut self) -> &Qmp {
        // What is wrong with the gate shows again when the next event is asked for.
        let _ = self.channels.gate.open();
        self.qmp.as_ref().expect("invariant: connected before `start` returns")
    }

    /// The flash that holds the firmware's variables, as the guest would read it now; `None` if it has none.
    ///
    /// What QEMU has of it on disk is a throw-away copy, and after a snapshot only what was written since.
    pub async fn variables(&mut self) -> Result<Option<Vec<u8>>, MachineError> {
        let Some((address, size)) = self.variables_at else { return Ok(None) };
        let file = tempfile::NamedTempFile::new()?;
        let path = file.path().to_string_lossy().into_owned();
        let arguments = serde_json::json!({ "val": address, "size": size, "filename": path });
        self.qmp().raw("pmemsave", arguments).await?;
        Ok(Some(std::fs::read(file.path())?))
    }

    /// Asks the guest's clock. After QEMU's end, the last known time.
    pub async fn now(&mut self) -> Result<GuestTime, MachineError> {
        let question = self.ask()?;
        while self.clock.answered() < question && self.process.status().is_none() {
            if self.pump()? == Left::Nothing && self.clock.answered() < question {
                self.channels.gate.open()?;
                self.wait(Instant::now() + HEARTBEAT).await?;
                self.lose_patience()?;
            }
        }
        Ok(self.clock.now())
    }

    /// Ends the guest and waits until its process is gone.
    pub async fn stop(mut self) -> Result<(), MachineError> {
        Ok(self.process.kill().await?)
    }

    /// Ends the guest at this moment of its time, and QEMU in such a way that what it keeps is complete: a recording.
    pub async fn finish(mut self) -> Result<(), MachineError> {
        let going = self.qmp().begin("quit", Value::Null);
        let deadline = Instant::now() + START;
        while self.process.status().is_none() && Instant::now() < deadline {
            self.channels.gate.open()?;
            self.pump()?;
            tokio::time::timeout(HEARTBEAT, self.process.changes()).await.unwrap_or(Ok(()))?;
        }
        drop(going);
        Ok(self.process.kill().await?)
    }

    /// Everything that has arrived and has not been delivered, in order. QEMU must be stopped, and its clock asked.
    pub(crate) fn take_arrivals(&mut self) -> Vec<GuestEvent> {
        self.arrivals.end(self.clock.now());
        std::iter::from_fn(|| self.arrivals.pop(Instant::now(), true)).collect()
    }

    /// Sends a question to the clock; returns its number.
    fn ask(&mut self) -> Result<u64, MachineError> {
        if !self.clock.is_asked() {
            self.silence = (Instant::now(), Duration::ZERO);
        }
        self.questions.extend(Signal::Question.bytes());
        self.flush()?;
        Ok(self.clock.ask())
    }

    /// Writes what QEMU takes.
    fn flush(&mut self) -> Result<(), MachineError> {
        while !self.crossing.outgoing.is_empty() {
            let (bytes, _) = self.crossing.outgoing.as_slices();
            match self.channels.frames.write(bytes)? {
                0 => break,
                written => self.crossing.outgoing.drain(..written),
            };
        }
        while !self.questions.is_empty() {
            match self.channels.clock.write(&self.questions)? {
                0 => break,
                written => self.questions.drain(..written),
            };
        }
        Ok(())
    }

    /// Takes everything that has arrived, in an order in which nothing that QEMU wrote before an answer of its clock is
    /// read after it.
    fn pump(&mut self) -> Result<Left, MachineError> {
        let mut left = self.process.read_stderr()?;
        let mut also = |more: Left| {
            if more == Left::Perhaps {
                left = more;
            }
        };

        let mut console = Vec::new();
        also(self.channels.console.read(&mut console)?);
        if !console.is_empty() {
            self.arrivals.console(&console, Instant::now());
        }
        while let Some(event) = self.next_event() {
            if event.name == "STOP" {
                self.stopped = true;
            } else if event.name == "RESUME" {
                self.stopped = false;
            }
            self.arrivals.monitor(event.name, event.data);
        }
        if self.arrivals.wants_clock() {
            if self.lockstep && !self.stopped {
                // What is said before a beat is stamped by it.
                self.beat(Beat::Short)?;
            } else {
                let question = self.ask()?;
                self.arrivals.asked(question);
            }
        }

        also(self.channels.clock_dump.read(&mut self.clock_dump.buffer)?);
        let mut answers = Vec::new();
        let host = Instant::now();
        while let Some(signal) = self.clock_dump.next()? {
            let at = self.clock.guest_time(signal.unix_micros);
            match Signal::of(&signal.frame) {
                Signal::Question => answers.push(at),
                Signal::Beat(beat) => {
                    self.beating[beat as usize] = false;
                    self.doubt = None;
                    self.channels.gate.reached(at);
                    self.unheld = if self.channels.gate.holds().is_some() { 0 } else { self.unheld + 1 };
                    self.clock.learn(host, at);
                }
            }
        }
        also(self.channels.frame_dump.read(&mut self.frame_dump.buffer)?);
        while let Some(record) = self.frame_dump.next()? {
            let direction = self.crossing.direction(&record.frame);
            let at = self.clock.guest_time(record.unix_micros);
            if direction == Direction::FromGuest {
                self.channels.gate.reached(at);
                if is_announcement(&record.frame) {
                    continue;
                }
            }
            self.clock.learn(host, at);
            self.arrivals.frame(at, direction, record.frame);
        }
        for at in answers {
            self.clock.answer(host, at);
            self.arrivals.answered(self.clock.answered(), at);
            self.silence = (host, Duration::ZERO);
            if self.doubt.is_some_and(|since| at.since(since) > NO_BEAT) {
                self.lockstep = false;
            }
        }
        if self.unheld > NOT_HELD {
            self.lockstep = false;
        }
        if self.lockstep {
            self.channels.gate.shut()?;
        } else if self.gated {
            self.channels.gate.open()?;
        }

        // The same frames as in the dump: read so that QEMU can go on.
        also(self.channels.frames.read(&mut Vec::new())?);
        also(self.channels.clock.read(&mut Vec::new())?);
        for beat in &mut self.channels.beats {
            also(beat.read(&mut Vec::new())?);
        }
        self.flush()?;
        Ok(left)
    }

    /// While QEMU waits in the gate, everything that it has written is from before that moment.
    fn stamp(&mut self) -> Result<bool, MachineError> {
        let Some(at) = self.channels.gate.holds() else { return Ok(false) };
        let mut console = Vec::new();
        self.channels.console.read(&mut console)?;
        if !console.is_empty() {
            self.arrivals.console(&console, Instant::now());
        }
        self.arrivals.stamp(at);
        Ok(true)
    }

    /// Sees to it that QEMU comes to the gate at the next beat.
    fn beat(&mut self, beat: Beat) -> Result<(), MachineError> {
        // Fits: there is never more than one on its way.
        if self.lockstep && !mem::replace(&mut self.beating[beat as usize], true) {
            self.channels.beats[beat as usize].write(&Signal::Beat(beat).bytes())?;
        }
        Ok(())
    }

    /// Nothing is left to do: lets a QEMU go on that waits for us. Returns when to try again, if it has to be first seen
    /// to know what we have sent.
    fn let_go_on(&mut self, wake: Option<GuestTime>) -> Result<Option<Instant>, MachineError> {
        let idle = self.arrivals.is_empty()
            && wake.is_none_or(|wake| wake.since(self.clock.now()) > Beat::Long.interval());
        self.beat(if idle { Beat::Long } else { Beat::Short })?;
        if self.channels.gate.holds().is_none() {
            return Ok(None);
        }
        let now = Instant::now();
        let since = *self.ready.get_or_insert(now);
        // Woken by what we have sent, its main loop runs until it needs what QEMU holds in the gate.
        if now.duration_since(since) < NOTICE && !self.process.main_loop_waits() {
            return Ok(Some(now + GLANCE));
        }
        self.ready = None;
        self.channels.gate.let_pass()?;
        Ok(None)
    }

    fn next_event(&mut self) -> Option<QmpEvent> {
        self.event.take().or_else(|| self.events.as_mut()?.try_recv().ok())
    }

    /// Waits until something happens or `until` has come. Cancel-safe.
    async fn wait(&mut self, until: Instant) -> Result<(), MachineError> {
        self.alarm.set(until.saturating_duration_since(Instant::now()))?;
        let Self { process, channels, alarm, events, event, gated, going, .. } = self;
        let next_event = async {
            match events {
                Some(events) => events.recv().await,
                None => std::future::pending().await,
            }
        };
        let answered = async {
            match going {
                Some(answer) => answer.await,
                None => std::future::pending().await,
            }
        };
        let sending = !self.crossing.outgoing.is_empty();
        let asking = !self.questions.is_empty();
        tokio::select! {
            ready = channels.frame_dump.readable() => ready?,
            ready = channels.clock_dump.readable() => ready?,
            ready = channels.console.readable() => ready?,
            ready = channels.frames.readable() => ready?,
            ready = channels.gate.passes(), if *gated => ready?,
            ready = channels.clock.readable() => ready?,
            ready = channels.beats[0].readable() => ready?,
            ready = channels.beats[1].readable() => ready?,
            ready = channels.frames.writable(), if sending => ready?,
            ready = channels.clock.writable(), if asking => ready?,
            ready = process.changes() => ready?,
            received = next_event => match received {
                Some(received) => *event = Some(received),
                None => self.events = None,
            },
            ready = alarm.rings() => ready?,
            answer = answered => {
                *going = None;
                answer.map_err(|error| match error {
                    QmpError::NoAnswer { .. } => {
                        MachineError::Unresponsive { seconds: PATIENCE.as_secs(), stderr: process.stderr() }
                    }
                    error => error.into(),
                })?;
            }
        }
        Ok(())
    }

    /// Counts the time that the clock owes an answer, no wait for more than a heartbeat: whoever stops or suspends us
    /// together with QEMU does not make it unresponsive.
    fn lose_patience(&mut self) -> Result<(), MachineError> {
        let now = Instant::now();
        let (since, silence) = &mut self.silence;
        if self.clock.is_asked() {
            *silence += (now - *since).min(HEARTBEAT);
        }
        *since = now;
        if *silence > GATE_PATIENCE && self.lockstep {
            // Something is wrong with the gate: from now on it is open, and the clock is asked.
            self.lockstep = false;
            return Ok(self.channels.gate.open()?);
        }
        if *silence > PATIENCE && self.process.status().is_none() {
            let stderr = self.process.stderr();
            return Err(MachineError::Unresponsive { seconds: PATIENCE.as_secs(), stderr });
        }
        Ok(())
    }

    /// Waits for the end of the process and of all its channels. Cancel-safe.
    async fn ended(&mut self) -> Result<(), MachineError> {
        self.lockstep = false;
        while self.process.status().is_none() || self.events.is_some() {
            self.pump()?;
            self.wait(Instant::now() + HEARTBEAT).await?;
        }
        while self.pump()? == Left::Perhaps {}
        self.arrivals.end(self.clock.now());
        Ok(())
    }

    /// Finds out why QEMU has stopped the guest; states that it cannot leave are errors.
    async fn explain_stop(&mut self) -> Result<(), MachineError> {
        let status = match self.qmp().raw("query-status", Value::Null).await {
            Ok(status) => status,
            Err(QmpError::Closed { .. }) => return Ok(()), // Its end is the explanation.
            Err(error) => return Err(error.into()),
        };
        self.stopped = false;
        match status["status"].as_str() {
            Some(state @ ("internal-error" | "io-error" | "guest-panicked" | "watchdog")) => {
                self.process.read_stderr()?;
                Err(MachineError::Stopped { state: state.to_owned(), stderr: self.process.stderr() })
            }
            // Somebody asked for it through the monitor.
            _ => Ok(()),
        }
    }
}

impl Guest for Machine {
    type Error = MachineError;

    fn send(&mut self, frame: Vec<u8>) -> Result<(), MachineError> {
        self.crossing.send(frame)?;
        // At once: the guest's clock runs.
        self.flush()
    }

    async fn next(&mut self, wake: Option<GuestTime>) -> Result<GuestEvent, MachineError> {
        if let Some(event) = self.prelude.pop_front() {
            return Ok(event);
        }
        if self.held {
            self.held = false;
            self.set_going()?;
        }
        loop {
            let left = self.pump()?;
            let waits = self.stamp()?;
            let due = wake.is_some_and(|wake| wake <= self.clock.now());
            let host = Instant::now();
            if let Some(event) = self.arrivals.pop(host, due || waits) {
                return Ok(event);
            }
            if due && self.arrivals.is_empty() {
                return Ok(GuestEvent::Tick { at: self.arrivals.deliver(self.clock.now()) });
            }
            if left == Left::Perhaps {
                continue;
            }
            if self.process.status().is_some() {
                self.ended().await?;
                let last = self.arrivals.pop(host, true);
                let at = self.clock.now();
                return Ok(last.unwrap_or_else(|| GuestEvent::Exited {
                    at: self.arrivals.deliver(at),
                    how: self.process.how(),
                }));
            }
            if self.stopped && self.arrivals.is_empty() {
                self.explain_stop().await?;
                continue;
            }

            let mut until = host + HEARTBEAT;
            if !self.clock.is_asked() {
                if let Some(wake) = wake
                    && !self.lockstep
                {
                    until = until.min(self.clock.ask_at(wake));
                }
                if until <= host {
                    self.ask()?;
                    until = host + HEARTBEAT;
                }
            }
            if let Some(collected) = self.arrivals.collected_at() {
                until = until.min(collected);
            }
            if let Some(again) = self.let_go_on(wake)? {
                until = until.min(again);
            }
            self.wait(until).await?;
            self.lose_patience()?;
            if !self.clock.is_asked() && host.elapsed() >= HEARTBEAT {
                let question = self.ask()?;
                self.arrivals.asked(question);
                if self.lockstep && self.beating.contains(&true) {
                    self.doubt.get_or_insert(self.clock.now());
                }
            }
        }
    }
}
