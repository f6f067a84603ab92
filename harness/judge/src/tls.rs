//! Why a TLS handshake came to nothing, from what both sides said.

use crate::cause::*;
use record::{AlertLevel, ClientHello, Direction, Event, ServerSetup, TcpEnd, TlsFailure, TlsMessage};

/// What happened on one connection to the TLS server, or in TLS to a plain one.
#[derive(Debug, Default)]
pub(crate) struct Handshake<'a> {
    pub connection: u32,
    server: Option<&'a ServerSetup>,
    hello: Option<&'a ClientHello>,
    /// The last message, whose it was, and which it was.
    last: Option<(Direction, TlsMessage)>,
    certificate_sent: bool,
    pub established: bool,
    /// The first fatal alert, or the last warning before.
    alert: Option<(Direction, AlertLevel, &'a str)>,
    /// What our server did instead of going on, and whether that was to close the connection.
    withheld: Option<(bool, &'a str)>,
    renegotiation: Option<Renegotiation>,
    failed: Option<(TlsFailure, &'a str)>,
    /// The firmware said in the middle of it that it closes the connection (RFC 5246 §7.2.1).
    left: bool,
    ended: Option<TcpEnd>,
}

/// How far the second handshake came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renegotiation {
    Asked,
    Begun,
    Done,
}

impl<'a> Handshake<'a> {
    /// Finds the connection's handshake among `all`; the first event of TLS on it begins one.
    fn of(all: &mut Vec<Self>, connection: u32) -> &mut Self {
        let at = all.iter().position(|one| one.connection == connection).unwrap_or_else(|| {
            all.push(Self { connection, ..Self::default() });
            all.len() - 1
        });
        &mut all[at]
    }

    /// Takes note of an event; whether our server gave an answer with it.
    pub(crate) fn take(all: &mut Vec<Self>, event: &'a Event) -> bool {
        match event {
            Event::TlsReady { connection, server } => Self::of(all, *connection).server = Some(server),
            Event::TlsClientHello { connection, hello } => {
                let it = Self::of(all, *connection);
                it.hello.get_or_insert(hello);
                if it.renegotiation.is_some() {
                    it.renegotiation = Some(Renegotiation::Begun);
                }
            }
            Event::TlsMessage { connection, direction, message } => {
                let it = Self::of(all, *connection);
                // In TLS 1.3 it means nothing, and below it goes with Finished.
                if *message != TlsMessage::ChangeCipherSpec {
                    it.last = Some((*direction, *message));
                }
                let ours = *direction == Direction::ToGuest;
                it.certificate_sent |= ours && *message == TlsMessage::Certificate;
                if ours && *message == TlsMessage::Finished && it.renegotiation == Some(Renegotiation::Begun)
                {
                    it.renegotiation = Some(Renegotiation::Done);
                }
                return ours;
            }
            Event::TlsEstablished { connection, .. } => Self::of(all, *connection).established = true,
            Event::TlsAlert { connection, direction, level, code, description } => {
                let it = Self::of(all, *connection);
                it.left |= *code == 0 && *direction == Direction::FromGuest && !it.established;
                let known = it.alert.is_some_and(|(_, level, _)| level == AlertLevel::Fatal);
                // close_notify ends what went well (RFC 8446 §6.1).
                if !known && *code != 0 {
                    it.alert = Some((*direction, *level, description));
                }
                return *direction == Direction::ToGuest;
            }
            Event::TlsWithheld { connection, closed, why } => {
                Self::of(all, *connection).withheld = Some((*closed, why));
            }
            Event::TlsRenegotiation { connection, .. } => {
                Self::of(all, *connection).renegotiation = Some(Renegotiation::Asked);
                return true;
            }
            Event::TlsFailed { connection, reason, why } => {
                Self::of(all, *connection).failed = Some((*reason, why));
            }
            // Not every connection is closed by the time that the firmware has finished with the attempt.
            Event::TlsTruncated { connection } => Self::of(all, *connection).ended = Some(TcpEnd::GuestFin),
            Event::TcpClosed { connection, how } => {
                if let Some(it) = all.iter_mut().find(|one| one.connection == *connection) {
                    it.ended.get_or_insert(*how);
                }
            }
            _ => {}
        }
        false
    }

    /// Whether the firmware leaves a handshake with this event once it has the certificate: with an alert, or without a word.
    pub(crate) fn is_left(all: &[Self], event: &Event) -> bool {
        let connection = match event {
            Event::TlsAlert { connection, direction: Direction::FromGuest, .. }
            | Event::TlsTruncated { connection }
            | Event::TcpClosed { connection, how: TcpEnd::GuestFin | TcpEnd::GuestReset } => connection,
            _ => return false,
        };
        let goes_on = |it: &Self| it.certificate_sent && !it.established && it.withheld.is_none();
        all.iter().any(|it| it.connection == *connection && goes_on(it))
    }

    /// Whether the firmware began a handshake.
    pub(crate) fn is_begun(&self) -> bool {
        self.hello.is_some()
    }

    /// Whether the firmware did not go along with another handshake, which explains whatever comes after.
    pub(crate) fn renegotiation_note(&self) -> Option<String> {
        let how = match self.renegotiation? {
            Renegotiation::Asked => "no ClientHello followed",
            Renegotiation::Begun => "it was not completed",
            Renegotiation::Done => return None,
        };
        Some(how.into())
    }

    /// Why no request came of it, and what makes it concrete.
    pub(crate) fn cause(&self) -> (Cause, Option<String>) {
        let Some(server) = self.server else { return (TLS_SERVER_SPEAKS_HTTP, None) };
        let Some(hello) = self.hello else {
            return match self.failed {
                Some((_, why)) => (TLS_NOT_TLS, Some(why.into())),
                None => (TLS_NO_HELLO, self.ending()),
            };
        };
        if let Some((closed, why)) = self.withheld {
            return (if closed { TLS_SERVER_CLOSED } else { TLS_SERVER_STALLED }, Some(why.into()));
        }
        if let Some((reason, why)) = self.failed
            && reason != TlsFailure::Alert
            && !self.left
        {
            let why = || Some(why.to_owned());
            return match reason {
                TlsFailure::NoSharedVersion => (TLS_NO_SHARED_VERSION, Some(versions(hello, server))),
                TlsFailure::NoSharedCipher if lacks_only_the_group(hello, server) => {
                    (TLS_NO_SHARED_GROUP, Some(groups(hello, server)))
                }
                TlsFailure::NoSharedCipher if lacks_only_the_signature_algorithm(hello, server) => {
                    (TLS_NO_SHARED_SIGNATURE_ALGORITHM, Some(signature_algorithms(hello, server)))
                }
                TlsFailure::NoSharedCipher => (TLS_NO_SHARED_CIPHER, Some(suites(hello, server))),
                TlsFailure::NoSharedGroup => (TLS_NO_SHARED_GROUP, Some(groups(hello, server))),
                TlsFailure::NoSharedSignatureAlgorithm => {
                    (TLS_NO_SHARED_SIGNATURE_ALGORITHM, Some(signature_algorithms(hello, server)))
                }
                TlsFailure::NoSharedProtocol => {
                    (TLS_NO_SHARED_PROTOCOL, Some(format!("offered {}", list(&hello.alpn))))
                }
                TlsFailure::UnknownName => {
                    let asked = hello.server_name.as_deref().unwrap_or_default();
                    (TLS_NAME_REFUSED, Some(format!("asked for {asked:?}")))
                }
                TlsFailure::NoClientCertificate => (TLS_NO_CLIENT_CERTIFICATE, None),
                TlsFailure::NotTls => (TLS_NOT_TLS, why()),
                TlsFailure::Alert | TlsFailure::Other => (TLS_HANDSHAKE_FAILED, why()),
            };
        }
        if let Some((Direction::FromGuest, AlertLevel::Fatal, description)) = self.alert {
            return (TLS_CLIENT_ALERT, Some(format!("{description} after {}", self.after(server))));
        }
        if self.established {
            return (TLS_NO_REQUEST, self.ending());
        }
        let left = self.left || matches!(self.ended, Some(TcpEnd::GuestFin | TcpEnd::GuestReset));
        match left {
            true if self.certificate_sent => {
                (TLS_CLIENT_CLOSED_AFTER_CERTIFICATE, Some(format!("closed after {}", self.after(server))))
            }
            true => (TLS_CLIENT_CLOSED, Some(format!("closed after {}", self.after(server)))),
            false => (TLS_HANDSHAKE_INCOMPLETE, Some(format!("nothing came after {}", self.after(server)))),
        }
    }

    /// The last message, and the leaf if the client has seen it.
    fn after(&self, server: &ServerSetup) -> String {
        let message = match self.last {
            Some((Direction::FromGuest, message)) => format!("its {}", message.name()),
            // What the client looks at last before it leaves is the certificate, whatever came in the same flight.
            Some((Direction::ToGuest, _)) if self.certificate_sent => "our Certificate".into(),
            Some((Direction::ToGuest, message)) => format!("our {}", message.name()),
            None => "nothing".into(),
        };
        let leaf = if self.certificate_sent { format!(" ({})", server.leaf_key) } else { String::new() };
        format!("{message}{leaf}")
    }

    fn ending(&self) -> Option<String> {
        let how = match self.ended? {
            TcpEnd::GuestFin => "the firmware closed the connection",
            TcpEnd::GuestReset => "the firmware reset the connection",
            TcpEnd::ServerFin => "the server closed the connection",
            TcpEnd::ServerReset => "the server reset the connection",
        };
        Some(how.into())
    }
}

fn versions(hello: &ClientHello, server: &ServerSetup) -> String {
    // A server that somebody else runs does not say what it would take.
    if server.max_version.is_empty() {
        return format!("offered {}", list(&hello.versions));
    }
    format!(
        "offered {}; the server has {} to {}",
        list(&hello.versions),
        server.min_version,
        server.max_version
    )
}

/// What the client would have had to offer for the server's key, or for the suites of the scenario.
fn suites(hello: &ClientHello, server: &ServerSetup) -> String {
    let offers = |part: &str| hello.suites.iter().any(|suite| suite.contains(part));
    let tls13 = hello.versions.iter().any(|version| version == "TLS 1.3");
    let leaf = &server.leaf_key;
    let elliptic = !leaf.starts_with("RSA");
    if elliptic && !tls13 && !offers("_ECDHE_") {
        return format!("offered no ECDHE, leaf is {}", key_kind(leaf));
    }
    if elliptic && !tls13 && !offers("_ECDSA_") {
        return format!("offered no ECDSA, leaf is {}", key_kind(leaf));
    }
    if let Some(suites) = &server.suites {
        let none_of = |suite: &String| !hello.suites.contains(suite);
        if suites.iter().all(none_of) {
            return format!("did not offer {}", list(suites));
        }
    }
    format!("offered {} suites, leaf is {}", hello.suites.len(), leaf)
}

/// Whether there is a suite in common, but for ECDHE and without a group to do it in. Below TLS 1.3 a server has no other
/// words for it than for a suite (RFC 8422 §4).
fn lacks_only_the_group(hello: &ClientHello, server: &ServerSetup) -> bool {
    let Some(groups) = &server.groups else { return false };
    let served = |suite: &&String| server.suites.as_ref().is_none_or(|suites| suites.contains(suite));
    let mut common = hello.suites.iter().filter(served);
    common.any(|suite| suite.contains("_ECDHE_")) && !groups.iter().any(|group| hello.groups.contains(group))
}

/// The same for Ed25519 and Ed448, which go with the suites for ECDSA (RFC 8422 §5.1.3).
fn lacks_only_the_signature_algorithm(hello: &ClientHello, server: &ServerSetup) -> bool {
    let algorithm = server.leaf_key.to_ascii_lowercase();
    server.leaf_key.starts_with("Ed")
        && hello.suites.iter().any(|suite| suite.contains("_ECDHE_ECDSA_"))
        && !hello.signature_algorithms.contains(&algorithm)
}

fn signature_algorithms(hello: &ClientHello, server: &ServerSetup) -> String {
    format!("offered {}; leaf is {}", list(&hello.signature_algorithms), server.leaf_key)
}

/// ECDSA for the curves that it uses, and the key's own name for the others.
fn key_kind(leaf: &str) -> String {
    if leaf.starts_with("Ed") { leaf.into() } else { format!("ECDSA {leaf}") }
}

fn groups(hello: &ClientHello, server: &ServerSetup) -> String {
    let wanted = server
        .groups
        .as_ref()
        .map_or_else(String::new, |groups| format!("; the server has {}", list(groups)));
    format!("offered {}{wanted}", list(&hello.groups))
}

/// The first few of a list.
fn list(items: &[String]) -> String {
    const SHOWN: usize = 6;
    match items {
        [] => "none".into(),
        few if few.len() <= SHOWN => few.join(", "),
        first => format!("{} and {} more", first[..SHOWN].join(", "), first.len() - SHOWN),
    }
}
