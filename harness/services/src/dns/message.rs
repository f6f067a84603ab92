//! DNS messages (RFC 1035 §4): reading a query, writing names and records.

/// Record types (RFC 1035 §3.2.2, RFC 3596 §2.1, RFC 4034 §3, RFC 9460 §14.1).
pub(super) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const RRSIG: u16 = 46;
    pub(crate) const HTTPS: u16 = 65;
    pub(crate) const PRIVATE: u16 = 65_280;
    pub(crate) const ANY: u16 = 255;
}
/// The Internet (RFC 1035 §3.2.4).
pub(super) const IN: u16 = 1;

/// The bit that makes a message a response, and the bits of the opcode (RFC 1035 §4.1.1).
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;

/// A query with one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) id: u16,
    /// The flags as received.
    pub(super) flags: u16,
    /// The name, without the root's dot; bytes of labels that are no printable ASCII are escaped (RFC 1035 §5.1).
    pub(super) name: String,
    pub(super) kind: u16,
    pub(super) class: u16,
    /// The question section as received.
    pub(super) question: Vec<u8>,
}

/// Why bytes are not a query with one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("{0} bytes, fewer than the header (RFC 1035 §4.1.1)")]
    Short(usize),
    #[error("a response")]
    Response,
    #[error("opcode {0}, not a standard query (0)")]
    Opcode(u16),
    #[error("{0} questions; expected 1")]
    Questions(u16),
    #[error("the question's name is malformed (RFC 1035 §4.1.2)")]
    Name,
}

impl Query {
    /// Reads a query. What follows the question is not looked at (EDNS, for example).
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, QueryError> {
        let (header, rest) = bytes.split_first_chunk::<12>().ok_or(QueryError::Short(bytes.len()))?;
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (id, flags, questions) = (word(0), word(2), word(4));
        if flags & RESPONSE != 0 {
            return Err(QueryError::Response);
        }
        if flags & OPCODE != 0 {
            return Err(QueryError::Opcode((flags & OPCODE) >> 11));
        }
        if questions != 1 {
            return Err(QueryError::Questions(questions));
        }
        let (name, length) = read_name(rest).ok_or(QueryError::Name)?;
        let end = length + 4;
        let question = rest.get(..end).ok_or(QueryError::Name)?.to_vec();
        let [a, b, c, d] =
            [question[length], question[length + 1], question[length + 2], question[length + 3]];
        Ok(Self {
            id,
            flags,
            name,
            kind: u16::from_be_bytes([a, b]),
            class: u16::from_be_bytes([c, d]),
            question,
        })
    }
}

/// The name at the start of `bytes`, which a question never compresses, and its length.
fn read_name(bytes: &[u8]) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = 0;
    loop {
        let length = usize::from(*bytes.get(at)?);
        if length == 0 {
            return Some((name, at + 1));
        }
        if length > 63 || at + length + 2 > 255 {
            return None;
        }
        if !name.is_empty() {
            name.push('.');
        }
        for byte in bytes.get(at + 1..=at + length)? {
            match byte {
                b'.' | b'\\' => name.extend(['\\', char::from(*byte)]),
                b'!'..=b'~' => name.push(char::from(*byte)),
                _ => name.push_str(&format!("\\{byte:03}")),
            }
        }
        at += length + 1;
    }
}

/// Says what is wrong with a name that is to be written (RFC 1035 §2.3.4).
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("an empty name".into());
    }
    if !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "{name:?} has other bytes than printable ASCII; write IDNs as they are on the wire"
        ));
    }
    for label in name.split('.') {
        if !(1..=63).contains(&label.len()) {
            return Err(format!("{name} has a label of {} bytes; expected 1 to 63", label.len()));
        }
    }
    if name.len() > 253 {
        return Err(format!("{} bytes; a name takes at most 253", name.len()));
    }
    Ok(())
}

/// A checked name in full (RFC 1035 §3.1).
pub(crate) fn written_out(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        bytes.push(u8::try_from(label.len()).unwrap_or(63));
        bytes.extend(label.as_bytes().iter().take(63));
    }
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(query) = Query::parse(&bytes) {
                prop_assert!(bytes[12..].starts_with(&query.question));
            }
        }

        #[test]
        fn names_are_read_as_they_are_written(name in "[a-z0-9_-]{1,63}(\\.[a-z0-9-]{1,20}){0,5}") {
            prop_assert_eq!(check_name(&name), Ok(()));
            let bytes = written_out(&name);
            prop_assert_eq!(read_name(&bytes), Some((name, bytes.len())));
        }
    }

    #[test]
    fn names_that_cannot_be_written_are_refused() {
        let long = "a".repeat(64);
        let longer = vec!["a".repeat(63); 4].join(".");
        for name in ["", ".", "a..b", "a.", "b\u{fc}cher.example", "a b", &long, &longer] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
