//! One TCP connection: its socket, what speaks over it, and what is to be said about it.
//!
//! Our side closes as RFC 9112 §9.6 asks: FIN after the last response, then input is dropped until the guest has
//! acknowledged the FIN, and only what comes after that is answered with RST.

use super::{Application, window::Window};
use crate::frame::Segment;
use record::{Endpoint, Event, TcpEnd};
use smoltcp::{
    iface::SocketHandle,
    socket::tcp::{Socket, State},
};
use std::time::Duration;
use wire::GuestTime;

/// How long a connection that we have closed waits for the guest's FIN (Linux: `tcp_fin_timeout`).
const LINGER: Duration = Duration::from_secs(60);

/// A connection from its SYN to its end.
pub(super) struct Connection {
    pub(super) guest: Endpoint,
    pub(super) ours: Endpoint,
    pub(super) window: Window,
    pub(super) socket: SocketHandle,
    session: Box<dyn Application>,
    established: bool,
    /// Our initial sequence number.
    initial: u32,
    /// Bytes of the stream that the guest has acknowledged.
    acknowledged: u64,
    /// Whether we have closed our side, and what the guest sends is not read any more.
    closed: bool,
    /// Whether we have closed our side only (RFC 9293 §3.6).
    half_closed: bool,
    ended_by: Option<TcpEnd>,
    /// Whether the end is reported.
    over: bool,
    expires: Option<GuestTime>,
    /// For how long input is not read once the connection is made, and when that ends.
    deaf: Duration,
    reads_at: Option<GuestTime>,
    /// Acknowledged bytes after which it is reset.
    reset_after: Option<u64>,
}

impl Connection {
    pub(super) fn new(
        guest: Endpoint,
        ours: Endpoint,
        window: Window,
        socket: SocketHandle,
        session: Box<dyn Application>,
    ) -> Self {
        Self {
            guest,
            ours,
            window,
            socket,
            session,
            established: false,
            initial: 0,
            acknowledged: 0,
            closed: false,
            half_closed: false,
            ended_by: None,
            over: false,
            expires: None,
            deaf: Duration::ZERO,
            reads_at: None,
            reset_after: None,
        }
    }

    /// Does what a scenario asks for: reads nothing for a time, and resets the connection after so many acknowledged bytes.
    pub(super) fn misbehave(&mut self, deaf: Duration, reset_after: Option<u64>) {
        self.deaf = deaf;
        self.reset_after = reset_after;
    }

    /// Whether a segment between these ends belongs to it.
    pub(super) fn is_between(&self, guest: Endpoint, ours: Endpoint) -> bool {
        self.guest == guest && self.ours == ours
    }

    /// Whether nothing more is to be sent or received.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// When it wants to be served again: a body is due, or it is forgotten although the guest has not closed its side.
    pub(super) fn wake(&self) -> Option<GuestTime> {
        if self.over { self.expires } else { self.session.wake().into_iter().chain(self.reads_at).min() }
    }

    /// Whether the socket can be taken away.
    pub(super) fn is_gone(&self, now: GuestTime, socket: &Socket<'_>) -> bool {
        let finished = match socket.state() {
            // An aborted socket keeps its peer until its RST is out.
            State::Closed => socket.remote_endpoint().is_none(),
            State::Listen => true,
            _ => false,
        };
        self.over && (finished || self.expires.is_some_and(|at| at <= now))
    }

    /// Takes note of a segment that was sent to the guest.
    pub(super) fn note_sent(&mut self, segment: &Segment) {
        if segment.syn {
            self.initial = segment.sequence;
        }
        if segment.fin && !self.half_closed {
            self.ended_by.get_or_insert(TcpEnd::ServerFin);
        }
    }

    /// Takes note of a segment from the guest, if the stack has accepted it as the end.
    pub(super) fn note_ending(
        &mut self,
        now: GuestTime,
        segment: &Segment,
        socket: &Socket<'_>,
        events: &mut Vec<Event>,
    ) {
        if segment.fin && !socket.may_recv() {
            self.ended_by.get_or_insert(TcpEnd::GuestFin);
        }
        if segment.rst && !socket.is_active() {
            // Our FIN counts once the guest has taken it: before that, RST is the guest's own end of the connection.
            if self.ended_by != Some(TcpEnd::GuestFin) {
                self.ended_by = Some(TcpEnd::GuestReset);
            }
            // A client that ends with RST may acknowledge the last bytes in that segment only. EDK2's RST has no ACK
            // flag; it was seen to acknowledge them before.
            if let Some(number) = segment.acknowledgment.filter(|_| self.established) {
                let expected = self.initial.wrapping_add(1).wrapping_add(self.acknowledged as u32);
                let total = self.acknowledged + u64::from(number.wrapping_sub(expected));
                if total <= self.session.handed_over() {
                    self.acknowledge(now, total, events);
                }
            }
        }
    }

    /// Moves bytes between socket and session; whether the stack has something new to do.
    pub(super) fn serve(&mut self, now: GuestTime, socket: &mut Socket<'_>, events: &mut Vec<Event>) -> bool {
        let state = socket.state();
        if !self.established && !matches!(state, State::Listen | State::SynReceived | State::Closed) {
            self.established = true;
            self.reads_at = (!self.deaf.is_zero()).then(|| now + self.deaf);
            events.push(Event::TcpEstablished { connection: self.session.connection() });
            self.session.opened(events);
        }
        if self.established {
            let delivered = self.session.handed_over().saturating_sub(socket.send_queue() as u64);
            self.acknowledge(now, delivered, events);
        }
        if state == State::CloseWait {
            self.ended_by.get_or_insert(TcpEnd::GuestFin);
        }
        self.reads_at = self.reads_at.filter(|at| *at > now);
        let mut moved = self.reads_at.is_none() && self.take_input(socket, events);
        if self.reset_after.is_some_and(|bytes| self.acknowledged >= bytes) {
            moved |= self.reset(socket);
        }
        while socket.can_send() {
            // What comes after a reset is not even sent.
            let left = self.reset_after.map(|bytes| bytes.saturating_sub(self.session.handed_over()));
            let filled = socket.send(|buffer| {
                let most = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX);
                let room = buffer.len().min(most);
                let filled = self.session.fill(now, &mut buffer[..room], events);
                (filled, filled)
            });
            if !matches!(filled, Ok(1..)) {
                break;
            }
            moved = true;
        }
        if self.session.resets() {
            moved |= self.reset(socket);
        }
        if self.session.ends_sending() && !self.half_closed && socket.is_active() {
            self.half_closed = true;
            socket.close();
            events.push(Event::TcpHalfClosed { connection: self.session.connection() });
            moved = true;
        }
        if self.session.is_over() && !self.closed && socket.is_active() {
            self.closed = true;
            socket.close();
            moved = true;
        }
        self.note_end(now, socket, events);
        moved
    }

    /// Resets the connection, once; whether there is anything to send for it.
    fn reset(&mut self, socket: &mut Socket<'_>) -> bool {
        if !self.established || self.over {
            return false;
        }
        self.ended_by.get_or_insert(TcpEnd::ServerReset);
        socket.abort();
        socket.is_active()
    }

    fn take_input(&mut self, socket: &mut Socket<'_>, events: &mut Vec<Event>) -> bool {
        let mut moved = false;
        while socket.can_recv() && (self.closed || self.session.wants_input()) {
            if self.closed && socket.state() == State::FinWait2 {
                socket.abort();
                return true;
            }
            let taken = socket.recv(|bytes| {
                if !self.closed {
                    self.session.receive(bytes, events);
                }
                (bytes.len(), ())
            });
            moved |= taken.is_ok();
            if taken.is_err() {
                break;
            }
        }
        if self.established && !socket.may_recv() && !socket.can_recv() {
            self.session.end_of_input(events);
        }
        moved
    }

    fn acknowledge(&mut self, now: GuestTime, total: u64, events: &mut Vec<Event>) {
        self.acknowledged = self.acknowledged.max(total);
        self.session.acknowledged(now, self.acknowledged, events);
    }

    fn note_end(&mut self, now: GuestTime, socket: &Socket<'_>, events: &mut Vec<Event>) {
        let state = socket.state();
        let ended = match state {
            State::Closed | State::Listen | State::TimeWait => true,
            State::FinWait2 => !self.half_closed || self.closed,
            _ => false,
        };
        if self.over || !ended {
            return;
        }
        self.over = true;
        self.expires = (state == State::FinWait2).then(|| now + LINGER);
        let how = self.ended_by.unwrap_or(TcpEnd::ServerReset);
        events.push(Event::TcpClosed { connection: self.session.connection(), how });
    }
}
