//! The Ethernet frame that proves a boot; written by `efi/announcement.c`.
//!
//! | bytes | what |
//! |---|---|
//! | 6, 6 | destination: broadcast, so that the image need not know who listens; source: the interface's address |
//! | 2 | EtherType 0x88B5 (IEEE Std 802, local experimental EtherType 1) |
//! | 8 | `PLUGFEST` |
//! | 1 | version of this layout: 3 |
//! | 1 | flags: 1 device path cut short, 2 file path cut short, so that the frame fits 1514 bytes |
//! | 2 | machine field of the image's COFF header |
//! | 16 | nonce |
//! | 8 | SipHash-2-4 under the nonce of the content that follows the image proper, as it was loaded; 0 if there is none |
//! | 2, n | length and bytes of the device path of `EFI_LOADED_IMAGE_PROTOCOL.DeviceHandle`; length 0: none |
//! | 2, n | length and bytes of the device path in `EFI_LOADED_IMAGE_PROTOCOL.FilePath`; length 0: none |
//! | 4 | `EFI_LOADED_IMAGE_PROTOCOL.LoadOptionsSize`; 0: none |
//! | 2, n | length and bytes of the load options, as many as fit, and 512 at most |
//! | 8 | proof: SipHash-2-4 under the nonce of everything from `PLUGFEST` to here |
//! | | zeros up to 60 bytes |
//!
//! Numbers are big-endian; device paths are as UEFI has them.

use crate::{device_path, images, siphash::siphash};
use record::{LoadOptions, LoadedFrom};
use std::fmt::Write as _;

/// EtherType of an announcement.
pub const ETHERTYPE: u16 = 0x88b5;

const MAGIC: &[u8; 8] = b"PLUGFEST";
const VERSION: u8 = 3;
const DEVICE_PATH_TRUNCATED: u8 = 1;
const FILE_PATH_TRUNCATED: u8 = 2;
const HEADER: usize = 14;
const FRAME_MIN: usize = 60;
const FRAME_MAX: usize = 1514;
const PROOF: usize = 8;
/// Most bytes of load options.
const LOAD_OPTIONS_MAX: usize = 512;
/// What stands after the device paths at least.
const AFTER_PATHS: usize = 4 + 2 + PROOF;

/// A frame says that it is an announcement and does not keep to the layout.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A well-formed announcement; what it says is the guest's word.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Announcement<'a> {
    pub nonce: [u8; 16],
    /// Digest of the content.
    pub content: u64,
    flags: u8,
    device_path: &'a [u8],
    file_path: &'a [u8],
    /// What the firmware says that they have.
    load_options_size: u32,
    load_options: &'a [u8],
    /// Whether the proof is the one that belongs to everything else in the frame.
    pub holds: bool,
}

impl<'a> Announcement<'a> {
    /// `None` if the frame is something else.
    pub fn read(frame: &'a [u8]) -> Option<Result<Self, Malformed>> {
        let (header, body) = frame.split_at_checked(HEADER)?;
        let ours = header[12..] == ETHERTYPE.to_be_bytes() && body.starts_with(MAGIC);
        ours.then(|| Self::read_body(body).ok_or(Malformed))
    }

    fn read_body(body: &'a [u8]) -> Option<Self> {
        let mut rest = &body[MAGIC.len()..];
        let [version, flags] = *take::<2>(&mut rest)?;
        if version != VERSION {
            return None;
        }
        let _machine = take::<2>(&mut rest)?;
        let nonce = *take::<16>(&mut rest)?;
        let content = u64::from_be_bytes(*take::<8>(&mut rest)?);
        let device_path = take_counted(&mut rest)?;
        let file_path = take_counted(&mut rest)?;
        let load_options_size = u32::from_be_bytes(*take::<4>(&mut rest)?);
        let load_options = take_counted(&mut rest)?;
        if load_options.len() > LOAD_OPTIONS_MAX {
            return None;
        }
        let proven = &body[..body.len() - rest.len()];
        let proof = u64::from_be_bytes(*take::<PROOF>(&mut rest)?);
        let holds = proof == siphash(nonce, proven);
        Some(Self { nonce, content, flags, device_path, file_path, load_options_size, load_options, holds })
    }

    pub fn load_options(&self) -> Option<LoadOptions> {
        (self.load_options_size > 0).then(|| LoadOptions {
            bytes: self.load_options_size,
            hex: self.load_options.iter().fold(String::new(), |mut hex, byte| {
                // Invariant: writing to a string succeeds.
                let _ = write!(hex, "{byte:02x}");
                hex
            }),
            text: text(self.load_options),
        })
    }

    pub fn loaded_from(&self) -> LoadedFrom {
        let text = |path, truncated| {
            let text = device_path::to_text(path);
            // A node that is cut short has its own ellipsis.
            if self.flags & truncated == 0 || text.ends_with('…') { text } else { text + "…" }
        };
        let device = text(self.device_path, DEVICE_PATH_TRUNCATED);
        let file = text(self.file_path, FILE_PATH_TRUNCATED);
        LoadedFrom {
            device_path: [device, file]
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect::<Vec<_>>()
                .join("/"),
            uri: device_path::uri(self.file_path).or_else(|| device_path::uri(self.device_path)),
        }
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(taken)
}

/// UCS-2 or ASCII of printable characters, without the NUL at its end.
fn text(bytes: &[u8]) -> Option<String> {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let wide = String::from_utf16(&units.collect::<Vec<_>>()).ok().filter(|_| bytes.len().is_multiple_of(2));
    let narrow = || str::from_utf8(bytes).ok().filter(|text| text.is_ascii());
    let printable = |text: &str| {
        let text = text.strip_suffix('\0').unwrap_or(text);
        let is_plain = |c: char| matches!(c, ' '..='~');
        (!text.is_empty() && text.chars().all(is_plain)).then(|| text.to_owned())
    };
    wide.and_then(|text| printable(&text)).or_else(|| narrow().and_then(printable))
}

fn take_counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes(*take::<2>(rest)?);
    let (taken, left) = rest.split_at_checked(length.into())?;
    *rest = left;
    Some(taken)
}

/// The frame that a machine sends when it executes `image`, for guests that are simulated themselves.
///
/// `None` unless `image` is one of our images with any nonce, whole and undamaged. `source` is the MAC address of the
/// guest's interface, the others are what its `EFI_LOADED_IMAGE_PROTOCOL` would say.
pub fn announce(
    image: &[u8],
    source: [u8; 6],
    device_path: &[u8],
    file_path: &[u8],
    load_options: &[u8],
) -> Option<Vec<u8>> {
    let (machine, nonce, content) = images::ALL.iter().find_map(|known| {
        let (nonce, content) = known.read(image)?;
        Some((known.machine(), nonce, content))
    })?;
    let mut frame = [&[0xff; 6][..], &source, &ETHERTYPE.to_be_bytes(), MAGIC, &[VERSION, 0]].concat();
    let flags = frame.len() - 1;
    frame.extend(machine.to_be_bytes());
    frame.extend(nonce);
    frame.extend(content.to_be_bytes());
    // Each path leaves room for the lengths and the proof that follow.
    for (path, after, truncated) in
        [(device_path, 2 + AFTER_PATHS, DEVICE_PATH_TRUNCATED), (file_path, AFTER_PATHS, FILE_PATH_TRUNCATED)]
    {
        let room = FRAME_MAX - after - 2 - frame.len();
        let sent = &path[..path.len().min(room)];
        if sent.len() < path.len() {
            frame[flags] |= truncated;
        }
        extend_counted(&mut frame, sent);
    }
    frame.extend(u32::try_from(load_options.len()).unwrap_or(u32::MAX).to_be_bytes());
    let room = LOAD_OPTIONS_MAX.min(FRAME_MAX - PROOF - 2 - frame.len());
    extend_counted(&mut frame, &load_options[..load_options.len().min(room)]);
    let proof = siphash(nonce, &frame[HEADER..]);
    frame.extend(proof.to_be_bytes());
    frame.resize(frame.len().max(FRAME_MIN), 0);
    Some(frame)
}

fn extend_counted(frame: &mut Vec<u8>, bytes: &[u8]) {
    frame.extend(u16::try_from(bytes.len()).expect("invariant: shorter than a frame").to_be_bytes());
    frame.extend(bytes);
}
