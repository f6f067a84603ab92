//! How a response gets over: settings for its pace, its interruption, and what is done about a Range (RFC 9110 §14).

use crate::{SettingsError, delay};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A response that comes little by little.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pace {
    /// What comes so; `null` is nothing.
    pub of: Option<Part>,
    /// Octets that are sent at once, 1 or more. With TLS each of these is a record.
    pub octets: u32,
    /// Guest seconds between their acknowledgement and the next ones.
    pub seconds: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { of: None, octets: 1, seconds: 1.0 }
    }
}

/// A part of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Everything up to the content.
    Head,
    /// The content of a response with the image.
    Image,
}

/// An image that does not arrive whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Interruption {
    /// Octets of the content that are sent and acknowledged before.
    pub after: u64,
    /// What happens then; `null` is that the response goes on.
    pub by: Option<Break>,
    /// How many responses are interrupted; `null` is all of them.
    pub times: Option<u32>,
}

impl Default for Interruption {
    fn default() -> Self {
        Self { after: 1000, by: None, times: None }
    }
}

/// How a response ends early (RFC 9112 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Break {
    /// Nothing more is sent, and the connection stays open.
    Stall,
    /// The connection is closed.
    Close,
    /// The connection is reset.
    Reset,
}

impl Break {
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Stall => "nothing more is sent",
            Self::Close => "the connection is closed",
            Self::Reset => "the connection is reset",
        }
    }
}

/// What is done about a request for a range of the image (RFC 9110 §14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ranges {
    /// The whole image is sent, as RFC 9110 §14.2 allows.
    Ignored,
    /// 206 with the range. Answers with the image have `Accept-Ranges` and a strong `ETag`, and If-Match and If-Range
    /// are evaluated (RFC 9110 §13.2.2).
    Served,
    /// The same without `ETag`, but with `Last-Modified`, and If-Unmodified-Since is evaluated.
    ServedByDate,
    /// 416 (RFC 9110 §15.5.17).
    Refused,
    /// 206 with a Content-Range that tells one octet more than the image has.
    OtherLength,
    /// 412: the image has changed meanwhile (RFC 9110 §15.5.13).
    Changed,
}

impl Pace {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if self.octets == 0 {
            return Err(SettingsError::new(
                "network.http.pace.octets",
                "0 octets at once never end; expected 1 or more",
            ));
        }
        delay::check("network.http.pace.seconds", self.seconds)
    }
}
