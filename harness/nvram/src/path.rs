//! Device paths of boot options for the network (UEFI 2.11 §10.3.4).

use std::net::Ipv4Addr;

/// What a path says of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The client's address if it is static; 0.0.0.0 if DHCP assigns it.
    pub address: Ipv4Addr,
    /// Subnet mask.
    pub mask: Ipv4Addr,
    /// Gateway.
    pub gateway: Ipv4Addr,
}

impl Network {
    /// Everything from DHCP.
    pub const DHCP: Self =
        Self { address: Ipv4Addr::UNSPECIFIED, mask: Ipv4Addr::UNSPECIFIED, gateway: Ipv4Addr::UNSPECIFIED };
}

/// A node of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// The first PCI root bridge.
    PciRoot,
    /// A device, function 0, on its bus.
    Pci(u8),
    /// An Ethernet card.
    Mac([u8; 6]),
    /// IPv4.
    Ipv4(Network),
    /// A URI; without a NUL, as EDK2 itself writes it.
    Uri(String),
}

impl Node {
    fn parts(&self) -> (u8, u8, Vec<u8>) {
        match self {
            // PNP0A03, unit 0.
            Self::PciRoot => (2, 1, [0x0a03_41d0_u32.to_le_bytes(), [0; 4]].concat()),
            Self::Pci(device) => (1, 1, vec![0, *device]),
            Self::Mac(mac) => {
                let mut hardware = [0; 33];
                hardware[..6].copy_from_slice(mac);
                hardware[32] = 1; // Ethernet
                (3, 11, hardware.to_vec())
            }
            Self::Ipv4(Network { address, mask, gateway }) => {
                let is_static = u8::from(!address.is_unspecified());
                // Remote address, both ports and protocol stay 0, as EDK2 leaves them.
                let (local, gateway, mask) = (address.octets(), gateway.octets(), mask.octets());
                (3, 12, [&local[..], &[0; 4], &[0; 4], &[0; 2], &[is_static], &gateway, &mask].concat())
            }
            Self::Uri(uri) => (3, 24, uri.as_bytes().to_vec()),
        }
    }
}

/// The path of these nodes.
pub fn device_path(nodes: &[Node]) -> Vec<u8> {
    payload::device_path::of_nodes(nodes.iter().map(Node::parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_as_the_firmware_writes_them() {
        let full = [
            Node::PciRoot,
            Node::Pci(2),
            Node::Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
            Node::Ipv4(Network::DHCP),
            Node::Uri("http://192.0.2.1/boot.efi".into()),
        ];
        let fixed = Network {
            address: Ipv4Addr::new(192, 0, 2, 50),
            mask: Ipv4Addr::new(255, 255, 255, 0),
            gateway: Ipv4Addr::new(192, 0, 2, 1),
        };
        let text = |nodes: &[Node]| payload::device_path::to_text(&device_path(nodes));
        insta::assert_debug_snapshot!([
            text(&full),
            text(&[Node::Uri("https://boot.example.test/".into())]),
            text(&[Node::Mac([2; 6]), Node::Ipv4(fixed), Node::Uri(String::new())]),
            text(&[]),
        ]);
    }
}
