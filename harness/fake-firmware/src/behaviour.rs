//! What can be switched: habits in which real clients differ, and faults that a harness has to notice.

use pki::authenticode::Databases;
use std::net::Ipv4Addr;

/// A boot entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// An empty one, as none at all, leaves it to a server of HTTP boot.
    pub url: String,
    /// What the image is given as its load options.
    pub load_options: Vec<u8>,
}

/// Everything about a client that a test may change. [`Default`] is [`Behaviour::conforming`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Over which versions of IP it boots.
    pub over: Over,
    /// Seconds for which it waits at its boot menu, its interface up, before it tries to boot.
    pub wait_seconds: u16,
    /// Whether a boot over IPv6 waits until its link-local address is no longer tentative (RFC 4862 §5.4); EDK2 does since
    /// 2025.08.
    pub waits_for_address: bool,
    /// Its own address, netmask and gateway, if they are not from DHCP.
    pub fixed: Option<(Ipv4Addr, Ipv4Addr, Ipv4Addr)>,
    /// Bytes of memory: an image takes twice its size, as it is downloaded and as it is loaded.
    pub memory: usize,
    /// Whether it boots by PXE.
    pub pxe: bool,
    /// Whether it asks a PXE server on port 4011 for a boot file that the offer does not name (PXE 2.1 §2.2.3).
    pub asks_port_4011: bool,
    /// Its boot entries, tried in this order.
    pub entries: Vec<Entry>,
    /// Whether it asks by ARP who else has its address, and gives it up to another host (RFC 2131 §4.4.1, RFC 5227 §2.1.1).
    pub probes_address: bool,
    /// Whether it gives an address up that another host has (RFC 4862 §5.4.5).
    pub heeds_objections: bool,
    /// Whether it believes router advertisements that it has to drop (RFC 4861 §6.1.2).
    pub believes_any_router: bool,
    /// Whether it takes the 64 bits around its address for its link without a router's word (RFC 5942 §4: it must not).
    pub assumes_on_link: bool,
    /// Whether it asks DHCPv6 servers at all.
    pub solicits: bool,
    /// Whether it asks for the canonical name when an answer has nothing else (RFC 1034 §5.3.3).
    pub follows_aliases: bool,
    /// Whether it tries the next address of a name when one does not answer (RFC 1123 §2.3).
    pub tries_all_addresses: bool,
    /// How often it asks DNS servers for a name, turn by turn (RFC 1035 §7.2).
    pub dns_tries: u32,
    /// Whether it asks again over TCP when an answer is truncated (RFC 7766 §5).
    pub dns_over_tcp: bool,
    /// Whether it uses the network at all; without, it says that there is nothing to boot.
    pub speaks: bool,
    /// Frames that no parser likes, sent before DHCP and before each connection.
    pub garbage: bool,
    /// DISCOVERs, or SOLICITs, before it gives up; it waits 4, 8, 16, 32, 32, … seconds after each (RFC 2131 §4.1).
    pub discovers: u32,
    /// Which offers it takes.
    pub offers: Offers,
    /// Whether it answers an offer with REQUEST.
    pub requests: bool,
    /// How often it starts over after a NAK (RFC 2131 §3.1 step 5), or another refusal (RFC 8415 §18.2.10.1).
    pub restarts_after_nak: u32,
    /// Whether it declines a lease without a subnet mask; the option is not mandatory (RFC 2132 §3.3).
    pub declines_lease_without_netmask: bool,
    /// Whether it sends smaller packets once a router says that they are too large (RFC 1191, RFC 8201).
    pub discovers_path: bool,
    /// Whether it aborts each connection as soon as the server has accepted it.
    pub resets_after_syn_ack: bool,
    /// Whether it asks with `HEAD` first.
    pub heads: bool,
    /// Whether it goes on with `GET` when `HEAD` brought no 2xx.
    pub gets_after_refused_head: bool,
    /// What its requests look like.
    pub request: Request,
    /// Its `Host` field (RFC 9110 §7.2).
    pub host: Host,
    /// Whether it sends the URL's fragment to the server (RFC 9110 §7.1: it must not).
    pub sends_fragment: bool,
    /// Redirects that it follows (RFC 9110 §15.4: MAY).
    pub redirects: u32,
    /// Whether it opens another connection when the server closed or announced to close the one that it has
    /// (RFC 9112 §9.3).
    pub reconnects: bool,
    /// Seconds that it waits for a response, or for the next part of it.
    pub response_seconds: u16,
    /// How many times it asks for the rest of an image that was interrupted (RFC 9110 §14.2).
    pub resumes: u32,
    /// Whether it removes a content coding (RFC 9110 §8.4).
    pub decodes_content: bool,
    /// Whether it takes a body that ends with the connection (RFC 9112 §6.3 rule 8).
    pub takes_body_until_close: bool,
    /// How it reads Content-Type.
    pub media_type: MediaType,
    /// How it reads the URL's suffix where Content-Type selects no handler.
    pub suffix: Suffix,
    /// How it does TLS.
    pub tls: Tls,
    /// How it leaves a connection that it needs no more.
    pub closing: Closing,
    /// What it does with the image.
    pub execution: Execution,
    /// What it may start; anything if it is told nothing.
    pub keys: Option<Databases>,
    /// Whether its console gives the reason of a network failure (EDK2 since 2026.05).
    pub says_why: bool,
    /// Something that goes badly wrong at some moment.
    pub trouble: Option<Trouble>,
}

/// Over which versions of IP a client boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// IPv4, and IPv6 when that has failed.
    Ipv4ThenIpv6,
}

/// How a client does TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// What it says first on a connection for an `https` URL.
    pub opening: Opening,
    /// Whether it says that it will send nothing more before it closes a connection (RFC 8446 §6.1).
    pub notifies: bool,
    /// Lowest version offered.
    pub min_version: TlsVersion,
    /// Highest version offered.
    pub max_version: TlsVersion,
    /// Suites below TLS 1.3 that it offers, as an OpenSSL cipher list; `None` is OpenSSL's own.
    pub suites: Option<&'static str>,
    /// Groups that it offers, as an OpenSSL list.
    pub groups: Option<&'static str>,
    /// Signature algorithms that it offers, as an OpenSSL list.
    pub signature_algorithms: Option<&'static str>,
    /// Application protocols that it offers, as on the wire (RFC 7301 §3.1).
    pub alpn: Option<&'static [u8]>,
    /// Its `server_name` where the URL has an address; a name is sent as it is.
    pub server_name: ServerName,
    /// OpenSSL's security level on its side.
    pub security_level: u32,
    /// Whom it trusts.
    pub trust: Trust,
    /// The date on its clock, Unix seconds.
    pub date: i64,
    /// What it tells the server before it leaves.
    pub leaves_with: Farewell,
    /// What it does when it is asked for another handshake.
    pub renegotiation: Renegotiation,
    /// Whether it answers a HelloRetryRequest (RFC 8446 §4.1.4), or leaves.
    pub answers_retry: bool,
    /// Whether its second flight is damaged.
    pub damages_flight: bool,
}

/// What a client says first where TLS is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// ClientHello.
    ClientHello,
    /// Nothing; it waits for the server.
    Nothing,
    /// Its HTTP request.
    PlainHttp,
}

/// What a client says before it leaves a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Farewell {
    /// What is wrong (RFC 8446 §6.2).
    Alert,
    /// That it closes the connection (RFC 5246 §7.2.1).
    CloseNotify,
    /// Nothing.
    Nothing,
}

/// What a client does about HelloRequest (RFC 5246 §7.4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renegotiation {
    /// Another handshake.
    Does,
    /// It says that it does not want to, and goes on; it may.
    Declines,
    /// It leaves.
    Breaks,
}

/// Versions of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum TlsVersion {
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

/// The name that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// None for an address (RFC 6066 §3: literal addresses are not permitted).
    Absent,
    /// The address all the same, as EDK2 since 2022.11.
    Literal,
}

/// Whom a client trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Everybody: it does not look at certificates.
    Everybody,
    /// These certificates (DER), anchors or not.
    Anchors(Vec<Vec<u8>>),
}

/// Which offers a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offers {
    /// Those whose option 60 starts with `HTTPClient` (UEFI 2.11 §24.7.3).
    OfHttpServers,
    /// All that carry an HTTP URL.
    WithUrl,
}

/// What requests look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// As RFC 9112 §3 has them.
    WellFormed,
    /// Cut before the empty line, and nothing more.
    Truncated,
    /// Not HTTP at all.
    Garbage,
}

/// The `Host` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The URL's authority, with the port unless it is the default.
    Authority,
    /// Without the port, as EDK2 sends it.
    WithoutPort,
    /// Another host's name.
    Wrong,
    /// No field.
    Missing,
}

/// How Content-Type selects an image handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// By type and subtype; parameters do not matter (RFC 9110 §8.3.1).
    IgnoringParameters,
    /// Only if the whole value is a known type, as in EDK2.
    WholeValue,
    /// Not at all.
    Ignored,
}

/// How a URL's suffix selects an image handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suffix {
    /// In any case of letters.
    AnyCase,
    /// In lower case only, as in EDK2 2020.11.
    LowerCase,
    /// Not at all.
    Ignored,
}

/// How a client leaves a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// With FIN.
    Fin,
    /// With RST, as EDK2.
    Reset,
}

/// What a client does with the image that it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// Runs it, if it is a payload: the proof is computed from the bytes received.
    Runs,
    /// Says that it cannot be started.
    Rejects,
    /// Says that it starts it, and starts something else.
    LocalImage,
    /// Sends the genuine proof of another cell's image.
    OtherProof,
    /// Copies the image's secret into a frame without having computed the proof.
    EchoedNonce,
}

/// A moment in a boot, in the order in which they come. Those of DHCP go by the messages of DHCPv4; over IPv6 they are those
/// of SOLICIT, ADVERTISE, REQUEST and REPLY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Moment {
    PowerOn,
    DiscoverSent,
    OfferReceived,
    RequestSent,
    AckReceived,
    SynSent,
    Connected,
    HelloSent,
    Secured,
    HeadSent,
    HeadAnswered,
    GetSent,
    BodyStarted,
    ImageReceived,
}

impl Moment {
    /// Every moment, in order.
    pub const ALL: [Self; 14] = [
        Self::PowerOn,
        Self::DiscoverSent,
        Self::OfferReceived,
        Self::RequestSent,
        Self::AckReceived,
        Self::SynSent,
        Self::Connected,
        Self::HelloSent,
        Self::Secured,
        Self::HeadSent,
        Self::HeadAnswered,
        Self::GetSent,
        Self::BodyStarted,
        Self::ImageReceived,
    ];
}

/// Something that goes badly wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When.
    pub at: Moment,
    /// What.
    pub kind: TroubleKind,
}

/// What goes badly wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// Nothing happens any more, and nothing is said.
    Hang,
    /// A CPU exception: the firmware prints it and stops.
    Exception,
    /// The machine resets, and the boot starts over.
    Reset,
    /// The machine powers off.
    PowerOff,
    /// The guest's process dies.
    Exit,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::conforming()
    }
}

impl Behaviour {
    /// A client that boots from every network that a conforming client can boot from.
    pub fn conforming() -> Self {
        Self {
            over: Over::Ipv4,
            wait_seconds: 0,
            waits_for_address: true,
            fixed: None,
            memory: 256 << 20,
            pxe: false,
            asks_port_4011: true,
            entries: Vec::new(),
            probes_address: true,
            heeds_objections: true,
            believes_any_router: false,
            assumes_on_link: false,
            solicits: true,
            follows_aliases: true,
            tries_all_addresses: true,
            dns_tries: 6,
            dns_over_tcp: true,
            speaks: true,
            garbage: false,
            discovers: 4,
            offers: Offers::OfHttpServers,
            requests: true,
            restarts_after_nak: 3,
            declines_lease_without_netmask: false,
            discovers_path: true,
            resets_after_syn_ack: false,
            heads: true,
            gets_after_refused_head: true,
            request: Request::WellFormed,
            host: Host::Authority,
            sends_fragment: false,
            redirects: 5,
            reconnects: true,
            response_seconds: 30,
            resumes: 5,
            decodes_content: true,
            takes_body_until_close: true,
            media_type: MediaType::IgnoringParameters,
            suffix: Suffix::AnyCase,
            tls: Tls {
                notifies: true,
                opening: Opening::ClientHello,
                // RFC 8996 §4, §5; RFC 8446 is optional for a client that speaks TLS 1.2.
                min_version: TlsVersion::Tls12,
                max_version: TlsVersion::Tls13,
                suites: None,
                groups: None,
                signature_algorithms: None,
                alpn: None,
                server_name: ServerName::Absent,
                security_level: 2,
                trust: Trust::Anchors(Vec::new()),
                date: 0,
                leaves_with: Farewell::Alert,
                renegotiation: Renegotiation::Does,
                answers_retry: true,
                damages_flight: false,
            },
            closing: Closing::Fin,
            execution: Execution::Runs,
            keys: None,
            says_why: false,
            trouble: None,
        }
    }

    /// What EDK2's clients have in common.
    fn edk2() -> Self {
        Self {
            probes_address: false,
            waits_for_address: false,
            assumes_on_link: true,
            tries_all_addresses: false,
            dns_tries: 1,
            dns_over_tcp: false,
            restarts_after_nak: 0,
            declines_lease_without_netmask: true,
            host: Host::WithoutPort,
            redirects: 0,
            takes_body_until_close: false,
            response_seconds: 5,
            resumes: 0,
            decodes_content: false,
            media_type: MediaType::WholeValue,
            closing: Closing::Reset,
            tls: Tls {
                min_version: TlsVersion::Tls10,
                max_version: TlsVersion::Tls12,
                // Built without elliptic curves.
                suites: Some("kRSA:DHE:!AESCCM:!CAMELLIA:!ARIA:!PSK:!aNULL:!eNULL"),
                server_name: ServerName::Literal,
                security_level: 0,
                leaves_with: Farewell::Nothing,
                notifies: false,
                // It takes the handshake record for data.
                renegotiation: Renegotiation::Breaks,
                ..Self::conforming().tls
            },
            ..Self::conforming()
        }
    }

    /// This client, told to boot over `over` after `wait_seconds` at its boot menu.
    pub fn booting(self, over: Over, wait_seconds: u16) -> Self {
        Self { over, wait_seconds, ..self }
    }

    /// This client, with these certificates (DER) enrolled and `date` (Unix seconds) on its clock.
    pub fn trusting(mut self, anchors: Vec<Vec<u8>>, date: i64) -> Self {
        if let Trust::Anchors(known) = &mut self.tls.trust {
            known.extend(anchors);
        }
        self.tls.date = date;
        self
    }

    /// Like EDK2 2020.11 in what is modelled here.
    pub fn edk2_2020_11() -> Self {
        Self { suffix: Suffix::LowerCase, reconnects: false, ..Self::edk2() }
    }

    /// Like EDK2 2022.11 in what is modelled here.
    pub fn edk2_2022_11() -> Self {
        Self::edk2()
    }

    /// Like EDK2 2025.02 in what is modelled here.
    pub fn edk2_2025_02() -> Self {
        Self::edk2()
    }

    /// Like EDK2 2026.08 in what is modelled here.
    pub fn edk2_2026_08() -> Self {
        Self { says_why: true, waits_for_address: true, ..Self::edk2() }
    }

    /// This client, but `kind` happens at `at`.
    pub fn with_trouble(mut self, at: Moment, kind: TroubleKind) -> Self {
        self.trouble = Some(Trouble { at, kind });
        self
    }
}
