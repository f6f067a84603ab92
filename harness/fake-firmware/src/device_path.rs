//! The device path of an image that came by HTTP (UEFI 2.11 §10.3.4).

use crate::guest::MAC;
use std::net::{Ipv4Addr, Ipv6Addr};

/// `End Entire Device Path`, which is what `FilePath` holds when the path names the device alone.
pub(crate) const END: [u8; 4] = [0x7f, 0xff, 4, 0];

/// `PciRoot(0x0)/Pci(0x2,0x0)/MAC(…)/IPv4(…)/Uri(…)`.
pub(crate) fn http4(address: Ipv4Addr, router: Option<Ipv4Addr>, mask: Ipv4Addr, url: &str) -> Vec<u8> {
    let router = router.unwrap_or(Ipv4Addr::UNSPECIFIED);
    // Remote address, both ports and protocol stay 0, as EDK2 leaves them; the address is not static.
    let data = [&address.octets()[..], &[0; 4], &[0; 4], &[6, 0], &[0], &router.octets(), &mask.octets()];
    http((3, 12), &data.concat(), url)
}

/// `PciRoot(0x0)/Pci(0x2,0x0)/MAC(…)/IPv6(…)/Uri(…)`.
pub(crate) fn http6(address: Ipv6Addr, router: Option<Ipv6Addr>, prefix: u8, url: &str) -> Vec<u8> {
    let router = router.unwrap_or(Ipv6Addr::UNSPECIFIED);
    // As above; the address is a stateful one.
    let data = [&address.octets()[..], &[0; 16], &[0; 4], &[6, 0], &[2], &[prefix], &router.octets()];
    http((3, 13), &data.concat(), url)
}

fn http((kind, subtype): (u8, u8), interface: &[u8], url: &str) -> Vec<u8> {
    let mut hardware = [0; 33];
    hardware[..6].copy_from_slice(&MAC);
    hardware[32] = 1; // Ethernet
    payload::device_path::of_nodes([
        // ACPI device path: PNP0A03, which UEFI writes PciRoot, unit 0; then function 0 of device 2.
        (2, 1, [0x0a03_41d0_u32.to_le_bytes(), [0; 4]].concat()),
        (1, 1, vec![0, 2]),
        (3, 11, hardware.to_vec()),
        (kind, subtype, interface.to_vec()),
        (3, 24, url.as_bytes().to_vec()),
    ])
}
