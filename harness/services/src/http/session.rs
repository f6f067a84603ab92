//! One connection: requests in, responses out, in order (RFC 9112 §9).

use super::Break;
use super::outgoing::Outgoing;
use super::request::{HEAD_LIMIT, Parsed, parse};
use super::response::Response;
use super::site::{Answer, Site};
use crate::{tcp::Application, tls};
use record::Event;
use std::{collections::VecDeque, sync::Arc};
use wire::GuestTime;

/// The HTTP server's side of one TCP connection.
#[derive(Debug)]
pub(crate) struct Session {
    site: Arc<Site>,
    connection: u32,
    secure: bool,
    input: Vec<u8>,
    /// The response that is being sent.
    outgoing: Outgoing,
    sending: Option<Receipt>,
    /// Bytes handed to TCP since the connection began, and how many of them the guest has acknowledged.
    handed_over: u64,
    acknowledged: u64,
    /// Responses that the guest has not acknowledged wholly.
    unacknowledged: VecDeque<Receipt>,
    stage: Stage,
    /// Whether the guest has said that it sends no more.
    input_ended: bool,
    /// The port that a CONNECT makes it a tunnel to.
    tunnel_port: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// A request is left unanswered, and responses have to come in order (RFC 9112 §9.3.2).
    Stuck,
    /// Nothing more is sent, and what arrives is read.
    HalfClosed,
    /// The connection ends when everything is sent.
    Ending,
    /// What comes is for somebody else.
    Tunnel,
}

#[derive(Debug)]
struct Receipt {
    method: String,
    image: bool,
    /// Position in the stream of the response's end.
    end: u64,
}

impl Session {
    /// The session of connection number `connection`, which is `secure` if TLS is below it.
    pub(crate) fn new(site: Arc<Site>, connection: u32, secure: bool) -> Self {
        Self {
            site,
            connection,
            secure,
            input: Vec::new(),
            outgoing: Outgoing::default(),
            sending: None,
            handed_over: 0,
            acknowledged: 0,
            unacknowledged: VecDeque::new(),
            stage: Stage::Open,
            input_ended: false,
            tunnel_port: None,
        }
    }

    /// The same, but what follows an answered CONNECT to `port` is not for it.
    pub(super) fn tunnelling_to(self, port: u16) -> Self {
        Self { tunnel_port: Some(port), ..self }
    }

    /// What has come for the other end of the tunnel, once it is one and has said so.
    pub(super) fn take_tunnelled(&mut self) -> Option<Vec<u8>> {
        let is_tunnel = self.stage == Stage::Tunnel && self.outgoing.is_empty();
        is_tunnel.then(|| std::mem::take(&mut self.input))
    }

    /// Answers the requests that have arrived, one at a time.
    fn serve(&mut self, events: &mut Vec<Event>) {
        while !matches!(self.stage, Stage::Ending | Stage::Tunnel) && self.outgoing.is_empty() {
            match parse(&self.input) {
                Parsed::Partial => return,
                // A ClientHello is told whole, and it may come in several segments.
                Parsed::Malformed(..) if !self.secure && tls::is_partial_hello(&self.input) => return,
                Parsed::Malformed(status, why) => {
                    let why = self.tls_instead(events).unwrap_or(why);
                    events.push(Event::HttpMalformed { connection: self.connection, why });
                    if self.stage != Stage::Open {
                        self.stage = Stage::Ending;
                        return;
                    }
                    let refusal = self.site.refuse(status);
                    self.respond(String::new(), refusal, events);
                }
                Parsed::Request(request, length) => {
                    self.input.drain(..length);
                    events.push(Event::HttpRequest {
                        connection: self.connection,
                        method: request.method.clone(),
                        target: request.target.clone(),
                        version: format!("HTTP/1.{}", request.minor),
                        headers: request.headers.clone(),
                    });
                    let answer = (self.stage == Stage::Open).then(|| self.site.answer(&request, self.secure));
                    let why = match answer {
                        Some(Answer::Respond(response)) => {
                            let asked = request.tunnel_port().filter(|_| response.status == 200);
                            if asked.is_some() && asked == self.tunnel_port {
                                self.stage = Stage::Tunnel;
                            }
                            self.respond(request.method, response, events);
                            continue;
                        }
                        Some(Answer::Close) => {
                            self.stage = Stage::Ending;
                            "the connection is closed instead, as the scenario says"
                        }
                        Some(Answer::Silence) => {
                            self.stage = Stage::Stuck;
                            "nothing is sent, as the scenario says"
                        }
                        None if self.stage == Stage::HalfClosed => "our side of the connection is closed",
                        None => "an earlier request on this connection is still unanswered",
                    };
                    let method = request.method;
                    events.push(Event::HttpUnanswered {
                        connection: self.connection,
                        method,
                        why: why.into(),
                    });
                }
            }
        }
    }

    /// What is wrong with input that is the beginning of TLS.
    fn tls_instead(&self, events: &mut Vec<Event>) -> Option<String> {
        if self.secure || !tls::looks_like_tls(&self.input) {
            return None;
        }
        if let Some(hello) = tls::hello_in_stream(&self.input) {
            events.push(Event::TlsClientHello { connection: self.connection, hello });
        }
        Some("it is the beginning of a TLS handshake".into())
    }

    fn respond(&mut self, method: String, response: Response, events: &mut Vec<Event>) {
        let image = response.body.is_image();
        events.push(Event::HttpResponse {
            connection: self.connection,
            method: method.clone(),
            status: response.status,
            headers: response.headers.clone(),
            body: response.body.len() as u64,
            image,
        });
        if response.close {
            self.stage = Stage::Ending;
            self.input = Vec::new();
        }
        if response.half_close {
            self.stage = Stage::HalfClosed;
        }
        self.sending = Some(Receipt { method, image, end: 0 });
        self.outgoing = self.site.send(response);
    }

    /// Does what an interrupted response asks for.
    fn note_break(&mut self, events: &mut Vec<Event>) {
        if let Some(how) = self.outgoing.broken()
            && let Some(Receipt { method, .. }) = self.sending.take()
        {
            events.push(Event::HttpInterrupted {
                connection: self.connection,
                method,
                how: how.what().into(),
            });
            if how == Break::Close {
                self.outgoing = Outgoing::default();
                self.stage = Stage::Ending;
            }
        }
    }
}

impl Application for Session {
    fn connection(&self) -> u32 {
        self.connection
    }

    fn wants_input(&self) -> bool {
        self.stage != Stage::Open || self.input.len() < HEAD_LIMIT
    }

    fn receive(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        if self.stage != Stage::Ending {
            self.input.extend_from_slice(bytes);
            self.serve(events);
        }
    }

    fn end_of_input(&mut self, _: &mut Vec<Event>) {
        self.input_ended = true;
    }

    fn fill(&mut self, now: GuestTime, buffer: &mut [u8], events: &mut Vec<Event>) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            let idle = self.acknowledged >= self.handed_over;
            let count = self.outgoing.fill(now, idle, &mut buffer[filled..]);
            filled += count;
            self.handed_over += count as u64;
            self.note_break(events);
            if self.outgoing.is_empty() {
                if let Some(mut receipt) = self.sending.take() {
                    receipt.end = self.handed_over;
                    self.unacknowledged.push_back(receipt);
                }
                self.serve(events);
            }
            // What was begun just now may be sent at once; anything else waits.
            if count == 0 && (self.outgoing.is_empty() || self.outgoing.is_waiting()) {
                break;
            }
        }
        filled
    }

    fn wake(&self) -> Option<GuestTime> {
        self.outgoing.due()
    }

    fn acknowledged(&mut self, now: GuestTime, total: u64, events: &mut Vec<Event>) {
        self.acknowledged = total;
        if total >= self.handed_over {
            self.outgoing.acknowledged(now);
        }
        while self.unacknowledged.front().is_some_and(|receipt| receipt.end <= total) {
            if let Some(Receipt { method, image, .. }) = self.unacknowledged.pop_front() {
                events.push(Event::HttpDelivered { connection: self.connection, method, image });
            }
        }
    }

    fn handed_over(&self) -> u64 {
        self.handed_over
    }

    fn is_over(&self) -> bool {
        let stalled = self.outgoing.broken() == Some(Break::Stall);
        (self.outgoing.is_empty() || stalled) && (self.stage == Stage::Ending || self.input_ended)
    }

    fn ends_sending(&self) -> bool {
        self.outgoing.is_empty() && self.stage == Stage::HalfClosed
    }

    fn resets(&self) -> bool {
        self.outgoing.broken() == Some(Break::Reset)
    }
}
