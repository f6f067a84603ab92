//! How a response is written: settings that leave the usual form (RFC 9112 §2 to §7).

use super::Header;
use crate::SettingsError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a response is written. Everything here is as RFC 9112 has it by default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Message {
    /// Statuses of interim responses before the final one, 100 to 199 (RFC 9110 §15.2).
    pub interim: Vec<u16>,
    /// The whole status line in place of the one that `version` and `status` make (RFC 9112 §4).
    pub status_line: Option<String>,
    /// What ends a line of the header section (RFC 9112 §2.2).
    pub line_end: LineEnd,
    /// Whether a space stands before the colon of every field (forbidden by RFC 9112 §5.1).
    pub space_before_colon: bool,
    /// Whether every field value begins on a line of its own (obs-fold, deprecated by RFC 9112 §5.2).
    pub fold: bool,
    /// One Content-Length field per entry, each with the length and this many octets more (RFC 9110 §8.6).
    pub content_length: Vec<i64>,
    /// The same in answers to HEAD; `null` is as for GET.
    pub head_content_length: Option<Vec<i64>>,
    /// Transfer-Encoding in place of `chunked`; needs a framing that has one (RFC 9112 §6.1).
    pub transfer_encoding: Option<String>,
    /// What follows the size of every chunk after a semicolon (RFC 9112 §7.1.1).
    pub chunk_extension: Option<String>,
    /// Fields after the last chunk (RFC 9112 §7.1.2).
    pub trailers: Vec<Header>,
    /// Content coding of the image (RFC 9110 §8.4).
    pub coding: Coding,
    /// Whether the content follows the answer to HEAD as well (forbidden by RFC 9110 §9.3.2).
    pub content_after_head: bool,
    /// Text after the end of a response with the image, which is no response.
    pub after: Option<String>,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            interim: Vec::new(),
            status_line: None,
            line_end: LineEnd::Crlf,
            space_before_colon: false,
            fold: false,
            content_length: vec![0],
            head_content_length: None,
            transfer_encoding: None,
            chunk_extension: None,
            trailers: Vec::new(),
            coding: Coding::Identity,
            content_after_head: false,
            after: None,
        }
    }
}

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum LineEnd {
    Crlf,
    Lf,
}

impl LineEnd {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Crlf => "\r\n",
            Self::Lf => "\n",
        }
    }
}

/// Content coding (RFC 9110 §8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Coding {
    /// None.
    Identity,
    /// `Content-Encoding: gzip`, whether or not the client has said that it takes it.
    Gzip,
}

impl Message {
    /// Checks what the types cannot; the texts that go into the header section are among `texts` afterwards.
    pub(super) fn check<'a>(
        &'a self,
        texts: &mut Vec<(String, Option<&'a str>)>,
    ) -> Result<(), SettingsError> {
        for (index, status) in self.interim.iter().enumerate() {
            if !(100..200).contains(status) {
                let problem =
                    format!("{status} is not an interim status; expected 100 to 199 (RFC 9110 §15.2)");
                return Err(SettingsError::new(format!("network.http.message.interim[{index}]"), problem));
            }
        }
        texts.push(("network.http.message.status_line".into(), self.status_line.as_deref()));
        texts.push(("network.http.message.transfer_encoding".into(), self.transfer_encoding.as_deref()));
        texts.push(("network.http.message.chunk_extension".into(), self.chunk_extension.as_deref()));
        Header::check("network.http.message.trailers", &self.trailers, texts)
    }
}
