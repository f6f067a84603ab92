//! DNS server (RFC 1034, RFC 1035, RFC 3596) over UDP and TCP: its settings.

mod answer;
mod message;
mod server;
mod session;

pub(crate) use message::{check_name, written_out};
pub(crate) use server::{Question, SERVER_PORT, Server};
pub(crate) use session::Session;

use crate::{SettingsError, address, delay};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The `dns:` block: our server, which knows one name. Clients find it where `dhcp4.dns`, `dhcp6.dns` or `ra.rdnss` name
/// one of its addresses: `192.0.2.1`, `2001:db8::1`, `fe80::1` and, behind the routers, `2001:db8:1::1`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "DnsSettings")]
pub struct Settings {
    /// Whether it answers at all. Without it, its port is silent.
    pub enabled: bool,
    /// Addresses of ours at which it does not answer although it is enabled: UDP is lost, TCP refused.
    pub dead: Vec<IpAddr>,
    /// Whether it answers over TCP too (RFC 7766); if not, it refuses connections.
    pub tcp: bool,
    /// The name that it knows; for any other the answer is NXDOMAIN.
    pub name: String,
    /// IPv4 addresses of the name.
    pub a: Vec<Ipv4Addr>,
    /// IPv6 addresses of the name.
    pub aaaa: Vec<Ipv6Addr>,
    /// Names that the name leads to: each is the canonical name of the one before, and the last one has the addresses.
    pub cname: Vec<String>,
    /// What an answer with canonical names has.
    pub chain: Chain,
    /// The response code for the name.
    pub rcode: Rcode,
    /// TC: the answer over UDP is cut off, and empty; over TCP it is whole.
    pub truncated: bool,
    /// Guest seconds between a query and its answer, 0 to 86400.
    pub delay_seconds: f64,
    /// What does not match the query.
    pub mismatch: Option<Mismatch>,
    /// How names are written behind the question (RFC 1035 §4.1.4).
    pub names: Names,
    /// Records before the addresses that a client does not know, or has not asked for.
    pub extra: Vec<Extra>,
    /// Whether a question for one kind of address is answered with the other.
    pub crossed: bool,
    /// Time to live of the records, seconds.
    pub ttl_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            dead: Vec::new(),
            tcp: true,
            name: "boot.example.com".into(),
            a: vec![address::SERVER4],
            aaaa: vec![address::SERVER6],
            cname: Vec::new(),
            chain: Chain::Whole,
            rcode: Rcode::NoError,
            truncated: false,
            delay_seconds: 0.0,
            mismatch: None,
            names: Names::Compressed,
            extra: Vec::new(),
            crossed: false,
            ttl_seconds: 3600,
        }
    }
}

/// What an answer with canonical names has (RFC 1034 §3.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Chain {
    /// Every canonical name and the addresses, as from a recursive server.
    Whole,
    /// The first canonical name only: the client has to ask for that one.
    OneName,
    /// The addresses before the canonical names.
    AddressesFirst,
}

/// Response codes (RFC 1035 §4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Rcode {
    NoError,
    FormErr,
    ServFail,
    NxDomain,
    NotImp,
    Refused,
}

/// What does not match the query (RFC 5452 §9.1); each makes the answer one that is to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mismatch {
    /// The id.
    Id,
    /// The port that it comes from.
    SourcePort,
    /// The port that it goes to.
    DestinationPort,
    /// The question.
    Question,
    /// The QR bit: it looks like a query.
    Query,
}

/// How names are written (RFC 1035 §4.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Names {
    /// As pointers to where they stand already.
    Compressed,
    /// In full.
    WrittenOut,
}

/// Records that do not answer the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "DnsExtra")]
pub enum Extra {
    /// RRSIG (RFC 4034 §3).
    Rrsig,
    /// HTTPS (RFC 9460).
    Https,
    /// TXT (RFC 1035 §3.3.14).
    Txt,
    /// Type 65280, of the range for private use (RFC 6895 §3.1).
    Private,
}

/// What fits UDP without EDNS (RFC 1035 §2.3.4).
const LIMIT: usize = 512;

impl Settings {
    /// Whether the server answers at one of its addresses.
    pub(crate) fn answers_at(&self, address: IpAddr) -> bool {
        self.enabled && !self.dead.contains(&address)
    }

    /// Checks what the types cannot.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let wrong =
            |path: &str, problem: String| Err(SettingsError::new(format!("network.dns.{path}"), problem));
        if let Err(problem) = check_name(&self.name) {
            return wrong("name", problem);
        }
        let ours = |ip: &IpAddr| match ip {
            IpAddr::V4(ip) => *ip == address::SERVER4,
            IpAddr::V6(ip) => address::SERVER_ADDRESSES6.contains(ip),
        };
        if let Some(at) = self.dead.iter().position(|address| !ours(address)) {
            let problem = format!("{} is no address of our server", self.dead[at]);
            return wrong(&format!("dead[{at}]"), problem);
        }
        for (at, name) in self.cname.iter().enumerate() {
            if let Err(problem) = check_name(name) {
                return wrong(&format!("cname[{at}]"), problem);
            }
            if name.eq_ignore_ascii_case(&self.name) || self.cname[..at].contains(name) {
                return wrong(&format!("cname[{at}]"), format!("{name} leads back to itself"));
            }
        }
        if self.cname.is_empty() && self.chain != Chain::Whole {
            return wrong("chain", "there are no canonical names; set cname too".into());
        }
        if self.truncated && self.rcode != Rcode::NoError {
            return wrong("truncated", "an answer with an error has nothing to cut off".into());
        }
        let longest = answer::longest(self);
        if longest > LIMIT {
            let path = if self.cname.is_empty() { "aaaa" } else { "cname" };
            return wrong(
                path,
                format!("an answer of {longest} bytes; UDP takes at most {LIMIT} (RFC 1035 §2.3.4)"),
            );
        }
        delay::check("network.dns.delay_seconds", self.delay_seconds)
    }
}
