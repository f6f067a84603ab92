//! HTTP/1 on one connection (RFC 9110, RFC 9112), both sides.

use crate::journal::Journal;
use httparse::{EMPTY_HEADER, Request, Response, Status};
use record::{Event, HeaderField};
use std::collections::VecDeque;

/// Bytes of a head; more than any client or server sends.
const HEAD: usize = 64 << 10;
/// Fields of a head.
const FIELDS: usize = 200;

/// What is on its way.
#[derive(Debug, Default)]
pub struct Http {
    request: Vec<u8>,
    response: Vec<u8>,
    /// Methods of requests without an answer yet.
    pending: VecDeque<String>,
    /// How much of the client's body is to be skipped.
    upload: u64,
    body: Option<Body>,
    /// Answers that the client has not acknowledged: where they end, method, whether that was a file.
    unacknowledged: VecDeque<(u64, String, bool)>,
    /// Neither side is HTTP any more.
    broken: bool,
}

/// The body that the server is sending.
#[derive(Debug)]
struct Body {
    method: String,
    file: bool,
    left: Left,
}

#[derive(Debug)]
enum Left {
    Bytes(u64),
    Chunks,
    UntilClose,
}

impl Http {
    /// Bytes of the client.
    pub fn client(&mut self, connection: u32, bytes: &[u8], journal: &mut Journal) {
        if self.broken {
            return;
        }
        self.request.extend_from_slice(bytes);
        loop {
            let skipped = usize::try_from(self.upload).unwrap_or(usize::MAX).min(self.request.len());
            self.request.drain(..skipped);
            self.upload -= skipped as u64;
            if self.request.is_empty() {
                return;
            }
            let mut fields = [EMPTY_HEADER; FIELDS];
            let mut request = Request::new(&mut fields);
            match request.parse(&self.request) {
                Ok(Status::Complete(length)) => {
                    let headers = listed(request.headers);
                    let method = request.method.unwrap_or_default().to_owned();
                    self.upload = number(&headers, "content-length").unwrap_or(0);
                    self.pending.push_back(method.clone());
                    journal.add(Event::HttpRequest {
                        connection,
                        method,
                        target: request.path.unwrap_or_default().to_owned(),
                        version: format!("HTTP/1.{}", request.version.unwrap_or(1)),
                        headers,
                    });
                    self.request.drain(..length);
                }
                Ok(Status::Partial) if self.request.len() < HEAD => return,
                Ok(Status::Partial) => return self.give_up(connection, "its head does not end", journal),
                Err(error) => return self.give_up(connection, &error.to_string(), journal),
            }
        }
    }

    fn give_up(&mut self, connection: u32, why: &str, journal: &mut Journal) {
        self.broken = true;
        journal.add(Event::HttpMalformed { connection, why: why.to_owned() });
    }

    /// Bytes of the server, the last of which is before `end` in its stream.
    pub fn server(&mut self, connection: u32, bytes: &[u8], end: u64, journal: &mut Journal) {
        self.response.extend_from_slice(bytes);
        while !self.response.is_empty() {
            if self.body.is_some() {
                if !self.take_body(end) {
                    return;
                }
                continue;
            }
            let mut fields = [EMPTY_HEADER; FIELDS];
            let mut response = Response::new(&mut fields);
            match response.parse(&self.response) {
                Ok(Status::Complete(length)) => {
                    let status = response.code.unwrap_or(0);
                    let headers = listed(response.headers);
                    self.response.drain(..length);
                    if (100..200).contains(&status) {
                        continue;
                    }
                    self.answer(connection, status, headers, end, journal);
                }
                Ok(Status::Partial) if self.response.len() < HEAD => return,
                _ => {
                    // Not HTTP: nothing more is said of it.
                    self.response.clear();
                    return;
                }
            }
        }
    }

    fn answer(
        &mut self,
        connection: u32,
        status: u16,
        headers: Vec<HeaderField>,
        end: u64,
        journal: &mut Journal,
    ) {
        let method = self.pending.pop_front().unwrap_or_else(|| "GET".into());
        let length = number(&headers, "content-length");
        let chunked = headers.iter().any(|field| {
            field.name.eq_ignore_ascii_case("transfer-encoding")
                && field.value.to_ascii_lowercase().ends_with("chunked")
        });
        // RFC 9112 §6.3
        let bodiless = method == "HEAD" || status == 204 || status == 304;
        let left = match length {
            _ if bodiless => Left::Bytes(0),
            _ if chunked => Left::Chunks,
            Some(length) => Left::Bytes(length),
            None => Left::UntilClose,
        };
        let body = if let Left::Bytes(bytes) = left { bytes } else { 0 };
        let file = status == 200;
        journal.add(Event::HttpResponse {
            connection,
            method: method.clone(),
            status,
            headers,
            body,
            image: file,
        });
        self.body = Some(Body { method, file, left });
        self.take_body(end);
    }

    /// Takes what is there of the body; whether it is over.
    fn take_body(&mut self, end: u64) -> bool {
        let Some(body) = &mut self.body else { return true };
        let over = match &mut body.left {
            Left::Bytes(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(self.response.len());
                self.response.drain(..taken);
                *left -= taken as u64;
                *left == 0
            }
            Left::Chunks => chunks_are_over(&mut self.response),
            Left::UntilClose => {
                self.response.clear();
                false
            }
        };
        if over && let Some(body) = self.body.take() {
            self.unacknowledged.push_back((end - self.response.len() as u64, body.method, body.file));
        }
        over
    }

    /// The server has ended its stream.
    pub fn closed(&mut self, end: u64) {
        if let Some(Body { method, file, left: Left::UntilClose }) = self.body.take() {
            self.unacknowledged.push_back((end, method, file));
        }
    }

    /// The client has everything up to there.
    pub fn acknowledged(&mut self, connection: u32, up_to: u64, journal: &mut Journal) {
        while self.unacknowledged.front().is_some_and(|(end, ..)| *end <= up_to) {
            if let Some((_, method, image)) = self.unacknowledged.pop_front() {
                journal.add(Event::HttpDelivered { connection, method, image });
            }
        }
    }
}

/// Takes whole chunks (RFC 9112 §7.1); whether the last one was among them.
fn chunks_are_over(bytes: &mut Vec<u8>) -> bool {
    loop {
        let Ok(Status::Complete((start, size))) = httparse::parse_chunk_size(bytes) else { return false };
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size == 0 {
            let rest = &bytes[start..];
            let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else { return false };
            // Trailer fields end with an empty line.
            let end = if end == 0 {
                2
            } else {
                let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
                end + 4
            };
            bytes.drain(..start + end);
            return true;
        }
        let Some(end) = start.checked_add(size).and_then(|end| end.checked_add(2)) else { return false };
        if bytes.len() < end {
            return false;
        }
        bytes.drain(..end);
    }
}

fn listed(fields: &[httparse::Header<'_>]) -> Vec<HeaderField> {
    let field = |field: &httparse::Header<'_>| HeaderField {
        name: field.name.to_owned(),
        value: String::from_utf8_lossy(field.value).into_owned(),
    };
    fields.iter().map(field).collect()
}

fn number(fields: &[HeaderField], name: &str) -> Option<u64> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name))?.value.trim().parse().ok()
}
