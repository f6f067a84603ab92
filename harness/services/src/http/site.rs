//! Which request gets which answer (RFC 9110 §9, §15).

use super::outgoing::{Outgoing, Piece};
use super::range::{LAST_MODIFIED, Selected, select};
use super::request::Request;
use super::response::{Body, Response, field, framing_fields, has_no_content, reason};
use super::{Coding, Connection, File, Framing, HeadAnswer, Part, Ranges, Settings, Version};
use crate::{delay, url::Target};
use flate2::{Compression, write::GzEncoder};
use record::HeaderField;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What the servers offer, plain and with TLS: the boot image at the boot file's URL, and at the one that `location` leads
/// to. A URL's scheme says which of them has it.
#[derive(Debug)]
pub(crate) struct Site {
    settings: Settings,
    /// `location` with its placeholders replaced.
    location: Option<String>,
    boot: Option<Target>,
    moved: Option<Target>,
    /// What else there is.
    files: Vec<(Target, Arc<[u8]>, Option<String>)>,
    /// The image in its content coding.
    image: Arc<[u8]>,
    /// Its entity tag (RFC 9110 §8.8.3).
    tag: String,
    /// Responses that have been interrupted.
    interrupted: AtomicU32,
}

/// What is done about a request.
#[derive(Debug)]
pub(super) enum Answer {
    Respond(Response),
    /// The connection is closed without an answer.
    Close,
    /// There will be no answer.
    Silence,
}

/// What a response says, before method and framing decide how it is sent.
struct Content {
    status: u16,
    media_type: Option<String>,
    body: Body,
    fields: Vec<HeaderField>,
}

impl Site {
    /// A site whose settings have been checked, with the image at `url`. That and `location` have no placeholders left.
    pub(crate) fn new(
        settings: Settings,
        url: Option<&str>,
        location: Option<String>,
        image: Arc<[u8]>,
    ) -> Self {
        let boot = url.and_then(Target::of_url);
        let file =
            |file: &File| Some((Target::of_url(&file.url)?, file.content(), file.content_type.clone()));
        let files = settings.files.iter().filter_map(file).collect();
        let moved =
            boot.as_ref().zip(location.as_deref()).and_then(|(boot, to)| Target::of_reference(to, boot));
        let image = match settings.message.coding {
            Coding::Identity => image,
            Coding::Gzip => gzip(&image),
        };
        let tag = match settings.ranges {
            Ranges::Ignored => String::new(),
            _ => format!("\"{}\"", hex(&Sha256::digest(&image)[..8])),
        };
        Self { settings, location, boot, moved, files, image, tag, interrupted: AtomicU32::new(0) }
    }

    /// What is sent of `response`, and when.
    pub(super) fn send(&self, response: Response) -> Outgoing {
        let Settings { message, pace, body_delay_seconds, .. } = &self.settings;
        let paced = |part| {
            let piece = Piece::Pace(pace.octets as usize, delay::duration(pace.seconds));
            (pace.of == Some(part)).then_some(piece)
        };
        let head = Piece::Owned(response.head(&self.settings), 0);
        let mut pieces: Vec<Piece> = paced(Part::Head).into_iter().chain([head]).collect();
        let (bytes, image) = match response.body {
            Body::None => return Outgoing::new(pieces.into()),
            Body::Other(bytes) => (bytes, None),
            Body::Image(image, range) => (image, Some(range)),
        };
        let range = image.clone().unwrap_or(0..bytes.len());
        if paced(Part::Head).is_some() {
            pieces.push(Piece::Pace(usize::MAX, Duration::ZERO));
        }
        if *body_delay_seconds > 0.0 {
            pieces.push(Piece::Pause(delay::duration(*body_delay_seconds)));
        }
        let interruption = image.as_ref().and_then(|_| self.interruption(range.len()));
        let end = interruption.map_or(range.end, |(after, _)| range.start + after);
        if image.is_some() {
            pieces.extend(paced(Part::Image));
        }
        let extension = message.chunk_extension.as_ref().map(|text| format!(";{text}")).unwrap_or_default();
        pieces.push(if response.chunked {
            Piece::Chunked(bytes, range.start..end, extension.into())
        } else {
            Piece::Shared(bytes, range.start..end)
        });
        if let Some((_, by)) = interruption {
            pieces.extend([Piece::Pause(Duration::ZERO), Piece::Break(by)]);
            return Outgoing::new(pieces.into());
        }
        if response.chunked {
            let mut last = String::from("0\r\n");
            for super::Header { name, value } in &message.trailers {
                last += &format!("{name}: {value}\r\n");
            }
            pieces.push(Piece::Owned(format!("{last}\r\n").into_bytes(), 0));
        }
        if let (Some(after), Some(_)) = (&message.after, image) {
            pieces.push(Piece::Owned(after.clone().into_bytes(), 0));
        }
        Outgoing::new(pieces.into())
    }

    /// After how many octets of `length` the next response is interrupted, and how.
    fn interruption(&self, length: usize) -> Option<(usize, super::Break)> {
        let interruption = &self.settings.interruption;
        let by = interruption.by?;
        let after = usize::try_from(interruption.after).ok().filter(|after| *after < length)?;
        let before = self.interrupted.fetch_add(1, Ordering::Relaxed);
        interruption.times.is_none_or(|times| before < times).then_some((after, by))
    }

    /// Whether it answers CONNECT.
    pub(crate) fn is_proxy(&self) -> bool {
        self.settings.proxy
    }

    /// The answer to a request that came over TLS (`secure`) or over plain TCP.
    pub(super) fn answer(&self, request: &Request, secure: bool) -> Answer {
        let head = request.method == "HEAD";
        let content = if request.fault().is_some() {
            text(400)
        } else if head {
            match self.settings.head {
                HeadAnswer::LikeGet => self.content(request, secure),
                HeadAnswer::Close => return Answer::Close,
                HeadAnswer::Silence => return Answer::Silence,
                HeadAnswer::Status(405) => with(text(405), field("Allow", "GET")),
                HeadAnswer::Status(status @ 200..300) => self.image(status),
                HeadAnswer::Status(status) => text(status),
            }
        } else if request.method == "CONNECT" && self.settings.proxy {
            Content { status: 200, media_type: None, body: Body::None, fields: Vec::new() }
        } else if request.method == "GET" {
            self.content(request, secure)
        } else {
            with(text(405), field("Allow", self.allowed()))
        };
        Answer::Respond(self.response(content, request))
    }

    /// The answer to bytes that are no request; the connection ends with it.
    pub(super) fn refuse(&self, status: u16) -> Response {
        let request = Request { method: String::new(), target: String::new(), minor: 0, headers: Vec::new() };
        self.response(text(status), &request)
    }

    fn allowed(&self) -> &'static str {
        if self.settings.head == HeadAnswer::LikeGet { "GET, HEAD" } else { "GET" }
    }

    fn content(&self, request: &Request, secure: bool) -> Content {
        let target = Target::of_request(&request.target, secure);
        let file = self.files.iter().find(|(at, ..)| target.as_ref() == Some(at));
        if let Some((_, bytes, media_type)) = file {
            let body = Body::Other(Arc::clone(bytes));
            return Content { status: 200, media_type: media_type.clone(), body, fields: Vec::new() };
        }
        let (status, location) = match target {
            None => (404, None),
            Some(_) if target == self.boot => (self.settings.status, self.location.as_ref()),
            Some(_) if target == self.moved => (200, None),
            Some(_) => (404, None),
        };
        let content = match status {
            // RFC 9110 §14.2: Range is defined for GET only.
            200 if request.method == "GET" => self.selected(request),
            200..300 => self.image(status),
            _ => text(status),
        };
        match location {
            Some(location) => with(content, field("Location", location)),
            None => content,
        }
    }

    /// The image, or what is asked for of it.
    fn selected(&self, request: &Request) -> Content {
        let length = self.image.len();
        match select(request, self.settings.ranges, &self.tag, length) {
            Selected::Whole => self.image(200),
            Selected::Failed => text(412),
            Selected::Unsatisfiable => with(text(416), field("Content-Range", format!("bytes */{length}"))),
            Selected::Part(range) => {
                let told = length + usize::from(self.settings.ranges == Ranges::OtherLength);
                let value = format!("bytes {}-{}/{told}", range.start, range.end - 1);
                let mut part = self.image(206);
                part.body = Body::Image(Arc::clone(&self.image), range);
                with(part, field("Content-Range", value))
            }
        }
    }

    fn image(&self, status: u16) -> Content {
        let body = Body::Image(Arc::clone(&self.image), 0..self.image.len());
        let mut fields = Vec::new();
        if self.settings.message.coding == Coding::Gzip {
            fields.push(field("Content-Encoding", "gzip"));
        }
        match self.settings.ranges {
            Ranges::Ignored => {}
            Ranges::ServedByDate => {
                fields.extend([field("Accept-Ranges", "bytes"), field("Last-Modified", LAST_MODIFIED)]);
            }
            _ => fields.extend([field("Accept-Ranges", "bytes"), field("ETag", &self.tag)]),
        }
        Content { status, media_type: self.settings.content_type.clone(), body, fields }
    }

    fn response(&self, content: Content, request: &Request) -> Response {
        let Settings { version, connection, headers: more, .. } = &self.settings;
        let head = request.method == "HEAD";
        // RFC 9112 §6.1: no transfer coding for a client that may not know it.
        let framing = match self.settings.framing {
            Framing::Chunked | Framing::Both if request.minor == 0 => Framing::UntilClose,
            framing => framing,
        };
        // RFC 9110 §9.3.6: no field of a successful answer to CONNECT says that there is content.
        let is_tunnel = request.method == "CONNECT" && content.status == 200;
        let no_content = has_no_content(content.status) || is_tunnel;
        let omitted = (head && !self.settings.message.content_after_head) || no_content;
        let body = if omitted { Body::None } else { content.body.clone() };
        let ends_body = framing == Framing::UntilClose && !matches!(body, Body::None);
        let persistent = match version {
            Version::Http11 => request.persists(),
            Version::Http10 => request.asks_to_persist(),
        };
        let closes = matches!(connection, Connection::Close | Connection::CloseUnannounced);
        let close = closes || !persistent || ends_body || request.has_content();
        let half_close = match connection {
            Connection::HalfCloseAfterHead => head,
            Connection::HalfCloseAfterGet => request.method == "GET",
            _ => false,
        };

        let mut headers = Vec::new();
        if !no_content {
            headers.extend(content.media_type.map(|value| field("Content-Type", value)));
            headers.extend(framing_fields(&self.settings, framing, head, content.body.len()));
        }
        headers.extend(content.fields);
        if *connection != Connection::CloseUnannounced {
            // RFC 9112 §9.3, §9.6 and appendix C.2.2: the end is announced, and so is what HTTP/1.0 does not imply.
            if close {
                headers.push(field("Connection", "close"));
            } else if *version == Version::Http10 || request.minor == 0 {
                headers.push(field("Connection", "keep-alive"));
            }
        }
        headers.extend(more.iter().map(|header| field(&header.name, &header.value)));
        let chunked = matches!(framing, Framing::Chunked | Framing::Both);
        Response { status: content.status, headers, body, chunked, close, half_close }
    }
}

/// A status with a short text, for people.
fn text(status: u16) -> Content {
    let text = format!("{status} {}", reason(status));
    Content {
        status,
        media_type: Some("text/plain".into()),
        body: Body::Other(format!("{}\n", text.trim_end()).into_bytes().into()),
        fields: Vec::new(),
    }
}

/// The content coding gzip (RFC 9110 §8.4.1.3).
fn gzip(image: &[u8]) -> Arc<[u8]> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory does not fail.
    let _ = encoder.write_all(image);
    encoder.finish().unwrap_or_default().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn with(mut content: Content, field: HeaderField) -> Content {
    content.fields.push(field);
    content
}
