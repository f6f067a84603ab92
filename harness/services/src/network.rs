//! The whole simulated network as one node: one station, with the MAC address of our server.
//!
//! A frame goes to the DHCPv4 server or to the TCP/IP stack, never to both: the stack would answer a datagram for a
//! port without a socket with ICMP port unreachable (RFC 1122 §3.2.2.1). Frames for others, IPv6 and unknown
//! EtherTypes are ignored.

use crate::{NetworkSettings, address, dhcp4, frame, http, tcp, template};
use etherparse::EtherType;
use std::{net::Ipv4Addr, sync::Arc};
use wire::{GuestTime, Node, Outbox};

/// Settings that no network can be built from, although each is well-formed.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct SettingsError {
    /// Dotted path of the setting, for example `network.http.status`.
    pub path: String,
    /// What is wrong and what was expected.
    pub problem: String,
}

impl SettingsError {
    pub(crate) fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }
}

/// Every service of one cell, behind one MAC address.
pub struct Network {
    dhcp4: dhcp4::Server,
    tcp: tcp::Stack,
    /// The latest time that was passed in.
    now: GuestTime,
}

impl Network {
    /// Builds the network that serves `image` at the boot file's path.
    pub fn new(settings: &NetworkSettings, image: Arc<[u8]>) -> Result<Self, SettingsError> {
        let (bootfile, location) = expanded(settings)?;
        let site = http::Site::new(settings.http.clone(), bootfile.as_deref(), location, image);
        let guest = settings.dhcp4.address.unwrap_or(address::GUEST4);
        Ok(Self {
            dhcp4: dhcp4::Server::new(
                settings.dhcp4.clone(),
                bootfile,
                crate::delay::duration(settings.dhcp4.offer_delay_seconds),
            ),
            tcp: tcp::Stack::new(settings.http.port, guest, Arc::new(site)),
            now: GuestTime::ZERO,
        })
    }

    /// Checks that a network can be built from `settings`, without building it.
    pub fn check(settings: &NetworkSettings) -> Result<(), SettingsError> {
        expanded(settings).map(|_| ())
    }

    /// Time as the services see it: it never goes backwards, whatever the caller says.
    fn advance(&mut self, now: GuestTime) -> GuestTime {
        self.now = self.now.max(now);
        self.now
    }
}

/// The boot file and the location of settings that pass every check.
fn expanded(settings: &NetworkSettings) -> Result<(Option<String>, Option<String>), SettingsError> {
    let expand = |text: &Option<String>, path| {
        text.as_deref().map(|text| template::expand(text, path, settings)).transpose()
    };
    let bootfile = expand(&settings.dhcp4.bootfile, "network.dhcp4.bootfile")?;
    let location = expand(&settings.http.location, "network.http.location")?;
    settings.dhcp4.check(bootfile.as_deref())?;
    settings.http.check(location.as_deref())?;
    Ok((bootfile, location))
}

impl Node for Network {
    fn receive(&mut self, now: GuestTime, bytes: &[u8], out: &mut Outbox) {
        let now = self.advance(now);
        if !frame::is_for_us(bytes) {
            return;
        }
        match EtherType(frame::ether_type(bytes)) {
            EtherType::IPV4 => match dhcp_payload(bytes) {
                Some(payload) => self.dhcp4.receive(now, payload, out),
                None => self.tcp.receive(now, bytes, out),
            },
            EtherType::ARP => self.tcp.receive(now, bytes, out),
            _ => {}
        }
    }

    fn poll(&mut self, now: GuestTime, out: &mut Outbox) {
        let now = self.advance(now);
        self.dhcp4.poll(now, out);
        self.tcp.poll(now, out);
    }

    fn poll_at(&self) -> Option<GuestTime> {
        [self.dhcp4.poll_at(), self.tcp.poll_at()].into_iter().flatten().min()
    }
}

/// The payload of a datagram for the DHCPv4 server, which listens on all addresses of the link. One with a wrong
/// checksum is left to the stack, which drops it (RFC 1122 §4.1.3.4).
fn dhcp_payload(bytes: &[u8]) -> Option<&[u8]> {
    let datagram = frame::datagram(bytes)?;
    let for_us = [Ipv4Addr::BROADCAST, address::SERVER4, address::BROADCAST4].contains(&datagram.to.address);
    (for_us && datagram.to.port == dhcp4::SERVER_PORT && datagram.intact).then_some(datagram.payload)
}
