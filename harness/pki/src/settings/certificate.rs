//! What a scenario says about one certificate.

use super::{
    AuthorityKeyUsage, BasicConstraints, ExtendedKeyUsage, Key, KeyIdentifiers, LeafKeyUsage,
    NameConstraints, Serial, Signature, UnknownExtension, Version,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An anchor or an intermediate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Authority {
    /// Its key.
    pub key: Key,
    /// How it is signed.
    pub signature: Signature,
    /// Start of its validity, in days from the guest's date; negative is before.
    pub valid_from_days: i32,
    /// End of its validity, in days from the guest's date; negative is before.
    pub valid_until_days: i32,
    /// Whether it says that it is an authority (RFC 5280 §4.2.1.9).
    pub basic_constraints: BasicConstraints,
    /// How many authorities may be below it (pathLenConstraint); `null` says nothing.
    pub path_length: Option<u8>,
    /// What its key may do (RFC 5280 §4.2.1.3).
    pub key_usage: AuthorityKeyUsage,
    /// What its key is for (RFC 5280 §4.2.1.12).
    pub extended_key_usage: ExtendedKeyUsage,
    /// Which names the certificates below it may have (RFC 5280 §4.2.1.10).
    pub name_constraints: NameConstraints,
    /// Its own and its issuer's key identifier (RFC 5280 §4.2.1.1 and §4.2.1.2).
    pub key_identifiers: KeyIdentifiers,
    /// An extension that nobody knows.
    pub unknown_extension: UnknownExtension,
    /// Size of an extension that is there only to make it large, in bytes up to 1048576; 0 has none.
    pub padding_bytes: u32,
    /// Its serial number (RFC 5280 §4.1.2.2).
    pub serial: Serial,
    /// Version of X.509.
    pub version: Version,
}

impl Default for Authority {
    fn default() -> Self {
        Self {
            key: Key::Rsa2048,
            signature: Signature::Sha256,
            valid_from_days: -365,
            valid_until_days: 3650,
            basic_constraints: BasicConstraints::Ca,
            path_length: None,
            key_usage: AuthorityKeyUsage::CertSign,
            extended_key_usage: ExtendedKeyUsage::Absent,
            name_constraints: NameConstraints::Absent,
            key_identifiers: KeyIdentifiers::Right,
            unknown_extension: UnknownExtension::Absent,
            padding_bytes: 0,
            serial: Serial::Ordinary,
            version: Version::V3,
        }
    }
}

/// The server's own certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Leaf {
    /// Its key.
    pub key: Key,
    /// How it is signed.
    pub signature: Signature,
    /// Who signs it.
    pub issuer: Issuer,
    /// Start of its validity, in days from the guest's date; negative is before.
    pub valid_from_days: i32,
    /// End of its validity, in days from the guest's date; negative is before.
    pub valid_until_days: i32,
    /// Names of the server (subjectAltName, RFC 5280 §4.2.1.6; RFC 9525). An address is an iPAddress, everything else a
    /// dNSName, unless `dns:`, `ip:`, `uri:` or `email:` before it says what it is. `[]` has no subjectAltName.
    /// `{server4}` and the other placeholders are replaced.
    pub names: Vec<String>,
    /// Common name in the subject, with placeholders; `null` has none. The subject's organisation always says that this is
    /// a test certificate.
    pub common_name: Option<String>,
    /// Whether it says that it is an authority (RFC 5280 §4.2.1.9).
    pub basic_constraints: BasicConstraints,
    /// What its key may do (RFC 5280 §4.2.1.3).
    pub key_usage: LeafKeyUsage,
    /// What its key is for (RFC 5280 §4.2.1.12).
    pub extended_key_usage: ExtendedKeyUsage,
    /// Its own and its issuer's key identifier (RFC 5280 §4.2.1.1 and §4.2.1.2).
    pub key_identifiers: KeyIdentifiers,
    /// An extension that nobody knows.
    pub unknown_extension: UnknownExtension,
    /// Size of an extension that is there only to make it large, in bytes up to 1048576; 0 has none.
    pub padding_bytes: u32,
    /// Whether it demands a stapled OCSP response (RFC 7633).
    pub must_staple: bool,
    /// Whether its issuer's revocation list has it (RFC 5280 §5). `crl_url` says where that list is.
    pub revoked: bool,
    /// Where its revocation list is (RFC 5280 §4.2.1.13), with placeholders; `null` does not say.
    pub crl_url: Option<String>,
    /// Where its OCSP responder is (RFC 5280 §4.2.2.1), with placeholders; `null` does not say.
    pub ocsp_url: Option<String>,
    /// Where its issuer's certificate is (RFC 5280 §4.2.2.1, caIssuers), with placeholders; `null` does not say.
    pub issuer_url: Option<String>,
    /// Its serial number (RFC 5280 §4.1.2.2).
    pub serial: Serial,
    /// Version of X.509.
    pub version: Version,
}

impl Default for Leaf {
    fn default() -> Self {
        Self {
            key: Key::Rsa2048,
            signature: Signature::Sha256,
            issuer: Issuer::Chain,
            valid_from_days: -1,
            valid_until_days: 90,
            names: vec!["{server4}".into()],
            common_name: None,
            basic_constraints: BasicConstraints::NotCa,
            key_usage: LeafKeyUsage::Server,
            extended_key_usage: ExtendedKeyUsage::Server,
            key_identifiers: KeyIdentifiers::Right,
            unknown_extension: UnknownExtension::Absent,
            padding_bytes: 0,
            must_staple: false,
            revoked: false,
            crl_url: None,
            ocsp_url: None,
            issuer_url: None,
            serial: Serial::Ordinary,
            version: Version::V3,
        }
    }
}

/// Who signs the leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Issuer {
    /// The lowest intermediate, or the anchor if there is none.
    Chain,
    /// The leaf itself; it is sent alone.
    Itself,
    /// Somebody with the issuer's name but another key, so that the signature is wrong.
    Impostor,
}
