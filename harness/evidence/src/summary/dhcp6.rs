//! DHCPv6 (RFC 8415 §8), with the boot options of RFC 5970.

use super::text::quoted;

pub(super) fn describe(message: &[u8]) -> String {
    let &[kind, a, b, c, ref options @ ..] = message else {
        return format!("DHCPv6 malformed: {} bytes", message.len());
    };
    let name = match kind {
        1 => "SOLICIT",
        2 => "ADVERTISE",
        3 => "REQUEST",
        4 => "CONFIRM",
        5 => "RENEW",
        6 => "REBIND",
        7 => "REPLY",
        8 => "RELEASE",
        9 => "DECLINE",
        10 => "RECONFIGURE",
        11 => "INFORMATION-REQUEST",
        12 => return "DHCPv6 RELAY-FORWARD".into(),
        13 => return "DHCPv6 RELAY-REPLY".into(),
        _ => "message of unknown type",
    };
    let mut line = format!("DHCPv6 {name} xid 0x{a:02x}{b:02x}{c:02x}");
    let mut rest = options;
    while let &[code_high, code_low, length_high, length_low, ref after @ ..] = rest {
        let Some(value) = after.get(..usize::from(u16::from_be_bytes([length_high, length_low]))) else {
            line.push_str(" (options cut short)");
            break;
        };
        rest = &after[value.len()..];
        match (u16::from_be_bytes([code_high, code_low]), value) {
            (13, [high, low, ..]) => {
                line.push_str(&format!(" status {}", u16::from_be_bytes([*high, *low])));
            }
            (16, [_, _, _, _, _, _, class @ ..]) => line.push_str(&format!(" class {}", quoted(class, 40))),
            (59, url) => line.push_str(&format!(" bootfile {}", quoted(url, 60))),
            _ => {}
        }
    }
    line
}
