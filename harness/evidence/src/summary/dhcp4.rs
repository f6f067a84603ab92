//! DHCPv4 (RFC 2131 §2, RFC 2132).

use super::text::quoted;
use std::net::Ipv4Addr;

const MAGIC: [u8; 4] = [99, 130, 83, 99];
const OPTIONS_AT: usize = 240;

pub(super) fn describe(message: &[u8]) -> String {
    let (Some(header), Some(magic)) = (message.get(..236), message.get(236..OPTIONS_AT)) else {
        return format!("DHCPv4 malformed: {} bytes", message.len());
    };
    let xid = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    if magic != MAGIC {
        return format!("BOOTP op {} xid 0x{xid:08x}", header[0]);
    }
    let options = Options(&message[OPTIONS_AT..]);
    let name = match options.get(53) {
        Some([1]) => "DISCOVER",
        Some([2]) => "OFFER",
        Some([3]) => "REQUEST",
        Some([4]) => "DECLINE",
        Some([5]) => "ACK",
        Some([6]) => "NAK",
        Some([7]) => "RELEASE",
        Some([8]) => "INFORM",
        _ => "message of unknown type",
    };
    let mut line = format!("DHCPv4 {name} xid 0x{xid:08x}");
    let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
    if !address(16).is_unspecified() {
        line.push_str(&format!(" yiaddr {}", address(16)));
    }
    for (code, label) in [(50, "asks for"), (54, "server")] {
        if let Some(&[a, b, c, d]) = options.get(code) {
            line.push_str(&format!(" {label} {}", Ipv4Addr::new(a, b, c, d)));
        }
    }
    if let Some(file) = options.get(67) {
        line.push_str(&format!(" bootfile {}", quoted(file, 60)));
    }
    let file = header[108..236].split(|&byte| byte == 0).next().unwrap_or_default();
    if !file.is_empty() {
        line.push_str(&format!(" file {}", quoted(file, 60)));
    }
    if let Some(class) = options.get(60) {
        line.push_str(&format!(" class {}", quoted(class, 40)));
    }
    if let Some(text) = options.get(56) {
        line.push_str(&format!(" message {}", quoted(text, 60)));
    }
    line
}

/// The options area; overloaded areas (option 52) are not followed.
struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// The first option `wanted`.
    fn get(&self, wanted: u8) -> Option<&'a [u8]> {
        let mut rest = self.0;
        loop {
            match *rest {
                [0, ref after @ ..] => rest = after,
                [255, ..] | [] | [_] => return None,
                [code, length, ref after @ ..] => {
                    let value = after.get(..usize::from(length))?;
                    if code == wanted {
                        return Some(value);
                    }
                    rest = &after[value.len()..];
                }
            }
        }
    }
}
