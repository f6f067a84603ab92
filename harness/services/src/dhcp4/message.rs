//! DHCP messages (RFC 2131 §2) and their options (RFC 2132), in order and with duplicates as on the wire.

use std::net::Ipv4Addr;

/// Length of the fixed part, up to and without the magic cookie.
const FIXED: usize = 236;
/// RFC 2131 §3: the first four octets of the options field.
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
/// RFC 951 §3: a BOOTP message has 300 octets, and old relays and clients drop shorter ones (RFC 1542 §2.1).
pub(super) const MINIMUM: usize = 300;

/// Option codes of RFC 2132, by the names used there.
pub(crate) mod option {
    pub(crate) const PAD: u8 = 0;
    pub(crate) const SUBNET_MASK: u8 = 1;
    pub(crate) const ROUTER: u8 = 3;
    pub(crate) const DOMAIN_NAME_SERVER: u8 = 6;
    /// RFC 2132 §8.4.
    pub(crate) const VENDOR_SPECIFIC: u8 = 43;
    pub(crate) const REQUESTED_ADDRESS: u8 = 50;
    pub(crate) const LEASE_TIME: u8 = 51;
    pub(crate) const OVERLOAD: u8 = 52;
    pub(crate) const MESSAGE_TYPE: u8 = 53;
    pub(crate) const SERVER_IDENTIFIER: u8 = 54;
    pub(crate) const PARAMETERS: u8 = 55;
    pub(crate) const MESSAGE: u8 = 56;
    pub(crate) const MAX_SIZE: u8 = 57;
    /// RFC 3046 §2.0.
    pub(crate) const RELAY_AGENT: u8 = 82;
    pub(crate) const VENDOR_CLASS: u8 = 60;
    pub(crate) const USER_CLASS: u8 = 77;
    pub(crate) const CLIENT_IDENTIFIER: u8 = 61;
    pub(crate) const SERVER_NAME: u8 = 66;
    pub(crate) const BOOTFILE_NAME: u8 = 67;
    /// RFC 4578 §2.1.
    pub(crate) const CLIENT_ARCHITECTURE: u8 = 93;
    /// RFC 4578 §2.3.
    pub(crate) const CLIENT_MACHINE: u8 = 97;
    pub(crate) const END: u8 = 255;
}

/// `op`: a client's message (RFC 2131 §2).
pub(crate) const BOOTREQUEST: u8 = 1;
/// `op`: a server's message.
pub(crate) const BOOTREPLY: u8 = 2;
/// `htype` of Ethernet (RFC 1700).
pub(crate) const ETHERNET: u8 = 1;
/// The broadcast bit of `flags` (RFC 2131 figure 2).
const BROADCAST: u16 = 0x8000;

/// A DHCP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) op: u8,
    pub(crate) htype: u8,
    pub(crate) hlen: u8,
    pub(crate) xid: u32,
    pub(crate) secs: u16,
    pub(crate) flags: u16,
    pub(crate) ciaddr: Ipv4Addr,
    pub(crate) yiaddr: Ipv4Addr,
    pub(crate) siaddr: Ipv4Addr,
    pub(crate) giaddr: Ipv4Addr,
    pub(crate) chaddr: [u8; 16],
    pub(crate) sname: [u8; 64],
    pub(crate) file: [u8; 128],
    pub(crate) options: Vec<(u8, Vec<u8>)>,
}

/// Why bytes are not a DHCP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("{0} bytes, fewer than the fixed fields and the magic cookie (RFC 2131 §2)")]
    Short(usize),
    #[error("no magic cookie: BOOTP without options, or not DHCP (RFC 2131 §3)")]
    NoCookie,
    #[error("option {0} runs past the end of its field (RFC 2132 §2)")]
    Truncated(u8),
}

impl Message {
    /// Reads a message. A missing END option is tolerated, as servers do.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
        let (Some(fixed), Some(cookie)) = (bytes.get(..FIXED), bytes.get(FIXED..FIXED + 4)) else {
            return Err(MessageError::Short(bytes.len()));
        };
        if cookie != MAGIC_COOKIE {
            return Err(MessageError::NoCookie);
        }
        let mut options = Vec::new();
        parse_options(&bytes[FIXED + 4..], &mut options)?;
        // RFC 2131 §4.1: `file` first, then `sname`.
        let overload =
            options.iter().find(|(code, _)| *code == option::OVERLOAD).and_then(|(_, v)| v.first().copied());
        if matches!(overload, Some(1 | 3)) {
            parse_options(&fixed[108..236], &mut options)?;
        }
        if matches!(overload, Some(2 | 3)) {
            parse_options(&fixed[44..108], &mut options)?;
        }
        let u16_at = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let u32_at = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let address = |at: usize| Ipv4Addr::from_bits(u32_at(at));
        let mut chaddr = [0; 16];
        chaddr.copy_from_slice(&fixed[28..44]);
        let (mut sname, mut file) = ([0; 64], [0; 128]);
        sname.copy_from_slice(&fixed[44..108]);
        file.copy_from_slice(&fixed[108..236]);
        Ok(Self {
            op: fixed[0],
            htype: fixed[1],
            hlen: fixed[2],
            xid: u32_at(4),
            secs: u16_at(8),
            flags: u16_at(10),
            ciaddr: address(12),
            yiaddr: address(16),
            siaddr: address(20),
            giaddr: address(24),
            chaddr,
            sname,
            file,
            options,
        })
    }

    /// The bytes before the options, the magic cookie included.
    pub(crate) fn fixed(&self) -> Vec<u8> {
        let mut bytes = vec![self.op, self.htype, self.hlen, 0];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend(self.secs.to_be_bytes());
        bytes.extend(self.flags.to_be_bytes());
        for address in [self.ciaddr, self.yiaddr, self.siaddr, self.giaddr] {
            bytes.extend(address.octets());
        }
        bytes.extend(self.chaddr);
        bytes.extend(self.sname);
        bytes.extend(self.file);
        bytes.extend(MAGIC_COOKIE);
        bytes
    }

    /// The option's value, its instances joined (RFC 3396 §7).
    pub(crate) fn option(&self, code: u8) -> Option<Vec<u8>> {
        let mut instances =
            self.options.iter().filter(|(c, _)| *c == code).map(|(_, value)| value).peekable();
        instances.peek()?;
        Some(instances.flatten().copied().collect())
    }

    /// The option's value as one address, if it has four bytes.
    pub(crate) fn address(&self, code: u8) -> Option<Ipv4Addr> {
        <[u8; 4]>::try_from(self.option(code)?).ok().map(Ipv4Addr::from)
    }

    /// The option's value as text; bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn text(&self, code: u8) -> Option<String> {
        self.option(code).map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    /// Whether the client asks for broadcast answers (RFC 2131 §4.1).
    pub(crate) fn wants_broadcast(&self) -> bool {
        self.flags & BROADCAST != 0
    }

    /// The client's Ethernet address.
    pub(crate) fn client_mac(&self) -> [u8; 6] {
        let mut mac = [0; 6];
        mac.copy_from_slice(&self.chaddr[..6]);
        mac
    }
}

fn parse_options(mut field: &[u8], options: &mut Vec<(u8, Vec<u8>)>) -> Result<(), MessageError> {
    while let Some((&code, rest)) = field.split_first() {
        match code {
            option::PAD => field = rest,
            option::END => break,
            _ => {
                let (&length, rest) = rest.split_first().ok_or(MessageError::Truncated(code))?;
                let length = usize::from(length);
                let value = rest.get(..length).ok_or(MessageError::Truncated(code))?;
                options.push((code, value.to_vec()));
                field = &rest[length..];
            }
        }
    }
    Ok(())
}
