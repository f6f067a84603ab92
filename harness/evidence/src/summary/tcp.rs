//! TCP segments (RFC 9293), and what HTTP/1 (RFC 9112) and TLS (RFC 8446 §5.1) show in their first bytes.

use super::text::quoted;
use etherparse::{TcpOptionElement, TcpSlice};
use std::net::{IpAddr, SocketAddr};

pub(super) fn endpoint(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

pub(super) fn describe(source: IpAddr, destination: IpAddr, segment: &TcpSlice<'_>) -> String {
    let (from, to) =
        (endpoint(source, segment.source_port()), endpoint(destination, segment.destination_port()));
    let flags: Vec<&str> = [
        (segment.syn(), "SYN"),
        (segment.fin(), "FIN"),
        (segment.rst(), "RST"),
        (segment.psh(), "PSH"),
        (segment.ack(), "ACK"),
        (segment.urg(), "URG"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect();
    let payload = segment.payload();
    let mut line = format!("TCP {from} > {to} [{}]", flags.join(","));
    // What the peer says comes before the numbers: a line is cut at its end.
    if let Some(start) = http(payload).or_else(|| tls(payload)) {
        return format!("{line} len {} {start}", payload.len());
    }
    line.push_str(&format!(" seq {}", segment.sequence_number()));
    if segment.ack() {
        line.push_str(&format!(" ack {}", segment.acknowledgment_number()));
    }
    if segment.syn() {
        line.push_str(&format!(" win {}", segment.window_size()));
        for option in segment.options_iterator().map_while(Result::ok) {
            match option {
                TcpOptionElement::MaximumSegmentSize(mss) => line.push_str(&format!(" mss {mss}")),
                TcpOptionElement::WindowScale(shift) => line.push_str(&format!(" ws {shift}")),
                _ => {}
            }
        }
    } else if segment.window_size() == 0 && !segment.rst() {
        line.push_str(" win 0");
    }
    if !payload.is_empty() {
        line.push_str(&format!(" len {}", payload.len()));
    }
    line
}

/// The start line of an HTTP message, if the segment begins with one.
fn http(payload: &[u8]) -> Option<String> {
    let line = payload.split(|&byte| byte == b'\n').next()?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_request = || {
        let method = line.split(|&byte| byte == b' ').next().unwrap_or_default();
        (2..=16).contains(&method.len())
            && method.iter().all(u8::is_ascii_uppercase)
            && line.windows(6).any(|w| w == b" HTTP/")
    };
    (line.starts_with(b"HTTP/") || is_request()).then(|| quoted(line, 64))
}

/// The first TLS record, if the segment begins with one.
fn tls(payload: &[u8]) -> Option<String> {
    let &[kind @ 20..=23, 3, 0..=4, _, _, ref body @ ..] = payload else { return None };
    Some(match (kind, body) {
        (20, _) => "TLS change-cipher-spec".into(),
        (21, [level, alert]) => format!("TLS alert level {level} description {alert}"),
        (21, _) => "TLS alert, encrypted".into(),
        (22, [message, ..]) => match message {
            0 => "TLS hello-request".into(),
            1 => "TLS client-hello".into(),
            2 => "TLS server-hello".into(),
            4 => "TLS new-session-ticket".into(),
            11 => "TLS certificate".into(),
            12 => "TLS server-key-exchange".into(),
            13 => "TLS certificate-request".into(),
            14 => "TLS server-hello-done".into(),
            15 => "TLS certificate-verify".into(),
            16 => "TLS client-key-exchange".into(),
            20 => "TLS finished".into(),
            other => format!("TLS handshake, type {other} or encrypted"),
        },
        (22, []) => "TLS handshake".into(),
        _ => "TLS application data".into(),
    })
}
