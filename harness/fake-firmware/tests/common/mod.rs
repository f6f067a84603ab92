//! A segment with the real services on one end and the fake firmware on the other, and what happened on it.

#![allow(dead_code)] // each test file uses its part

use evidence::{ConsoleDecoder, summary};
use fake_firmware::{Behaviour, FakeFirmware, Over};
use payload::Payload;
use services::{Network, NetworkSettings, client::Boot};
use std::path::Path;
use wire::{Direction, Event, GuestEvent, GuestTime, Node, Outbox};

/// Longer than any client's patience.
const LIMIT: GuestTime = GuestTime::from_micros(300_000_000);

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum End {
    Proof,
    Limit,
    Exited,
}

/// What happened, and when.
pub struct Transcript {
    pub lines: Vec<(GuestTime, String)>,
    pub events: Vec<Event>,
    pub console: Vec<String>,
    pub end: End,
    /// Genuineness of every proof seen.
    pub proofs: Vec<bool>,
    pub frames: Vec<(GuestTime, Direction, Vec<u8>)>,
}

impl Transcript {
    pub fn boots(&self) -> bool {
        self.proofs == [true]
    }

    /// Requests as `METHOD target`.
    pub fn requests(&self) -> Vec<String> {
        let request = |event: &Event| match event {
            Event::HttpRequest { method, target, .. } => Some(format!("{method} {target}")),
            _ => None,
        };
        self.events.iter().filter_map(request).collect()
    }

    pub fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }

    pub fn says(&self, text: &str) -> bool {
        self.console.iter().any(|line| line.contains(text))
    }

    /// The last thing that the guest sent or printed.
    pub fn last_sign_of_life(&self) -> GuestTime {
        self.lines
            .iter()
            .rev()
            .find(|(_, line)| line.starts_with('>') || line.starts_with('|'))
            .map_or(GuestTime::ZERO, |(at, _)| *at)
    }

    /// Times in milliseconds, `>` from and `<` to the guest, `|` console, `*` monitor.
    pub fn text(&self) -> String {
        self.lines.iter().map(|(at, line)| format!("{:>9.3} {line}\n", at.as_secs_f64())).collect()
    }
}

/// What the client's clock shows.
const DATE: jiff::civil::DateTime = jiff::civil::date(2026, 1, 1).at(0, 0, 0, 0);

/// A network whose boot file is behind TLS.
pub fn https() -> NetworkSettings {
    let mut settings = NetworkSettings::default();
    settings.dhcp4.bootfile = Some("https://{server4}/boot.efi".into());
    settings
}

pub fn boot(behaviour: Behaviour) -> Transcript {
    boot_from(behaviour, &NetworkSettings::default())
}

pub fn boot_from(behaviour: Behaviour, settings: &NetworkSettings) -> Transcript {
    boot_image(behaviour, settings, &Payload::new("x64", [0x42; 16]).unwrap())
}

pub fn boot_image(behaviour: Behaviour, settings: &NetworkSettings, payload: &Payload) -> Transcript {
    let identity = Network::certificate(settings).unwrap().map(|certificate| {
        let pki = pki::Pki::open(Path::new(env!("CARGO_TARGET_TMPDIR")));
        pki.mint(&certificate, DATE).unwrap()
    });
    let mut network = Network::with_identity(settings, payload.image(), identity.as_ref()).unwrap();
    let date = DATE.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
    let anchors = identity.map(|identity| identity.anchors).unwrap_or_default();
    let over = match settings.client.boot {
        Boot::Ipv4 => Over::Ipv4,
        Boot::Ipv6 => Over::Ipv6,
        Boot::Ipv6AfterIpv4 => Over::Ipv4ThenIpv6,
    };
    let behaviour = behaviour.booting(over, settings.client.wait_seconds).trusting(anchors, date);
    let mut guest = FakeFirmware::new(behaviour);
    let mut console = ConsoleDecoder::new();
    let mut t = Transcript {
        lines: Vec::new(),
        events: Vec::new(),
        console: Vec::new(),
        end: End::Limit,
        proofs: Vec::new(),
        frames: Vec::new(),
    };
    loop {
        let wake = network.poll_at().map_or(LIMIT, |at| at.min(LIMIT));
        let mut out = Outbox::default();
        match guest.step(Some(wake)).expect("there is a wake-up time") {
            GuestEvent::Frame { at, direction, bytes } => {
                let arrow = if direction == Direction::FromGuest { '>' } else { '<' };
                t.lines.push((at, format!("{arrow} {}", summary::line(&bytes))));
                if direction == Direction::FromGuest {
                    network.receive(at, &bytes, &mut out);
                    if let Some(Event::Proof { genuine, .. }) = payload.read_proof(&bytes) {
                        t.proofs.push(genuine);
                        if genuine {
                            t.end = End::Proof;
                        }
                    }
                }
                t.frames.push((at, direction, bytes));
            }
            GuestEvent::Console { at, bytes } => {
                for line in console.push(&bytes).into_iter().filter(|line| !line.trim().is_empty()) {
                    t.lines.push((at, format!("| {line}")));
                    t.console.push(line);
                }
            }
            GuestEvent::Monitor { at, name, data } => t.lines.push((at, format!("* {name} {data}"))),
            GuestEvent::Tick { at } if at >= LIMIT => break,
            GuestEvent::Tick { at } => network.poll(at, &mut out),
            GuestEvent::Exited { at, how } => {
                t.lines.push((at, format!("* exited: {how}")));
                t.end = End::Exited;
                break;
            }
        }
        t.events.extend(out.events);
        out.frames.into_iter().for_each(|frame| guest.deliver(frame));
        if t.end == End::Proof {
            break;
        }
    }
    t.console.extend(console.finish());
    t
}
