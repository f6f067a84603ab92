//! A handshake with ourselves: whether this host's OpenSSL can do what a scenario asks of it.

use super::Settings;
use super::context::{NoContext, Unsupported, reason};
use libssl::Wire;
use openssl::ssl::{
    Error, ErrorCode, Ssl, SslContext, SslContextRef, SslMethod, SslOptions, SslStream, SslVerifyMode,
    SslVersion,
};

/// Turns of both sides within which every handshake is over; one needs four.
const TURNS: usize = 20;
/// Every group of [`super::Group`], and OpenSSL's own list where it does not know them all.
const ALL_GROUPS: &str = "X25519:P-256:P-384:P-521:X448:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192";
/// Bytes of certificates that the client takes: as many as a Certificate message can hold (RFC 5246 §7.4.2).
const LARGEST_CHAIN: u32 = (1 << 24) - 1;
const OLD_GROUPS: [&str; 3] = ["P-192", "P-224", "secp256k1"];

/// Completes a handshake between `server` and a client that takes everything.
pub(super) fn handshake(server: &SslContextRef, settings: &Settings) -> Result<(), NoContext> {
    let mut server = SslStream::new(Ssl::new(server)?, Wire::default())?;
    let client = client()?;
    let mut client = Ssl::new(&client)?;
    libssl::set_certificate_limit(&mut client, LARGEST_CHAIN);
    let mut client = SslStream::new(client, Wire::default())?;
    for _ in 0..TURNS {
        let asked = client.connect();
        server.get_mut().arrive(&client.get_mut().take_written());
        let answered = server.accept();
        client.get_mut().arrive(&server.get_mut().take_written());
        if asked.is_ok() && answered.is_ok() {
            return Ok(());
        }
        for (side, outcome) in [("our server", answered), ("a client that takes everything", asked)] {
            if let Err(error) = outcome
                && error.code() != ErrorCode::WANT_READ
            {
                return Err(
                    Unsupported::new(asked_for(settings), format!("{side} says: {}", words(&error))).into()
                );
            }
        }
    }
    Err(Unsupported::new(asked_for(settings), "no handshake comes to its end").into())
}

/// The setting that most likely asks for the impossible.
fn asked_for(settings: &Settings) -> &'static str {
    if settings.suites.is_some() {
        "suites"
    } else if settings.groups.is_some() {
        "groups"
    } else if settings.signature_algorithms.is_some() {
        "signature_algorithms"
    } else if settings.certificate != pki::Settings::default() {
        "certificate"
    } else if settings.version.is_some() {
        "version"
    } else {
        "min_version"
    }
}

fn client() -> Result<SslContext, NoContext> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    builder.set_security_level(0);
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_min_proto_version(Some(SslVersion::TLS1)).or_else(|_| builder.set_min_proto_version(None))?;
    builder.set_max_proto_version(None)?;
    builder.set_cipher_list("ALL:COMPLEMENTOFALL:@SECLEVEL=0")?;
    let mut groups = vec![ALL_GROUPS];
    for old in OLD_GROUPS {
        if builder.set_groups_list(old).is_ok() {
            groups.push(old);
        }
    }
    builder
        .set_groups_list(&groups.join(":"))
        .or_else(|_| builder.set_groups_list("X25519:P-256:P-384:P-521"))?;
    Ok(builder.build())
}

fn words(error: &Error) -> String {
    error.ssl_error().map_or_else(|| error.to_string(), reason)
}
