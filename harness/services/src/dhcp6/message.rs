//! DHCPv6 messages (RFC 8415 §8) and their options (RFC 8415 §21), in order and with duplicates as on the wire.

use std::net::Ipv6Addr;

/// Option codes of RFC 8415 §24, RFC 3646 and RFC 5970, by the names used there.
pub(crate) mod option {
    pub(crate) const CLIENT_ID: u16 = 1;
    pub(crate) const SERVER_ID: u16 = 2;
    pub(crate) const IA_NA: u16 = 3;
    pub(crate) const IA_TA: u16 = 4;
    pub(crate) const IA_ADDRESS: u16 = 5;
    pub(crate) const ORO: u16 = 6;
    pub(crate) const PREFERENCE: u16 = 7;
    pub(crate) const RELAY_MESSAGE: u16 = 9;
    pub(crate) const UNICAST: u16 = 12;
    pub(crate) const STATUS_CODE: u16 = 13;
    pub(crate) const RAPID_COMMIT: u16 = 14;
    pub(crate) const VENDOR_CLASS: u16 = 16;
    pub(crate) const VENDOR_OPTIONS: u16 = 17;
    pub(crate) const INTERFACE_ID: u16 = 18;
    pub(crate) const DNS_SERVERS: u16 = 23;
    pub(crate) const DOMAIN_LIST: u16 = 24;
    pub(crate) const IA_PD: u16 = 25;
    pub(crate) const BOOTFILE_URL: u16 = 59;
    pub(crate) const BOOTFILE_PARAM: u16 = 60;
    pub(crate) const CLIENT_ARCH_TYPE: u16 = 61;
    pub(crate) const NETWORK_INTERFACE: u16 = 62;
}

/// Message types of RFC 8415 §7.3.
pub(crate) mod kind {
    pub(crate) const ADVERTISE: u8 = 2;
    pub(crate) const REPLY: u8 = 7;
    pub(crate) const RELAY_FORWARD: u8 = 12;
    pub(crate) const RELAY_REPLY: u8 = 13;
}

/// Status codes of RFC 8415 §21.13.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success = 0,
    UnspecFail = 1,
    NoAddrsAvail = 2,
    NoBinding = 3,
    NotOnLink = 4,
    UseMulticast = 5,
    NoPrefixAvail = 6,
}

impl Status {
    /// The option that says so.
    pub(crate) fn option(self) -> Vec<u8> {
        let text = format!("{self:?}");
        option_bytes(option::STATUS_CODE, &[&(self as u16).to_be_bytes(), text.as_bytes()].concat())
    }
}

/// A DHCPv6 message between client and server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) xid: u32,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

/// Why bytes are not such a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("{0} bytes, fewer than the type and the transaction id (RFC 8415 §8)")]
    Short(usize),
    #[error("the options run past the end of the message (RFC 8415 §21.1)")]
    Options,
    #[error("a Relay-reply, which is for relay agents only (RFC 8415 §18.3)")]
    RelayReply,
    #[error("an IA_NA without its fixed fields, or with options that run past its end (RFC 8415 §21.4)")]
    Ia,
}

/// An identity association for addresses (RFC 8415 §21.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Association {
    pub(crate) iaid: [u8; 4],
    pub(crate) addresses: Vec<Ipv6Addr>,
}

impl Message {
    /// Reads a message.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let &[kind, a, b, c, ref rest @ ..] = bytes else { return Err(MessageError::Short(bytes.len())) };
        if kind == kind::RELAY_REPLY {
            return Err(MessageError::RelayReply);
        }
        let options = read_options(rest).ok_or(MessageError::Options)?;
        Ok(Self { kind, xid: u32::from_be_bytes([0, a, b, c]), options })
    }

    /// Writes the message.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let [_, a, b, c] = self.xid.to_be_bytes();
        let mut bytes = vec![self.kind, a, b, c];
        for (code, value) in &self.options {
            bytes.extend(option_bytes(*code, value));
        }
        bytes
    }

    /// The first option with this code.
    pub(crate) fn option(&self, code: u16) -> Option<&[u8]> {
        self.options.iter().find(|(other, _)| *other == code).map(|(_, value)| value.as_slice())
    }

    /// The codes that the client asks for.
    pub(crate) fn requested(&self) -> Vec<u16> {
        let value = self.option(option::ORO).unwrap_or_default();
        value.as_chunks::<2>().0.iter().map(|code| u16::from_be_bytes(*code)).collect()
    }

    /// The first vendor class (RFC 8415 §21.16): behind the enterprise number, data with a length each.
    pub(crate) fn vendor_class(&self) -> Option<String> {
        let data = self.option(option::VENDOR_CLASS)?.get(4..)?;
        let (length, rest) = data.split_first_chunk::<2>()?;
        let class = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
        Some(String::from_utf8_lossy(class).into_owned())
    }

    /// Every IA_NA.
    pub(crate) fn associations(&self) -> Result<Vec<Association>, MessageError> {
        let all = self.options.iter().filter(|(code, _)| *code == option::IA_NA);
        all.map(|(_, value)| association(value).ok_or(MessageError::Ia)).collect()
    }

    /// The identifiers of every IA_PD.
    pub(crate) fn delegations(&self) -> Vec<[u8; 4]> {
        let all = self.options.iter().filter(|(code, _)| *code == option::IA_PD);
        all.filter_map(|(_, value)| value.first_chunk().copied()).collect()
    }
}

fn association(value: &[u8]) -> Option<Association> {
    let (fixed, rest) = value.split_at_checked(12)?;
    let mut addresses = Vec::new();
    for (code, value) in read_options(rest)? {
        if code == option::IA_ADDRESS {
            let (address, _) = value.split_first_chunk::<16>().filter(|_| value.len() >= 24)?;
            addresses.push(Ipv6Addr::from(*address));
        }
    }
    Some(Association { iaid: *fixed.first_chunk()?, addresses })
}

pub(super) fn read_options(mut rest: &[u8]) -> Option<Vec<(u16, Vec<u8>)>> {
    let mut options = Vec::new();
    while !rest.is_empty() {
        let (&[a, b, c, d], after) = rest.split_first_chunk::<4>()?;
        let (value, after) = after.split_at_checked(usize::from(u16::from_be_bytes([c, d])))?;
        options.push((u16::from_be_bytes([a, b]), value.to_vec()));
        rest = after;
    }
    Some(options)
}

/// An option as on the wire. Its value fits a frame.
pub(crate) fn option_bytes(code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    [code.to_be_bytes().as_slice(), &length.to_be_bytes(), value].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_is_written_back(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(message) = Message::parse(&bytes) {
                prop_assert_eq!(message.to_bytes(), bytes);
                let _ = (message.associations(), message.vendor_class(), message.requested(), message.delegations());
            }
        }

        #[test]
        fn messages_survive_the_wire(
            kind in 1u8..12,
            xid in 0u32..0x100_0000,
            options in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..30)), 0..6),
        ) {
            let message = Message { kind, xid, options };
            prop_assert_eq!(Message::parse(&message.to_bytes()), Ok(message));
        }
    }

    #[test]
    fn an_association_with_an_overflow_is_refused() {
        let with = |value: Vec<u8>| Message { kind: 1, xid: 1, options: vec![(option::IA_NA, value)] };
        assert_eq!(with(vec![0; 11]).associations(), Err(MessageError::Ia));
        assert_eq!(with([[0; 12].as_slice(), &[0, 5, 0, 24]].concat()).associations(), Err(MessageError::Ia));
        assert_eq!(
            with(vec![7; 12]).associations(),
            Ok(vec![Association { iaid: [7; 4], addresses: vec![] }])
        );
    }
}
