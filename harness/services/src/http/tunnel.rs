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
    /// The server at the end of the tunnel, until there is one.
    origin: Option<Session>,
    /// The same, over TLS.
    behind: Option<tls::Session>,
}

impl Tunnel {
    /// `proxy` is asked; whoever asks it for TLS's `port` gets `origin`, over TLS.
    pub(crate) fn new(proxy: Session, port: u16, context: Arc<tls::Context>, origin: Session) -> Self {
        Self { proxy: proxy.tunnelling_to(port), context, origin: Some(origin), behind: None }
    }

    /// Opens the tunnel's other end once the proxy has said that it is there.
    fn open(&mut self, events: &mut Vec<Event>) {
        if self.behind.is_none()
            && let Some(early) = self.proxy.take_tunnelled()
            && let Some(origin) = self.origin.take()
            // It fails for want of memory only.
            && let Ok(mut behind) = tls::Session::new(Arc::clone(&self.context), origin)
        {
            behind.opened(events);
            behind.receive(&early, events);
            self.behind = Some(behind);
        }
    }

    /// Whom the client speaks with.
    fn end(&self) -> &dyn Application {
        self.behind.as_ref().map_or(&self.proxy as &dyn Application, |behind| behind)
    }

    fn end_mut(&mut self) -> &mut dyn Application {
        match &mut self.behind {
            Some(behind) => behind,
            None => &mut self.proxy,
        }
    }
}

impl Application for Tunnel {
    fn connection(&self) -> u32 {
        self.proxy.connection()
    }

    fn wants_input(&self) -> bool {
        self.end().wants_input()
    }

    fn receive(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        self.end_mut().receive(bytes, events);
    }

    fn end_of_input(&mut self, events: &mut Vec<Event>) {
        self.end_mut().end_of_input(events);
    }

    fn fill(&mut self, now: GuestTime, buffer: &mut [u8], events: &mut Vec<Event>) -> usize {
        let filled = self.proxy.fill(now, buffer, events);
        self.open(events);
        let rest = &mut buffer[filled..];
        filled + self.behind.as_mut().map_or(0, |behind| behind.fill(now, rest, events))
    }

    fn wake(&self) -> Option<GuestTime> {
        self.end().wake()
    }

    fn acknowledged(&mut self, now: GuestTime, total: u64, events: &mut Vec<Event>) {
        let proxys = self.proxy.handed_over();
        self.proxy.acknowledged(now, total.min(proxys), events);
        if let Some(behind) = &mut self.behind {
            behind.acknowledged(now, total.saturating_sub(proxys), events);
        }
    }

    fn handed_over(&self) -> u64 {
        self.proxy.handed_over() + self.behind.as_ref().map_or(0, Application::handed_over)
    }

    fn is_over(&self) -> bool {
        self.end().is_over()
    }

    fn ends_sending(&self) -> bool {
        self.end().ends_sending()
    }

    fn resets(&self) -> bool {
        self.end().resets()
    }
}
