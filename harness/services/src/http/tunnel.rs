//! A connection to a proxy (RFC 9110 §9.3.6): HTTP until a CONNECT to the TLS server's port is answered, then TLS with that server.

use super::Session;
use crate::{tcp::Application, tls};
use record::Event;
use std::sync::Arc;
use wire::GuestTime;

/// The proxy's side of one TCP connection, and the origin server's behind it.
#[derive(Debug)]
pub(crate) struct Tunnel {
    proxy: Session,
    context: Arc<tls::Context>,
    /// The server at the end of the tunnel, once there is one: the session over TLS of the same connection.
    behind: Result<tls::Session, Option<Session>>,
}

impl Tunnel {
    /// `proxy` is asked; whoever asks it for TLS's `port` gets `origin`, over TLS.
    pub(crate) fn new(proxy: Session, port: u16, context: Arc<tls::Context>, origin: Session) -> Self {
        Self { proxy: proxy.tunnelling_to(port), context, behind: Err(Some(origin)) }
    }

    /// Opens the tunnel's other end once the proxy has said that it is there.
    fn open(&mut self, events: &mut Vec<Event>) {
        if let Err(origin) = &mut self.behind
            && let Some(early) = self.proxy.take_tunnelled()
            && let Some(origin) = origin.take()
            // It fails for want of memory only.
            && let Ok(mut behind) = tls::Session::new(Arc::clone(&self.context), origin)
        {
            behind.opened(events);
            self.behind = Ok(behind);
            self.receive(&early, events);
        }
    }
}

impl Application for Tunnel {
    fn connection(&self) -> u32 {
        self.proxy.connection()
    }

    fn wants_input(&self) -> bool {
        self.behind.as_ref().map_or_else(|_| self.proxy.wants_input(), Application::wants_input)
    }

    fn receive(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        match &mut self.behind {
            Ok(behind) => behind.receive(bytes, events),
            Err(_) => self.proxy.receive(bytes, events),
        }
    }

    fn end_of_input(&mut self, events: &mut Vec<Event>) {
        match &mut self.behind {
            Ok(behind) => behind.end_of_input(events),
            Err(_) => self.proxy.end_of_input(events),
        }
    }

    fn fill(&mut self, now: GuestTime, buffer: &mut [u8], events: &mut Vec<Event>) -> usize {
        let filled = self.proxy.fill(now, buffer, events);
        self.open(events);
        match &mut self.behind {
            Ok(behind) => filled + behind.fill(now, &mut buffer[filled..], events),
            Err(_) => filled,
        }
    }

    fn wake(&self) -> Option<GuestTime> {
        self.behind.as_ref().map_or_else(|_| self.proxy.wake(), Application::wake)
    }

    fn acknowledged(&mut self, now: GuestTime, total: u64, events: &mut Vec<Event>) {
        let proxys = self.proxy.handed_over();
        self.proxy.acknowledged(now, total.min(proxys), events);
        if let Ok(behind) = &mut self.behind {
            behind.acknowledged(now, total.saturating_sub(proxys), events);
        }
    }

    fn handed_over(&self) -> u64 {
        self.proxy.handed_over() + self.behind.as_ref().map_or(0, Application::handed_over)
    }

    fn is_over(&self) -> bool {
        self.behind.as_ref().map_or_else(|_| self.proxy.is_over(), Application::is_over)
    }

    fn resets(&self) -> bool {
        self.behind.as_ref().map_or_else(|_| self.proxy.resets(), Application::resets)
    }
}
