//! TFTP packets (RFC 1350 §5, RFC 2347).

use record::HeaderField;

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Read { file: String, mode: String, options: Vec<HeaderField> },
    Write,
    Acknowledgement(u16),
    Error { code: u16, message: String },
}

/// Most options that are read of a request.
const OPTIONS: usize = 16;

impl Request {
    /// Reads a datagram; an error is what is wrong with it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let (opcode, rest) = bytes.split_first_chunk::<2>().ok_or("shorter than an opcode")?;
        let number = || rest.first_chunk::<2>().map(|number| u16::from_be_bytes(*number));
        match u16::from_be_bytes(*opcode) {
            1 => {
                let mut texts =
                    rest.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
                let (file, mode) = (texts.next(), texts.next());
                let (Some(file), Some(mode)) = (file, mode) else { return Err("a request without a mode") };
                let mut options = Vec::new();
                while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
                    if options.len() < OPTIONS {
                        options.push(HeaderField { name, value });
                    }
                }
                Ok(Self::Read { file, mode, options })
            }
            2 => Ok(Self::Write),
            4 => number().map(Self::Acknowledgement).ok_or("an acknowledgement without a block"),
            5 => {
                let code = number().ok_or("an error without a code")?;
                let text = rest[2..].split(|byte| *byte == 0).next().unwrap_or_default();
                Ok(Self::Error { code, message: String::from_utf8_lossy(text).into_owned() })
            }
            3 | 6 => Err("a server's packet"),
            _ => Err("an opcode that there is not"),
        }
    }
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

    #[test]
    fn a_request_is_read_with_its_options() {
        let packet = b"\0\x01boot.efi\0octet\0tsize\x000\0blksize\x001468\0";
        let field = |name: &str, value: &str| HeaderField { name: name.into(), value: value.into() };
        let expected = Request::Read {
            file: "boot.efi".into(),
            mode: "octet".into(),
            options: vec![field("tsize", "0"), field("blksize", "1468")],
        };
        assert_eq!(Request::parse(packet), Ok(expected));
        assert_eq!(Request::parse(b"\0\x04\x01\x02"), Ok(Request::Acknowledgement(0x102)));
        let told = Request::Error { code: 8, message: "no".into() };
        assert_eq!(Request::parse(b"\0\x05\0\x08no\0"), Ok(told));
    }

    proptest! {
        #[test]
        fn anything_can_be_sent(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::parse(&bytes);
        }
    }
}
