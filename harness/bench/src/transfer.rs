//! A large payload through the simulated network, with everything that a cell does on the way: services, wire, evidence.

use crate::boot_option::STARTING;
use crate::figures::Throughput;
use crate::milestone::Milestone;
use crate::usage::{Cpu, process_cpu};
use evidence::{CellEvidence, CellMeta, EvidenceError};
use fake_firmware::{Behaviour, FakeFirmware};
use machine::{Machine, MachineConfig, MachineError};
use payload::Payload;
use record::{ClockMode, Direction, GuestTime};
use services::{Network, NetworkError, NetworkSettings};
use std::io;
use std::time::{Duration, Instant};
use wire::{Event, Guest, GuestEvent, Node, Outbox};

/// Guest time after which a boot has failed.
const GUEST_LIMIT: Duration = Duration::from_secs(3600);
/// Host time after which a boot has failed.
const HOST_LIMIT: Duration = Duration::from_secs(1800);

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Evidence cannot be written.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// No machine.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The connection to the guest broke.
    #[error("failed to move frames: {0}")]
    Guest(String),
    /// The system refused.
    #[error("failed to measure a transfer: {0}")]
    Io(#[from] io::Error),
    /// The image never came.
    #[error("failed to boot the large payload: {0}")]
    NoBoot(String),
}

/// Into firmware in a QEMU that is powered on for it.
pub async fn into_machine(config: MachineConfig, payload: &Payload) -> Result<Throughput, TransferError> {
    let path = match config.clock {
        ClockMode::Real => "plugfest → firmware, real clock",
        ClockMode::Virtual => "plugfest → firmware, virtual clock",
    };
    let machine = Machine::start(config).await?;
    let process = machine.pid();
    transfer(path, machine, payload, || process_cpu(process)).await
}

/// Into a client in this process, so that nothing but our own side takes time.
pub async fn into_client(payload: &Payload) -> Result<Throughput, TransferError> {
    let client = FakeFirmware::new(Behaviour::conforming());
    transfer("plugfest → a client in the same process", client, payload, || None).await
}

async fn transfer<G: Guest>(
    path: &'static str,
    guest: G,
    payload: &Payload,
    guest_cpu: impl Fn() -> Option<f64>,
) -> Result<Throughput, TransferError> {
    let folder = tempfile::tempdir()?;
    let meta =
        CellMeta { cell: path.into(), firmware: String::new(), title: String::new(), rtc_base_unix: 0 };
    let mut link = Link {
        guest,
        network: Network::new(&NetworkSettings::default(), payload.image())?,
        evidence: CellEvidence::create(folder.path(), &meta, "")?,
        payload,
        now: GuestTime::ZERO,
        console: String::new(),
    };
    let begun = Instant::now();
    let mut got = None;
    loop {
        match tokio::time::timeout(HOST_LIMIT.saturating_sub(begun.elapsed()), link.step()).await {
            Ok(Ok(Progress::Nothing)) => {}
            Ok(Ok(Progress::Get)) => {
                got.get_or_insert((Instant::now(), Cpu::now()?, guest_cpu()));
            }
            Ok(Ok(Progress::Started)) => break,
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(TransferError::NoBoot(format!("the console says {:?}", link.console))),
        }
    }
    let (at, cpu, of_guest) = got.ok_or_else(|| TransferError::NoBoot("started without GET".into()))?;
    Ok(Throughput {
        path,
        bytes: payload.image().len() as u64,
        seconds: Some(at.elapsed().as_secs_f64()),
        harness_cpu_seconds: Some(Cpu::now()?.since(cpu).own),
        guest_cpu_seconds: guest_cpu().zip(of_guest).map(|(end, start)| end - start),
        note: String::new(),
    })
}

enum Progress {
    Nothing,
    Get,
    Started,
}

/// The two ends of the segment, and the evidence of what crosses it.
struct Link<'a, G> {
    guest: G,
    network: Network,
    evidence: CellEvidence,
    payload: &'a Payload,
    now: GuestTime,
    /// What the console has printed of its last line.
    console: String,
}

impl<G: Guest> Link<'_, G> {
    /// Waits for what happens next and lets the other end answer.
    async fn step(&mut self) -> Result<Progress, TransferError> {
        let limit = GuestTime::ZERO + GUEST_LIMIT;
        let wake = self.network.poll_at().map_or(limit, |at| at.min(limit));
        let event =
            self.guest.next(Some(wake)).await.map_err(|error| TransferError::Guest(error.to_string()))?;
        let mut out = Outbox::default();
        let mut progress = Progress::Nothing;
        match event {
            GuestEvent::Frame { at, direction, bytes } => {
                self.now = self.now.max(at);
                self.evidence.frame(at, direction, &bytes)?;
                if direction == Direction::FromGuest {
                    match (Milestone::of(&bytes), self.payload.read_proof(&bytes)) {
                        (_, Some(Event::Proof { genuine: true, .. })) => progress = Progress::Started,
                        (Some(Milestone::Get), _) => progress = Progress::Get,
                        _ => {}
                    }
                    self.network.receive(self.now, &bytes, &mut out);
                }
            }
            GuestEvent::Console { at, bytes } => {
                self.now = self.now.max(at);
                for line in self.evidence.console(at, &bytes)? {
                    if line.contains(STARTING) {
                        progress = Progress::Started;
                    }
                    self.console = line;
                }
            }
            GuestEvent::Tick { at } if at >= limit => {
                return Err(TransferError::NoBoot(format!("the console says {:?}", self.console)));
            }
            GuestEvent::Tick { at } => {
                self.now = self.now.max(at);
                self.network.poll(self.now, &mut out);
            }
            GuestEvent::Exited { how, .. } => return Err(TransferError::NoBoot(how)),
            GuestEvent::Monitor { .. } => {}
        }
        for event in out.events {
            self.evidence.event(self.now, event)?;
        }
        for frame in out.frames {
            self.guest.send(frame).map_err(|error| TransferError::Guest(error.to_string()))?;
        }
        Ok(progress)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn a_payload_of_a_few_mebibytes_arrives_whole() {
        let payload = Payload::new("x64", [5; 16]).unwrap().filled_to(3 << 20).unwrap();
        let figure = into_client(&payload).await.unwrap();
        assert_eq!(figure.bytes, 3 << 20);
        assert!(figure.seconds.is_some_and(|seconds| seconds > 0.0));
        assert!(figure.megabytes_per_second().is_some_and(|rate| rate > 0.0));
        assert_eq!(figure.guest_cpu_seconds, None);
    }
}
