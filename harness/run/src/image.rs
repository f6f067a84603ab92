//! The boot image of a cell.

use crate::Cell;
use firmware::Firmware;
use payload::Payload;
use pki::authenticode;
use sha2::{Digest, Sha256};

/// Why there is no payload.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// There is none of that architecture or size.
    #[error(transparent)]
    Payload(#[from] payload::PayloadError),
    /// It cannot be signed.
    #[error("failed to sign the image: {0}")]
    Sign(#[from] authenticode::SignError),
}

/// The payload of `cell`, which has been equipped, as its scenario has it: of a size, signed, and in the form that is served.
pub fn payload(cell: &Cell, firmware: &Firmware, seed: u64) -> Result<Payload, PayloadError> {
    let settings = &cell.network.image;
    let mut payload = Payload::new(firmware.architecture.as_str(), nonce(seed, &cell.id))?;
    if let Some(bytes) = settings.bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
        payload = payload.filled_to(bytes)?;
    }
    let signers = cell.equipment.as_ref().map(|equipment| equipment.signers.as_slice()).unwrap_or_default();
    for (signature, signer) in settings.signatures.iter().zip(signers) {
        payload = payload.signed(|image| authenticode::sign(image, signer, signature.digest))?;
    }
    Ok(payload.in_form(settings.form))
}

/// The nonce of a cell's payload: the same for the same seed and cell, different for any other.
fn nonce(seed: u64, cell: &str) -> [u8; 16] {
    let digest = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(cell).finalize();
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&digest[..16]);
    nonce
}
