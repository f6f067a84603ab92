//! DNS over one TCP connection (RFC 7766, RFC 1035 §4.2.2): each message has its length in front.

use super::{Settings, message::Query};
use crate::{delay, tcp::Application};
use record::Event;
use std::{collections::VecDeque, net::IpAddr, sync::Arc};
use wire::GuestTime;

/// Answers that may wait on one connection.
const WAITING: usize = 16;

/// The server's side of a connection.
#[derive(Debug)]
pub(crate) struct Session {
    settings: Arc<Settings>,
    /// The address that was connected to.
    server: IpAddr,
    connection: u32,
    input: Vec<u8>,
    waiting: VecDeque<Waiting>,
    outgoing: VecDeque<u8>,
    handed_over: u64,
    /// Whether the guest has closed its side.
    ended: bool,
    /// Whether it has sent what is no query: nothing more is read.
    malformed: bool,
}

#[derive(Debug)]
struct Waiting {
    message: Vec<u8>,
    event: Event,
    /// When it is sent; not known before it is asked for.
    due: Option<GuestTime>,
}

impl Session {
    /// A session whose settings have been checked.
    pub(crate) fn new(settings: Arc<Settings>, server: IpAddr, connection: u32) -> Self {
        Self {
            settings,
            server,
            connection,
            input: Vec::new(),
            waiting: VecDeque::new(),
            outgoing: VecDeque::new(),
            handed_over: 0,
            ended: false,
            malformed: false,
        }
    }

    /// Reads queries while there is room for their answers.
    fn read(&mut self, events: &mut Vec<Event>) {
        while self.waiting.len() < WAITING
            && !self.malformed
            && let Some(message) = self.next_message()
        {
            match Query::parse(&message) {
                Ok(query) => {
                    events.push(query.event(self.server, true));
                    let (message, event) = self.settings.respond(&query, self.server, false);
                    self.waiting.push_back(Waiting { message, event, due: None });
                }
                Err(error) => {
                    let why = error.to_string();
                    events.push(Event::DnsUnanswered { name: String::new(), why });
                    self.malformed = true;
                }
            }
        }
    }

    /// Takes the message at the start of the input, if it is whole.
    fn next_message(&mut self) -> Option<Vec<u8>> {
        let (length, rest) = self.input.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let message = rest.get(..length)?.to_vec();
        self.input.drain(..2 + length);
        Some(message)
    }
}

impl Application for Session {
    fn connection(&self) -> u32 {
        self.connection
    }

    fn wants_input(&self) -> bool {
        !self.malformed && self.waiting.len() < WAITING
    }

    fn receive(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        self.input.extend(bytes);
        self.read(events);
    }

    fn end_of_input(&mut self, _events: &mut Vec<Event>) {
        self.ended = true;
    }

    fn fill(&mut self, now: GuestTime, buffer: &mut [u8], events: &mut Vec<Event>) -> usize {
        let delay = delay::duration(self.settings.delay_seconds);
        for waiting in &mut self.waiting {
            waiting.due.get_or_insert(now + delay);
        }
        while self.waiting.front().is_some_and(|first| first.due.is_some_and(|due| due <= now)) {
            let Some(first) = self.waiting.pop_front() else { break };
            let length = u16::try_from(first.message.len()).unwrap_or(u16::MAX);
            self.outgoing.extend(length.to_be_bytes());
            self.outgoing.extend(first.message);
            events.push(first.event);
        }
        self.read(events);
        let filled = buffer.len().min(self.outgoing.len());
        for (to, byte) in buffer.iter_mut().zip(self.outgoing.drain(..filled)) {
            *to = byte;
        }
        self.handed_over += filled as u64;
        filled
    }

    fn wake(&self) -> Option<GuestTime> {
        self.waiting.front().and_then(|first| first.due)
    }

    fn acknowledged(&mut self, _now: GuestTime, _total: u64, _events: &mut Vec<Event>) {}

    fn handed_over(&self) -> u64 {
        self.handed_over
    }

    fn is_over(&self) -> bool {
        (self.ended || self.malformed) && self.waiting.is_empty() && self.outgoing.is_empty()
    }
}
