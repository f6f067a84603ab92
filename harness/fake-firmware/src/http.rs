//! The client's side of HTTP/1.1 (RFC 9110, RFC 9112): requests out, responses in.

use crate::behaviour::{Behaviour, Host, MediaType, Request, Suffix};
use crate::url::Url;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Head,
    Get,
}

impl Method {
    const fn name(self) -> &'static str {
        match self {
            Self::Head => "HEAD",
            Self::Get => "GET",
        }
    }
}

/// An image as far as it has arrived, and what says that the rest is of the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    body: Vec<u8>,
    total: u64,
    /// ETag or Last-Modified.
    validator: String,
    /// How many times the rest has been asked for.
    pub(crate) tries: u32,
}

impl Part {
    /// What can be kept of an incomplete `response`, with what was there `before`.
    pub(crate) fn of(response: Response, before: Option<Self>) -> Option<Self> {
        let head = response.head()?;
        let (first, total) = head.extent()?;
        let validator = head.field("etag").or_else(|| head.field("last-modified"))?.to_owned();
        let Self { mut body, tries, .. } =
            before.unwrap_or(Self { body: Vec::new(), total, validator: String::new(), tries: 0 });
        if first != body.len() as u64 {
            return None;
        }
        body.extend(response.into_body());
        (!body.is_empty()).then_some(Self { body, total, validator, tries: tries + 1 })
    }

    /// The whole image, if `response` has the rest of it (RFC 9110 §15.3.7.3).
    pub(crate) fn completed(mut self, response: Response) -> Option<Vec<u8>> {
        let extent = response.head()?.extent()?;
        if extent != (self.body.len() as u64, self.total) {
            return None;
        }
        self.body.extend(response.into_body());
        (self.body.len() as u64 == self.total).then_some(self.body)
    }
}

/// A request as this client sends it; for what is missing of an image if a `part` is there.
pub(crate) fn request(method: Method, url: &Url, behaviour: &Behaviour, part: Option<&Part>) -> Vec<u8> {
    let host = match behaviour.host {
        Host::Authority => format!("Host: {}\r\n", url.authority()),
        Host::WithoutPort => format!("Host: {}\r\n", url.host),
        Host::Wrong => "Host: elsewhere.example\r\n".into(),
        Host::Missing => String::new(),
    };
    let fragment = match &url.fragment {
        Some(fragment) if behaviour.sends_fragment => format!("#{fragment}"),
        _ => String::new(),
    };
    let range = part.map(|Part { body, validator, .. }| {
        format!("Range: bytes={}-\r\nIf-Range: {validator}\r\n", body.len())
    });
    let range = range.unwrap_or_default();
    let head = format!(
        "{} {}{fragment} HTTP/1.1\r\n{host}Accept: */*\r\nUser-Agent: UefiHttpBoot/1.0\r\n{range}",
        method.name(),
        url.target
    );
    match behaviour.request {
        Request::WellFormed => format!("{head}\r\n").into_bytes(),
        Request::Truncated => head.into_bytes(),
        Request::Garbage => b"\x16\x03\x01 this is not\0HTTP\r\n\r\n".to_vec(),
    }
}

/// What to do with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    /// A PE image to be executed.
    Application,
    /// An ISO or disk image for a RAM disk.
    RamDisk,
}

/// The handler that the media type or else the URL's suffix selects (UEFI 2.11 §24.7.7).
pub(crate) fn handler(content_type: Option<&str>, url: &Url, behaviour: &Behaviour) -> Option<Handler> {
    let media_type = content_type.and_then(|value| match behaviour.media_type {
        MediaType::IgnoringParameters => value.split(';').next().map(str::trim),
        MediaType::WholeValue => Some(value),
        MediaType::Ignored => None,
    });
    let by_type = media_type.and_then(|media_type| match media_type.to_ascii_lowercase().as_str() {
        "application/efi" => Some(Handler::Application),
        "application/vnd.efi-iso" | "application/vnd.efi-img" => Some(Handler::RamDisk),
        // As IANA has them registered.
        "application/vnd.efi.iso" | "application/vnd.efi.img"
            if behaviour.media_type == MediaType::IgnoringParameters =>
        {
            Some(Handler::RamDisk)
        }
        _ => None,
    });
    let suffix = match behaviour.suffix {
        Suffix::AnyCase => url.suffix().to_ascii_lowercase(),
        Suffix::LowerCase => url.suffix().to_owned(),
        Suffix::Ignored => String::new(),
    };
    by_type.or(match suffix.as_str() {
        ".efi" => Some(Handler::Application),
        ".iso" | ".img" => Some(Handler::RamDisk),
        _ => None,
    })
}

/// Status line and header fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) reason: String,
    minor: u8,
    fields: Vec<(String, String)>,
}

impl Head {
    /// The first field `name`.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All fields `name`.
    fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The position of the first octet of content in the file, and the file's length.
    fn extent(&self) -> Option<(u64, u64)> {
        match self.status {
            200 => Some((0, self.field("content-length")?.parse().ok()?)),
            206 => {
                let (range, total) = self.field("content-range")?.strip_prefix("bytes ")?.split_once('/')?;
                Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()?))
            }
            _ => None,
        }
    }

    /// Whether the connection stays open (RFC 9112 §9.3).
    pub(crate) fn keeps_connection(&self) -> bool {
        let has = |token: &str| {
            self.fields("connection").any(|v| v.split(',').any(|t| t.trim().eq_ignore_ascii_case(token)))
        };
        !has("close") && (self.minor >= 1 || has("keep-alive"))
    }
}

/// A response as far as it has arrived.
#[derive(Debug)]
pub(crate) struct Response {
    method: Method,
    /// Bytes that are not understood yet.
    pending: Vec<u8>,
    head: Option<Head>,
    body: Vec<u8>,
    framing: Framing,
}

/// How the end of the body is found (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Remaining(u64),
    Chunk(Chunk),
    UntilClose,
}

/// Where in a chunked body (RFC 9112 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    End,
}

/// The server does not speak HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Longest head and longest line of a chunked body.
const HEAD_MAX: usize = 64 * 1024;

impl Response {
    pub(crate) fn new(method: Method) -> Self {
        Self { method, pending: Vec::new(), head: None, body: Vec::new(), framing: Framing::Remaining(0) }
    }

    pub(crate) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Whether anything has arrived.
    pub(crate) fn has_begun(&self) -> bool {
        self.head.is_some() || !self.pending.is_empty()
    }

    /// The body; what is left of the connection's bytes is dropped.
    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Takes bytes; whether the response is complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<bool, Malformed> {
        self.pending.extend(bytes);
        while self.head.is_none() {
            if !self.read_head()? {
                return Ok(false);
            }
        }
        self.read_body()
    }

    /// The server has closed; whether that ends the response.
    pub(crate) fn closed(&self) -> bool {
        self.head.is_some() && self.framing == Framing::UntilClose
    }

    /// Whether there is something to decide.
    fn read_head(&mut self) -> Result<bool, Malformed> {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut parsed = httparse::Response::new(&mut fields);
        let mut parser = httparse::ParserConfig::default();
        // RFC 9112 §5.1, §5.2.
        parser.allow_spaces_after_header_name_in_responses(true);
        parser.allow_obsolete_multiline_headers_in_responses(true);
        let length = match parser.parse_response(&mut parsed, &self.pending) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if self.pending.len() < HEAD_MAX => return Ok(false),
            _ => return Err(Malformed),
        };
        let head = Head {
            status: parsed.code.ok_or(Malformed)?,
            reason: parsed.reason.unwrap_or_default().to_owned(),
            minor: parsed.version.ok_or(Malformed)?,
            fields: parsed
                .headers
                .iter()
                .map(|field| (field.name.to_owned(), String::from_utf8_lossy(field.value).trim().to_owned()))
                .collect(),
        };
        self.pending.drain(..length);
        // RFC 9110 §15.2: interim responses come before the final one. 101 is final for HTTP.
        if matches!(head.status, 100..=199) && head.status != 101 {
            return Ok(true);
        }
        let chunked = head.field("transfer-encoding").is_some_and(|value| {
            value.rsplit(',').next().is_some_and(|v| v.trim().eq_ignore_ascii_case("chunked"))
        });
        self.framing = if self.method == Method::Head || matches!(head.status, 101 | 204 | 304) {
            Framing::Remaining(0)
        } else if chunked {
            Framing::Chunk(Chunk::Size)
        } else if let Some(length) = head.field("content-length") {
            // RFC 9112 §6.3 rule 5.
            if head.fields("content-length").any(|other| other != length) {
                return Err(Malformed);
            }
            Framing::Remaining(length.parse().map_err(|_| Malformed)?)
        } else {
            Framing::UntilClose
        };
        self.head = Some(head);
        Ok(true)
    }

    fn read_body(&mut self) -> Result<bool, Malformed> {
        loop {
            match &mut self.framing {
                Framing::UntilClose => {
                    self.body.append(&mut self.pending);
                    return Ok(false);
                }
                Framing::Remaining(0) | Framing::Chunk(Chunk::End) => return Ok(true),
                Framing::Remaining(left) | Framing::Chunk(Chunk::Data(left)) => {
                    let count = self.pending.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    if count == 0 && *left > 0 {
                        return Ok(false);
                    }
                    self.body.extend(self.pending.drain(..count));
                    *left -= count as u64;
                    if let Framing::Chunk(chunk @ Chunk::Data(0)) = &mut self.framing {
                        *chunk = Chunk::DataEnd;
                    }
                }
                Framing::Chunk(chunk) => {
                    let Some(end) = self.pending.iter().position(|&byte| byte == b'\n') else {
                        return if self.pending.len() < HEAD_MAX { Ok(false) } else { Err(Malformed) };
                    };
                    let line: Vec<u8> = self.pending.drain(..=end).collect();
                    let line = line.trim_ascii();
                    *chunk = match chunk {
                        Chunk::Size => match size(line).ok_or(Malformed)? {
                            0 => Chunk::Trailer,
                            size => Chunk::Data(size),
                        },
                        Chunk::DataEnd if line.is_empty() => Chunk::Size,
                        Chunk::Trailer if line.is_empty() => Chunk::End,
                        Chunk::Trailer => Chunk::Trailer,
                        _ => return Err(Malformed),
                    };
                }
            }
        }
    }
}

/// The size in a chunk's first line; extensions are ignored (RFC 9112 §7.1.1).
fn size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|&byte| byte == b';').next()?.trim_ascii();
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bytes: &[u8], step: usize) -> Result<Option<Vec<u8>>, Malformed> {
        let mut response = Response::new(Method::Get);
        for part in bytes.chunks(step) {
            if response.push(part)? {
                return Ok(Some(response.into_body()));
            }
        }
        Ok(response.closed().then(|| response.into_body()))
    }

    #[test]
    fn bodies_end_where_rfc_9112_says() {
        for (response, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage", Ok(Some("image"))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimageXX", Ok(Some("image"))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nimage", Ok(None)),
            ("HTTP/1.0 200 OK\r\n\r\nimage", Ok(Some("image"))),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nim\r\n3\r\nage\r\n0\r\nT: r\r\n\r\n",
                Ok(Some("image")),
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n5\r\nimage\r\n0\r\n\r\n",
                Ok(Some("image")),
            ),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nimage\r\n", Ok(None)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Err(Malformed)),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nimageXX\r\n", Err(Malformed)),
            ("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", Ok(Some("x"))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nimage", Ok(Some("image"))),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nimage", Err(Malformed)),
            ("HTTP/1.1 200 OK\r\nContent-Length:\r\n 5\r\n\r\nimage", Ok(Some("image"))),
            ("HTTP/1.1 204 No Content\r\n\r\n", Ok(Some(""))),
            ("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", Err(Malformed)),
            ("garbage\r\n\r\n", Err(Malformed)),
        ] {
            let expected = expected.map(|body| body.map(|body| body.as_bytes().to_vec()));
            for step in [1, 3, 1000] {
                assert_eq!(body(response.as_bytes(), step), expected, "{response} by {step}");
            }
        }
    }

    #[test]
    fn the_handler_depends_on_the_client() {
        let conforming = Behaviour::conforming();
        let edk2 = Behaviour::edk2_2022_11();
        let oldest = Behaviour::edk2_2020_11();
        for (content_type, path, expected) in [
            (Some("application/efi"), "boot", [true, true, true]),
            (Some("Application/EFI"), "boot", [true, true, true]),
            (Some("application/efi; charset=binary"), "boot", [true, false, false]),
            (Some("text/html"), "boot.efi", [true, true, true]),
            (None, "boot.EFI", [true, true, false]),
            (None, "boot.efi?x=1", [true, true, true]),
            (Some("text/html"), "boot.bin", [false, false, false]),
            (None, "?f=boot.efi", [false, false, false]),
        ] {
            let url = Url::parse(&format!("http://192.0.2.1/{path}")).unwrap();
            let found = [&conforming, &edk2, &oldest].map(|b| handler(content_type, &url, b).is_some());
            assert_eq!(found, expected, "{content_type:?} {path}");
        }
    }

    #[test]
    fn connections_stay_open_where_rfc_9112_says() {
        for (response, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nConnection: x\r\nConnection: close\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", true),
        ] {
            let mut head = Response::new(Method::Head);
            assert_eq!(head.push(response.as_bytes()), Ok(true));
            assert_eq!(head.head().unwrap().keeps_connection(), expected, "{response}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(parts: Vec<Vec<u8>>) {
            let mut response = Response::new(Method::Get);
            let _ = response.push(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            for part in parts {
                if response.push(&part) != Ok(false) {
                    break;
                }
            }
        }
    }
}
