//! Files that one client reads by TFTP (RFC 1350), with options (RFC 2347, RFC 2348).

use crate::journal::{Journal, Place};
use crate::tcp::endpoint;
use record::{Event, HeaderField};
use services::tftp::{BLOCK, Packet, SERVER_PORT};
use std::net::SocketAddr;

/// Transfers that are looked into; a capture with more is of something else.
const MOST: usize = 1000;
/// Opcode and block number, before the content of a block.
const DATA_HEADER: usize = 4;

/// All transfers.
#[derive(Debug, Default)]
pub struct Transfers {
    all: Vec<Transfer>,
}

#[derive(Debug)]
struct Transfer {
    asked: Place,
    client: SocketAddr,
    /// Where the request went; once there is an answer, the port that the server has for this transfer (RFC 1350 §4).
    server: SocketAddr,
    answered: bool,
    /// Bytes of a block.
    block: usize,
    /// The number of the block that is shorter than the others.
    last: Option<u16>,
    over: bool,
}

impl Transfers {
    /// Takes a datagram between a client and whatever it talks to: what there is of its payload, and how long that was.
    pub fn take(
        &mut self,
        client: SocketAddr,
        server: SocketAddr,
        (payload, length): (&[u8], usize),
        from_client: bool,
        journal: &mut Journal,
    ) {
        let at = self.find(client, server, from_client);
        let is_request = from_client && server.port() == SERVER_PORT;
        if at.is_none() && !is_request {
            return;
        }
        let Ok(packet) = Packet::parse(payload) else { return };
        if let (Packet::Read { file, mode, options }, true) = (&packet, from_client) {
            let (file, mode, options) = (file.clone(), mode.clone(), options.clone());
            journal.add(Event::TftpRequest { client: endpoint(client), file, mode, options });
            // One that nobody has answered is sent again.
            if at.is_none_or(|at| self.all[at].answered) && self.all.len() < MOST {
                self.all.push(Transfer::new(journal.now(), client, server));
            }
        } else if let Some(at) = at {
            self.all[at].take(packet, server, length, from_client, journal);
        }
    }

    /// The transfer that a datagram between these ends belongs to. The first answer may come from any port of the server.
    fn find(&self, client: SocketAddr, server: SocketAddr, from_client: bool) -> Option<usize> {
        let goes_on = |it: &Transfer| it.client == client && it.server == server && !it.over;
        let begins = |it: &Transfer| it.client == client && it.server.ip() == server.ip() && !it.answered;
        let known = self.all.iter().rposition(goes_on);
        known.or_else(|| self.all.iter().rposition(|it| !from_client && begins(it)))
    }

    /// Says which requests nobody answered.
    pub fn finish(self, journal: &mut Journal) {
        for it in self.all.iter().filter(|it| !it.answered) {
            let why = "nobody answers in the capture".into();
            journal.add_at(it.asked, Event::TftpUnanswered { client: endpoint(it.client), why });
        }
    }
}

impl Transfer {
    fn new(asked: Place, client: SocketAddr, server: SocketAddr) -> Self {
        Self { asked, client, server, answered: false, block: BLOCK, last: None, over: false }
    }

    fn take(
        &mut self,
        packet: Packet,
        server: SocketAddr,
        length: usize,
        from_client: bool,
        journal: &mut Journal,
    ) {
        let client = endpoint(self.client);
        match (packet, from_client) {
            (Packet::Options(options), false) => {
                if let Some(block) = block_size(&options) {
                    self.block = block;
                }
                self.accept(server, options, journal);
            }
            (Packet::Data(block), false) => {
                self.accept(server, Vec::new(), journal);
                if length < DATA_HEADER + self.block {
                    self.last = Some(block);
                }
            }
            (Packet::Error { code, message }, false) => {
                (self.answered, self.over) = (true, true);
                journal.add(Event::TftpRefused { client, code, message });
            }
            (Packet::Acknowledgement(block), true) if self.last == Some(block) => {
                self.over = true;
                journal.add(Event::TftpDelivered { client });
            }
            (Packet::Error { code, message }, true) => {
                self.over = true;
                journal.add(Event::TftpAborted { client, code, message });
            }
            _ => {}
        }
    }

    /// Takes note of the server's first answer.
    fn accept(&mut self, server: SocketAddr, options: Vec<HeaderField>, journal: &mut Journal) {
        if !std::mem::replace(&mut self.answered, true) {
            self.server = server;
            journal.add(Event::TftpAccepted { client: endpoint(self.client), options });
        }
    }
}

/// What the option of RFC 2348 says.
fn block_size(options: &[HeaderField]) -> Option<usize> {
    options.iter().find(|option| option.name.eq_ignore_ascii_case("blksize"))?.value.parse().ok()
}
