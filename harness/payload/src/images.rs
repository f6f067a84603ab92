//! The committed images, one per architecture.

/// An image as `cargo xtask payload` built it, with an empty nonce slot.
pub(crate) struct Image {
    /// In the words of UEFI's removable-media file names.
    pub architecture: &'static str,
    pub bytes: &'static [u8],
}

pub(crate) const ALL: &[Image] =
    &[Image { architecture: "x64", bytes: include_bytes!("../images/payload-x64.efi") }];

/// What precedes the nonce in an image; `slot` in `efi/announcement.c`.
const MARKER: &[u8; 16] = b"plugfest nonce:\0";

impl Image {
    fn nonce_at(&self) -> usize {
        let marker = self.bytes.windows(MARKER.len()).position(|bytes| bytes == MARKER);
        marker.expect("invariant: every committed image has a nonce slot") + MARKER.len()
    }

    /// A copy with its nonce slot filled.
    pub fn with_nonce(&self, nonce: [u8; 16]) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        let at = self.nonce_at();
        bytes[at..at + nonce.len()].copy_from_slice(&nonce);
        bytes
    }

    /// The machine field of its COFF header.
    pub fn machine(&self) -> u16 {
        let word = |at: usize| u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]);
        // PE format: `e_lfanew` at 0x3c; the file header begins after the signature.
        word(usize::from(word(0x3c)) + 4)
    }

    /// The nonce in `served`, if that is this image, whole and undamaged, whatever follows its end.
    pub fn nonce_in(&self, served: &[u8]) -> Option<[u8; 16]> {
        let at = self.nonce_at();
        let nonce = served.get(at..at + 16)?.try_into().ok()?;
        served.starts_with(&self.with_nonce(nonce)).then_some(nonce)
    }
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
            assert_eq!(image.bytes[image.nonce_at()..][..16], [0; 16], "{}", image.architecture);
            assert_eq!(&image.bytes[..2], b"MZ");
            assert!(image.bytes.len() <= 8192, "{}", image.bytes.len());
        }
        assert_eq!(ALL[0].machine(), 0x8664);
    }

    #[test]
    fn a_damaged_or_cut_image_is_not_ours() {
        let image = &ALL[0];
        let served = image.with_nonce([9; 16]);
        assert_eq!(image.nonce_in(&served), Some([9; 16]));
        assert_eq!(image.nonce_in(&[&served[..], &[0; 99]].concat()), Some([9; 16]));
        assert_eq!(image.nonce_in(&served[..served.len() - 1]), None);
        let mut damaged = served;
        damaged[0x400] ^= 1;
        assert_eq!(image.nonce_in(&damaged), None);
    }
}
