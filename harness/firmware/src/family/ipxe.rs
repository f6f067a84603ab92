//! iPXE as an EFI application, started by a firmware of another build that has no network stack of its own here.

use super::edk2::{Edk2, IPV4_SUPPORT, IPV6_SUPPORT};
use super::{Architecture, ConsoleSign, Enrolment, Family, Load, MachineSpec};
use record::Capability;

/// The iPXE family.
pub struct Ipxe;

impl Family for Ipxe {
    fn id(&self) -> &'static str {
        "ipxe"
    }

    fn machine(&self, architecture: Architecture) -> Option<MachineSpec> {
        if !matches!(architecture, Architecture::X64 | Architecture::Aa64) {
            return None;
        }
        Some(MachineSpec {
            load: Load::Kernel,
            // The firmware below has no network stack of its own: it would boot what iPXE does not.
            fw_cfg: vec![(IPV4_SUPPORT, "n".into()), (IPV6_SUPPORT, "n".into())],
            boot_index: false,
            ..Edk2.machine(architecture)?
        })
    }

    fn is_about_ipv4(&self, _: &str) -> bool {
        true
    }

    fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Http | Capability::Https | Capability::Pxe | Capability::Ipv6 => true,
            Capability::RamDisk | Capability::SecureBoot => false,
        }
    }

    fn console_sign(&self, line: &str) -> Option<ConsoleSign> {
        let said = line.trim_start();
        if said.starts_with("Configuring (net") {
            return Some(ConsoleSign::AttemptStarted);
        }
        if said.starts_with("!!!! X64 Exception Type") {
            return Some(ConsoleSign::Crashed);
        }
        // What comes then is the firmware below: its shell, or that it has nothing.
        if said.starts_with("No more network devices") || said.contains("BdsDxe: ") {
            return Some(ConsoleSign::NothingToBoot);
        }
        ["Could not boot: ", "Nothing to boot: "]
            .iter()
            .any(|sign| said.starts_with(sign))
            .then_some(ConsoleSign::AttemptFailed)
    }

    fn console_meaning(&self, line: &str) -> Option<&'static str> {
        PHRASES.iter().find(|(phrase, _)| line.contains(phrase)).map(|(_, meaning)| *meaning)
    }

    fn enrolment(&self) -> Option<Enrolment> {
        // EFI_TLS_CA_CERTIFICATE_VARIABLE, which the firmware below makes.
        Some(Enrolment::OwnByEdk2FwCfg)
    }

    fn longest_timeout_seconds(&self) -> u32 {
        // DHCP waits 10 s, TCP asks for a connection for some 60 s.
        90
    }
}

/// The ends of its error numbers say where in its source, the beginnings what (https://ipxe.org/err).
const PHRASES: &[(&str, &str)] = &[
    ("Nothing to boot: ", "the DHCP answer names neither a file nor a root path"),
    ("Connection reset (", "the server reset the connection"),
    ("Connection timed out (", "no answer in time"),
    ("No such file or directory (", "the server has no such file, or its name was not resolved"),
    ("Operation not supported (", "a scheme or protocol that this build is without"),
    ("Input/output error (", "the answer is no HTTP, or its length is not the one that was announced"),
    ("Exec format error (", "what was downloaded is no image that it can run"),
    ("Permission denied (", "the server's certificate is not trusted, or access was refused"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// From the console of 1.0.0+git-20190125.
    #[test]
    fn what_it_says_is_understood() {
        use ConsoleSign::*;
        for (line, expected) in [
            ("Configuring (net0 52:54:00:12:34:56)...... ok", Some(AttemptStarted)),
            ("http://192.0.2.1/boot.efi... ok", None),
            ("http://192.0.2.1/No%20more%20network%20devices... ok", None),
            ("Could not boot: Connection reset (http://ipxe.org/0f0a6039)", Some(AttemptFailed)),
            ("No more network devices", Some(NothingToBoot)),
            ("BdsDxe: No bootable option or device was found.", Some(NothingToBoot)),
        ] {
            assert_eq!(Ipxe.console_sign(line), expected, "{line:?}");
        }
    }
}
