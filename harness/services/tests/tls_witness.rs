//! Independent witnesses of the TLS server: `openssl s_client` and curl through a TAP device, as in `witness.rs`. What
//! they are content with may be held against a firmware.
#![allow(clippy::unwrap_used)]

mod support;

use pki::settings::Key;
use services::{
    NetworkSettings,
    http::Connection,
    tls::{ClientCertificate, Message, Settings, Version},
};
use std::fs;
use std::process::Output;
use support::{
    image,
    link::{Link, require},
    tls::settings,
};

const IMAGE: usize = 3_000_000;
const BOOT: &str = "https://192.0.2.1/boot.efi";

type Change = fn(&mut Settings);

/// A link with a TLS server, and the file with what its clients have to trust.
fn link(name: &str, settings: &NetworkSettings) -> Option<(Link, String)> {
    let link = Link::new(name, settings, image(IMAGE))?;
    link.guest("ip", &["address", "add", "192.0.2.100/24", "dev", "tap0"]);
    let anchors = link.write_anchors(settings);
    Some((link, anchors))
}

/// What curl says of a transfer, and whether the whole image came.
fn curl(link: &Link, arguments: &[&str]) -> (String, bool) {
    let body = link.directory().join("body");
    let _ = fs::remove_file(&body);
    let format = "%{http_code} %{exitcode}\n";
    let fixed = ["--silent", "--max-time", "30", "--output", body.to_str().unwrap(), "--write-out", format];
    let output = link.guest("curl", &[&fixed, arguments].concat());
    let said = String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
    (said, fs::read(body).unwrap_or_default() == *image(IMAGE))
}

/// `openssl s_client`, which verifies chain and address and ends after the handshake.
fn s_client(link: &Link, anchors: &str, arguments: &[&str]) -> (bool, String) {
    let fixed = [
        "10",
        "openssl",
        "s_client",
        "-connect",
        "192.0.2.1:443",
        "-verify_return_error",
        "-verify_ip",
        "192.0.2.1",
    ];
    let output: Output = link.guest("timeout", &[&fixed[..], &["-CAfile", anchors], arguments].concat());
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn only(version: Version, suite: &'static str) -> impl Fn(&mut Settings) {
    move |s| {
        (s.min_version, s.max_version) = (version, version);
        s.suites = Some(vec![suite.into()]);
    }
}

/// Version, suite, and what `s_client` needs to be told so that it agrees (its own defaults refuse old things).
const MATRIX: &[(Version, &str, &[&str], &str)] = &[
    (Version::Tls10, "TLS_RSA_WITH_AES_128_CBC_SHA", &["-tls1", "-cipher", "ALL:@SECLEVEL=0"], "TLSv1"),
    (Version::Tls10, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", &["-tls1", "-cipher", "ALL:@SECLEVEL=0"], "TLSv1"),
    (
        Version::Tls11,
        "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        "TLSv1.1",
    ),
    (Version::Tls11, "TLS_RSA_WITH_AES_256_CBC_SHA", &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "TLSv1.1"),
    (Version::Tls12, "TLS_RSA_WITH_AES_128_GCM_SHA256", &["-tls1_2"], "TLSv1.2"),
    (Version::Tls12, "TLS_RSA_WITH_AES_256_CBC_SHA256", &["-tls1_2"], "TLSv1.2"),
    (Version::Tls12, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", &["-tls1_2"], "TLSv1.2"),
    (Version::Tls12, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", &["-tls1_2"], "TLSv1.2"),
    (Version::Tls12, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", &["-tls1_2"], "TLSv1.2"),
    (Version::Tls13, "TLS_AES_128_GCM_SHA256", &["-tls1_3"], "TLSv1.3"),
    (Version::Tls13, "TLS_AES_256_GCM_SHA384", &["-tls1_3"], "TLSv1.3"),
    (Version::Tls13, "TLS_CHACHA20_POLY1305_SHA256", &["-tls1_3"], "TLSv1.3"),
];

#[test]
fn s_client_and_curl_agree_on_every_version_and_suite() {
    if !require(&["openssl", "curl"]) {
        return;
    }
    for (version, suite, arguments, name) in MATRIX {
        let settings = settings(only(*version, suite));
        let Some((link, anchors)) = link(suite, &settings) else { return };
        let (verified, said) = s_client(&link, &anchors, arguments);
        assert!(verified && said.contains("Verify return code: 0 (ok)"), "{version:?} {suite}: {said}");
        // The session's version where there is a session to show, and otherwise what was agreed on.
        let negotiated = said.lines().any(|line| {
            let words: Vec<&str> = line.split([' ', ':', ',']).filter(|word| !word.is_empty()).collect();
            matches!(words[..], ["Protocol", version] if version == *name)
                || matches!(words[..], ["New", version, "Cipher", ..] if version == *name)
        });
        assert!(negotiated, "{version:?} {suite}: {said}");
        // Another version is refused, so the one above was the scenario's doing.
        let other = if *version == Version::Tls13 { "-tls1_2" } else { "-tls1_3" };
        assert!(!s_client(&link, &anchors, &[other]).0, "{suite}");

        let old = ["--tlsv1.0", "--ciphers", "ALL:@SECLEVEL=0"];
        let arguments =
            [&["--cacert", &anchors, BOOT][..], if *version < Version::Tls12 { &old } else { &[] }];
        assert_eq!(curl(&link, &arguments.concat()), ("200 0".into(), true), "{version:?} {suite}");
    }
}

/// The keys and versions of the scenario `tls/leaf-key`.
const KEYS: [Key; 9] = [
    Key::Rsa1024,
    Key::Rsa2048,
    Key::Rsa3072,
    Key::Rsa4096,
    Key::Rsa8192,
    Key::P256,
    Key::P384,
    Key::P521,
    Key::Ed25519,
];
const VERSIONS: [(Version, &str); 4] = [
    (Version::Tls10, "-tls1"),
    (Version::Tls11, "-tls1_1"),
    (Version::Tls12, "-tls1_2"),
    (Version::Tls13, "-tls1_3"),
];

#[test]
fn s_client_and_curl_agree_on_every_key_at_every_version() {
    if !require(&["openssl", "curl"]) {
        return;
    }
    for (key, (version, flag)) in KEYS.into_iter().flat_map(|key| VERSIONS.map(|version| (key, version))) {
        // RFC 8422 §5.1.1: Ed25519 needs signature_algorithms, and the versions before have none.
        if key == Key::Ed25519 && version < Version::Tls12 {
            continue;
        }
        let settings = settings(|s| {
            s.version = Some(version);
            s.certificate.leaf.key = key;
        });
        let Some((link, anchors)) = link("key", &settings) else { return };
        let (verified, said) = s_client(&link, &anchors, &[flag, "-cipher", "ALL:@SECLEVEL=0"]);
        assert!(verified && said.contains("Verify return code: 0 (ok)"), "{key:?} {version:?}: {said}");
        let old = ["--cacert", &anchors, "--tlsv1.0", "--ciphers", "ALL:@SECLEVEL=0", BOOT];
        assert_eq!(curl(&link, &old), ("200 0".into(), true), "{key:?} {version:?}");
        // A client that thinks little of 1024 bits says so, and it is the only key of these that it minds.
        if version == Version::Tls12 {
            let (verified, said) = s_client(&link, &anchors, &[flag, "-cipher", "ALL:@SECLEVEL=2"]);
            assert_eq!(verified, key != Key::Rsa1024, "{key:?}: {said}");
        }
    }
}

#[test]
fn curl_is_content_with_every_setting_that_a_client_can_live_with() {
    if !require(&["curl"]) {
        return;
    }
    let cases: &[(&str, Change, &[&str])] = &[
        ("default", |_| {}, &[]),
        (
            "records of 1 byte in the handshake",
            |s| (s.record_size, s.max_version) = (1, Version::Tls12),
            &["--head"],
        ),
        ("records of 100 bytes", |s| (s.record_size, s.max_version) = (100, Version::Tls12), &[]),
        ("records of 100 bytes, 1.3", |s| (s.record_size, s.min_version) = (100, Version::Tls13), &[]),
        ("a certificate is asked for", |s| s.client_certificate = ClientCertificate::Optional, &[]),
        (
            "and below 1.3",
            |s| {
                (s.client_certificate, s.max_version) = (ClientCertificate::Optional, Version::Tls12);
            },
            &[],
        ),
        ("no close_notify", |s| s.close_notify = false, &[]),
        ("renegotiation", |s| (s.renegotiate_after, s.max_version) = (Some(100_000), Version::Tls12), &[]),
        ("another port", |s| s.port = 8443, &["8443"]),
    ];
    for (name, change, how) in cases {
        let settings = settings(change);
        let Some((link, anchors)) = link(name, &settings) else { return };
        let url = format!("https://192.0.2.1:{}/boot.efi", settings.tls.port);
        let head = how.contains(&"--head");
        let arguments = [&["--cacert", &anchors, &url][..], if head { &["--head"] } else { &[] }];
        assert_eq!(curl(&link, &arguments.concat()), ("200 0".into(), !head), "{name}");
    }
}

#[test]
fn curl_says_what_is_wrong() {
    if !require(&["curl"]) {
        return;
    }
    // Exit codes of curl: 28 time is up, 35 handshake failed, 56 an alert after the handshake, 60 certificate not trusted.
    let cases: &[(&str, Change, &str)] = &[
        (
            "no certificate",
            |s| (s.client_certificate, s.max_version) = (ClientCertificate::Required, Version::Tls12),
            "000 35",
        ),
        ("no certificate, 1.3", |s| s.client_certificate = ClientCertificate::Required, "000 56"),
        ("stalled", |s| s.stall_after = Some(Message::ServerHello), "000 28"),
        ("closed", |s| s.close_after = Some(Message::ServerHello), "000 35"),
        (
            "an expired leaf",
            |s| {
                let leaf = &mut s.certificate.leaf;
                (leaf.valid_from_days, leaf.valid_until_days) = (-30, -1);
            },
            "000 60",
        ),
    ];
    for (name, change, expected) in cases {
        let settings = settings(change);
        let Some((link, anchors)) = link(name, &settings) else { return };
        let (said, whole) = curl(&link, &["--max-time", "3", "--cacert", &anchors, BOOT]);
        assert_eq!((said.as_str(), whole), (*expected, false), "{name}");
    }
    // A client that trusts somebody else.
    let others = support::tls::settings(|s| s.certificate.anchor.key = pki::settings::Key::P256);
    let Some((link, _)) = link("not trusted", &settings(|_| {})) else { return };
    let anchors = link.write_anchors(&others);
    assert_eq!(curl(&link, &["--cacert", &anchors, BOOT]), ("000 60".into(), false));
}

#[test]
fn curl_follows_a_redirect_from_plain_to_secure() {
    if !require(&["curl"]) {
        return;
    }
    let mut settings = NetworkSettings::default();
    (settings.http.status, settings.http.location) = (302, Some("https://{server4}/boot.efi".into()));
    let Some((link, anchors)) = link("redirect", &settings) else { return };
    let arguments = ["--cacert", &anchors, "--location", "http://192.0.2.1/boot.efi"];
    assert_eq!(curl(&link, &arguments), ("200 0".into(), true));
}

#[test]
fn curl_asks_again_on_a_new_connection() {
    if !require(&["curl"]) {
        return;
    }
    for connection in [Connection::Close, Connection::CloseUnannounced] {
        let mut settings = settings(|s| s.version = Some(Version::Tls12));
        settings.http.connection = connection;
        let Some((link, anchors)) = link("close", &settings) else { return };
        let head = ["--cacert", &anchors, "--head", BOOT, "--next", "--silent"];
        let body = link.directory().join("body");
        let get = ["--cacert", &anchors, "--output", body.to_str().unwrap(), BOOT];
        let output = link
            .guest("curl", &[&["--silent", "--show-error", "--max-time", "30"], &head[..], &get].concat());
        assert!(output.status.success(), "{connection:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fs::read(body).unwrap(), *image(IMAGE), "{connection:?}");
    }
}

/// Through a proxy, TLS is with the server at the end of the tunnel: curl checks its certificate and gets the image.
#[test]
fn curl_speaks_tls_through_a_proxy() {
    if !require(&["curl"]) {
        return;
    }
    let mut proxied = settings(|_| {});
    proxied.http.proxy = true;
    let Some((through, anchors)) = link("tunnel", &proxied) else { return };
    let arguments = ["--cacert", &anchors, "--proxy", "http://192.0.2.1:80", "--proxytunnel", BOOT];
    assert_eq!(curl(&through, &arguments), ("200 0".into(), true));
    // The tunnel to another port ends at the proxy itself, which speaks no TLS there.
    let other = [&arguments[..5], &["https://192.0.2.1:444/boot.efi"]].concat();
    assert_eq!(curl(&through, &other), ("000 35".into(), false));
    // What is no proxy opens no tunnel.
    let Some((alone, anchors)) = link("no tunnel", &settings(|_| {})) else { return };
    let refused = ["--cacert", &anchors, "--proxy", "http://192.0.2.1:80", "--proxytunnel", BOOT];
    assert_eq!(curl(&alone, &refused), ("000 56".into(), false));
}
