//! TLS: what each fault comes out as, in words that say where it broke; secrets in the capture; what this host cannot do.

use crate::bench::{Fakes, build, plan, run, scenario};
use crate::causes::{Row, row, run_table};
use fake_firmware::{
    Behaviour, Farewell, Moment, Opening, Renegotiation, ServerName, Tls, TlsVersion, TroubleKind, Trust,
};
use record::{Outcome, Stage, Verdict};
use std::path::Path;
use std::process::Command;

const HTTPS: &str = "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' } }";

/// A conforming client, changed.
fn client(change: fn(&mut Tls)) -> Behaviour {
    let mut client = Behaviour::conforming();
    change(&mut client.tls);
    client
}

/// Rows of the table of causes; each network has an `https` boot file.
pub fn rows() -> Vec<Row> {
    use Outcome::{Boots, GivesUp, Hangs, Refuses};
    use Stage::{Address, Connect, Executed, Get, Tls};
    let conforming = Behaviour::conforming;
    let edk2 = Behaviour::edk2_2022_11;
    let hangs = |moment| conforming().with_trouble(moment, TroubleKind::Hang);
    vec![
        Row { cause: None, ..row("tls", HTTPS, conforming(), Boots, Executed, "") },
        Row { cause: None, ..row("tls-like-edk2", HTTPS, edk2(), Boots, Executed, "") },
        row("tls-lease-forgotten", HTTPS, hangs(Moment::AckReceived), Hangs, Address, "dhcp4.lease-not-used"),
        row(
            "tls-silent-client",
            HTTPS,
            client(|t| t.opening = Opening::Nothing),
            GivesUp,
            Connect,
            "tls.no-hello",
        ),
        row(
            "http-to-tls",
            HTTPS,
            client(|t| t.opening = Opening::PlainHttp),
            Refuses,
            Connect,
            "tls.not-tls",
        ),
        row(
            "tls-to-http",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, http: { port: 443 }, tls: { port: 80 } }",
            conforming(),
            Refuses,
            Tls,
            "tls.server-speaks-http",
        ),
        row(
            "tls-too-new",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { min_version: '1.3' } }",
            edk2(),
            Refuses,
            Tls,
            "tls.no-shared-version",
        ),
        row(
            "tls-ecdsa",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { certificate: { leaf: { key: p-256 } } } }",
            edk2(),
            Refuses,
            Tls,
            "tls.no-shared-cipher",
        ),
        row(
            "tls-other-group",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { groups: [secp521r1] } }",
            client(|t| (t.min_version, t.groups) = (TlsVersion::Tls13, Some("X25519"))),
            Refuses,
            Tls,
            "tls.no-shared-group",
        ),
        // Below TLS 1.3 our server can only say that no suite is shared; the ClientHello says why.
        row(
            "tls-old-group",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { version: '1.2', \
             suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256], groups: [x25519] } }",
            client(|t| t.groups = Some("P-384")),
            Refuses,
            Tls,
            "tls.no-shared-group",
        ),
        row(
            "tls-old-suite",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { version: '1.2', \
             suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256], groups: [x25519] } }",
            client(|t| (t.groups, t.suites) = (Some("P-384"), Some("AES128-SHA"))),
            Refuses,
            Tls,
            "tls.no-shared-cipher",
        ),
        row(
            "tls-other-signature",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { signature_algorithms: [rsa_pss_rsae_sha512] } }",
            client(|t| t.signature_algorithms = Some("rsa_pss_rsae_sha256")),
            Refuses,
            Tls,
            "tls.no-shared-signature-algorithm",
        ),
        row(
            "tls-old-signature",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { version: '1.2', \
             certificate: { leaf: { key: ed25519 } } } }",
            client(|t| t.signature_algorithms = Some("ECDSA+SHA256:RSA+SHA256")),
            Refuses,
            Tls,
            "tls.no-shared-signature-algorithm",
        ),
        row("tls-h2", HTTPS, client(|t| t.alpn = Some(b"\x02h2")), Refuses, Tls, "tls.no-shared-protocol"),
        row(
            "tls-name",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { unknown_name: refuse } }",
            client(|t| t.server_name = ServerName::Literal),
            Refuses,
            Tls,
            "tls.name-refused",
        ),
        row(
            "tls-client-certificate",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { client_certificate: required } }",
            conforming(),
            Refuses,
            Tls,
            "tls.no-client-certificate",
        ),
        row(
            "tls-not-enrolled",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { certificate: { enrolled: nothing } } }",
            conforming(),
            Refuses,
            Tls,
            "tls.client-alert",
        ),
        row(
            "tls-small-key",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { certificate: { leaf: { key: rsa-1024 } } } }",
            client(|t| t.leaves_with = Farewell::Nothing),
            Refuses,
            Tls,
            "tls.client-closed-after-certificate",
        ),
        row(
            "tls-notified",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { version: '1.2', certificate: { leaf: { key: rsa-1024 } } } }",
            client(|t| t.leaves_with = Farewell::CloseNotify),
            Refuses,
            Tls,
            "tls.client-closed-after-certificate",
        ),
        row(
            "tls-retry",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { min_version: '1.3', groups: [secp256r1] } }",
            client(|t| {
                (t.groups, t.answers_retry, t.leaves_with) = (Some("X25519:P-256"), false, Farewell::Nothing)
            }),
            Refuses,
            Tls,
            "tls.client-closed",
        ),
        row(
            "tls-damaged",
            HTTPS,
            client(|t| (t.damages_flight, t.max_version) = (true, TlsVersion::Tls12)),
            Refuses,
            Tls,
            "tls.handshake-failed",
        ),
        row("tls-hello-and-nothing", HTTPS, hangs(Moment::HelloSent), Hangs, Tls, "tls.handshake-incomplete"),
        row("tls-and-nothing", HTTPS, hangs(Moment::Secured), Hangs, Tls, "tls.no-request"),
        row(
            "tls-stalled",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { stall_after: certificate } }",
            conforming(),
            GivesUp,
            Tls,
            "tls.server-stalled",
        ),
        row(
            "tls-closed",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { close_after: server-hello } }",
            conforming(),
            Refuses,
            Tls,
            "tls.server-closed",
        ),
        row(
            "tls-renegotiation",
            "{ dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { max_version: '1.2', renegotiate_after: 300 } }",
            client(|t| t.renegotiation = Renegotiation::Breaks),
            Refuses,
            Get,
            "tls.renegotiation",
        ),
        // The plain part went well, and what comes after the redirect decides.
        row(
            "tls-behind-a-redirect",
            "{ http: { status: 302, location: 'https://{server4}/boot.efi' }, tls: { max_version: '1.2' } }",
            client(|t| t.min_version = TlsVersion::Tls13),
            Refuses,
            Stage::Head,
            "tls.no-shared-version",
        ),
    ]
}

#[test]
fn a_finding_says_where_tls_broke() {
    let rows = rows();
    let done = run_table(&rows);
    for (row, words) in [
        ("tls-lease-forgotten", "(the boot file is behind TLS)"),
        ("tls-too-new", "(offered TLS 1.2; the server has TLS 1.3 to TLS 1.3)"),
        ("tls-ecdsa", "(offered no ECDHE, leaf is ECDSA P-256)"),
        ("tls-other-group", "(offered x25519; the server has secp521r1)"),
        ("tls-old-group", "(offered secp384r1; the server has x25519)"),
        ("tls-old-suite", "(did not offer TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)"),
        ("tls-old-signature", "(offered ecdsa_secp256r1_sha256, rsa_pkcs1_sha256; leaf is Ed25519)"),
        ("tls-other-signature", "(offered rsa_pss_rsae_sha256; leaf is RSA-2048)"),
        ("tls-h2", "(offered h2)"),
        ("tls-name", "(asked for \"192.0.2.1\")"),
        ("tls-not-enrolled", "(unknown_ca after our Certificate (RSA-2048))"),
        ("tls-small-key", "(closed after our Certificate (RSA-1024))"),
        ("tls-retry", "(closed after our HelloRetryRequest)"),
        ("tls-stalled", "(nothing more is sent after our Certificate, as the scenario says)"),
        ("tls-closed", "(the connection is closed after our ServerHello, as the scenario says)"),
        ("tls-hello-and-nothing", "(nothing came after our Certificate (RSA-2048))"),
        ("tls-renegotiation", "(no ClientHello followed)"),
    ] {
        let cell = done.cell(&format!("table/{row}"));
        assert!(cell.detail.ends_with(words), "{row}: {}", cell.detail);
    }
}

/// What tshark sees of HTTP, without being told any secret.
fn http_in(capture: &Path) -> Option<String> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-Y", "http", "-T", "fields"]);
    command.args(["-e", "http.request.method", "-e", "http.response.code"]);
    match command.output() {
        Ok(output) => {
            Some(String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" "))
        }
        Err(error) => {
            assert!(std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_none(), "failed to run tshark: {error}");
            eprintln!("skipped: no tshark");
            None
        }
    }
}

#[test]
fn tshark_reads_the_http_in_a_capture_of_tls() {
    let network = |tls: &str| {
        format!("network: {{ dhcp4: {{ bootfile: 'https://{{server4}}/boot.efi' }}, tls: {tls} }}")
    };
    let scenarios = [
        ("table/rsa", "{ suites: [TLS_RSA_WITH_AES_128_GCM_SHA256] }"),
        ("table/ecdhe", "{ max_version: '1.2', record_size: 100 }"),
        ("table/old", "{ min_version: '1.0', max_version: '1.0' }"),
        ("table/new", "{ min_version: '1.3' }"),
    ]
    .map(|(id, tls)| scenario(id, "observe", &network(tls)));
    let careless = client(|t| {
        (t.trust, t.security_level, t.min_version) = (Trust::Everybody, 0, TlsVersion::Tls10);
    });
    let done = run(plan(&scenarios, vec![build("fake")]), Fakes::all(careless));
    for scenario in ["table/rsa", "table/ecdhe", "table/old", "table/new"] {
        let cell = done.cell(scenario);
        assert_eq!(cell.outcome, Some(Outcome::Boots), "{scenario}: {}", cell.detail);
        let evidence = cell.evidence.as_ref().unwrap();
        let capture = done.directory.path().join(&evidence.capture);
        let keys =
            std::fs::read_to_string(done.directory.path().join(evidence.keys.as_ref().unwrap())).unwrap();
        let Some(seen) = http_in(&capture) else { return };
        assert_eq!(seen, "HEAD 200 GET 200", "{scenario}");

        // Without the right secrets there is nothing to see, so it was them that showed it.
        let mut bytes = std::fs::read(&capture).unwrap();
        let at = bytes.windows(keys.len()).position(|part| part == keys.as_bytes()).unwrap();
        bytes[at..at + keys.len()].iter_mut().filter(|byte| **byte == b'a').for_each(|byte| *byte = b'0');
        let blinded = capture.with_file_name("blinded.pcapng");
        std::fs::write(&blinded, bytes).unwrap();
        assert_eq!(http_in(&blinded).as_deref(), Some(""), "{scenario}");
    }
    let plain = done.cell(run::CONTROL).evidence.as_ref().unwrap();
    assert_eq!(plain.keys, None);
}

#[test]
fn what_this_host_cannot_do_is_unsupported_and_never_a_failure() {
    let impossible = scenario(
        "table/idea",
        "must",
        "network: { dhcp4: { bootfile: 'https://{server4}/boot.efi' }, tls: { suites: [TLS_RSA_WITH_IDEA_CBC_SHA] } }\n\
         expect: { outcome: boots }",
    );
    let done = run(plan(&[impossible], vec![build("fake")]), Fakes::all(Behaviour::conforming()));
    let cell = done.cell("table/idea");
    assert_eq!((cell.verdict, cell.outcome, cell.attempts), (Verdict::Unsupported, None, 1));
    assert!(cell.detail.contains("TLS_RSA_WITH_IDEA_CBC_SHA"), "{}", cell.detail);
}

#[test]
fn the_same_tls_cell_does_the_same() {
    let https = scenario("table/tls", "observe", &format!("network: {HTTPS}"));
    let transcript = || {
        let done =
            run(plan(std::slice::from_ref(&https), vec![build("fake")]), Fakes::all(Behaviour::conforming()));
        done.cell("table/tls").transcript.clone().unwrap()
    };
    assert_eq!(transcript(), transcript());
}
