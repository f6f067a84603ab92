//! What a guest's virtio-rng device is given, drawn from the run's seed.
//!
//! QEMU's own generator (`rng-builtin`) answers through a queue that a QEMU that records and does not sleep empties only when it is
//! stopped: a guest that polls the device would wait for a stop, which may never come. A file is read by the main loop at once.

use rustix::fs::{MemfdFlags, memfd_create};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

/// Bytes of entropy: firmware takes some hundreds, a kernel some thousands.
const SIZE: usize = 256 << 10;

/// A file without a name, closed on exec; a process that opens `/dev/fd/N` reads it from its beginning.
pub(crate) fn file(seed: u64) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("entropy", MemfdFlags::CLOEXEC)?);
    file.write_all(&drawn(seed))?;
    Ok(file.into())
}

/// SHA-256 in counter mode.
fn drawn(seed: u64) -> Vec<u8> {
    let block = |counter: u64| {
        Sha256::new().chain_update(seed.to_le_bytes()).chain_update(counter.to_le_bytes()).finalize()
    };
    (0..).flat_map(block).take(SIZE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_differ_and_are_what_they_were() {
        assert_eq!(drawn(1).len(), SIZE);
        assert!(drawn(1) == drawn(1));
        assert_ne!(drawn(1)[..32], drawn(2)[..32]);
        assert_ne!(drawn(1)[..32], drawn(1)[32..64]);
    }
}
