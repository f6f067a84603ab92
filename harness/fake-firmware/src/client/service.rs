//! Where the boot file is, by a PXE server's word on port 4011 (PXE 2.1 §2.2.3).

use super::lease::patience;
use super::{Client, Lease, State};
use crate::console;
use crate::dhcp4::{self, Message};
use crate::url::{Host, Url};
use std::net::SocketAddr;
use wire::GuestTime;

const PORT: u16 = 4011;
const TRIES: u32 = 4;

/// Waiting for the server.
pub(super) struct Asking {
    pub(super) until: GuestTime,
    lease: Lease,
    server: SocketAddr,
    message: Vec<u8>,
    tries: u32,
}

impl Client {
    /// Asks the server of the URL, which names no file.
    pub(super) fn find_file(&mut self, now: GuestTime, lease: Lease, url: Url) {
        let (Host::Address(address), Lease::V4 { address: own, .. }) = (url.host, lease) else {
            return self.fail(now, console::NAME);
        };
        let server = SocketAddr::new(address, PORT);
        let message = dhcp4::bytes(&Message::Service(own), self.xid, 0, true);
        if let Some(stack) = &mut self.stack {
            stack.ask(server, &message);
        }
        let asking = Asking { until: now + patience(1), lease, server, message, tries: 1 };
        self.state = State::Asking(Box::new(asking));
        self.flush(now);
    }

    /// Goes on with what has arrived, if it is the server's answer.
    pub(super) fn ask_service(&mut self, now: GuestTime) {
        self.flush(now);
        let State::Asking(mut it) = std::mem::replace(&mut self.state, State::Over) else { return };
        let Some(stack) = &mut self.stack else { return };
        while let Some((from, answer)) = stack.answer() {
            let answer = dhcp4::read(&answer, self.xid).filter(|_| from == it.server);
            let Some(answer) = answer.filter(|answer| answer.kind == dhcp4::ACK) else { continue };
            let file = answer.bootfile.unwrap_or_default();
            let place =
                if answer.next_server.is_unspecified() { answer.server } else { Some(answer.next_server) };
            let url = place.and_then(|place| Url::parse(&format!("http://{place}/{file}")));
            return match url.filter(|_| !file.is_empty()) {
                Some(url) => self.ask_for_file(now, it.lease, url),
                None => self.fail(now, console::DEVICE),
            };
        }
        if now >= it.until {
            if it.tries >= TRIES {
                return self.fail(now, console::TIMEOUT);
            }
            it.tries += 1;
            it.until = now + patience(it.tries);
            stack.tell(it.server, &it.message);
        }
        self.state = State::Asking(it);
        self.flush(now);
    }
}
