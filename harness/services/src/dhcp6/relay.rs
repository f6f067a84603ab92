//! Relay agents (RFC 8415 §9, §19): the envelopes in which they carry messages, and the one that may be on our link.

use super::message::{kind, option, option_bytes, read_options};
use crate::{address, frame6::Host};
use std::net::Ipv6Addr;

/// HOP_COUNT_LIMIT of RFC 8415 §7.6: so many relay agents may stand between client and server.
const HOPS: usize = 8;

/// What a relay agent adds to a message that it passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    hops: u8,
    /// The link that the client is on.
    link: Ipv6Addr,
    /// Whom the message came from: the client, or another relay agent.
    pub(super) peer: Ipv6Addr,
    /// Option 18, which the server gives back as it is (RFC 8415 §21.18).
    interface: Option<Vec<u8>>,
}

/// Why bytes are not a relay agent's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvelopeError {
    #[error("{0} bytes, fewer than the fixed part of a relay agent's message (RFC 8415 §9)")]
    Short(usize),
    #[error("the options of a relay agent's message run past its end (RFC 8415 §21.1)")]
    Options,
    #[error("a relay agent's message without a relayed one (option 9, RFC 8415 §9.1)")]
    Empty,
    #[error("more than {HOPS} relay agents (RFC 8415 §7.6)")]
    Hops,
}

impl Envelope {
    /// Puts a message into the envelope; `kind` is Relay-forward or Relay-reply.
    pub(super) fn seal(&self, kind: u8, message: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind, self.hops];
        bytes.extend(self.link.octets());
        bytes.extend(self.peer.octets());
        if let Some(interface) = &self.interface {
            bytes.extend(option_bytes(option::INTERFACE_ID, interface));
        }
        bytes.extend(option_bytes(option::RELAY_MESSAGE, message));
        bytes
    }

    /// Takes a message out of one envelope; the type is not looked at.
    pub(super) fn open(bytes: &[u8]) -> Result<(Self, Vec<u8>), EnvelopeError> {
        let short = || EnvelopeError::Short(bytes.len());
        let (&[_, hops], rest) = bytes.split_first_chunk::<2>().ok_or_else(short)?;
        let (link, rest) = rest.split_first_chunk::<16>().ok_or_else(short)?;
        let (peer, rest) = rest.split_first_chunk::<16>().ok_or_else(short)?;
        let mut options = read_options(rest).ok_or(EnvelopeError::Options)?;
        let mut take = |code| {
            let at = options.iter().position(|(other, _)| *other == code)?;
            Some(options.swap_remove(at).1)
        };
        let message = take(option::RELAY_MESSAGE).ok_or(EnvelopeError::Empty)?;
        let interface = take(option::INTERFACE_ID);
        Ok((Self { hops, link: (*link).into(), peer: (*peer).into(), interface }, message))
    }
}

/// The client's message behind every Relay-forward around it, and these, outermost first.
pub(super) fn unwrapped(bytes: &[u8]) -> Result<(Vec<Envelope>, Vec<u8>), EnvelopeError> {
    let mut envelopes = Vec::new();
    let mut message = bytes.to_vec();
    while message.first() == Some(&kind::RELAY_FORWARD) {
        if envelopes.len() == HOPS {
            return Err(EnvelopeError::Hops);
        }
        let (envelope, inner) = Envelope::open(&message)?;
        envelopes.push(envelope);
        message = inner;
    }
    Ok((envelopes, message))
}

/// The relay agent of our link.
pub(super) mod agent {
    use super::{Envelope, Host, Ipv6Addr, address, kind};

    /// The station after the servers.
    pub(crate) const HOST: Host = Host::station(8);
    /// Its address of the link's prefix, by which the server tells the link (RFC 8415 §19.1.1).
    const LINK: Ipv6Addr = Ipv6Addr::from_bits(address::PREFIX6.to_bits() | 0x18);

    /// What it sends to the servers for a client.
    pub(crate) fn forward(client: Ipv6Addr, message: &[u8]) -> Vec<u8> {
        let interface = Some(b"eth0".to_vec());
        Envelope { hops: 0, link: LINK, peer: client, interface }.seal(kind::RELAY_FORWARD, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn envelope(hops: u8, interface: Option<Vec<u8>>) -> Envelope {
        Envelope { hops, link: address::PREFIX6, peer: address::GUEST6, interface }
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_unwrapped(
            interfaces in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..9)), 0..=HOPS),
            message in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            prop_assume!(message.first() != Some(&kind::RELAY_FORWARD));
            let envelopes: Vec<_> = interfaces.into_iter().zip(0..).map(|(i, hops)| envelope(hops, i)).collect();
            let sealed = envelopes.iter().rev().fold(message.clone(), |m, e| e.seal(kind::RELAY_FORWARD, &m));
            prop_assert_eq!(unwrapped(&sealed), Ok((envelopes, message)));
        }

        #[test]
        fn arbitrary_bytes_are_survived(mut bytes in prop::collection::vec(any::<u8>(), 1..200)) {
            bytes[0] = kind::RELAY_FORWARD;
            let _ = unwrapped(&bytes);
        }
    }

    #[test]
    fn envelopes_that_are_none_are_refused() {
        let sealed = envelope(0, None).seal(kind::RELAY_FORWARD, &[1, 2, 3, 4]);
        assert_eq!(unwrapped(&sealed[..33]), Err(EnvelopeError::Short(33)));
        assert_eq!(unwrapped(&sealed[..34]), Err(EnvelopeError::Empty));
        assert_eq!(unwrapped(&sealed[..sealed.len() - 1]), Err(EnvelopeError::Options));
        let deep = (0..=HOPS).fold(vec![1], |m, _| envelope(0, None).seal(kind::RELAY_FORWARD, &m));
        assert_eq!(unwrapped(&deep), Err(EnvelopeError::Hops));
    }
}
