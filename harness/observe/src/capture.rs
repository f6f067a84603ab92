//! pcap and pcapng files as frames.

use pcap_file::DataLink;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::{Block, PcapNgReader};
use record::GuestTime;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of a file that are read, and frames.
const LARGEST: u64 = 1 << 30;
const MOST: usize = 2_000_000;

/// A frame of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its packet number, as Wireshark shows it.
    pub number: u64,
    /// Since the first frame.
    pub at: GuestTime,
    /// Ethernet frame without FCS, perhaps cut off.
    pub bytes: Vec<u8>,
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    /// The frames, in order.
    pub frames: Vec<Frame>,
    /// What is wrong with the file, if its end could not be read.
    pub damaged: Option<String>,
    /// When the first frame was captured, seconds since 1970.
    pub began_unix: u64,
}

/// Why a file cannot be used. Each text finishes the sentence "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file system said no.
    #[error("read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It is neither pcap nor pcapng.
    #[error("read {} as a capture: {why}; give a pcap or pcapng file", path.display())]
    NotCapture {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        why: String,
    },
    /// Its frames are not Ethernet.
    #[error(
        "read {}: its link type is {found}, and only Ethernet is understood; capture on one interface instead of `any`",
        path.display()
    )]
    Link {
        /// The file.
        path: PathBuf,
        /// The link type.
        found: String,
    },
    /// There is nothing in it.
    #[error("explain {}: it holds no frame", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a pcap or pcapng file.
///
/// # Errors
/// Every [`CaptureError`]. A file that is cut off in the middle is none of them.
pub fn read(path: &Path) -> Result<Capture, CaptureError> {
    let io = |source| CaptureError::Io { path: path.to_owned(), source };
    let mut head = [0; 4];
    let got = File::open(path).and_then(|file| file.take(4).read(&mut head)).map_err(io)?;
    let file = BufReader::new(File::open(path).map_err(io)?.take(LARGEST));
    // RFC draft pcapng: a section header block begins with the same four bytes in either byte order.
    let is_ng = got == 4 && head == [0x0a, 0x0d, 0x0d, 0x0a];
    let capture = if is_ng { pcapng(path, file) } else { pcap(path, file) }?;
    if capture.frames.is_empty() {
        return Err(match capture.damaged {
            Some(why) => CaptureError::NotCapture { path: path.to_owned(), why },
            None => CaptureError::Empty { path: path.to_owned() },
        });
    }
    Ok(capture)
}

impl Capture {
    fn add(&mut self, number: u64, at: Duration, first: &mut Option<Duration>, bytes: &[u8]) {
        let began = *first.get_or_insert(at);
        self.began_unix = began.as_secs();
        let at = GuestTime::ZERO + at.saturating_sub(began);
        self.frames.push(Frame { number, at, bytes: bytes.to_vec() });
    }
}

fn is_ethernet(path: &Path, link: DataLink) -> Result<(), CaptureError> {
    match link {
        DataLink::ETHERNET => Ok(()),
        other => Err(CaptureError::Link { path: path.to_owned(), found: format!("{other:?}") }),
    }
}

fn pcap(path: &Path, file: impl Read) -> Result<Capture, CaptureError> {
    let not_capture = |why: &dyn std::fmt::Display| CaptureError::NotCapture {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let mut reader = PcapReader::new(file).map_err(|error| not_capture(&error))?;
    is_ethernet(path, reader.header().datalink)?;
    let (mut capture, mut first, mut number) = (Capture::default(), None, 0);
    while let Some(packet) = reader.next_packet() {
        match packet {
            Ok(packet) if capture.frames.len() < MOST => {
                number += 1;
                capture.add(number, packet.timestamp(), &mut first, packet.data());
            }
            Ok(_) => break,
            Err(error) => {
                capture.damaged = Some(error.to_string());
                break;
            }
        }
    }
    Ok(capture)
}

fn pcapng(path: &Path, file: impl Read) -> Result<Capture, CaptureError> {
    let not_capture = |why: &dyn std::fmt::Display| CaptureError::NotCapture {
        path: path.to_owned(),
        why: why.to_string(),
    };
    let mut reader = PcapNgReader::new(file).map_err(|error| not_capture(&error))?;
    let (mut capture, mut first, mut number) = (Capture::default(), None, 0);
    let mut last = Duration::ZERO;
    while let Some(block) = reader.next_block() {
        let (at, data) = match block {
            Ok((Block::InterfaceDescription(interface), _)) => {
                is_ethernet(path, interface.linktype)?;
                continue;
            }
            Ok((Block::EnhancedPacket(packet), _)) => (packet.timestamp, packet.data.into_owned()),
            Ok((Block::SimplePacket(packet), _)) => (last, packet.data.into_owned()),
            Ok(_) => continue,
            Err(error) => {
                capture.damaged = Some(error.to_string());
                break;
            }
        };
        last = at;
        number += 1;
        capture.add(number, at, &mut first, &data);
        if capture.frames.len() >= MOST {
            break;
        }
    }
    Ok(capture)
}
