//! DHCPv4 messages of an HTTP boot client (RFC 2131 §2, RFC 2132; UEFI 2.11 §24.7.2).

use crate::guest::MAC;
use etherparse::PacketBuilder;
use std::net::Ipv4Addr;

/// Option 60: the client's architecture is x64 HTTP boot (16), its UNDI version 3.0.
const CLASS: &[u8] = b"HTTPClient:Arch:00016:UNDI:003000";
/// The same of a client that boots by PXE: x64 (7, RFC 4578 §2.1 as corrected).
const PXE_CLASS: &[u8] = b"PXEClient:Arch:00007:UNDI:003000";
/// Option 55: what EDK2 asks for, 27 options.
const PARAMETERS: [u8; 27] =
    [1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97];
/// Largest message that is accepted, option 57.
const LARGEST: u16 = 1472;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
const HEADER: usize = 236;
/// BOOTP messages are at least this long (RFC 1542 §2.1).
const SHORTEST: usize = 300;

/// Which message to build.
pub(crate) enum Message<'a> {
    Discover,
    Request(&'a Offer),
    Decline(&'a Offer, &'a str),
    /// To a PXE server's port 4011, from a client that has this address.
    Service(Ipv4Addr),
}

/// What a server's message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) kind: u8,
    pub(crate) address: Ipv4Addr,
    pub(crate) server: Option<Ipv4Addr>,
    /// `siaddr`.
    pub(crate) next_server: Ipv4Addr,
    pub(crate) mask: Option<Ipv4Addr>,
    pub(crate) router: Option<Ipv4Addr>,
    pub(crate) resolvers: Vec<Ipv4Addr>,
    pub(crate) class: Vec<u8>,
    pub(crate) bootfile: Option<String>,
}

pub(crate) const OFFER: u8 = 2;
pub(crate) const ACK: u8 = 5;
pub(crate) const NAK: u8 = 6;

/// A message as a broadcast frame.
pub(crate) fn frame(message: &Message<'_>, xid: u32, seconds: u16, pxe: bool) -> Vec<u8> {
    datagram(&bytes(message, xid, seconds, pxe))
}

/// A message.
pub(crate) fn bytes(message: &Message<'_>, xid: u32, seconds: u16, pxe: bool) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    bytes[..4].copy_from_slice(&[1, 1, 6, 0]);
    bytes[4..8].copy_from_slice(&xid.to_be_bytes());
    bytes[8..10].copy_from_slice(&seconds.to_be_bytes());
    match message {
        Message::Service(own) => bytes[12..16].copy_from_slice(&own.octets()),
        // The answer has to be broadcast: there is no address to send it to yet.
        _ => bytes[10] = 0x80,
    }
    bytes[28..34].copy_from_slice(&MAC);
    bytes.extend(MAGIC);
    let mut option = |code: u8, value: &[u8]| {
        bytes.extend([code, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
        bytes.extend(&value[..value.len().min(255)]);
    };
    let (kind, offer) = match message {
        Message::Discover => (1, None),
        Message::Request(offer) => (3, Some(offer)),
        Message::Decline(offer, _) => (4, Some(offer)),
        Message::Service(_) => (3, None),
    };
    option(53, &[kind]);
    if let Some(offer) = offer {
        option(50, &offer.address.octets());
        option(54, &offer.server.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
    }
    if let Message::Decline(_, reason) = message {
        option(56, reason.as_bytes());
    } else {
        option(57, &LARGEST.to_be_bytes());
        option(55, &PARAMETERS);
        option(97, &[&[0][..], &[0x11; 16]].concat());
        option(94, &[1, 3, 0]);
        option(93, &(if pxe { 7u16 } else { 16 }).to_be_bytes());
        option(60, if pxe { PXE_CLASS } else { CLASS });
    }
    bytes.push(255);
    bytes.resize(bytes.len().max(SHORTEST), 0);
    bytes
}

/// `payload` from the DHCP client's port to the server's, broadcast.
pub(crate) fn datagram(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(MAC, [0xff; 6])
        .ipv4([0; 4], [255; 4], 64)
        .udp(68, 67)
        .write(&mut frame, payload)
        .expect("invariant: DHCP messages fit a datagram");
    frame
}

/// Reads what a server sent to this client in transaction `xid`.
pub(crate) fn read(message: &[u8], xid: u32) -> Option<Offer> {
    let (header, options) = message.split_at_checked(HEADER)?;
    if header[0] != 2 || header[4..8] != xid.to_be_bytes() || header[28..34] != MAC {
        return None;
    }
    let mut all = Vec::new();
    take(options.strip_prefix(&MAGIC)?, &mut all)?;
    // RFC 2131 §4.1: `file` first, then `sname`.
    let overload = value(&all, OVERLOAD).and_then(|value| value.first().copied()).unwrap_or(0);
    if overload & 1 != 0 {
        take(&header[108..236], &mut all)?;
    }
    if overload & 2 != 0 {
        take(&header[44..108], &mut all)?;
    }
    let address = |code| match *value(&all, code)? {
        [a, b, c, d, ..] => Some(Ipv4Addr::new(a, b, c, d)),
        _ => None,
    };
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        (end > 0).then(|| String::from_utf8_lossy(&bytes[..end]).into_owned())
    };
    let file = (overload & 1 == 0).then(|| text(&header[108..236])).flatten();
    Some(Offer {
        kind: *value(&all, 53)?.first()?,
        address: Ipv4Addr::new(header[16], header[17], header[18], header[19]),
        server: address(54),
        next_server: Ipv4Addr::new(header[20], header[21], header[22], header[23]),
        mask: address(1),
        router: address(3),
        resolvers: value(&all, 6)
            .unwrap_or_default()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|octets| Ipv4Addr::from(*octets))
            .collect(),
        class: value(&all, 60).unwrap_or_default(),
        bootfile: value(&all, 67).and_then(|value| text(&value)).or(file),
    })
}

/// Option overload (RFC 2132 §9.3).
const OVERLOAD: u8 = 52;

/// Takes the options of one area; `None` if one of them runs past its end.
fn take(mut area: &[u8], all: &mut Vec<(u8, Vec<u8>)>) -> Option<()> {
    loop {
        match *area {
            [0, ref rest @ ..] => area = rest,
            [255, ..] | [] => return Some(()),
            [_] => return None,
            [code, length, ref rest @ ..] => {
                let value = rest.get(..usize::from(length))?;
                all.push((code, value.to_vec()));
                area = &rest[value.len()..];
            }
        }
    }
}

/// An option's value, its instances joined (RFC 3396 §7).
fn value(all: &[(u8, Vec<u8>)], wanted: u8) -> Option<Vec<u8>> {
    let mut instances = all.iter().filter(|(code, _)| *code == wanted).map(|(_, value)| value).peekable();
    instances.peek()?;
    Some(instances.flatten().copied().collect())
}
