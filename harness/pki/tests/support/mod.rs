//! Judging a chain with the `openssl` program.
#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod errors;

use jiff::civil::{DateTime, date};
use pki::{Identity, Pki, Settings};
use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// The guest's date.
pub const DATE: DateTime = date(2026, 1, 1).at(0, 0, 0, 0);

/// Whether the program is there. With `PLUGFEST_REQUIRE_TOOLS` set, its absence fails the test.
pub fn has_openssl() -> bool {
    let found =
        Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    if !found {
        assert!(std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_none(), "openssl is missing");
        eprintln!("skipped: openssl is not installed");
    }
    found
}

/// Keys outlive a test run, so that RSA-8192 is generated once.
pub fn pki() -> Pki {
    Pki::open(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// Settings with a change, and with `{server4}` and `{name}` replaced.
pub fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    change(&mut settings);
    let expand = |_: &str, text: &str| -> Result<String, ()> {
        Ok(text.replace("{server4}", "192.0.2.1").replace("{name}", "boot.example.test"))
    };
    settings.expanded(expand).unwrap()
}

/// The identity of settings with a change.
pub fn minted(change: impl FnOnce(&mut Settings)) -> Identity {
    pki().mint(&settings(change), DATE).unwrap()
}

/// What the verifier says: the number of each of its errors (X509_V_ERR_*), with the depth of the certificate that it is
/// about, 0 being the leaf. None at all: it accepts.
pub type Errors = Vec<(u32, u32)>;

/// The errors of a client that asked for 192.0.2.1.
pub fn by_address(identity: &Identity) -> Errors {
    verify(identity, &["-verify_ip", "192.0.2.1"])
}

/// The errors of a client that asked for boot.example.test.
pub fn by_name(identity: &Identity) -> Errors {
    verify(identity, &["-verify_hostname", "boot.example.test"])
}

/// What a case changes in the default settings.
pub type Change = fn(&mut Settings);
/// What it is called, what it changes, and the errors that it must have.
pub type Case<'a> = (&'a str, Change, &'a [(u32, u32)]);

/// Checks the errors of a client that asked for 192.0.2.1, for each change.
pub fn check(cases: &[Case<'_>]) {
    if !has_openssl() {
        return;
    }
    assert_eq!(by_address(&minted(|_| ())), [], "without any change");
    let wrong = cases.iter().filter_map(|(what, change, expected)| {
        let errors = by_address(&minted(change));
        (errors != *expected).then(|| format!("{what}: expected {expected:?}, got {errors:?}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The errors of `openssl verify` at the guest's date, for a TLS client that trusts the enrolled certificates, be they
/// self-signed or not, and nothing else, with further options.
pub fn verify(identity: &Identity, options: &[&str]) -> Errors {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, certificates: &[Vec<u8>]| {
        let path = directory.path().join(name);
        fs::write(&path, certificates.iter().map(|der| pem(der)).collect::<String>()).unwrap();
        path
    };
    let at = DATE.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second();
    let mut command = Command::new("openssl");
    command.args(["verify", "-no-CAfile", "-no-CApath", "-no-CAstore", "-purpose", "sslserver"]);
    command.args(["-attime", &at.to_string(), "-partial_chain"]).args(options);
    if !identity.anchors.is_empty() {
        command.arg("-trusted").arg(write("anchors.pem", &identity.anchors));
    }
    if let Some(crl) = &identity.crl {
        let path = directory.path().join("crl.pem");
        fs::write(&path, openssl::x509::X509Crl::from_der(crl).unwrap().to_pem().unwrap()).unwrap();
        // Looked at only with `-crl_check`.
        command.arg("-CRLfile").arg(path);
    }
    if identity.chain.len() > 1 {
        command.arg("-untrusted").arg(write("others.pem", &identity.chain[1..]));
    }
    let output = command.arg(write("leaf.pem", &identity.chain[..1])).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let error = |line: &str| {
        let (number, rest) = line.strip_prefix("error ")?.split_once(" at ")?;
        Some((number.parse().ok()?, rest.split_once(" depth")?.0.parse().ok()?))
    };
    let errors: Errors = text.lines().filter_map(error).collect();
    assert_eq!(output.status.success(), errors.is_empty(), "{text}");
    errors
}

/// What `openssl x509` prints about a certificate.
pub fn shown(certificate: &[u8], options: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(["x509", "-inform", "DER", "-noout"]).args(options);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(certificate).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The common name of a certificate's subject without its digest, or `leaf`.
pub fn title(certificate: &[u8]) -> String {
    let subject = shown(certificate, &["-subject", "-nameopt", "multiline"]);
    let name = subject.lines().find_map(|line| line.trim().strip_prefix("commonName")?.split_once("= "));
    match name {
        Some((_, name)) => {
            let title = name.trim_start_matches("plugfest test ");
            title.rsplit_once(' ').map_or(title, |(title, _)| title).to_owned()
        }
        None => "leaf".into(),
    }
}

fn pem(der: &[u8]) -> String {
    String::from_utf8(openssl::x509::X509::from_der(der).unwrap().to_pem().unwrap()).unwrap()
}
