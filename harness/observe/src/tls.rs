//! TLS on one connection, as far as it is plain (RFC 8446, RFC 5246).

use crate::journal::{Journal, Place};
use openssl::asn1::Asn1Time;
use openssl::pkey::Id;
use openssl::x509::{X509, X509NameRef, X509Ref};
use record::{AlertLevel, Direction, Event, ServerSetup, TlsFailure, TlsMessage, alert_name};
use services::tls::{cipher_suite_name, read_client_hello, version_name};

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
/// RFC 8446 §5.2, with what TLS 1.2 may add.
const RECORD: usize = (1 << 14) + 2048;
/// Bytes of one handshake message.
const MESSAGE: usize = 256 << 10;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const SUPPORTED_VERSIONS: u16 = 43;

/// One direction.
#[derive(Debug, Default)]
struct Side {
    records: Vec<u8>,
    handshake: Vec<u8>,
    /// What follows is encrypted.
    encrypted: bool,
    /// Encrypted records that came, and bytes in them.
    sealed: (usize, u64),
}

/// What is known of a connection.
#[derive(Debug, Default)]
pub struct Tls {
    client: Side,
    server: Side,
    begun: Option<Place>,
    setup: ServerSetup,
    chosen: Option<(String, String)>,
    established: bool,
    /// The server's bytes are no TLS.
    plain_server: bool,
    server_spoke: bool,
    leaf: Option<X509>,
}

impl Tls {
    /// Bytes of one side.
    pub fn take(&mut self, connection: u32, direction: Direction, bytes: &[u8], journal: &mut Journal) {
        self.begun.get_or_insert(journal.now());
        let ours = direction == Direction::ToGuest;
        if ours && !self.server_spoke {
            self.server_spoke = true;
            self.plain_server = !(CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&bytes[0]);
        }
        if ours && self.plain_server {
            return;
        }
        self.side(direction).records.extend_from_slice(bytes);
        while let Some((kind, record)) = next_record(&mut self.side(direction).records) {
            self.record(connection, direction, kind, &record, journal);
        }
    }

    fn side(&mut self, direction: Direction) -> &mut Side {
        if direction == Direction::ToGuest { &mut self.server } else { &mut self.client }
    }

    fn record(
        &mut self,
        connection: u32,
        direction: Direction,
        kind: u8,
        record: &[u8],
        journal: &mut Journal,
    ) {
        let side = self.side(direction);
        match (kind, side.encrypted) {
            (CHANGE_CIPHER_SPEC, _) => {
                journal.add(Event::TlsMessage {
                    connection,
                    direction,
                    message: TlsMessage::ChangeCipherSpec,
                });
                let is_13 = self.chosen.as_ref().is_some_and(|(version, _)| version == "TLS 1.3");
                // In TLS 1.3 it means nothing, and the server's first flight is encrypted by itself.
                self.side(direction).encrypted |= !is_13;
            }
            (HANDSHAKE, false) => {
                side.handshake.extend_from_slice(record);
                while let Some(message) = next_message(&mut self.side(direction).handshake) {
                    self.message(connection, direction, &message, journal);
                }
            }
            (ALERT, false) if record.len() == 2 => self.alert(connection, direction, record, journal),
            _ => {
                side.sealed.0 += 1;
                side.sealed.1 += record.len() as u64;
                self.sealed(connection, kind, journal);
            }
        }
    }

    /// An encrypted record: the first of each side ends the handshake.
    fn sealed(&mut self, connection: u32, kind: u8, journal: &mut Journal) {
        let both = self.client.sealed.0 > 0 && self.server.sealed.0 > 0;
        if both && !self.established && kind != ALERT {
            self.established = true;
            let (version, suite) = self.chosen.clone().unwrap_or_default();
            journal.add(Event::TlsEstablished {
                connection,
                version,
                suite,
                group: None,
                alpn: None,
                resumed: false,
                client_certificate: false,
            });
        }
    }

    fn message(&mut self, connection: u32, direction: Direction, message: &[u8], journal: &mut Journal) {
        let kind = TlsMessage::of_handshake_type(message[0]);
        if direction == Direction::FromGuest && kind == TlsMessage::ClientHello {
            if let Some(hello) = read_client_hello(message) {
                journal.add(Event::TlsClientHello { connection, hello });
            }
        } else if direction == Direction::ToGuest && message[0] == SERVER_HELLO {
            self.chosen = server_hello(&message[4..]);
        } else if direction == Direction::ToGuest && message[0] == CERTIFICATE {
            self.certificates(&message[4..]);
        }
        journal.add(Event::TlsMessage { connection, direction, message: kind });
    }

    /// Certificate below TLS 1.3 (RFC 5246 §7.4.2).
    fn certificates(&mut self, body: &[u8]) {
        let Some(mut rest) = body.get(3..) else { return };
        let mut all = Vec::new();
        while let [a, b, c, tail @ ..] = rest {
            let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap_or(usize::MAX);
            let Some(der) = tail.get(..length) else { break };
            all.push(der);
            rest = &tail[length..];
        }
        self.setup.certificates = all.len();
        self.setup.certificate_bytes = all.iter().map(|der| der.len()).sum();
        let Some(leaf) = all.first().and_then(|der| X509::from_der(der).ok()) else { return };
        self.setup.leaf_key = key(&leaf);
        self.setup.leaf_signature =
            leaf.signature_algorithm().object().nid().long_name().unwrap_or("unknown").to_owned();
        self.leaf = Some(leaf);
    }

    /// What there is to say of the server's certificate at a time, seconds since 1970.
    pub fn certificate(&self, now: u64) -> Option<String> {
        let leaf = self.leaf.as_ref()?;
        let now = i64::try_from(now).ok().and_then(|now| Asn1Time::from_unix(now).ok());
        let when = match now {
            Some(now) if leaf.not_after() < &*now => "; it was over when this was captured",
            Some(now) if leaf.not_before() > &*now => "; it was not valid yet when this was captured",
            _ => "",
        };
        Some(format!(
            "{} issued by {}, {}, valid from {} until {}{when}; {} more came with it",
            name(leaf.subject_name()),
            name(leaf.issuer_name()),
            self.setup.leaf_key,
            leaf.not_before(),
            leaf.not_after(),
            self.setup.certificates.saturating_sub(1)
        ))
    }

    fn alert(&mut self, connection: u32, direction: Direction, record: &[u8], journal: &mut Journal) {
        let level = match record[0] {
            1 => AlertLevel::Warning,
            2 => AlertLevel::Fatal,
            _ => AlertLevel::Other,
        };
        let (code, description) = (record[1], alert_name(record[1]));
        if direction == Direction::ToGuest && level == AlertLevel::Fatal {
            // What a server says when it cannot go on (RFC 8446 §6.2).
            let reason = match code {
                70 => TlsFailure::NoSharedVersion,
                40 | 71 => TlsFailure::NoSharedCipher,
                112 => TlsFailure::UnknownName,
                116 => TlsFailure::NoClientCertificate,
                120 => TlsFailure::NoSharedProtocol,
                _ => TlsFailure::Other,
            };
            let why = format!("the server sent the alert {description}");
            journal.add(Event::TlsFailed { connection, reason, why });
        }
        journal.add(Event::TlsAlert { connection, direction, level, code, description });
    }

    /// Encrypted bytes of the client behind its handshake, and of the server.
    pub fn sealed_bytes(&self) -> Option<(u64, u64)> {
        // The first record of each is Finished.
        let spoke = self.established && self.client.sealed.0 > 1;
        spoke.then_some((self.client.sealed.1, self.server.sealed.1))
    }

    /// Says what the server is, now that all of it was heard.
    pub fn finish(&mut self, connection: u32, journal: &mut Journal) {
        let (Some(place), false) = (self.begun, self.plain_server) else { return };
        if let Some((version, _)) = &self.chosen {
            (self.setup.min_version, self.setup.max_version) = (version.clone(), version.clone());
        }
        journal.add_at(place, Event::TlsReady { connection, server: self.setup.clone() });
    }
}

/// A whole record, taken from the beginning.
fn next_record(bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let [kind, _, _, high, low, ..] = **bytes else { return None };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > RECORD || !(CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&kind) {
        bytes.clear();
        return None;
    }
    let record = bytes.get(5..5 + length)?.to_vec();
    bytes.drain(..5 + length);
    Some((kind, record))
}

/// A whole handshake message with its header, taken from the beginning.
fn next_message(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let [_, a, b, c, ..] = **bytes else { return None };
    let length = 4 + usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(MESSAGE);
    if length > MESSAGE {
        bytes.clear();
        return None;
    }
    let message = bytes.get(..length)?.to_vec();
    bytes.drain(..length);
    Some(message)
}

/// Version and suite of a ServerHello (RFC 8446 §4.1.3).
fn server_hello(body: &[u8]) -> Option<(String, String)> {
    let legacy = u16::from_be_bytes(body.get(..2)?.try_into().ok()?);
    let session = usize::from(*body.get(34)?);
    let after = body.get(35 + session..)?;
    let suite = u16::from_be_bytes(after.get(..2)?.try_into().ok()?);
    let mut version = legacy;
    let mut extensions = after.get(5..).unwrap_or_default();
    while let [k1, k2, l1, l2, tail @ ..] = extensions {
        let length = usize::from(u16::from_be_bytes([*l1, *l2]));
        let Some(value) = tail.get(..length) else { break };
        if u16::from_be_bytes([*k1, *k2]) == SUPPORTED_VERSIONS && length == 2 {
            version = u16::from_be_bytes([value[0], value[1]]);
        }
        extensions = &tail[length..];
    }
    Some((version_name(version), cipher_suite_name(suite)))
}

/// `RSA-2048`, `P-256`, as our own server names its keys.
fn key(leaf: &X509Ref) -> String {
    let Ok(key) = leaf.public_key() else { return "an unknown key".into() };
    match key.id() {
        Id::RSA => format!("RSA-{}", key.bits()),
        Id::EC => format!("P-{}", key.bits()),
        Id::ED25519 => "Ed25519".into(),
        Id::ED448 => "Ed448".into(),
        _ => format!("a key of {} bits", key.bits()),
    }
}

fn name(name: &X509NameRef) -> String {
    let parts = name.entries().map(|entry| {
        let value = String::from_utf8_lossy(entry.data().as_slice()).into_owned();
        format!("{}={value}", entry.object().nid().short_name().unwrap_or("?"))
    });
    let text = parts.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "nobody".into() } else { text }
}
