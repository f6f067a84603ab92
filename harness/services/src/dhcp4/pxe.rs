//! What a PXE server says of itself in option 43, and its service on port 4011 (PXE 2.1 §2.1, §2.2.3, §2.2.6).

use super::{BootfileIn, FILE_LIMIT, OPTION_LIMIT, RequestAnswer};
use crate::{SettingsError, delay};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// A server's service on port 4011: a client that has its address asks it by unicast for its boot file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// What a REQUEST is answered with.
    pub request: RequestAnswer,
    /// Boot file; `null` sends none.
    pub bootfile: Option<String>,
    /// Where the boot file is sent.
    pub bootfile_in: BootfileIn,
    /// Option 60; `null` sends none.
    pub vendor_class: Option<String>,
    /// Option 66 (TFTP server name), with placeholders; `null` sends none.
    pub server_name: Option<String>,
    /// `siaddr`, where the boot file is; `null` is the server itself, which has it.
    pub next_server: Option<Ipv4Addr>,
    /// Guest seconds between a REQUEST and its ACK, 0 to 86400.
    pub delay_seconds: f64,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            request: RequestAnswer::Ack,
            bootfile: Some("boot.efi".into()),
            bootfile_in: BootfileIn::File,
            vendor_class: Some("PXEClient".into()),
            server_name: None,
            next_server: None,
            delay_seconds: 0.0,
        }
    }
}

impl Service {
    /// Checks what the types cannot; texts have their placeholders replaced.
    pub(super) fn check(&self, path: &str) -> Result<(), SettingsError> {
        let (limit, place) = match self.bootfile_in {
            BootfileIn::Option => (OPTION_LIMIT, "option 67"),
            BootfileIn::File => (FILE_LIMIT, "the file field"),
        };
        for (name, text, limit, place) in [
            ("bootfile", &self.bootfile, limit, place),
            ("vendor_class", &self.vendor_class, OPTION_LIMIT, "option 60"),
            ("server_name", &self.server_name, OPTION_LIMIT, "option 66"),
        ] {
            if let Some(length) = text.as_deref().map(str::len).filter(|length| *length > limit) {
                let problem = format!("{length} bytes; {place} takes at most {limit}");
                return Err(SettingsError::new(format!("{path}.{name}"), problem));
            }
        }
        delay::check(&format!("{path}.delay_seconds"), self.delay_seconds)
    }
}

/// How boot servers are discovered: option 43 of a PXE server's messages (PXE 2.1 table 2-1). Nothing is sent if nothing is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Discovery {
    /// PXE_DISCOVERY_CONTROL (6). Bit 0 forbids discovery by broadcast, bit 1 by multicast, bit 2 allows servers of the list only, and
    /// bit 3 says that the boot file of the offer is taken without any discovery.
    pub control: Option<u8>,
    /// PXE_BOOT_SERVERS (8).
    pub servers: Vec<BootServers>,
    /// PXE_BOOT_MENU (9).
    pub menu: Vec<MenuItem>,
    /// PXE_MENU_PROMPT (10).
    pub prompt: Option<Prompt>,
}

/// Boot servers of one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BootServers {
    /// Their type.
    pub r#type: u16,
    /// Where they are.
    pub addresses: Vec<Ipv4Addr>,
}

/// What a user can choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MenuItem {
    /// The type of boot servers that it stands for.
    pub r#type: u16,
    /// What it is called.
    pub text: String,
}

/// What is shown before the menu is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prompt {
    /// Seconds for which a key leads to the menu; then the first item is taken. 0 takes it at once, 255 shows the menu at once.
    pub seconds: u8,
    /// The text.
    pub text: String,
}

/// Tags of option 43 (PXE 2.1 table 2-1).
mod tag {
    pub(super) const DISCOVERY_CONTROL: u8 = 6;
    pub(super) const BOOT_SERVERS: u8 = 8;
    pub(super) const BOOT_MENU: u8 = 9;
    pub(super) const MENU_PROMPT: u8 = 10;
    pub(super) const BOOT_ITEM: u8 = 71;
    pub(super) const END: u8 = 255;
}

impl Discovery {
    pub(super) fn check(&self, path: &str) -> Result<(), SettingsError> {
        let wrong =
            |name: String, problem: String| Err(SettingsError::new(format!("{path}.{name}"), problem));
        for (at, of_type) in self.servers.iter().enumerate() {
            let count = of_type.addresses.len();
            if !(1..=OPTION_LIMIT / 4).contains(&count) {
                return wrong(
                    format!("servers[{at}].addresses"),
                    format!("{count}; expected 1 to {}", OPTION_LIMIT / 4),
                );
            }
        }
        for (at, item) in self.menu.iter().enumerate() {
            if item.text.len() > OPTION_LIMIT {
                return wrong(
                    format!("menu[{at}].text"),
                    format!("{} bytes; at most {OPTION_LIMIT}", item.text.len()),
                );
            }
        }
        let length: usize = self.values().iter().map(|(_, value)| value.len() + 2).sum::<usize>() + 1;
        if length > OPTION_LIMIT {
            let problem = format!("{length} bytes; option 43 takes at most {OPTION_LIMIT}");
            return Err(SettingsError::new(path, problem));
        }
        Ok(())
    }

    /// The value of option 43; none if it would be empty.
    pub(super) fn option(&self) -> Option<Vec<u8>> {
        encode(&self.values())
    }

    fn values(&self) -> Vec<(u8, Vec<u8>)> {
        let counted = |text: usize| u8::try_from(text).unwrap_or(u8::MAX);
        let mut values = Vec::new();
        if let Some(control) = self.control {
            values.push((tag::DISCOVERY_CONTROL, vec![control]));
        }
        if !self.servers.is_empty() {
            let list = self.servers.iter().flat_map(|of_type| {
                let head = of_type.r#type.to_be_bytes().into_iter().chain([counted(of_type.addresses.len())]);
                head.chain(of_type.addresses.iter().flat_map(Ipv4Addr::octets))
            });
            values.push((tag::BOOT_SERVERS, list.collect()));
        }
        if !self.menu.is_empty() {
            let list = self.menu.iter().flat_map(|item| {
                let head = item.r#type.to_be_bytes().into_iter().chain([counted(item.text.len())]);
                head.chain(item.text.bytes())
            });
            values.push((tag::BOOT_MENU, list.collect()));
        }
        if let Some(prompt) = &self.prompt {
            values.push((
                tag::MENU_PROMPT,
                std::iter::once(prompt.seconds).chain(prompt.text.bytes()).collect(),
            ));
        }
        values
    }
}

fn encode(values: &[(u8, Vec<u8>)]) -> Option<Vec<u8>> {
    if values.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    for (tag, value) in values {
        bytes.extend([*tag, u8::try_from(value.len()).ok()?]);
        bytes.extend(value);
    }
    bytes.push(tag::END);
    Some(bytes)
}

/// PXE_BOOT_ITEM (71) of a client's option 43: the type of boot server that it wants, and the layer.
pub(super) fn boot_item(option: &[u8]) -> Option<[u8; 4]> {
    let mut rest = option;
    loop {
        match *rest {
            [0, ref after @ ..] => rest = after,
            [tag, length, ref after @ ..] if tag != tag::END => {
                let (value, after) = after.split_at_checked(length.into())?;
                if tag == tag::BOOT_ITEM {
                    return value.try_into().ok();
                }
                rest = after;
            }
            _ => return None,
        }
    }
}

/// Option 43 of the answer to a client that wants a type of boot server (PXE 2.1 §2.2.6).
pub(super) fn chosen(item: [u8; 4]) -> Vec<u8> {
    encode(&[(tag::BOOT_ITEM, item.into())]).expect("invariant: it has a value, of four bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discovery_is_written_as_table_2_1_has_it() {
        let discovery = Discovery {
            control: Some(7),
            servers: vec![BootServers { r#type: 0x8001, addresses: vec![Ipv4Addr::new(192, 0, 2, 2)] }],
            menu: vec![MenuItem { r#type: 0x8001, text: "Linux".into() }],
            prompt: Some(Prompt { seconds: 0, text: "F8".into() }),
        };
        let expected =
            b"\x06\x01\x07\x08\x07\x80\x01\x01\xc0\x00\x02\x02\x09\x08\x80\x01\x05Linux\x0a\x03\x00F8\xff";
        assert_eq!(discovery.option().as_deref(), Some(&expected[..]));
        assert_eq!(Discovery::default().option(), None);
        assert!(discovery.check("d").is_ok());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let item = |length| MenuItem { r#type: 1, text: "x".repeat(length) };
        let menu = |length| Discovery { menu: vec![item(length)], ..Discovery::default() };
        assert!(menu(249).check("d").is_ok());
        assert!(menu(250).check("d").is_err());
        assert!(menu(256).check("d").is_err());
        let servers = |count| Discovery {
            servers: vec![BootServers { r#type: 1, addresses: vec![Ipv4Addr::LOCALHOST; count] }],
            ..Discovery::default()
        };
        assert!(
            servers(63).check("d").is_err()
                && servers(62).check("d").is_ok()
                && servers(0).check("d").is_err()
        );
    }

    #[test]
    fn a_boot_item_is_found_among_other_tags_and_in_garbage() {
        assert_eq!(boot_item(&[0, 6, 1, 8, 71, 4, 0x80, 1, 0, 2, 255]), Some([0x80, 1, 0, 2]));
        for garbage in [&[][..], &[71], &[71, 4, 1], &[71, 2, 1, 1], &[255, 71, 4, 0, 1, 0, 0], &[6, 200, 1]]
        {
            assert_eq!(boot_item(garbage), None, "{garbage:?}");
        }
        assert_eq!(boot_item(&chosen([0, 1, 0, 0])), Some([0, 1, 0, 0]));
    }
}
