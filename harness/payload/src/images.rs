//! The committed images, one per architecture, and what is put behind them.

use crate::pe::{Added, READABLE, Section};
use crate::siphash::siphash;

/// An image as `cargo xtask payload` built it, with an empty slot.
#[derive(Debug)]
pub(crate) struct Image {
    /// In the words of UEFI's removable-media file names; with `linux-` before it, the first process of Linux.
    pub architecture: &'static str,
    pub bytes: &'static [u8],
}

pub(crate) const ALL: &[Image] = &[
    Image { architecture: "ia32", bytes: include_bytes!("../images/payload-ia32.efi") },
    Image { architecture: "x64", bytes: include_bytes!("../images/payload-x64.efi") },
    Image { architecture: "arm", bytes: include_bytes!("../images/payload-arm.efi") },
    Image { architecture: "aa64", bytes: include_bytes!("../images/payload-aa64.efi") },
    Image { architecture: "riscv64", bytes: include_bytes!("../images/payload-riscv64.efi") },
    Image { architecture: "loongarch64", bytes: include_bytes!("../images/payload-loongarch64.efi") },
    Image { architecture: "bios", bytes: include_bytes!("../images/payload-bios.0") },
    Image { architecture: "linux-x64", bytes: include_bytes!("../images/payload-linux-x64.elf") },
    Image { architecture: "linux-aa64", bytes: include_bytes!("../images/payload-linux-aa64.elf") },
];

/// What precedes the nonce in an image; `slot` in `efi/announcement.c`. After the nonce come where the content is, and how long.
const MARKER: &[u8; 16] = b"plugfest nonce:\0";
const NONCE: usize = 16;
/// Alignment that the linker uses in the file.
const SECTOR: usize = 0x200;
/// Bytes before the optional header (PE format).
const SIGNATURE_AND_FILE_HEADER: usize = 24;

impl Image {
    fn nonce_at(&self) -> usize {
        let marker = self.bytes.windows(MARKER.len()).position(|bytes| bytes == MARKER);
        marker.expect("invariant: every committed image has a nonce slot") + MARKER.len()
    }

    /// A copy with its nonce slot filled.
    pub fn with_nonce(&self, nonce: [u8; 16]) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        let at = self.nonce_at();
        bytes[at..at + NONCE].copy_from_slice(&nonce);
        bytes
    }

    /// Whether it is a PE image, so that another section can be added to it.
    fn is_pe(&self) -> bool {
        self.bytes.starts_with(b"MZ")
    }

    /// A copy of `size` bytes, with a section more: its content follows from the nonce, is loaded with the image, and is looked at
    /// by it. `None` if there is no room for any.
    pub fn filled(&self, nonce: [u8; 16], size: usize) -> Option<Vec<u8>> {
        let begin = self.bytes.len().next_multiple_of(SECTOR);
        if !self.is_pe() {
            // What follows a network bootstrap program is loaded with it; it does not look at that.
            let length = size.checked_sub(self.bytes.len()).filter(|length| *length > 0)?;
            let mut bytes = self.with_nonce(nonce);
            fill(nonce, length, &mut bytes);
            return Some(bytes);
        }
        let length = size.checked_sub(begin).filter(|length| *length > 0)?;
        let mut bytes = self.before_content(nonce, length)?;
        // A file that ends within its last sector is no file for a strict loader.
        let end = begin + length.next_multiple_of(SECTOR);
        bytes.reserve_exact(end - begin);
        fill(nonce, length, &mut bytes);
        bytes.resize(end, 0);
        Some(bytes)
    }

    /// What such a copy has before `length` bytes of content.
    fn before_content(&self, nonce: [u8; 16], length: usize) -> Option<Vec<u8>> {
        let mut bytes = self.with_nonce(nonce);
        let section = Section { name: *b".content", length, in_memory: length, kind: READABLE };
        let Added { address, .. } = section.add_header(&mut bytes).ok()?;
        let slot = self.nonce_at() + NONCE;
        for (at, value) in [(slot, address), (slot + 4, length)] {
            bytes[at..at + 4].copy_from_slice(&u32::try_from(value).ok()?.to_le_bytes());
        }
        Some(bytes)
    }

    /// Where its COFF header has TimeDateStamp, which nothing depends on; `None` if it has none.
    pub fn time_stamp_at(&self) -> Option<usize> {
        self.is_pe().then(|| dword(self.bytes, 0x3c) + 8)
    }

    /// Copies to `ours` the fields that signing, and damage to a signed image, changes without making it another program: time stamp, check sum,
    /// and where signatures are.
    fn take_what_signers_change(&self, served: &[u8], ours: &mut [u8]) {
        let Some(stamp) = self.time_stamp_at() else { return };
        let optional = stamp - 8 + SIGNATURE_AND_FILE_HEADER;
        let directory = optional + if word(self.bytes, optional) == 0x10b { 96 } else { 112 };
        for field in [stamp..stamp + 4, optional + 64..optional + 68, directory + 32..directory + 40] {
            if let Some(bytes) = served.get(field.clone()) {
                ours[field].copy_from_slice(bytes);
            }
        }
    }

    /// The machine field of its COFF header; 0 if it has none.
    pub fn machine(&self) -> u16 {
        if !self.is_pe() {
            return 0;
        }
        u16::try_from(word(self.bytes, dword(self.bytes, 0x3c) + 4)).unwrap_or_default()
    }

    /// The nonce in `served` and the digest of its content, if that is this image, whole and undamaged, whatever follows its end.
    pub fn read(&self, served: &[u8]) -> Option<([u8; 16], u64)> {
        let at = self.nonce_at();
        let nonce = served.get(at..at + NONCE)?.try_into().ok()?;
        let length = dword(served.get(at + NONCE..at + NONCE + 8)?, 4);
        let is_same = |mut ours: Vec<u8>| {
            self.take_what_signers_change(served, &mut ours);
            served.starts_with(&ours)
        };
        if length == 0 {
            return is_same(self.with_nonce(nonce)).then_some((nonce, 0));
        }
        if !self.is_pe() {
            return None;
        }
        let begin = self.bytes.len().next_multiple_of(SECTOR);
        let content = served.get(begin..begin.checked_add(length)?)?;
        is_same(self.before_content(nonce, length)?).then(|| (nonce, siphash(nonce, content)))
    }
}

/// Appends `length` bytes that no copy of a part of them can be taken for: SplitMix64 of the place.
pub(crate) fn fill(nonce: [u8; 16], length: usize, out: &mut Vec<u8>) {
    let end = out.len() + length;
    let mut place = siphash(nonce, b"content");
    while out.len() < end {
        place = place.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = place;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bytes = (word ^ (word >> 31)).to_le_bytes();
        out.extend(&bytes[..bytes.len().min(end - out.len())]);
    }
}

/// Little-endian numbers; an image is ours, or has been compared with one before.
fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn dword(bytes: &[u8], at: usize) -> usize {
    word(bytes, at) | word(bytes, at + 2) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_has_one_empty_aligned_slot_and_is_a_pe_of_a_few_kibibytes() {
        for image in ALL {
            let markers = image.bytes.windows(MARKER.len()).filter(|bytes| bytes == MARKER).count();
            assert_eq!(markers, 1, "{}", image.architecture);
            assert_eq!(image.nonce_at() % 16, 0, "{}", image.architecture);
            assert_eq!(image.bytes[image.nonce_at()..][..24], [0; 24], "{}", image.architecture);
            assert_eq!(
                image.is_pe(),
                image.architecture != "bios" && !image.architecture.starts_with("linux-")
            );
            assert!(image.bytes.len() <= 8192, "{}", image.bytes.len());
        }
        let machines = ALL.iter().map(|image| (image.architecture, image.machine()));
        assert_eq!(
            machines.collect::<Vec<_>>(),
            [
                ("ia32", 0x14c),
                ("x64", 0x8664),
                ("arm", 0x1c2),
                ("aa64", 0xaa64),
                ("riscv64", 0x5064),
                ("loongarch64", 0x6264),
                ("bios", 0),
                ("linux-x64", 0),
                ("linux-aa64", 0)
            ]
        );
    }

    #[test]
    fn a_damaged_or_cut_image_is_not_ours() {
        for image in ALL {
            is_told(image);
        }
    }

    fn is_told(image: &Image) {
        let served = image.with_nonce([9; 16]);
        assert_eq!(image.read(&served), Some(([9; 16], 0)));
        assert_eq!(image.read(&[&served[..], &[0; 99]].concat()), Some(([9; 16], 0)));
        assert_eq!(image.read(&served[..served.len() - 1]), None);
        let mut damaged = served;
        damaged[0x400] ^= 1;
        assert_eq!(image.read(&damaged), None);
    }

    #[test]
    fn content_counts_and_its_damage_is_seen() {
        let image = &ALL[0];
        let mut served = image.filled([9; 16], 20_000).unwrap();
        assert_eq!(served.len(), 20_000_usize.next_multiple_of(SECTOR));
        let (nonce, digest) = image.read(&served).unwrap();
        assert_eq!(nonce, [9; 16]);
        let other = image.filled([8; 16], 20_000).unwrap();
        assert_ne!(served[10_000..10_100], other[10_000..10_100]);
        served[15_000] ^= 1;
        assert_ne!(image.read(&served), Some((nonce, digest)));
        assert!(image.read(&served).is_some(), "it runs, and tells");
        served[0x300] ^= 1;
        assert_eq!(image.read(&served), None, "it is another program");
        assert_eq!(image.filled([9; 16], image.bytes.len()), None);
    }
}
