//! The whole simulated network as one node: one station, with the MAC address of our server.
//!
//! A frame goes to one service or to the TCP/IP stack, never to both: the stack would answer a datagram for a port
//! without a socket with ICMP port unreachable (RFC 1122 §3.2.2.1). Frames for others and unknown EtherTypes are ignored,
//! and so is IPv6 where the client boots over IPv4.

use crate::client::Protocol;
use crate::frame6::{self, Content, Host, Packet};
use crate::link::Link;
use crate::link6::{self, Link6, Taken};
use crate::occupant::Occupant;
use crate::{NetworkSettings, address, dhcp4, dhcp6, dns, frame, http, tcp, template, tftp, tls};
use etherparse::EtherType;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
    sync::Arc,
};
use wire::{Direction, GuestTime, Node, Outbox};

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

/// Every service of one cell, behind one MAC address, at the end of one link.
pub struct Network {
    /// Where it does something to frames.
    link: Option<Link>,
    dhcp4: dhcp4::Server,
    /// Where the guest's address is taken.
    occupant: Option<Occupant>,
    /// Where there is IPv6.
    link6: Option<Link6>,
    dns: dns::Server,
    /// Where the client boots by PXE.
    tftp: Option<tftp::Server>,
    tcp: tcp::Stack,
    /// IPv4 addresses of hosts beside our server, which share its card.
    hosts4: Vec<Ipv4Addr>,
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
        let Expanded { dhcp4, http, image_url, bootfile, bootfiles6, location, certificate } =
            Expanded::new(settings)?;
        let ipv6 = settings.client.boot.is_ipv6();
        let tls = match (certificate, identity) {
            (None, _) => None,
            (Some(_), None) => return Err(NetworkError::NoIdentity),
            (Some(_), Some(identity)) => {
                let context = Arc::new(tls::Context::new(&settings.tls, identity)?);
                Some(tcp::Tls { port: settings.tls.port, context })
            }
        };
        let offered = if ipv6 { bootfiles6[0].as_deref() } else { bootfile.as_deref() };
        let site = http::Site::new(http, image_url.as_deref().or(offered), location, Arc::clone(&image));
        let addresses6 = if ipv6 { address::SERVER_ADDRESSES6 } else { &[] };
        let dhcp4 = dhcp4::Settings { enabled: settings.dhcp4.enabled && !ipv6, ..dhcp4 };
        let dns = Arc::new(settings.dns.clone());
        let guest = settings.dhcp4.address.unwrap_or(address::GUEST4);
        let by_pxe = settings.client.protocol == Protocol::Pxe;
        let tftp = by_pxe.then(|| tftp::Server::new(settings.tftp.clone(), offered, Arc::clone(&image)));
        let hosts4 = if dhcp4.enabled { dhcp4.hosts() } else { Vec::new() };
        let occupant = dhcp4.address.filter(|_| dhcp4.address_in_use).map(Occupant);
        Ok(Self {
            occupant,
            link: Link::new(&settings.link),
            dhcp4: dhcp4::Server::new(dhcp4),
            link6: ipv6.then(|| Link6::new(settings, &bootfiles6)),
            dns: dns::Server::new(settings.dns.clone()),
            tftp,
            tcp: tcp::Stack::new(
                settings.tcp.clone(),
                settings.http.port,
                tls,
                dns,
                tcp::Addresses { guest, hosts4: &hosts4, addresses6 },
                Arc::new(site),
            ),
            hosts4,
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
    /// The DHCPv4 settings.
    dhcp4: dhcp4::Settings,
    /// The HTTP settings.
    http: http::Settings,
    /// Where the image is, if not at the boot file's URL.
    image_url: Option<String>,
    /// The boot file that a DHCPv4 server names.
    bootfile: Option<String>,
    /// Those of the DHCPv6 servers, ours first.
    bootfiles6: Vec<Option<String>>,
    location: Option<String>,
    /// If there is a TLS server.
    certificate: Option<pki::Settings>,
}

impl Expanded {
    fn new(settings: &NetworkSettings) -> Result<Self, SettingsError> {
        let expand = |text: &Option<String>, path: &str| {
            text.as_deref().map(|text| template::expand(text, path, settings)).transpose()
        };
        let mut dhcp4 = settings.dhcp4.clone();
        for (at, class) in dhcp4.user_classes.iter_mut().enumerate() {
            let path = format!("network.dhcp4.user_classes[{at}].bootfile");
            class.bootfile = template::expand(&class.bootfile, &path, settings)?;
        }
        for (text, path) in dhcp4.texts() {
            *text = expand(text, &path)?;
        }
        // The server has what can be learnt of first: a boot entry's, else an offer's.
        let entry = settings.client.nvram.url().map(str::to_owned);
        let entry = expand(&entry, "network.client.nvram.entries")?;
        let bootfile = entry.or_else(|| dhcp4.offered());
        let location = expand(&settings.http.location, "network.http.location")?;
        let image_url = expand(&settings.image.url, "network.image.url")?;
        let mut http = settings.http.clone();
        for (at, file) in http.files.iter_mut().enumerate() {
            let path = format!("network.http.files[{at}]");
            file.url = template::expand(&file.url, &format!("{path}.url"), settings)?;
            file.text = expand(&file.text, &format!("{path}.text"))?;
        }
        let others = settings.dhcp6.more_servers.iter().map(|server| &server.bootfile);
        let bootfiles6 = std::iter::once(&settings.dhcp6.bootfile)
            .chain(others)
            .enumerate()
            .map(|(at, text)| expand(text, &format!("network.dhcp6.{}", dhcp6::at_server(at, "bootfile"))))
            .collect::<Result<Vec<_>, _>>()?;
        settings.client.check(settings)?;
        settings.image.check()?;
        settings.link.check()?;
        settings.tcp.check(settings.client.boot.is_ipv6())?;
        dhcp4.check()?;
        settings.nd.check()?;
        settings.ra.check()?;
        settings.dhcp6.check(&bootfiles6)?;
        settings.dns.check()?;
        settings.tftp.check()?;
        check_ip_version(settings)?;
        http.check(location.as_deref())?;
        let mut certificate = None;
        let offered =
            if settings.client.boot.is_ipv6() { bootfiles6[0].as_deref() } else { bootfile.as_deref() };
        let files = http.files.iter().map(|file| Some(file.url.as_str()));
        let urls = [offered, location.as_deref(), image_url.as_deref()].into_iter().chain(files);
        if settings.tls.is_in_use(urls) {
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
        Ok(Self { dhcp4, http, image_url, bootfile, bootfiles6, location, certificate })
    }
}

/// Refuses settings of a service that is not on the link because the client boots over the other IP version.
fn check_ip_version(settings: &NetworkSettings) -> Result<(), SettingsError> {
    fn is_changed<T: Default + PartialEq>(settings: &T) -> bool {
        *settings != T::default()
    }
    let NetworkSettings { dhcp4, nd, ra, dhcp6, client, .. } = settings;
    let changed = match client.boot.is_ipv6() {
        true => [("dhcp4", is_changed(dhcp4)), ("", false), ("", false)],
        false => [("nd", is_changed(nd)), ("ra", is_changed(ra)), ("dhcp6", is_changed(dhcp6))],
    };
    let Some((block, _)) = changed.into_iter().find(|(_, changed)| *changed) else { return Ok(()) };
    let problem = if client.boot.is_ipv6() {
        "the client boots over IPv6 (network.client.boot), so there is no DHCPv4 server"
    } else {
        "the client boots over IPv4, so there is no IPv6 on the link; set network.client.boot to ipv6"
    };
    Err(SettingsError::new(format!("network.{block}"), problem))
}

/// A DNS query over IPv4.
struct Query4<'a> {
    mac: [u8; 6],
    datagram: &'a frame::Datagram<'a>,
}

impl dns::Question for Query4<'_> {
    fn server(&self) -> IpAddr {
        (*self.datagram.to.ip()).into()
    }

    fn reply(&self, from: u16, to: u16, answer: &[u8]) -> Vec<u8> {
        let client = self.datagram.from;
        let to = SocketAddrV4::new(*client.ip(), client.port().wrapping_add(to));
        frame::from_server(dns::SERVER_PORT + from, self.mac, to, answer)
    }
}

/// A DNS query over IPv6.
struct Query6<'a> {
    packet: &'a Packet<'a>,
    port: u16,
}

impl dns::Question for Query6<'_> {
    fn server(&self) -> IpAddr {
        self.packet.to.into()
    }

    fn reply(&self, from: u16, to: u16, answer: &[u8]) -> Vec<u8> {
        let server = Host::server(self.packet.to);
        let client = Host { mac: self.packet.mac, address: self.packet.from };
        frame6::udp((server, dns::SERVER_PORT + from), (client, self.port.wrapping_add(to)), answer)
    }
}

impl Network {
    fn receive4(&mut self, now: GuestTime, bytes: &[u8], out: &mut Outbox) {
        let Some(datagram) = frame::datagram(bytes).filter(|datagram| datagram.intact) else {
            // One with a wrong checksum is left to the stack, which drops it (RFC 1122 §4.1.3.4).
            return self.tcp.receive(now, bytes, out);
        };
        let (to, port) = (datagram.to.ip(), datagram.to.port());
        let mut mac = [0; 6];
        mac.copy_from_slice(&bytes[6..12]);
        // The DHCPv4 server listens on all addresses of the link.
        let link = [Ipv4Addr::BROADCAST, address::SERVER4, address::BROADCAST4];
        if port == dhcp4::SERVER_PORT && link.contains(to) {
            self.dhcp4.receive(now, datagram.payload, out);
        } else if port == dhcp4::PXE_PORT && self.dhcp4.has_service(*to) {
            let unicast = dhcp4::Unicast { mac, from: datagram.from, server: *to, payload: datagram.payload };
            self.dhcp4.receive_unicast(now, &unicast, out);
        } else if port == dns::SERVER_PORT && *to == address::SERVER4 && !datagram.from.ip().is_unspecified()
        {
            self.dns.receive(now, &Query4 { mac, datagram: &datagram }, datagram.payload, out);
        } else {
            let peer = tftp::Peer::V4 { mac, server: *to, client: datagram.from };
            let is_ours =
                (*to == address::SERVER4 || self.hosts4.contains(to)) && !datagram.from.ip().is_unspecified();
            let tftp = self.tftp.as_mut().filter(|_| is_ours);
            if !tftp.is_some_and(|tftp| tftp.receive(now, peer, port, datagram.payload, out)) {
                self.tcp.receive(now, bytes, out);
            }
        }
    }

    fn receive6(&mut self, now: GuestTime, bytes: &[u8], out: &mut Outbox) {
        let Some(link6) = self.link6.as_mut().filter(|_| frame6::is_for_us(bytes)) else { return };
        let frame = link6::forwarded(bytes);
        let Some(packet) = frame6::packet(&frame) else {
            // What the stack understands and we do not, or a wrong checksum, for which it drops it.
            return self.tcp.receive(now, &frame, out);
        };
        if !link6.forward(bytes, &packet, out) {
            return self.tcp.lost(&frame, out);
        }
        match link6.receive(now, &packet, out) {
            Taken::Done => return,
            Taken::Learn => return self.tcp.learn(now, &frame),
            Taken::Pass => {}
        }
        match packet.content {
            Content::Udp { from_port, to_port: dns::SERVER_PORT, payload }
                if address::SERVER_ADDRESSES6.contains(&packet.to) && link6::is_host(&packet) =>
            {
                self.dns.receive(now, &Query6 { packet: &packet, port: from_port }, payload, out);
            }
            Content::Udp { from_port, to_port, payload }
                if self.tftp.is_some()
                    && address::SERVER_ADDRESSES6.contains(&packet.to)
                    && link6::is_host(&packet) =>
            {
                let client = Host { mac: packet.mac, address: packet.from };
                let peer = tftp::Peer::V6 { server: Host::server(packet.to), client, port: from_port };
                let tftp = self.tftp.as_mut();
                if !tftp.is_some_and(|tftp| tftp.receive(now, peer, to_port, payload, out)) {
                    self.tcp.receive(now, &frame, out);
                }
            }
            _ => self.tcp.receive(now, &frame, out),
        }
    }
}

impl Network {
    /// Hands a frame that has crossed the link to whom it is for.
    fn arrive(&mut self, now: GuestTime, bytes: &[u8], out: &mut Outbox) {
        if bytes.len() >= 14 && frame::ether_type(bytes) == EtherType::IPV6.0 {
            return self.receive6(now, bytes, out);
        }
        if !frame::is_for_us(bytes) {
            return;
        }
        match EtherType(frame::ether_type(bytes)) {
            EtherType::IPV4 => self.receive4(now, bytes, out),
            EtherType::ARP => match self.occupant.as_ref().and_then(|occupant| occupant.answer(bytes)) {
                Some(answer) => out.frames.push(answer),
                None => self.tcp.receive(now, bytes, out),
            },
            _ => {}
        }
    }

    /// Moves frames over the link: those of the guest that have crossed are received, and what comes of it is sent.
    fn cross(&mut self, now: GuestTime, out: &mut Outbox) {
        let Some(link) = &mut self.link else { return };
        for frame in link.crossed(now, Direction::FromGuest) {
            self.arrive(now, &frame, out);
        }
        let Some(link) = &mut self.link else { return };
        for frame in std::mem::take(&mut out.frames) {
            link.send(now, Direction::ToGuest, frame, &mut out.events);
        }
        out.frames = link.crossed(now, Direction::ToGuest);
    }
}

/// The outbox of a call has to be empty where the link does something to frames: it sends what is in it.
impl Node for Network {
    fn receive(&mut self, now: GuestTime, bytes: &[u8], out: &mut Outbox) {
        let now = self.advance(now);
        match &mut self.link {
            None => self.arrive(now, bytes, out),
            Some(link) => {
                link.send(now, Direction::FromGuest, bytes.to_vec(), &mut out.events);
                self.cross(now, out);
            }
        }
    }

    fn poll(&mut self, now: GuestTime, out: &mut Outbox) {
        let now = self.advance(now);
        self.dhcp4.poll(now, out);
        if let Some(link6) = &mut self.link6 {
            link6.poll(now, out);
        }
        self.dns.poll(now, out);
        if let Some(tftp) = &mut self.tftp {
            tftp.poll(now, out);
        }
        self.tcp.poll(now, out);
        self.cross(now, out);
    }

    fn poll_at(&self) -> Option<GuestTime> {
        let link6 = self.link6.as_ref().and_then(Link6::poll_at);
        let link = self.link.as_ref().and_then(Link::poll_at);
        let tftp = self.tftp.as_ref().and_then(tftp::Server::poll_at);
        [link, self.dhcp4.poll_at(), link6, self.dns.poll_at(), tftp, self.tcp.poll_at()]
            .into_iter()
            .flatten()
            .min()
    }
}
