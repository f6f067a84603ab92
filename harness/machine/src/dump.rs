//! Reads what `filter-dump` writes: a classic pcap file in QEMU's byte order, through a pipe.
//!
//! Layout: draft-ietf-opsawg-pcap, a 24-byte file header, then records of 16 bytes and the frame.

/// A frame and when it crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamped {
    /// Microseconds since 1970 on the guest's clock.
    pub unix_micros: u64,
    /// The frame.
    pub frame: Vec<u8>,
}

/// What came through the pipe was not what `filter-dump` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DumpError {
    /// Not the magic number of a little-endian file with microseconds.
    #[error("the magic number is {0:#010x}, not 0xa1b2c3d4")]
    Magic(u32),
    /// A record announces more than [`LONGEST`] bytes.
    #[error("a record announces {0} bytes, more than a frame can have")]
    Length(u32),
}

/// `filter-dump` cuts frames at this length.
pub(crate) const LONGEST: usize = 65536;

/// Decodes the stream piece by piece.
#[derive(Default)]
pub(crate) struct DumpReader {
    /// Received and not yet decoded.
    pub buffer: Vec<u8>,
    taken: usize,
    header_read: bool,
}

impl DumpReader {
    /// The next complete record.
    pub fn next(&mut self) -> Result<Option<Stamped>, DumpError> {
        let rest = &self.buffer[self.taken..];
        if !self.header_read {
            let Some(header) = rest.first_chunk::<24>() else { return Ok(None) };
            let magic = word(header, 0);
            if magic != 0xa1b2_c3d4 {
                return Err(DumpError::Magic(magic));
            }
            self.header_read = true;
            self.taken += header.len();
            return self.next();
        }
        let Some(header) = rest.first_chunk::<16>() else { return Ok(self.wait()) };
        let length = word(header, 8);
        if length as usize > LONGEST {
            return Err(DumpError::Length(length));
        }
        let Some(frame) = rest[16..].get(..length as usize) else { return Ok(self.wait()) };
        let stamped = Stamped {
            unix_micros: u64::from(word(header, 0)) * 1_000_000 + u64::from(word(header, 4)),
            frame: frame.to_vec(),
        };
        self.taken += 16 + frame.len();
        Ok(Some(stamped))
    }

    /// Forgets what was decoded, once for many records.
    fn wait(&mut self) -> Option<Stamped> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        None
    }
}

/// QEMU writes its host's byte order, and the host is ours.
fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Vec<u8> {
        let mut bytes = 0xa1b2_c3d4_u32.to_ne_bytes().to_vec();
        bytes.resize(24, 0);
        bytes
    }

    fn record(seconds: u32, micros: u32, frame: &[u8]) -> Vec<u8> {
        let length = frame.len() as u32;
        let mut bytes: Vec<u8> =
            [seconds, micros, length, length].iter().flat_map(|w| w.to_ne_bytes()).collect();
        bytes.extend_from_slice(frame);
        bytes
    }

    #[test]
    fn the_same_records_whatever_the_pieces() {
        let frames: [&[u8]; 3] = [b"first frame", b"", &[7; 3000]];
        let mut stream = header();
        for (index, frame) in frames.iter().enumerate() {
            stream.extend(record(100, index as u32, frame));
        }
        for piece in [1, 5, 16, 24, 1000, stream.len()] {
            let mut reader = DumpReader::default();
            let mut got = Vec::new();
            for bytes in stream.chunks(piece) {
                reader.buffer.extend_from_slice(bytes);
                while let Some(stamped) = reader.next().unwrap() {
                    got.push(stamped);
                }
            }
            let expected: Vec<_> = frames
                .iter()
                .enumerate()
                .map(|(index, frame)| Stamped {
                    unix_micros: 100_000_000 + index as u64,
                    frame: frame.to_vec(),
                })
                .collect();
            assert_eq!(got, expected, "in pieces of {piece}");
            assert!(reader.buffer.is_empty());
        }
    }

    #[test]
    fn what_is_no_dump_is_refused() {
        let mut reader = DumpReader { buffer: vec![b'#'; 24], ..Default::default() };
        assert_eq!(reader.next(), Err(DumpError::Magic(0x2323_2323)));

        let mut reader = DumpReader { buffer: header(), ..Default::default() };
        reader.buffer.extend([1_u32, 0, 65537, 65537].iter().flat_map(|w| w.to_ne_bytes()));
        assert_eq!(reader.next(), Err(DumpError::Length(65537)));
    }
}
