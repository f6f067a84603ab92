//! The client's side of TLS, by OpenSSL over bytes in memory.

use crate::behaviour::{Farewell, Renegotiation, ServerName, Tls, TlsVersion, Trust};
use crate::url::{Host, Url};
use libssl::{Content, Wire};
use openssl::error::ErrorStack;
use openssl::ssl::{
    Error, ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode, SslVersion,
};
use openssl::x509::X509;
use openssl::x509::verify::{X509CheckFlags, X509VerifyFlags};
use std::io::Write;

/// Points of the shipped scenarios at which the conforming client is not one, because of its OpenSSL: it does not
/// compare a server's keyUsage with the key exchange.
pub const NOT_OF_OPENSSL: [&str; 2] = [
    "tls/key-usage[key_usage=digital-signature,suites=(TLS_RSA_WITH_AES_128_GCM_SHA256)]",
    "tls/key-usage[key_usage=key-encipherment,suites=(TLS_DHE_RSA_WITH_AES_128_GCM_SHA256;\
     TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)]",
];

/// `HandshakeType` of a HelloRequest (RFC 5246 §7.4).
const HELLO_REQUEST: u8 = 0;
/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// TLS on one connection.
pub(crate) struct Secure {
    stream: SslStream<Wire>,
    leaves_with: Farewell,
    leaves_at_hello_request: bool,
    leaves_at_retry: bool,
    damages_flight: bool,
    /// Times that there was something for the server.
    flights: u32,
    established: bool,
    /// What could not be encrypted yet: during another handshake nothing is.
    unsent: Vec<u8>,
    /// Whether the server has announced the end of its data.
    pub(crate) notified: bool,
}

/// TLS ended in an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

impl Secure {
    /// A client for the server of `url`; `None` if its own settings contradict each other.
    pub(crate) fn new(tls: &Tls, url: &Url) -> Option<Self> {
        let stream = stream(tls, url).ok()?;
        Some(Self {
            stream,
            leaves_with: tls.leaves_with,
            leaves_at_hello_request: tls.renegotiation == Renegotiation::Breaks,
            leaves_at_retry: !tls.answers_retry,
            damages_flight: tls.damages_flight,
            flights: 0,
            established: false,
            unsent: Vec::new(),
            notified: false,
        })
    }

    pub(crate) fn is_established(&self) -> bool {
        self.established
    }

    /// Goes on with the handshake as far as `bytes` from the server allow.
    pub(crate) fn handshake(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.stream.get_mut().arrive(bytes);
        let outcome = self.stream.connect();
        if self.leaves() {
            return Err(self.broken());
        }
        match outcome {
            Ok(()) => self.established = true,
            Err(error) if is_waiting(&error) => {}
            Err(_) => return Err(self.broken()),
        }
        Ok(())
    }

    /// Decrypts `bytes` from the server.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
        self.stream.get_mut().arrive(bytes);
        let mut plain = Vec::new();
        let mut buffer = [0; 16 * 1024];
        loop {
            let outcome = self.stream.ssl_read(&mut buffer);
            if self.leaves() {
                return Err(self.broken());
            }
            match outcome {
                Ok(length) => plain.extend_from_slice(&buffer[..length]),
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                    self.notified = true;
                    return Ok(plain);
                }
                Err(error) if is_waiting(&error) => {
                    self.send_unsent();
                    return Ok(plain);
                }
                Err(_) => return Err(self.broken()),
            }
        }
    }

    /// Says that nothing more will be sent (RFC 8446 §6.1).
    pub(crate) fn notify(&mut self) {
        // Either it is among what is to be written, or there is no connection any more.
        let _ = self.stream.shutdown();
    }

    /// Encrypts a request.
    pub(crate) fn send(&mut self, plain: &[u8]) {
        self.unsent.extend_from_slice(plain);
        self.send_unsent();
    }

    fn send_unsent(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        match self.stream.ssl_write(&self.unsent) {
            Ok(length) => drop(self.unsent.drain(..length)),
            Err(error) if is_waiting(&error) => {}
            // A dead connection, where a request goes nowhere.
            Err(_) => self.unsent.clear(),
        }
    }

    /// The bytes for the server.
    pub(crate) fn take_written(&mut self) -> Vec<u8> {
        let mut written = self.stream.get_mut().take_written();
        self.flights += u32::from(!written.is_empty());
        if self.damages_flight
            && self.flights == 2
            && let Some(last) = written.last_mut()
        {
            *last ^= 1;
        }
        written
    }

    /// Whether the server said something after which this client leaves.
    fn leaves(&self) -> bool {
        let steps = libssl::take_trace(self.stream.ssl());
        let mut received = steps.iter().filter(|step| !step.sent && step.content == Content::Handshake);
        received.any(|step| {
            (self.leaves_at_hello_request && step.bytes.first() == Some(&HELLO_REQUEST))
                || (self.leaves_at_retry && step.bytes.get(6..38) == Some(&RETRY))
        })
    }

    fn broken(&mut self) -> Broken {
        /// A record with the alert, which is not encrypted before the handshake is over.
        const CLOSE_NOTIFY: &[u8] = &[21, 3, 3, 0, 2, 1, 0];
        let stream = self.stream.get_mut();
        match self.leaves_with {
            Farewell::Alert => {}
            Farewell::Nothing => drop(stream.take_written()),
            Farewell::CloseNotify => {
                stream.take_written();
                // Invariant: writing to memory succeeds.
                let _ = stream.write_all(CLOSE_NOTIFY);
            }
        }
        Broken
    }
}

fn is_waiting(error: &Error) -> bool {
    matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE)
}

fn stream(tls: &Tls, url: &Url) -> Result<SslStream<Wire>, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    builder.set_cipher_list(tls.suites.unwrap_or("DEFAULT:@SECLEVEL=0"))?;
    builder.set_security_level(tls.security_level);
    builder.set_min_proto_version(Some(protocol(tls.min_version)))?;
    builder.set_max_proto_version(Some(protocol(tls.max_version)))?;
    if let Some(groups) = tls.groups {
        builder.set_groups_list(groups)?;
    }
    if let Some(algorithms) = tls.signature_algorithms {
        builder.set_sigalgs_list(algorithms)?;
    }
    if let Some(protocols) = tls.alpn {
        builder.set_alpn_protos(protocols)?;
    }
    if tls.renegotiation != Renegotiation::Does {
        builder.set_options(SslOptions::NO_RENEGOTIATION);
    }
    if let Trust::Anchors(anchors) = &tls.trust {
        builder.set_verify(SslVerifyMode::PEER);
        for anchor in anchors {
            builder.cert_store_mut().add_cert(X509::from_der(anchor)?)?;
        }
        let parameters = builder.verify_param_mut();
        parameters.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
        parameters.set_time(tls.date);
    }
    let mut ssl = Ssl::new(&builder.build())?;
    libssl::trace(&mut ssl)?;
    if let Trust::Anchors(_) = tls.trust {
        match &url.host {
            Host::Address(address) => ssl.param_mut().set_ip(*address)?,
            Host::Name(name) => {
                // RFC 9525 §6.3: the common name is no name, whatever else there is, and a wildcard is a whole label.
                let strict = X509CheckFlags::NEVER_CHECK_SUBJECT | X509CheckFlags::NO_PARTIAL_WILDCARDS;
                ssl.param_mut().set_hostflags(strict);
                ssl.param_mut().set_host(name)?;
            }
        }
    }
    match &url.host {
        Host::Name(name) => ssl.set_hostname(name)?,
        Host::Address(literal) if tls.server_name == ServerName::Literal => {
            ssl.set_hostname(&literal.to_string())?;
        }
        Host::Address(_) => {}
    }
    SslStream::new(ssl, Wire::default())
}

fn protocol(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::Tls10 => SslVersion::TLS1,
        TlsVersion::Tls11 => SslVersion::TLS1_1,
        TlsVersion::Tls12 => SslVersion::TLS1_2,
        TlsVersion::Tls13 => SslVersion::TLS1_3,
    }
}
