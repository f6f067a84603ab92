//! HTTP/1.x server (RFC 9110, RFC 9112): its settings.

mod file;
mod message;
mod outgoing;
mod range;
mod request;
mod response;
mod session;
mod site;
mod transfer;
mod tunnel;

pub use file::File;
pub use message::{Coding, LineEnd, Message};
pub(crate) use session::Session;
pub(crate) use site::Site;
pub use transfer::{Break, Interruption, Pace, Part, Ranges};
pub(crate) use tunnel::Tunnel;

use crate::{SettingsError, delay};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `http:` block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// TCP port.
    pub port: u16,
    /// Version in the status line.
    pub version: Version,
    /// Status of the answer to the boot file's path, 100 to 599. With 2xx comes the image, with others a short text.
    /// Any other path is 404.
    pub status: u16,
    /// Content-Type of the image; `null` sends none.
    pub content_type: Option<String>,
    /// How the end of the body is marked.
    pub framing: Framing,
    /// What HEAD is answered with.
    pub head: HeadAnswer,
    /// What happens to a connection after a response.
    pub connection: Connection,
    /// Guest seconds between the acknowledgement of a header section and the body that follows it. Not zero by default:
    /// a client that stops because of the headers then does so before there is a body, and the wire shows it.
    pub body_delay_seconds: f64,
    /// Location header, for redirects: an absolute URL or a relative reference, whose path serves the image with 200.
    /// `{server4}`, `{guest4}`, `{port}` and `{tls_port}` are replaced.
    pub location: Option<String>,
    /// More header fields, sent as they are after our own.
    pub headers: Vec<Header>,
    /// How a response is written.
    pub message: Message,
    /// What comes little by little.
    pub pace: Pace,
    /// Where a response with the image ends early.
    pub interruption: Interruption,
    /// What is done about a request for a range of the image.
    pub ranges: Ranges,
    /// Whether it is a proxy, too: CONNECT (RFC 9110 §9.3.6) gets 200, and what comes on the connection then is for the server itself, over TLS
    /// where its port is meant.
    pub proxy: bool,
    /// What else it has. One at the boot file's URL stands in place of the image, which is then where `image.url` says.
    pub files: Vec<File>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 80,
            version: Version::Http11,
            status: 200,
            content_type: Some("application/efi".into()),
            framing: Framing::ContentLength,
            head: HeadAnswer::LikeGet,
            connection: Connection::KeepAlive,
            body_delay_seconds: 0.2,
            location: None,
            headers: Vec::new(),
            message: Message::default(),
            pace: Pace::default(),
            interruption: Interruption::default(),
            ranges: Ranges::Ignored,
            proxy: false,
            files: Vec::new(),
        }
    }
}

/// HTTP version of the status line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Version {
    #[serde(rename = "1.0")]
    Http10,
    #[serde(rename = "1.1")]
    Http11,
}

/// How the end of a body is marked (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// Content-Length with the right length, on HEAD and GET.
    ContentLength,
    /// `Transfer-Encoding: chunked`, and no Content-Length on HEAD either. An HTTP/1.0 request gets `UntilClose`.
    Chunked,
    /// Both, although a sender must not (RFC 9112 §6.2); the coding counts (RFC 9112 §6.3).
    Both,
    /// Neither: the end of the connection ends the body. HEAD has no body, so the connection stays open after it.
    UntilClose,
    /// Content-Length on GET only.
    ContentLengthOnGetOnly,
}

/// What HEAD is answered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum HeadAnswer {
    /// What GET would answer, without the body (RFC 9110 §9.3.2).
    LikeGet,
    /// This status, with the header fields that GET would have with it, and without a body.
    Status(u16),
    /// The connection is closed without an answer.
    Close,
    /// No answer at all.
    Silence,
}

/// What happens to a connection after a response (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    /// It stays open, as far as the client's request lets it (RFC 9112 §9.3).
    KeepAlive,
    /// `Connection: close`, and it is closed.
    Close,
    /// It is closed without being announced.
    CloseUnannounced,
    /// Our side of it is closed without being announced after the response to HEAD, and what comes from the client is still read
    /// (RFC 9293 §3.6).
    HalfCloseAfterHead,
    /// The same after the response to GET.
    HalfCloseAfterGet,
}

/// One header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Field name.
    pub name: String,
    /// Field value.
    pub value: String,
}

impl Header {
    /// Checks the names; what else there is to check is among `texts` afterwards.
    fn check<'a>(
        path: &str,
        headers: &'a [Self],
        texts: &mut Vec<(String, Option<&'a str>)>,
    ) -> Result<(), SettingsError> {
        for (index, Self { name, value }) in headers.iter().enumerate() {
            if name.is_empty() || name.contains(':') {
                let problem = format!("{name:?} is empty or has a colon, so it cannot be sent as a name");
                return Err(SettingsError::new(format!("{path}[{index}].name"), problem));
            }
            texts.push((format!("{path}[{index}].name"), Some(name)));
            texts.push((format!("{path}[{index}].value"), Some(value)));
        }
        Ok(())
    }
}

impl Settings {
    /// Checks what the types cannot; `location` has its placeholders replaced.
    pub(crate) fn check(&self, location: Option<&str>) -> Result<(), SettingsError> {
        if self.port == 0 {
            return Err(SettingsError::new("network.http.port", "0 is not a port; expected 1 to 65535"));
        }
        let head_status = match self.head {
            HeadAnswer::Status(status) => Some(("network.http.head.status", status)),
            _ => None,
        };
        for (path, status) in head_status.into_iter().chain([("network.http.status", self.status)]) {
            if !(100..600).contains(&status) {
                let problem = format!("{status} is not a status code; expected 100 to 599 (RFC 9110 §15)");
                return Err(SettingsError::new(path, problem));
            }
        }
        delay::check("network.http.body_delay_seconds", self.body_delay_seconds)?;
        let mut texts = vec![("network.http.content_type".to_owned(), self.content_type.as_deref())];
        texts.push(("network.http.location".to_owned(), location));
        Header::check("network.http.headers", &self.headers, &mut texts)?;
        self.message.check(&mut texts)?;
        self.pace.check()?;
        for (at, file) in self.files.iter().enumerate() {
            let path = format!("network.http.files[{at}]");
            file.check(&path)?;
            texts.push((format!("{path}.content_type"), file.content_type.as_deref()));
        }
        for (path, text) in texts {
            if text.is_some_and(|text| text.contains(['\r', '\n', '\0'])) {
                let problem = "CR, LF or NUL would end the header field (RFC 9110 §5.5)";
                return Err(SettingsError::new(path, problem));
            }
        }
        Ok(())
    }
}
