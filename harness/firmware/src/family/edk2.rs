//! EDK2: OVMF and its relatives.

use super::{Architecture, ConsoleSign, Family, MachineSpec};
use record::Capability;

/// The EDK2 family.
pub struct Edk2;

impl Family for Edk2 {
    fn id(&self) -> &'static str {
        "edk2"
    }

    fn machine(&self, architecture: Architecture) -> Option<MachineSpec> {
        match architecture {
            Architecture::X64 => Some(MachineSpec {
                program: "qemu-system-x86_64",
                machine: "q35",
                // RDRAND: builds since 2024.05 create no network boot option without a source of entropy.
                cpu: "max",
                memory_mib: 256,
                fw_cfg: vec![
                    // PXE options come before HTTP options and would cost a minute each.
                    ("opt/org.tianocore/IPv4PXESupport", "n".into()),
                    ("opt/org.tianocore/IPv6PXESupport", "n".into()),
                    // No IPv6 on the simulated link yet; 2020.11 does not know the key and tries it after IPv4.
                    ("opt/org.tianocore/IPv6Support", "n".into()),
                ],
            }),
        }
    }

    fn has(&self, capability: Capability) -> bool {
        match capability {
            Capability::Http | Capability::Https => true,
        }
    }

    fn console_sign(&self, line: &str) -> Option<ConsoleSign> {
        if line.contains(">>Start HTTP Boot") {
            Some(ConsoleSign::AttemptStarted)
        } else if line.contains("BdsDxe: failed to ") && line.contains("\"UEFI HTTP") {
            Some(ConsoleSign::AttemptFailed)
        } else if line.contains("BdsDxe: starting ") && line.contains("\"UEFI HTTP") {
            Some(ConsoleSign::ImageStarted)
        } else if line.contains("BdsDxe: No bootable option") || line.contains("UEFI Interactive Shell") {
            Some(ConsoleSign::NothingToBoot)
        } else if line.contains("!!!! X64 Exception Type") || line.contains("ASSERT_EFI_ERROR") {
            Some(ConsoleSign::Crashed)
        } else {
            None
        }
    }

    fn longest_timeout_seconds(&self) -> u32 {
        // A black-holed SYN: 60 s for HEAD and 60 s for GET; 150 leaves room for retries before them.
        150
    }
}
