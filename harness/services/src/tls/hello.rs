//! What a ClientHello offers (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2). The bytes are hostile; what cannot be read is left out.

use super::names;
use record::ClientHello;
use tls_parser::{TlsExtension, parse_tls_client_hello_extension, parse_tls_handshake_client_hello};

/// `HandshakeType` of a ClientHello.
const CLIENT_HELLO: u8 = 1;
/// Content type of a record with handshake messages (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// Reads a whole handshake message with its header.
pub fn read(message: &[u8]) -> Option<ClientHello> {
    let body = message.strip_prefix(&[CLIENT_HELLO])?.get(3..)?;
    let (_, hello) = parse_tls_handshake_client_hello(body).ok()?;
    let mut read = ClientHello {
        suites: hello.ciphers.iter().map(|suite| names::suite(suite.0)).collect(),
        ..ClientHello::default()
    };
    let mut rest = hello.ext.unwrap_or_default();
    while let [kind_high, kind_low, length_high, length_low, ..] = *rest {
        let kind = u16::from_be_bytes([kind_high, kind_low]);
        let end = 4 + usize::from(u16::from_be_bytes([length_high, length_low]));
        let Some((whole, next)) = rest.split_at_checked(end) else { break };
        read.extensions.push(names::extension(kind));
        if let Ok((_, extension)) = parse_tls_client_hello_extension(whole) {
            take(&mut read, &extension);
        }
        rest = next;
    }
    if read.versions.is_empty() {
        // Below TLS 1.3 a session is resumed by its id; in TLS 1.3 the id means nothing (RFC 8446 §4.1.2).
        read.resumes |= hello.session_id.is_some();
        read.versions.push(names::version(hello.version.0));
    }
    Some(read)
}

fn take(read: &mut ClientHello, extension: &TlsExtension<'_>) {
    match extension {
        TlsExtension::SNI(servers) => {
            read.server_name = servers.first().map(|(_, name)| String::from_utf8_lossy(name).into_owned());
        }
        TlsExtension::SupportedVersions(versions) => {
            read.versions = versions.iter().map(|version| names::version(version.0)).collect();
        }
        TlsExtension::EllipticCurves(groups) => {
            read.groups = groups.iter().map(|group| names::group(group.0)).collect();
        }
        TlsExtension::SignatureAlgorithms(algorithms) => {
            read.signature_algorithms =
                algorithms.iter().map(|number| names::signature_algorithm(*number)).collect();
        }
        TlsExtension::ALPN(protocols) => {
            let text = |protocol: &&[u8]| String::from_utf8_lossy(protocol).into_owned();
            read.alpn = protocols.iter().map(text).collect();
        }
        TlsExtension::SessionTicket(ticket) => {
            read.session_ticket = true;
            read.resumes |= !ticket.is_empty();
        }
        TlsExtension::PskExchangeModes(_) => read.session_ticket = true,
        TlsExtension::PreSharedKey(_) => read.resumes = true,
        _ => {}
    }
}

/// Reads the ClientHello in the first record of a stream, for a server that speaks no TLS.
pub(crate) fn in_stream(bytes: &[u8]) -> Option<ClientHello> {
    if !looks_like_tls(bytes) {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([*bytes.get(3)?, *bytes.get(4)?]));
    read(bytes.get(5..5 + length)?)
}

/// Whether a stream is the beginning of a record with a ClientHello, and not the whole of it.
pub(crate) fn is_partial(bytes: &[u8]) -> bool {
    match *bytes {
        [_, _, _, high, low, CLIENT_HELLO, ..] if looks_like_tls(bytes) => {
            bytes.len() < 5 + usize::from(u16::from_be_bytes([high, low]))
        }
        _ => false,
    }
}

/// Whether a stream begins like one of TLS: a record with handshake messages.
pub(crate) fn looks_like_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [HANDSHAKE, 3, 0..=4, ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ClientHello by hand: TLS 1.2, one suite, `extensions` as they are.
    fn message(session: &[u8], extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([0x55; 32]);
        body.push(session.len() as u8);
        body.extend(session);
        body.extend([0, 4, 0xc0, 0x2f, 0x6a, 0x6a]);
        body.extend([1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let mut message = vec![1, 0];
        message.extend((body.len() as u16).to_be_bytes());
        message.extend(body);
        message
    }

    #[test]
    fn what_is_offered() {
        let extensions = [
            &[0, 0, 0, 6, 0, 4, 0, 0, 1, b'h'][..],
            &[0, 10, 0, 4, 0, 2, 0, 23],
            &[0, 13, 0, 4, 0, 2, 4, 1],
            &[0, 16, 0, 5, 0, 3, 2, b'h', b'2'],
            &[0, 35, 0, 0],
            &[0x1a, 0x2b, 0, 1, 7],
        ]
        .concat();
        let hello = read(&message(&[], &extensions)).unwrap();
        assert_eq!(hello.versions, ["TLS 1.2"]);
        assert_eq!(hello.suites, ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "GREASE"]);
        assert_eq!(hello.server_name.as_deref(), Some("h"));
        assert_eq!(hello.groups, ["secp256r1"]);
        assert_eq!(hello.signature_algorithms, ["rsa_pkcs1_sha256"]);
        assert_eq!(hello.alpn, ["h2"]);
        assert!(hello.session_ticket && !hello.resumes);
        assert_eq!(hello.extensions.last().map(String::as_str), Some("0x1a2b"));

        assert!(read(&message(&[1; 8], &[])).unwrap().resumes, "by session id");
        let tls13 = [0, 43, 0, 5, 4, 3, 4, 3, 3];
        let hello = read(&message(&[1; 8], &tls13)).unwrap();
        assert_eq!(hello.versions, ["TLS 1.3", "TLS 1.2"]);
        assert!(!hello.resumes, "the session id is there for middleboxes only");
    }

    #[test]
    fn a_broken_extension_hides_no_other() {
        let extensions = [&[0, 10, 0, 3, 0, 9, 0][..], &[0, 35, 0, 1, 9]].concat();
        let hello = read(&message(&[], &extensions)).unwrap();
        assert_eq!(hello.groups, [""; 0]);
        assert!(hello.session_ticket && hello.resumes);
        assert_eq!(hello.extensions, ["supported_groups", "session_ticket"]);
    }

    #[test]
    fn a_hello_at_the_start_of_a_stream() {
        let message = message(&[], &[]);
        let mut record = vec![22, 3, 1];
        record.extend((message.len() as u16).to_be_bytes());
        record.extend(&message);
        assert_eq!(in_stream(&record), read(&message));
        assert!(read(&message).is_some());
        assert_eq!(in_stream(&record[..record.len() - 1]), None);
        assert!(is_partial(&record[..record.len() - 1]) && !is_partial(&record));
        assert!(!is_partial(b"\x16\x03\x01\xff\xffwhatever") && !is_partial(b"GET / HTTP/1.1"));
        assert_eq!(in_stream(b"GET / HTTP/1.1\r\n\r\n"), None);
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), session in 0usize..40) {
            let _ = (read(&bytes), in_stream(&bytes));
            let _ = read(&message(&vec![1; session.min(32)], &bytes));
            let mut record = vec![22, 3, 3];
            record.extend((bytes.len() as u16).to_be_bytes());
            record.extend(&bytes);
            let _ = in_stream(&record);
        }

        /// A real hello with one byte changed.
        #[test]
        fn a_damaged_hello_does_no_harm(at in 0usize..60, byte in any::<u8>()) {
            let extensions = [&[0, 0, 0, 6, 0, 4, 0, 0, 1, b'h'][..], &[0, 10, 0, 4, 0, 2, 0, 23]].concat();
            let mut message = message(&[1; 4], &extensions);
            if let Some(place) = message.get_mut(at) {
                *place = byte;
            }
            let _ = read(&message);
        }
    }
}
