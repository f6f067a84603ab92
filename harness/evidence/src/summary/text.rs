//! Guest-controlled bytes in a line: quoted, escaped, bounded.

/// `bytes` in quotes as printable ASCII, the middle of it escaped as `\xNN`, at most about `max` characters.
pub(super) fn quoted(bytes: &[u8], max: usize) -> String {
    let mut text = String::from("\"");
    for (index, byte) in bytes.iter().enumerate() {
        if text.len() >= max {
            text.push_str(&format!("\"+{}", bytes.len() - index));
            return text;
        }
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    text
}

/// `line` as printable ASCII of at most `max` characters; `...` shows that it was cut.
pub(super) fn bounded(line: &str, max: usize) -> String {
    let printable = |c: char| if matches!(c, ' '..='~') { c } else { '?' };
    if line.chars().count() <= max {
        return line.chars().map(printable).collect();
    }
    line.chars().map(printable).take(max.saturating_sub(3)).chain("...".chars()).collect()
}

/// A MAC address in the usual notation.
pub(super) fn mac(address: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = address;
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}
