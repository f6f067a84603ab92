//! The boot image of a cell.

use crate::Cell;
use firmware::Firmware;
use payload::{Payload, disk, initramfs, pe};
use pki::authenticode;
use services::image::Kind;
use sha2::{Digest, Sha256};

/// Why there is no payload.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// There is none of that architecture or size.
    #[error(transparent)]
    Payload(#[from] payload::PayloadError),
    /// It cannot be put into an initial RAM file system.
    #[error(transparent)]
    Initramfs(#[from] initramfs::InitramfsError),
    /// It cannot be put into a unified kernel image.
    #[error("failed to make a unified kernel image: {0}")]
    UnifiedKernel(#[from] pe::PeError),
    /// It cannot be put on a disk.
    #[error("failed to make a disk: {0}")]
    Disk(#[from] std::io::Error),
    /// It cannot be signed.
    #[error("failed to sign the image: {0}")]
    Sign(#[from] authenticode::SignError),
}

/// The payload of `cell`, which has been equipped, as its scenario has it: of a size, signed, and in the form that is served.
pub fn payload(cell: &Cell, firmware: &Firmware, seed: u64) -> Result<Payload, PayloadError> {
    let settings = &cell.network.image;
    let architecture = match settings.kind {
        Kind::Program | Kind::Iso | Kind::Disk => firmware.architecture.as_str().to_owned(),
        Kind::Initramfs | Kind::UnifiedKernel => format!("linux-{}", firmware.architecture.as_str()),
    };
    let mut payload = Payload::new(&architecture, nonce(seed, &cell.id))?;
    if let Some(bytes) = settings.bytes.and_then(|bytes| usize::try_from(bytes).ok()) {
        payload = payload.filled_to(bytes)?;
    }
    if settings.kind.is_linux() {
        let modules = settings.modules.as_ref().map(|modules| &*modules.contents).unwrap_or_default();
        payload = payload.wrapped(|init| initramfs::archive(init, modules))?;
    }
    if let Some(kernel) = &settings.kernel {
        let [stub, linux] = kernel.bytes.each_ref().map(|bytes| bytes.as_deref().unwrap_or_default());
        payload = payload.wrapped(|initrd| pe::unified_kernel(stub, linux, &kernel.command_line, initrd))?;
    }
    let signers = cell.equipment.as_ref().map(|equipment| equipment.signers.as_slice()).unwrap_or_default();
    for (signature, signer) in settings.signatures.iter().zip(signers) {
        payload = payload.wrapped(|image| authenticode::sign(image, signer, signature.digest))?;
    }
    let payload = match settings.kind {
        Kind::Iso => payload.wrapped(|program| disk::iso(program, &architecture))?,
        Kind::Disk => payload.wrapped(|program| disk::disk(program, &architecture))?,
        Kind::Program | Kind::Initramfs | Kind::UnifiedKernel => payload,
    };
    Ok(payload.in_form(settings.form))
}

/// The nonce of a cell's payload: the same for the same seed and cell, different for any other.
fn nonce(seed: u64, cell: &str) -> [u8; 16] {
    let digest = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(cell).finalize();
    let mut nonce = [0; 16];
    nonce.copy_from_slice(&digest[..16]);
    nonce
}
