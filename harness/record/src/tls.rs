//! What the timeline says about TLS (RFC 8446, RFC 5246).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a ClientHello offers (RFC 8446 §4.1.2). Names are those of the IANA registries; a number that is not registered is
/// written `0x1a2b`, and a reserved one that means nothing (RFC 8701) `GREASE`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientHello {
    /// `supported_versions`, as sent; without that extension the only version named, which is the highest one.
    pub versions: Vec<String>,
    /// Cipher suites in the client's order.
    pub suites: Vec<String>,
    /// `supported_groups` (RFC 8422 §5.1.1).
    pub groups: Vec<String>,
    /// `signature_algorithms` (RFC 8446 §4.2.3).
    pub signature_algorithms: Vec<String>,
    /// `server_name` (RFC 6066 §3).
    pub server_name: Option<String>,
    /// `application_layer_protocol_negotiation` (RFC 7301).
    pub alpn: Vec<String>,
    /// Whether it takes session tickets (RFC 5077 §3.2, or a PSK mode: RFC 8446 §4.2.9).
    pub session_ticket: bool,
    /// Whether it offers to resume a session: by ticket, PSK or session id.
    pub resumes: bool,
    /// Every extension, by name, in the client's order.
    pub extensions: Vec<String>,
}

/// What a server is prepared to do on a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerSetup {
    /// Lowest version, for example `TLS 1.2`.
    pub min_version: String,
    /// Highest version.
    pub max_version: String,
    /// Cipher suites, if the scenario chose them.
    pub suites: Option<Vec<String>>,
    /// Groups, if the scenario chose them.
    pub groups: Option<Vec<String>>,
    /// The leaf's key, for example `RSA-2048` or `P-256`.
    pub leaf_key: String,
    /// How the leaf is signed, for example `sha256WithRSAEncryption`.
    pub leaf_signature: String,
    /// How many certificates are sent.
    pub certificates: usize,
    /// Bytes of all of them, DER.
    pub certificate_bytes: usize,
}

/// Handshake messages (RFC 8446 §4, RFC 5246 §7.4), and ChangeCipherSpec, which counts as one here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum TlsMessage {
    HelloRequest,
    ClientHello,
    ServerHello,
    /// A ServerHello by its number (RFC 8446 §4.1.4).
    HelloRetryRequest,
    NewSessionTicket,
    EndOfEarlyData,
    EncryptedExtensions,
    Certificate,
    ServerKeyExchange,
    CertificateRequest,
    ServerHelloDone,
    CertificateVerify,
    ClientKeyExchange,
    Finished,
    CertificateStatus,
    KeyUpdate,
    ChangeCipherSpec,
    /// A number that is none of these.
    Other,
}

impl TlsMessage {
    /// The message with this `HandshakeType`.
    pub const fn of_handshake_type(number: u8) -> Self {
        match number {
            0 => Self::HelloRequest,
            1 => Self::ClientHello,
            2 => Self::ServerHello,
            4 => Self::NewSessionTicket,
            5 => Self::EndOfEarlyData,
            8 => Self::EncryptedExtensions,
            11 => Self::Certificate,
            12 => Self::ServerKeyExchange,
            13 => Self::CertificateRequest,
            14 => Self::ServerHelloDone,
            15 => Self::CertificateVerify,
            16 => Self::ClientKeyExchange,
            20 => Self::Finished,
            22 => Self::CertificateStatus,
            24 => Self::KeyUpdate,
            _ => Self::Other,
        }
    }

    /// The standard's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HelloRequest => "HelloRequest",
            Self::ClientHello => "ClientHello",
            Self::ServerHello => "ServerHello",
            Self::HelloRetryRequest => "HelloRetryRequest",
            Self::NewSessionTicket => "NewSessionTicket",
            Self::EndOfEarlyData => "EndOfEarlyData",
            Self::EncryptedExtensions => "EncryptedExtensions",
            Self::Certificate => "Certificate",
            Self::ServerKeyExchange => "ServerKeyExchange",
            Self::CertificateRequest => "CertificateRequest",
            Self::ServerHelloDone => "ServerHelloDone",
            Self::CertificateVerify => "CertificateVerify",
            Self::ClientKeyExchange => "ClientKeyExchange",
            Self::Finished => "Finished",
            Self::CertificateStatus => "CertificateStatus",
            Self::KeyUpdate => "KeyUpdate",
            Self::ChangeCipherSpec => "ChangeCipherSpec",
            Self::Other => "an unknown message",
        }
    }
}

/// Level of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlertLevel {
    /// 1
    Warning,
    /// 2
    Fatal,
    /// Neither.
    Other,
}

/// Why our server could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsFailure {
    /// The bytes are not TLS.
    NotTls,
    /// No version in common.
    NoSharedVersion,
    /// No cipher suite in common that the server's key can serve.
    NoSharedCipher,
    /// No group in common.
    NoSharedGroup,
    /// No signature algorithm in common.
    NoSharedSignatureAlgorithm,
    /// The server does not have the name that was asked for.
    UnknownName,
    /// No application protocol in common (RFC 7301 §3.2).
    NoSharedProtocol,
    /// The guest presented no certificate although one is required.
    NoClientCertificate,
    /// The guest sent a fatal alert.
    Alert,
    /// Anything else, for example a message that does not verify.
    Other,
}

/// The name of an alert's description (RFC 8446 §6, RFC 5246 §7.2, RFC 6066 §9); `alert 77` if it has none.
pub fn alert_name(code: u8) -> String {
    let name = match code {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        other => return format!("alert {other}"),
    };
    name.into()
}
