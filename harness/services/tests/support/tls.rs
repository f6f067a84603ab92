//! Certificates for the network under test, and an OpenSSL client on the bench.

use super::{Bench, End, address};
use libssl::Wire;
use openssl::ssl::{
    Error, ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslSession, SslSessionCacheMode,
    SslStream, SslVerifyMode,
};
use openssl::x509::X509;
use pki::{Identity, Pki};
use services::{Network, NetworkSettings};
use smoltcp::{iface::SocketHandle, socket::tcp};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The boot file behind TLS.
pub const BOOT: &str = "https://{server4}/boot.efi";

/// Default settings with an `https` boot file, changed.
pub fn settings(change: impl FnOnce(&mut services::tls::Settings)) -> NetworkSettings {
    let mut settings = NetworkSettings::default();
    settings.dhcp4.bootfile = Some(BOOT.into());
    change(&mut settings.tls);
    settings
}

/// The certificates for a network, valid now: independent clients look at the host's clock. The same all day.
pub fn identity(settings: &NetworkSettings) -> Option<Identity> {
    let certificate = Network::certificate(settings).unwrap()?;
    let date = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
        .to_datetime(jiff::civil::Time::midnight());
    Some(Pki::open(Path::new(env!("CARGO_TARGET_TMPDIR"))).mint(&certificate, date).unwrap())
}

pub fn network(settings: &NetworkSettings, image: Arc<[u8]>) -> Network {
    Network::with_identity(settings, image, identity(settings).as_ref()).unwrap()
}

/// What a client has to trust, PEM.
pub fn anchors(settings: &NetworkSettings) -> Vec<u8> {
    let identity = identity(settings).unwrap();
    let pem = |der: &Vec<u8>| X509::from_der(der).unwrap().to_pem().unwrap();
    identity.anchors.iter().flat_map(pem).collect()
}

/// A client that takes everything.
pub fn lax() -> SslContextBuilder {
    let mut builder = SslContext::builder(SslMethod::tls_client()).unwrap();
    builder.set_security_level(0);
    builder.set_cipher_list("ALL:COMPLEMENTOFALL:@SECLEVEL=0").unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    // What OpenSSL prefers changes from version to version.
    builder.set_groups_list("X25519:P-256:P-384:P-521:ffdhe2048").unwrap();
    builder
}

/// Where a client keeps the session that it got last.
pub type Kept = Arc<Mutex<Option<SslSession>>>;

/// Makes a client keep its sessions.
pub fn keep_sessions(builder: &mut SslContextBuilder) -> Kept {
    let kept = Kept::default();
    let keep = Arc::clone(&kept);
    builder.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
    builder.set_new_session_callback(move |_, session| *keep.lock().unwrap() = Some(session));
    kept
}

/// An OpenSSL client on a TCP connection of the bench.
pub struct Client {
    pub stream: SslStream<Wire>,
    pub handle: SocketHandle,
}

impl Client {
    /// Connects, without a word of TLS.
    pub fn new(bench: &mut Bench, port: u16, context: &SslContext, change: impl FnOnce(&mut Ssl)) -> Self {
        let mut ssl = Ssl::new(context).unwrap();
        change(&mut ssl);
        ssl.set_connect_state();
        let handle = bench.connect(address::SERVER4, port);
        bench.run_for(Duration::from_millis(5));
        Self { stream: SslStream::new(ssl, Wire::default()).unwrap(), handle }
    }

    /// Carries bytes both ways once; how the server's side of the connection is.
    fn carry(&mut self, bench: &mut Bench) -> End {
        let written = self.stream.get_mut().take_written();
        if !written.is_empty() && bench.socket(self.handle).may_send() {
            bench.send(self.handle, &written);
        }
        bench.run_for(Duration::from_millis(5));
        let socket = bench.socket(self.handle);
        while socket.can_recv() {
            let wire = self.stream.get_mut();
            socket.recv(|part| (part.len(), wire.arrive(part))).unwrap();
        }
        match socket.state() {
            tcp::State::Closed => End::Reset,
            tcp::State::CloseWait => End::Fin,
            _ => End::Open,
        }
    }

    /// Runs the handshake for up to five seconds of guest time.
    pub fn handshake(&mut self, bench: &mut Bench) -> Result<(), (Option<Error>, End)> {
        let deadline = bench.now + Duration::from_secs(5);
        loop {
            let outcome = self.stream.connect();
            let end = self.carry(bench);
            match outcome {
                Ok(()) => return Ok(()),
                Err(error) if error.code() != ErrorCode::WANT_READ => {
                    self.carry(bench);
                    return Err((Some(error), end));
                }
                Err(_) if end != End::Open || bench.now >= deadline => {
                    // What came with the end may still decide it.
                    let last =
                        self.stream.connect().err().filter(|error| error.code() != ErrorCode::WANT_READ);
                    return Err((last, end));
                }
                Err(_) => bench.now = bench.now + Duration::from_millis(1),
            }
        }
    }

    /// Sends a request and reads until the server ends the connection or five seconds have passed; whether TLS ended
    /// with close_notify.
    pub fn ask(&mut self, bench: &mut Bench, request: &str) -> Answer {
        assert_eq!(self.stream.ssl_write(request.as_bytes()).unwrap(), request.len());
        let deadline = bench.now + Duration::from_secs(5);
        let mut answer = Answer { bytes: Vec::new(), end: End::Open, notified: false, error: None };
        loop {
            answer.end = self.carry(bench);
            let mut buffer = [0; 16 * 1024];
            loop {
                match self.stream.ssl_read(&mut buffer) {
                    Ok(length) => answer.bytes.extend(&buffer[..length]),
                    Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                        answer.notified = true;
                        break;
                    }
                    Err(error) if error.code() == ErrorCode::WANT_READ => break,
                    Err(error) => {
                        answer.error = Some(error);
                        break;
                    }
                }
            }
            if answer.end != End::Open || answer.error.is_some() || bench.now >= deadline {
                return answer;
            }
            bench.now = bench.now + Duration::from_millis(1);
        }
    }
}

/// What came of a request.
pub struct Answer {
    pub bytes: Vec<u8>,
    pub end: End,
    /// Whether close_notify came.
    pub notified: bool,
    pub error: Option<Error>,
}

impl Answer {
    pub fn body(&self) -> &[u8] {
        let head = self.bytes.windows(4).position(|part| part == b"\r\n\r\n").expect("a whole head");
        &self.bytes[head + 4..]
    }
}
