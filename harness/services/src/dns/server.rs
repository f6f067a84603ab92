//! The DNS server over UDP (RFC 1035 §4.2.1).

use super::message::Query;
use super::{Mismatch, Settings};
use crate::delay;
use record::Event;
use std::net::IpAddr;
use wire::{GuestTime, Outbox};

/// Port of RFC 1035 §4.2.
pub(crate) const SERVER_PORT: u16 = 53;

/// Where an answer goes: the way back of a query's datagram.
pub(crate) trait Question {
    /// The server's address that was asked.
    fn server(&self) -> IpAddr;

    /// A frame with an answer from the server's port; its ports are shifted by so much, which is 0 or 1.
    fn reply(&self, from: u16, to: u16, answer: &[u8]) -> Vec<u8>;
}

/// The server and the answers that it delays.
#[derive(Debug)]
pub(crate) struct Server {
    settings: Settings,
    pending: delay::Queue<(Vec<u8>, Event)>,
}

impl Server {
    /// A server whose settings have been checked.
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, pending: delay::Queue::new() }
    }

    /// Takes the payload of a datagram that was sent to the server's port.
    pub(crate) fn receive(&mut self, now: GuestTime, from: &dyn Question, payload: &[u8], out: &mut Outbox) {
        let query = match Query::parse(payload) {
            Ok(query) => query,
            Err(error) => {
                let why = error.to_string();
                return out.events.push(Event::DnsUnanswered { name: String::new(), why });
            }
        };
        out.events.push(query.event(from.server(), false));
        if !self.settings.answers_at(from.server()) {
            let why = "no DNS server at this address".into();
            return out.events.push(Event::DnsUnanswered { name: query.name, why });
        }
        let (bytes, event) = self.settings.respond(&query, from.server(), self.settings.truncated);
        let shift = |on| u16::from(self.settings.mismatch == Some(on));
        let frame = from.reply(shift(Mismatch::SourcePort), shift(Mismatch::DestinationPort), &bytes);
        let delay = delay::duration(self.settings.delay_seconds);
        if delay.is_zero() {
            out.frames.push(frame);
            out.events.push(event);
        } else if !self.pending.is_full() {
            self.pending.push(now + delay, (frame, event));
        }
    }

    /// Sends the answers that are due.
    pub(crate) fn poll(&mut self, now: GuestTime, out: &mut Outbox) {
        for (frame, event) in self.pending.due(now) {
            out.frames.push(frame);
            out.events.push(event);
        }
    }

    /// When the next answer is due.
    pub(crate) fn poll_at(&self) -> Option<GuestTime> {
        self.pending.poll_at()
    }
}
