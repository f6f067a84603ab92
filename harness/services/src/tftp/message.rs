//! TFTP packets (RFC 1350 §5, RFC 2347).

use record::HeaderField;

/// A packet of either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// RRQ.
    Read {
        /// The file's name, as sent.
        file: String,
        /// `octet`, or whatever it says.
        mode: String,
        /// Options in order, 16 at most.
        options: Vec<HeaderField>,
    },
    /// WRQ.
    Write,
    /// DATA: the block's number. Its content is everything behind the first four bytes.
    Data(u16),
    /// ACK: the block's number.
    Acknowledgement(u16),
    /// ERROR.
    Error {
        /// One of RFC 1350 §5.
        code: u16,
        /// Its text.
        message: String,
    },
    /// OACK: options in order, 16 at most.
    Options(Vec<HeaderField>),
}

/// Most options that are read of a packet.
const OPTIONS: usize = 16;

impl Packet {
    /// Reads a datagram.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let (opcode, rest) = bytes.split_first_chunk::<2>().ok_or("shorter than an opcode")?;
        let number = || rest.first_chunk::<2>().map(|number| u16::from_be_bytes(*number));
        let mut texts = rest.split(|byte| *byte == 0).map(shown);
        match u16::from_be_bytes(*opcode) {
            1 => {
                let (file, mode) = (texts.next(), texts.next());
                let (Some(file), Some(mode)) = (file, mode) else { return Err("a request without a mode") };
                Ok(Self::Read { file, mode, options: listed(texts) })
            }
            2 => Ok(Self::Write),
            3 => number().map(Self::Data).ok_or("data without a block"),
            4 => number().map(Self::Acknowledgement).ok_or("an acknowledgement without a block"),
            5 => {
                let code = number().ok_or("an error without a code")?;
                let text = rest[2..].split(|byte| *byte == 0).next().unwrap_or_default();
                Ok(Self::Error { code, message: shown(text) })
            }
            6 => Ok(Self::Options(listed(texts))),
            _ => Err("an opcode that there is not"),
        }
    }
}

fn listed(mut texts: impl Iterator<Item = String>) -> Vec<HeaderField> {
    let pairs = std::iter::from_fn(|| Some(HeaderField { name: texts.next()?, value: texts.next()? }));
    pairs.take(OPTIONS).collect()
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

pub(super) fn data(block: u16, content: &[u8]) -> Vec<u8> {
    [&[0, 3], &block.to_be_bytes()[..], content].concat()
}

pub(super) fn error(code: u16, message: &str) -> Vec<u8> {
    [&[0, 5], &code.to_be_bytes()[..], message.as_bytes(), &[0]].concat()
}

pub(super) fn options(options: &[HeaderField]) -> Vec<u8> {
    let mut packet = vec![0, 6];
    for HeaderField { name, value } in options {
        for text in [name, value] {
            packet.extend(text.as_bytes());
            packet.push(0);
        }
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field(name: &str, value: &str) -> HeaderField {
        HeaderField { name: name.into(), value: value.into() }
    }

    #[test]
    fn a_request_is_read_with_its_options() {
        let packet = b"\0\x01boot.efi\0octet\0tsize\x000\0blksize\x001468\0";
        let expected = Packet::Read {
            file: "boot.efi".into(),
            mode: "octet".into(),
            options: vec![field("tsize", "0"), field("blksize", "1468")],
        };
        assert_eq!(Packet::parse(packet), Ok(expected));
        assert_eq!(Packet::parse(b"\0\x04\x01\x02"), Ok(Packet::Acknowledgement(0x102)));
        let told = Packet::Error { code: 8, message: "no".into() };
        assert_eq!(Packet::parse(b"\0\x05\0\x08no\0"), Ok(told));
        assert!(Packet::parse(b"\0\x07").is_err());
    }

    #[test]
    fn what_the_server_writes_is_read_again() {
        assert_eq!(Packet::parse(&data(7, b"content")), Ok(Packet::Data(7)));
        let told = Packet::Error { code: 1, message: "File not found".into() };
        assert_eq!(Packet::parse(&error(1, "File not found")), Ok(told));
        let taken = vec![field("tsize", "700"), field("blksize", "1432")];
        assert_eq!(Packet::parse(&options(&taken)), Ok(Packet::Options(taken)));
    }

    proptest! {
        #[test]
        fn anything_can_be_sent(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Packet::parse(&bytes);
        }
    }
}
