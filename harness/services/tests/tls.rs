//! The TLS server as a client meets it, setting by setting.
#![allow(clippy::unwrap_used)]

mod support;

use openssl::ssl::{SslVerifyMode, SslVersion};
use record::{Direction, Event, TlsFailure, TlsMessage};
use services::{
    Network, NetworkError, NetworkSettings,
    tls::{ClientCertificate, Group, Message, Resumption, Settings, UnknownName, Version},
};
use std::time::Duration;
use support::{
    Bench, End, image,
    tls::{Client, identity, keep_sessions, lax, settings},
};

const IMAGE: usize = 40_000;
const GET: &str = "GET /boot.efi HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

fn bench(change: impl FnOnce(&mut Settings)) -> Bench {
    Bench::new(&settings(change), image(IMAGE))
}

/// One boot by a client that takes everything: the events that it makes.
fn boot(bench: &mut Bench) -> Vec<Event> {
    boot_with(bench, GET)
}

fn boot_with(bench: &mut Bench, request: &str) -> Vec<Event> {
    let mut client = Client::new(bench, 443, &lax().build(), |_| {});
    client.handshake(bench).unwrap();
    let answer = client.ask(bench, request);
    assert_eq!(answer.body(), &*image(IMAGE));
    std::mem::take(&mut bench.events)
}

fn established(events: &[Event]) -> (&str, &str, Option<&str>) {
    let found = events.iter().find_map(|event| match event {
        Event::TlsEstablished { version, suite, group, .. } => {
            Some((version.as_str(), suite.as_str(), group.as_deref()))
        }
        _ => None,
    });
    found.expect("a handshake was completed")
}

fn failure(events: &[Event]) -> Option<(TlsFailure, String)> {
    events.iter().find_map(|event| match event {
        Event::TlsFailed { reason, why, .. } => Some((*reason, why.clone())),
        _ => None,
    })
}

/// Handshake messages, ours and theirs.
fn messages(events: &[Event]) -> Vec<String> {
    let message = |event: &Event| match event {
        Event::TlsMessage { direction: Direction::FromGuest, message, .. } => {
            Some(format!("> {}", message.name()))
        }
        Event::TlsMessage { direction: Direction::ToGuest, message, .. } => {
            Some(format!("< {}", message.name()))
        }
        Event::TlsAlert { direction: Direction::FromGuest, description, .. } => {
            Some(format!("> {description}"))
        }
        Event::TlsAlert { direction: Direction::ToGuest, description, .. } => {
            Some(format!("< {description}"))
        }
        _ => None,
    };
    events.iter().filter_map(message).collect()
}

#[test]
fn each_version_is_spoken_alone() {
    for (version, name, suite) in [
        (Version::Tls10, "TLS 1.0", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
        (Version::Tls11, "TLS 1.1", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
        (Version::Tls12, "TLS 1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        (Version::Tls13, "TLS 1.3", "TLS_AES_256_GCM_SHA384"),
    ] {
        let only = |s: &mut Settings| (s.min_version, s.max_version) = (version, version);
        let events = boot(&mut bench(only));
        assert_eq!(established(&events), (name, suite, Some("x25519")));
        // A client that does not speak it is told so.
        let mut bench = bench(only);
        let mut context = lax();
        let other = if version == Version::Tls13 { SslVersion::TLS1_2 } else { SslVersion::TLS1_3 };
        context.set_min_proto_version(Some(other)).unwrap();
        context.set_max_proto_version(Some(other)).unwrap();
        let mut client = Client::new(&mut bench, 443, &context.build(), |_| {});
        assert!(client.handshake(&mut bench).is_err());
        assert_eq!(failure(&bench.events).unwrap().0, TlsFailure::NoSharedVersion, "{name}");
        assert_eq!(messages(&bench.events), ["> ClientHello", "< protocol_version"]);
    }
}

#[test]
fn the_messages_of_a_handshake_are_told_in_order() {
    let tell = |version| {
        let mut bench = bench(|s| (s.min_version, s.max_version) = (version, version));
        let events = boot(&mut bench);
        messages(&events).join("\n")
    };
    insta::assert_snapshot!(tell(Version::Tls12), @"
    > ClientHello
    < ServerHello
    < Certificate
    < ServerKeyExchange
    < ServerHelloDone
    > ClientKeyExchange
    > ChangeCipherSpec
    > Finished
    < NewSessionTicket
    < ChangeCipherSpec
    < Finished
    < close_notify
    ");
    insta::assert_snapshot!(tell(Version::Tls13), @"
    > ClientHello
    < ServerHello
    < ChangeCipherSpec
    < EncryptedExtensions
    < Certificate
    < CertificateVerify
    < Finished
    > ChangeCipherSpec
    > Finished
    < NewSessionTicket
    < NewSessionTicket
    < close_notify
    ");
}

#[test]
fn a_clients_hello_and_the_servers_plan_are_told() {
    let mut bench = bench(|_| {});
    let mut context = lax();
    context.set_cipher_list("ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA:@SECLEVEL=0").unwrap();
    context.set_ciphersuites("TLS_AES_128_GCM_SHA256").unwrap();
    context.set_groups_list("P-256:X25519").unwrap();
    context.set_sigalgs_list("rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256").unwrap();
    context.set_alpn_protos(b"\x02h2\x08http/1.1").unwrap();
    let mut client =
        Client::new(&mut bench, 443, &context.build(), |ssl| ssl.set_hostname("boot.example").unwrap());
    client.handshake(&mut bench).unwrap();
    let told: Vec<&Event> = bench
        .events
        .iter()
        .filter(|event| {
            matches!(
                event,
                Event::TlsReady { .. } | Event::TlsClientHello { .. } | Event::TlsEstablished { .. }
            )
        })
        .collect();
    insta::with_settings!({ filters => vec![(r#""certificate_bytes": \d+"#, r#""certificate_bytes": 0"#)] }, {
        insta::assert_json_snapshot!(told);
    });
}

#[test]
fn suites_and_groups_are_those_of_the_scenario() {
    let suite = |name: &str| Some(vec![name.to_owned()]);
    let cases: &[(&str, &[Group], Version, Option<&str>)] = &[
        ("TLS_RSA_WITH_AES_128_GCM_SHA256", &[], Version::Tls12, None),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", &[], Version::Tls10, None),
        ("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", &[], Version::Tls12, Some("DH 2048")),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", &[Group::Secp384r1], Version::Tls12, Some("secp384r1")),
        (
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            &[Group::Secp256r1],
            Version::Tls12,
            Some("secp256r1"),
        ),
        ("TLS_AES_128_GCM_SHA256", &[Group::Secp521r1], Version::Tls13, Some("secp521r1")),
        ("TLS_AES_128_GCM_SHA256", &[Group::Ffdhe2048], Version::Tls13, Some("ffdhe2048")),
    ];
    for (name, groups, version, group) in cases {
        let mut bench = bench(|s| {
            s.suites = suite(name);
            s.groups = (!groups.is_empty()).then(|| groups.to_vec());
            s.min_version = *version;
        });
        let events = boot(&mut bench);
        assert_eq!((established(&events).1, established(&events).2), (*name, *group));
    }
    for bits in [1024, 1536, 3072] {
        let events = boot(&mut bench(|s| {
            (s.suites, s.dh_bits) = (suite("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"), bits);
        }));
        assert_eq!(established(&events).2, Some(format!("DH {bits}").as_str()));
    }
}

#[test]
fn what_is_not_shared_is_told_apart() {
    type Change = fn(&mut Settings);
    type Client = fn(&mut openssl::ssl::SslContextBuilder);
    let cases: &[(Change, Client, TlsFailure)] = &[
        (
            |s| s.suites = Some(vec!["TLS_RSA_WITH_AES_128_GCM_SHA256".into()]),
            |c| {
                c.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
                c.set_cipher_list("AES256-SHA:@SECLEVEL=0").unwrap();
            },
            TlsFailure::NoSharedCipher,
        ),
        (
            |s| s.groups = Some(vec![Group::Secp521r1]),
            |c| c.set_groups_list("X25519").unwrap(),
            TlsFailure::NoSharedGroup,
        ),
        (
            |s| s.signature_algorithms = Some(vec!["rsa_pss_rsae_sha512".into()]),
            |c| c.set_sigalgs_list("rsa_pss_rsae_sha256").unwrap(),
            TlsFailure::NoSharedSignatureAlgorithm,
        ),
        (|_| {}, |c| c.set_alpn_protos(b"\x02h2").unwrap(), TlsFailure::NoSharedProtocol),
    ];
    for (change, change_client, expected) in cases {
        let mut bench = bench(change);
        let mut context = lax();
        change_client(&mut context);
        let mut client = support::tls::Client::new(&mut bench, 443, &context.build(), |_| {});
        let (error, _) = client.handshake(&mut bench).unwrap_err();
        let (found, why) = failure(&bench.events).unwrap();
        assert_eq!(found, *expected, "{why}; the client says {error:?}");
    }
}

#[test]
fn records_are_as_small_as_asked() {
    for (version, size) in
        [(Version::Tls12, 1), (Version::Tls12, 700), (Version::Tls13, 16), (Version::Tls10, 100)]
    {
        let mut bench = bench(|s| (s.min_version, s.max_version, s.record_size) = (version, version, size));
        let mut client = Client::new(&mut bench, 443, &lax().build(), |_| {});
        client.handshake(&mut bench).unwrap();
        let request = GET.replace("GET", "HEAD");
        assert!(client.ask(&mut bench, &request).bytes.starts_with(b"HTTP/1.1 200 OK"));
        let records = records_to_guest(&bench);
        // What a record adds to its plaintext: MAC, padding, nonce (RFC 5246 §6.2.3).
        let most = |kind: u8, encrypted: bool| match kind {
            21 | 22 if encrypted => 512 + 64,
            23 => usize::from(size) + 64,
            _ => usize::from(size).max(2),
        };
        let mut encrypted = false;
        assert!(records.len() > 10);
        for (kind, length) in records {
            let tls13_handshake = version == Version::Tls13 && kind == 23 && length <= 512 + 64;
            assert!(
                length <= most(kind, encrypted) || tls13_handshake,
                "{version:?} {size}: {kind} has {length}"
            );
            encrypted |= kind == 20;
        }
    }
}

/// Content type and length of each record that the server sent.
fn records_to_guest(bench: &Bench) -> Vec<(u8, usize)> {
    let mut stream = Vec::new();
    for (_, direction, frame) in &bench.frames {
        let packet = etherparse::SlicedPacket::from_ethernet(frame).unwrap();
        if let (wire::Direction::ToGuest, Some(etherparse::TransportSlice::Tcp(tcp))) =
            (direction, &packet.transport)
        {
            stream.extend(tcp.payload());
        }
    }
    let mut records = Vec::new();
    let mut rest = &stream[..];
    while let [kind, _, _, high, low, ..] = *rest {
        let length = usize::from(u16::from_be_bytes([high, low]));
        records.push((kind, length));
        rest = &rest[5 + length..];
    }
    assert!(rest.is_empty(), "the stream ends with a whole record");
    records
}

#[test]
fn sessions_are_resumed_as_the_scenario_says() {
    for (version, resumption, expected) in [
        (Version::Tls12, Resumption::Tickets, true),
        (Version::Tls12, Resumption::SessionIds, true),
        (Version::Tls12, Resumption::None, false),
        (Version::Tls13, Resumption::Tickets, true),
        (Version::Tls13, Resumption::SessionIds, true),
        (Version::Tls13, Resumption::None, false),
    ] {
        let mut bench = bench(|s| {
            (s.min_version, s.max_version, s.resumption) = (version, version, resumption);
        });
        let mut context = lax();
        let kept = keep_sessions(&mut context);
        if version == Version::Tls12 {
            // A session id of a client that speaks TLS 1.3 means nothing.
            context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        }
        let context = context.build();
        let mut first = Client::new(&mut bench, 443, &context, |_| {});
        first.handshake(&mut bench).unwrap();
        first.ask(&mut bench, GET);
        let session = kept.lock().unwrap().take();
        bench.events.clear();
        let mut second = Client::new(&mut bench, 443, &context, |ssl| {
            if let Some(session) = &session {
                // SAFETY: the session comes from the same context.
                #[allow(unsafe_code)]
                unsafe { ssl.set_session(session) }.unwrap();
            }
        });
        second.handshake(&mut bench).unwrap();
        let resumed = bench.events.iter().find_map(|event| match event {
            Event::TlsEstablished { resumed, .. } => Some(*resumed),
            _ => None,
        });
        let offered = bench
            .events
            .iter()
            .any(|event| matches!(event, Event::TlsClientHello { hello, .. } if hello.resumes));
        assert_eq!((resumed, offered), (Some(expected), expected), "{version:?} {resumption:?}");
    }
}

#[test]
fn client_certificates_are_asked_for() {
    let own = identity(&settings(|_| {})).unwrap();
    for version in [Version::Tls12, Version::Tls13] {
        for (asked, has, expected) in [
            (ClientCertificate::None, false, Ok(false)),
            (ClientCertificate::Optional, false, Ok(false)),
            (ClientCertificate::Optional, true, Ok(true)),
            (ClientCertificate::Required, true, Ok(true)),
            (ClientCertificate::Required, false, Err(TlsFailure::NoClientCertificate)),
        ] {
            let mut bench = bench(|s| {
                (s.min_version, s.max_version, s.client_certificate) = (version, version, asked);
            });
            let mut context = lax();
            if has {
                let leaf = openssl::x509::X509::from_der(&own.chain[0]).unwrap();
                context.set_certificate(&leaf).unwrap();
                let key = openssl::pkey::PKey::private_key_from_der(&own.key).unwrap();
                context.set_private_key(&key).unwrap();
            }
            let mut client = Client::new(&mut bench, 443, &context.build(), |_| {});
            // In TLS 1.3 the client is done before the server has looked at its certificate.
            let _ = client.handshake(&mut bench);
            bench.run_for(Duration::from_millis(50));
            let presented = bench.events.iter().find_map(|event| match event {
                Event::TlsEstablished { client_certificate, .. } => Some(*client_certificate),
                _ => None,
            });
            let found = presented.ok_or_else(|| failure(&bench.events).unwrap().0);
            assert_eq!(found, expected, "{version:?} {asked:?} {has}");
            let request = bench.events.iter().any(|event| {
                matches!(event, Event::TlsMessage { message: TlsMessage::CertificateRequest, .. })
            });
            assert_eq!(request, asked != ClientCertificate::None);
        }
    }
}

#[test]
fn the_server_stops_where_it_is_told_to() {
    let stop = |version, stall: bool, at| {
        let mut bench = bench(|s| {
            (s.min_version, s.max_version) = (version, version);
            if stall { s.stall_after = Some(at) } else { s.close_after = Some(at) }
        });
        let mut client = Client::new(&mut bench, 443, &lax().build(), |_| {});
        let (error, end) = client.handshake(&mut bench).unwrap_err();
        assert!(error.is_none(), "{error:?}");
        assert_eq!(end, if stall { End::Open } else { End::Fin });
        assert!(bench.events.iter().any(|event| matches!(event, Event::TlsWithheld { .. })));
        messages(&bench.events).last().cloned().unwrap()
    };
    for stall in [true, false] {
        for at in
            [Message::ServerHello, Message::Certificate, Message::ServerKeyExchange, Message::ServerHelloDone]
        {
            let last = stop(Version::Tls12, stall, at).to_lowercase();
            assert_eq!(last, format!("< {at:?}").to_lowercase());
        }
        assert_eq!(stop(Version::Tls12, stall, Message::ClientHello), "> ClientHello");
        for at in [
            Message::ServerHello,
            Message::EncryptedExtensions,
            Message::Certificate,
            Message::CertificateVerify,
        ] {
            let last = stop(Version::Tls13, stall, at).to_lowercase();
            assert_eq!(last, format!("< {at:?}").to_lowercase());
        }
    }
}

#[test]
fn a_server_can_stop_once_the_client_is_content() {
    let mut bench = bench(|s| (s.max_version, s.stall_after) = (Version::Tls12, Some(Message::Finished)));
    let mut client = Client::new(&mut bench, 443, &lax().build(), |_| {});
    client.handshake(&mut bench).unwrap();
    let answer = client.ask(&mut bench, GET);
    assert_eq!((answer.bytes.len(), answer.end), (0, End::Open));
    assert_eq!(messages(&bench.events).last().map(String::as_str), Some("< Finished"));
}

#[test]
fn a_stalled_client_that_leaves_is_let_go() {
    let mut bench = bench(|s| s.stall_after = Some(Message::Certificate));
    let mut client = Client::new(&mut bench, 443, &lax().build(), |_| {});
    assert!(client.handshake(&mut bench).is_err());
    bench.socket(client.handle).close();
    bench.run_for(Duration::from_millis(50));
    assert!(bench.events.iter().any(|event| matches!(event, Event::TcpClosed { .. })), "{:?}", bench.events);
}

#[test]
fn the_end_is_announced_or_not() {
    for announced in [true, false] {
        let mut bench = bench(|s| s.close_notify = announced);
        let mut client = Client::new(&mut bench, 443, &lax().build(), |_| {});
        client.handshake(&mut bench).unwrap();
        let answer = client.ask(&mut bench, GET);
        assert_eq!((answer.end, answer.notified), (End::Fin, announced));
        assert_eq!(answer.body(), &*image(IMAGE));
        assert_eq!(messages(&bench.events).contains(&"< close_notify".to_owned()), announced);
    }
}

#[test]
fn unknown_names_are_treated_as_the_scenario_says() {
    let met = |unknown: UnknownName, asked: Option<&str>| {
        let mut bench = bench(|s| {
            (s.unknown_name, s.names, s.max_version) = (unknown, vec!["boot.example".into()], Version::Tls12);
        });
        let mut client = Client::new(&mut bench, 443, &lax().build(), |ssl| {
            if let Some(asked) = asked {
                ssl.set_hostname(asked).unwrap();
            }
        });
        let outcome = client.handshake(&mut bench).is_ok();
        let alert = messages(&bench.events).contains(&"< unrecognized_name".to_owned());
        (outcome, alert, failure(&bench.events).map(|(reason, _)| reason))
    };
    assert_eq!(met(UnknownName::Ignore, Some("192.0.2.1")), (true, false, None));
    assert_eq!(met(UnknownName::Warn, Some("192.0.2.1")), (true, true, None));
    assert_eq!(met(UnknownName::Refuse, Some("192.0.2.1")), (false, true, Some(TlsFailure::UnknownName)));
    assert_eq!(met(UnknownName::Refuse, Some("BOOT.example")), (true, false, None));
    assert_eq!(met(UnknownName::Refuse, None), (true, false, None));
}

#[test]
fn another_handshake_is_asked_for() {
    for after in [0, 5_000] {
        let mut bench = bench(|s| (s.max_version, s.renegotiate_after) = (Version::Tls12, Some(after)));
        let events = boot_with(&mut bench, "GET /boot.efi HTTP/1.1\r\nHost: h\r\n\r\n");
        let asked = events.iter().find_map(|event| match event {
            Event::TlsRenegotiation { after, .. } => Some(*after),
            _ => None,
        });
        assert_eq!(asked, Some(after));
        let hellos = messages(&events).iter().filter(|message| *message == "> ClientHello").count();
        assert_eq!(hellos, 2, "the client did as it was asked after {after}: {:?}", messages(&events));
    }
}

#[test]
fn the_wrong_protocol_on_a_port_is_recognised() {
    let mut swapped = settings(|s| s.port = 80);
    swapped.http.port = 443;
    // TLS to a plain server.
    let mut bench = Bench::new(&swapped, image(IMAGE));
    let mut context = lax();
    // A ClientHello that needs more than one segment.
    context.set_alpn_protos(&b"\x09protocol-".repeat(200)).unwrap();
    let mut client =
        Client::new(&mut bench, 443, &context.build(), |ssl| ssl.set_hostname("boot.example").unwrap());
    assert!(client.handshake(&mut bench).is_err());
    let hello = bench.events.iter().find_map(|event| match event {
        Event::TlsClientHello { hello, .. } => hello.server_name.as_deref(),
        _ => None,
    });
    assert_eq!(hello, Some("boot.example"));
    assert!(
        bench
            .events
            .iter()
            .any(|event| { matches!(event, Event::HttpMalformed { why, .. } if why.contains("TLS")) })
    );
    // HTTP to a server that speaks TLS, and bytes that are neither.
    for bytes in [GET, "\0\u{1}\u{2} neither of them, and long enough to tell"] {
        let mut bench = Bench::new(&swapped, image(IMAGE));
        let received = bench.ask(80, bytes);
        assert_eq!(received.end, End::Fin);
        assert_eq!(failure(&bench.events).unwrap().0, TlsFailure::NotTls, "{:?}", bench.events);
    }
}

#[test]
fn plain_and_secure_are_different_origins_of_one_site() {
    // The plain server redirects to the secure one at the same path.
    let mut settings = NetworkSettings::default();
    (settings.http.status, settings.http.location) = (302, Some("https://{server4}/boot.efi".into()));
    let mut bench = Bench::new(&settings, image(IMAGE));
    let plain = bench.ask(80, GET);
    let text = String::from_utf8_lossy(&plain.bytes).into_owned();
    assert!(text.contains("302") && text.contains("Location: https://192.0.2.1/boot.efi"), "{text}");
    boot(&mut bench);

    // What is offered behind TLS only is not there without.
    let mut bench = Bench::new(&support::tls::settings(|_| {}), image(IMAGE));
    assert!(bench.ask(80, GET).bytes.starts_with(b"HTTP/1.1 404"));

    // Without a word about TLS nothing listens.
    let mut bench = Bench::new(&NetworkSettings::default(), image(IMAGE));
    let handle = bench.connect(services::address::SERVER4, 443);
    assert_eq!(bench.read(handle, Duration::from_secs(1)).end, End::Reset);
}

#[test]
fn the_whole_image_is_delivered_and_acknowledged() {
    let mut bench = Bench::new(&settings(|_| {}), image(3_000_000));
    let mut client = Client::new(&mut bench, 443, &lax().build(), |_| {});
    client.handshake(&mut bench).unwrap();
    let answer = client.ask(&mut bench, GET);
    assert_eq!(answer.body(), &*image(3_000_000));
    let delivered =
        bench.events.iter().any(|event| matches!(event, Event::HttpDelivered { image: true, .. }));
    assert!(delivered);
    assert!(
        bench.secrets.iter().any(|line| line.starts_with("SERVER_TRAFFIC_SECRET_0 ")),
        "{:?}",
        bench.secrets
    );
}

#[test]
fn a_client_that_verifies_is_content() {
    let settings = settings(|_| {});
    let mut bench = Bench::new(&settings, image(IMAGE));
    let mut context = lax();
    context.set_verify(SslVerifyMode::PEER);
    for anchor in identity(&settings).unwrap().anchors {
        let anchor = openssl::x509::X509::from_der(&anchor).unwrap();
        context.cert_store_mut().add_cert(anchor).unwrap();
    }
    let mut client = Client::new(&mut bench, 443, &context.build(), |ssl| {
        ssl.param_mut().set_ip("192.0.2.1".parse().unwrap()).unwrap();
    });
    client.handshake(&mut bench).unwrap();
    // The same client without the anchor says why it leaves.
    let mut stranger = lax();
    stranger.set_verify(SslVerifyMode::PEER);
    bench.events.clear();
    let mut client = Client::new(&mut bench, 443, &stranger.build(), |_| {});
    assert!(client.handshake(&mut bench).is_err());
    assert!(messages(&bench.events).contains(&"> unknown_ca".to_owned()), "{:?}", messages(&bench.events));
    assert_eq!(failure(&bench.events).unwrap().0, TlsFailure::Alert);
}

#[test]
fn what_this_openssl_cannot_do_is_unsupported() {
    let fails = |change: fn(&mut Settings)| {
        let settings = settings(change);
        let identity = identity(&settings);
        match Network::with_identity(&settings, image(10), identity.as_ref()) {
            Err(NetworkError::Unsupported(unsupported)) => (unsupported.path, unsupported.why),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it can"),
        }
    };
    // No OpenSSL 3 has this suite.
    let (path, why) = fails(|s| s.suites = Some(vec!["TLS_RSA_WITH_IDEA_CBC_SHA".into()]));
    assert_eq!(path, "network.tls.suites");
    assert!(why.contains("TLS_RSA_WITH_IDEA_CBC_SHA"), "{why}");
    // No client can have it, whoever serves it: an ECDSA key and a suite for RSA.
    let (path, why) = fails(|s| {
        s.certificate.leaf.key = pki::settings::Key::P256;
        s.suites = Some(vec!["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".into()]);
    });
    assert_eq!(path, "network.tls.suites");
    assert!(why.contains("no shared cipher"), "{why}");
    // RFC 8422 §5.1.1: Ed25519 came with signature_algorithms, so not before TLS 1.2.
    let (path, _) = fails(|s| {
        s.certificate.leaf.key = pki::settings::Key::Ed25519;
        (s.min_version, s.max_version) = (Version::Tls11, Version::Tls11);
    });
    assert_eq!(path, "network.tls.certificate");
}

#[test]
fn a_chain_larger_than_a_client_usually_takes_is_served() {
    let settings = settings(|s| s.certificate.intermediate.padding_bytes = 200_000);
    let identity = identity(&settings);
    assert!(Network::with_identity(&settings, image(10), identity.as_ref()).is_ok());
    // The limit is the client's own (OpenSSL's is 100 KiB), and the client says so.
    let mut bench = Bench::new(&settings, image(IMAGE));
    let mut client = Client::new(&mut bench, 443, &lax().build(), |_| {});
    assert!(client.handshake(&mut bench).is_err());
    assert!(messages(&bench.events).contains(&"> illegal_parameter".to_owned()));
}

/// `cargo test -p services --features vendored --test tls`
#[cfg(feature = "vendored")]
#[test]
fn openssl_from_source_has_what_distributions_removed() {
    let events = boot(&mut bench(|s| {
        (s.suites, s.min_version) = (Some(vec!["TLS_RSA_WITH_3DES_EDE_CBC_SHA".into()]), Version::Tls10);
    }));
    assert_eq!(established(&events).1, "TLS_RSA_WITH_3DES_EDE_CBC_SHA");
}

#[test]
fn a_network_with_tls_needs_a_certificate() {
    let settings = settings(|_| {});
    assert!(matches!(Network::new(&settings, image(10)), Err(NetworkError::NoIdentity)));
    assert!(Network::certificate(&NetworkSettings::default()).unwrap().is_none());
    let names = Network::certificate(&settings).unwrap().unwrap().leaf.names;
    assert_eq!(names, ["192.0.2.1"], "placeholders are replaced");
}

#[test]
fn impossible_settings_are_named() {
    let check =
        |change: fn(&mut Settings)| Network::check(&settings(change)).map_err(|error| error.to_string());
    assert_eq!(check(|s| s.record_size = 1), Ok(()));
    assert_eq!(check(|s| s.suites = Some(vec!["TLS_AES_128_GCM_SHA256".into()])), Ok(()));
    insta::assert_debug_snapshot!([
        check(|s| s.port = 0),
        check(|s| s.port = 80),
        check(|s| s.max_version = Version::Tls11),
        check(|s| s.suites = Some(vec!["AES128-SHA".into()])),
        check(|s| s.suites = Some(vec![])),
        check(|s| {
            s.suites = Some(vec!["TLS_AES_128_GCM_SHA256".into()]);
            s.max_version = Version::Tls12;
        }),
        check(|s| s.groups = Some(vec![])),
        check(|s| s.signature_algorithms = Some(vec!["RSA+SHA256".into()])),
        check(|s| s.dh_bits = 512),
        check(|s| s.security_level = 6),
        check(|s| s.record_size = 0),
        check(|s| s.record_size = 16_385),
        check(|s| s.alpn = vec![String::new()]),
        check(|s| (s.stall_after, s.close_after) = (Some(Message::Certificate), Some(Message::Finished))),
        check(|s| s.renegotiate_after = Some(0)),
        check(|s| (s.version, s.min_version) = (Some(Version::Tls12), Version::Tls11)),
        check(|s| {
            (s.version, s.suites) =
                (Some(Version::Tls13), Some(vec!["TLS_RSA_WITH_AES_128_GCM_SHA256".into()]));
        }),
        check(|s| s.certificate.leaf.names = vec!["{nobody}".into()]),
    ]);
}
