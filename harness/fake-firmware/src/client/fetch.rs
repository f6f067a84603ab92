//! From a lease to an image: TLS, `HEAD`, `GET`, and what comes between.

use super::{Client, Effect, Lease, State};
use crate::behaviour::{Closing, Moment, Opening};
use crate::console;
use crate::http::{self, Handler, Malformed, Method, Part, Response};
use crate::stack::Connection;
use crate::tls::Secure;
use crate::url::{Host, Url};
use etherparse::{SlicedPacket, TransportSlice};
use flate2::read::GzDecoder;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;
use wire::GuestTime;

/// EDK2's patience: for a connection and for a TLS handshake.
const CONNECT: Duration = Duration::from_secs(60);
const HANDSHAKE: Duration = Duration::from_secs(60);
/// The most that compressed content may become.
const DECODED_MAX: u64 = 64 << 20;

/// What is to be asked for once the name in the URL has an address.
pub(super) struct Open {
    pub(super) lease: Lease,
    pub(super) url: Url,
    pub(super) redirects: u32,
    pub(super) method: Method,
}

/// Asking for the image.
pub(super) struct Fetching {
    pub(super) lease: Lease,
    pub(super) url: Url,
    pub(super) redirects: u32,
    pub(super) method: Method,
    pub(super) connecting: bool,
    /// TLS on the connection, from its ClientHello on.
    pub(super) secure: Option<Secure>,
    /// Whether a request was answered on this connection before.
    pub(super) reused: bool,
    pub(super) until: GuestTime,
    pub(super) response: Response,
}

impl Client {
    /// Asks for `url` on a new connection.
    pub(super) fn open(&mut self, now: GuestTime, lease: Lease, url: Url, redirects: u32, method: Method) {
        self.leave_connection(now);
        let address = match &url.host {
            Host::Address(address) => *address,
            Host::Name(name) => match self.names.iter().find(|(known, _)| known == name) {
                Some((_, addresses)) => addresses[0],
                None => return self.look_up(now, Open { lease, url, redirects, method }),
            },
        };
        self.send_garbage();
        if self.stack.as_ref().is_some_and(|stack| !stack.reaches(address)) {
            return self.fail(now, console::UNEXPECTED);
        }
        if let Some(stack) = &mut self.stack {
            stack.connect(SocketAddr::new(address, url.port));
        }
        self.state = State::Fetching(Box::new(Fetching {
            lease,
            url,
            redirects,
            method,
            connecting: true,
            secure: None,
            reused: false,
            until: now + CONNECT,
            response: Response::new(method),
        }));
        self.fetch(now);
    }

    /// Ends the connection in the client's way, if there is one.
    pub(super) fn leave_connection(&mut self, now: GuestTime) {
        if let Some(stack) = &mut self.stack {
            match self.behaviour.closing {
                Closing::Fin => stack.close(),
                Closing::Reset => stack.abort(),
            }
        }
        self.flush(now);
    }

    /// Sends what the stack has to send; whether trouble came of it.
    pub(super) fn flush(&mut self, now: GuestTime) -> bool {
        let frames = self.stack.as_mut().map(|stack| stack.poll(now)).unwrap_or_default();
        let syn = frames.iter().any(|frame| is_syn(frame));
        self.effects.extend(frames.into_iter().map(Effect::Frame));
        syn && self.strikes(Moment::SynSent, now)
    }

    /// Goes on as far as what has arrived allows.
    pub(super) fn fetch(&mut self, now: GuestTime) {
        while !self.flush(now) {
            if !matches!(self.state, State::Fetching(_)) {
                return;
            }
            let State::Fetching(mut it) = std::mem::replace(&mut self.state, State::Over) else { return };
            let Some(stack) = &mut self.stack else { return };
            let connection = stack.state();
            if it.connecting {
                match connection {
                    Connection::Opening if now < it.until => {
                        self.state = State::Fetching(it);
                        return;
                    }
                    Connection::Opening | Connection::Closed => return self.refused(now, *it),
                    Connection::Open | Connection::Ending => self.connected(now, it),
                }
                continue;
            }
            let mut bytes = stack.take();
            let arrived = !bytes.is_empty();
            if let Some(secure) = &mut it.secure {
                if !secure.is_established() {
                    let outcome = secure.handshake(&bytes);
                    stack.send(&secure.take_written());
                    if secure.is_established() {
                        self.secured(now, it);
                    } else if outcome.is_err()
                        || (!arrived && (connection != Connection::Open || now >= it.until))
                    {
                        return self.not_secured(now, *it);
                    } else {
                        self.state = State::Fetching(it);
                        if !arrived {
                            return;
                        }
                    }
                    continue;
                }
                let received = secure.receive(&bytes);
                stack.send(&secure.take_written());
                match received {
                    Ok(plain) => bytes = plain,
                    Err(_) => return self.lost(now, *it),
                }
                if arrived && bytes.is_empty() {
                    self.state = State::Fetching(it);
                    continue;
                }
            }
            if !bytes.is_empty() {
                it.until = now + self.patience();
                match it.response.push(&bytes) {
                    Ok(true) => self.answered(now, *it),
                    Ok(false) => self.part_received(now, it),
                    Err(Malformed) => self.lost(now, *it),
                }
            } else if matches!(connection, Connection::Closed | Connection::Ending) {
                // RFC 9112 §9.8: TLS says where the data ends; without that it may have been cut.
                let whole = it.secure.as_ref().is_none_or(|secure| secure.notified);
                if whole && it.response.closed() { self.answered(now, *it) } else { self.lost(now, *it) }
            } else if now >= it.until {
                self.lost(now, *it);
            } else {
                self.state = State::Fetching(it);
                return;
            }
        }
    }

    fn connected(&mut self, now: GuestTime, it: Box<Fetching>) {
        if self.behaviour.resets_after_syn_ack {
            if let Some(stack) = &mut self.stack {
                stack.abort();
            }
            return self.refused(now, *it);
        }
        if self.strikes(Moment::Connected, now) {
            return;
        }
        if it.url.secure { self.open_tls(now, it) } else { self.ask(now, it) }
    }

    /// Says the first word to a TLS server.
    fn open_tls(&mut self, now: GuestTime, mut it: Box<Fetching>) {
        match self.behaviour.tls.opening {
            Opening::PlainHttp => return self.ask(now, it),
            Opening::Nothing => {
                it.connecting = false;
                it.until = now + HANDSHAKE;
                self.state = State::Fetching(it);
                return;
            }
            Opening::ClientHello => {}
        }
        let Some(mut secure) = Secure::new(&self.behaviour.tls, &it.url) else {
            return self.not_secured(now, *it);
        };
        let begun = secure.handshake(&[]);
        if let Some(stack) = &mut self.stack {
            stack.send(&secure.take_written());
        }
        it.connecting = false;
        it.until = now + HANDSHAKE;
        it.secure = Some(secure);
        if begun.is_err() {
            return self.not_secured(now, *it);
        }
        self.state = State::Fetching(it);
        self.flush(now);
        self.strikes(Moment::HelloSent, now);
    }

    fn secured(&mut self, now: GuestTime, it: Box<Fetching>) {
        // What completes the handshake is on its way whatever happens next.
        self.flush(now);
        if !self.strikes(Moment::Secured, now) {
            self.ask(now, it);
        }
    }

    /// There is a connection, but no TLS on it.
    fn not_secured(&mut self, now: GuestTime, it: Fetching) {
        if it.method == Method::Head && self.behaviour.gets_after_refused_head {
            return self.open(now, it.lease, it.url, it.redirects, Method::Get);
        }
        if self.behaviour.says_why {
            self.print(console::error(console::TLS));
        }
        self.fail(now, console::UNEXPECTED);
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.behaviour.response_seconds.into())
    }

    fn ask(&mut self, now: GuestTime, mut it: Box<Fetching>) {
        let part = self.part.as_ref().filter(|_| it.method == Method::Get);
        let request = http::request(it.method, &it.url, &self.behaviour, part);
        let moment = match it.method {
            Method::Head => Moment::HeadSent,
            Method::Get => Moment::GetSent,
        };
        if it.method == Method::Get {
            self.print(console::uri(&it.url.to_string()));
        }
        it.connecting = false;
        it.until = now + self.patience();
        let request = match &mut it.secure {
            Some(secure) => {
                secure.send(&request);
                secure.take_written()
            }
            None => request,
        };
        self.state = State::Fetching(it);
        if let Some(stack) = &mut self.stack {
            stack.send(&request);
        }
        self.flush(now);
        self.strikes(moment, now);
    }

    fn part_received(&mut self, now: GuestTime, it: Box<Fetching>) {
        let body_started =
            it.method == Method::Get && it.response.head().is_some_and(|head| head.status == 200);
        self.state = State::Fetching(it);
        if body_started {
            self.strikes(Moment::BodyStarted, now);
        }
    }

    /// There is no connection to ask on.
    fn refused(&mut self, now: GuestTime, it: Fetching) {
        if let Host::Name(name) = &it.url.host
            && self.behaviour.tries_all_addresses
            && let Some((_, addresses)) = self.names.iter_mut().find(|(known, _)| known == name)
            && addresses.len() > 1
        {
            // RFC 1123 §2.3: the next address of the name.
            addresses.remove(0);
            return self.open(now, it.lease, it.url, it.redirects, it.method);
        }
        if it.method == Method::Head && self.behaviour.gets_after_refused_head {
            return self.open(now, it.lease, it.url, it.redirects, Method::Get);
        }
        if self.behaviour.says_why {
            self.print(console::error("TCP connection failed - Time out."));
        }
        self.fail(now, console::UNEXPECTED);
    }

    /// The connection or the server's patience ended before the response was complete.
    fn lost(&mut self, now: GuestTime, it: Fetching) {
        // RFC 9112 §9.3.1: a request that met a connection being closed may be sent again.
        let stale = it.reused && !it.response.has_begun() && now < it.until;
        let next = match it.method {
            method if stale && self.behaviour.reconnects => Some(method),
            Method::Head if self.behaviour.gets_after_refused_head && self.behaviour.reconnects => {
                Some(Method::Get)
            }
            _ => None,
        };
        if let Some(method) = next {
            return self.open(now, it.lease, it.url, it.redirects, method);
        }
        if it.method == Method::Get && self.behaviour.resumes > 0 {
            self.part = Part::of(it.response, self.part.take());
            if self.part.as_ref().is_some_and(|part| part.tries <= self.behaviour.resumes) {
                return self.open(now, it.lease, it.url, it.redirects, Method::Get);
            }
        }
        self.fail(now, console::TIMEOUT);
    }

    fn answered(&mut self, now: GuestTime, mut it: Fetching) {
        let Some(head) = it.response.head().cloned() else { return };
        if it.method == Method::Head && self.strikes(Moment::HeadAnswered, now) {
            return;
        }
        if matches!(head.status, 301 | 302 | 307 | 308)
            && let Some(location) = head.field("location")
        {
            if it.redirects > 0
                && let Some(url) = it.url.redirected(location)
            {
                return self.open(now, it.lease, url, it.redirects - 1, it.method);
            }
            self.print(console::redirected(location));
        }
        if head.status >= 300 {
            self.print(console::http_status(head.status, &head.reason));
        }
        match it.method {
            Method::Head if head.status == 200 || self.behaviour.gets_after_refused_head => {
                let open = head.keeps_connection()
                    && self.stack.as_ref().is_some_and(|stack| stack.state() == Connection::Open);
                if !open && self.behaviour.reconnects {
                    return self.open(now, it.lease, it.url, it.redirects, Method::Get);
                }
                it.method = Method::Get;
                it.reused = true;
                it.response = Response::new(Method::Get);
                self.ask(now, Box::new(it));
            }
            Method::Get if head.status == 200 => self.received(now, it),
            Method::Get if head.status == 206 && self.part.is_some() => self.received(now, it),
            _ => self.fail(now, console::UNEXPECTED),
        }
    }

    /// A whole response with a body.
    fn received(&mut self, now: GuestTime, mut it: Fetching) {
        let content_type = it.response.head().and_then(|head| head.field("content-type"));
        let handler = http::handler(content_type, &it.url, &self.behaviour);
        if handler.is_none() || (it.response.closed() && !self.behaviour.takes_body_until_close) {
            return self.fail(now, console::UNEXPECTED);
        }
        let encoded = it.response.head().and_then(|head| head.field("content-encoding")) == Some("gzip");
        let is_rest = it.response.head().is_some_and(|head| head.status == 206);
        let image = match self.part.take().filter(|_| is_rest) {
            Some(part) => part.completed(it.response),
            None => Some(it.response.into_body()),
        };
        let image = match image {
            Some(image) if encoded && self.behaviour.decodes_content => decoded(&image),
            image => image,
        };
        let fits = |image: &Vec<u8>| image.len() <= self.behaviour.memory / 2;
        let Some(image) = image.filter(fits) else { return self.fail(now, console::UNEXPECTED) };
        self.print(console::downloaded(image.len()));
        if let (Some(secure), Some(stack)) = (&mut it.secure, &mut self.stack)
            && self.behaviour.tls.notifies
        {
            secure.notify();
            stack.send(&secure.take_written());
            self.flush(now);
        }
        self.leave_connection(now);
        self.state = State::Over;
        if self.strikes(Moment::ImageReceived, now) {
            return;
        }
        match handler {
            Some(Handler::RamDisk) => match payload::disk::program(&image) {
                Some(program) => self.execute(&program, it.lease, &it.url.to_string()),
                None => self.end(now, "Could not register RAM disk to the system."),
            },
            _ => self.execute(&image, it.lease, &it.url.to_string()),
        }
    }
}

/// What the content coding gzip has made of something (RFC 9110 §8.4.1.3).
fn decoded(content: &[u8]) -> Option<Vec<u8>> {
    let mut image = Vec::new();
    GzDecoder::new(content).take(DECODED_MAX).read_to_end(&mut image).ok()?;
    Some(image)
}

fn is_syn(frame: &[u8]) -> bool {
    matches!(SlicedPacket::from_ethernet(frame), Ok(packet)
        if matches!(&packet.transport, Some(TransportSlice::Tcp(tcp)) if tcp.syn()))
}
