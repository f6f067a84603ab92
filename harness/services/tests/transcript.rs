//! A whole boot as one table: what crosses the wire and what is said about it, in order.
#![allow(clippy::unwrap_used)]

mod support;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use record::Direction;
use services::{
    NetworkSettings, address,
    http::{Connection, Framing, HeadAnswer},
};
use smoltcp::iface::SocketHandle;
use std::time::Duration;
use support::{Bench, dhcp::Client, image};

/// A frame in one line, without what differs between runs of a real guest.
fn line(direction: Direction, frame: &[u8]) -> String {
    let arrow = match direction {
        Direction::FromGuest => "->",
        Direction::ToGuest => "<-",
    };
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    let what = match (&packet.net, &packet.transport) {
        (Some(NetSlice::Arp(arp)), _) => format!("arp {:?}", arp.operation()),
        (_, Some(TransportSlice::Udp(udp))) => {
            format!("udp {}>{} len={}", udp.source_port(), udp.destination_port(), udp.payload().len())
        }
        (_, Some(TransportSlice::Tcp(tcp))) => {
            let flags =
                [(tcp.syn(), "S"), (tcp.fin(), "F"), (tcp.rst(), "R"), (tcp.psh(), "P"), (tcp.ack(), ".")];
            let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
            format!(
                "tcp {}>{} {flags} len={}",
                tcp.source_port(),
                tcp.destination_port(),
                tcp.payload().len()
            )
        }
        other => format!("{other:?}"),
    };
    format!("{arrow} {what}")
}

struct Transcript {
    bench: Bench,
    lines: Vec<String>,
}

impl Transcript {
    fn new(settings: &NetworkSettings) -> Self {
        Self { bench: Bench::new(settings, image(4000)), lines: Vec::new() }
    }

    /// Adds what has happened since the last call.
    fn note(&mut self) {
        let frames = std::mem::take(&mut self.bench.frames);
        self.lines.extend(frames.iter().map(|(_, direction, frame)| line(*direction, frame)));
        for event in std::mem::take(&mut self.bench.events) {
            self.lines.push(format!("   {}", serde_json::to_string(&event).unwrap()));
        }
    }

    fn dhcp(&mut self, client: &Client) {
        self.bench.exchange(&client.frame());
        self.note();
    }

    /// Steps both sides, noting each turn, until nothing moves.
    fn settle(&mut self) {
        while self.bench.step() {
            self.note();
        }
    }

    fn connect(&mut self) -> SocketHandle {
        let handle = self.bench.connect(address::SERVER4, 80);
        self.settle();
        handle
    }

    fn ask(&mut self, handle: SocketHandle, method: &str) {
        let request = format!("{method} /boot.efi HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
        self.bench.send(handle, request.as_bytes());
        self.settle();
        self.bench.read(handle, Duration::from_millis(300));
        self.note();
    }
}

#[test]
fn a_good_boot() {
    let mut transcript = Transcript::new(&NetworkSettings::default());
    transcript.dhcp(&Client::new(1));
    transcript.dhcp(&Client::new(3).with(54, address::SERVER4.octets()).with(50, address::GUEST4.octets()));
    let handle = transcript.connect();
    transcript.ask(handle, "HEAD");
    transcript.ask(handle, "GET");
    transcript.bench.socket(handle).abort();
    transcript.settle();
    insta::assert_snapshot!(transcript.lines.join("\n"));
}

#[test]
fn a_network_that_misbehaves() {
    let mut settings = NetworkSettings::default();
    settings.dhcp4.request = services::dhcp4::RequestAnswer::Silence;
    settings.http.head = HeadAnswer::Status(405);
    settings.http.framing = Framing::Chunked;
    settings.http.connection = Connection::Close;
    let mut transcript = Transcript::new(&settings);
    transcript.dhcp(&Client::new(3).with(54, address::SERVER4.octets()).with(50, address::GUEST4.octets()));
    for method in ["HEAD", "GET"] {
        let handle = transcript.connect();
        transcript.ask(handle, method);
        transcript.bench.socket(handle).close();
        transcript.settle();
    }
    insta::assert_snapshot!(transcript.lines.join("\n"));
}
