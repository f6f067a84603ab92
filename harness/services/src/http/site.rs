//! Which request gets which answer (RFC 9110 §9, §15).

use super::request::Request;
use super::response::{Body, Response, field, framing_field, has_no_content, reason};
use super::{Connection, Framing, HeadAnswer, Settings, Version};
use crate::{delay, url::Target};
use record::HeaderField;
use std::sync::Arc;
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
    image: Arc<[u8]>,
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
    /// A site whose settings have been checked. `bootfile` and `location` have no placeholders left.
    pub(crate) fn new(
        settings: Settings,
        bootfile: Option<&str>,
        location: Option<String>,
        image: Arc<[u8]>,
    ) -> Self {
        let boot = bootfile.and_then(Target::of_url);
        let moved =
            boot.as_ref().zip(location.as_deref()).and_then(|(boot, to)| Target::of_reference(to, boot));
        Self { settings, location, boot, moved, image }
    }

    /// Time between the acknowledgement of a header section and the body.
    pub(super) fn body_delay(&self) -> Duration {
        delay::duration(self.settings.body_delay_seconds)
    }

    /// The answer to a request that came over TLS (`secure`) or over plain TCP.
    pub(super) fn answer(&self, request: &Request, secure: bool) -> Answer {
        let head = request.method == "HEAD";
        let content = if request.fault().is_some() {
            text(400)
        } else if head {
            match self.settings.head {
                HeadAnswer::LikeGet => self.content(&request.target, secure),
                HeadAnswer::Close => return Answer::Close,
                HeadAnswer::Silence => return Answer::Silence,
                HeadAnswer::Status(405) => with(text(405), field("Allow", "GET")),
                HeadAnswer::Status(status @ 200..300) => self.image(status),
                HeadAnswer::Status(status) => text(status),
            }
        } else if request.method == "GET" {
            self.content(&request.target, secure)
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

    fn content(&self, target: &str, secure: bool) -> Content {
        let target = Target::of_request(target, secure);
        let (status, location) = match target {
            None => (404, None),
            Some(_) if target == self.boot => (self.settings.status, self.location.as_ref()),
            Some(_) if target == self.moved => (200, None),
            Some(_) => (404, None),
        };
        let content = if (200..300).contains(&status) { self.image(status) } else { text(status) };
        match location {
            Some(location) => with(content, field("Location", location)),
            None => content,
        }
    }

    fn image(&self, status: u16) -> Content {
        let body = Body::Image(Arc::clone(&self.image));
        Content { status, media_type: self.settings.content_type.clone(), body, fields: Vec::new() }
    }

    fn response(&self, content: Content, request: &Request) -> Response {
        let Settings { version, connection, headers: more, .. } = &self.settings;
        let head = request.method == "HEAD";
        // RFC 9112 §6.1: no transfer coding for a client that may not know it.
        let framing = match self.settings.framing {
            Framing::Chunked if request.minor == 0 => Framing::UntilClose,
            framing => framing,
        };
        let no_content = has_no_content(content.status);
        let body = if head || no_content { Body::None } else { content.body.clone() };
        let ends_body = framing == Framing::UntilClose && !matches!(body, Body::None);
        let persistent = match version {
            Version::Http11 => request.persists(),
            Version::Http10 => request.asks_to_persist(),
        };
        let close = *connection != Connection::KeepAlive || !persistent || ends_body || request.has_content();

        let mut headers = Vec::new();
        if !no_content {
            headers.extend(content.media_type.map(|value| field("Content-Type", value)));
            headers.extend(framing_field(framing, head, content.body.len()));
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
        let chunked = framing == Framing::Chunked;
        Response { version: *version, status: content.status, headers, body, chunked, close }
    }
}

/// A status with a short text, for people.
fn text(status: u16) -> Content {
    let text = format!("{status} {}", reason(status));
    Content {
        status,
        media_type: Some("text/plain".into()),
        body: Body::Text(format!("{}\n", text.trim_end())),
        fields: Vec::new(),
    }
}

fn with(mut content: Content, field: HeaderField) -> Content {
    content.fields.push(field);
    content
}
