//! TFTP server (RFC 1350) with options (RFC 2347, RFC 2348, RFC 2349, RFC 7440), for clients that boot by PXE: its settings.

mod message;
mod server;

pub use message::Packet;
pub(crate) use server::{Peer, Server};

use crate::{SettingsError, delay};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The port that requests go to (RFC 1350 §4); the rest of a transfer has another.
pub const SERVER_PORT: u16 = 69;
/// Bytes of a block without the option of RFC 2348.
pub const BLOCK: usize = 512;

/// The `tftp:` block. There is a server if the client boots by PXE.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether requests are answered at all.
    pub enabled: bool,
    /// Whether options are negotiated (RFC 2347); without, a request that has some is answered as if it had none.
    pub options: bool,
    /// Error code (RFC 1350 §5) that every request for a file is answered with.
    pub error: Option<u16>,
    /// Guest seconds between an acknowledgement and the next block, 0 to 86400.
    pub block_delay_seconds: f64,
    /// Data blocks after which nothing more is sent; `null` is never.
    pub stop_after: Option<u32>,
    /// Whether every data block is sent twice.
    pub duplicate: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            options: true,
            error: None,
            block_delay_seconds: 0.0,
            stop_after: None,
            duplicate: false,
        }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        delay::check("network.tftp.block_delay_seconds", self.block_delay_seconds)
    }
}
