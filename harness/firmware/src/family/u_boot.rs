//! U-Boot as Debian builds it for QEMU. On RISC-V its own boot flow boots an EFI application from the network, after looking for disks
//! and for a script (include/config_distro_bootcmd.h): DHCP as a PXE client, TFTP, `bootefi`.
//!
//! Elsewhere it has a boot command of ours, which is the same step alone (`boot_efi_bootp`). Its own flow does the same up to 2023.01;
//! that of 2025.01 and later reads the file and does not start it: it wants a name of a device tree, which it has neither on the
//! Arm board nor on a PC (boot/bootmeth_efi.c). On Arm the command is in the environment. On a PC that is nowhere, and the command
//! is a script on a disk, which is the first thing that its own flow looks for.
//!
//! By HTTP nothing boots of itself. `wget` is told the host's address and the path; here the boot command takes both from the URL
//! that DHCP brings, and looks a name up with `dns`. The other way, a boot option with the URL, is not taken: 2025.01 asks the DNS for
//! `192.0.2.1` too (`wget_with_dns`). A port or a user name is as little understood there (`wget_validate_uri`) as by `wget`.

use super::{Architecture, BootBy, ConsoleSign, Family, Load, MachineSpec, Medium};
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
        let pc = MachineSpec {
            machine: "pc",
            load: Load::Bios,
            medium: Medium::Disk("boot.scr"),
            // 2025.01 begins with EFI before it looks for virtio devices, and has no network protocol for cards that it finds later.
            nic: "e1000",
            boot_index: false,
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
            Architecture::Ia32 | Architecture::X64 => Some(pc),
            // The build for machine mode, which needs no other firmware below it.
            Architecture::Riscv64 => Some(MachineSpec {
                program: "qemu-system-riscv64",
                // 2021.01 and 2023.01 end before their first device (-ENOSPC) where the processor has all extensions to tell of.
                cpu: "rv64".into(),
                cpu_without_entropy: "rv64",
                // As EDK2's.
                resumes: false,
                ..arm
            }),
            Architecture::Loongarch64 | Architecture::Bios => None,
        }
    }

    fn is_about_ipv4(&self, _: &str) -> bool {
        true
    }

    fn settings(&self, architecture: Architecture, by: BootBy) -> Option<Vec<u8>> {
        // Client system architectures (RFC 5970 §3.3, "Processor Architecture Types" at IANA).
        let (pxe, http) = match architecture {
            Architecture::Ia32 => (6, 15),
            Architecture::X64 => (7, 16),
            Architecture::Arm => (10, 18),
            Architecture::Aa64 => (11, 19),
            Architecture::Riscv64 | Architecture::Loongarch64 | Architecture::Bios => return None,
        };
        let (class, number) = match by {
            BootBy::Pxe => ("PXEClient", pxe),
            BootBy::Http => ("HTTPClient", http),
        };
        let (vci, arch) = (format!("{class}:Arch:{number:05}:UNDI:003000"), format!("{number:x}"));
        let mut names = vec![("bootp_vci", &*vci), ("bootp_arch", &*arch), ("netretry", "no")];
        if by == BootBy::Http {
            names.push(("autoload", "no"));
        }
        // A device tree would be one of QEMU's ACPI tables too many on a PC.
        let boot = |tree: &str| match by {
            BootBy::Pxe => format!("dhcp && bootefi ${{fileaddr}}{tree}"),
            BootBy::Http => format!("{GET} && bootefi ${{loadaddr}}{tree}; fi"),
        };
        Some(match self.machine(architecture)?.medium {
            Medium::Flash => {
                let boot = format!("pci enum; virtio scan; {}; {NO_IMAGE}", boot(" ${fdtcontroladdr}"));
                // The address is that of its own environment, of which nothing is left.
                let first = [("bootdelay", "0"), ("bootcmd", &*boot), ("loadaddr", "0x40200000")];
                environment(&[&first, &names[..]].concat())
            }
            Medium::Disk(_) => {
                let set: String =
                    names.iter().map(|(name, value)| format!("setenv {name} {value}\n")).collect();
                script(&format!("{set}{}\n{NO_IMAGE}\n", boot("")))
            }
        })
    }

    fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Pxe | Capability::Http => true,
            Capability::Https | Capability::Ipv6 | Capability::RamDisk | Capability::SecureBoot => false,
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
            "EIP: 0010:[<",
            "Unhandled exception: ",
            "resetting ...",
        ]
        .iter()
        .any(|sign| said.starts_with(sign))
        {
            return Some(ConsoleSign::Crashed);
        }
        None
    }

    fn is_prompt(&self, line: &str) -> bool {
        line.trim_start() == "=> "
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

/// DHCP, then the file of an `http` URL: `rest` is what follows the scheme, and a host that is not all digits and dots is a name.
/// Its regular expressions have no ranges, and what is written back by `\1` may begin with a backslash.
const GET: &str = "if dhcp && setexpr rest sub '^http://' '' \"${bootfile}\" && test \"${rest}\" != \"${bootfile}\"; \
    then setexpr host sub '/.*' '' \"${rest}\"; setexpr path sub '^[^/]*' '' \"${rest}\"; \
    setexpr ip sub '^[0123456789.]+$' literal \"${host}\"; \
    if test \"${ip}\" = literal; then setenv ip \"${host}\"; else setenv ip; dns \"${host}\" ip; fi; \
    test -n \"${ip}\" && wget ${loadaddr} \"${ip}:${path}\"";

/// The end of a boot command: nothing was started, or it came back.
const NO_IMAGE: &str = "echo '## No image was started.'";

/// Size of the flash, and of what the environment has of it (CONFIG_ENV_SIZE of both boards).
const FLASH: usize = 64 << 20;
const ENVIRONMENT: usize = 0x4_0000;

/// Flash with an environment: a CRC-32, then `name=value` with a NUL after each, and one more at the end (env/common.c).
fn environment(variables: &[(&str, &str)]) -> Vec<u8> {
    let mut text: Vec<u8> =
        variables.iter().flat_map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect();
    text.resize(ENVIRONMENT - 4, 0);
    let mut flash = [&crc(&text).to_le_bytes()[..], &text].concat();
    flash.resize(FLASH, 0);
    flash
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// A script image: a header with CRC-32s of itself and of what follows, and a list of one text (include/image.h).
fn script(text: &str) -> Vec<u8> {
    const MAGIC: u32 = 0x2705_1956;
    /// Linux, i386, a script, not compressed: what `mkimage -T script -A x86` writes.
    const KIND: [u8; 4] = [5, 3, 6, 0];
    const NAME: &[u8; 32] = b"plugfest\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let length = |bytes: usize| u32::try_from(bytes).expect("invariant: a script of a few lines");
    let body = [&length(text.len()).to_be_bytes()[..], &[0; 4], text.as_bytes()].concat();
    let header = |own_crc: u32| {
        // Times and addresses are nothing to a script.
        let words = [MAGIC, own_crc, 0, length(body.len()), 0, 0, crc(&body)].map(u32::to_be_bytes);
        [words.as_flattened(), &KIND, NAME].concat()
    };
    [header(crc(&header(0))), body].concat()
}

/// What its network code says (net/bootp.c, net/tftp.c, net/net.c), and what it says it for.
const PHRASES: &[(&str, &str)] = &[
    ("Retry time exceeded; starting again", "no DHCP server answered in time"),
    ("Retry count exceeded; starting again", "the server of the file fell silent"),
    ("TFTP error:", "the TFTP server refused the file"),
    ("*** ERROR: `serverip' not set", "the DHCP answer named no server for the file"),
    ("wget: Transfer Fail", "the HTTP server sent nothing, or not what `wget` takes"),
    ("DNS: host not found", "the DNS server knows no address of the host"),
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
            ("EIP: 0010:[<0ed3c2a7>] EFLAGS: 00000002", Some(Crashed)),
            ("Unhandled exception: Illegal instruction", Some(Crashed)),
        ] {
            assert_eq!(UBoot.console_sign(line), expected, "{line:?}");
            assert_eq!(UBoot.is_prompt(line), line == "=> ", "{line:?}");
        }
        let flash = UBoot.settings(Architecture::Aa64, BootBy::Pxe).unwrap();
        assert_eq!((flash.len(), &flash[4..16]), (64 << 20, &b"bootdelay=0\0"[..]));
        let script = UBoot.settings(Architecture::X64, BootBy::Pxe).unwrap();
        let text = std::str::from_utf8(&script[72..]).unwrap();
        assert_eq!(text.lines().next(), Some("setenv bootp_vci PXEClient:Arch:00007:UNDI:003000"));
        assert_eq!(script[64..72], [0, 0, 0, u8::try_from(text.len()).unwrap(), 0, 0, 0, 0]);
        let script = UBoot.settings(Architecture::X64, BootBy::Http).unwrap();
        let text = std::str::from_utf8(&script[72..]).unwrap();
        assert!(text.starts_with("setenv bootp_vci HTTPClient:Arch:00016:UNDI:003000\n"), "{text}");
        assert!(text.contains("wget ${loadaddr} \"${ip}:${path}\" && bootefi ${loadaddr}; fi\n"), "{text}");
        assert_eq!(UBoot.settings(Architecture::Riscv64, BootBy::Pxe), None);
        assert_eq!(UBoot.console_meaning("TFTP error: 'no' (1)"), Some("the TFTP server refused the file"));
    }
}
