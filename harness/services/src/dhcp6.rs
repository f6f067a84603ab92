//! DHCPv6 servers (RFC 8415, RFC 3646, RFC 5970; HTTP boot per UEFI 2.11 §24.7): their settings.

mod answer;
mod message;
mod relay;
mod server;

pub(crate) use server::{SERVER_PORT, SERVERS, Servers};

use crate::{SettingsError, address, delay, dns};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// The `dhcp6:` block: our server, and others beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Dhcp6Settings")]
pub struct Settings {
    /// What the server does at all.
    pub mode: Mode,
    /// Option 59 (boot file URL); `null` sends none. `{server6}`, `{offlink6}`, `{guest6}` and `{port}` are replaced.
    pub bootfile: Option<String>,
    /// Whether the URL ends with a NUL, which RFC 5970 §3.1 forbids.
    pub bootfile_terminated: bool,
    /// Option 60 (boot file parameters); an empty list sends none.
    pub bootfile_parameters: Vec<String>,
    /// The vendor class in our answers; `null` sends none.
    pub vendor_class: Option<String>,
    /// Enterprise number of the vendor class; UEFI's is Intel's, 343.
    pub enterprise: u32,
    /// Which option the vendor class is in.
    pub vendor_class_in: VendorClassIn,
    /// The addresses of an IA_NA; an empty list assigns none. A client's second IA_NA gets the next ones.
    pub addresses: Vec<Ipv6Addr>,
    /// Where it is said that there is no address.
    pub no_address_in: StatusIn,
    /// Preferred lifetime of an address, seconds.
    pub preferred_seconds: u32,
    /// Valid lifetime of an address, seconds.
    pub valid_seconds: u32,
    /// T1, seconds, when the client is to renew; 0 leaves it to the client.
    pub t1_seconds: u32,
    /// T2, seconds, when the client is to rebind; 0 leaves it to the client.
    pub t2_seconds: u32,
    /// Option 23 (DNS servers); an empty list sends none.
    pub dns: Vec<Ipv6Addr>,
    /// Option 24 (search domains); an empty list sends none.
    pub search: Vec<String>,
    /// Option 7 (preference); `null` sends none, which is 0.
    pub preference: Option<u8>,
    /// Option 12: the client may send to this address; `null` sends none.
    pub unicast: Option<Ipv6Addr>,
    /// Whether a SOLICIT is answered with REPLY.
    pub rapid_commit: RapidCommit,
    /// What a REQUEST is answered with.
    pub request: RequestAnswer,
    /// Whether our answers have the client's identifier (option 1).
    pub client_id: bool,
    /// Whether our answers have the server's identifier (option 2).
    pub server_id: bool,
    /// Whether options are sent that the client did not ask for.
    pub unasked: bool,
    /// The order of options.
    pub order: Order,
    /// Guest seconds between a SOLICIT or INFORMATION-REQUEST and its answer, 0 to 86400.
    pub delay_seconds: f64,
    /// Whether a relay agent stands on the link instead of the servers, and passes messages on (RFC 8415 §19).
    pub relay: bool,
    /// Other servers on the link; at most 3.
    pub more_servers: Vec<OtherServer>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Stateful,
            bootfile: Some("http://[{server6}]/boot.efi".into()),
            bootfile_terminated: false,
            bootfile_parameters: Vec::new(),
            vendor_class: Some("HTTPClient".into()),
            enterprise: 343,
            vendor_class_in: VendorClassIn::VendorClass,
            addresses: vec![address::GUEST6],
            no_address_in: StatusIn::Ia,
            preferred_seconds: 3600,
            valid_seconds: 7200,
            t1_seconds: 1800,
            t2_seconds: 2880,
            dns: Vec::new(),
            search: Vec::new(),
            preference: None,
            unicast: None,
            rapid_commit: RapidCommit::Never,
            request: RequestAnswer::Reply,
            client_id: true,
            server_id: true,
            unasked: false,
            order: Order::Usual,
            delay_seconds: 0.0,
            relay: false,
            more_servers: Vec::new(),
        }
    }
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It assigns addresses, and answers whoever asks for configuration only.
    Stateful,
    /// It answers INFORMATION-REQUEST only (RFC 8415 §6.1).
    Stateless,
    /// There is no server.
    None,
}

/// Where a vendor class is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VendorClassIn {
    /// Option 16 (RFC 8415 §21.16).
    VendorClass,
    /// Option 17, as its vendor option 1 (RFC 8415 §21.17): not where UEFI looks.
    VendorOptions,
}

/// Where a status code is sent (RFC 8415 §21.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StatusIn {
    /// In the IA_NA.
    Ia,
    /// In the message, as in RFC 3315.
    Message,
}

/// What is done about rapid commit (RFC 8415 §21.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RapidCommit {
    /// SOLICIT gets ADVERTISE.
    Never,
    /// SOLICIT gets REPLY if the client asks for it.
    Asked,
    /// SOLICIT gets REPLY in any case.
    Always,
    /// SOLICIT gets ADVERTISE, and the REPLY to a REQUEST has the option, where it has no meaning.
    InReply,
}

/// What a REQUEST is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestAnswer {
    /// REPLY with the lease.
    Reply,
    /// Nothing.
    Silence,
    /// REPLY with the status UnspecFail.
    UnspecFail,
    /// REPLY with the status NoAddrsAvail in the IA_NA.
    NoAddrsAvail,
    /// REPLY with the status NoBinding in the IA_NA.
    NoBinding,
    /// REPLY with the status NotOnLink in the IA_NA.
    NotOnLink,
    /// REPLY with the status UseMulticast.
    UseMulticast,
}

/// The order of options, which has no meaning (RFC 8415 §21).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Dhcp6Order")]
pub enum Order {
    /// Identifiers, addresses, then the others by their codes.
    Usual,
    /// The other way round.
    Reversed,
    /// Usual, but the boot file at the end.
    BootfileLast,
    /// Usual, but the boot file at the start.
    BootfileFirst,
}

/// Another server: what it does not state is as with ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OtherServer {
    /// Boot file URL, with placeholders as in ours.
    pub bootfile: Option<String>,
    /// Vendor class.
    pub vendor_class: Option<String>,
    /// Addresses.
    pub addresses: Vec<Ipv6Addr>,
    /// Preference.
    pub preference: Option<u8>,
    /// Guest seconds before it answers, 0 to 86400.
    pub delay_seconds: f64,
}

impl Default for OtherServer {
    fn default() -> Self {
        Self {
            bootfile: None,
            vendor_class: None,
            addresses: vec![Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x200)],
            preference: None,
            delay_seconds: 0.0,
        }
    }
}

/// So much of a message fits a frame without fragments, whatever the client's identifiers are.
const LIMIT: usize = 1000;

impl Settings {
    /// Checks what the types cannot; the boot files, ours and those of the other servers, have their placeholders replaced.
    pub(crate) fn check(&self, bootfiles: &[Option<String>]) -> Result<(), SettingsError> {
        let wrong =
            |path: &str, problem: String| Err(SettingsError::new(format!("network.dhcp6.{path}"), problem));
        if self.more_servers.len() + 1 > SERVERS {
            let problem = format!("{} servers; expected at most {}", self.more_servers.len(), SERVERS - 1);
            return wrong("more_servers", problem);
        }
        for (at, bootfile) in bootfiles.iter().enumerate() {
            let length = bootfile.as_ref().map_or(0, String::len);
            if length > LIMIT {
                let problem = format!("{length} bytes; a message without fragments takes at most {LIMIT}");
                return wrong(&at_server(at, "bootfile"), problem);
            }
        }
        let addresses = self.more_servers.iter().map(|server| &server.addresses);
        for (at, addresses) in std::iter::once(&self.addresses).chain(addresses).enumerate() {
            if addresses.len() > 8 {
                return wrong(
                    &at_server(at, "addresses"),
                    format!("{} addresses; expected at most 8", addresses.len()),
                );
            }
            if let Some(strange) = addresses.iter().find(|a| a.is_multicast() || a.is_unspecified()) {
                return wrong(&at_server(at, "addresses"), format!("{strange} is no address of one host"));
            }
        }
        for (at, domain) in self.search.iter().enumerate() {
            if let Err(problem) = dns::check_name(domain) {
                return wrong(&format!("search[{at}]"), problem);
            }
        }
        let parameters: usize = self.bootfile_parameters.iter().map(|parameter| parameter.len() + 2).sum();
        let search: usize = self.search.iter().map(|domain| dns::written_out(domain).len()).sum();
        let class = self.vendor_class.as_ref().map_or(0, String::len);
        let bootfile = bootfiles.first().and_then(Option::as_ref).map_or(0, String::len);
        let length = bootfile + parameters + search + class + self.dns.len() * 16;
        if length > LIMIT {
            let problem = format!(
                "{length} bytes together with the other options; a message without fragments takes at most {LIMIT}"
            );
            return wrong("bootfile", problem);
        }
        delay::check("network.dhcp6.delay_seconds", self.delay_seconds)?;
        for (at, server) in self.more_servers.iter().enumerate() {
            delay::check(&format!("network.dhcp6.more_servers[{at}].delay_seconds"), server.delay_seconds)?;
        }
        Ok(())
    }

    /// What another server says.
    fn of_server(&self, server: &OtherServer) -> Self {
        Self {
            bootfile: server.bootfile.clone(),
            vendor_class: server.vendor_class.clone(),
            addresses: server.addresses.clone(),
            preference: server.preference,
            delay_seconds: server.delay_seconds,
            more_servers: Vec::new(),
            ..self.clone()
        }
    }
}

/// The path of a setting of a server; 0 is ours.
pub(crate) fn at_server(at: usize, setting: &str) -> String {
    if at == 0 { setting.into() } else { format!("more_servers[{}].{setting}", at - 1) }
}
