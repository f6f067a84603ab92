//! One cell: a guest, a network, and the watch until the attempt has ended.

use crate::{Cell, Guests, Options, Started, Transcript, Unequipped};
use crate::{image, variables};
use evidence::{CellEvidence, CellMeta, EvidenceError, Files};
use firmware::{ConsoleSign, Firmware, LOADER};
use judge::{Ending, Finding, Watched};
use payload::Payload;
use record::{Accelerator, AssertionResult, ClientHello, Direction, Entry, EvidencePaths, GuestTime};
use services::{Network, NetworkError, address::GUEST_MAC};
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;
use wire::{Event, Guest, GuestEvent, Node, Outbox};

/// Guest time within which a firmware must show a first sign of a network boot. On the virtual clock, power-on alone
/// takes 60 to 110 s of it.
const POWER_ON_LIMIT: Duration = Duration::from_secs(600);
/// Guest time after the first sign within which the attempt must end, however much the firmware talks.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(900);
/// The same two for an attempt of several steps: loaders and kernels unpack, verify and probe without a word for longer than any timer of
/// a firmware.
const LOADER_SILENCE: Duration = Duration::from_secs(400);
const LOADERS_LIMIT: Duration = Duration::from_secs(3600);
/// Host time that a MiB of the image may take besides: two cells at a time need half of it on two cores.
const PER_MIB: Duration = Duration::from_secs(5);
/// An answer that reaches the guest this much later than our services gave it says more about the host's load than
/// about the firmware: EDK2's shortest timer that an answer of ours races against is 2 s.
const LATE_ANSWER: Duration = Duration::from_secs(1);

/// What a cell that says something about its firmware leaves.
pub(crate) struct Finished {
    pub finding: Finding,
    pub conversation: Vec<AssertionResult>,
    pub transcript: Transcript,
    pub client_hello: Option<ClientHello>,
    pub evidence: EvidencePaths,
    pub guest_time: GuestTime,
    pub accelerator: Option<Accelerator>,
}

/// What a cell that says nothing about its firmware leaves.
pub(crate) struct Unmeasured {
    pub error: CellError,
    /// What was recorded before it failed.
    pub evidence: Option<EvidencePaths>,
    pub guest_time: GuestTime,
}

impl From<CellError> for Unmeasured {
    fn from(error: CellError) -> Self {
        Self { error, evidence: None, guest_time: GuestTime::ZERO }
    }
}

/// Our own failure; it says nothing about the firmware.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CellError {
    #[error("failed to build the network: {0}")]
    Network(String),
    /// The cell is about something that this host cannot do.
    #[error("{0}")]
    Unsupported(String),
    #[error("failed to prepare the payload: {0}")]
    Payload(#[from] image::PayloadError),
    #[error("failed to start the guest: {0}")]
    Start(crate::StartError),
    #[error("failed to keep evidence: {0}")]
    Evidence(#[from] evidence::EvidenceError),
    #[error("lost the connection to the guest: {0}")]
    Guest(String),
    #[error("QEMU ended by itself: {0}")]
    Exited(String),
    #[error("the cell did not end within {} s of host time; the host is overloaded or the guest is stuck", .0.as_secs())]
    HostLimit(Duration),
    #[error("an answer of ours reached the guest {:.1} s late; the host is overloaded, try fewer --jobs", .0.as_secs_f64())]
    Late(Duration),
}

impl From<crate::StartError> for CellError {
    /// A model of another architecture is what QEMU alone knows.
    fn from(error: crate::StartError) -> Self {
        const UNKNOWN: &str = "unable to find CPU model '";
        match error.0.split_once(UNKNOWN).and_then(|(_, rest)| rest.split_once('\'')) {
            Some((model, _)) => Self::Unsupported(format!(
                "QEMU has no processor `{model}` for the architecture of this firmware."
            )),
            None => Self::Start(error),
        }
    }
}

impl From<NetworkError> for CellError {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::Unsupported(unsupported) => Self::Unsupported(unsupported.to_string()),
            other => Self::Network(other.to_string()),
        }
    }
}

impl From<Unequipped> for CellError {
    fn from(why: Unequipped) -> Self {
        match why {
            Unequipped::Unsupported(what) => Self::Unsupported(what),
            Unequipped::Failed(why) => Self::Network(why),
        }
    }
}

impl CellError {
    /// Whether the same cell may do better when it runs again.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Network(_) | Self::Unsupported(_) | Self::Payload(_))
    }
}

/// Runs `cell` once; evidence goes to `directory` in the run's own.
pub(crate) async fn attempt<G: Guests>(
    guests: &G,
    cell: &Cell,
    firmware: &Firmware,
    options: &Options,
    directory: &str,
) -> Result<Finished, Unmeasured> {
    let equipment = cell.equipment.as_ref().map_err(|why| CellError::from(why.clone()))?;
    let payload = image::payload(cell, firmware, options.seed).map_err(CellError::from)?;
    let network = Network::with_identity(&cell.network, payload.image(), equipment.identity.as_deref())
        .map_err(CellError::from)?;
    let started = guests.start(cell, firmware, &payload.image()).await.map_err(CellError::from)?;
    let evidence = begin_evidence(cell, firmware, &started, &options.directory.join(directory))
        .map_err(CellError::from)?;
    let accelerator = started.accelerator;
    let mut watch = Watch {
        guest: started.guest,
        network,
        payload: &payload,
        firmware,
        ipv6: cell.network.client.boot.is_ipv6(),
        has_loaders: cell.network.has_loaders(),
        evidence,
        now: GuestTime::ZERO,
        power_on: true,
        attempt_began: GuestTime::ZERO,
        last_sign: GuestTime::ZERO,
        image_started: false,
        more_entries: cell.network.client.nvram.tried().count().saturating_sub(1),
        ipv6_began: None,
        in_flight: VecDeque::new(),
        worst_delay: Duration::ZERO,
    };
    let mebibytes = u32::try_from(payload.image().len() >> 20).unwrap_or(u32::MAX);
    let limit = options.host_limit.saturating_add(PER_MIB.saturating_mul(mebibytes));
    let watched = tokio::time::timeout(limit, watch.until_the_end()).await;
    let Watch { mut guest, now, image_started, ipv6_began, mut evidence, worst_delay, .. } = watch;
    let mut variables = Ok(None);
    if !cell.network.client.nvram.entries.is_empty() {
        variables = guests.variables(&mut guest).await;
    }
    let finished = guests.finish(guest).await;
    let ending = match watched {
        Err(_elapsed) => Err(CellError::HostLimit(limit)),
        Ok(Ok(_)) if worst_delay > LATE_ANSWER => Err(CellError::Late(worst_delay)),
        Ok(ending) => ending.and_then(|ending| match finished {
            Ok(()) => Ok(ending),
            Err(why) => Err(CellError::Guest(why)),
        }),
    };
    let ending = match variables {
        Err(why) => ending.and(Err(CellError::Guest(why))),
        Ok(flash) => {
            for event in flash.map(variables::events).unwrap_or_default() {
                evidence.event(now, event).map_err(CellError::from)?;
            }
            ending
        }
    };
    if let Err(error) = &ending {
        evidence.event(now, Event::Harness { note: error.to_string() }).map_err(CellError::from)?;
    }
    let kept = evidence.finish(now).map_err(CellError::from)?;
    let evidence = paths(directory, &kept.files);
    match ending {
        Ok(ending) => Ok(Finished {
            finding: judge::judge(
                &kept.entries,
                // Of several steps, what starts is the first; how far the others got is on the wire.
                Watched {
                    ending,
                    ended: now,
                    image_started: image_started && !cell.network.has_loaders(),
                    ipv6_began,
                },
            ),
            conversation: judge::hear(&kept.entries, &cell.conversation),
            transcript: Transcript::of(&kept.entries, firmware.family),
            client_hello: client_hello(&kept.entries),
            evidence,
            guest_time: now,
            accelerator,
        }),
        Err(error) => Err(Unmeasured { error, evidence: Some(evidence), guest_time: now }),
    }
}

fn begin_evidence<G>(
    cell: &Cell,
    firmware: &Firmware,
    started: &Started<G>,
    directory: &Path,
) -> Result<CellEvidence, EvidenceError> {
    let meta = CellMeta {
        cell: cell.id.clone(),
        firmware: format!("{} {} sha256:{}", firmware.id, firmware.version, firmware.code.file.sha256),
        title: cell.title.clone(),
        rtc_base_unix: started.rtc_base,
    };
    let mut evidence = CellEvidence::create(directory, &meta, &cell.resolved)?;
    if let Some(command) = &started.command {
        evidence.command(command)?;
    }
    Ok(evidence)
}

/// Where the evidence is, relative to the run's directory.
fn paths(directory: &str, files: &Files) -> EvidencePaths {
    let relative = |path: &Path| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        format!("{directory}/{file}")
    };
    EvidencePaths {
        directory: directory.to_owned(),
        capture: relative(&files.capture),
        console: relative(&files.console),
        timeline: relative(&files.timeline),
        cell: relative(&files.cell),
        command: files.command.as_deref().map(relative),
        keys: files.keys.as_deref().map(relative),
    }
}

/// The first ClientHello, and whether any of them offers to resume a session: the first has none to resume.
fn client_hello(entries: &[Entry]) -> Option<ClientHello> {
    let mut all = entries.iter().filter_map(|entry| match &entry.event {
        Event::TlsClientHello { hello, .. } => Some(hello),
        _ => None,
    });
    let first = all.next()?.clone();
    let resumes = first.resumes || all.any(|hello| hello.resumes);
    Some(ClientHello { resumes, ..first })
}

/// A frame of ours on its way to the guest.
struct InFlight {
    queued: GuestTime,
    /// Nothing of ours was before it, so that its delay is the host's and not the guest's.
    alone: bool,
}

struct Watch<'a, G> {
    guest: G,
    network: Network,
    payload: &'a Payload,
    firmware: &'a Firmware,
    /// Whether the cell is about a boot over IPv6: an attempt over IPv4 that fails before it ends nothing.
    ipv6: bool,
    /// Whether what the firmware starts goes on by itself.
    has_loaders: bool,
    evidence: CellEvidence,
    now: GuestTime,
    /// No sign of a network boot yet.
    power_on: bool,
    attempt_began: GuestTime,
    last_sign: GuestTime,
    image_started: bool,
    /// Boot entries that come after the one that is being tried.
    more_entries: usize,
    /// When the console said that an attempt over IPv6 begins.
    ipv6_began: Option<GuestTime>,
    in_flight: VecDeque<InFlight>,
    worst_delay: Duration,
}

impl<G: Guest> Watch<'_, G> {
    async fn until_the_end(&mut self) -> Result<Ending, CellError> {
        loop {
            let limit = self.limit();
            let wake = self.network.poll_at().map_or(limit, |at| at.min(limit));
            let event =
                self.guest.next(Some(wake)).await.map_err(|error| CellError::Guest(error.to_string()))?;
            if let Some(ending) = self.take(event)? {
                if ending == Ending::Proof {
                    self.last_words().await?;
                }
                return Ok(ending);
            }
            if self.now >= self.limit() {
                let talked_on = !self.power_on && self.now.since(self.attempt_began) >= self.patience().1;
                return Ok(if talked_on { Ending::Limit } else { Ending::Silence });
            }
        }
    }

    /// Records what the guest did before its proof and we have not read yet: its console comes another way than its
    /// frames.
    async fn last_words(&mut self) -> Result<(), CellError> {
        let end = self.now;
        loop {
            match self.guest.next(Some(end)).await.map_err(|error| CellError::Guest(error.to_string()))? {
                GuestEvent::Console { at, bytes } => {
                    self.advance(at);
                    self.evidence.console(self.now, &bytes)?;
                }
                GuestEvent::Frame { at, direction, bytes } => {
                    self.advance(at);
                    self.evidence.frame(at, direction, &bytes)?;
                }
                GuestEvent::Monitor { at, name, data } => {
                    self.advance(at);
                    self.evidence.event(at, Event::Qmp { name, data })?;
                }
                GuestEvent::Tick { .. } | GuestEvent::Exited { .. } => return Ok(()),
            }
        }
    }

    /// When to stop waiting for a sign of life.
    fn limit(&self) -> GuestTime {
        if self.power_on {
            return GuestTime::ZERO + POWER_ON_LIMIT;
        }
        let (silence, attempt) = self.patience();
        (self.last_sign + silence).min(self.attempt_began + attempt)
    }

    /// How long it may be silent, and how long the attempt may take.
    fn patience(&self) -> (Duration, Duration) {
        if self.has_loaders {
            return (LOADER_SILENCE, LOADERS_LIMIT);
        }
        (Duration::from_secs(self.firmware.family.longest_timeout_seconds().into()), ATTEMPT_LIMIT)
    }

    fn take(&mut self, event: GuestEvent) -> Result<Option<Ending>, CellError> {
        match event {
            GuestEvent::Frame { at, direction, bytes } => {
                self.advance(at);
                self.evidence.frame(at, direction, &bytes)?;
                match direction {
                    Direction::ToGuest => self.arrived(at),
                    Direction::FromGuest => return self.guest_sent(&bytes),
                }
            }
            GuestEvent::Console { at, bytes } => {
                self.advance(at);
                return self.console(&bytes);
            }
            GuestEvent::Monitor { at, name, data } => {
                self.advance(at);
                let ending = machine_ended(&name, &data).then_some(Ending::MachineReset);
                self.evidence.event(at, Event::Qmp { name, data })?;
                return Ok(ending);
            }
            GuestEvent::Tick { at } => {
                self.advance(at);
                let mut out = Outbox::default();
                self.network.poll(self.now, &mut out);
                self.flush(out)?;
            }
            GuestEvent::Exited { at, how } => {
                self.advance(at);
                return Err(CellError::Exited(how));
            }
        }
        Ok(None)
    }

    fn advance(&mut self, at: GuestTime) {
        self.now = self.now.max(at);
    }

    fn sign_of_life(&mut self) {
        if self.power_on {
            self.power_on = false;
            self.attempt_began = self.now;
        }
        self.last_sign = self.now;
    }

    fn guest_sent(&mut self, frame: &[u8]) -> Result<Option<Ending>, CellError> {
        self.sign_of_life();
        let proof = self.payload.read_proof(frame);
        let mut out = Outbox::default();
        self.network.receive(self.now, frame, &mut out);
        self.flush(out)?;
        let genuine = matches!(proof, Some(Event::Proof { genuine: true, .. }));
        if let Some(proof) = proof {
            self.evidence.event(self.now, proof)?;
        }
        Ok(genuine.then_some(Ending::Proof))
    }

    fn console(&mut self, bytes: &[u8]) -> Result<Option<Ending>, CellError> {
        if !self.power_on {
            self.last_sign = self.now;
        }
        for line in self.evidence.console(self.now, bytes)? {
            if is_about_another_card(&line) {
                continue;
            }
            match self.console_sign(&line) {
                Some(ConsoleSign::AttemptStarted) => self.attempt_started(&line),
                Some(ConsoleSign::ImageStarted) => self.image_started = true,
                Some(ConsoleSign::AttemptFailed)
                    if self.ipv6 && self.firmware.family.is_about_ipv4(&line) => {}
                Some(ConsoleSign::AttemptFailed | ConsoleSign::Denied) if self.more_entries > 0 => {
                    self.more_entries -= 1;
                    self.attempt_began = self.now;
                }
                Some(ConsoleSign::AttemptFailed) => return Ok(Some(Ending::AttemptFailed)),
                Some(ConsoleSign::Denied) => return Ok(Some(Ending::Denied)),
                Some(ConsoleSign::NothingToBoot) => return Ok(Some(Ending::NothingToBoot)),
                Some(ConsoleSign::Crashed) => return Ok(Some(Ending::Crashed)),
                None => {}
            }
        }
        // The firmware may hang before it ends the line that says that the attempt has started, and a prompt is never ended.
        let line = self.evidence.unfinished_console_line();
        match self.console_sign(line) {
            Some(ConsoleSign::AttemptStarted) => {
                let line = line.to_owned();
                self.attempt_started(&line);
                Ok(None)
            }
            Some(ConsoleSign::NothingToBoot) if self.is_prompt(line) => Ok(Some(Ending::NothingToBoot)),
            Some(ConsoleSign::AttemptFailed) if self.is_prompt(line) => Ok(Some(Ending::AttemptFailed)),
            _ => Ok(None),
        }
    }

    /// What a line tells, of the firmware or of what it has started.
    fn console_sign(&self, line: &str) -> Option<ConsoleSign> {
        let of_loader = || LOADER.console_sign(line).filter(|_| self.has_loaders);
        self.firmware.family.console_sign(line).or_else(of_loader)
    }

    /// Whether a line that has not ended never will.
    fn is_prompt(&self, line: &str) -> bool {
        self.firmware.family.is_prompt(line) || (self.has_loaders && LOADER.is_prompt(line))
    }

    fn attempt_started(&mut self, line: &str) {
        self.sign_of_life();
        if self.ipv6 && !self.firmware.family.is_about_ipv4(line) {
            self.ipv6_began.get_or_insert(self.now);
        }
    }

    /// Sends what the network wants sent, and writes down what it noticed.
    fn flush(&mut self, out: Outbox) -> Result<(), CellError> {
        for event in out.events {
            self.evidence.event(self.now, event)?;
        }
        for secret in out.secrets {
            self.evidence.secret(&secret)?;
        }
        for frame in out.frames {
            self.in_flight.push_back(InFlight { queued: self.now, alone: self.in_flight.is_empty() });
            self.guest.send(frame).map_err(|error| CellError::Guest(error.to_string()))?;
        }
        Ok(())
    }

    fn arrived(&mut self, at: GuestTime) {
        if let Some(frame) = self.in_flight.pop_front()
            && frame.alone
        {
            self.worst_delay = self.worst_delay.max(at.since(frame.queued));
        }
    }
}

/// Whether a line names a network card, and not the one that is on the link.
fn is_about_another_card(line: &str) -> bool {
    let own = GUEST_MAC.map(|byte| format!("{byte:02X}")).concat();
    line.split_once("(MAC:").is_some_and(|(_, mac)| !mac.starts_with(&own))
}

/// Whether a QMP event says that the guest reset itself, powered off or panicked.
fn machine_ended(name: &str, data: &serde_json::Value) -> bool {
    match name {
        "SHUTDOWN" => data.get("guest").and_then(serde_json::Value::as_bool).unwrap_or(true),
        "GUEST_PANICKED" | "RESET" => true,
        _ => false,
    }
}
