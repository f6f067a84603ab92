//! The keys that decide what the client starts (UEFI 2.11 §32).

use pki::authenticode::{Databases, Digest, SignError, digest, tbs_digest};
use pki::{Identity, edk2};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The `client.secure_boot:` block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecureBoot {
    /// The state that the client's keys are in.
    pub mode: Mode,
    /// What stands in `db`: what may be started.
    pub db: Vec<Listed>,
    /// What stands in `dbx`: what must not be started.
    pub dbx: Vec<Listed>,
}

impl Default for SecureBoot {
    fn default() -> Self {
        Self { mode: Mode::AsShipped, db: vec![Listed::Enrolled], dbx: Vec::new() }
    }
}

/// The state of the keys (UEFI 2.11 §32.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Whatever the build's variables have; the lists of this block are not used.
    #[default]
    AsShipped,
    /// The lists, but no platform key: nothing is enforced.
    Setup,
    /// The lists, a platform key of ours, and Secure Boot switched on.
    User,
}

/// What a list of keys has. Of the image's signers if there are several, the first one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Listed {
    /// What the signatures of all scenarios say is enrolled (`image.signatures[].certificate.enrolled`).
    Enrolled,
    /// The certificate above the signer's, which comes with the signature.
    Intermediate,
    /// The signer's certificate.
    Signer,
    /// The digest of the signer's certificate (EFI_CERT_X509_SHA256), revoked for all time.
    SignerDigest,
    /// The digest of the image (EFI_CERT_SHA256).
    Image,
}

fn certificates<'a>(all: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<u8> {
    all.into_iter().flat_map(|der| edk2::certificate_list(der)).collect()
}

impl SecureBoot {
    /// Whether variables are written for it.
    pub fn is_set(&self) -> bool {
        self.mode != Mode::AsShipped
    }

    /// Both lists for a client that is served `image` with signatures by `signers`. `enrolled` are certificates (DER).
    ///
    /// # Errors
    /// [`SignError`] if an image is to be listed that has no digest.
    pub fn databases(
        &self,
        enrolled: &[Vec<u8>],
        signers: &[Arc<Identity>],
        image: &[u8],
    ) -> Result<Databases, SignError> {
        let list = |all: &[Listed]| -> Result<Vec<u8>, SignError> {
            let mut bytes = Vec::new();
            for listed in all {
                let of_chain = |place: usize| signers.first().and_then(|signer| signer.chain.get(place));
                match listed {
                    Listed::Enrolled => bytes.extend(certificates(enrolled)),
                    Listed::Intermediate => bytes.extend(certificates(of_chain(1))),
                    Listed::Signer => bytes.extend(certificates(of_chain(0))),
                    Listed::SignerDigest => {
                        if let Some(der) = of_chain(0) {
                            let always = [0; 16];
                            bytes.extend(edk2::list(
                                edk2::X509_SHA256,
                                &[&tbs_digest(der)?[..], &always].concat(),
                            ));
                        }
                    }
                    Listed::Image => bytes.extend(edk2::list(edk2::SHA256, &digest(image, Digest::Sha256)?)),
                }
            }
            Ok(bytes)
        };
        Ok(Databases { db: list(&self.db)?, dbx: list(&self.dbx)? })
    }
}
