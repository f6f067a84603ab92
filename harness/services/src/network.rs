//! The whole simulated network as one node: one station, with the MAC address of our server.
//!
//! A frame goes to the DHCPv4 server or to the TCP/IP stack, never to both: the stack would answer a datagram for a
//! port without a socket with ICMP port unreachable (RFC 1122 §3.2.2.1). Frames for others, IPv6 and unknown
//! EtherTypes are ignored.

use crate::{NetworkSettings, address, dhcp4, frame, http, tcp, template, tls};
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

/// Why a network cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The settings contradict each other.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// This host's OpenSSL cannot do what the scenario asks for: the cell is unsupported, and nothing is said about the
    /// firmware.
    #[error(transparent)]
    Unsupported(#[from] tls::Unsupported),
    /// There is a TLS server, but no certificate for it.
    #[error("failed to set up the TLS server: it has no certificate; mint one with Network::certificate")]
    NoIdentity,
    /// Something on this host.
    #[error("{0}")]
    Host(String),
}

impl From<tls::NoContext> for NetworkError {
    fn from(error: tls::NoContext) -> Self {
        match error {
            tls::NoContext::Unsupported(unsupported) => Self::Unsupported(unsupported),
            tls::NoContext::OpenSsl(_) => Self::Host(error.to_string()),
        }
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
    /// Builds the network that serves `image` at the boot file's URL. It needs no certificate: see
    /// [`certificate`](Self::certificate).
    ///
    /// # Errors
    /// [`NetworkError`]; `NoIdentity` if a TLS server is part of the network.
    pub fn new(settings: &NetworkSettings, image: Arc<[u8]>) -> Result<Self, NetworkError> {
        Self::with_identity(settings, image, None)
    }

    /// Builds the network that serves `image` at the boot file's URL, with the `identity` that was minted for
    /// [`certificate`](Self::certificate).
    ///
    /// # Errors
    /// [`NetworkError`]; `Unsupported` if this host's OpenSSL cannot do it.
    pub fn with_identity(
        settings: &NetworkSettings,
        image: Arc<[u8]>,
        identity: Option<&pki::Identity>,
    ) -> Result<Self, NetworkError> {
        let Expanded { bootfile, location, certificate } = Expanded::new(settings)?;
        let tls = match (certificate, identity) {
            (None, _) => None,
            (Some(_), None) => return Err(NetworkError::NoIdentity),
            (Some(_), Some(identity)) => {
                let context = Arc::new(tls::Context::new(&settings.tls, identity)?);
                Some(tcp::Tls { port: settings.tls.port, context })
            }
        };
        let site = http::Site::new(settings.http.clone(), bootfile.as_deref(), location, image);
        let guest = settings.dhcp4.address.unwrap_or(address::GUEST4);
        Ok(Self {
            dhcp4: dhcp4::Server::new(
                settings.dhcp4.clone(),
                bootfile,
                crate::delay::duration(settings.dhcp4.offer_delay_seconds),
            ),
            tcp: tcp::Stack::new(settings.http.port, tls, guest, Arc::new(site)),
            now: GuestTime::ZERO,
        })
    }

    /// Checks that a network can be built from `settings`, without building it.
    ///
    /// # Errors
    /// [`SettingsError`] if the settings contradict each other. What this host cannot do is not looked at.
    pub fn check(settings: &NetworkSettings) -> Result<(), SettingsError> {
        Expanded::new(settings).map(|_| ())
    }

    /// The certificate that the network's TLS server needs, its placeholders replaced; `None` if there is no such server.
    ///
    /// # Errors
    /// [`SettingsError`] as for [`check`](Self::check).
    pub fn certificate(settings: &NetworkSettings) -> Result<Option<pki::Settings>, SettingsError> {
        Expanded::new(settings).map(|expanded| expanded.certificate)
    }

    /// Time as the services see it: it never goes backwards, whatever the caller says.
    fn advance(&mut self, now: GuestTime) -> GuestTime {
        self.now = self.now.max(now);
        self.now
    }
}

/// Settings that pass every check, as far as they have placeholders, which are replaced.
struct Expanded {
    bootfile: Option<String>,
    location: Option<String>,
    /// If there is a TLS server.
    certificate: Option<pki::Settings>,
}

impl Expanded {
    fn new(settings: &NetworkSettings) -> Result<Self, SettingsError> {
        let expand = |text: &Option<String>, path| {
            text.as_deref().map(|text| template::expand(text, path, settings)).transpose()
        };
        let bootfile = expand(&settings.dhcp4.bootfile, "network.dhcp4.bootfile")?;
        let location = expand(&settings.http.location, "network.http.location")?;
        settings.client.check()?;
        settings.dhcp4.check(bootfile.as_deref())?;
        settings.http.check(location.as_deref())?;
        let mut certificate = None;
        if settings.tls.is_in_use([bootfile.as_deref(), location.as_deref()]) {
            settings.tls.check(settings.http.port)?;
            certificate = Some(settings.tls.certificate.expanded(|path, text| {
                template::expand(text, &format!("network.tls.certificate.{path}"), settings)
            })?);
        }
        if let Some(certificate) = &certificate {
            certificate.check().map_err(|error| {
                SettingsError::new(format!("network.tls.certificate.{}", error.path), error.problem)
            })?;
        }
        Ok(Self { bootfile, location, certificate })
    }
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
