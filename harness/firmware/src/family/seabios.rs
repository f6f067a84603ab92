//! SeaBIOS, which boots from the network by the option ROM of the card: the iPXE that this host's QEMU brings along.

use super::ipxe::Ipxe;
use super::{Architecture, ConsoleSign, Family, Load, MachineSpec};
use record::Capability;

/// The SeaBIOS family.
pub struct SeaBios;

impl Family for SeaBios {
    fn id(&self) -> &'static str {
        "seabios"
    }

    fn machine(&self, architecture: Architecture) -> Option<MachineSpec> {
        (architecture == Architecture::Bios).then(|| MachineSpec {
            // Its console is the serial line.
            machine: "q35,graphics=off",
            load: Load::Bios,
            nic_rom: true,
            ..MachineSpec::pc()
        })
    }

    fn is_about_ipv4(&self, _: &str) -> bool {
        true
    }

    fn has(&self, capability: Capability) -> bool {
        // The option ROM is built without TLS.
        capability != Capability::Https && Ipxe.has(capability)
    }

    fn console_sign(&self, line: &str) -> Option<ConsoleSign> {
        if line.trim_start().starts_with("No bootable device.") {
            return Some(ConsoleSign::NothingToBoot);
        }
        Ipxe.console_sign(line)
    }

    fn console_meaning(&self, line: &str) -> Option<&'static str> {
        Ipxe.console_meaning(line)
    }

    fn longest_timeout_seconds(&self) -> u32 {
        Ipxe.longest_timeout_seconds()
    }
}
