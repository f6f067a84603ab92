//! The client as a guest on the segment: its clock, and the events that the harness sees.

use crate::behaviour::Behaviour;
use crate::client::{Client, Effect};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use wire::{Direction, Guest, GuestEvent, GuestTime};

/// The MAC address of the client's network card, the same as a real guest's.
pub const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

/// What a frame takes to cross the segment.
const LATENCY: Duration = Duration::from_micros(10);
/// How far the clock moves when a timer that was due had nothing to do, so that it always moves.
const NUDGE: Duration = Duration::from_millis(1);

/// A simulated machine with a simulated firmware in it.
pub struct FakeFirmware {
    client: Client,
    now: GuestTime,
    inbox: VecDeque<Vec<u8>>,
    events: VecDeque<GuestEvent>,
    exited: Option<String>,
}

impl FakeFirmware {
    /// A machine that is being powered on.
    pub fn new(behaviour: Behaviour) -> Self {
        Self {
            client: Client::new(behaviour),
            now: GuestTime::ZERO,
            inbox: VecDeque::new(),
            events: VecDeque::new(),
            exited: None,
        }
    }

    /// Queues a frame for the guest's card.
    pub fn deliver(&mut self, frame: Vec<u8>) {
        self.inbox.push_back(frame);
    }

    /// What happens next, at the latest when the clock reaches `wake`. `None` if nothing ever will: no frame is on its
    /// way, no timer runs, and there is no `wake`.
    pub fn step(&mut self, wake: Option<GuestTime>) -> Option<GuestEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if let Some(how) = &self.exited {
                return Some(GuestEvent::Exited { at: self.now, how: how.clone() });
            }
            if let Some(frame) = self.inbox.pop_front() {
                self.now = self.now + LATENCY;
                self.events.push_back(GuestEvent::Frame {
                    at: self.now,
                    direction: Direction::ToGuest,
                    bytes: frame.clone(),
                });
                self.client.receive(self.now, frame);
                self.collect();
                continue;
            }
            let timer = self.client.poll_at(self.now);
            match (timer, wake) {
                (None, None) => return None,
                (Some(due), wake) if wake.is_none_or(|wake| due <= wake) => {
                    let before = self.now;
                    self.now = self.now.max(due);
                    self.client.poll(self.now);
                    self.collect();
                    if self.events.is_empty() && self.exited.is_none() && self.now == before {
                        self.now = self.now + NUDGE;
                    }
                }
                (_, wake) => {
                    self.now = self.now.max(wake.unwrap_or(self.now));
                    return Some(GuestEvent::Tick { at: self.now });
                }
            }
        }
    }

    /// Turns what the client did into events, frame after frame.
    fn collect(&mut self) {
        for effect in self.client.take_effects() {
            let event = match effect {
                Effect::Frame(bytes) => {
                    self.now = self.now + LATENCY;
                    GuestEvent::Frame { at: self.now, direction: Direction::FromGuest, bytes }
                }
                Effect::Print(text) => GuestEvent::Console { at: self.now, bytes: text.into_bytes() },
                Effect::Monitor(name, data) => GuestEvent::Monitor { at: self.now, name: name.into(), data },
                Effect::Exit(how) => {
                    self.exited = Some(how);
                    continue;
                }
            };
            self.events.push_back(event);
        }
    }
}

impl Guest for FakeFirmware {
    type Error = Infallible;

    fn send(&mut self, frame: Vec<u8>) -> Result<(), Infallible> {
        self.deliver(frame);
        Ok(())
    }

    /// Is ready at once, or never.
    async fn next(&mut self, wake: Option<GuestTime>) -> Result<GuestEvent, Infallible> {
        match self.step(wake) {
            Some(event) => Ok(event),
            None => std::future::pending().await,
        }
    }
}
