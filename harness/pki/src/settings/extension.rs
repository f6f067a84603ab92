//! What the parts of a certificate may say, right and wrong.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// basicConstraints (RFC 5280 §4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BasicConstraints {
    /// CA:TRUE, critical.
    Ca,
    /// CA:FALSE, critical.
    NotCa,
    /// The extension is not there.
    Absent,
}

/// keyUsage of an authority (RFC 5280 §4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorityKeyUsage {
    /// keyCertSign and cRLSign.
    CertSign,
    /// cRLSign only: it must not sign certificates.
    CrlSign,
    /// The extension is not there.
    Absent,
}

/// keyUsage of the leaf (RFC 5280 §4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LeafKeyUsage {
    /// digitalSignature, and with RSA also keyEncipherment: right for every cipher suite that the key can serve.
    Server,
    /// digitalSignature: no RSA key exchange.
    DigitalSignature,
    /// keyEncipherment: RSA key exchange only.
    KeyEncipherment,
    /// keyCertSign and cRLSign: not for a server.
    CertSign,
    /// The extension is not there.
    Absent,
}

/// extendedKeyUsage (RFC 5280 §4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExtendedKeyUsage {
    /// The extension is not there.
    Absent,
    /// serverAuth.
    Server,
    /// clientAuth: not for a server.
    Client,
    /// serverAuth and clientAuth.
    ServerAndClient,
    /// codeSigning: not for a server.
    CodeSigning,
    /// anyExtendedKeyUsage.
    Any,
}

/// nameConstraints (RFC 5280 §4.2.1.10), critical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NameConstraints {
    /// The extension is not there.
    Absent,
    /// The leaf's names are permitted.
    PermitLeaf,
    /// Only other names are permitted: `elsewhere.test` and 198.51.100.0/24 and 2001:db8:ffff::/48.
    PermitOther,
    /// The leaf's names are excluded.
    ExcludeLeaf,
    /// Only other names are excluded.
    ExcludeOther,
}

/// subjectKeyIdentifier and authorityKeyIdentifier (RFC 5280 §4.2.1.1 and §4.2.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyIdentifiers {
    /// Both are there; a self-signed certificate has only its own.
    Right,
    /// Neither is there.
    Absent,
    /// The issuer's is that of another key.
    WrongIssuer,
}

/// An extension that nobody knows (RFC 5280 §4.2: a client must refuse it if it is critical, and ignore it if not).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownExtension {
    /// There is none.
    Absent,
    /// It is there and may be ignored.
    NonCritical,
    /// It is there and must not be ignored.
    Critical,
}

/// Serial number (RFC 5280 §4.1.2.2: positive, at most 20 octets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Serial {
    /// 16 octets, positive.
    Ordinary,
    /// Zero, which clients should handle gracefully.
    Zero,
    /// Negative, which clients should handle gracefully.
    Negative,
    /// 20 octets, positive: the most that clients must handle.
    Longest,
    /// 24 octets: more than clients must handle.
    TooLong,
}

/// Version of X.509 (RFC 5280 §4.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Version {
    /// Version 3, with extensions.
    V3,
    /// Version 1: no extensions, whatever other settings say.
    V1,
}
