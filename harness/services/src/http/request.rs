//! Requests (RFC 9112 §2, §3, §5; persistence: §9.3).

use record::HeaderField;

/// Bytes that a request's head may have; more is answered with 431 (RFC 6585 §5).
pub(super) const HEAD_LIMIT: usize = 64 * 1024;
/// Header fields that a request may have.
const FIELD_LIMIT: usize = 512;

/// A request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// Minor version: HTTP/1.0 or HTTP/1.1.
    pub(super) minor: u8,
    pub(super) headers: Vec<HeaderField>,
}

/// What a connection's first bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The beginning of a request.
    Partial,
    /// A request whose head has this many bytes.
    Request(Request, usize),
    /// Not a request: the status that says so, and why.
    Malformed(u16, String),
}

/// Reads the request at the start of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let mut fields = vec![httparse::EMPTY_HEADER; FIELD_LIMIT];
    let mut request = httparse::Request::new(&mut fields);
    let head = &bytes[..bytes.len().min(HEAD_LIMIT)];
    match request.parse(head) {
        Ok(httparse::Status::Complete(length)) => {
            let headers = request.headers.iter().map(|field| HeaderField {
                name: field.name.into(),
                value: String::from_utf8_lossy(field.value).into_owned(),
            });
            let request = Request {
                method: request.method.unwrap_or_default().into(),
                target: request.path.unwrap_or_default().into(),
                minor: request.version.unwrap_or_default(),
                headers: headers.collect(),
            };
            Parsed::Request(request, length)
        }
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_LIMIT => Parsed::Partial,
        Ok(httparse::Status::Partial) => {
            Parsed::Malformed(431, format!("no end of the head in {HEAD_LIMIT} bytes"))
        }
        Err(httparse::Error::TooManyHeaders) => {
            Parsed::Malformed(431, format!("more than {FIELD_LIMIT} header fields"))
        }
        Err(error) => Parsed::Malformed(400, error.to_string()),
    }
}

impl Request {
    /// The values of a field, in order.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value.as_str())
    }

    /// The port that it asks for a tunnel to (RFC 9110 §9.3.6: the target is a host and a port), if it does.
    pub(super) fn tunnel_port(&self) -> Option<u16> {
        let (_, port) = self.target.rsplit_once(':').filter(|_| self.method == "CONNECT")?;
        port.parse().ok()
    }

    fn connection_has(&self, option: &str) -> bool {
        self.values("connection")
            .flat_map(|value| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(option))
    }

    /// Whether the client lets the connection persist (RFC 9112 §9.3).
    pub(super) fn persists(&self) -> bool {
        !self.connection_has("close") && (self.minor >= 1 || self.asks_to_persist())
    }

    /// Whether the client asks for persistence in the way of HTTP/1.0 (RFC 9112 appendix C.2.2).
    pub(super) fn asks_to_persist(&self) -> bool {
        self.connection_has("keep-alive") && !self.connection_has("close")
    }

    /// Whether content follows the head (RFC 9112 §6).
    pub(super) fn has_content(&self) -> bool {
        self.values("transfer-encoding").next().is_some()
            || self.values("content-length").any(|value| value != "0")
    }

    /// What a server has to refuse with 400 although the syntax is right (RFC 9112 §3.2).
    pub(super) fn fault(&self) -> Option<&'static str> {
        match (self.minor, self.values("host").count()) {
            (_, 2..) => Some("more than one Host field"),
            (1.., 0) => Some("HTTP/1.1 without a Host field"),
            _ => None,
        }
    }
}
