//! TLS server (RFC 8446, RFC 5246), by OpenSSL: its settings.

mod context;
mod exchange;
mod hello;
mod names;
mod output;
mod probe;
mod session;

pub use context::Unsupported;
pub(crate) use context::{Context, NoContext};
pub use hello::read as read_client_hello;
pub(crate) use hello::{in_stream as hello_in_stream, is_partial as is_partial_hello, looks_like_tls};
pub(crate) use names::suite_number;
pub use names::{suite as cipher_suite_name, version as version_name};
pub(crate) use session::Session;

use crate::SettingsError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `tls:` block. The server is there if a URL of the scenario is `https`, or if anything here is changed; it serves
/// the same site as the plain one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// TCP port.
    pub port: u16,
    /// The only version that the server agrees to; `null` leaves it to `min_version` and `max_version`.
    pub version: Option<Version>,
    /// Lowest version that the server agrees to.
    pub min_version: Version,
    /// Highest version that the server agrees to.
    pub max_version: Version,
    /// Cipher suites in the server's order, by their IANA names; `null` leaves them to OpenSSL. A version for which none
    /// is listed is not agreed to.
    pub suites: Option<Vec<String>>,
    /// Groups for ECDHE, and for DHE in TLS 1.3; `null` leaves them to OpenSSL.
    pub groups: Option<Vec<Group>>,
    /// Signature algorithms that the server signs its key exchange with, by their IANA names (RFC 8446 §4.2.3); `null`
    /// leaves them to OpenSSL.
    pub signature_algorithms: Option<Vec<String>>,
    /// Bits of the Diffie-Hellman group for DHE below TLS 1.3: 1024, 1536, 2048, 3072, 4096, 6144 or 8192 (RFC 2409,
    /// RFC 3526).
    pub dh_bits: u16,
    /// OpenSSL's security level on our side, 0 to 5. With 0 the server takes whatever the client takes.
    pub security_level: u8,
    /// Application protocols that the server knows (RFC 7301); a client that offers only others gets a fatal alert. `[]`
    /// ignores the extension.
    pub alpn: Vec<String>,
    /// How sessions can be resumed.
    pub resumption: Resumption,
    /// Whether the client is asked for a certificate (RFC 8446 §4.3.2). Any will do.
    pub client_certificate: ClientCertificate,
    /// Names that the server has, in the `server_name` of a client (RFC 6066 §3).
    pub names: Vec<String>,
    /// What is done about a `server_name` that is not among `names`. A client without the extension is served.
    pub unknown_name: UnknownName,
    /// The most bytes of plaintext in a record, 1 to 16384 (RFC 8446 §5.1). Handshake messages that are encrypted have
    /// at least 512 in a record.
    pub record_size: u16,
    /// The server goes silent once it has sent this message; `null` does not. A handshake without such a message is not
    /// held.
    pub stall_after: Option<Message>,
    /// The server ends the connection with FIN, without an alert, once it has sent this message; `null` does not.
    pub close_after: Option<Message>,
    /// Whether the server announces the end of its data with close_notify before its FIN (RFC 8446 §6.1).
    pub close_notify: bool,
    /// The server asks for another handshake after so many bytes of application data, 0 is right after the first
    /// handshake (RFC 5246 §7.4.1.1); `null` does not. TLS 1.3 has no such thing.
    pub renegotiate_after: Option<u64>,
    /// The server's certificate and those that vouch for it.
    pub certificate: pki::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 443,
            version: None,
            // RFC 8996 §4, §5: older ones must not be negotiated.
            min_version: Version::Tls12,
            max_version: Version::Tls13,
            suites: None,
            groups: None,
            signature_algorithms: None,
            dh_bits: 2048,
            security_level: 0,
            alpn: vec!["http/1.1".into()],
            resumption: Resumption::Tickets,
            client_certificate: ClientCertificate::None,
            names: Vec::new(),
            unknown_name: UnknownName::Ignore,
            record_size: LARGEST_RECORD,
            stall_after: None,
            close_after: None,
            close_notify: true,
            renegotiate_after: None,
            certificate: pki::Settings::default(),
        }
    }
}

/// RFC 8446 §5.1.
const LARGEST_RECORD: u16 = 16_384;

/// Versions of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "TlsVersion")]
#[allow(missing_docs)]
pub enum Version {
    #[serde(rename = "1.0")]
    Tls10,
    #[serde(rename = "1.1")]
    Tls11,
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

impl Version {
    /// The version's name, for example `TLS 1.2`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tls10 => "TLS 1.0",
            Self::Tls11 => "TLS 1.1",
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        }
    }
}

/// Groups by their names in the IANA registry (RFC 8446 §4.2.7, RFC 8422 §5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Group {
    Secp192r1,
    Secp224r1,
    Secp256r1,
    Secp384r1,
    Secp521r1,
    Secp256k1,
    X25519,
    X448,
    Ffdhe2048,
    Ffdhe3072,
    Ffdhe4096,
    Ffdhe6144,
    Ffdhe8192,
}

impl Group {
    /// The registry's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secp192r1 => "secp192r1",
            Self::Secp224r1 => "secp224r1",
            Self::Secp256r1 => "secp256r1",
            Self::Secp384r1 => "secp384r1",
            Self::Secp521r1 => "secp521r1",
            Self::Secp256k1 => "secp256k1",
            Self::X25519 => "x25519",
            Self::X448 => "x448",
            Self::Ffdhe2048 => "ffdhe2048",
            Self::Ffdhe3072 => "ffdhe3072",
            Self::Ffdhe4096 => "ffdhe4096",
            Self::Ffdhe6144 => "ffdhe6144",
            Self::Ffdhe8192 => "ffdhe8192",
        }
    }
}

/// How sessions can be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resumption {
    /// By ticket (RFC 5077, RFC 8446 §4.6.1), or by session id where the client takes no tickets.
    Tickets,
    /// By what the server keeps: session ids below TLS 1.3, and there tickets that are but a name.
    SessionIds,
    /// Not at all.
    None,
}

/// Whether the client is asked for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificate {
    /// It is not.
    None,
    /// It is, and need not have one.
    Optional,
    /// It is, and without one the handshake fails.
    Required,
}

/// What is done about a name that the server does not have (RFC 6066 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownName {
    /// Nothing.
    Ignore,
    /// A warning alert `unrecognized_name`; below TLS 1.3 only.
    Warn,
    /// A fatal alert `unrecognized_name`.
    Refuse,
}

/// A message in a handshake after which the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// The client's ClientHello: nothing is sent at all.
    ClientHello,
    /// ServerHello, or HelloRetryRequest.
    ServerHello,
    /// TLS 1.3 only.
    EncryptedExtensions,
    /// Not if a session is resumed.
    Certificate,
    /// Below TLS 1.3, with ephemeral keys only.
    ServerKeyExchange,
    /// If there is one.
    CertificateRequest,
    /// Below TLS 1.3.
    ServerHelloDone,
    /// TLS 1.3.
    CertificateVerify,
    /// The server's own Finished.
    Finished,
}

impl Settings {
    /// Whether anything in the scenario speaks of TLS.
    pub(crate) fn is_in_use<'a>(&self, urls: impl IntoIterator<Item = Option<&'a str>>) -> bool {
        let is_https = |url: &str| url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
        urls.into_iter().flatten().any(is_https) || *self != Self::default()
    }

    /// Checks what the types cannot; `http_port` is the plain server's.
    pub(crate) fn check(&self, http_port: u16) -> Result<(), SettingsError> {
        let wrong =
            |path: &str, problem: String| Err(SettingsError::new(format!("network.tls.{path}"), problem));
        if self.port == 0 {
            return wrong("port", "0 is not a port; expected 1 to 65535".into());
        }
        if self.port == http_port {
            return wrong(
                "port",
                format!("{http_port} is network.http.port too; one of them has to be another"),
            );
        }
        let defaults = Self::default();
        if self.version.is_some()
            && (self.min_version, self.max_version) != (defaults.min_version, defaults.max_version)
        {
            let problem = "min_version or max_version is set too; expected either the one or the others";
            return wrong("version", problem.into());
        }
        if self.min_version > self.max_version {
            let problem =
                format!("{} is above max_version, {}", self.min_version.name(), self.max_version.name());
            return wrong("min_version", problem);
        }
        for (index, suite) in self.suites.iter().flatten().enumerate() {
            if names::suite_is_of_tls13(suite).is_none() {
                let problem = format!(
                    "{suite:?} is not the IANA name of a cipher suite; they look like \
                     TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
                );
                return wrong(&format!("suites[{index}]"), problem);
            }
        }
        if self.versions().is_none() {
            let problem = match self.version {
                Some(version) => format!("none of them is for {}, the only version", version.name()),
                None => "none of them is for a version from min_version to max_version".into(),
            };
            return wrong("suites", problem);
        }
        for (index, name) in self.signature_algorithms.iter().flatten().enumerate() {
            if !names::is_signature_algorithm(name) {
                let problem =
                    format!("{name:?} is not the IANA name of one; they look like rsa_pss_rsae_sha256");
                return wrong(&format!("signature_algorithms[{index}]"), problem);
            }
        }
        for (path, empty) in [
            ("suites", self.suites.as_ref().is_some_and(Vec::is_empty)),
            ("groups", self.groups.as_ref().is_some_and(Vec::is_empty)),
            ("signature_algorithms", self.signature_algorithms.as_ref().is_some_and(Vec::is_empty)),
        ] {
            if empty {
                return wrong(path, "an empty list; `null` leaves the choice to OpenSSL".into());
            }
        }
        if !context::DH_BITS.contains(&self.dh_bits) {
            return wrong("dh_bits", format!("{} is none of {:?}", self.dh_bits, context::DH_BITS));
        }
        if self.security_level > 5 {
            return wrong("security_level", format!("{} is not 0 to 5", self.security_level));
        }
        if !(1..=LARGEST_RECORD).contains(&self.record_size) {
            return wrong("record_size", format!("{} is not 1 to {LARGEST_RECORD}", self.record_size));
        }
        for (index, protocol) in self.alpn.iter().enumerate() {
            if !(1..=255).contains(&protocol.len()) {
                return wrong(&format!("alpn[{index}]"), "a protocol's name has 1 to 255 bytes".into());
            }
        }
        if self.stall_after.is_some() && self.close_after.is_some() {
            return wrong(
                "close_after",
                "stall_after is set too, and the server can do one of them only".into(),
            );
        }
        if self.renegotiate_after.is_some() && self.versions().is_none_or(|(_, max)| max == Version::Tls13) {
            let problem = "TLS 1.3 has no renegotiation (RFC 8446 §4.1.2); set version to \"1.2\"";
            return wrong("renegotiate_after", problem.into());
        }
        Ok(())
    }

    /// The versions asked for, lowest and highest.
    pub(crate) fn bounds(&self) -> (Version, Version) {
        self.version.map_or((self.min_version, self.max_version), |version| (version, version))
    }

    /// The versions for which there are suites, lowest and highest.
    pub(crate) fn versions(&self) -> Option<(Version, Version)> {
        let (mut min, mut max) = self.bounds();
        if let Some(suites) = self.suites.as_ref().filter(|suites| !suites.is_empty()) {
            let of_tls13 = |suite: &String| names::suite_is_of_tls13(suite) == Some(true);
            if !suites.iter().any(of_tls13) {
                max = max.min(Version::Tls12);
            }
            if suites.iter().all(of_tls13) {
                min = min.max(Version::Tls13);
            }
        }
        (min <= max).then_some((min, max))
    }
}
