//! A file by TFTP (RFC 1350), with the options that shorten it (RFC 2347, RFC 2348, RFC 2349).

use super::{Client, Lease, State};
use crate::console;
use crate::url::{Host, Url};
use std::net::SocketAddr;
use std::time::Duration;
use wire::GuestTime;

const PORT: u16 = 69;
const PATIENCE: Duration = Duration::from_secs(4);
const TRIES: u32 = 6;
/// Bytes of a block without the option, and with it.
const BLOCK: usize = 512;
const WANTED: &[u8] = b"octet\x00tsize\x000\x00blksize\x001468\x00";

/// Reading the boot file.
pub(super) struct Reading {
    pub(super) until: GuestTime,
    lease: Lease,
    url: Url,
    /// Where packets go: the server, and once it has answered, its port for this transfer.
    server: SocketAddr,
    begun: bool,
    block: usize,
    /// Blocks that have arrived.
    blocks: u16,
    image: Vec<u8>,
    last: Vec<u8>,
    tries: u32,
}

impl Client {
    pub(super) fn ask_for_file(&mut self, now: GuestTime, lease: Lease, url: Url) {
        let Host::Address(address) = url.host else { return self.fail(now, console::NAME) };
        let request = [&[0, 1][..], url.target.trim_start_matches('/').as_bytes(), &[0], WANTED].concat();
        let server = SocketAddr::new(address, PORT);
        if let Some(stack) = &mut self.stack {
            stack.ask(server, &request);
        }
        self.state = State::Reading(Box::new(Reading {
            until: now + PATIENCE,
            lease,
            url,
            server,
            begun: false,
            block: BLOCK,
            blocks: 0,
            image: Vec::new(),
            last: request,
            tries: 1,
        }));
        self.flush(now);
    }

    /// Goes on as far as what has arrived allows.
    pub(super) fn read_file(&mut self, now: GuestTime) {
        self.flush(now);
        loop {
            let State::Reading(mut it) = std::mem::replace(&mut self.state, State::Over) else { return };
            let Some(stack) = &mut self.stack else { return };
            let Some((from, packet)) = stack.answer() else {
                if now < it.until {
                    self.state = State::Reading(it);
                    return;
                }
                if it.tries >= TRIES {
                    return self.fail(now, console::TIMEOUT);
                }
                it.tries += 1;
                it.until = now + PATIENCE;
                stack.tell(it.server, &it.last);
                self.state = State::Reading(it);
                self.flush(now);
                return;
            };
            let known = from.ip() == it.server.ip() && (!it.begun || from == it.server);
            let kind = packet.first_chunk::<2>().copied().filter(|_| known);
            let number = packet.get(2..4).map(|number| u16::from_be_bytes([number[0], number[1]]));
            match (kind, number) {
                (Some([0, 5]), _) => return self.fail(now, console::UNEXPECTED),
                (Some([0, 6]), _) if !it.begun => {
                    it.server = from;
                    it.begun = true;
                    let mut texts = packet[2..].split(|byte| *byte == 0);
                    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
                        let size = std::str::from_utf8(value).ok().and_then(|size| size.parse().ok());
                        if let (b"blksize", Some(size)) = (name, size) {
                            it.block = size;
                        }
                    }
                    self.acknowledge(now, it, 0);
                }
                (Some([0, 3]), Some(block)) if block == it.blocks.wrapping_add(1) => {
                    it.server = from;
                    it.begun = true;
                    it.blocks = block;
                    it.image.extend_from_slice(&packet[4..]);
                    let last = packet.len() - 4 < it.block;
                    self.acknowledge(now, it, block);
                    if last {
                        return self.file_read(now);
                    }
                }
                _ => self.state = State::Reading(it),
            }
        }
    }

    fn acknowledge(&mut self, now: GuestTime, mut it: Box<Reading>, block: u16) {
        it.last = [&[0, 4][..], &block.to_be_bytes()].concat();
        it.until = now + PATIENCE;
        it.tries = 1;
        if let Some(stack) = &mut self.stack {
            stack.tell(it.server, &it.last);
        }
        self.state = State::Reading(it);
        self.flush(now);
    }

    fn file_read(&mut self, now: GuestTime) {
        let State::Reading(it) = std::mem::replace(&mut self.state, State::Over) else { return };
        self.print(console::downloaded(it.image.len()));
        self.flush(now);
        self.execute(&it.image, it.lease, &it.url.to_string());
    }
}
