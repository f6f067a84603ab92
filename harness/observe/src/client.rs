//! Which of the machines in a capture is the one that boots.

use crate::capture::Frame;
use crate::packet::{Content, parse};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A link-layer address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether a frame to it is for many.
    pub(crate) fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Option<Vec<u8>> =
            text.split([':', '-']).map(|part| u8::from_str_radix(part, 16).ok()).collect();
        let bytes = parts.and_then(|parts| <[u8; 6]>::try_from(parts).ok());
        bytes
            .map(Self)
            .ok_or_else(|| format!("{text:?} is no link-layer address; write for example 52:54:00:12:34:56"))
    }
}

/// How much a machine looks like one that boots from the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Signs {
    /// It says so: HTTPClient or PXEClient.
    boots: usize,
    /// It asks for an address.
    asks: usize,
}

/// The machines that ask for an address, those that say that they boot from the network first. Without any, the machines
/// that send anything at all.
pub fn clients(frames: &[Frame]) -> Vec<Mac> {
    let mut found: BTreeMap<Mac, Signs> = BTreeMap::new();
    for frame in frames {
        let Some(packet) = parse(&frame.bytes) else { continue };
        let signs = found.entry(packet.source).or_default();
        if let Content::Udp { to, payload, .. } = packet.content
            && (to.port() == 67 || to.port() == 547 || to.port() == 4011)
        {
            signs.asks += 1;
            let says = |word: &[u8]| payload.windows(word.len()).any(|bytes| bytes == word);
            signs.boots += usize::from(says(b"HTTPClient") || says(b"PXEClient"));
        } else if let Content::Icmp6 { message: [133, ..], .. } = packet.content {
            signs.asks += 1;
        }
    }
    let mut all: Vec<(Signs, Mac)> = found.into_iter().map(|(mac, signs)| (signs, mac)).collect();
    let asking = all.iter().any(|(signs, _)| signs.asks > 0);
    all.retain(|(signs, _)| !asking || signs.asks > 0);
    all.sort_by_key(|(signs, _)| std::cmp::Reverse(*signs));
    all.into_iter().map(|(_, mac)| mac).collect()
}
