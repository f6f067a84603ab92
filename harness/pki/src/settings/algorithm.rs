//! Keys and signatures, by the names that a scenario gives them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Type and size of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Key {
    #[serde(rename = "rsa-1024")]
    Rsa1024,
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    #[serde(rename = "rsa-3072")]
    Rsa3072,
    #[serde(rename = "rsa-4096")]
    Rsa4096,
    #[serde(rename = "rsa-8192")]
    Rsa8192,
    /// An RSA key that may only sign with PSS (RFC 4055 §3.1, id-RSASSA-PSS without parameters).
    #[serde(rename = "rsa-pss-2048")]
    RsaPss2048,
    /// See `rsa-pss-2048`.
    #[serde(rename = "rsa-pss-3072")]
    RsaPss3072,
    /// See `rsa-pss-2048`.
    #[serde(rename = "rsa-pss-4096")]
    RsaPss4096,
    #[serde(rename = "p-192")]
    P192,
    #[serde(rename = "p-224")]
    P224,
    #[serde(rename = "p-256")]
    P256,
    #[serde(rename = "p-384")]
    P384,
    #[serde(rename = "p-521")]
    P521,
    #[serde(rename = "secp256k1")]
    Secp256k1,
    #[serde(rename = "ed25519")]
    Ed25519,
    #[serde(rename = "ed448")]
    Ed448,
}

/// How a certificate is signed. The scheme follows from the signer's key: RSA signs with PKCS #1 v1.5 unless `pss` is
/// asked for, elliptic curves with ECDSA, RSA-PSS keys always with PSS, and Ed25519 and Ed448 with their own hash, for
/// which `sha-256` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Signature {
    #[serde(rename = "md5")]
    Md5,
    #[serde(rename = "sha-1")]
    Sha1,
    #[serde(rename = "sha-224")]
    Sha224,
    #[serde(rename = "sha-256")]
    Sha256,
    #[serde(rename = "sha-384")]
    Sha384,
    #[serde(rename = "sha-512")]
    Sha512,
    /// RSASSA-PSS, also with a plain RSA key (RFC 4055 §3.1).
    #[serde(rename = "pss-sha-1")]
    PssSha1,
    /// See `pss-sha-1`.
    #[serde(rename = "pss-sha-256")]
    PssSha256,
    /// See `pss-sha-1`.
    #[serde(rename = "pss-sha-384")]
    PssSha384,
    /// See `pss-sha-1`.
    #[serde(rename = "pss-sha-512")]
    PssSha512,
}
