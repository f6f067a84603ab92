//! U-Boot as Debian builds it for QEMU, with an environment of ours: its boot command is the step of its own boot flow that boots an
//! EFI application from the network (`boot_efi_bootp` in include/config_distro_bootcmd.h): DHCP as a PXE client, TFTP, `bootefi`.
//!
//! Its own flow does the same up to 2023.01, after looking for disks and scripts. That of 2025.01 and later reads the file and
//! does not start it on this board, for which it knows no name of a device tree (boot/bootmeth_efi.c).

use super::{Architecture, ConsoleSign, Family, Load, MachineSpec};
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
            cpu: "cortex-a57".into(),
            cpu_without_entropy: "cortex-a57",
            boot_index: false,
            flash_end: 0x800_0000,
            ..MachineSpec::pc()
        };
        match architecture {
            Architecture::Aa64 => Some(arm),
            Architecture::Arm => Some(MachineSpec {
                program: "qemu-system-arm",
                cpu: "cortex-a15".into(),
                cpu_without_entropy: "cortex-a15",
                ..arm
            }),
            Architecture::Ia32
            | Architecture::X64
            | Architecture::Riscv64
            | Architecture::Loongarch64
            | Architecture::Bios => None,
        }
    }

    fn is_about_ipv4(&self, _: &str) -> bool {
        true
    }

    fn settings(&self) -> Option<Vec<u8>> {
        Some(environment(&[
            ("bootdelay", "0"),
            ("bootp_vci", "PXEClient:Arch:00011:UNDI:003000"),
            ("bootp_arch", "b"),
            ("netretry", "no"),
            (
                "bootcmd",
                "pci enum; virtio scan; dhcp && bootefi ${fileaddr} ${fdtcontroladdr}; echo '## No image was started.'",
            ),
        ]))
    }

    fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Pxe => true,
            Capability::Http
            | Capability::Https
            | Capability::Ipv6
            | Capability::RamDisk
            | Capability::SecureBoot => false,
        }
    }

    fn console_sign(&self, line: &str) -> Option<ConsoleSign> {
        let said = line.trim_start();
        if said.starts_with("BOOTP broadcast ") {
            return Some(ConsoleSign::AttemptStarted);
        }
        // It comes behind what ended the last attempt, and waits for a person.
        if said == "=>" || said.starts_with("=> ") || said.starts_with("## No image was started.") {
            return Some(ConsoleSign::NothingToBoot);
        }
        if [
            "\"Synchronous Abort\" handler",
            "prefetch abort",
            "data abort",
            "undefined instruction",
            "resetting ...",
        ]
        .iter()
        .any(|sign| said.starts_with(sign))
        {
            return Some(ConsoleSign::Crashed);
        }
        None
    }

    fn console_meaning(&self, line: &str) -> Option<&'static str> {
        let said = line.trim_start();
        PHRASES.iter().find(|(phrase, _)| said.starts_with(phrase)).map(|(_, meaning)| *meaning)
    }

    fn longest_timeout_seconds(&self) -> u32 {
        // TFTP asks again every 5 s, ten times.
        75
    }
}

/// Size of the flash, and of what the environment has of it (CONFIG_ENV_SIZE of both boards).
const FLASH: usize = 64 << 20;
const ENVIRONMENT: usize = 0x4_0000;

/// Flash with an environment: a CRC-32, then `name=value` with a NUL after each, and one more at the end (env/common.c).
fn environment(variables: &[(&str, &str)]) -> Vec<u8> {
    let mut text: Vec<u8> =
        variables.iter().flat_map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect();
    text.resize(ENVIRONMENT - 4, 0);
    let mut crc = flate2::Crc::new();
    crc.update(&text);
    let mut flash = [&crc.sum().to_le_bytes()[..], &text].concat();
    flash.resize(FLASH, 0);
    flash
}

/// What its network code says (net/bootp.c, net/tftp.c, net/net.c), and what it says it for.
const PHRASES: &[(&str, &str)] = &[
    ("Retry time exceeded; starting again", "no DHCP server answered in time"),
    ("Retry count exceeded; starting again", "the TFTP server fell silent"),
    ("TFTP error:", "the TFTP server refused the file"),
    ("*** ERROR: `serverip' not set", "the DHCP answer named no server for the file"),
    (
        "*** WARNING: no boot file name",
        "the DHCP answer named no file, so a name is made up from the address",
    ),
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
            ("Retry time exceeded; starting again", None),
            ("## No image was started.", Some(NothingToBoot)),
            ("Filename '=> '.", None),
            ("=> ", Some(NothingToBoot)),
            ("\"Synchronous Abort\" handler, esr 0x02000000", Some(Crashed)),
        ] {
            assert_eq!(UBoot.console_sign(line), expected, "{line:?}");
        }
        let flash = UBoot.settings().unwrap();
        assert_eq!((flash.len(), &flash[4..16]), (64 << 20, &b"bootdelay=0\0"[..]));
        assert_eq!(UBoot.console_meaning("TFTP error: 'no' (1)"), Some("the TFTP server refused the file"));
    }
}
