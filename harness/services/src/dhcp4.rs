//! DHCPv4 server (RFC 2131, RFC 2132, RFC 6842; HTTP boot per UEFI 2.11 §24.7): its settings.

mod message;
mod server;

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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            bootfile: Some("http://{server4}/boot.efi".into()),
            bootfile_in: BootfileIn::Option,
            vendor_class: Some("HTTPClient".into()),
            address: Some(crate::address::GUEST4),
            netmask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            router: Some(crate::address::SERVER4),
            dns: Vec::new(),
            lease_seconds: 3600,
            offer_delay_seconds: 0.0,
            request: RequestAnswer::Ack,
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

/// Bytes that an option's value may have (RFC 2132 §2; long options of RFC 3396 are not sent).
const OPTION_LIMIT: usize = 255;
/// Bytes that fit the `file` field with its terminating NUL (RFC 2131 §2).
const FILE_LIMIT: usize = 127;

impl Settings {
    /// Checks what the types cannot; `bootfile` has its placeholders replaced.
    pub(crate) fn check(&self, bootfile: Option<&str>) -> Result<(), SettingsError> {
        let length = bootfile.map_or(0, str::len);
        let (limit, place) = match self.bootfile_in {
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
        delay::check("network.dhcp4.offer_delay_seconds", self.offer_delay_seconds)
    }
}
