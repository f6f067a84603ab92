//! From a name to an address (RFC 1035 §7, RFC 7766 §5).

use super::fetch::Open;
use super::{Client, Lease, State};
use crate::console;
use crate::dns::{self, Answer, Kind};
use crate::stack::Connection;
use crate::url::Host;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use wire::GuestTime;

/// EDK2's patience with a server, and the first of others.
const PATIENCE: Duration = Duration::from_secs(2);
/// Aliases that are followed by new questions.
const ALIASES: u32 = 8;
const PORT: u16 = 53;

/// Asking for a name.
pub(super) struct Resolving {
    pub(super) until: GuestTime,
    /// What it is for.
    open: Open,
    /// The name in the URL.
    name: String,
    /// The name that is asked for now.
    alias: String,
    aliases: u32,
    sent: u32,
    server: IpAddr,
    /// What has arrived over TCP, after an answer that was truncated.
    stream: Option<Stream>,
}

#[derive(Default)]
struct Stream {
    asked: bool,
    received: Vec<u8>,
}

impl Client {
    /// Asks for the name in a URL before `open`.
    pub(super) fn look_up(&mut self, now: GuestTime, open: Open) {
        let (Host::Name(name), Some(&server)) = (&open.url.host, self.resolvers.first()) else {
            return self.fail(now, console::NAME);
        };
        let (name, alias) = (name.clone(), name.clone());
        let it = Resolving { until: now, open, name, alias, aliases: 0, sent: 0, server, stream: None };
        self.ask_server(now, Box::new(it));
    }

    fn ask_server(&mut self, now: GuestTime, mut it: Box<Resolving>) {
        let turns = self.resolvers.len();
        if it.sent >= self.behaviour.dns_tries || turns == 0 {
            return self.fail(now, console::NAME);
        }
        it.server = self.resolvers[usize::try_from(it.sent).unwrap_or(0) % turns];
        it.sent += 1;
        // RFC 1536 §1: it waits longer from turn to turn.
        it.until = now + PATIENCE * 2u32.pow((it.sent - 1).min(2));
        it.stream = None;
        self.xid += 1;
        let query = dns::query(self.query_id(), &it.alias, it.kind());
        if let Some(stack) = &mut self.stack {
            stack.ask(SocketAddr::new(it.server, PORT), &query);
        }
        self.state = State::Resolving(it);
        self.flush(now);
    }

    fn query_id(&self) -> u16 {
        let [.., a, b] = self.xid.to_be_bytes();
        u16::from_be_bytes([a, b])
    }

    /// Goes on as far as what has arrived allows.
    pub(super) fn resolve(&mut self, now: GuestTime) {
        self.flush(now);
        let State::Resolving(mut it) = std::mem::replace(&mut self.state, State::Over) else { return };
        let id = self.query_id();
        let Some(stack) = &mut self.stack else { return };
        let mut answer = None;
        if let Some(stream) = &mut it.stream {
            match stack.state() {
                Connection::Open if !stream.asked => {
                    stream.asked = true;
                    let query = dns::query(id, &it.alias, it.open.lease.kind());
                    let length = u16::try_from(query.len()).unwrap_or(0).to_be_bytes();
                    stack.send(&[&length[..], &query].concat());
                }
                _ => stream.received.extend(stack.take()),
            }
            // RFC 1035 §4.2.2: two bytes of length go before.
            answer = stream.received.split_first_chunk::<2>().and_then(|(length, rest)| {
                let message = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
                dns::read(message, id, &it.alias, it.open.lease.kind())
            });
        }
        while let Some((from, bytes)) = stack.answer() {
            if from == SocketAddr::new(it.server, PORT) && it.stream.is_none() {
                answer = answer.or_else(|| dns::read(&bytes, id, &it.alias, it.open.lease.kind()));
            }
        }
        match answer {
            Some(answer) => self.resolved(now, it, answer),
            None if now >= it.until => self.ask_server(now, it),
            None => {
                self.state = State::Resolving(it);
                self.flush(now);
            }
        }
    }

    fn resolved(&mut self, now: GuestTime, mut it: Box<Resolving>, answer: Answer) {
        match answer {
            Answer::Addresses(addresses) => {
                self.names.push((it.name.clone(), addresses));
                let Open { lease, url, redirects, method } = it.open;
                self.open(now, lease, url, redirects, method);
            }
            Answer::Alias(alias) if self.behaviour.follows_aliases && it.aliases < ALIASES => {
                it.aliases += 1;
                it.alias = alias;
                it.sent = 0;
                self.ask_server(now, it);
            }
            Answer::Truncated if self.behaviour.dns_over_tcp && it.stream.is_none() => {
                it.stream = Some(Stream::default());
                it.until = now + PATIENCE;
                if let Some(stack) = &mut self.stack {
                    stack.connect(SocketAddr::new(it.server, PORT));
                }
                self.state = State::Resolving(it);
                self.flush(now);
            }
            Answer::Failure => self.ask_server(now, it),
            Answer::Alias(_) | Answer::Truncated | Answer::Nothing => self.fail(now, console::NAME),
        }
    }
}

impl Resolving {
    fn kind(&self) -> Kind {
        self.open.lease.kind()
    }
}

impl Lease {
    /// The kind of address that can be connected to from this one.
    fn kind(&self) -> Kind {
        match self {
            Self::V4 { .. } => Kind::A,
            Self::V6 { .. } => Kind::Aaaa,
        }
    }
}
