//! The client behind TLS: what it offers, whom it trusts, and how it leaves.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Transcript, boot_from, https};
use fake_firmware::{Behaviour, Farewell, Opening, Renegotiation, ServerName, Tls, TlsVersion, Trust};
use record::{Direction, Event, TcpEnd, TlsMessage};
use services::NetworkSettings;
use services::tls::{Settings, Version};

/// A network behind TLS, changed.
fn network(change: fn(&mut Settings)) -> NetworkSettings {
    let mut settings = https();
    change(&mut settings.tls);
    settings
}

fn client(change: fn(&mut Tls)) -> Behaviour {
    let mut client = Behaviour::conforming();
    change(&mut client.tls);
    client
}

fn negotiated(transcript: &Transcript) -> Option<&str> {
    transcript.events.iter().find_map(|event| match event {
        Event::TlsEstablished { version, .. } => Some(version.as_str()),
        _ => None,
    })
}

fn alerts(transcript: &Transcript) -> Vec<&str> {
    let alert = |event| match event {
        &Event::TlsAlert { direction: Direction::FromGuest, ref description, .. } => {
            Some(description.as_str())
        }
        _ => None,
    };
    transcript.events.iter().filter_map(alert).filter(|alert| *alert != "close_notify").collect()
}

#[test]
fn it_boots_with_every_version_that_it_has() {
    for (version, name) in [
        (Version::Tls10, "TLS 1.0"),
        (Version::Tls11, "TLS 1.1"),
        (Version::Tls12, "TLS 1.2"),
        (Version::Tls13, "TLS 1.3"),
    ] {
        let mut settings = https();
        (settings.tls.min_version, settings.tls.max_version) = (version, version);
        let modern = version >= Version::Tls12;
        let transcript = boot_from(Behaviour::conforming(), &settings);
        assert_eq!((transcript.boots(), negotiated(&transcript)), (modern, modern.then_some(name)));
        // EDK2 without elliptic curves.
        let old = version <= Version::Tls12;
        let transcript = boot_from(Behaviour::edk2_2022_11(), &settings);
        assert_eq!((transcript.boots(), negotiated(&transcript)), (old, old.then_some(name)));
    }
}

#[test]
fn it_looks_at_the_certificate() {
    type Case = (&'static str, fn(&mut Settings), &'static str);
    let cases: [Case; 5] = [
        (
            "expired",
            |s| (s.certificate.leaf.valid_from_days, s.certificate.leaf.valid_until_days) = (-9, -1),
            "certificate_expired",
        ),
        ("another address", |s| s.certificate.leaf.names = vec!["192.0.2.9".into()], "bad_certificate"),
        ("not enrolled", |s| s.certificate.enrolled = pki::settings::Enrolled::Nothing, "unknown_ca"),
        ("too small", |s| s.certificate.leaf.key = pki::settings::Key::Rsa1024, "bad_certificate"),
        ("itself", |s| s.certificate.leaf.issuer = pki::settings::Issuer::Itself, "unknown_ca"),
    ];
    for (name, change, alert) in cases {
        let transcript = boot_from(Behaviour::conforming(), &network(change));
        assert!(!transcript.boots(), "{name}");
        assert_eq!(alerts(&transcript), [alert, alert], "{name}: HEAD, and GET");
        let careless = client(|tls| (tls.trust, tls.security_level) = (Trust::Everybody, 0));
        assert!(boot_from(careless, &network(change)).boots(), "{name}");
    }
}

#[test]
fn it_can_leave_without_a_word() {
    let mut silent = Behaviour::edk2_2022_11();
    silent.tls.leaves_with = Farewell::Nothing;
    let transcript =
        boot_from(silent, &network(|s| s.certificate.enrolled = pki::settings::Enrolled::Nothing));
    assert_eq!(alerts(&transcript), [""; 0]);
    let ends = transcript
        .events
        .iter()
        .filter(|event| matches!(event, Event::TcpClosed { how: TcpEnd::GuestReset, .. }));
    assert_eq!(ends.count(), 2);
    assert!(transcript.says("Error: "));
}

#[test]
fn its_first_words_can_be_others() {
    let hello = |transcript: &Transcript| {
        transcript.events.iter().find_map(|event| match event {
            Event::TlsClientHello { hello, .. } => Some(hello.clone()),
            _ => None,
        })
    };
    for opening in [Opening::Nothing, Opening::PlainHttp] {
        let mut client = Behaviour::conforming();
        client.tls.opening = opening;
        let transcript = boot_from(client, &https());
        assert!(!transcript.boots() && hello(&transcript).is_none(), "{opening:?}");
        let failed = transcript.events.iter().any(|event| matches!(event, Event::TlsFailed { .. }));
        assert_eq!(failed, opening == Opening::PlainHttp);
    }
    let offered = client(|tls| {
        tls.max_version = TlsVersion::Tls12;
        tls.suites = Some("AES128-SHA");
        tls.groups = Some("P-384");
        tls.signature_algorithms = Some("rsa_pkcs1_sha256");
        tls.alpn = Some(b"\x08http/1.1");
        tls.server_name = ServerName::Literal;
    });
    let transcript = boot_from(offered, &https());
    let hello = hello(&transcript).unwrap();
    assert_eq!(hello.suites, ["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"]);
    assert_eq!((hello.versions, hello.alpn), (vec!["TLS 1.2".to_owned()], vec!["http/1.1".to_owned()]));
    assert_eq!(hello.server_name.as_deref(), Some("192.0.2.1"));
    assert!(transcript.boots());
}

#[test]
fn it_does_another_handshake_or_not() {
    for renegotiation in [Renegotiation::Does, Renegotiation::Declines, Renegotiation::Breaks] {
        let mut client = Behaviour::conforming();
        client.tls.renegotiation = renegotiation;
        let settings = network(|s| (s.max_version, s.renegotiate_after) = (Version::Tls12, Some(300)));
        let transcript = boot_from(client, &settings);
        let hellos = transcript
            .events
            .iter()
            .filter(|event| matches!(event, Event::TlsMessage { message: TlsMessage::ClientHello, .. }));
        assert_eq!(
            transcript.boots(),
            renegotiation != Renegotiation::Breaks,
            "RFC 5246 §7.4.1.1: it may decline"
        );
        assert_eq!(hellos.count(), if renegotiation == Renegotiation::Does { 2 } else { 1 });
    }
}

#[test]
fn a_body_that_was_cut_is_no_body() {
    for close_notify in [true, false] {
        let mut settings = https();
        settings.http.framing = services::http::Framing::UntilClose;
        settings.tls.close_notify = close_notify;
        // RFC 9112 §9.8
        assert_eq!(boot_from(Behaviour::conforming(), &settings).boots(), close_notify);
    }
}

#[test]
fn it_follows_a_redirect_into_tls() {
    let mut settings = NetworkSettings::default();
    (settings.http.status, settings.http.location) = (302, Some("https://{server4}/boot.efi".into()));
    let transcript = boot_from(Behaviour::conforming(), &settings);
    assert!(transcript.boots() && negotiated(&transcript).is_some());
}

#[test]
fn it_answers_a_retry_or_leaves() {
    for answers_retry in [true, false] {
        let mut client = client(|tls| tls.groups = Some("X25519:P-256"));
        client.tls.answers_retry = answers_retry;
        let settings = network(|s| {
            s.min_version = Version::Tls13;
            s.groups = Some(vec![services::tls::Group::Secp256r1]);
        });
        assert_eq!(boot_from(client, &settings).boots(), answers_retry);
    }
}

#[test]
fn a_damaged_flight_is_noticed_by_the_server() {
    for version in [Version::Tls12, Version::Tls13] {
        let mut settings = https();
        (settings.tls.min_version, settings.tls.max_version) = (version, version);
        let transcript = boot_from(client(|tls| tls.damages_flight = true), &settings);
        assert!(!transcript.boots());
        assert!(
            transcript.events.iter().any(|event| matches!(event, Event::TlsFailed { .. })),
            "{version:?}"
        );
    }
}
