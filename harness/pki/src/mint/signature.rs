//! Signatures: by OpenSSL, and kept, because ECDSA and PSS would make another one each time.

use super::{key::TestKey, openssl_failed, store};
use crate::{MintError, algorithm::Scheme};
use openssl::{
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{HasPrivate, HasPublic, PKeyRef},
    rsa::Padding,
    sign::{RsaPssSaltlen, Signer, Verifier},
};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The signature of `key` over `message`; the same each time.
pub(super) fn get(
    directory: &Path,
    key: &TestKey,
    scheme: Scheme,
    message: &[u8],
) -> Result<Vec<u8>, MintError> {
    let algorithm = yasna::construct_der(|writer| scheme.write(writer));
    let mut digest = Sha256::new();
    for part in [key.public()?.as_slice(), &algorithm, message] {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    let name: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let read = |bytes: &[u8]| verifies(&key.private, scheme, message, bytes).then(|| bytes.to_vec());
    let make =
        || sign(&key.private, scheme, message).map_err(openssl_failed(format!("sign with {scheme:?}")));
    store::kept(&directory.join("signatures"), &format!("{name}.sig"), ".lock", read, make)
}

fn digest_of(scheme: Scheme) -> Option<MessageDigest> {
    match scheme {
        Scheme::Pkcs1(hash) | Scheme::Pss(hash) | Scheme::Ecdsa(hash) => Some(hash.digest()),
        Scheme::Ed25519 | Scheme::Ed448 => None,
    }
}

fn sign<T: HasPrivate>(key: &PKeyRef<T>, scheme: Scheme, message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
    let mut signer = match digest_of(scheme) {
        Some(digest) => Signer::new(digest, key)?,
        None => Signer::new_without_digest(key)?,
    };
    if let Scheme::Pss(_) = scheme {
        signer.set_rsa_padding(Padding::PKCS1_PSS)?;
        signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
    }
    signer.sign_oneshot_to_vec(message)
}

fn verifies<T: HasPublic>(key: &PKeyRef<T>, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
    let verify = || {
        let mut verifier = match digest_of(scheme) {
            Some(digest) => Verifier::new(digest, key)?,
            None => Verifier::new_without_digest(key)?,
        };
        if let Scheme::Pss(_) = scheme {
            verifier.set_rsa_padding(Padding::PKCS1_PSS)?;
            verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        }
        verifier.verify_oneshot(signature, message)
    };
    let verified: Result<bool, ErrorStack> = verify();
    verified.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{algorithm::Hash, settings::Key};

    #[test]
    fn a_signature_is_kept_and_one_that_does_not_verify_is_not() {
        let cache = tempfile::tempdir().unwrap();
        let key = TestKey::get(cache.path(), Key::P256, "leaf").unwrap();
        let get =
            |message: &[u8]| super::get(cache.path(), &key, Scheme::Ecdsa(Hash::Sha256), message).unwrap();
        let first = get(b"message");
        assert_eq!(get(b"message"), first);
        let fresh = sign(&key.private, Scheme::Ecdsa(Hash::Sha256), b"message").unwrap();
        assert_ne!(fresh, first, "ECDSA signs with a random number, so keeping it matters");
        assert!(!verifies(&key.private, Scheme::Ecdsa(Hash::Sha256), b"massage", &first));
        let kept =
            || std::fs::read_dir(cache.path().join("signatures")).unwrap().flatten().map(|file| file.path());
        let path = kept().find(|path| path.extension().is_some_and(|e| e == "sig")).unwrap();
        for damage in [&first[..first.len() - 1], b"", &get(b"other")] {
            std::fs::write(&path, damage).unwrap();
            let again = get(b"message");
            assert!(
                again != first && verifies(&key.private, Scheme::Ecdsa(Hash::Sha256), b"message", &again)
            );
        }
    }
}
