//! DHCPv4 server (RFC 2131, RFC 2132, RFC 6842; HTTP boot per UEFI 2.11 §24.7): its settings.

mod layout;
mod message;
mod server;

pub use layout::{Delivery, End, ExtraOption, Layout, Order, Overload};

pub(crate) use server::{SERVER_PORT, Server};

use crate::{SettingsError, delay};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The `dhcp4:` block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether a DHCPv4 server is on the link at all.
    pub enabled: bool,
    /// Boot file URL; `null` sends none. `{server4}` and `{guest4}` are replaced by addresses, `{port}` by the HTTP
    /// server's port.
    pub bootfile: Option<String>,
    /// Where the boot file is sent.
    pub bootfile_in: BootfileIn,
    /// Option 60 (vendor class identifier) in our answers, whatever the client sent; `null` sends none.
    pub vendor_class: Option<String>,
    /// Address offered; `null` offers none (`yiaddr` 0.0.0.0 and no lease time, as a proxy does) and leaves every
    /// REQUEST unanswered.
    pub address: Option<Ipv4Addr>,
    /// Whether another host has that address already, and answers ARP requests for it (RFC 5227 §2.1.1).
    pub address_in_use: bool,
    /// Option 1 (subnet mask), contiguous or not; `null` sends none.
    pub netmask: Option<Ipv4Addr>,
    /// Option 3 (router); `null` sends none.
    pub router: Option<Ipv4Addr>,
    /// Option 6 (domain name servers); an empty list sends none.
    pub dns: Vec<Ipv4Addr>,
    /// Option 51 (lease time), seconds.
    pub lease_seconds: u32,
    /// Guest seconds between a DISCOVER and its OFFER, 0 to 86400.
    pub offer_delay_seconds: f64,
    /// What a REQUEST that chose our server, or none, is answered with.
    pub request: RequestAnswer,
    /// How messages are laid out.
    pub layout: Layout,
    /// What the ACK says otherwise than the OFFER did.
    pub ack: Ack,
    /// What clients get that say of themselves what they are (option 77, RFC 3004), instead of `bootfile`.
    pub user_classes: Vec<UserClass>,
    /// Servers beside ours on the same link, each with its own offer.
    pub more_servers: Vec<MoreServers>,
}

/// What an ACK says otherwise than the OFFER (RFC 2131 §4.3.1: it should not).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ack {
    /// `yiaddr`.
    pub address: Option<Ipv4Addr>,
    /// The boot file, in option 67.
    pub bootfile: Option<String>,
    /// Option 60.
    pub vendor_class: Option<String>,
    /// Codes of options that it is without.
    pub without: Vec<u8>,
    /// Option 54: another server than the one that offered.
    pub server: Option<Ipv4Addr>,
    /// Guest seconds between a REQUEST and its ACK, 0 to 86400.
    pub delay_seconds: f64,
}

/// The boot file of clients of a user class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserClass {
    /// What option 77 has, as one class or, as iPXE sends it, as it is.
    pub name: String,
    /// Boot file URL, with placeholders.
    pub bootfile: String,
}

/// Servers that offer the same. A client that chooses one of them gets its ACK.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MoreServers {
    /// How many, 1 to 32. Their identifiers count up from `server`.
    pub count: u8,
    /// Option 54 of the first.
    pub server: Ipv4Addr,
    /// Whether they answer before ours.
    pub first: bool,
    /// Address offered; `null` offers none, as a PXE or HTTP boot proxy does.
    pub address: Option<Ipv4Addr>,
    /// Boot file URL in option 67; `null` sends none.
    pub bootfile: Option<String>,
    /// Option 60; `null` sends none.
    pub vendor_class: Option<String>,
    /// Option 6; an empty list sends none.
    pub dns: Vec<Ipv4Addr>,
}

impl Default for MoreServers {
    fn default() -> Self {
        Self {
            count: 1,
            server: Ipv4Addr::new(192, 0, 2, 2),
            first: false,
            address: Some(Ipv4Addr::new(192, 0, 2, 150)),
            bootfile: Some("http://{server4}/boot.efi".into()),
            vendor_class: Some("HTTPClient".into()),
            dns: Vec::new(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            bootfile: Some("http://{server4}/boot.efi".into()),
            bootfile_in: BootfileIn::Option,
            vendor_class: Some("HTTPClient".into()),
            address: Some(crate::address::GUEST4),
            address_in_use: false,
            netmask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            router: Some(crate::address::SERVER4),
            dns: Vec::new(),
            lease_seconds: 3600,
            offer_delay_seconds: 0.0,
            request: RequestAnswer::Ack,
            user_classes: Vec::new(),
            layout: Layout::default(),
            ack: Ack::default(),
            more_servers: Vec::new(),
        }
    }
}

/// Where the boot file is sent (RFC 2132 §9.5, RFC 2131 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BootfileIn {
    /// Option 67.
    Option,
    /// The fixed `file` field of the BOOTP header, at most 127 bytes.
    File,
}

/// What a DHCPREQUEST is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RequestAnswer {
    /// DHCPACK, or DHCPNAK if the client asks for another address than the one offered (RFC 2131 §4.3.2).
    Ack,
    /// DHCPNAK.
    Nak,
    /// Nothing.
    Silence,
}

/// Bytes that an option's value may have (RFC 2132 §2).
const OPTION_LIMIT: usize = 255;
/// Bytes of a boot file that is sent in several instances, so that the message needs no fragments.
const SPLIT_LIMIT: usize = 1000;
/// Bytes that fit the `file` field with its terminating NUL (RFC 2131 §2).
const FILE_LIMIT: usize = 127;

impl Settings {
    /// Every text that may have placeholders, with its path.
    pub(crate) fn texts(&mut self) -> Vec<(&mut Option<String>, String)> {
        let more = self.more_servers.iter_mut().enumerate();
        let more =
            more.map(|(at, more)| (&mut more.bootfile, format!("network.dhcp4.more_servers[{at}].bootfile")));
        [
            (&mut self.bootfile, "network.dhcp4.bootfile".to_owned()),
            (&mut self.layout.file, "network.dhcp4.layout.file".to_owned()),
            (&mut self.ack.bootfile, "network.dhcp4.ack.bootfile".to_owned()),
        ]
        .into_iter()
        .chain(more)
        .collect()
    }

    /// The boot file that a client can learn of first: ours, else the one that stands elsewhere.
    pub(crate) fn offered(&self) -> Option<String> {
        let others = self.more_servers.iter().map(|more| &more.bootfile);
        let all = [&self.bootfile, &self.ack.bootfile, &self.layout.file].into_iter().chain(others);
        all.flatten().find(|text| text.contains("://")).or(self.bootfile.as_ref()).cloned()
    }

    /// Checks what the types cannot; texts have their placeholders replaced.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let length = self.bootfile.as_deref().map_or(0, str::len);
        let (limit, place) = match self.bootfile_in {
            BootfileIn::Option if self.layout.longest_instance < 255 => (SPLIT_LIMIT, "a split option 67"),
            BootfileIn::Option => (OPTION_LIMIT, "option 67"),
            BootfileIn::File => (FILE_LIMIT, "the file field"),
        };
        if length > limit {
            let problem = format!("{length} bytes; {place} takes at most {limit}");
            return Err(SettingsError::new("network.dhcp4.bootfile", problem));
        }
        if let Some(length) =
            self.vendor_class.as_deref().map(str::len).filter(|length| *length > OPTION_LIMIT)
        {
            let problem = format!("{length} bytes; option 60 takes at most {OPTION_LIMIT}");
            return Err(SettingsError::new("network.dhcp4.vendor_class", problem));
        }
        if self.dns.len() > OPTION_LIMIT / 4 {
            let problem = format!("{} servers; option 6 takes at most {}", self.dns.len(), OPTION_LIMIT / 4);
            return Err(SettingsError::new("network.dhcp4.dns", problem));
        }
        self.layout.check()?;
        for (at, more) in self.more_servers.iter().enumerate() {
            if !(1..=32).contains(&more.count) {
                let path = format!("network.dhcp4.more_servers[{at}].count");
                return Err(SettingsError::new(path, format!("{}; expected 1 to 32", more.count)));
            }
        }
        delay::check("network.dhcp4.ack.delay_seconds", self.ack.delay_seconds)?;
        delay::check("network.dhcp4.offer_delay_seconds", self.offer_delay_seconds)
    }
}
