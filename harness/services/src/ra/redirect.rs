//! What routers do with packets for others: they forward them or not, and redirect hosts (RFC 4861 §8.2).

use crate::frame6::{self, Host, Packet, UNROUTED};
use crate::{SettingsError, address};
use record::Event;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// ICMPv6 type of RFC 4861 §4.5.
const REDIRECT: u8 = 137;
/// Options of RFC 4861 §4.6.
const TARGET_LINK_ADDRESS: u8 = 2;
const REDIRECTED_HEADER: u8 = 4;
/// So much of the packet that is redirected is sent back; the message is to fit 1280 bytes (RFC 4861 §4.5).
const QUOTED: usize = 512;
/// Where a host is sent that is not to arrive.
const NOWHERE: Host =
    Host { mac: address::NEIGHBOR_MAC, address: Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xdead) };

/// A redirect, sent once, when the first packet arrives that our router is to forward. It forwards that packet too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// Where the host is to send its packets instead.
    pub to: Hop,
    /// What makes it one that hosts have to drop (RFC 4861 §8.1).
    #[serde(default)]
    pub malformed: Option<Fault>,
    /// Whether our router goes on forwarding for the host, as routers do.
    #[serde(default = "yes")]
    pub forwards_after: bool,
}

fn yes() -> bool {
    true
}

/// Another first hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Hop {
    /// The first of `ra.more_routers`.
    Router,
    /// The destination itself, which is on the link after all.
    Destination,
    /// fe80::dead, where nobody is.
    Nowhere,
}

/// What is wrong with a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The hop limit is 64: a router may have passed it on.
    HopLimit,
    /// It comes from the router's global address.
    GlobalSource,
    /// It comes from another router than the one that the host uses for the destination.
    NotFirstHop,
    /// The target is neither a link-local address nor the destination.
    GlobalTarget,
    /// The code is 1.
    Code,
    /// The checksum is wrong.
    Checksum,
    /// The last option has the length 0.
    ZeroLengthOption,
    /// The last option runs past the end.
    OverlongOption,
}

impl Fault {
    fn words(self) -> &'static str {
        match self {
            Self::HopLimit => "the hop limit is 64, not 255",
            Self::GlobalSource => "the source is not a link-local address",
            Self::NotFirstHop => "the source is not the router that the packet went to",
            Self::GlobalTarget => "the target is neither a link-local address nor the destination",
            Self::Code => "the code is 1, not 0",
            Self::Checksum => "the checksum is wrong",
            Self::ZeroLengthOption => "an option has the length 0",
            Self::OverlongOption => "an option runs past the end",
        }
    }
}

impl Redirect {
    /// Checks what the types cannot; `routers` are those besides ours.
    pub(super) fn check(&self, routers: usize) -> Result<(), SettingsError> {
        let wrong = |path: &str, problem: &str| {
            Err(SettingsError::new(format!("network.ra.redirect.{path}"), problem))
        };
        if self.to == Hop::Router && routers == 0 {
            return wrong("to", "there is no other router; set ra.more_routers too");
        }
        if self.malformed == Some(Fault::GlobalTarget) && self.to == Hop::Destination {
            return wrong("malformed", "the destination is a valid target; use another `to`");
        }
        Ok(())
    }

    /// The redirect for `packet`, which came in `frame` to our router.
    pub(super) fn answer(&self, packet: &Packet<'_>, frame: &[u8]) -> (Vec<u8>, Event) {
        let is = |fault| self.malformed == Some(fault);
        let router = Host::server(address::ROUTER6);
        let from = match self.malformed {
            Some(Fault::GlobalSource) => Host { address: address::SERVER6, ..router },
            Some(Fault::NotFirstHop) => Host::station(2),
            _ => router,
        };
        let (mac, target) = match self.to {
            Hop::Router => (Host::station(1).mac, Host::station(1).address),
            Hop::Destination => (Host::neighbor(packet.to).mac, packet.to),
            Hop::Nowhere => (NOWHERE.mac, NOWHERE.address),
        };
        // The same host part, but with the prefix of the link.
        let global = |target: Ipv6Addr| {
            Ipv6Addr::from_bits(address::PREFIX6.to_bits() | target.to_bits() & u128::from(u64::MAX))
        };
        let target = if is(Fault::GlobalTarget) { global(target) } else { target };
        let mut body = [&[0; 4], target.octets().as_slice(), &packet.to.octets()].concat();
        body.extend([TARGET_LINK_ADDRESS, 1]);
        body.extend(mac);
        let ip = frame.get(14..).unwrap_or_default();
        let quoted = &ip[..ip.len().min(QUOTED) / 8 * 8];
        body.extend([
            REDIRECTED_HEADER,
            u8::try_from(1 + quoted.len() / 8).unwrap_or(u8::MAX),
            0,
            0,
            0,
            0,
            0,
            0,
        ]);
        body.extend(quoted);
        match self.malformed {
            Some(Fault::ZeroLengthOption) => body.extend([REDIRECTED_HEADER, 0, 0, 0, 0, 0, 0, 0]),
            Some(Fault::OverlongOption) => body.extend([REDIRECTED_HEADER, 200, 0, 0, 0, 0, 0, 0]),
            _ => {}
        }
        let hops = if is(Fault::HopLimit) { 64 } else { UNROUTED };
        let to = Host { mac: packet.mac, address: packet.from };
        let code = u8::from(is(Fault::Code));
        let mut answer = frame6::icmp_with_code(from, to, hops, (REDIRECT, code), &body);
        if is(Fault::Checksum) {
            answer[super::router::CHECKSUM] ^= 0xff;
        }
        let malformed = self.malformed.map(|fault| fault.words().to_owned());
        (answer, Event::Redirected { destination: packet.to, target, malformed })
    }
}
