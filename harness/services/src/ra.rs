//! Router advertisements (RFC 4861 §4.2, §6.2; RFC 4191, RFC 8106, RFC 8781, RFC 8910): their settings.

mod message;
mod redirect;
mod router;

pub use redirect::{Fault, Hop, Redirect};
pub(crate) use router::Routers;

use crate::{SettingsError, address, delay, frame6};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// The `ra:` block: what our server advertises as a router, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "RaSettings")]
pub struct Settings {
    /// Whether there is a router on the link at all.
    pub enabled: bool,
    /// M: addresses are to be had by DHCPv6.
    pub managed: bool,
    /// O: other configuration is to be had by DHCPv6.
    pub other: bool,
    /// Seconds for which it is a default router; 0 is not at all.
    pub lifetime_seconds: u16,
    /// How it compares with other default routers (RFC 4191 §2.1).
    pub preference: Preference,
    /// The hop limit that hosts are to use; 0 leaves it to them.
    pub hop_limit: u8,
    /// Reachable time, milliseconds; 0 leaves it to the hosts.
    pub reachable_ms: u32,
    /// Retransmission timer, milliseconds; 0 leaves it to the hosts.
    pub retransmit_ms: u32,
    /// Prefix information option; `null` sends none. Bits behind its length are sent too.
    pub prefix: Option<Ipv6Addr>,
    /// Length of the prefix, 0 to 128.
    pub prefix_length: u8,
    /// L: addresses with the prefix are on the link.
    pub on_link: bool,
    /// A: hosts may make addresses of the prefix (RFC 4862 §5.5.3).
    pub autonomous: bool,
    /// Valid lifetime of the prefix, seconds; 4294967295 is without end.
    pub valid_seconds: u32,
    /// Preferred lifetime of the prefix, seconds.
    pub preferred_seconds: u32,
    /// More prefix information options.
    pub more_prefixes: Vec<Prefix>,
    /// MTU option; `null` sends none.
    pub mtu: Option<u32>,
    /// Whether the router's link-layer address is sent.
    pub link_address: bool,
    /// DNS servers (RDNSS); an empty list sends none.
    pub rdnss: Vec<Ipv6Addr>,
    /// Search domains (DNSSL); an empty list sends none.
    pub dnssl: Vec<String>,
    /// Lifetime of RDNSS and DNSSL, seconds.
    pub dns_seconds: u32,
    /// Captive portal URI; `null` sends none.
    pub captive_portal: Option<String>,
    /// NAT64 prefix (PREF64); `null` sends none.
    pub pref64: Option<Pref64>,
    /// Options that no standard knows, at the end.
    pub unknown_options: Vec<UnknownOption>,
    /// Whether solicitations are answered.
    pub solicited: bool,
    /// Whether the answer goes to the asking host only, if it has an address.
    pub unicast: bool,
    /// Guest seconds between a solicitation and its answer, 0 to 86400.
    pub delay_seconds: f64,
    /// Guest seconds between unsolicited advertisements, from the guest's first IPv6 frame on, 0.1 to 86400; `null` sends
    /// none.
    pub interval_seconds: Option<f64>,
    /// So many advertisements are lost on their way before the first one arrives.
    pub lose: u32,
    /// How often each advertisement is sent at once, 1 to 100.
    pub copies: u8,
    /// What the router says later.
    pub then: Option<Change>,
    /// What makes its advertisements ones that hosts have to drop (RFC 4861 §6.1.2).
    pub malformed: Option<Malformed>,
    /// Whether it forwards packets to what is behind it. It may advertise itself all the same.
    pub forwards: bool,
    /// How it sends a host elsewhere that uses it (RFC 4861 §8.2).
    pub redirect: Option<Redirect>,
    /// Other routers on the link, which answer too and forward to the same servers; at most 4.
    pub more_routers: Vec<Router>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            managed: true,
            other: true,
            lifetime_seconds: 1800,
            preference: Preference::Medium,
            hop_limit: 64,
            reachable_ms: 0,
            retransmit_ms: 0,
            prefix: Some(address::PREFIX6),
            prefix_length: 64,
            on_link: true,
            autonomous: true,
            valid_seconds: VALID,
            preferred_seconds: PREFERRED,
            more_prefixes: Vec::new(),
            mtu: None,
            link_address: true,
            rdnss: Vec::new(),
            dnssl: Vec::new(),
            dns_seconds: 1800,
            captive_portal: None,
            pref64: None,
            unknown_options: Vec::new(),
            solicited: true,
            unicast: false,
            delay_seconds: 0.0,
            interval_seconds: None,
            lose: 0,
            copies: 1,
            then: None,
            malformed: None,
            forwards: true,
            redirect: None,
            more_routers: Vec::new(),
        }
    }
}

/// RFC 4861 §6.2.1: AdvValidLifetime and AdvPreferredLifetime.
const VALID: u32 = 2_592_000;
const PREFERRED: u32 = 604_800;

/// Preference among default routers (RFC 4191 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Preference {
    Low,
    Medium,
    High,
    /// The value that must not be sent, and is taken for medium.
    Reserved,
}

/// A prefix information option (RFC 4861 §4.6.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Prefix {
    /// The prefix.
    pub prefix: Ipv6Addr,
    /// Its length, 0 to 128.
    pub length: u8,
    /// L.
    pub on_link: bool,
    /// A.
    pub autonomous: bool,
    /// Valid lifetime, seconds.
    pub valid_seconds: u32,
    /// Preferred lifetime, seconds.
    pub preferred_seconds: u32,
}

impl Default for Prefix {
    fn default() -> Self {
        Self {
            prefix: address::PREFIX6,
            length: 64,
            on_link: true,
            autonomous: true,
            valid_seconds: VALID,
            preferred_seconds: PREFERRED,
        }
    }
}

/// A NAT64 prefix (RFC 8781 §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pref64 {
    /// The prefix.
    pub prefix: Ipv6Addr,
    /// Its length: 32, 40, 48, 56, 64 or 96.
    pub length: u8,
    /// Lifetime, a multiple of 8 up to 65528 seconds.
    pub lifetime_seconds: u16,
}

/// An option of an unknown type (RFC 4861 §4.6: hosts skip it).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UnknownOption {
    /// Type.
    pub kind: u8,
    /// Length in units of eight bytes, 1 to 255, of which the first two are type and length.
    pub units: u8,
}

/// What a router says from some time on; what is not stated stays as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Guest seconds after the router's first advertisement, 0 to 86400. It is sent then, unasked.
    pub after_seconds: f64,
    /// M.
    #[serde(default)]
    pub managed: Option<bool>,
    /// O.
    #[serde(default)]
    pub other: Option<bool>,
    /// Router lifetime.
    #[serde(default)]
    pub lifetime_seconds: Option<u16>,
    /// Valid lifetime of the first prefix.
    #[serde(default)]
    pub valid_seconds: Option<u32>,
    /// Preferred lifetime of the first prefix.
    #[serde(default)]
    pub preferred_seconds: Option<u32>,
}

/// What is wrong with an advertisement (RFC 4861 §6.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Malformed {
    /// The hop limit is 64: a router may have passed it on.
    HopLimit,
    /// It comes from the router's global address.
    GlobalSource,
    /// The code is 1.
    Code,
    /// The checksum is wrong.
    Checksum,
    /// The last option has the length 0.
    ZeroLengthOption,
    /// The last option runs past the end.
    OverlongOption,
    /// The message ends within its fixed part.
    Truncated,
}

/// Another router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "RaRouter")]
pub struct Router {
    /// M.
    pub managed: bool,
    /// O.
    pub other: bool,
    /// Seconds for which it is a default router.
    pub lifetime_seconds: u16,
    /// Preference.
    pub preference: Preference,
    /// Its prefixes.
    pub prefixes: Vec<Prefix>,
    /// Whether it forwards packets to what is behind it.
    pub forwards: bool,
    /// Guest seconds between a solicitation and its answer, 0 to 86400.
    pub delay_seconds: f64,
}

impl Default for Router {
    fn default() -> Self {
        Self {
            managed: true,
            other: true,
            lifetime_seconds: 1800,
            preference: Preference::Medium,
            prefixes: Vec::new(),
            forwards: true,
            delay_seconds: 0.0,
        }
    }
}

/// What fits a frame with the IPv6 header and without fragments (RFC 2464 §2).
const LIMIT: usize = 1500 - 40;
const ROUTERS: usize = 4;

impl Settings {
    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let wrong =
            |path: &str, problem: String| Err(SettingsError::new(format!("network.ra.{path}"), problem));
        let mut lengths = vec![("prefix_length".to_owned(), self.prefix_length)];
        lengths.extend(
            self.more_prefixes
                .iter()
                .enumerate()
                .map(|(at, p)| (format!("more_prefixes[{at}].length"), p.length)),
        );
        for (at, router) in self.more_routers.iter().enumerate() {
            let length =
                |(of, p): (usize, &Prefix)| (format!("more_routers[{at}].prefixes[{of}].length"), p.length);
            lengths.extend(router.prefixes.iter().enumerate().map(length));
            delay::check(&format!("network.ra.more_routers[{at}].delay_seconds"), router.delay_seconds)?;
        }
        if let Some((path, length)) = lengths.iter().find(|(_, length)| *length > 128) {
            return wrong(path, format!("{length} bits; an IPv6 prefix has 0 to 128"));
        }
        for (at, domain) in self.dnssl.iter().enumerate() {
            if let Err(problem) = crate::dns::check_name(domain) {
                return wrong(&format!("dnssl[{at}]"), problem);
            }
        }
        if let Some(Pref64 { length, lifetime_seconds, .. }) = &self.pref64 {
            if !message::PREF64_LENGTHS.contains(length) {
                let problem = format!("{length} is none of {:?} (RFC 8781 §4)", message::PREF64_LENGTHS);
                return wrong("pref64.length", problem);
            }
            if lifetime_seconds % 8 != 0 {
                let problem = format!("{lifetime_seconds} is not a multiple of 8 (RFC 8781 §4)");
                return wrong("pref64.lifetime_seconds", problem);
            }
        }
        for (at, UnknownOption { kind, units }) in self.unknown_options.iter().enumerate() {
            if *units == 0 {
                let problem = "0 ends the reading of options; use `malformed: zero-length-option` for that";
                return wrong(&format!("unknown_options[{at}].units"), problem.into());
            }
            if message::KNOWN.contains(kind) {
                let problem = format!("{kind} is the type of a standard option");
                return wrong(&format!("unknown_options[{at}].kind"), problem);
            }
        }
        delay::check("network.ra.delay_seconds", self.delay_seconds)?;
        if let Some(interval) = self.interval_seconds {
            if interval < 0.1 {
                return wrong("interval_seconds", format!("{interval} is below 0.1 seconds"));
            }
            delay::check("network.ra.interval_seconds", interval)?;
        }
        if let Some(change) = &self.then {
            delay::check("network.ra.then.after_seconds", change.after_seconds)?;
        }
        if !(1..=100).contains(&self.copies) {
            return wrong("copies", format!("{} is not 1 to 100", self.copies));
        }
        if self.more_routers.len() > ROUTERS {
            return wrong(
                "more_routers",
                format!("{} routers; expected at most {ROUTERS}", self.more_routers.len()),
            );
        }
        if let Some(redirect) = &self.redirect {
            redirect.check(self.more_routers.len())?;
        }
        let length = message::advertisement(self, frame6::Host::server(address::ROUTER6)).len() + 4;
        if length > LIMIT {
            return wrong("enabled", format!("{length} bytes; an advertisement takes at most {LIMIT}"));
        }
        for (at, router) in self.more_routers.iter().enumerate() {
            let length = message::advertisement(&self.of_router(router), frame6::Host::station(1)).len() + 4;
            if length > LIMIT {
                let problem = format!("{length} bytes; an advertisement takes at most {LIMIT}");
                return wrong(&format!("more_routers[{at}].prefixes"), problem);
            }
        }
        Ok(())
    }

    /// What another router advertises, in the same words.
    fn of_router(&self, router: &Router) -> Self {
        Self {
            managed: router.managed,
            other: router.other,
            lifetime_seconds: router.lifetime_seconds,
            preference: router.preference,
            prefix: None,
            more_prefixes: router.prefixes.clone(),
            forwards: router.forwards,
            delay_seconds: router.delay_seconds,
            solicited: self.solicited,
            unicast: self.unicast,
            interval_seconds: self.interval_seconds,
            ..Self::default()
        }
    }
}
