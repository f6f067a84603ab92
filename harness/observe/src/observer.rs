//! A capture and one of its machines, as a timeline and a finding.

use crate::capture::Capture;
use crate::client::Mac;
use crate::dhcp6::Dhcp6;
use crate::journal::Journal;
use crate::neighbours::{Neighbours, v6};
use crate::packet::{Content, Packet, parse};
use crate::tcp::Connections;
use crate::tftp::Transfers;
use crate::{dhcp4, dns, path};
use judge::{Ending, Finding, Watched};
use record::{Direction, Entry, Event, GuestTime, Stage};

/// Ports of DHCPv4 (RFC 2131 §4.1), DHCPv6 (RFC 8415 §7.2) and DNS.
const BOOTPS: u16 = 67;
const DHCP6_SERVER: u16 = 547;
const DHCP6_CLIENT: u16 = 546;
const DNS: u16 = 53;

/// What a capture says of a machine.
#[derive(Clone, Debug)]
pub struct Observation {
    /// What happened, in the words of our own services.
    pub timeline: Vec<Entry>,
    /// How far it came, and why not further. Its outcome is not to be relied on: a capture does not show why a machine falls
    /// silent.
    pub finding: Finding,
    /// What else there is to know: certificates, what a capture cannot show.
    pub notes: Vec<String>,
}

/// Looks at everything that `client` sent and received.
pub fn observe(capture: &Capture, client: Mac) -> Observation {
    let mut observer = Observer { client, ..Observer::default() };
    let mut last_word = GuestTime::ZERO;
    for frame in &capture.frames {
        let Some(packet) = parse(&frame.bytes) else { continue };
        let from_client = packet.source == client;
        if !from_client && packet.destination != client && !packet.destination.is_group() {
            continue;
        }
        observer.journal.at(frame.number, frame.at);
        let direction = if from_client { Direction::FromGuest } else { Direction::ToGuest };
        let (number, length) = (frame.number, frame.bytes.len());
        observer.journal.add(Event::Frame { number, direction, length, summary: String::new() });
        if from_client {
            last_word = frame.at;
        }
        observer.take(&packet, from_client);
    }
    observer.finish(last_word, capture)
}

#[derive(Default)]
struct Observer {
    client: Mac,
    journal: Journal,
    neighbours: Neighbours,
    dhcp6: Dhcp6,
    connections: Connections,
    transfers: Transfers,
}

impl Observer {
    fn take(&mut self, packet: &Packet<'_>, from_client: bool) {
        let journal = &mut self.journal;
        match &packet.content {
            Content::Arp(arp) => self.neighbours.arp(arp, from_client, journal),
            Content::Icmp4 { message } if !from_client => path::icmp4(message, journal),
            Content::Icmp6 { from, message, .. } => {
                if !from_client {
                    path::icmp6(message, journal);
                }
                if let Some(from) = v6(*from) {
                    self.neighbours.icmp6(from, message, from_client, journal);
                }
            }
            Content::Udp { from, to, payload, length } => {
                let (client, servers) = if from_client { (from, to) } else { (to, from) };
                match servers.port() {
                    BOOTPS | dhcp4::PXE => dhcp4::take(payload, *servers, self.client, from_client, journal),
                    DHCP6_SERVER | DHCP6_CLIENT => self.dhcp6.take(payload, from_client, journal),
                    DNS => dns::take(payload, servers.ip(), from_client, journal),
                    _ => self.transfers.take(*client, *servers, (payload, *length), from_client, journal),
                }
            }
            Content::Tcp { from, to, segment } => {
                let (client, server) = if from_client { (*from, *to) } else { (*to, *from) };
                self.connections.take(client, server, segment, from_client, journal);
            }
            Content::Icmp4 { .. } | Content::Other => {}
        }
    }

    fn finish(mut self, last_word: GuestTime, capture: &Capture) -> Observation {
        let (sealed, certificates) = self.connections.finish(capture.began_unix, &mut self.journal);
        self.neighbours.finish(&mut self.journal);
        self.dhcp6.finish(&mut self.journal);
        self.transfers.finish(&mut self.journal);
        let timeline = self.journal.finish();
        let watched = Watched {
            ending: Ending::AttemptFailed,
            ended: last_word,
            image_started: false,
            ipv6_began: None,
        };
        let mut finding = judge::judge(&timeline, watched);
        let mut notes: Vec<String> =
            certificates.into_iter().map(|text| format!("the server's certificate is {text}")).collect();
        if let Some((up, down)) = sealed.iter().max()
            && matches!(finding.stage, Stage::Tls)
        {
            finding.cause = None;
            finding.detail = format!(
                "TLS was established, and data went both ways inside it ({up} bytes from the client, {down} to it); what that was, a \
                 capture does not show."
            );
        }
        if finding.stage == Stage::Image {
            finding.cause = None;
            finding.detail =
                "The client has the whole file. Whether it ran, a capture does not show: look at the machine's console.".into();
        }
        if let Some(damage) = &capture.damaged {
            notes.push(format!("the file is damaged after packet {}: {damage}", capture.frames.len()));
        }
        Observation { timeline, finding, notes }
    }
}
