//! DHCPv6 messages of an HTTP boot client (RFC 8415 §8; RFC 5970; UEFI 2.11 §24.7.2).

use std::net::{IpAddr, Ipv6Addr};

/// Option 16: the client's architecture is x64 HTTP boot (16), its UNDI version 3.0.
const CLASS: &[u8] = b"HTTPClient:Arch:00016:UNDI:003000";
/// The enterprise whose words these are: Intel's number, which UEFI uses.
const ENTERPRISE: [u8; 4] = 343u32.to_be_bytes();
/// Option 6: boot file, its parameters, DNS servers, vendor class.
const WANTED: [u16; 4] = [59, 60, 23, 16];
/// DUID-UUID (RFC 8415 §11.5).
const DUID: [u8; 18] =
    [0, 4, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11];
const IAID: [u8; 4] = [0, 0, 0, 1];

pub(crate) const ADVERTISE: u8 = 2;
pub(crate) const REPLY: u8 = 7;

/// Which message to build.
pub(crate) enum Message<'a> {
    Solicit,
    Request(&'a Offer),
    Decline(&'a Offer),
}

/// What a server's message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) kind: u8,
    pub(crate) server: Vec<u8>,
    /// Status code, of the message or of the IA_NA; 0 is success.
    pub(crate) status: u16,
    /// The first address that may be used.
    pub(crate) address: Option<Ipv6Addr>,
    pub(crate) preference: u8,
    /// Whether it identifies an HTTP boot server.
    pub(crate) http: bool,
    pub(crate) bootfile: Option<String>,
    pub(crate) resolvers: Vec<IpAddr>,
}

/// The bytes of a message; `hundredths` of a second have passed since the first.
pub(crate) fn message(message: &Message<'_>, xid: u32, hundredths: u16) -> Vec<u8> {
    let (kind, offer) = match message {
        Message::Solicit => (1, None),
        Message::Request(offer) => (3, Some(offer)),
        Message::Decline(offer) => (9, Some(offer)),
    };
    let [_, a, b, c] = xid.to_be_bytes();
    let mut bytes = vec![kind, a, b, c];
    let mut option = |code: u16, value: &[u8]| {
        bytes.extend(code.to_be_bytes());
        bytes.extend(u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
        bytes.extend(value);
    };
    option(1, &DUID);
    let mut association = [&IAID[..], &[0; 8]].concat();
    if let Some(offer) = offer {
        option(2, &offer.server);
        let address = offer.address.map_or([0; 16], |address| address.octets());
        association.extend([&[0, 5, 0, 24][..], &address, &[0; 8]].concat());
    }
    option(3, &association);
    option(8, &hundredths.to_be_bytes());
    if !matches!(message, Message::Decline(_)) {
        option(6, &WANTED.map(u16::to_be_bytes).concat());
        option(61, &16u16.to_be_bytes());
        option(62, &[1, 3, 0]);
        let length = u16::try_from(CLASS.len()).unwrap_or(0).to_be_bytes();
        option(16, &[&ENTERPRISE[..], &length, CLASS].concat());
    }
    bytes
}

/// Reads what a server sent to this client in transaction `xid`. What has not both identifiers is nothing
/// (RFC 8415 §16.3, §16.10).
pub(crate) fn read(bytes: &[u8], xid: u32) -> Option<Offer> {
    let (&[kind, a, b, c], rest) = bytes.split_first_chunk::<4>()?;
    if u32::from_be_bytes([0, a, b, c]) != xid || ![ADVERTISE, REPLY].contains(&kind) {
        return None;
    }
    let options = options(rest)?;
    let option = |wanted| options.iter().find(|(code, _)| *code == wanted).map(|(_, value)| *value);
    if option(1)? != DUID {
        return None;
    }
    let association = options.iter().find_map(|(code, value)| {
        let (head, inner) = value.split_at_checked(12).filter(|_| *code == 3)?;
        (head[..4] == IAID).then(|| (word(&head[4..]), word(&head[8..]), inner))
    });
    let (mut address, mut status) = (None, option(13).map_or(0, code));
    if let Some((t1, t2, inner)) = association {
        let inner = self::options(inner)?;
        let said = inner.iter().find(|(code, _)| *code == 13).map_or(0, |(_, value)| code(value));
        status = if status == 0 { said } else { status };
        // RFC 8415 §21.4, §21.6: such an association, and such an address, is dropped.
        let usable = |value: &[u8]| {
            let (address, lifetimes) = value.split_first_chunk::<16>()?;
            let (preferred, valid) = (word(lifetimes.get(..4)?), word(lifetimes.get(4..8)?));
            (valid > 0 && preferred <= valid).then(|| Ipv6Addr::from(*address))
        };
        if t1 <= t2 || t2 == 0 {
            address = inner.iter().filter(|(code, _)| *code == 5).find_map(|(_, value)| usable(value));
        }
    }
    let http = option(16).is_some_and(|value| {
        value.starts_with(&ENTERPRISE) && value.get(6..).is_some_and(|class| class.starts_with(b"HTTPClient"))
    });
    let text = |bytes: &[u8]| {
        // RFC 5970 §3.1: without a NUL, which some servers send all the same.
        String::from_utf8(bytes.strip_suffix(&[0]).unwrap_or(bytes).to_vec())
            .ok()
            .filter(|text| !text.is_empty())
    };
    let resolvers = option(23).unwrap_or_default().as_chunks::<16>().0.iter();
    Some(Offer {
        kind,
        server: option(2)?.to_vec(),
        status,
        address,
        preference: option(7).and_then(|value| value.first().copied()).unwrap_or(0),
        http,
        bootfile: option(59).and_then(text),
        resolvers: resolvers.map(|octets| Ipv6Addr::from(*octets).into()).collect(),
    })
}

/// Options in order; `None` if they run past the end.
fn options(mut rest: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut options = Vec::new();
    while !rest.is_empty() {
        let (&[a, b, c, d], after) = rest.split_first_chunk::<4>()?;
        let (value, after) = after.split_at_checked(u16::from_be_bytes([c, d]).into())?;
        options.push((u16::from_be_bytes([a, b]), value));
        rest = after;
    }
    Some(options)
}

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

fn code(status: &[u8]) -> u16 {
    status.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(xid: [u8; 3], options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![REPLY, xid[0], xid[1], xid[2]];
        for (code, value) in options {
            bytes.extend(code.to_be_bytes());
            bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            bytes.extend(*value);
        }
        bytes
    }

    fn association(t1: u32, t2: u32, preferred: u32, valid: u32) -> Vec<u8> {
        let address = "2001:db8::100".parse::<Ipv6Addr>().unwrap();
        let times = [preferred.to_be_bytes(), valid.to_be_bytes()].concat();
        [&IAID[..], &t1.to_be_bytes(), &t2.to_be_bytes(), &[0, 5, 0, 24], &address.octets(), &times].concat()
    }

    #[test]
    fn only_whole_answers_to_this_client_count() {
        let lease = association(1, 2, 3, 4);
        let whole = [(1, &DUID[..]), (2, b"server"), (3, &lease)];
        let offer = read(&reply([0, 0, 7], &whole), 7).unwrap();
        assert_eq!((offer.server.as_slice(), offer.status), (&b"server"[..], 0));
        assert_eq!(offer.address, "2001:db8::100".parse().ok());
        assert_eq!(read(&reply([0, 0, 7], &whole), 8), None, "another transaction");
        assert_eq!(read(&reply([0, 0, 7], &whole[1..]), 7), None, "no client identifier");
        assert_eq!(read(&reply([0, 0, 7], &[whole[0], whole[2]]), 7), None, "no server identifier");
        let bytes = reply([0, 0, 7], &whole);
        for end in 4..bytes.len() {
            let cut = read(&bytes[..end], 7);
            assert!(cut.is_none_or(|offer| offer.address.is_none()), "cut at {end}");
        }
    }

    #[test]
    fn lifetimes_that_make_no_sense_void_an_address() {
        for (times, fine) in [
            ((1, 2, 3, 4), true),
            ((0, 0, 3, 4), true),
            ((5, 2, 3, 4), false),
            ((5, 0, 3, 4), true),
            ((1, 2, 5, 4), false),
            ((1, 2, 0, 0), false),
        ] {
            let lease = association(times.0, times.1, times.2, times.3);
            let offer = read(&reply([0, 0, 7], &[(1, &DUID), (2, b"s"), (3, &lease)]), 7).unwrap();
            assert_eq!(offer.address.is_some(), fine, "{times:?}");
        }
    }
}
