//! DHCPv4 server (RFC 2131, RFC 2132, RFC 6842; HTTP boot per UEFI 2.11 §24.7): its settings.

mod layout;
mod message;
pub mod pxe;
mod server;

pub use layout::{Delivery, End, ExtraOption, Layout, Order, Overload};

pub(crate) use server::{PXE_PORT, SERVER_PORT, Server, Unicast};

use crate::{SettingsError, address, delay};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{iter, net::Ipv4Addr};

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
    /// How PXE boot servers are discovered (option 43).
    pub discovery: pxe::Discovery,
    /// Our server's PXE service on port 4011; `null` leaves the port closed.
    pub port_4011: Option<pxe::Service>,
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
    /// How PXE boot servers are discovered (option 43).
    pub discovery: pxe::Discovery,
    /// Their PXE service on port 4011. With it they are hosts on the link, and say in `siaddr` who they are; seven at most.
    pub port_4011: Option<pxe::Service>,
}

impl MoreServers {
    /// Option 54 of each.
    fn servers(&self) -> impl Iterator<Item = Ipv4Addr> {
        let first = self.server.to_bits();
        (0..u32::from(self.count)).map(move |at| Ipv4Addr::from_bits(first.wrapping_add(at)))
    }
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
            discovery: pxe::Discovery::default(),
            port_4011: None,
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
            address: Some(address::GUEST4),
            address_in_use: false,
            netmask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            router: Some(address::SERVER4),
            dns: Vec::new(),
            lease_seconds: 3600,
            offer_delay_seconds: 0.0,
            request: RequestAnswer::Ack,
            user_classes: Vec::new(),
            layout: Layout::default(),
            ack: Ack::default(),
            discovery: pxe::Discovery::default(),
            port_4011: None,
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
/// Hosts that a link has room for beside our server.
const HOSTS: usize = 7;
/// Bytes that fit the `file` field with its terminating NUL (RFC 2131 §2).
const FILE_LIMIT: usize = 127;

impl Settings {
    /// Every text that may have placeholders, with its path.
    pub(crate) fn texts(&mut self) -> Vec<(&mut Option<String>, String)> {
        fn of<'a>(
            service: &'a mut Option<pxe::Service>,
            path: &str,
        ) -> Vec<(&'a mut Option<String>, String)> {
            let Some(service) = service else { return Vec::new() };
            vec![
                (&mut service.bootfile, format!("{path}.port_4011.bootfile")),
                (&mut service.server_name, format!("{path}.port_4011.server_name")),
            ]
        }
        let more = self.more_servers.iter_mut().enumerate().flat_map(|(at, more)| {
            let path = format!("network.dhcp4.more_servers[{at}]");
            let service = of(&mut more.port_4011, &path);
            iter::once((&mut more.bootfile, format!("{path}.bootfile"))).chain(service)
        });
        [
            (&mut self.bootfile, "network.dhcp4.bootfile".to_owned()),
            (&mut self.layout.file, "network.dhcp4.layout.file".to_owned()),
            (&mut self.ack.bootfile, "network.dhcp4.ack.bootfile".to_owned()),
        ]
        .into_iter()
        .chain(of(&mut self.port_4011, "network.dhcp4"))
        .chain(more)
        .collect()
    }

    /// Every server with a service on port 4011, ours first.
    fn services(&self) -> impl Iterator<Item = (Ipv4Addr, &pxe::Service, &pxe::Discovery)> {
        let ours = self.port_4011.iter().map(|service| (address::SERVER4, service, &self.discovery));
        let others = self.more_servers.iter().flat_map(|more| {
            let service = more.port_4011.as_ref();
            let each = move |service| more.servers().map(move |server| (server, service, &more.discovery));
            service.into_iter().flat_map(each)
        });
        ours.chain(others)
    }

    /// Addresses of hosts on the link beside our server's: they have a service of their own.
    pub(crate) fn hosts(&self) -> Vec<Ipv4Addr> {
        let mut hosts: Vec<Ipv4Addr> = self.services().map(|(server, ..)| server).collect();
        hosts.retain(|host| *host != address::SERVER4);
        hosts
    }

    /// The boot file that a client can learn of first: what port 4011 says, which is asked for it, else ours, else the one that stands
    /// elsewhere.
    pub(crate) fn offered(&self) -> Option<String> {
        if let Some(file) = self.services().find_map(|(_, service, _)| service.bootfile.clone()) {
            return Some(file);
        }
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
        self.discovery.check("network.dhcp4.discovery")?;
        if let Some(service) = &self.port_4011 {
            service.check("network.dhcp4.port_4011")?;
        }
        for (at, more) in self.more_servers.iter().enumerate() {
            let path = format!("network.dhcp4.more_servers[{at}]");
            if !(1..=32).contains(&more.count) {
                return Err(SettingsError::new(
                    format!("{path}.count"),
                    format!("{}; expected 1 to 32", more.count),
                ));
            }
            more.discovery.check(&format!("{path}.discovery"))?;
            if let Some(service) = &more.port_4011 {
                service.check(&format!("{path}.port_4011"))?;
            }
        }
        self.check_hosts()?;
        delay::check("network.dhcp4.ack.delay_seconds", self.ack.delay_seconds)?;
        delay::check("network.dhcp4.offer_delay_seconds", self.offer_delay_seconds)
    }

    /// Hosts with a service of their own are few, and each has an address that nobody else has.
    fn check_hosts(&self) -> Result<(), SettingsError> {
        let mut hosts = self.hosts();
        let wrong = |problem| Err(SettingsError::new("network.dhcp4.more_servers", problem));
        if hosts.len() > HOSTS {
            return wrong(format!("{} servers with port_4011; expected at most {HOSTS}", hosts.len()));
        }
        let guests = [Some(address::GUEST4), self.address].into_iter().flatten();
        let leased = guests.chain(self.more_servers.iter().filter_map(|more| more.address));
        let no_host = [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, address::BROADCAST4];
        let taken: Vec<Ipv4Addr> = leased.chain(no_host).collect();
        if let Some(host) = hosts.iter().find(|host| taken.contains(host) || host.is_multicast()) {
            return wrong(format!("{host} has port_4011, and is no address of a host of its own"));
        }
        hosts.sort_unstable();
        match hosts.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => wrong(format!("two servers at {} have port_4011", pair[0])),
            None => Ok(()),
        }
    }
}
