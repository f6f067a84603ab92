//! EDK2: OVMF and its relatives.

use super::{Architecture, BootOver, ConsoleSign, Enrolment, Family, MachineSpec};
use record::Capability;

/// Whether the stack is loaded at all. 2020.11 knows neither; Debian's build of it has no IPv6, and always tries IPv4.
pub(super) const IPV4_SUPPORT: &str = "opt/org.tianocore/IPv4Support";
pub(super) const IPV6_SUPPORT: &str = "opt/org.tianocore/IPv6Support";
/// Whether there are boot options for PXE; they come before those for HTTP.
const IPV4_PXE: &str = "opt/org.tianocore/IPv4PXESupport";
const IPV6_PXE: &str = "opt/org.tianocore/IPv6PXESupport";

/// The EDK2 family.
pub struct Edk2;

impl Family for Edk2 {
    fn id(&self) -> &'static str {
        "edk2"
    }

    fn machine(&self, architecture: Architecture) -> Option<MachineSpec> {
        let q35 = MachineSpec {
            fw_cfg: vec![
                // PXE options come before HTTP options and would cost a minute each.
                (IPV4_PXE, "n".into()),
                (IPV6_PXE, "n".into()),
                // No IPv6 on the link.
                (IPV6_SUPPORT, "n".into()),
            ],
            ..MachineSpec::pc()
        };
        // Flash is at the beginning of the address space: 64 MiB of code, then variables.
        let virt = MachineSpec { machine: "virt", flash_end: 0xc00_0000, ..q35.clone() };
        Some(match architecture {
            Architecture::Bios => return None,
            Architecture::X64 => q35,
            // What an SMM has to be that is 32 bits itself.
            Architecture::Ia32 => {
                MachineSpec { cpu: "max,lm=off,nx=off".into(), cpu_without_entropy: "qemu32", ..q35 }
            }
            // With RNDR: 2025.02 and later take no virtio-rng for it. Pointer authentication as the architecture has it
            // would take most of the time.
            Architecture::Aa64 => MachineSpec {
                program: "qemu-system-aarch64",
                cpu: "max,pauth-impdef=on".into(),
                cpu_without_entropy: "cortex-a57",
                ..virt
            },
            Architecture::Arm => MachineSpec {
                program: "qemu-system-arm",
                machine: "virt,highmem=off",
                cpu_without_entropy: "cortex-a15",
                ..virt
            },
            // QEMU starts its own OpenSBI, which starts the flash. 2025.02 and 2026.08 find no boot option for QEMU's boot order,
            // and so remove them all; the network comes first without it.
            Architecture::Riscv64 => MachineSpec {
                program: "qemu-system-riscv64",
                cpu: "max".into(),
                cpu_without_entropy: "rv64",
                boot_index: false,
                // QEMU up to 10.1 saves what the timers compare with and not the timers: a guest that is resumed waits for ever.
                resumes: false,
                flash_end: 0x2600_0000,
                ..virt
            },
            Architecture::Loongarch64 => MachineSpec {
                program: "qemu-system-loongarch64",
                cpu: "max".into(),
                cpu_without_entropy: "la464",
                // As on RISC-V.
                boot_index: false,
                // QEMU draws the entry of the TLB that a refill replaces, and a draw is recorded in the middle of a block of
                // instructions, where they are not counted: it ends by itself (seen with 10.0.2).
                records: false,
                // A guest that is resumed sends a frame and waits for ever, as on RISC-V.
                resumes: false,
                // With instructions of 128 ns 2025.02 stops for good once it has its console.
                needs_speed: true,
                // Its code in 16 MiB, then its variables in as much.
                flash_end: 0x1f00_0000,
                ..virt
            },
        })
    }

    fn boot_over(&self, machine: &mut MachineSpec, over: BootOver) {
        machine.fw_cfg.retain(|(name, _)| *name != IPV6_SUPPORT || over == BootOver::Ipv4);
        if over == BootOver::Ipv6 {
            machine.fw_cfg.push((IPV4_SUPPORT, "n".into()));
        }
    }

    fn boot_by_pxe(&self, machine: &mut MachineSpec, over: BootOver) {
        let wanted = if over == BootOver::Ipv4 { IPV4_PXE } else { IPV6_PXE };
        machine.fw_cfg.retain(|(name, _)| *name != wanted);
    }

    fn is_about_ipv4(&self, line: &str) -> bool {
        let started = line.trim_start();
        ["\"UEFI HTTPv4 ", "\"UEFI PXEv4 "].iter().any(|option| line.contains(option))
            || [">>Start HTTP Boot over IPv4", ">>Start PXE over IPv4"]
                .iter()
                .any(|begin| started.starts_with(begin))
    }

    fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Http
            | Capability::Https
            | Capability::Ipv6
            | Capability::Pxe
            | Capability::RamDisk
            | Capability::SecureBoot => true,
        }
    }

    fn console_sign(&self, line: &str) -> Option<ConsoleSign> {
        let started = line.trim_start();
        if [">>Start HTTP Boot over IP", ">>Start PXE over IP"].iter().any(|begin| started.starts_with(begin))
        {
            return Some(ConsoleSign::AttemptStarted);
        }
        // An exception can interrupt any line. Assertions appear in DEBUG builds only, in two spellings.
        if CRASHES.iter().any(|sign| line.contains(sign)) {
            return Some(ConsoleSign::Crashed);
        }
        // The text comes without a line break after `Downloading...100%`, so it need not begin the line.
        if let Some((_, said)) = line.split_once("BdsDxe: ") {
            return boot_manager_sign(said);
        }
        line.trim_start().starts_with("UEFI Interactive Shell").then_some(ConsoleSign::NothingToBoot)
    }

    fn console_meaning(&self, line: &str) -> Option<&'static str> {
        let said = line.trim_start();
        PHRASES.iter().find(|(phrase, _)| said.starts_with(phrase)).map(|(_, meaning)| *meaning)
    }

    fn enrolment(&self) -> Option<Enrolment> {
        Some(Enrolment::Edk2FwCfg)
    }

    fn longest_timeout_seconds(&self) -> u32 {
        // 60 s for a TCP connection or a TLS handshake; DHCP waits 32 s at most. It speaks between any two of them.
        75
    }
}

/// How an exception or an assertion begins (CpuExceptionHandlerLib, ArmExceptionLib).
const CRASHES: &[&str] = &[
    "!!!! X64 Exception Type",
    "!!!! IA32 Exception Type",
    "Synchronous Exception at 0x",
    "Undefined Instruction Exception PC at 0x",
    "Prefetch Abort Exception PC at 0x",
    "Data Abort Exception PC at 0x",
    "ASSERT_EFI_ERROR (",
    "ASSERT [",
];

/// What HttpBootDxe says, and what it says it for (NetworkPkg/HttpBootDxe/HttpBootClient.c, HttpBootImpl.c). One phrase stands for
/// many causes; which of them it was is on the wire.
const PHRASES: &[(&str, &str)] = &[
    (
        "Error: Could not retrieve NBP file size",
        "neither HEAD nor GET told how long the file is: no connection, no TLS, an error status, no length, or no answer",
    ),
    (
        "Error: Unexpected network error",
        "any failure that has no text of its own; it follows the line that matters",
    ),
    ("Error: Server response timeout", "no offer, no answer or no data within the firmware's own timers"),
    ("Error: Remote boot cancelled", "the transfer was aborted; most often a TLS handshake that failed"),
    (
        "Error: Could not retrieve the host address from DNS server",
        "the name of the boot server was not resolved",
    ),
    ("Error: Could not establish connection with HTTP server", "the server refused access"),
    (
        "Error: Invalid URI address",
        "the boot file is no URL that the firmware can read, or not http and not https",
    ),
    ("Error: Access forbidden, only HTTPS connection is allowed", "the build allows no plain http"),
    ("Error: Could not detect network connection", "the link has no carrier"),
    ("Error: Buffer size is smaller than the requested file", "the file is larger than its announced size"),
    ("Error: Could not allocate I/O buffers", "there is not enough memory for the file"),
    ("Error: Could not register RAM disk", "an ISO or disk image was downloaded and could not be mounted"),
    (
        "HTTP ERROR: Resource Redirected",
        "the server sent the client elsewhere, and this firmware follows no redirect",
    ),
    ("Error: DNS resolution failed", "the name of the boot server was not resolved"),
    ("Error: TCP connection failed", "the server's port could not be reached"),
    (
        "Error: TLS session connection failed",
        "the TLS handshake failed: certificate, version or cipher suite",
    ),
    (
        "Error: TLS configuration failed",
        "the enrolled anchors or cipher suites could not be used, so nothing was sent",
    ),
    (
        "Error: HTTP session initialization failed",
        "no connection came about, for example for want of an answer to SYN",
    ),
];

/// What is left when no network option boots; each starts at once and waits for a person.
const NOT_THE_NETWORK: &[&str] = &["EFI Internal Shell", "UiApp", "BootManagerMenuApp", "EFI Firmware Setup"];

/// `failed to load Boot0001 "UEFI HTTPv4 (MAC:525400123456)" from PciRoot(0x0)/…: Not Found`
fn boot_manager_sign(said: &str) -> Option<ConsoleSign> {
    if said.starts_with("No bootable option") {
        return Some(ConsoleSign::NothingToBoot);
    }
    let (verb, option) = said.split_once(" Boot")?;
    let (number, description) = option.split_once(" \"")?;
    if number.len() != 4 || !number.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let network = description.starts_with("UEFI HTTP") || description.starts_with("UEFI PXE");
    match verb {
        "failed to load" if network && description.contains(": Access Denied") => Some(ConsoleSign::Denied),
        "failed to load" | "failed to start" if network => Some(ConsoleSign::AttemptFailed),
        "starting" if network => Some(ConsoleSign::ImageStarted),
        "loading" | "starting" => {
            let description = description.split('"').next()?;
            NOT_THE_NETWORK.contains(&description).then_some(ConsoleSign::NothingToBoot)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(line: &str) -> Option<ConsoleSign> {
        Edk2.console_sign(line)
    }

    #[test]
    fn the_ip_version_is_chosen_by_what_is_not_loaded() {
        for (over, expected) in [
            (BootOver::Ipv4, vec![IPV6_SUPPORT]),
            (BootOver::Ipv6, vec![IPV4_SUPPORT]),
            (BootOver::Ipv4ThenIpv6, vec![]),
        ] {
            let mut machine = Edk2.machine(Architecture::X64).unwrap();
            Edk2.boot_over(&mut machine, over);
            let off = machine.fw_cfg.iter().filter(|(name, _)| [IPV4_SUPPORT, IPV6_SUPPORT].contains(name));
            assert_eq!(off.map(|(name, _)| *name).collect::<Vec<_>>(), expected, "{over:?}");
        }
        for (version, expected) in [("HTTPv4", true), ("HTTPv6", false)] {
            let line = format!(
                "BdsDxe: failed to load Boot0001 \"UEFI {version} (MAC:525400123456)\" from X: Not Found"
            );
            assert_eq!(
                (Edk2.is_about_ipv4(&line), sign(&line)),
                (expected, Some(ConsoleSign::AttemptFailed))
            );
            let begins = format!(">>Start HTTP Boot over IP{}...", &version[4..]);
            assert_eq!(
                (Edk2.is_about_ipv4(&begins), sign(&begins)),
                (expected, Some(ConsoleSign::AttemptStarted))
            );
        }
    }

    /// From the consoles of 2020.11 and 2026.08.
    #[test]
    fn what_the_boot_manager_says_is_understood() {
        use ConsoleSign::*;
        let option =
            "\"UEFI HTTPv4 (MAC:525400123456)\" from PciRoot(0x0)/Pci(0x1,0x0)/MAC(525400123456,0x1)/Uri()";
        let shell = "\"EFI Internal Shell\" from Fv(7CB8BDC9-F8EB-4F34-AAEA-3EE4AF6516A1)";
        for (line, expected) in [
            (">>Start HTTP Boot over IPv4....".to_owned(), Some(AttemptStarted)),
            (format!("BdsDxe: failed to load Boot0001 {option}: Not Found"), Some(AttemptFailed)),
            (format!("BdsDxe: failed to start Boot000A {option}: Aborted"), Some(AttemptFailed)),
            (format!("  Downloading...100%BdsDxe: loading Boot0002 {option}"), None),
            (format!("BdsDxe: starting Boot0002 {option}"), Some(ImageStarted)),
            (format!("BdsDxe: loading Boot0002 {shell}"), Some(NothingToBoot)),
            ("UEFI Interactive Shell v2.2".to_owned(), Some(NothingToBoot)),
            ("BdsDxe: No bootable option or device was found.".to_owned(), Some(NothingToBoot)),
            ("BdsDxe: failed to load Boot0001 \"UEFI Misc Device\" from PciRoot(0x0)".to_owned(), None),
            (
                "  Downloading...12%!!!! X64 Exception Type - 0D(#GP - General Protection)  CPU Apic ID"
                    .to_owned(),
                Some(Crashed),
            ),
            (
                "ASSERT [HttpBootDxe] /build/HttpBootClient.c(12): Private != ((void *) 0)".to_owned(),
                Some(Crashed),
            ),
            ("ASSERT_EFI_ERROR (Status = Not Found)".to_owned(), Some(Crashed)),
            ("  Error: Server response timeout.".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(sign(&line), expected, "{line:?}");
        }
    }

    #[test]
    fn phrases_are_translated() {
        let said = "  Error: Could not retrieve NBP file size from HTTP server.";
        assert!(Edk2.console_meaning(said).is_some_and(|meaning| meaning.contains("HEAD")));
        assert_eq!(Edk2.console_meaning("  Station IP address is 192.0.2.100"), None);
        assert_eq!(Edk2.console_meaning("  URI: http://x/Error: Unexpected network error"), None);
        // The first phrase that a line begins with is taken, so none may hide another.
        for (at, (phrase, _)) in PHRASES.iter().enumerate() {
            assert!(PHRASES[..at].iter().all(|(before, _)| !phrase.starts_with(before)), "{phrase}");
        }
    }

    /// Both are printed by EDK2 and come from our servers, so from a scenario.
    #[test]
    fn what_a_server_sent_is_not_taken_for_the_boot_manager() {
        for line in [
            "  URI: http://10.0.2.1/>>Start HTTP Boot over IPv4",
            "  New Location: http://10.0.2.1/BdsDxe:%20failed%20to%20load",
            "  URI: http://10.0.2.1/UEFI Interactive Shell",
            "BdsDxe: failed to load Boot",
            "BdsDxe: starting Boot\u{e9}\u{e9} \"UEFI HTTP",
        ] {
            assert_eq!(sign(line), None, "{line:?}");
        }
    }
}
