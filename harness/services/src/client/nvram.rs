//! What stands in the firmware's variables before it starts (UEFI 2.11 §3.1, §3.3).

use super::SettingsError;
use crate::{NetworkSettings, template, url::hex_bytes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The number of the first boot entry; the others follow it. Firmware gives its own options the lowest numbers.
pub const FIRST_ENTRY: u16 = 0x00f0;
/// Most entries.
const MOST: usize = 16;
/// Most bytes of optional data.
const MOST_OPTIONAL_DATA: usize = 1024;

/// The `client.nvram:` block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Nvram {
    /// Boot entries: the first one is `Boot00F0`, the second `Boot00F1`, and so on.
    pub entries: Vec<BootEntry>,
    /// Which of them are in `BootOrder`, by their place in `entries`, from 0; `null` is all of them as they come.
    pub order: Option<Vec<u8>>,
    /// Which of them is `BootNext`, in the same way.
    pub next: Option<u8>,
    /// Whether QEMU tells the firmware to boot from the network card before everything else (`bootindex`). EDK2 then
    /// rewrites BootOrder.
    pub boot_index: bool,
}

impl Default for Nvram {
    fn default() -> Self {
        Self { entries: Vec::new(), order: None, next: None, boot_index: true }
    }
}

/// A boot entry for the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BootEntry {
    /// What it is called.
    pub description: String,
    /// With which node its device path begins.
    pub from: From,
    /// The card that it names, as `52:54:00:12:34:56`; `null` is the one that is on the link.
    pub mac: Option<String>,
    /// The client's address, if it is static; `null` is DHCP.
    pub address: Option<StaticAddress>,
    /// URI nodes; an empty text leaves the URI to DHCP, and before a second one the first is a proxy. Placeholders are
    /// replaced.
    pub uris: Vec<String>,
    /// Optional data, which becomes the image's load options.
    pub options: Option<OptionalData>,
    /// Whether the boot manager tries it by itself.
    pub active: bool,
}

impl Default for BootEntry {
    fn default() -> Self {
        Self {
            description: "UEFI HTTP entry".into(),
            from: From::Root,
            mac: None,
            address: None,
            uris: vec!["http://{server4}/boot.efi".into()],
            options: None,
            active: true,
        }
    }
}

/// What an entry has behind its device path (UEFI 2.11 §3.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OptionalData {
    /// Text, one byte a character.
    Ascii(String),
    /// Text as firmware has it: two bytes a character, little-endian, and a NUL at the end.
    Ucs2(String),
    /// Anything, in hexadecimal.
    Hex(String),
}

impl OptionalData {
    /// `None` if it is not what it says.
    fn checked(&self) -> Option<Vec<u8>> {
        match self {
            Self::Ascii(text) => text.is_ascii().then(|| text.clone().into_bytes()),
            Self::Ucs2(text) => Some(text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()),
            Self::Hex(text) => hex_bytes(text),
        }
    }
}

impl BootEntry {
    /// The bytes of its optional data, which a checked entry has.
    pub fn optional_data(&self) -> Vec<u8> {
        self.options.as_ref().and_then(OptionalData::checked).unwrap_or_default()
    }
}

/// The first node of a device path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// The PCI root: a full path.
    Root,
    /// MAC, which is no short form that the specification knows.
    Mac,
    /// IPv4, which is none either.
    Ipv4,
    /// URI: the short form of UEFI 2.11 §3.1.2.
    Uri,
}

/// An address that is not from DHCP (UEFI 2.11 §10.3.4.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StaticAddress {
    /// The client's.
    pub address: Ipv4Addr,
    /// Subnet mask.
    pub netmask: Ipv4Addr,
    /// Gateway.
    pub gateway: Ipv4Addr,
}

impl Nvram {
    pub(super) fn check(&self, settings: &NetworkSettings) -> Result<(), SettingsError> {
        let error = |path: &str, problem: String| {
            Err(SettingsError::new(format!("network.client.nvram.{path}"), problem))
        };
        if self.entries.len() > MOST {
            return error("entries", format!("{} entries; expected at most {MOST}", self.entries.len()));
        }
        let count = self.entries.len();
        let is_there = |place: &u8| usize::from(*place) < count;
        if let Some(place) = self.order.iter().flatten().find(|place| !is_there(place)) {
            return error("order", format!("there is no entry {place}; there are {count}, counted from 0"));
        }
        if let Some(place) = self.next.as_ref().filter(|place| !is_there(place)) {
            return error("next", format!("there is no entry {place}; there are {count}, counted from 0"));
        }
        for (at, entry) in self.entries.iter().enumerate() {
            if let Some(mac) = entry.mac.as_deref().filter(|mac| parse_mac(mac).is_none()) {
                let problem = format!("{mac:?} is no MAC address; expected one such as 52:54:00:12:34:56");
                return error(&format!("entries[{at}].mac"), problem);
            }
            if let Some(options) = &entry.options {
                let path = format!("entries[{at}].options");
                let Some(bytes) = options.checked() else {
                    let problem = "expected `ascii` of ASCII, `ucs2`, or `hex` with two digits for each byte";
                    return error(&path, problem.into());
                };
                if bytes.len() > MOST_OPTIONAL_DATA {
                    let problem = format!("{} bytes; expected at most {MOST_OPTIONAL_DATA}", bytes.len());
                    return error(&path, problem);
                }
            }
            for (uri_at, uri) in entry.uris.iter().enumerate() {
                template::expand(
                    uri,
                    &format!("network.client.nvram.entries[{at}].uris[{uri_at}]"),
                    settings,
                )?;
            }
        }
        Ok(())
    }

    /// The places that `BootOrder` names.
    pub fn boot_order(&self) -> Vec<u8> {
        // There are fewer entries than a byte counts: see `check`.
        let all = || (0_u8..).take(self.entries.len()).collect();
        self.order.clone().unwrap_or_else(all)
    }

    /// The places in the order in which a boot manager tries them: BootNext, then BootOrder.
    pub fn tried(&self) -> impl Iterator<Item = u8> {
        self.next.into_iter().chain(self.boot_order())
    }

    /// The URL that the first entry names.
    pub(crate) fn url(&self) -> Option<&str> {
        let uris = self.entries.iter().filter_map(|entry| entry.uris.last());
        uris.map(String::as_str).find(|uri| uri.contains("://"))
    }
}

/// Reads `52:54:00:12:34:56`.
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_entry_is_refused() {
        let check = |change: fn(&mut Nvram)| {
            let mut nvram = Nvram { entries: vec![BootEntry::default()], ..Nvram::default() };
            change(&mut nvram);
            nvram.check(&NetworkSettings::default()).map_err(|error| error.to_string())
        };
        assert_eq!(check(|_| {}), Ok(()));
        insta::assert_debug_snapshot!([
            check(|nvram| nvram.order = Some(vec![0, 1])),
            check(|nvram| nvram.next = Some(1)),
            check(|nvram| nvram.entries = vec![BootEntry::default(); 17]),
            check(|nvram| nvram.entries[0].mac = Some("52:54:00:12:34".into())),
            check(|nvram| nvram.entries[0].options = Some(OptionalData::Ascii("ä".into()))),
            check(|nvram| nvram.entries[0].options = Some(OptionalData::Hex("+f".into()))),
            check(|nvram| nvram.entries[0].options = Some(OptionalData::Ucs2("x".repeat(512)))),
            check(|nvram| nvram.entries[0].uris = vec!["http://{server}/".into()]),
        ]);
    }

    #[test]
    fn optional_data_is_what_it_says() {
        let bytes = |options| BootEntry { options, ..BootEntry::default() }.optional_data();
        assert_eq!(bytes(None), b"");
        assert_eq!(bytes(Some(OptionalData::Ascii("ab".into()))), *b"ab");
        assert_eq!(bytes(Some(OptionalData::Ucs2("aé".into()))), [0x61, 0, 0xe9, 0, 0, 0]);
        assert_eq!(bytes(Some(OptionalData::Hex("00Ff".into()))), [0, 0xff]);
    }
}
