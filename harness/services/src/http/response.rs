//! Responses: status line, header fields and framing (RFC 9110 §15, RFC 9112 §4, §6, §7.1).
//!
//! There is no `Date`: the server's only clock is the guest's time since power-on, and a server without a clock must
//! not invent one (RFC 9110 §6.6.1).

use super::{Framing, Version};
use record::HeaderField;
use std::{collections::VecDeque, ops::Range, sync::Arc};

/// Bytes of image in a chunk; the last one has fewer.
const CHUNK: usize = 32 * 1024;

/// What a response carries.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// Nothing, because the method or the status has no content (RFC 9112 §6.3).
    None,
    /// A short text.
    Text(String),
    /// The boot image.
    Image(Arc<[u8]>),
}

impl Body {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Text(text) => text.len(),
            Self::Image(image) => image.len(),
        }
    }

    pub(super) fn is_image(&self) -> bool {
        matches!(self, Self::Image(_))
    }
}

/// A response that is ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Response {
    pub(super) version: Version,
    pub(super) status: u16,
    pub(super) headers: Vec<HeaderField>,
    pub(super) body: Body,
    /// Whether the body is sent in chunks.
    pub(super) chunked: bool,
    /// Whether the connection ends after it.
    pub(super) close: bool,
}

impl Response {
    /// The bytes to send, in order.
    pub(super) fn into_pieces(self) -> VecDeque<Piece> {
        let mut pieces = VecDeque::from([Piece::Owned(self.head(), 0)]);
        let (bytes, image) = match self.body {
            Body::None => return pieces,
            Body::Text(text) => (Arc::from(text.into_bytes()), false),
            Body::Image(image) => (image, true),
        };
        let range = 0..bytes.len();
        if self.chunked {
            pieces.push_back(Piece::Chunked(bytes, range));
        } else if image || !bytes.is_empty() {
            pieces.push_back(Piece::Shared(bytes, range));
        }
        pieces
    }

    fn head(&self) -> Vec<u8> {
        let minor = match self.version {
            Version::Http10 => 0,
            Version::Http11 => 1,
        };
        let mut head = format!("HTTP/1.{minor} {} {}\r\n", self.status, reason(self.status)).into_bytes();
        for HeaderField { name, value } in &self.headers {
            head.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        head.extend(b"\r\n");
        head
    }
}

/// A part of a response that is not sent yet. The image is shared, never copied whole.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// Bytes, and how many of them are sent.
    Owned(Vec<u8>, usize),
    /// A part of the image.
    Shared(Arc<[u8]>, Range<usize>),
    /// What is left to be sent in chunks, the last chunk included (RFC 9112 §7.1).
    Chunked(Arc<[u8]>, Range<usize>),
}

/// Fills `buffer` from the front of `pieces`; the number of bytes, 0 only if there is nothing left.
pub(super) fn fill(pieces: &mut VecDeque<Piece>, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        let free = &mut buffer[filled..];
        match pieces.front_mut() {
            None => break,
            Some(Piece::Owned(bytes, sent)) => {
                let count = free.len().min(bytes.len() - *sent);
                free[..count].copy_from_slice(&bytes[*sent..*sent + count]);
                *sent += count;
                filled += count;
                if *sent == bytes.len() {
                    pieces.pop_front();
                }
            }
            Some(Piece::Shared(bytes, range)) => {
                let count = free.len().min(range.len());
                free[..count].copy_from_slice(&bytes[range.start..range.start + count]);
                range.start += count;
                filled += count;
                if range.start == range.end {
                    pieces.pop_front();
                }
            }
            Some(Piece::Chunked(bytes, range)) => {
                if range.start == range.end {
                    pieces[0] = Piece::Owned(b"0\r\n\r\n".to_vec(), 0);
                } else {
                    let chunk = range.start..range.end.min(range.start + CHUNK);
                    range.start = chunk.end;
                    let bytes = Arc::clone(bytes);
                    let size = format!("{:x}\r\n", chunk.len()).into_bytes();
                    pieces.push_front(Piece::Owned(b"\r\n".to_vec(), 0));
                    pieces.push_front(Piece::Shared(bytes, chunk));
                    pieces.push_front(Piece::Owned(size, 0));
                }
            }
        }
    }
    filled
}

/// The field that says where the body ends, unless nothing does.
pub(super) fn framing_field(framing: Framing, head: bool, length: usize) -> Option<HeaderField> {
    match framing {
        Framing::ContentLength => Some(field("Content-Length", length)),
        Framing::ContentLengthOnGetOnly if !head => Some(field("Content-Length", length)),
        Framing::Chunked => Some(field("Transfer-Encoding", "chunked")),
        Framing::ContentLengthOnGetOnly | Framing::UntilClose => None,
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
