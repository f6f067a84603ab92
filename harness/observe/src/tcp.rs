//! TCP connections of one client (RFC 9293), and what is spoken on them.

use crate::http::Http;
use crate::journal::Journal;
use crate::packet::Segment;
use crate::stream::Stream;
use crate::tls::Tls;
use record::{Direction, Endpoint, Event, TcpEnd};
use std::net::SocketAddr;

/// Connections that are looked into; a capture with more is of something else.
const MOST: usize = 10_000;
/// First byte of a TLS handshake record.
const TLS: u8 = 22;

/// All connections.
#[derive(Debug, Default)]
pub struct Connections {
    all: Vec<Connection>,
}

#[derive(Debug)]
struct Connection {
    number: u32,
    client: SocketAddr,
    server: SocketAddr,
    /// Where the SYN was, if it was seen; the event is added once it is known whether somebody took it.
    syn: Option<(u64, record::GuestTime)>,
    accepted: bool,
    established: bool,
    ended: bool,
    from_client: Stream,
    from_server: Stream,
    spoken: Spoken,
}

#[derive(Debug)]
enum Spoken {
    Nothing,
    Http(Http),
    Tls(Box<Tls>),
}

impl Connections {
    /// Takes a segment of the client's, or one for it.
    pub fn take(
        &mut self,
        client: SocketAddr,
        server: SocketAddr,
        segment: &Segment<'_>,
        from_client: bool,
        journal: &mut Journal,
    ) {
        let fresh = from_client && segment.syn && segment.acknowledgement.is_none();
        let known = self.all.iter().rposition(|it| it.client == client && it.server == server);
        // The same ports again are another connection once the first has come to something.
        let known = known.filter(|at| !(fresh && (self.all[*at].accepted || self.all[*at].ended)));
        let at = match known {
            Some(at) => at,
            None if self.all.len() < MOST && (fresh || !segment.payload.is_empty()) => {
                let number = u32::try_from(self.all.len() + 1).unwrap_or(u32::MAX);
                self.all.push(Connection::new(number, client, server, fresh.then(|| journal.now())));
                self.all.len() - 1
            }
            None => return,
        };
        self.all[at].take(segment, from_client, journal);
    }

    /// Says what is only known at the end. What encrypted connections carried, and what is known of certificates, comes back.
    pub fn finish(self, began_unix: u64, journal: &mut Journal) -> (Vec<(u64, u64)>, Vec<String>) {
        let (mut sealed, mut certificates) = (Vec::new(), Vec::new());
        for mut connection in self.all {
            let (from, to) = (endpoint(connection.client), endpoint(connection.server));
            if let Some(place) = connection.syn {
                let (connection, accepted) = (connection.number, connection.accepted);
                journal.add_at(place, Event::TcpSyn { connection, from, to, accepted });
            }
            if let Spoken::Tls(tls) = &mut connection.spoken {
                tls.finish(connection.number, journal);
                sealed.extend(tls.sealed_bytes());
                certificates.extend(tls.certificate(began_unix));
            }
        }
        certificates.dedup();
        (sealed, certificates)
    }
}

impl Connection {
    fn new(
        number: u32,
        client: SocketAddr,
        server: SocketAddr,
        syn: Option<(u64, record::GuestTime)>,
    ) -> Self {
        Self {
            number,
            client,
            server,
            syn,
            // A capture that begins in the middle.
            accepted: syn.is_none(),
            established: syn.is_none(),
            ended: false,
            from_client: Stream::default(),
            from_server: Stream::default(),
            spoken: Spoken::Nothing,
        }
    }

    fn take(&mut self, segment: &Segment<'_>, from_client: bool, journal: &mut Journal) {
        let connection = self.number;
        let (own, other) = match from_client {
            true => (&mut self.from_client, &mut self.from_server),
            false => (&mut self.from_server, &mut self.from_client),
        };
        if segment.syn {
            own.begin(segment.sequence);
            self.accepted |= !from_client && segment.acknowledgement.is_some();
            return;
        }
        if let Some(number) = segment.acknowledgement {
            other.acknowledge(number);
        }
        let bytes = own.take(segment.sequence, segment.payload, segment.fin);
        if from_client && self.accepted && !self.established && !segment.rst {
            self.established = true;
            journal.add(Event::TcpEstablished { connection });
        }
        self.speak(from_client, &bytes, journal);
        if from_client && let Spoken::Http(http) = &mut self.spoken {
            http.acknowledged(connection, self.from_server.acknowledged, journal);
        }
        if (segment.fin || segment.rst) && !self.ended {
            self.ended = true;
            let how = match (from_client, segment.rst) {
                (true, false) => TcpEnd::GuestFin,
                (true, true) => TcpEnd::GuestReset,
                (false, false) => TcpEnd::ServerFin,
                (false, true) => TcpEnd::ServerReset,
            };
            journal.add(Event::TcpClosed { connection, how });
        }
        if segment.fin
            && !from_client
            && let Spoken::Http(http) = &mut self.spoken
        {
            http.closed(self.from_server.length());
        }
    }

    fn speak(&mut self, from_client: bool, bytes: &[u8], journal: &mut Journal) {
        let Some(first) = bytes.first() else { return };
        if matches!(self.spoken, Spoken::Nothing) && from_client {
            self.spoken = match *first {
                TLS => Spoken::Tls(Box::default()),
                _ => Spoken::Http(Http::default()),
            };
        }
        let connection = self.number;
        match &mut self.spoken {
            Spoken::Nothing => {}
            Spoken::Http(http) if from_client => http.client(connection, bytes, journal),
            Spoken::Http(http) => http.server(connection, bytes, self.from_server.length(), journal),
            Spoken::Tls(tls) => {
                let direction = if from_client { Direction::FromGuest } else { Direction::ToGuest };
                tls.take(connection, direction, bytes, journal);
            }
        }
    }
}

pub fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::new(address.ip(), address.port())
}
