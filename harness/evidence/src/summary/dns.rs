//! DNS (RFC 1035 §4.1).

use super::text::quoted;

pub(super) fn describe(message: &[u8]) -> String {
    let &[
        _,
        _,
        flags,
        rcode,
        questions_high,
        questions_low,
        answers_high,
        answers_low,
        _,
        _,
        _,
        _,
        ref rest @ ..,
    ] = message
    else {
        return format!("DNS malformed: {} bytes", message.len());
    };
    let question = if u16::from_be_bytes([questions_high, questions_low]) == 0 {
        "without question".into()
    } else {
        question(rest).unwrap_or_else(|| "with a malformed question".into())
    };
    if flags & 0x80 == 0 {
        return format!("DNS query {question}");
    }
    let answers = u16::from_be_bytes([answers_high, answers_low]);
    let outcome = match rcode & 0x0f {
        0 => format!("{answers} answers"),
        1 => "format error".into(),
        2 => "server failure".into(),
        3 => "no such name".into(),
        5 => "refused".into(),
        other => format!("response code {other}"),
    };
    format!("DNS response {question}: {outcome}")
}

fn question(mut rest: &[u8]) -> Option<String> {
    let mut name = Vec::new();
    loop {
        let (&length, after) = rest.split_first()?;
        // A question is the first name in a message, so it has nothing to point back to (§4.1.4).
        if length > 63 {
            return None;
        }
        let label = after.get(..usize::from(length))?;
        rest = &after[label.len()..];
        if label.is_empty() {
            break;
        }
        if !name.is_empty() {
            name.push(b'.');
        }
        name.extend(label);
    }
    let &[high, low, ..] = rest else { return None };
    let kind = match u16::from_be_bytes([high, low]) {
        1 => "A".into(),
        5 => "CNAME".into(),
        28 => "AAAA".into(),
        255 => "ANY".into(),
        other => format!("type {other}"),
    };
    Some(format!("{kind} {}", quoted(&name, 60)))
}
