//! Everything that happens in a cell, on one clock: the lines of `timeline.jsonl`.

use crate::GuestTime;
use crate::tls::{AlertLevel, ClientHello, ServerSetup, TlsFailure, TlsMessage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Guest time in microseconds since power-on.
    pub at: GuestTime,
    /// What happened.
    #[serde(rename = "what")]
    pub event: Event,
}

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The guest sent it.
    FromGuest,
    /// The guest received it.
    ToGuest,
}

/// DHCP message types (RFC 2132 §9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dhcp4Message {
    /// DHCPDISCOVER
    Discover,
    /// DHCPOFFER
    Offer,
    /// DHCPREQUEST
    Request,
    /// DHCPDECLINE
    Decline,
    /// DHCPACK
    Ack,
    /// DHCPNAK
    Nak,
    /// DHCPRELEASE
    Release,
    /// DHCPINFORM
    Inform,
    /// No or an unknown message type.
    Other,
}

/// DHCPv6 message types (RFC 8415 §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Dhcp6Message {
    Solicit,
    Advertise,
    Request,
    Confirm,
    Renew,
    Rebind,
    Reply,
    Release,
    Decline,
    Reconfigure,
    InformationRequest,
    RelayForward,
    RelayReply,
    /// An unknown type, or no message at all.
    Other,
}

/// Why DHCPv6 servers left a message without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dhcp6Silence {
    /// There is no server.
    NoServer,
    /// The server assigns no addresses (RFC 8415 §6.1).
    Stateless,
    /// The scenario says so.
    Scenario,
    /// The message is not one that a server answers.
    Message,
}

/// Protocols that a link tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FrameProtocol {
    /// ARP.
    Arp,
    /// DHCPv4.
    Dhcp4,
    /// Neighbour discovery, router solicitations and advertisements among it (RFC 4861).
    Nd,
    /// DHCPv6.
    Dhcp6,
    /// DNS, over UDP or TCP.
    Dns,
    /// TCP, but DNS.
    Tcp,
    /// Everything else.
    Other,
}

/// What a link does to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LinkFault {
    /// It was lost.
    Lost,
    /// It was lost while the link was down.
    Down,
    /// It was lost because its packet was larger than the MTU.
    TooLarge,
    /// It was lost because too many others waited.
    Overflow,
    /// It arrived twice.
    Duplicated,
    /// It let another pass.
    Reordered,
    /// It arrived with a wrong bit.
    Corrupted,
}

impl LinkFault {
    /// Whether the frame did not arrive.
    pub const fn is_loss(self) -> bool {
        matches!(self, Self::Lost | Self::Down | Self::TooLarge | Self::Overflow)
    }
}

/// What an answer says of an address's time, seconds (RFC 8415 §21.4, §21.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dhcp6Times {
    /// When the client is to renew; 0 leaves it to the client.
    pub t1: u32,
    /// When it is to rebind; 0 leaves it to the client.
    pub t2: u32,
    /// Preferred lifetime.
    pub preferred: u32,
    /// Valid lifetime.
    pub valid: u32,
}

/// Address and port of one end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Endpoint {
    /// IPv4 or IPv6 address.
    pub address: IpAddr,
    /// TCP or UDP port.
    pub port: u16,
}

impl Endpoint {
    /// The end at `address` and `port`.
    pub fn new(address: impl Into<IpAddr>, port: u16) -> Self {
        Self { address: address.into(), port }
    }
}

impl fmt::Display for Endpoint {
    /// As in a URL: `192.0.2.1:80`, `[2001:db8::1]:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// How a TCP connection ended, as seen by our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TcpEnd {
    /// The guest sent FIN first.
    GuestFin,
    /// The guest sent RST.
    GuestReset,
    /// Our server sent FIN first.
    ServerFin,
    /// Our server sent RST.
    ServerReset,
}

/// A header field as it was on the wire; bytes that are not UTF-8 become U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderField {
    /// Field name, case as sent.
    pub name: String,
    /// Field value without surrounding whitespace.
    pub value: String,
}

/// How the running payload says it was loaded (`EFI_LOADED_IMAGE_PROTOCOL`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoadedFrom {
    /// The device path in the UEFI text form, as far as its nodes are known.
    pub device_path: String,
    /// The URI node's text, if the path has one that is not empty.
    pub uri: Option<String>,
}

/// What the running payload was given as its load options (`EFI_LOADED_IMAGE_PROTOCOL.LoadOptions`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoadOptions {
    /// How many bytes the firmware says that there are.
    pub bytes: u32,
    /// The first 512 of them, in hexadecimal.
    pub hex: String,
    /// The same as text, if they are UCS-2 or ASCII of printable characters, with or without a NUL at the end.
    pub text: Option<String>,
}

/// What happened. Guest-controlled text in here is data: whoever prints it escapes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A frame crossed the segment; `number` is its packet number in `capture.pcapng`.
    Frame {
        /// 1-based packet number in the capture.
        number: u64,
        /// Which way it went.
        direction: Direction,
        /// Bytes on the wire.
        length: usize,
        /// One line for people.
        summary: String,
    },
    /// The DHCPv4 server received a message.
    Dhcp4Received {
        /// Option 53.
        message: Dhcp4Message,
        /// Transaction id.
        xid: u32,
        /// Where it came, if that is not port 67: port 4011 of a PXE server (PXE 2.1 §2.2.3).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Endpoint>,
        /// Option 60.
        vendor_class: Option<String>,
        /// Option 77: what a loader says that it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_class: Option<String>,
        /// Option 93, first value.
        architecture: Option<u16>,
        /// Option 54: which server a REQUEST chose.
        server: Option<Ipv4Addr>,
        /// Option 50.
        requested: Option<Ipv4Addr>,
        /// Option 55: codes of the options that the client asks for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        parameters: Vec<u8>,
        /// Option 57: bytes of the largest message that it takes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_size: Option<u16>,
        /// Option 56, why a DECLINE was sent.
        reason: Option<String>,
    },
    /// The DHCPv4 server answered.
    Dhcp4Sent {
        /// Option 53.
        message: Dhcp4Message,
        /// Transaction id.
        xid: u32,
        /// Where it came from, if that is not port 67.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Endpoint>,
        /// `yiaddr`.
        address: Ipv4Addr,
        /// The boot file as sent, in option 67 or the `file` field.
        bootfile: Option<String>,
        /// Option 60 as sent.
        vendor_class: Option<String>,
    },
    /// The DHCPv4 server stayed silent because the scenario says so, or the message was not for it.
    Dhcp4Unanswered {
        /// Option 53.
        message: Dhcp4Message,
        /// Why there is no answer.
        why: String,
    },
    /// Nobody answered an ARP request (RFC 826): no host on the link has the address.
    ArpUnanswered {
        /// The address that was asked for.
        target: Ipv4Addr,
    },
    /// The guest asked whether an address is in use (duplicate address detection, RFC 4862 §5.4).
    DadProbe {
        /// The tentative address.
        target: Ipv6Addr,
        /// Whether somebody on the link says that it is in use.
        taken: bool,
    },
    /// Nobody answered a neighbour solicitation: the scenario says so, or no host on the link has the address.
    NeighborUnanswered {
        /// The address that was asked for.
        target: Ipv6Addr,
        /// Why there is no answer.
        why: String,
    },
    /// The guest said which multicast groups it listens to (RFC 2710, RFC 3810).
    GroupsReported {
        /// Its address, if it has one yet.
        from: Option<Ipv6Addr>,
        /// Groups that it listens to.
        joined: Vec<Ipv6Addr>,
        /// Groups that it no longer listens to.
        left: Vec<Ipv6Addr>,
    },
    /// A router sent the guest elsewhere with its packets for a destination (RFC 4861 §4.5).
    Redirected {
        /// The destination.
        destination: Ipv6Addr,
        /// The better first hop, or the destination itself.
        target: Ipv6Addr,
        /// What is wrong with it, because the scenario says so: a conforming client drops it.
        malformed: Option<String>,
    },
    /// The link struck a frame, because the scenario says so. What is lost is not in the capture.
    LinkFault {
        /// Which way the frame went.
        direction: Direction,
        /// What became of it.
        fault: LinkFault,
        /// Which protocol it belongs to.
        protocol: FrameProtocol,
        /// Which of the flags SYN, FIN and RST it has, if it is a TCP segment.
        flags: Vec<String>,
    },
    /// A packet did not come further than the link.
    NotForwarded {
        /// The router that it was sent to, if it was one.
        router: Option<Ipv6Addr>,
        /// Its destination.
        to: Ipv6Addr,
        /// Why.
        why: String,
    },
    /// The guest asked for routers (RFC 4861 §4.1).
    RouterSolicited {
        /// Its address, if it has one yet.
        from: Option<Ipv6Addr>,
    },
    /// A router advertised itself (RFC 4861 §4.2).
    RouterAdvertised {
        /// The router's address, as sent.
        router: Ipv6Addr,
        /// M: addresses come from DHCPv6.
        managed: bool,
        /// O: other configuration comes from DHCPv6.
        other: bool,
        /// Seconds for which it is a default router; 0 is not at all.
        lifetime: u16,
        /// The prefixes, for example `2001:db8::/64 L A`.
        prefixes: Vec<String>,
        /// What is wrong with it, because the scenario says so: a conforming client drops it.
        malformed: Option<String>,
    },
    /// A router solicitation stayed without an answer.
    RouterUnanswered {
        /// Why.
        why: String,
    },
    /// A DHCPv6 server received a message.
    Dhcp6Received {
        /// Message type.
        message: Dhcp6Message,
        /// Transaction id.
        xid: u32,
        /// Option 16: the first vendor class.
        vendor_class: Option<String>,
        /// Option 61, first value.
        architecture: Option<u16>,
        /// Option 62: type, major and minor version of the network interface (RFC 5970 §3.4).
        network_interface: Option<[u8; 3]>,
        /// Addresses in the client's IA_NA.
        addresses: Vec<Ipv6Addr>,
        /// Whether there is an IA_NA at all: whether addresses are asked for.
        stateful: bool,
        /// Option 6: the codes of the options that are asked for.
        requested: Vec<u16>,
    },
    /// A DHCPv6 server answered.
    Dhcp6Sent {
        /// Message type.
        message: Dhcp6Message,
        /// Transaction id.
        xid: u32,
        /// Which server it was, from 1.
        server: u8,
        /// Addresses in the IA_NA.
        addresses: Vec<Ipv6Addr>,
        /// Status code (RFC 8415 §21.13), of the message or of its IA_NA, by name; `None` is success.
        status: Option<String>,
        /// Option 59 as sent.
        bootfile: Option<String>,
        /// Option 16 as sent.
        vendor_class: Option<String>,
        /// Option 23: DNS servers.
        dns: Vec<Ipv6Addr>,
        /// The times of its addresses, if there are any.
        times: Option<Dhcp6Times>,
        /// Whether it has the client's and the server's identifier (RFC 8415 §16).
        identified: bool,
    },
    /// The link's relay agent carried the message before, or the answer before (RFC 8415 §19).
    Dhcp6Relayed {
        /// RelayForward or RelayReply.
        message: Dhcp6Message,
        /// The agent's address on the link.
        agent: Ipv6Addr,
    },
    /// A DHCPv6 server stayed silent because the scenario says so, or the message was not for it.
    Dhcp6Unanswered {
        /// Message type.
        message: Dhcp6Message,
        /// What kind of reason there is.
        reason: Dhcp6Silence,
        /// Why there is no answer.
        why: String,
    },
    /// The guest asked the DNS server.
    DnsQuery {
        /// The server's address.
        server: IpAddr,
        /// The name that was asked for, without the root's dot.
        name: String,
        /// The record type, by name or number: `A`, `AAAA`, `TYPE64`.
        kind: String,
        /// Whether over TCP.
        tcp: bool,
    },
    /// The DNS server answered.
    DnsAnswer {
        /// The server's address.
        server: IpAddr,
        /// The name that was asked for.
        name: String,
        /// The record type that was asked for.
        kind: String,
        /// The response code, by name: `NOERROR`, `NXDOMAIN`.
        rcode: String,
        /// The answer section, a record each.
        answers: Vec<String>,
        /// TC: it was cut off.
        truncated: bool,
        /// What is special about the answer, because the scenario says so.
        note: Option<String>,
    },
    /// The DNS server stayed silent.
    DnsUnanswered {
        /// The name that was asked for, if there was one.
        name: String,
        /// Why there is no answer.
        why: String,
    },
    /// The guest sent the SYN of a new connection.
    TcpSyn {
        /// Number of the connection in this cell, from 1.
        connection: u32,
        /// The guest's end.
        from: Endpoint,
        /// Our end.
        to: Endpoint,
        /// Whether something listens there. If not, RST follows, or nothing at all where there is no such host.
        accepted: bool,
    },
    /// The three-way handshake completed.
    TcpEstablished {
        /// Connection number.
        connection: u32,
    },
    /// A packet of the guest's was larger than the path to our server takes.
    PacketTooBig {
        /// The guest's end.
        from: Endpoint,
        /// Our end.
        to: Endpoint,
        /// Bytes of the IP packet.
        bytes: usize,
        /// Bytes that the path takes.
        mtu: u16,
        /// Whether the router has split it (RFC 791 §3.2). If not, it has dropped it and said so (RFC 1191 §4, RFC 4443 §3.2).
        split: bool,
    },
    /// Our side has sent everything and FIN, and goes on reading (RFC 9293 §3.6).
    TcpHalfClosed {
        /// Connection number.
        connection: u32,
    },
    /// The connection is over for us.
    TcpClosed {
        /// Connection number.
        connection: u32,
        /// How.
        how: TcpEnd,
    },
    /// A connection was made to the TLS server: what it is prepared to do.
    TlsReady {
        /// Connection number.
        connection: u32,
        /// What the scenario made of it.
        server: ServerSetup,
    },
    /// A complete ClientHello arrived, on a TLS port or on a plain one.
    TlsClientHello {
        /// Connection number.
        connection: u32,
        /// What it offers.
        hello: ClientHello,
    },
    /// A handshake message, or ChangeCipherSpec, was received whole or queued.
    TlsMessage {
        /// Connection number.
        connection: u32,
        /// Which way it went.
        direction: Direction,
        /// Which message.
        message: TlsMessage,
    },
    /// The handshake is complete for our server.
    TlsEstablished {
        /// Connection number.
        connection: u32,
        /// Negotiated version, for example `TLS 1.2`.
        version: String,
        /// Negotiated suite, by its IANA name.
        suite: String,
        /// The key exchange's group, for example `secp256r1` or `DH 2048`; `None` where there is none or it is not known.
        group: Option<String>,
        /// The protocol that was negotiated (RFC 7301).
        alpn: Option<String>,
        /// Whether an earlier session was resumed.
        resumed: bool,
        /// Whether the guest presented a certificate.
        client_certificate: bool,
    },
    /// An alert was received or sent (RFC 8446 §6).
    TlsAlert {
        /// Connection number.
        connection: u32,
        /// Which way it went.
        direction: Direction,
        /// Level; TLS 1.3 does not use it.
        level: AlertLevel,
        /// Number of the description.
        code: u8,
        /// The description's name, for example `unknown_ca`.
        description: String,
    },
    /// Our server held the handshake, or ended it, as the scenario says.
    TlsWithheld {
        /// Connection number.
        connection: u32,
        /// Whether it closed the connection.
        closed: bool,
        /// What was done instead of going on.
        why: String,
    },
    /// The guest ended its side of the connection (FIN) without close_notify (RFC 8446 §6.1).
    TlsTruncated {
        /// Connection number.
        connection: u32,
    },
    /// Our server asked for another handshake (RFC 5246 §7.4.1.1).
    TlsRenegotiation {
        /// Connection number.
        connection: u32,
        /// Bytes of application data that it had sent before.
        after: u64,
    },
    /// Our server could not go on with what it received.
    TlsFailed {
        /// Connection number.
        connection: u32,
        /// What kind of failure.
        reason: TlsFailure,
        /// The TLS library's own words.
        why: String,
    },
    /// A complete HTTP request arrived.
    HttpRequest {
        /// Connection number.
        connection: u32,
        /// Method.
        method: String,
        /// Request target, as sent.
        target: String,
        /// `HTTP/1.1` or whatever the request line says.
        version: String,
        /// Header fields in order.
        headers: Vec<HeaderField>,
    },
    /// The bytes on an HTTP port were not an HTTP/1 request.
    HttpMalformed {
        /// Connection number.
        connection: u32,
        /// What is wrong.
        why: String,
    },
    /// Our server's answer was queued.
    HttpResponse {
        /// Connection number.
        connection: u32,
        /// The request's method.
        method: String,
        /// Status code sent.
        status: u16,
        /// Header fields as sent, in order.
        headers: Vec<HeaderField>,
        /// Bytes of body that follow, before transfer coding.
        body: u64,
        /// Whether the body is the boot image.
        image: bool,
    },
    /// Our server left a request without an answer, as the scenario says.
    HttpUnanswered {
        /// Connection number.
        connection: u32,
        /// The request's method.
        method: String,
        /// What was done instead.
        why: String,
    },
    /// Our server broke off a response, as the scenario says.
    HttpInterrupted {
        /// Connection number.
        connection: u32,
        /// The request's method.
        method: String,
        /// What was done instead of the rest.
        how: String,
    },
    /// The guest acknowledged the last byte of a response.
    HttpDelivered {
        /// Connection number.
        connection: u32,
        /// The request's method.
        method: String,
        /// Whether the body was the boot image.
        image: bool,
    },
    /// The guest asked the TFTP server for a file (RFC 1350 §4).
    TftpRequest {
        /// The guest's end, which is the transfer's.
        client: Endpoint,
        /// The file's name, as sent.
        file: String,
        /// `octet`, or whatever the request says.
        mode: String,
        /// Options in order (RFC 2347).
        options: Vec<HeaderField>,
    },
    /// The TFTP server begins to send.
    TftpAccepted {
        /// The guest's end.
        client: Endpoint,
        /// The options that it takes, with their values.
        options: Vec<HeaderField>,
    },
    /// The TFTP server answered with an error.
    TftpRefused {
        /// The guest's end.
        client: Endpoint,
        /// Error code (RFC 1350 §5).
        code: u16,
        /// Its text.
        message: String,
    },
    /// The TFTP server stayed silent.
    TftpUnanswered {
        /// The guest's end.
        client: Endpoint,
        /// Why.
        why: String,
    },
    /// The guest ended a transfer with an error, as it does once it knows a file's size.
    TftpAborted {
        /// The guest's end.
        client: Endpoint,
        /// Error code (RFC 1350 §5).
        code: u16,
        /// Its text.
        message: String,
    },
    /// The guest acknowledged the last block of the boot image.
    TftpDelivered {
        /// The guest's end.
        client: Endpoint,
    },
    /// A line on the guest's console (control sequences removed).
    Console {
        /// The line.
        line: String,
    },
    /// An event from QEMU's monitor.
    Qmp {
        /// Event name.
        name: String,
        /// Event data, as sent.
        data: serde_json::Value,
    },
    /// The payload announced itself.
    Proof {
        /// Whether the announcement is the one that only this cell's image can make.
        genuine: bool,
        /// How it was loaded.
        loaded_from: LoadedFrom,
        /// What it was given; absent if there is nothing.
        load_options: Option<LoadOptions>,
    },
    /// A global variable that stood in the firmware's flash when the cell had ended (UEFI 2.11 §3.3), where the scenario has
    /// boot entries.
    Variable {
        /// Name.
        name: String,
        /// Vendor GUID.
        vendor: String,
        /// Attributes (UEFI 2.11 §8.2).
        attributes: u32,
        /// Length of its value.
        bytes: usize,
        /// What it says, if it is about booting: the numbers of an order, or an option with its path.
        meaning: Option<String>,
    },
    /// Something the harness did or noticed.
    Harness {
        /// One line.
        note: String,
    },
}
