//! HTTP/1.x server (RFC 9110, RFC 9112).

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
    /// Status of the answer to the boot file's path. Any other path is 404.
    pub status: u16,
    /// Content-Type; `null` sends none.
    pub content_type: Option<String>,
    /// How the end of the body is marked.
    pub framing: Framing,
    /// What HEAD is answered with.
    pub head: HeadAnswer,
    /// What happens to a connection after a response.
    pub connection: Connection,
    /// Location header, for redirects; its path serves the image. `{server4}` is replaced.
    pub location: Option<String>,
    /// More header fields, sent as they are.
    pub headers: Vec<Header>,
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
            location: None,
            headers: Vec::new(),
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
    /// `Transfer-Encoding: chunked`, and no Content-Length on HEAD either.
    Chunked,
    /// Neither: the end of the connection ends the body.
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
    /// This status, without a body.
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
    /// It stays open.
    KeepAlive,
    /// `Connection: close`, and it is closed.
    Close,
    /// It is closed without being announced.
    CloseUnannounced,
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
