//! From a lease to an image: `HEAD`, `GET`, and what comes between.

use super::{Client, Effect, Lease, State};
use crate::behaviour::{Closing, Moment};
use crate::console;
use crate::http::{self, Handler, Malformed, Method, Response};
use crate::stack::Connection;
use crate::url::Url;
use etherparse::{SlicedPacket, TransportSlice};
use std::time::Duration;
use wire::GuestTime;

/// EDK2's patience: for a connection, and for a response or the next part of it.
const CONNECT: Duration = Duration::from_secs(60);
const RESPONSE: Duration = Duration::from_secs(5);

/// Asking for the image.
pub(super) struct Fetching {
    pub(super) lease: Lease,
    pub(super) url: Url,
    pub(super) redirects: u32,
    pub(super) method: Method,
    pub(super) connecting: bool,
    /// Whether a request was answered on this connection before.
    pub(super) reused: bool,
    pub(super) until: GuestTime,
    pub(super) response: Response,
}

impl Client {
    /// Asks for `url` on a new connection.
    pub(super) fn open(&mut self, now: GuestTime, lease: Lease, url: Url, redirects: u32, method: Method) {
        self.leave_connection(now);
        self.send_garbage();
        if let Some(stack) = &mut self.stack {
            stack.connect(url.endpoint());
        }
        self.state = State::Fetching(Box::new(Fetching {
            lease,
            url,
            redirects,
            method,
            connecting: true,
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
    fn flush(&mut self, now: GuestTime) -> bool {
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
            let bytes = stack.take();
            if !bytes.is_empty() {
                it.until = now + RESPONSE;
                match it.response.push(&bytes) {
                    Ok(true) => self.answered(now, *it),
                    Ok(false) => self.part_received(now, it),
                    Err(Malformed) => self.lost(now, *it),
                }
            } else if matches!(connection, Connection::Closed | Connection::Ending) {
                if it.response.closed() { self.answered(now, *it) } else { self.lost(now, *it) }
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
        if !self.strikes(Moment::Connected, now) {
            self.ask(now, it);
        }
    }

    fn ask(&mut self, now: GuestTime, mut it: Box<Fetching>) {
        let request = http::request(it.method, &it.url, &self.behaviour);
        let moment = match it.method {
            Method::Head => Moment::HeadSent,
            Method::Get => Moment::GetSent,
        };
        if it.method == Method::Get {
            self.print(console::uri(&it.url.to_string()));
        }
        it.connecting = false;
        it.until = now + RESPONSE;
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
            _ => self.fail(now, console::UNEXPECTED),
        }
    }

    /// A whole response with a body.
    fn received(&mut self, now: GuestTime, it: Fetching) {
        let content_type = it.response.head().and_then(|head| head.field("content-type"));
        let handler = http::handler(content_type, &it.url, &self.behaviour);
        if handler.is_none() || (it.response.closed() && !self.behaviour.takes_body_until_close) {
            return self.fail(now, console::UNEXPECTED);
        }
        let image = it.response.into_body();
        self.print(console::downloaded(image.len()));
        self.leave_connection(now);
        self.state = State::Over;
        if self.strikes(Moment::ImageReceived, now) {
            return;
        }
        match handler {
            Some(Handler::RamDisk) => self.end(now, "Could not register RAM disk to the system."),
            _ => self.execute(&image, it.lease, &it.url.to_string()),
        }
    }
}

fn is_syn(frame: &[u8]) -> bool {
    matches!(SlicedPacket::from_ethernet(frame), Ok(packet)
        if matches!(&packet.transport, Some(TransportSlice::Tcp(tcp)) if tcp.syn()))
}
