//! SeaBIOS, which boots from the network by the option ROM of the card: the iPXE that this host's QEMU brings along.

use super::ipxe::Ipxe;
use super::{Architecture, BootOver, ConsoleSign, Enrolment, Family, Load, MachineSpec};
use record::Capability;

/// The SeaBIOS family.
pub struct SeaBios;

impl Family for SeaBios {
    fn id(&self) -> &'static str {
        "seabios"
    }

    fn machine(&self, architecture: Architecture) -> Option<MachineSpec> {
        (architecture == Architecture::Bios).then(|| MachineSpec {
            program: "qemu-system-x86_64",
            // Its console is the serial line.
            machine: "q35,graphics=off",
            load: Load::Bios,
            globals: &[],
            cpu: "max".into(),
            cpu_without_entropy: "qemu64",
            memory_mib: 256,
            fw_cfg: Vec::new(),
            menu_seconds: 0,
            nic: "virtio-net-pci",
            nic_rom: true,
            nic_device: 1,
            boot_index: true,
            flash_end: 4 << 30,
            second_nic: None,
            entropy_device: true,
        })
    }

    fn boot_over(&self, _: &mut MachineSpec, _: BootOver) {}

    fn boot_by_pxe(&self, _: &mut MachineSpec, _: BootOver) {}

    fn is_about_ipv4(&self, _: &str) -> bool {
        true
    }

    fn has(&self, capability: Capability) -> bool {
        Ipxe.has(capability)
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

    fn enrolment(&self) -> Option<Enrolment> {
        None
    }

    fn longest_timeout_seconds(&self) -> u32 {
        Ipxe.longest_timeout_seconds()
    }
}
