//! The EFI application that proves a boot, and the proof that it sends.
//!
//! The image that a cell serves carries a nonce of that cell. When a machine executes it, it broadcasts one Ethernet
//! frame with the nonce, with how it was loaded, and with a value computed from both: firmware that only copies bytes of
//! the image about cannot make that frame. Nothing else counts as a boot.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod announcement;
pub mod compile;
pub mod device_path;
pub mod disk;
mod images;
pub mod initramfs;
pub mod pe;
mod siphash;

pub use announcement::{ETHERTYPE, announce};

use announcement::Announcement;
use record::{Event, ImageForm, LoadedFrom};
use std::sync::Arc;

/// For which architecture an image is, if it is ours, whole and undamaged.
pub fn architecture(image: &[u8]) -> Option<&'static str> {
    images::ALL.iter().find(|known| known.read(image).is_some()).map(|known| known.architecture)
}

/// Why there is no payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// No image was built for this architecture.
    #[error("failed to find a payload for architecture `{wanted}`: there are {known}")]
    UnknownArchitecture {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
    /// The image is larger than the size that it should be filled to.
    #[error("failed to fill the payload to {wanted} bytes: it has {size}, ask for more than that")]
    TooSmall {
        /// What was asked for, in bytes.
        wanted: usize,
        /// What the image has, in bytes.
        size: usize,
    },
}

/// The boot image of one cell.
#[derive(Clone, Debug)]
pub struct Payload {
    built: &'static images::Image,
    image: Arc<[u8]>,
    nonce: [u8; 16],
    /// Digest of the content after the image proper; 0 if there is none.
    content: u64,
}

impl Payload {
    /// The image for `architecture` (UEFI's word, for example `x64`) with the cell's `nonce` in it.
    pub fn new(architecture: &str, nonce: [u8; 16]) -> Result<Self, PayloadError> {
        let built = images::ALL.iter().find(|image| image.architecture == architecture).ok_or_else(|| {
            PayloadError::UnknownArchitecture {
                wanted: architecture.into(),
                known: images::ALL.iter().map(|image| image.architecture).collect::<Vec<_>>().join(", "),
            }
        })?;
        Ok(Self { built, image: built.with_nonce(nonce).into(), nonce, content: 0 })
    }

    /// The image with content after it, some `size` bytes in all: rounded up to what PE files are rounded to. The payload looks at
    /// the content, and its proof is genuine only if that has arrived whole; one for a PC BIOS does not look.
    pub fn filled_to(self, size: usize) -> Result<Self, PayloadError> {
        let filled = self.built.filled(self.nonce, size);
        let filled = filled.ok_or(PayloadError::TooSmall { wanted: size, size: self.image.len() })?;
        let content = self.built.read(&filled).map_or(0, |(_, content)| content);
        Ok(Self { image: filled.into(), content, ..self })
    }

    /// The image as `wrap` makes it, signed or packed: the same program.
    ///
    /// # Errors
    /// Those of `wrap`.
    pub fn wrapped<E>(self, wrap: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Self, E> {
        let image = wrap(&self.image)?.into();
        Ok(Self { image, ..self })
    }

    /// What a scenario serves in its place. The proof stays that of the whole image: whoever starts anything else does not make it.
    pub fn in_form(self, form: ImageForm) -> Self {
        let whole = &self.image;
        let image: Arc<[u8]> = match form {
            ImageForm::Whole => return self,
            ImageForm::Truncated => whole[..whole.len() / 2].into(),
            ImageForm::Empty => Arc::default(),
            ImageForm::Random => {
                let mut bytes = Vec::new();
                images::fill(self.nonce, whole.len(), &mut bytes);
                bytes.into()
            }
            ImageForm::Tampered => {
                let mut bytes = whole.to_vec();
                if let Some(stamp) = self.built.time_stamp_at() {
                    bytes[stamp] ^= 1;
                }
                bytes.into()
            }
            ImageForm::OtherArchitecture => {
                let other = match self.built.architecture {
                    "aa64" | "arm" | "riscv64" | "loongarch64" => "x64",
                    _ => "aa64",
                };
                let other = images::ALL.iter().find(|image| image.architecture == other);
                other.map_or_else(|| Arc::clone(whole), |other| other.with_nonce(self.nonce).into())
            }
        };
        Self { image, ..self }
    }

    /// The bytes to serve.
    pub fn image(&self) -> Arc<[u8]> {
        Arc::clone(&self.image)
    }

    /// Reads an announcement in an Ethernet frame (without FCS) from the guest; `None` if the frame is something else.
    ///
    /// The proof is genuine only if the frame carries this payload's nonce and the value computed from it and everything
    /// else that it says. The same announcement may come more than once.
    pub fn read_proof(&self, frame: &[u8]) -> Option<Event> {
        let (genuine, loaded_from, load_options) = match Announcement::read(frame)? {
            Ok(it) => {
                let genuine = it.nonce == self.nonce && it.holds && it.content == self.content;
                (genuine, it.loaded_from(), it.load_options())
            }
            Err(announcement::Malformed) => {
                (false, LoadedFrom { device_path: String::new(), uri: None }, None)
            }
        };
        Some(Event::Proof { genuine, loaded_from, load_options })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_payloads_differ_in_their_nonce_only() {
        let one = Payload::new("x64", [0x11; 16]).unwrap().image();
        let two = Payload::new("x64", [0x22; 16]).unwrap().image();
        let differing: Vec<usize> = (0..one.len()).filter(|&i| one[i] != two[i]).collect();
        assert_eq!(differing.len(), 16);
        assert_eq!(differing[15] - differing[0], 15);
        assert_eq!(differing[0] % 16, 0);
    }

    #[test]
    fn content_changes_the_proof() {
        let plain = Payload::new("x64", [7; 16]).unwrap();
        let size = plain.image().len();
        let filled = plain.clone().filled_to(100_000).unwrap();
        let genuine = |payload: &Payload, image: &[u8]| {
            let frame = announce(image, [2; 6], &[], &[], &[]).unwrap();
            matches!(payload.read_proof(&frame), Some(Event::Proof { genuine: true, .. }))
        };
        assert!(genuine(&filled, &filled.image()));
        assert!(!genuine(&filled, &plain.image()) && !genuine(&plain, &filled.image()));
        let mut damaged = filled.image().to_vec();
        damaged[60_000] ^= 1;
        assert!(!genuine(&filled, &damaged), "damaged content is no proof");
        assert_eq!(
            plain.filled_to(size).unwrap_err().to_string(),
            format!("failed to fill the payload to {size} bytes: it has {size}, ask for more than that")
        );
    }

    #[test]
    fn what_is_served_instead_is_no_program_for_the_same_machine() {
        for image in images::ALL {
            let payload = Payload::new(image.architecture, [7; 16]).unwrap();
            assert_eq!(architecture(&payload.image()), Some(image.architecture));
            for form in ImageForm::ALL {
                let served = payload.clone().in_form(*form).image();
                let is_whole = matches!(form, ImageForm::Whole | ImageForm::Tampered);
                assert_eq!(architecture(&served) == Some(image.architecture), is_whole, "{form}");
            }
            let sizes = ImageForm::ALL.iter().map(|form| payload.clone().in_form(*form).image().len());
            let whole = payload.image().len();
            assert_eq!(sizes.take(4).collect::<Vec<_>>(), [whole, whole / 2, 0, whole]);
        }
    }

    #[test]
    fn an_unknown_architecture_says_what_there_is() {
        assert_eq!(
            Payload::new("vax", [0; 16]).unwrap_err().to_string(),
            "failed to find a payload for architecture `vax`: there are ia32, x64, arm, aa64, riscv64, loongarch64, bios, linux-x64, linux-aa64"
        );
    }
}
