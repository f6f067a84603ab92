//! The machine that the client runs on: what a scenario can have otherwise than a build's family asks for.

use crate::SettingsError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `client.machine:` block. `null` is as the firmware's family has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// The network card that is on the link.
    pub nic: Option<Nic>,
    /// What the card brings along.
    pub nic_rom: NicRom,
    /// Whether the card that is on the link says that a cable is plugged in.
    pub media: Media,
    /// A second card, of the same model, on a link where nobody is.
    pub second_nic: Option<SecondNic>,
    /// Where the firmware can get random numbers from.
    pub entropy: Entropy,
    /// Processor: a model's name that QEMU knows, such as `qemu64`.
    pub cpu: Option<String>,
    /// Memory in MiB, 32 to 8192.
    pub memory_mib: Option<u32>,
}

/// Network cards, by the names of QEMU's devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nic {
    /// The paravirtual one that every family has a driver for.
    VirtioNetPci,
    /// Intel 82540EM.
    E1000,
    /// Intel 82574L.
    E1000e,
    /// Intel 82576.
    Igb,
    /// VMware's paravirtual one.
    Vmxnet3,
    /// Realtek RTL8139.
    Rtl8139,
    /// AMD PCnet.
    Pcnet,
    /// Intel i82557B.
    I82557b,
    /// CDC Ethernet on USB.
    UsbNet,
}

impl Nic {
    /// QEMU's name of the device.
    pub const fn device(self) -> &'static str {
        match self {
            Self::VirtioNetPci => "virtio-net-pci",
            Self::E1000 => "e1000",
            Self::E1000e => "e1000e",
            Self::Igb => "igb",
            Self::Vmxnet3 => "vmxnet3",
            Self::Rtl8139 => "rtl8139",
            Self::Pcnet => "pcnet",
            Self::I82557b => "i82557b",
            Self::UsbNet => "usb-net",
        }
    }
}

/// What a card brings along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NicRom {
    /// Nothing: the firmware needs a driver of its own.
    #[default]
    None,
    /// The option ROM that QEMU has for it, which is iPXE with a driver for UEFI.
    Ipxe,
}

/// What a card says of its link (UEFI 2.11 §24.1: MediaPresent).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Media {
    /// It is up.
    #[default]
    Present,
    /// It is down, and nothing that is sent arrives anywhere.
    Absent,
}

/// Where a second card stands in the boot order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecondNic {
    /// Before the card that is on the link.
    First,
    /// After it.
    Last,
}

/// Where random numbers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Entropy {
    /// A device (virtio-rng), and the processor's RDRAND if it has that.
    #[default]
    Device,
    /// The processor alone.
    Processor,
    /// The device alone: the processor is one without an instruction for it.
    DeviceAlone,
    /// Nowhere.
    None,
}

impl Machine {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if let Some(memory) = self.memory_mib.filter(|memory| !(32..=8192).contains(memory)) {
            let problem = format!("{memory} MiB; expected 32 to 8192");
            return Err(SettingsError::new("network.client.machine.memory_mib", problem));
        }
        let is_name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        };
        if let Some(cpu) = self.cpu.as_deref().filter(|cpu| !is_name(cpu)) {
            let problem = format!("{cpu:?} is no name of a processor; expected one such as `qemu64`");
            return Err(SettingsError::new("network.client.machine.cpu", problem));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_can_have_is_refused() {
        let check = |machine: Machine| machine.check().map_err(|error| error.to_string());
        let memory = |memory| check(Machine { memory_mib: Some(memory), ..Machine::default() });
        assert_eq!((memory(32), memory(8192)), (Ok(()), Ok(())));
        for (bad, said) in [
            (memory(31), "network.client.machine.memory_mib: 31 MiB; expected 32 to 8192"),
            (
                check(Machine { cpu: Some("max,-rdrand".into()), ..Machine::default() }),
                "network.client.machine.cpu: \"max,-rdrand\" is no name of a processor; expected one such as `qemu64`",
            ),
        ] {
            assert_eq!(bad, Err(said.to_owned()));
        }
    }

    /// The names in scenarios are QEMU's.
    #[test]
    fn cards_go_by_their_devices() {
        for nic in [Nic::VirtioNetPci, Nic::E1000e, Nic::I82557b, Nic::UsbNet] {
            assert_eq!(serde_json::to_value(nic).unwrap(), nic.device());
        }
    }
}
