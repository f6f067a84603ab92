//! `capture.pcapng`: every frame, in guest time. The only place that knows the pcapng crate.
//!
//! The file is one section: SHB (cell and firmware as comments, plugfest as application), one IDB (the guest's network
//! card, microseconds), then one EPB per frame. Secrets of TLS connections stand between the IDB and the packets, in a
//! Decryption Secrets Block: a reader applies them to what follows, and they are known only after the packets that need
//! them, so they are put there when the file is finished.

use crate::{CellMeta, EvidenceError};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::blocks::unknown::UnknownBlock;
use pcap_file::{DataLink, Endianness};
use record::{Direction, GuestTime};
use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest frame that is kept whole; a longer one is cut, and its true length kept.
const SNAPLEN: usize = 65_536;
/// A comment longer than this is cut: an option's length field has 16 bits.
const COMMENT_MAX: usize = 4096;
/// Bytes collected before they are written while bulk data passes.
const BATCH: usize = 64 * 1024;
/// Block type of a Decryption Secrets Block, and the type of secrets that are lines of a TLS key log ("TLSK").
const DECRYPTION_SECRETS: u32 = 0x0a;
const TLS_KEY_LOG: u32 = 0x544c_534b;

/// A capture being written.
///
/// Blocks are encoded in memory and only whole blocks go to the file, so that the file can be read to its end
/// whenever the process stops.
pub(crate) struct Capture {
    encoder: PcapNgWriter<Vec<u8>>,
    file: File,
    path: PathBuf,
    rtc_base: Duration,
    /// Bytes before the first packet.
    head: u64,
    packets: u64,
    bytes: u64,
}

impl Capture {
    /// Starts the file with its head.
    pub(crate) fn create(path: &Path, meta: &CellMeta) -> Result<Self, EvidenceError> {
        let file = File::create(path).map_err(|reason| EvidenceError::write(path, reason))?;
        let encoder = head(meta).map_err(|reason| EvidenceError::encode(path, &reason))?;
        let rtc_base = Duration::from_secs(meta.rtc_base_unix);
        let head = encoder.get_ref().len() as u64;
        let mut capture = Self { encoder, file, path: path.into(), rtc_base, head, packets: 0, bytes: 0 };
        capture.flush()?;
        Ok(capture)
    }

    /// Adds a frame and returns its packet number, from 1.
    pub(crate) fn frame(
        &mut self,
        at: GuestTime,
        direction: Direction,
        bytes: &[u8],
    ) -> Result<u64, EvidenceError> {
        // Directions are those of the guest's card: epb_flags bits 0 and 1 are 1 for inbound, 2 for outbound.
        let flags = match direction {
            Direction::ToGuest => 1,
            Direction::FromGuest => 2,
        };
        let block = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: self.rtc_base + at.since(GuestTime::ZERO),
            original_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            data: Cow::Borrowed(&bytes[..bytes.len().min(SNAPLEN)]),
            options: vec![EnhancedPacketOption::Flags(flags)],
        };
        let written = self
            .encoder
            .write_pcapng_block(block)
            .map_err(|reason| EvidenceError::encode(&self.path, &reason))?;
        self.packets += 1;
        self.bytes += written as u64;
        if self.encoder.get_ref().len() >= BATCH {
            self.flush()?;
        }
        Ok(self.packets)
    }

    /// Frames so far.
    pub(crate) fn packets(&self) -> u64 {
        self.packets
    }

    /// Bytes of packet blocks so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts the lines of a TLS key log before the packets. The file is replaced in one go.
    pub(crate) fn embed(&mut self, secrets: &str) -> Result<(), EvidenceError> {
        let length = u32::try_from(secrets.len()).unwrap_or(u32::MAX);
        let mut value = [TLS_KEY_LOG.to_le_bytes(), length.to_le_bytes()].concat();
        value.extend(secrets.as_bytes());
        value.resize(value.len().next_multiple_of(4), 0);
        self.flush()?;
        let block = UnknownBlock::new(DECRYPTION_SECRETS, 0, &value);
        self.encoder
            .write_pcapng_block(block)
            .map_err(|reason| EvidenceError::encode(&self.path, &reason))?;
        let block = std::mem::take(self.encoder.get_mut());

        let mut beside = self.path.clone().into_os_string();
        beside.push(".part");
        let beside = PathBuf::from(beside);
        let copied = (|| {
            let mut packets = File::open(&self.path)?;
            let mut file = File::create(&beside)?;
            io::copy(&mut io::Read::take(&packets, self.head), &mut file)?;
            file.write_all(&block)?;
            packets.seek(SeekFrom::Start(self.head))?;
            io::copy(&mut packets, &mut file)?;
            fs::rename(&beside, &self.path)?;
            Ok(file)
        })();
        self.file = copied.map_err(|reason| EvidenceError::write(&self.path, reason))?;
        Ok(())
    }

    /// Hands everything so far to the file system.
    pub(crate) fn flush(&mut self) -> Result<(), EvidenceError> {
        let pending = self.encoder.get_mut();
        if !pending.is_empty() {
            self.file.write_all(pending).map_err(|reason| EvidenceError::write(&self.path, reason))?;
            pending.clear();
        }
        Ok(())
    }
}

impl Drop for Capture {
    /// For a cell that ends in an error: what it saw may explain the error. The error itself says enough about a full disk.
    fn drop(&mut self) {
        let _ = self.flush();
    }
}

/// SHB and IDB.
fn head(meta: &CellMeta) -> Result<PcapNgWriter<Vec<u8>>, pcap_file::pcapng::PcapNgWriteError> {
    let comment = |name: &str, text: &str| {
        let text: String = format!("{name}: {text}").chars().take(COMMENT_MAX / 4).collect();
        SectionHeaderOption::Common(CommonOption::Comment(Cow::Owned(text)))
    };
    let section = SectionHeaderBlock {
        // One byte order everywhere, so that captures of equal cells are equal files.
        endianness: Endianness::Little,
        options: vec![
            comment("cell", &meta.cell),
            comment("firmware", &meta.firmware),
            comment("title", &meta.title),
            SectionHeaderOption::UserApplication(concat!("plugfest ", env!("CARGO_PKG_VERSION")).into()),
        ],
        ..SectionHeaderBlock::default()
    };
    let interface = InterfaceDescriptionBlock {
        linktype: DataLink::ETHERNET,
        snaplen: SNAPLEN as u32,
        options: vec![
            InterfaceDescriptionOption::IfName("guest".into()),
            InterfaceDescriptionOption::IfDescription(
                "the guest's network card; timestamps are the guest's clock".into(),
            ),
            InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::MICRO),
        ],
    };
    let mut encoder = PcapNgWriter::with_section_header(Vec::new(), section)?;
    encoder.write_pcapng_block(interface)?;
    Ok(encoder)
}
