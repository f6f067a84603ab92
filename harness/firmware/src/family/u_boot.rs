//! U-Boot as Debian builds it for QEMU: what it does when nobody touches its console.
//!
//! It has no boot by HTTP that starts by itself: its DHCP client asks as `PXEClient`, and takes a file by TFTP that is an EFI
//! application (`bootefi`), after a script that it asks for first.

use super::{Architecture, BootOver, ConsoleSign, Enrolment, Family, Load, MachineSpec};
use record::Capability;

/// The U-Boot family.
pub struct UBoot;

impl Family for UBoot {
    fn id(&self) -> &'static str {
        "u-boot"
    }

    fn machine(&self, architecture: Architecture) -> Option<MachineSpec> {
        let arm = MachineSpec {
            program: "qemu-system-aarch64",
            machine: "virt",
            load: Load::Bios,
            globals: &[],
            cpu: "cortex-a57".into(),
            memory_mib: 256,
            fw_cfg: Vec::new(),
            menu_seconds: 0,
            nic: "virtio-net-pci",
            nic_rom: false,
            nic_device: 1,
            boot_index: false,
            flash_end: 0x800_0000,
            second_nic: None,
            entropy_device: true,
        };
        match architecture {
            Architecture::Aa64 => Some(arm),
            Architecture::Arm => {
                Some(MachineSpec { program: "qemu-system-arm", cpu: "cortex-a15".into(), ..arm })
            }
            Architecture::Ia32 | Architecture::X64 => None,
        }
    }

    fn boot_over(&self, _: &mut MachineSpec, _: BootOver) {}

    fn boot_by_pxe(&self, _: &mut MachineSpec, _: BootOver) {}

    fn is_about_ipv4(&self, _: &str) -> bool {
        true
    }

    fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Pxe => true,
            Capability::Http | Capability::Https | Capability::Ipv6 => false,
        }
    }

    fn console_sign(&self, line: &str) -> Option<ConsoleSign> {
        let said = line.trim_start();
        if said.starts_with("BOOTP broadcast ") {
            return Some(ConsoleSign::AttemptStarted);
        }
        // It comes behind what ended the last attempt, and waits for a person.
        if said == "=>" || said.starts_with("=> ") {
            return Some(ConsoleSign::NothingToBoot);
        }
        if ["\"Synchronous Abort\" handler", "prefetch abort", "data abort", "undefined instruction", "resetting ..."]
            .iter()
            .any(|sign| said.starts_with(sign))
        {
            return Some(ConsoleSign::Crashed);
        }
        // From here on it begins again, for ever.
        ["Retry time exceeded; starting again", "Retry count exceeded; starting again"]
            .iter()
            .any(|sign| said.starts_with(sign))
            .then_some(ConsoleSign::AttemptFailed)
    }

    fn console_meaning(&self, line: &str) -> Option<&'static str> {
        let said = line.trim_start();
        PHRASES.iter().find(|(phrase, _)| said.starts_with(phrase)).map(|(_, meaning)| *meaning)
    }

    fn enrolment(&self) -> Option<Enrolment> {
        None
    }

    fn longest_timeout_seconds(&self) -> u32 {
        // TFTP asks again every 5 s, ten times.
        75
    }
}

/// What its network code says (net/bootp.c, net/tftp.c, net/net.c), and what it says it for.
const PHRASES: &[(&str, &str)] = &[
    ("Retry time exceeded; starting again", "no DHCP server answered in time"),
    ("Retry count exceeded; starting again", "the TFTP server fell silent"),
    ("TFTP error:", "the TFTP server refused the file"),
    ("*** ERROR: `serverip' not set", "the DHCP answer named no server for the file"),
    ("*** WARNING: no boot file name", "the DHCP answer named no file, so a name is made up from the address"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// From the console of 2023.01.
    #[test]
    fn what_it_says_is_understood() {
        use ConsoleSign::*;
        for (line, expected) in [
            ("BOOTP broadcast 1", Some(AttemptStarted)),
            ("DHCP client bound to address 10.0.2.15 (3 ms)", None),
            ("Retry time exceeded; starting again", Some(AttemptFailed)),
            ("Filename '=> '.", None),
            ("=> ", Some(NothingToBoot)),
            ("\"Synchronous Abort\" handler, esr 0x02000000", Some(Crashed)),
        ] {
            assert_eq!(UBoot.console_sign(line), expected, "{line:?}");
        }
        assert_eq!(UBoot.console_meaning("TFTP error: 'no' (1)"), Some("the TFTP server refused the file"));
    }
}
