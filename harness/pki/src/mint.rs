//! From settings to certificates.

use crate::{Settings, SettingsError, Trust};
use jiff::civil::DateTime;
use std::path::{Path, PathBuf};

/// What a server presents, and what its clients have to trust for it. All certificates are DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificates as sent; the leaf is first.
    pub chain: Vec<Vec<u8>>,
    /// The leaf's private key, PKCS #8 (DER).
    pub key: Vec<u8>,
    /// The certificates to enrol; empty if none are.
    pub anchors: Vec<Vec<u8>>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The settings contradict each other.
    #[error("failed to make a certificate: {0}")]
    Settings(#[from] SettingsError),
}

/// Mints certificates with test keys that it keeps in the cache.
#[derive(Clone, Debug)]
pub struct Pki {
    directory: PathBuf,
}

impl Pki {
    /// Mints with the keys below `cache`, which need not exist yet.
    pub fn open(cache: &Path) -> Self {
        Self { directory: cache.join("pki") }
    }

    /// The chain that `settings`, with placeholders replaced, describe at the `date` (UTC) that the guest's clock shows.
    /// The same input gives the same bytes as long as the cache lives. Takes milliseconds once the keys are there; making
    /// them takes up to a minute (RSA-8192). Blocks.
    pub fn mint(&self, settings: &Settings, date: DateTime) -> Result<Identity, MintError> {
        let _ = (settings, date, &self.directory);
        todo!("next commit")
    }

    /// The bundle (`etc/edk2/https/cacerts`, EFI_SIGNATURE_LIST) that gives EDK2 this `trust`; `None` if it gets none.
    /// `anchors` are those of every [`Identity`] of the run; doubles are left out. Blocks.
    pub fn edk2_bundle(
        &self,
        trust: Trust,
        anchors: &[Vec<u8>],
        date: DateTime,
    ) -> Result<Option<Vec<u8>>, MintError> {
        let _ = (trust, anchors, date);
        todo!("next commit")
    }
}
