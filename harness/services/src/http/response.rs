//! Responses: status line, header fields and framing (RFC 9110 §15, RFC 9112 §4, §6, §7.1).
//!
//! There is no `Date`: the server's only clock is the guest's time since power-on, and a server without a clock must
//! not invent one (RFC 9110 §6.6.1).

use super::{Framing, Settings, Version};
use record::HeaderField;
use std::{ops::Range, sync::Arc};

/// What a response carries.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Nothing, because the method or the status has no content (RFC 9112 §6.3).
    None,
    /// A short text, or a file beside the image.
    Other(Arc<[u8]>),
    /// A part of the boot image, or all of it.
    Image(Arc<[u8]>, Range<usize>),
}

impl Body {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Other(bytes) => bytes.len(),
            Self::Image(_, range) => range.len(),
        }
    }

    pub(super) fn is_image(&self) -> bool {
        matches!(self, Self::Image(..))
    }
}

/// A response, ready but for the way it is sent.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Vec<HeaderField>,
    pub(super) body: Body,
    /// Whether the body is sent in chunks.
    pub(super) chunked: bool,
    /// Whether the connection ends after it.
    pub(super) close: bool,
    /// Whether our side sends nothing after it, and goes on reading.
    pub(super) half_close: bool,
}

impl Response {
    /// Interim responses, status line and header section.
    pub(super) fn head(&self, settings: &Settings) -> Vec<u8> {
        let message = &settings.message;
        let end = message.line_end.text();
        let minor = match settings.version {
            Version::Http10 => 0,
            Version::Http11 => 1,
        };
        let status_line = |status| format!("HTTP/1.{minor} {status} {}", reason(status));
        let mut head = String::new();
        for &status in &message.interim {
            head += &format!("{}{end}{end}", status_line(status));
        }
        head += message.status_line.as_ref().unwrap_or(&status_line(self.status));
        head += end;
        let colon = if message.space_before_colon { " :" } else { ":" };
        let fold = if message.fold { end } else { "" };
        for HeaderField { name, value } in &self.headers {
            head += &format!("{name}{colon}{fold} {value}{end}");
        }
        head += end;
        head.into_bytes()
    }
}

/// The fields that say where the body of `length` octets ends, as far as any do.
pub(super) fn framing_fields(
    settings: &Settings,
    framing: Framing,
    head: bool,
    length: usize,
) -> Vec<HeaderField> {
    let message = &settings.message;
    let lengths = || {
        let more = message.head_content_length.as_ref().filter(|_| head).unwrap_or(&message.content_length);
        more.iter().map(|more| field("Content-Length", (length as i64).saturating_add(*more)))
    };
    let coding = || field("Transfer-Encoding", message.transfer_encoding.as_deref().unwrap_or("chunked"));
    match framing {
        Framing::ContentLength => lengths().collect(),
        Framing::ContentLengthOnGetOnly if !head => lengths().collect(),
        Framing::Chunked => vec![coding()],
        Framing::Both => lengths().chain([coding()]).collect(),
        Framing::ContentLengthOnGetOnly | Framing::UntilClose => Vec::new(),
    }
}

pub(super) fn field(name: &str, value: impl ToString) -> HeaderField {
    HeaderField { name: name.into(), value: value.to_string() }
}

/// Whether a response with this status never has content (RFC 9110 §6.4.1).
pub(super) fn has_no_content(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 304)
}

/// The reason phrase of RFC 9110 §15; empty for a status that it does not know.
pub(super) fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",               // RFC 6585
        431 => "Request Header Fields Too Large", // RFC 6585
        451 => "Unavailable For Legal Reasons",   // RFC 7725
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
