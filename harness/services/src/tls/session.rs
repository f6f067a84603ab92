//! One connection: TLS between TCP's bytes and an HTTP session.

use super::exchange::{self, Exchange};
use super::hello;
use super::output::{Happened, Output};
use super::{Context, Message};
use crate::{http, tcp::Application};
use libssl::Wire;
use openssl::error::ErrorStack;
use openssl::ssl::{Error, ErrorCode, ShutdownState, Ssl, SslRef, SslStream};
use record::{AlertLevel, Direction, Event, TlsFailure, TlsMessage, alert_name};
use std::{collections::VecDeque, sync::Arc};
use wire::GuestTime;

/// Messages and alerts of one connection that are reported: far more than any handshake has.
const REPORTED: usize = 1000;
/// The least plaintext per record that libssl can be told.
const SMALLEST_FRAGMENT: u16 = 512;

/// The TLS server's side of one TCP connection.
pub(crate) struct Session {
    context: Arc<Context>,
    http: http::Session,
    stream: SslStream<Wire>,
    output: Output,
    exchange: Exchange,
    /// Bytes for TCP.
    ready: VecDeque<u8>,
    /// Bytes handed to TCP.
    handed_over: u64,
    /// Positions in our stream at which records with application data end, and the position of their end in the plaintext.
    ends: VecDeque<(u64, u64)>,
    /// Plaintext that libssl does not take yet.
    held: Vec<u8>,
    stage: Stage,
    established: bool,
    hello_seen: bool,
    renegotiated: bool,
    reported: usize,
    input_ended: bool,
    /// Whether the client has sent close_notify.
    notified: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("stage", &self.stage)
            .field("http", &self.http)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// Nothing more is sent, and the connection stays as it is.
    Silent,
    /// The connection ends when everything is sent.
    Ending,
}

impl Session {
    /// TLS for `http`, whose connection it is.
    pub(crate) fn new(context: Arc<Context>, http: http::Session) -> Result<Self, ErrorStack> {
        let mut ssl = Ssl::new(&context.ssl)?;
        libssl::trace(&mut ssl)?;
        libssl::set_record_size(&mut ssl, context.settings.record_size.max(SMALLEST_FRAGMENT))?;
        Ok(Self {
            stream: SslStream::new(ssl, Wire::default())?,
            context,
            http,
            output: Output::default(),
            exchange: Exchange::default(),
            ready: VecDeque::new(),
            handed_over: 0,
            ends: VecDeque::new(),
            held: Vec::new(),
            stage: Stage::Open,
            established: false,
            hello_seen: false,
            renegotiated: false,
            reported: 0,
            input_ended: false,
            notified: false,
        })
    }

    /// Takes the handshake as far as what has arrived allows, then passes on what the client says.
    fn advance(&mut self, events: &mut Vec<Event>) {
        if !self.established {
            let outcome = self.stream.accept();
            self.drain(events);
            match outcome {
                Ok(()) => self.complete(events),
                Err(error) => return self.failed(&error, events),
            }
        }
        let mut buffer = [0; 16 * 1024];
        while self.stage == Stage::Open {
            let outcome = self.stream.ssl_read(&mut buffer);
            self.drain(events);
            match outcome {
                Ok(length) => self.http.receive(&buffer[..length], events),
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                    self.notified = true;
                    self.http.end_of_input(events);
                    return;
                }
                Err(error) => return self.failed(&error, events),
            }
        }
    }

    fn complete(&mut self, events: &mut Vec<Event>) {
        self.established = true;
        if self.stage != Stage::Open {
            return;
        }
        let ssl = self.stream.ssl();
        let alpn = ssl.selected_alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        events.push(Event::TlsEstablished {
            connection: self.http.connection(),
            version: readable_version(ssl),
            suite: ssl.current_cipher().and_then(|suite| suite.standard_name()).unwrap_or("unknown").into(),
            group: self.exchange.group().map(str::to_owned),
            alpn,
            resumed: ssl.session_reused(),
            client_certificate: ssl.peer_certificate().is_some(),
        });
    }

    /// Takes note of an error of libssl, if it is one.
    fn failed(&mut self, error: &Error, events: &mut Vec<Event>) {
        if matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE) || self.stage != Stage::Open {
            return;
        }
        self.stage = Stage::Ending;
        let reason = self.classify(error);
        let why = error.ssl_error().map_or_else(|| error.to_string(), super::context::reason);
        events.push(Event::TlsFailed { connection: self.http.connection(), reason, why });
    }

    /// What OpenSSL's reason means (its numbers are those of sslerr.h; those from 1000 on are the client's alerts).
    fn classify(&self, error: &Error) -> TlsFailure {
        let codes = error.ssl_error().map(ErrorStack::errors).unwrap_or_default();
        codes
            .iter()
            .find_map(|code| match code.reason_code() {
                155 | 156 => Some(TlsFailure::NotTls),
                // Wrong version number and the like, where not even a ClientHello was there.
                _ if !self.hello_seen => Some(TlsFailure::NotTls),
                258 | 396 => Some(TlsFailure::NoSharedVersion),
                193 => Some(TlsFailure::NoSharedCipher),
                101 | 295 | 410 => Some(TlsFailure::NoSharedGroup),
                118 | 376 => Some(TlsFailure::NoSharedSignatureAlgorithm),
                199 => Some(TlsFailure::NoClientCertificate),
                234 => Some(TlsFailure::UnknownName),
                235 => Some(TlsFailure::NoSharedProtocol),
                1000.. => Some(TlsFailure::Alert),
                _ => None,
            })
            .unwrap_or(TlsFailure::Other)
    }

    /// Takes what libssl has written, and says what it has done.
    fn drain(&mut self, events: &mut Vec<Event>) {
        let written = self.stream.get_mut().take_written();
        self.output.add(&written, libssl::take_trace(self.stream.ssl()));
        while let Some(happened) = self.output.next() {
            self.take(happened, events);
        }
    }

    fn take(&mut self, happened: Happened, events: &mut Vec<Event>) {
        let silent = self.stage != Stage::Open;
        let connection = self.http.connection();
        let direction = |sent| if sent { Direction::ToGuest } else { Direction::FromGuest };
        match happened {
            Happened::Record(record) if !silent => {
                self.ready.extend(self.output.cut(record, self.context.settings.record_size.into()));
            }
            // What the client does not get did not happen.
            Happened::Message { sent: true, .. }
            | Happened::ChangeCipherSpec { sent: true }
            | Happened::Alert { sent: true, .. }
            | Happened::Record(_)
                if silent => {}
            Happened::Message { sent, bytes } => {
                let message = match exchange::is_retry(&bytes) {
                    true => TlsMessage::HelloRetryRequest,
                    false => TlsMessage::of_handshake_type(bytes.first().copied().unwrap_or(u8::MAX)),
                };
                if sent {
                    self.exchange.sent(&bytes);
                } else if message == TlsMessage::ClientHello {
                    self.hello_seen = true;
                    if let Some(hello) = hello::read(&bytes) {
                        self.report(Event::TlsClientHello { connection, hello }, events);
                    }
                }
                self.report(Event::TlsMessage { connection, direction: direction(sent), message }, events);
                self.stop_after(message, sent, events);
            }
            Happened::ChangeCipherSpec { sent } => {
                let message = TlsMessage::ChangeCipherSpec;
                self.report(Event::TlsMessage { connection, direction: direction(sent), message }, events);
            }
            Happened::Alert { sent, level, description } => {
                let level = match level {
                    1 => AlertLevel::Warning,
                    2 => AlertLevel::Fatal,
                    _ => AlertLevel::Other,
                };
                let event = Event::TlsAlert {
                    connection,
                    direction: direction(sent),
                    level,
                    code: description,
                    description: alert_name(description),
                };
                self.report(event, events);
            }
            Happened::Record(_) => {}
        }
    }

    fn report(&mut self, event: Event, events: &mut Vec<Event>) {
        if self.reported < REPORTED {
            self.reported += 1;
            events.push(event);
        }
    }

    /// Stops if the scenario says so.
    fn stop_after(&mut self, message: TlsMessage, sent: bool, events: &mut Vec<Event>) {
        let settings = &self.context.settings;
        let is_it = |at: Option<Message>| at.is_some_and(|at| at.matches(message, sent));
        let (stage, what) = if is_it(settings.stall_after) {
            (Stage::Silent, "nothing more is sent")
        } else if is_it(settings.close_after) {
            (Stage::Ending, "the connection is closed")
        } else {
            return;
        };
        self.stage = stage;
        let whose = if sent { "our" } else { "the client's" };
        let why = format!("{what} after {whose} {}, as the scenario says", message.name());
        let closed = stage == Stage::Ending;
        events.push(Event::TlsWithheld { connection: self.http.connection(), closed, why });
    }

    /// Makes records of what the HTTP session has to say; whether there is something new to send.
    fn encrypt(&mut self, now: GuestTime, events: &mut Vec<Event>) -> bool {
        if !self.established || self.stage != Stage::Open {
            return false;
        }
        if self.held.is_empty() {
            self.renegotiate_if_due(events);
            let size = self.until_renegotiation().min(self.context.settings.record_size.into());
            let mut part = vec![0; usize::try_from(size).unwrap_or(1)];
            let filled = self.http.fill(now, &mut part, events);
            part.truncate(filled);
            self.held = part;
        }
        if self.held.is_empty() {
            if self.http.is_over() {
                self.close_notify(events);
            }
            return !self.ready.is_empty();
        }
        let outcome = self.stream.ssl_write(&self.held);
        self.drain(events);
        match outcome {
            Ok(_) => {
                self.held.clear();
                let end = self.handed_over + self.ready.len() as u64;
                self.ends.push_back((end, self.http.handed_over()));
            }
            Err(error) => self.failed(&error, events),
        }
        !self.ready.is_empty()
    }

    fn close_notify(&mut self, events: &mut Vec<Event>) {
        if self.context.settings.close_notify {
            // What it returns says whether the client has closed too, which does not matter here.
            let _ = self.stream.shutdown();
            self.drain(events);
        }
        self.stage = Stage::Ending;
    }

    /// Bytes of plaintext before the next handshake is asked for.
    fn until_renegotiation(&self) -> u64 {
        match self.context.settings.renegotiate_after {
            Some(after) if !self.renegotiated => after.saturating_sub(self.http.handed_over()).max(1),
            _ => u64::MAX,
        }
    }

    fn renegotiate_if_due(&mut self, events: &mut Vec<Event>) {
        let sent = self.http.handed_over();
        let due = self.context.settings.renegotiate_after.is_some_and(|after| sent >= after);
        if !due || self.renegotiated {
            return;
        }
        self.renegotiated = true;
        let outcome = libssl::renegotiate(&mut self.stream).map_err(Error::from);
        let outcome = outcome.and_then(|()| self.stream.do_handshake());
        events.push(Event::TlsRenegotiation { connection: self.http.connection(), after: sent });
        self.drain(events);
        if let Err(error) = outcome {
            self.failed(&error, events);
        }
    }
}

impl Application for Session {
    fn connection(&self) -> u32 {
        self.http.connection()
    }

    fn opened(&mut self, events: &mut Vec<Event>) {
        let server = self.context.setup.clone();
        events.push(Event::TlsReady { connection: self.http.connection(), server });
    }

    fn wants_input(&self) -> bool {
        !self.established || self.stage != Stage::Open || self.http.wants_input()
    }

    fn receive(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        if self.stage == Stage::Open {
            self.stream.get_mut().arrive(bytes);
            self.advance(events);
        }
    }

    fn end_of_input(&mut self, events: &mut Vec<Event>) {
        if !self.input_ended && !self.notified {
            events.push(Event::TlsTruncated { connection: self.http.connection() });
        }
        self.input_ended = true;
        self.http.end_of_input(events);
    }

    fn fill(&mut self, now: GuestTime, buffer: &mut [u8], events: &mut Vec<Event>) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.ready.is_empty() && !self.encrypt(now, events) {
                break;
            }
            let count = self.ready.len().min(buffer.len() - filled);
            for (place, byte) in buffer[filled..].iter_mut().zip(self.ready.drain(..count)) {
                *place = byte;
            }
            filled += count;
            self.handed_over += count as u64;
        }
        filled
    }

    fn wake(&self) -> Option<GuestTime> {
        self.http.wake()
    }

    fn acknowledged(&mut self, now: GuestTime, total: u64, events: &mut Vec<Event>) {
        let mut plain = None;
        while let Some((_, end)) = self.ends.pop_front_if(|(position, _)| *position <= total) {
            plain = Some(end);
        }
        if let Some(plain) = plain {
            self.http.acknowledged(now, plain, events);
        }
    }

    fn handed_over(&self) -> u64 {
        self.handed_over
    }

    fn is_over(&self) -> bool {
        let ended = self.input_ended && (!self.established || self.stage == Stage::Silent);
        self.ready.is_empty() && (self.stage == Stage::Ending || ended)
    }

    fn ends_sending(&self) -> bool {
        self.ready.is_empty() && self.http.ends_sending()
    }

    fn resets(&self) -> bool {
        self.http.resets()
    }
}

impl Drop for Session {
    /// Without this OpenSSL takes the session for broken and never resumes it; most clients leave without close_notify.
    fn drop(&mut self) {
        self.stream.set_shutdown(ShutdownState::SENT | ShutdownState::RECEIVED);
    }
}

impl Message {
    fn matches(self, message: TlsMessage, sent: bool) -> bool {
        // A HelloRetryRequest is a ServerHello (RFC 8446 §4.1.4).
        let message = match message {
            TlsMessage::HelloRetryRequest => TlsMessage::ServerHello,
            other => other,
        };
        let (expected, ours) = match self {
            Self::ClientHello => (TlsMessage::ClientHello, false),
            Self::ServerHello => (TlsMessage::ServerHello, true),
            Self::EncryptedExtensions => (TlsMessage::EncryptedExtensions, true),
            Self::Certificate => (TlsMessage::Certificate, true),
            Self::ServerKeyExchange => (TlsMessage::ServerKeyExchange, true),
            Self::CertificateRequest => (TlsMessage::CertificateRequest, true),
            Self::ServerHelloDone => (TlsMessage::ServerHelloDone, true),
            Self::CertificateVerify => (TlsMessage::CertificateVerify, true),
            Self::Finished => (TlsMessage::Finished, true),
        };
        (message, sent) == (expected, ours)
    }
}

/// `TLS 1.2` for OpenSSL's `TLSv1.2`, `TLS 1.0` for its `TLSv1`.
fn readable_version(ssl: &SslRef) -> String {
    match ssl.version_str().strip_prefix("TLSv") {
        Some("1") => "TLS 1.0".into(),
        Some(number) => format!("TLS {number}"),
        None => ssl.version_str().into(),
    }
}
