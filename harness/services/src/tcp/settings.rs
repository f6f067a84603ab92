//! The `tcp:` block: how the TCP of our HTTP and TLS servers behaves where a scenario wants it otherwise.

use crate::{SettingsError, delay};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Smallest and largest segment: what is left of IPv4's smallest MTU (RFC 791 §3.2), and of Ethernet's.
const SEGMENT: std::ops::RangeInclusive<u16> = 28..=1460;
/// Largest receive window without scaling (RFC 9293 §3.1).
const WINDOW: std::ops::RangeInclusive<u32> = 1..=65_535;
/// Smallest MTU of IPv4 (RFC 791 §3.2) and of IPv6 (RFC 8200 §5), and the guest's own.
const SMALLEST_MTU4: u16 = 68;
const SMALLEST_MTU6: u16 = 1280;
const LARGEST_MTU: u16 = 1500;

/// The `tcp:` block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "TcpSettings")]
pub struct Settings {
    /// Most bytes of data in a segment, offered as MSS and kept (RFC 9293 §3.7.1), 28 to 1460; what fits the Ethernet frame if
    /// absent.
    pub max_segment: Option<u16>,
    /// Bytes that the guest may send ahead, 1 to 65535: its window.
    pub window_bytes: Option<u32>,
    /// Guest seconds from a connection's beginning in which what the guest sends is acknowledged and not read, so that a
    /// small window shuts (RFC 9293 §3.8.6.1). 0 to 86400.
    pub read_after_seconds: f64,
    /// The connection is reset once the guest has acknowledged so many bytes.
    pub reset_after_bytes: Option<u64>,
    /// Largest IP packet that the path to the servers takes: 68 to 1500 bytes, and 1280 or more over IPv6 (RFC 8200 §5). A router says so
    /// of the guest's larger ones (RFC 1191 §4, RFC 4443 §3.2), or splits those that may be split (RFC 791 §3.2); our side knows
    /// the path, and offers the MSS of its own link all the same.
    pub path_mtu: Option<u16>,
    /// No connection is made: a router says so of every SYN to a served port (RFC 792, RFC 4443 §3.1).
    pub unreachable: Option<Unreachable>,
}

/// What a router says that is not to be reached: the code of its Destination Unreachable message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unreachable {
    /// The network; over IPv6, there is no route to it.
    Net,
    /// The host; over IPv6, its address.
    Host,
    /// The port.
    Port,
    /// Anything beyond it: a filter is in the way.
    Prohibited,
}

impl Unreachable {
    /// The code over IPv4 (RFC 792, RFC 1812 §5.2.7.1) and over IPv6 (RFC 4443 §3.1).
    pub(super) const fn codes(self) -> (u8, u8) {
        match self {
            Self::Net => (0, 0),
            Self::Host => (1, 3),
            Self::Port => (3, 4),
            Self::Prohibited => (13, 1),
        }
    }
}

impl Settings {
    pub(crate) fn check(&self, is_ipv6: bool) -> Result<(), SettingsError> {
        let smallest = if is_ipv6 { SMALLEST_MTU6 } else { SMALLEST_MTU4 };
        if let Some(mtu) = self.path_mtu.filter(|mtu| !(smallest..=LARGEST_MTU).contains(mtu)) {
            let problem = format!("{mtu} is not between {smallest} and {LARGEST_MTU} bytes");
            return Err(SettingsError::new("network.tcp.path_mtu", problem));
        }
        if let Some(segment) = self.max_segment.filter(|segment| !SEGMENT.contains(segment)) {
            let problem = format!("{segment} is not between {} and {} bytes", SEGMENT.start(), SEGMENT.end());
            return Err(SettingsError::new("network.tcp.max_segment", problem));
        }
        if let Some(window) = self.window_bytes.filter(|window| !WINDOW.contains(window)) {
            let problem = format!("{window} is not between {} and {} bytes", WINDOW.start(), WINDOW.end());
            return Err(SettingsError::new("network.tcp.window_bytes", problem));
        }
        delay::check("network.tcp.read_after_seconds", self.read_after_seconds)
    }
}
