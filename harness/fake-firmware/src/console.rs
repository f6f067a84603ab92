//! What the client prints: EDK2's words, in the order in which its boot manager and HttpBootDxe print them on a serial
//! line (compared with OVMF 2020.11 and 2026.08 without a DHCP server).

use std::net::{Ipv4Addr, Ipv6Addr};

/// Versions of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V6,
}

/// How EDK2 names its network boot options here.
const OPTION: &str = "Boot0001 \"UEFI HTTPv4 (MAC:525400123456)\" from PciRoot(0x0)/Pci(0x2,0x0)/MAC(525400123456,0x1)\
                      /IPv4(0.0.0.0,0x0,DHCP,0.0.0.0,0.0.0.0,0.0.0.0)/Uri()";
const OPTION6: &str = "Boot0002 \"UEFI HTTPv6 (MAC:525400123456)\" from PciRoot(0x0)/Pci(0x2,0x0)/MAC(525400123456,0x1)\
                       /IPv6(0000:0000:0000:0000:0000:0000:0000:0000,0x0,Static,0000:0000:0000:0000:0000:0000:0000:0000,\
                       0x40,0000:0000:0000:0000:0000:0000:0000:0000)/Uri()";

impl Version {
    fn option(self) -> &'static str {
        match self {
            Self::V4 => OPTION,
            Self::V6 => OPTION6,
        }
    }
}

/// Clears the screen, as at each power-on.
pub(crate) const CLEAR: &str = "\x1b[2J\x1b[01;01H\x1b[=3h\x1b[2J\x1b[01;01H\x1b[0m\x1b[37m\x1b[40m";

/// Printed without a line end; dots follow.
pub(crate) fn start(version: Version) -> &'static str {
    match version {
        Version::V4 => "\r\n>>Start HTTP Boot over IPv4.",
        Version::V6 => "\r\n>>Start HTTP Boot over IPv6.",
    }
}

pub(crate) fn station(address: Ipv4Addr) -> String {
    format!("\r\n  Station IP address is {address}\r\n")
}

pub(crate) fn station6(address: Ipv6Addr) -> String {
    let groups = address.segments().map(|group| format!("{group:X}")).join(":");
    format!("\r\n  Station IPv6 address is {groups}\r\n")
}

pub(crate) fn uri(url: &str) -> String {
    format!("\r\n  URI: {url}\r\n")
}

pub(crate) fn downloaded(size: usize) -> String {
    format!("  File Size: {size} Bytes\r\n\r  Downloading...100%\r\n")
}

/// The boot manager has an image in memory and starts it.
pub(crate) fn starting(version: Version) -> String {
    let option = version.option();
    format!("BdsDxe: loading {option}\r\nBdsDxe: starting {option}\r\n")
}

pub(crate) fn failed_to_load(version: Version, status: &str) -> String {
    format!("BdsDxe: failed to load {}: {status}\r\n", version.option())
}

pub(crate) fn failed_to_start(version: Version, status: &str) -> String {
    format!("BdsDxe: failed to start {}: {status}\r\n", version.option())
}

/// The end of every boot order.
pub(crate) const NOTHING: &str = "BdsDxe: No bootable option or device was found.\r\n\
                                  BdsDxe: Press any key to enter the Boot Manager Menu.\r\n";

pub(crate) fn http_status(status: u16, reason: &str) -> String {
    let class = match status {
        300..=399 => "Redirection",
        400..=499 => "Client Error",
        _ => "Server Error",
    };
    format!("\r\n  {class}: {status} {reason}\r\n")
}

pub(crate) fn redirected(location: &str) -> String {
    format!("\r\n  HTTP ERROR: Resource Redirected.\r\n  New Location: {location}\r\n")
}

/// The size of the file is what EDK2 asks for first, so any failure of the network begins with this.
pub(crate) const NO_SIZE: &str = "Could not retrieve NBP file size from HTTP server.";
pub(crate) const TIMEOUT: &str = "Server response timeout.";
pub(crate) const NAME: &str = "Could not retrieve the host address from DNS server.";
/// Since 2026.05, with a status that depends.
pub(crate) const TLS: &str = "TLS session connection failed - Aborted.";
pub(crate) const DEVICE: &str = "Network device error.";
pub(crate) const UNEXPECTED: &str = "Unexpected network error.";

pub(crate) fn error(text: &str) -> String {
    format!("\r\n  Error: {text}\r\n")
}

/// What `DumpCpuContext` prints, the registers shortened.
pub(crate) const EXCEPTION: &str = "!!!! X64 Exception Type - 0D(#GP - General Protection)  CPU Apic ID - 00000000 !!!!\r\n\
     ExceptionData - 0000000000000000\r\n\
     RIP  - 000000000E5F1C3A, CS  - 0000000000000038, RFLAGS - 0000000000210246\r\n\
     RAX  - AFAFAFAFAFAFAFAF, RCX - 000000000E60A018, RDX - 0000000000000001\r\n\
     !!!! Find image based on IP(0xE5F1C3A) (No PDB)  (ImageBase=000000000E5EE000, EntryPoint=000000000E5F0B10) !!!!\r\n";
