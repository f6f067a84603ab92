//! How the server's messages are laid out (RFC 2131 §2 and §4.1, RFC 2132 §9.3, RFC 3396), right or wrong.

use super::message::{Message, option};
use crate::{SettingsError, url::hex_bytes};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes that a UDP datagram may have without being cut into fragments.
const LONGEST: usize = 1472;

/// How messages are laid out. The default is what every client reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Layout {
    /// Options beside our own. One with the code of an option of ours takes its place.
    pub options: Vec<ExtraOption>,
    /// Codes of options that are left out.
    pub without: Vec<u8>,
    /// Order of the options.
    pub order: Order,
    /// Where options stand that need not be in the options field (option 52).
    pub overload: Overload,
    /// Value of option 52 in place of the one that `overload` calls for.
    pub overload_value: Option<u8>,
    /// Which areas END (255) ends.
    pub end: End,
    /// PAD bytes (0) before each option.
    pub padding: u8,
    /// Longest value of one instance of an option; a longer value is sent in several (RFC 3396 §5), the boot file too.
    pub longest_instance: u8,
    /// `file` field, where no option stands in it; the boot file's name with `bootfile_in: file`.
    pub file: Option<String>,
    /// `sname` field, where no option stands in it.
    pub sname: Option<String>,
    /// `op`; 2 is a reply.
    pub op: u8,
    /// `hlen`; 6 is Ethernet's.
    pub hlen: u8,
    /// Whether the transaction id is another one than the client's.
    pub other_xid: bool,
    /// To whom messages are sent.
    pub delivery: Delivery,
    /// Whether they came through a relay agent: `giaddr` is set, and option 82 is there (RFC 3046).
    pub relayed: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            options: Vec::new(),
            without: Vec::new(),
            order: Order::Plain,
            overload: Overload::None,
            overload_value: None,
            end: End::Everywhere,
            padding: 0,
            longest_instance: 255,
            file: None,
            sname: None,
            op: super::message::BOOTREPLY,
            hlen: 6,
            other_xid: false,
            delivery: Delivery::AsAsked,
            relayed: false,
        }
    }
}

/// An option as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtraOption {
    /// Its code.
    pub code: u8,
    /// Its value as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its value in hexadecimal, for example `c0000201`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

impl ExtraOption {
    /// The value's bytes; `None` if they are not said, or said twice.
    fn value(&self) -> Option<Vec<u8>> {
        match (&self.text, &self.hex) {
            (Some(text), None) => Some(text.clone().into_bytes()),
            (None, Some(hex)) => hex_bytes(hex),
            _ => None,
        }
    }
}

/// Order of the options; a client must not depend on it (RFC 2131 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Message type and server first, as servers do.
    Plain,
    /// The other way round.
    Reversed,
}

/// Where options stand (RFC 2132 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overload {
    /// All in the options field.
    None,
    /// The boot file is an option in the `file` field.
    File,
    /// The boot file is an option in the `sname` field.
    Sname,
    /// The boot file in the `file` field, the vendor class in the `sname` field.
    Both,
}

/// Which areas end with END (RFC 2132 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// All of them.
    Everywhere,
    /// All but the options field.
    NotInOptions,
    /// The options field only.
    InOptionsOnly,
}

/// To whom messages are sent (RFC 2131 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// As the client's broadcast flag says.
    AsAsked,
    /// Always to everybody.
    Broadcast,
    /// Always to the client's link-layer address, and to the address that it is offered.
    Unicast,
}

impl Layout {
    /// Checks what the types cannot. `longest` is the number of bytes of the boot file.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let wrong = |path: &str, problem: String| {
            Err(SettingsError::new(format!("network.dhcp4.layout.{path}"), problem))
        };
        for (at, extra) in self.options.iter().enumerate() {
            let Some(value) = extra.value() else {
                let problem = "expected either `text` or `hex`, the latter with two digits for each byte";
                return wrong(&format!("options[{at}]"), problem.into());
            };
            if value.len() > 255 && self.longest_instance == 255 {
                let problem = format!("{} bytes; set longest_instance to send more than 255", value.len());
                return wrong(&format!("options[{at}]"), problem);
            }
            if matches!(extra.code, option::PAD | option::END) {
                return wrong(
                    &format!("options[{at}].code"),
                    format!("{} is no option (RFC 2132 §3)", extra.code),
                );
            }
        }
        if self.longest_instance == 0 {
            return wrong("longest_instance", "0 bytes hold nothing".into());
        }
        for (path, text, limit) in [("file", &self.file, 127), ("sname", &self.sname, 63)] {
            if let Some(length) = text.as_ref().map(String::len).filter(|length| *length > limit) {
                return wrong(path, format!("{length} bytes; the field takes at most {limit}"));
            }
        }
        Ok(())
    }

    /// Puts other options in the place of ours, and beside them.
    pub(super) fn edit(&self, message: &mut Message) {
        message.options.retain(|(code, _)| !self.without.contains(code));
        for extra in &self.options {
            let value = extra.value().expect("invariant: settings are checked");
            match message.options.iter_mut().find(|(code, _)| *code == extra.code) {
                Some((_, ours)) => *ours = value,
                None => message.options.push((extra.code, value)),
            }
        }
        if let Some(file) = &self.file {
            message.file = [0; 128];
            message.file[..file.len()].copy_from_slice(file.as_bytes());
        }
        if let Some(sname) = &self.sname {
            message.sname[..sname.len()].copy_from_slice(sname.as_bytes());
        }
        if self.order == Order::Reversed {
            message.options.reverse();
        }
        (message.op, message.hlen) = (self.op, self.hlen);
        message.xid ^= u32::from(self.other_xid);
    }

    /// The message's bytes. What does not fit its field is left in the options field.
    pub(super) fn bytes(&self, message: &Message) -> Vec<u8> {
        let mut message = message.clone();
        let mut take = |code: u8| {
            let at = message.options.iter().position(|(each, _)| *each == code);
            at.map(|at| message.options.remove(at))
        };
        let (in_file, in_sname) = match self.overload {
            Overload::None => (None, None),
            Overload::File => (take(option::BOOTFILE_NAME), None),
            Overload::Sname => (None, take(option::BOOTFILE_NAME)),
            Overload::Both => (take(option::BOOTFILE_NAME), take(option::VENDOR_CLASS)),
        };
        let ends = self.end == End::Everywhere || self.end == End::NotInOptions;
        let mut placed = 0;
        for (moved, size, bit) in [(in_file, 128, 1), (in_sname, 64, 2)] {
            let Some(moved) = moved else { continue };
            let area = self.area(std::slice::from_ref(&moved), ends);
            if area.len() > size {
                message.options.push(moved);
                continue;
            }
            let field: &mut [u8] = if bit == 1 { &mut message.file } else { &mut message.sname };
            field.fill(0);
            field[..area.len()].copy_from_slice(&area);
            placed |= bit;
        }
        if let Some(value) = self.overload_value.or((placed != 0).then_some(placed)) {
            message.options.push((option::OVERLOAD, vec![value]));
        }
        let mut bytes = message.fixed();
        bytes.extend(self.area(&message.options, self.end != End::NotInOptions));
        bytes.resize(bytes.len().clamp(super::message::MINIMUM, LONGEST.max(bytes.len())), option::PAD);
        bytes
    }

    /// Options in the order given, in instances that are short enough.
    fn area(&self, options: &[(u8, Vec<u8>)], ends: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (code, value) in options {
            let mut instances: Vec<&[u8]> = value.chunks(usize::from(self.longest_instance)).collect();
            if instances.is_empty() {
                instances.push(&[]);
            }
            for instance in instances {
                bytes.resize(bytes.len() + usize::from(self.padding), option::PAD);
                bytes.push(*code);
                bytes.push(
                    u8::try_from(instance.len()).expect("invariant: an instance has at most 255 bytes"),
                );
                bytes.extend(instance);
            }
        }
        if ends {
            bytes.push(option::END);
        }
        bytes
    }
}
