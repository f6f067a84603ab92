//! Judging a chain with `openssl verify`.

use jiff::civil::{DateTime, date};
use pki::{Identity, Pki, Settings};
use std::{fs, path::Path, process::Command};

/// The guest's date.
pub const DATE: DateTime = date(2026, 1, 1).at(0, 0, 0, 0);

/// Keys outlive a test run, so that RSA-8192 is generated once.
pub fn pki() -> Pki {
    Pki::open(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// `settings` with `{server4}` and `{name}` replaced.
pub fn named(settings: Settings) -> Settings {
    let expand = |_: &str, text: &str| -> Result<String, ()> {
        Ok(text.replace("{server4}", "192.0.2.1").replace("{name}", "boot.example.test"))
    };
    settings.expanded(expand).unwrap()
}

/// What the verifier says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// Refused, with the numbers of its errors (X509_V_ERR_*), in order.
    Refused(Vec<u32>),
}

/// What `openssl verify` says about the chain of `settings` at the guest's date, for a client that asked for 192.0.2.1.
pub fn judged(settings: &Settings) -> Verdict {
    let identity = pki().mint(settings, DATE).unwrap();
    verdict(&identity, &["-verify_ip", "192.0.2.1"])
}

/// What `openssl verify` says with these further options. The leaf is trusted only if it is enrolled; `-untrusted` gets
/// all that was sent behind it.
pub fn verdict(identity: &Identity, options: &[&str]) -> Verdict {
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
    if identity.chain.len() > 1 {
        command.arg("-untrusted").arg(write("others.pem", &identity.chain[1..]));
    }
    let output = command.arg(write("leaf.pem", &identity.chain[..1])).output().expect("Debian's openssl is installed");
    if output.status.success() {
        return Verdict::Accepted;
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let numbers: Vec<u32> = text
        .lines()
        .filter_map(|line| line.strip_prefix("error ")?.split(' ').next()?.parse().ok())
        .collect();
    assert!(!numbers.is_empty(), "openssl verify failed without an error: {text}");
    Verdict::Refused(numbers)
}

pub fn pem(der: &[u8]) -> String {
    String::from_utf8(openssl::x509::X509::from_der(der).unwrap().to_pem().unwrap()).unwrap()
}
