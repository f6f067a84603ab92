//! DNS messages of a stub resolver (RFC 1035 §4, RFC 3596 §2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const CNAME: u16 = 5;
/// QR, TC and the response code (RFC 1035 §4.1.1).
const RESPONSE: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const RCODE: u16 = 0x000f;
const NAME_ERROR: u16 = 3;
/// Recursion desired.
const FLAGS: u16 = 0x0100;

/// Record types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    A = 1,
    Aaaa = 28,
}

/// What a server's answer means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// At least one.
    Addresses(Vec<IpAddr>),
    /// The address is that of another name.
    Alias(String),
    /// There is no such name, or no such record of it.
    Nothing,
    /// The server cannot say.
    Failure,
    /// It does not fit a datagram.
    Truncated,
}

/// A query for `name`.
pub(crate) fn query(id: u16, name: &str, kind: Kind) -> Vec<u8> {
    let mut bytes = [id, FLAGS, 1, 0, 0, 0].map(u16::to_be_bytes).concat();
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).unwrap_or(63));
        bytes.extend(label.bytes().take(63));
    }
    bytes.push(0);
    bytes.extend([kind as u16, 1].map(u16::to_be_bytes).concat());
    bytes
}

/// Reads the answer to a query; `None` if it is none (RFC 5452 §9.1).
pub(crate) fn read(bytes: &[u8], id: u16, name: &str, kind: Kind) -> Option<Answer> {
    let word = |at: usize| Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let (flags, questions, records) = (word(2)?, word(4)?, word(6)?);
    let (asked, mut at) = read_name(bytes, 12)?;
    let same = asked.eq_ignore_ascii_case(name) && word(at)? == kind as u16;
    if word(0)? != id || flags & RESPONSE == 0 || questions != 1 || !same {
        return None;
    }
    match flags & RCODE {
        _ if flags & TRUNCATED != 0 => return Some(Answer::Truncated),
        0 => {}
        NAME_ERROR => return Some(Answer::Nothing),
        _ => return Some(Answer::Failure),
    }
    at += 4;
    let mut found = Vec::new();
    for _ in 0..records {
        let (owner, end) = read_name(bytes, at)?;
        let (of, length) = (word(end)?, usize::from(word(end + 8)?));
        found.push((owner, of, bytes.get(end + 10..end + 10 + length)?, end + 10));
        at = end + 10 + length;
    }
    // Aliases in any order; a name that leads back to itself ends the walk.
    let mut sought = name.to_owned();
    for _ in 0..=found.len() {
        let mut owned = found.iter().filter(|(owner, ..)| owner.eq_ignore_ascii_case(&sought));
        let addresses = owned.clone().filter_map(|(_, of, value, _)| match kind {
            Kind::A if *of == kind as u16 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(*value).ok()?).into()),
            Kind::Aaaa if *of == kind as u16 => {
                Some(Ipv6Addr::from(<[u8; 16]>::try_from(*value).ok()?).into())
            }
            _ => None,
        });
        let addresses: Vec<IpAddr> = addresses.collect();
        if !addresses.is_empty() {
            return Some(Answer::Addresses(addresses));
        }
        let Some((.., at)) = owned.find(|(_, of, ..)| *of == CNAME) else { break };
        sought = read_name(bytes, *at)?.0;
    }
    Some(if sought.eq_ignore_ascii_case(name) { Answer::Nothing } else { Answer::Alias(sought) })
}

/// The name at `at`, and where it ends. Pointers lead backwards only, so that there is an end.
fn read_name(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let (mut name, mut end, mut here) = (String::new(), None, at);
    loop {
        let length = *bytes.get(here)?;
        if length >= 0xc0 {
            end = end.or(Some(here + 2));
            let to = usize::from(length & 0x3f) << 8 | usize::from(*bytes.get(here + 1)?);
            here = Some(to).filter(|to| *to < here)?;
            continue;
        }
        let label = bytes.get(here + 1..here + 1 + usize::from(length)).filter(|_| length < 64)?;
        here += 1 + label.len();
        if label.is_empty() {
            return Some((name, end.unwrap_or(here)));
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(label.iter().map(|&byte| char::from(byte)));
        if name.len() > 255 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer to a query for `boot.example` with these records: owner, type, value.
    fn answer(flags: u16, records: &[(&[u8], u16, &[u8])]) -> Vec<u8> {
        let mut bytes = query(7, "boot.example", Kind::Aaaa);
        bytes[2..4].copy_from_slice(&(RESPONSE | flags).to_be_bytes());
        bytes[7] = u8::try_from(records.len()).unwrap();
        for (owner, kind, value) in records {
            bytes.extend(*owner);
            bytes.extend(
                [*kind, 1, 0, 60, u16::try_from(value.len()).unwrap()].map(u16::to_be_bytes).concat(),
            );
            bytes.extend(*value);
        }
        bytes
    }

    const ASKED: &[u8] = &[0xc0, 12];
    const OTHER: &[u8] = b"\x05other\x07example\0";
    const ADDRESS: &[u8] = &[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

    #[test]
    fn an_address_is_found_behind_aliases_in_any_order() {
        let address = Some(Answer::Addresses(vec!["2001:db8::1".parse().unwrap()]));
        let read = |bytes: &[u8]| read(bytes, 7, "boot.example", Kind::Aaaa);
        assert_eq!(read(&answer(0, &[(ASKED, 28, ADDRESS)])), address);
        assert_eq!(read(&answer(0, &[(b"\x04BOOT\x07example\0", 28, ADDRESS)])), address);
        assert_eq!(read(&answer(0, &[(ASKED, 5, OTHER), (OTHER, 28, ADDRESS)])), address);
        assert_eq!(read(&answer(0, &[(OTHER, 28, ADDRESS), (ASKED, 5, OTHER)])), address);
        let alias = Some(Answer::Alias("other.example".into()));
        assert_eq!(read(&answer(0, &[(ASKED, 5, OTHER)])), alias);
        assert_eq!(read(&answer(0, &[(OTHER, 28, ADDRESS)])), Some(Answer::Nothing));
        assert_eq!(read(&answer(0, &[(ASKED, 5, ASKED)])), Some(Answer::Nothing), "a circle");
        assert_eq!(read(&answer(3, &[])), Some(Answer::Nothing));
        assert_eq!(read(&answer(2, &[])), Some(Answer::Failure));
        assert_eq!(read(&answer(TRUNCATED, &[])), Some(Answer::Truncated));
    }

    #[test]
    fn what_is_no_answer_to_the_query_is_nothing() {
        let whole = answer(0, &[(ASKED, 28, ADDRESS)]);
        assert_eq!(read(&whole, 8, "boot.example", Kind::Aaaa), None);
        assert_eq!(read(&whole, 7, "boot.exampl", Kind::Aaaa), None);
        assert_eq!(read(&whole, 7, "boot.example", Kind::A), None);
        assert_eq!(read(&query(7, "boot.example", Kind::Aaaa), 7, "boot.example", Kind::Aaaa), None);
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end], 7, "boot.example", Kind::Aaaa), None, "cut at {end}");
        }
        assert_eq!(read_name(&[0xc0, 0], 0), None, "a pointer to itself");
    }
}
