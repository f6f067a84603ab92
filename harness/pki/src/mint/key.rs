//! Test keys: made by OpenSSL, because rcgen makes neither RSA-1024 nor RSA-8192, P-521 or RSA-PSS keys.

use super::store;
use crate::{MintError, algorithm::Kind, mint::openssl_failed, settings::Key};
use openssl::{
    ec::{EcGroup, EcKey},
    pkey::{Id, PKey, Private},
    pkey_ctx::PkeyCtx,
    rsa::Rsa,
};
use sha2::{Digest, Sha256};
use std::path::Path;

/// A private key that is worth nothing.
pub(super) struct TestKey {
    pub(super) key: Key,
    pub(super) private: PKey<Private>,
}

/// First line of every key file, above the PEM block, where PEM readers skip it (RFC 7468 §2).
const NOTE: &str =
    "TEST KEY of plugfest. It was made for conformance tests, protects nothing, and is trusted by nobody.";
const DIGEST: &str = "SHA-256 of the block below: ";

impl TestKey {
    /// The key for the `role` that a certificate has in its chain, from the cache, or made if it is not there.
    pub(super) fn get(directory: &Path, key: Key, role: &str) -> Result<Self, MintError> {
        let label = serde_json::to_string(&key).unwrap_or_default();
        let stem = format!("TEST-KEY-{}-{role}", label.trim_matches('"'));
        let read = |bytes: &[u8]| parse(bytes).filter(|private| is(private, key));
        let make = || file(&generate(key).map_err(openssl_failed(format!("make the test key {stem}")))?);
        let private = store::kept(
            &directory.join("keys"),
            &format!("{stem}.pem"),
            &format!(".{stem}.lock"),
            read,
            make,
        )?;
        Ok(Self { key, private })
    }

    /// SubjectPublicKeyInfo, DER.
    pub(super) fn public(&self) -> Result<Vec<u8>, MintError> {
        self.private.public_key_to_der().map_err(openssl_failed("encode a public key"))
    }

    /// PKCS #8, DER.
    pub(super) fn pkcs8(&self) -> Result<Vec<u8>, MintError> {
        self.private.private_key_to_pkcs8().map_err(openssl_failed("encode a private key"))
    }
}

fn file(private: &PKey<Private>) -> Result<Vec<u8>, MintError> {
    let pem = private.private_key_to_pem_pkcs8().map_err(openssl_failed("encode a private key"))?;
    let mut file = format!("{NOTE}\n{DIGEST}{}\n", digest(&pem)).into_bytes();
    file.extend_from_slice(&pem);
    Ok(file)
}

/// The key in a file that nobody has changed since it was written.
fn parse(bytes: &[u8]) -> Option<PKey<Private>> {
    let (note, rest) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
    let (stated, pem) = rest.split_once('\n')?;
    let is_whole = note == NOTE && stated.strip_prefix(DIGEST)? == digest(pem.as_bytes());
    is_whole.then(|| PKey::private_key_from_pem(pem.as_bytes()).ok())?
}

fn digest(pem: &[u8]) -> String {
    Sha256::digest(pem).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is(private: &PKey<Private>, key: Key) -> bool {
    match key.kind() {
        Kind::Rsa(bits) => private.id() == Id::RSA && private.bits() == bits,
        Kind::RsaPss(bits) => private.id() == Id::RSA_PSS && private.bits() == bits,
        Kind::Ec(curve) => private.ec_key().is_ok_and(|key| key.group().curve_name() == Some(curve)),
        Kind::Ed25519 => private.id() == Id::ED25519,
        Kind::Ed448 => private.id() == Id::ED448,
    }
}

fn generate(key: Key) -> Result<PKey<Private>, openssl::error::ErrorStack> {
    match key.kind() {
        Kind::Rsa(bits) => PKey::from_rsa(Rsa::generate(bits)?),
        Kind::RsaPss(bits) => {
            let mut context = PkeyCtx::new_id(Id::RSA_PSS)?;
            context.keygen_init()?;
            context.set_rsa_keygen_bits(bits)?;
            context.keygen()
        }
        Kind::Ec(curve) => PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(curve)?)?),
        Kind::Ed25519 => PKey::generate_ed25519(),
        Kind::Ed448 => PKey::generate_ed448(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind but the slow RSA-8192, which the tests of chains make.
    const KEYS: [Key; 15] = [
        Key::Rsa1024,
        Key::Rsa2048,
        Key::Rsa3072,
        Key::Rsa4096,
        Key::RsaPss2048,
        Key::RsaPss3072,
        Key::RsaPss4096,
        Key::P192,
        Key::P224,
        Key::P256,
        Key::P384,
        Key::P521,
        Key::Secp256k1,
        Key::Ed25519,
        Key::Ed448,
    ];

    #[test]
    fn a_key_is_of_its_kind_and_no_other() {
        let keys: Vec<_> = KEYS[4..].iter().map(|key| generate(*key).unwrap()).collect();
        for (made, key) in keys.iter().zip(&KEYS[4..]) {
            let accepted: Vec<_> = KEYS.iter().filter(|other| is(made, **other)).collect();
            assert_eq!(accepted, [key]);
        }
        let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        assert!(is(&rsa, Key::Rsa2048) && !is(&rsa, Key::Rsa1024) && !is(&rsa, Key::RsaPss2048));
    }

    #[test]
    fn a_key_is_kept_and_says_what_it_is() {
        let cache = tempfile::tempdir().unwrap();
        let get = |key| TestKey::get(cache.path(), key, "leaf").unwrap().pkcs8().unwrap();
        let first = get(Key::P256);
        assert_eq!(get(Key::P256), first);
        assert_ne!(get(Key::P384), first);
        let path = cache.path().join("keys/TEST-KEY-p-256-leaf.pem");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("TEST KEY of plugfest"), "{text}");
        // One character of the block, in a place where PEM and DER stay well-formed.
        let at = text.find("-----\n").unwrap() + 60;
        let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut damaged = text.clone();
        damaged.replace_range(at..=at, other);
        assert!(PKey::private_key_from_pem(damaged.as_bytes()).is_ok(), "only the digest can tell");
        for content in [damaged.as_str(), "", "TEST KEY", &text[..200]] {
            std::fs::write(&path, content).unwrap();
            let again = get(Key::P256);
            assert_ne!(again, first);
            assert_eq!(get(Key::P256), again);
        }
        // A key of another kind under this name is not taken.
        std::fs::copy(cache.path().join("keys/TEST-KEY-p-384-leaf.pem"), &path).unwrap();
        assert_ne!(get(Key::P256), get(Key::P384));
    }
}
