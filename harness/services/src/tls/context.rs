//! From settings and certificates to a TLS context, as far as this host's OpenSSL can do what they ask for.

use super::{ClientCertificate, Group, Resumption, Settings, UnknownName, Version, probe};
use openssl::bn::BigNum;
use openssl::dh::Dh;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, PKeyRef, Public};
use openssl::ssl::{
    AlpnError, NameType, SniError, SslAlert, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions,
    SslRef, SslSessionCacheMode, SslVerifyMode, SslVersion, cipher_name,
};
use openssl::x509::X509;
use record::ServerSetup;
use std::sync::{Arc, Mutex, PoisonError};

/// Sizes of the groups for DHE below TLS 1.3. OpenSSL does nothing smaller, at any security level.
pub(super) const DH_BITS: [u16; 7] = [1024, 1536, 2048, 3072, 4096, 6144, 8192];
/// What `cipher_name` says about a suite that this libssl was built without.
const NO_CIPHER: &str = "(NONE)";

/// What a scenario asks of TLS and this host's OpenSSL cannot do. It says nothing about any firmware.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} cannot do what {path} asks for: {why}; a build with the `vendored` feature may",
    libssl::version()
)]
pub struct Unsupported {
    /// Dotted path of the setting, for example `network.tls.suites`.
    pub path: String,
    /// What it cannot do.
    pub why: String,
}

impl Unsupported {
    pub(super) fn new(path: &str, why: impl ToString) -> Self {
        Self { path: format!("network.tls.{path}"), why: why.to_string() }
    }
}

/// Why there is no context.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoContext {
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// Our own mistake, or memory that ran out.
    #[error("failed to set up the TLS server: {0}")]
    OpenSsl(#[from] ErrorStack),
}

/// What all TLS connections of a server share.
pub(crate) struct Context {
    pub(super) settings: Settings,
    pub(super) ssl: SslContext,
    pub(super) setup: ServerSetup,
    secrets: Arc<Mutex<Vec<String>>>,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("setup", &self.setup).finish_non_exhaustive()
    }
}

impl Context {
    /// The context for checked settings. A client that takes everything has completed a handshake with it: what then fails
    /// with firmware is not our own inability.
    pub(crate) fn new(settings: &Settings, identity: &pki::Identity) -> Result<Self, NoContext> {
        let chain = chain(identity)?;
        let setup = setup(settings, identity, &chain)?;
        probe::handshake(&base(settings, identity, &chain)?.build(), settings)?;

        let mut builder = base(settings, identity, &chain)?;
        let secrets = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&secrets);
        builder.set_keylog_callback(move |_, line| {
            log.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
        });
        set_resumption(&mut builder, settings.resumption)?;
        set_client_certificate(&mut builder, settings.client_certificate);
        set_names(&mut builder, settings);
        if !settings.alpn.is_empty() {
            let known = settings.alpn.clone();
            builder.set_alpn_select_callback(move |_, offered| {
                select_protocol(&known, offered).ok_or(AlpnError::ALERT_FATAL)
            });
        }
        Ok(Self { settings: settings.clone(), ssl: builder.build(), setup, secrets })
    }

    /// Takes the secrets of connections since the last time, as lines of an NSS key log.
    pub(crate) fn take_secrets(&self) -> Vec<String> {
        std::mem::take(&mut *self.secrets.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn chain(identity: &pki::Identity) -> Result<Vec<X509>, Unsupported> {
    let read =
        |der: &Vec<u8>| X509::from_der(der).map_err(|error| Unsupported::new("certificate", reason(&error)));
    identity.chain.iter().map(read).collect()
}

/// What decides with which client a handshake can succeed.
fn base(
    settings: &Settings,
    identity: &pki::Identity,
    chain: &[X509],
) -> Result<SslContextBuilder, NoContext> {
    let unsupported = |path: &'static str| move |error: ErrorStack| Unsupported::new(path, reason(&error));
    let mut builder = SslContext::builder(SslMethod::tls_server())?;
    builder.set_security_level(settings.security_level.into());
    // A certificate is sent as the scenario has it: nothing is added to the chain.
    builder.set_mode(SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::NO_AUTO_CHAIN);
    // TLS 1.0 with CBC: no empty record before each one, as common web servers send none either. EDK2 takes one before a
    // body for the body's end.
    builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE | SslOptions::DONT_INSERT_EMPTY_FRAGMENTS);
    let (min, max) = settings.versions().unwrap_or(settings.bounds());
    builder.set_min_proto_version(Some(protocol(min))).map_err(unsupported("min_version"))?;
    builder.set_max_proto_version(Some(protocol(max))).map_err(unsupported("max_version"))?;
    set_suites(&mut builder, settings)?;
    if let Some(groups) = &settings.groups {
        let list: Vec<&str> = groups.iter().copied().map(openssl_group).collect();
        builder.set_groups_list(&list.join(":")).map_err(unsupported("groups"))?;
    }
    if let Some(algorithms) = &settings.signature_algorithms {
        builder.set_sigalgs_list(&algorithms.join(":")).map_err(unsupported("signature_algorithms"))?;
    }
    let dh = Dh::from_pqg(dh_prime(settings.dh_bits)?, None, BigNum::from_u32(2)?)?;
    builder.set_tmp_dh(&dh).map_err(unsupported("dh_bits"))?;

    let key = PKey::private_key_from_der(&identity.key).map_err(unsupported("certificate.leaf.key"))?;
    let mut certificates = chain.iter();
    if let Some(leaf) = certificates.next() {
        builder.set_certificate(leaf).map_err(unsupported("certificate.leaf"))?;
    }
    for certificate in certificates {
        builder.add_extra_chain_cert(certificate.clone()).map_err(unsupported("certificate"))?;
    }
    builder.set_private_key(&key).map_err(unsupported("certificate.leaf.key"))?;
    Ok(builder)
}

fn set_suites(builder: &mut SslContextBuilder, settings: &Settings) -> Result<(), NoContext> {
    let Some(suites) = &settings.suites else {
        // OpenSSL's own choice, without the level that a distribution puts into its text.
        builder.set_cipher_list("DEFAULT:@SECLEVEL=0")?;
        builder.set_security_level(settings.security_level.into());
        return Ok(());
    };
    let mut old = Vec::new();
    let mut of_tls13 = Vec::new();
    for suite in suites {
        let is_of_tls13 = super::names::suite_is_of_tls13(suite) == Some(true);
        let name = if is_of_tls13 { suite.as_str() } else { cipher_name(suite) };
        // One at a time: a list hides the members that are not known.
        let known = match is_of_tls13 {
            true => builder.set_ciphersuites(name).is_ok(),
            false => name != NO_CIPHER && builder.set_cipher_list(name).is_ok(),
        };
        if !known {
            return Err(Unsupported::new("suites", format!("it was built without {suite}")).into());
        }
        if is_of_tls13 { of_tls13.push(name) } else { old.push(name) }
    }
    let unsupported = |error: ErrorStack| Unsupported::new("suites", reason(&error));
    if !of_tls13.is_empty() {
        builder.set_ciphersuites(&of_tls13.join(":")).map_err(unsupported)?;
    }
    if !old.is_empty() {
        builder.set_cipher_list(&old.join(":")).map_err(unsupported)?;
    }
    Ok(())
}

fn set_resumption(builder: &mut SslContextBuilder, resumption: Resumption) -> Result<(), ErrorStack> {
    // Without it a server that asks for certificates resumes nothing.
    builder.set_session_id_context(b"plugfest")?;
    match resumption {
        Resumption::Tickets => {}
        Resumption::SessionIds => {
            builder.set_options(SslOptions::NO_TICKET);
        }
        Resumption::None => {
            builder.set_options(SslOptions::NO_TICKET);
            builder.set_session_cache_mode(SslSessionCacheMode::OFF);
            builder.set_num_tickets(0)?;
        }
    }
    Ok(())
}

fn set_client_certificate(builder: &mut SslContextBuilder, asked: ClientCertificate) {
    let mode = match asked {
        ClientCertificate::None => return,
        ClientCertificate::Optional => SslVerifyMode::PEER,
        ClientCertificate::Required => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
    };
    builder.set_verify_callback(mode, |_, _| true);
}

fn set_names(builder: &mut SslContextBuilder, settings: &Settings) {
    let error = match settings.unknown_name {
        UnknownName::Ignore => return,
        UnknownName::Warn => SniError::ALERT_WARNING,
        UnknownName::Refuse => SniError::ALERT_FATAL,
    };
    let names = settings.names.clone();
    builder.set_servername_callback(move |ssl: &mut SslRef, alert: &mut SslAlert| {
        let asked = ssl.servername_raw(NameType::HOST_NAME);
        if asked.is_none_or(|asked| names.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(asked))) {
            return Ok(());
        }
        *alert = SslAlert::UNRECOGNIZED_NAME;
        Err(error)
    });
}

/// The first of our protocols that is offered, in the list of RFC 7301 §3.1.
fn select_protocol<'a>(known: &[String], offered: &'a [u8]) -> Option<&'a [u8]> {
    let mut names = Vec::new();
    let mut rest = offered;
    while let Some((&length, tail)) = rest.split_first() {
        let (name, tail) = tail.split_at_checked(length.into())?;
        names.push(name);
        rest = tail;
    }
    known.iter().find_map(|known| names.iter().copied().find(|name| *name == known.as_bytes()))
}

fn protocol(version: Version) -> SslVersion {
    match version {
        Version::Tls10 => SslVersion::TLS1,
        Version::Tls11 => SslVersion::TLS1_1,
        Version::Tls12 => SslVersion::TLS1_2,
        Version::Tls13 => SslVersion::TLS1_3,
    }
}

/// OpenSSL's name of a group, where it is not the registry's.
fn openssl_group(group: Group) -> &'static str {
    match group {
        Group::Secp192r1 => "P-192",
        Group::Secp224r1 => "P-224",
        Group::Secp256r1 => "P-256",
        Group::Secp384r1 => "P-384",
        Group::Secp521r1 => "P-521",
        Group::X25519 => "X25519",
        Group::X448 => "X448",
        other => other.name(),
    }
}

/// The well-known primes; their generator is 2.
fn dh_prime(bits: u16) -> Result<BigNum, ErrorStack> {
    match bits {
        1024 => BigNum::get_rfc2409_prime_1024(),
        1536 => BigNum::get_rfc3526_prime_1536(),
        3072 => BigNum::get_rfc3526_prime_3072(),
        4096 => BigNum::get_rfc3526_prime_4096(),
        6144 => BigNum::get_rfc3526_prime_6144(),
        8192 => BigNum::get_rfc3526_prime_8192(),
        _ => BigNum::get_rfc3526_prime_2048(),
    }
}

fn setup(settings: &Settings, identity: &pki::Identity, chain: &[X509]) -> Result<ServerSetup, NoContext> {
    let (min, max) = settings.versions().unwrap_or(settings.bounds());
    let (leaf_key, leaf_signature) = match chain.first() {
        None => return Err(Unsupported::new("certificate", "there is no leaf").into()),
        Some(leaf) => {
            let key = leaf
                .public_key()
                .map_err(|error| Unsupported::new("certificate.leaf.key", reason(&error)))?;
            let signature = leaf.signature_algorithm().object().nid();
            (key_name(&key), signature.long_name().unwrap_or("unknown").to_owned())
        }
    };
    Ok(ServerSetup {
        min_version: min.name().into(),
        max_version: max.name().into(),
        suites: settings.suites.clone(),
        groups: settings
            .groups
            .as_ref()
            .map(|groups| groups.iter().map(|group| group.name().into()).collect()),
        leaf_key,
        leaf_signature,
        certificates: identity.chain.len(),
        certificate_bytes: identity.chain.iter().map(Vec::len).sum(),
    })
}

/// A key's type and size, for people: `RSA-2048`, `P-256`.
pub(super) fn key_name(key: &PKeyRef<Public>) -> String {
    match key.id() {
        Id::RSA => format!("RSA-{}", key.bits()),
        Id::RSA_PSS => format!("RSA-PSS-{}", key.bits()),
        Id::ED25519 => "Ed25519".into(),
        Id::ED448 => "Ed448".into(),
        Id::EC => match key.ec_key().ok().and_then(|key| key.group().curve_name()) {
            Some(Nid::X9_62_PRIME192V1) => "P-192".into(),
            Some(Nid::SECP224R1) => "P-224".into(),
            Some(Nid::X9_62_PRIME256V1) => "P-256".into(),
            Some(Nid::SECP384R1) => "P-384".into(),
            Some(Nid::SECP521R1) => "P-521".into(),
            Some(other) => other.short_name().unwrap_or("EC").to_owned(),
            None => "EC".into(),
        },
        other => format!("key type {}", other.as_raw()),
    }
}

/// What OpenSSL says first, in a few words.
pub(super) fn reason(error: &ErrorStack) -> String {
    match error.errors().first() {
        Some(error) => error.reason().map_or_else(|| format!("error {:#x}", error.code()), str::to_owned),
        None => "it does not say why".into(),
    }
}
