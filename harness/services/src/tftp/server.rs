//! What the TFTP server does with a packet.

use super::message::{self, Packet};
use super::{BLOCK, SERVER_PORT, Settings};
use crate::delay;
use crate::frame;
use crate::frame6::{self, Host};
use record::{Endpoint, Event, HeaderField};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;
use wire::{GuestTime, Outbox};

/// The first port that a transfer has on our side.
const FIRST_PORT: u16 = 50_000;
/// Bytes of a block with the option (RFC 2348); more would not fit a frame over IPv6.
const LARGEST_BLOCK: usize = 1432;
/// Blocks sent before an acknowledgement (RFC 7440), at most.
const LARGEST_WINDOW: u16 = 64;
/// How long an acknowledgement is waited for, and how often a packet is sent.
const PATIENCE: Duration = Duration::from_secs(2);
const TRIES: u32 = 5;
/// Transfers at one time; more are refused.
const TRANSFERS: usize = 16;

/// The client's end of a transfer, and how a datagram gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    V4 { mac: [u8; 6], server: Ipv4Addr, client: SocketAddrV4 },
    V6 { server: Host, client: Host, port: u16 },
}

impl Peer {
    fn endpoint(&self) -> Endpoint {
        match self {
            Self::V4 { client, .. } => Endpoint::new(*client.ip(), client.port()),
            Self::V6 { client, port, .. } => Endpoint::new(client.address, *port),
        }
    }

    fn frame(&self, from: u16, payload: &[u8]) -> Vec<u8> {
        match *self {
            Self::V4 { mac, server, client } => frame::from_address(server, from, mac, client, payload),
            Self::V6 { server, client, port } => frame6::udp((server, from), (client, port), payload),
        }
    }
}

/// The server and its transfers.
#[derive(Debug)]
pub(crate) struct Server {
    settings: Settings,
    /// Names under which the image is there.
    file: String,
    image: Arc<[u8]>,
    transfers: Vec<Transfer>,
    next_port: u16,
    pending: delay::Queue<Vec<u8>>,
}

#[derive(Debug)]
struct Transfer {
    peer: Peer,
    port: u16,
    block: usize,
    window: u16,
    /// Blocks that are acknowledged; none while the options are not.
    acknowledged: Option<u64>,
    /// What was sent last and is not acknowledged.
    unanswered: Vec<Vec<u8>>,
    tries: u32,
    due: GuestTime,
    over: bool,
}

impl Server {
    /// A server whose settings have been checked, with the image under the name that the boot file has.
    pub(crate) fn new(settings: Settings, bootfile: Option<&str>, image: Arc<[u8]>) -> Self {
        let path = bootfile.unwrap_or_default();
        let path = path
            .split_once("://")
            .map_or(path, |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
        let file = path.trim_start_matches('/').to_owned();
        Self {
            settings,
            file,
            image,
            transfers: Vec::new(),
            next_port: FIRST_PORT,
            pending: delay::Queue::new(),
        }
    }

    /// Takes a datagram that was sent to the server's port or to one of a transfer; whether it was for us.
    pub(crate) fn receive(
        &mut self,
        now: GuestTime,
        peer: Peer,
        port: u16,
        payload: &[u8],
        out: &mut Outbox,
    ) -> bool {
        let transfer =
            self.transfers.iter().position(|transfer| transfer.port == port && transfer.peer == peer);
        if port != SERVER_PORT && transfer.is_none() {
            return false;
        }
        let connection = peer.endpoint();
        let read = match Packet::parse(payload) {
            Ok(Packet::Data(_) | Packet::Options(_)) => Err("a server's packet"),
            other => other,
        };
        let packet = match read {
            Ok(packet) => packet,
            Err(why) => {
                out.events.push(Event::TftpUnanswered { client: connection, why: why.into() });
                return true;
            }
        };
        match (packet, transfer) {
            (Packet::Read { file, mode, options }, None) => self.read(now, peer, &file, &mode, &options, out),
            (Packet::Acknowledgement(block), Some(at)) => self.acknowledged(now, at, block, out),
            (Packet::Error { code, message }, Some(at)) => {
                self.transfers.remove(at);
                out.events.push(Event::TftpAborted { client: connection, code, message });
            }
            (_, None) => self.refuse(peer, 4, "only files are read here", out),
            (_, Some(_)) => {}
        }
        true
    }

    fn read(
        &mut self,
        now: GuestTime,
        peer: Peer,
        file: &str,
        mode: &str,
        options: &[HeaderField],
        out: &mut Outbox,
    ) {
        let client = peer.endpoint();
        out.events.push(Event::TftpRequest {
            client,
            file: file.to_owned(),
            mode: mode.to_owned(),
            options: options.to_vec(),
        });
        if !self.settings.enabled {
            let why = "the scenario leaves every request unanswered".into();
            return out.events.push(Event::TftpUnanswered { client, why });
        }
        if let Some(code) = self.settings.error {
            return self.refuse(peer, code, "as the scenario says", out);
        }
        if file.trim_start_matches('/') != self.file || self.file.is_empty() {
            return self.refuse(peer, 1, "File not found", out);
        }
        if self.transfers.len() >= TRANSFERS {
            return self.refuse(peer, 0, "too many transfers", out);
        }
        let mut transfer = Transfer {
            peer,
            port: self.port(),
            block: BLOCK,
            window: 1,
            acknowledged: Some(0),
            unanswered: Vec::new(),
            tries: 0,
            due: now,
            over: false,
        };
        let accepted =
            if self.settings.options { transfer.negotiate(options, self.image.len()) } else { Vec::new() };
        out.events.push(Event::TftpAccepted { client, options: accepted.clone() });
        if !accepted.is_empty() {
            transfer.acknowledged = None;
            transfer.unanswered = vec![message::options(&accepted)];
        }
        self.transfers.push(transfer);
        let last = self.transfers.len() - 1;
        self.go_on(now, last, out);
    }

    /// A port of our side that the next transfer has not.
    fn port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
        port
    }

    fn refuse(&mut self, peer: Peer, code: u16, text: &str, out: &mut Outbox) {
        let port = self.port();
        out.frames.push(peer.frame(port, &message::error(code, text)));
        out.events.push(Event::TftpRefused { client: peer.endpoint(), code, message: text.to_owned() });
    }

    fn acknowledged(&mut self, now: GuestTime, at: usize, block: u16, out: &mut Outbox) {
        let length = self.image.len();
        let transfer = &mut self.transfers[at];
        let before = transfer.acknowledged.unwrap_or_default();
        // Of the numbers that end in these 16 bits, the one that is next to what was acknowledged before.
        let ahead = block.wrapping_sub(before as u16);
        let sent = u64::try_from(transfer.unanswered.len()).unwrap_or_default();
        match transfer.acknowledged {
            None if block == 0 => transfer.acknowledged = Some(0),
            None => return,
            // An old one, for which nothing is sent again (RFC 1123 §4.2.3.1).
            Some(_) if ahead == 0 || u64::from(ahead) > sent => return,
            Some(_) => transfer.acknowledged = Some(before + u64::from(ahead)),
        }
        transfer.unanswered.clear();
        if transfer.acknowledged.is_some_and(|blocks| blocks > (length / transfer.block) as u64) {
            transfer.over = true;
            out.events.push(Event::TftpDelivered { client: transfer.peer.endpoint() });
            return;
        }
        self.go_on(now, at, out);
    }

    /// Sends what comes next, or once more what is not acknowledged.
    fn go_on(&mut self, now: GuestTime, at: usize, out: &mut Outbox) {
        let transfer = &mut self.transfers[at];
        if transfer.unanswered.is_empty() {
            transfer.tries = 0;
            let first = transfer.acknowledged.unwrap_or_default();
            for block in first..first + u64::from(transfer.window) {
                let begin = usize::try_from(block).unwrap_or(usize::MAX).saturating_mul(transfer.block);
                let stops = self.settings.stop_after.is_some_and(|most| block >= u64::from(most));
                if begin > self.image.len() || stops {
                    break;
                }
                let end = (begin + transfer.block).min(self.image.len());
                transfer.unanswered.push(message::data((block + 1) as u16, &self.image[begin..end]));
            }
        }
        transfer.tries += 1;
        let wait = match transfer.acknowledged {
            Some(_) => delay::duration(self.settings.block_delay_seconds),
            None => Duration::ZERO,
        };
        transfer.due = now + PATIENCE + wait;
        let times = if self.settings.duplicate && transfer.acknowledged.is_some() { 2 } else { 1 };
        for packet in &transfer.unanswered {
            for _ in 0..times {
                let frame = transfer.peer.frame(transfer.port, packet);
                match wait.is_zero() {
                    true => out.frames.push(frame),
                    false if self.pending.is_full() => {}
                    false => self.pending.push(now + wait, frame),
                }
            }
        }
    }

    /// Does what is due.
    pub(crate) fn poll(&mut self, now: GuestTime, out: &mut Outbox) {
        out.frames.extend(self.pending.due(now));
        for at in 0..self.transfers.len() {
            let transfer = &mut self.transfers[at];
            if transfer.over || transfer.due > now {
                continue;
            }
            if transfer.tries >= TRIES || transfer.unanswered.is_empty() {
                transfer.over = true;
            } else {
                self.go_on(now, at, out);
            }
        }
        self.transfers.retain(|transfer| !transfer.over);
    }

    /// When something is due.
    pub(crate) fn poll_at(&self) -> Option<GuestTime> {
        let transfers = self.transfers.iter().filter(|transfer| !transfer.over).map(|transfer| transfer.due);
        self.pending.poll_at().into_iter().chain(transfers).min()
    }
}

impl Transfer {
    /// Takes the options that it knows (RFC 2347); those are answered.
    fn negotiate(&mut self, options: &[HeaderField], length: usize) -> Vec<HeaderField> {
        let mut accepted = Vec::new();
        for HeaderField { name, value } in options {
            let number: Option<usize> = value.parse().ok();
            let answer = match (name.to_ascii_lowercase().as_str(), number) {
                ("tsize", Some(_)) => length.to_string(),
                ("blksize", Some(size @ 8..=65_464)) => {
                    self.block = size.min(LARGEST_BLOCK);
                    self.block.to_string()
                }
                ("timeout", Some(1..=255)) => value.clone(),
                ("windowsize", Some(window @ 1..=65_535)) => {
                    self.window = u16::try_from(window).unwrap_or(u16::MAX).min(LARGEST_WINDOW);
                    self.window.to_string()
                }
                _ => continue,
            };
            accepted.push(HeaderField { name: name.clone(), value: answer });
        }
        accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(port: u16) -> Peer {
        let client = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 100), port);
        Peer::V4 { mac: [2; 6], server: crate::address::SERVER4, client }
    }

    /// The server's packets, and from which port.
    fn packets(out: &mut Outbox) -> Vec<(u16, Vec<u8>)> {
        let read = |frame: Vec<u8>| {
            let datagram = frame::datagram(&frame).unwrap();
            (datagram.from.port(), datagram.payload.to_vec())
        };
        std::mem::take(&mut out.frames).into_iter().map(read).collect()
    }

    fn read(settings: Settings, options: &[u8], image: &[u8]) -> (Server, Vec<(u16, Vec<u8>)>) {
        let mut server = Server::new(settings, Some("boot.efi"), image.into());
        let mut out = Outbox::default();
        let request = [b"\0\x01boot.efi\0octet\0", options].concat();
        assert!(server.receive(GuestTime::ZERO, peer(2000), SERVER_PORT, &request, &mut out));
        (server, packets(&mut out))
    }

    /// Acknowledges what comes, and returns the image.
    fn download(mut server: Server, mut arrived: Vec<(u16, Vec<u8>)>) -> (Vec<u8>, bool) {
        let (mut image, mut expected) = (Vec::new(), 1_u16);
        let mut out = Outbox::default();
        while let Some((port, packet)) = arrived.pop() {
            // With windows, the last one is acknowledged.
            let mut all = std::mem::take(&mut arrived);
            all.push((port, packet));
            for (_, packet) in &all {
                match (&packet[..2], u16::from_be_bytes([packet[2], packet[3]])) {
                    ([0, 3], block) if block == expected => {
                        image.extend(&packet[4..]);
                        expected = expected.wrapping_add(1);
                    }
                    ([0, 3], _) => {}
                    ([0, 6], _) => {}
                    other => panic!("{other:?}"),
                }
            }
            let acknowledgement = [&[0, 4][..], &expected.wrapping_sub(1).to_be_bytes()].concat();
            assert!(server.receive(GuestTime::ZERO, peer(2000), port, &acknowledgement, &mut out));
            arrived = packets(&mut out);
        }
        (image, out.events.iter().any(|event| matches!(event, Event::TftpDelivered { .. })))
    }

    #[test]
    fn an_image_arrives_whole_whatever_the_options() {
        for length in [0, 1, 511, 512, 513, 5000, 1432 * 3, 40_000_000] {
            let image: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
            let all: &[&[u8]] =
                &[b"", b"blksize\x001432\0", b"tsize\x000\0blksize\x0065464\0windowsize\x0016\0"];
            for options in all.iter().filter(|options| length < 1_000_000 || options.len() > 20) {
                let (server, arrived) = read(Settings::default(), options, &image);
                let (got, delivered) = download(server, arrived);
                assert!(got == image && delivered, "{length} {:?}", options.escape_ascii());
            }
        }
    }

    #[test]
    fn options_are_answered_as_far_as_they_are_known() {
        let (_, arrived) = read(Settings::default(), b"tsize\x000\0blksize\x009999\0x\x001\0", &[0; 700]);
        assert_eq!(arrived[0].1, b"\0\x06tsize\x00700\0blksize\x001432\0");
        let plain = Settings { options: false, ..Settings::default() };
        let (_, arrived) = read(plain, b"tsize\x000\0", &[7; 700]);
        assert_eq!((arrived[0].1.len(), &arrived[0].1[..4]), (516, &[0, 3, 0, 1][..]));
    }

    #[test]
    fn what_goes_wrong_is_told() {
        let (_, arrived) = read(Settings { error: Some(2), ..Settings::default() }, b"", &[]);
        assert_eq!(arrived[0].1, b"\0\x05\0\x02as the scenario says\0");
        let mut server =
            Server::new(Settings::default(), Some("tftp://[2001:db8::1]/x/boot.efi"), [0; 5][..].into());
        let mut out = Outbox::default();
        let mut ask = |server: &mut Server, packet: &[u8]| {
            server.receive(GuestTime::ZERO, peer(1), SERVER_PORT, packet, &mut out);
            packets(&mut out).first().map(|(_, packet)| packet[..4].to_vec())
        };
        assert_eq!(ask(&mut server, b"\0\x01boot.efi\0octet\0"), Some(vec![0, 5, 0, 1]));
        assert_eq!(ask(&mut server, b"\0\x02boot.efi\0octet\0"), Some(vec![0, 5, 0, 4]));
        assert_eq!(ask(&mut server, b"\0\x01/x/boot.efi\0octet\0"), Some(vec![0, 3, 0, 1]));
        assert_eq!(ask(&mut server, b"junk"), None);
    }

    #[test]
    fn a_block_is_sent_again_and_then_no_more() {
        let (mut server, arrived) = read(Settings::default(), b"", &[1; 600]);
        assert_eq!(arrived.len(), 1);
        let mut out = Outbox::default();
        let mut sent = 0;
        while let Some(at) = server.poll_at() {
            server.poll(at, &mut out);
            sent += packets(&mut out).len();
        }
        assert_eq!(sent, 4);
        let (server, arrived) = read(Settings { stop_after: Some(1), ..Settings::default() }, b"", &[1; 600]);
        assert_eq!(download(server, arrived), (vec![1; 512], false));
    }
}
