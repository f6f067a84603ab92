//! DHCP messages as a client sends them, written here and not by the code under test.

use etherparse::PacketBuilder;
use services::address;
use std::net::Ipv4Addr;

/// What a client puts into a message. The default is EDK2's DISCOVER with few options.
#[derive(Clone, Debug)]
pub struct Client {
    pub op: u8,
    pub htype: u8,
    pub hlen: u8,
    pub xid: u32,
    pub flags: u16,
    pub ciaddr: Ipv4Addr,
    pub giaddr: Ipv4Addr,
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Client {
    pub fn new(kind: u8) -> Self {
        Self {
            op: 1,
            htype: 1,
            hlen: 6,
            xid: 0x1234_5678,
            flags: 0x8000,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            giaddr: Ipv4Addr::UNSPECIFIED,
            options: vec![
                (53, vec![kind]),
                (60, b"HTTPClient:Arch:00016:UNDI:003001".to_vec()),
                (93, vec![0, 16]),
            ],
        }
    }

    pub fn with(mut self, code: u8, value: impl Into<Vec<u8>>) -> Self {
        self.options.push((code, value.into()));
        self
    }

    pub fn payload(&self) -> Vec<u8> {
        let mut bytes = vec![self.op, self.htype, self.hlen, 0];
        bytes.extend(self.xid.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.flags.to_be_bytes());
        bytes.extend(self.ciaddr.octets());
        bytes.extend([0; 8]);
        bytes.extend(self.giaddr.octets());
        bytes.extend(address::GUEST_MAC);
        bytes.extend([0; 10 + 64 + 128]);
        bytes.extend([0x63, 0x82, 0x53, 0x63]);
        for (code, value) in &self.options {
            bytes.extend([*code, value.len() as u8]);
            bytes.extend(value);
        }
        bytes.push(255);
        bytes
    }

    /// The broadcast frame with this message.
    pub fn frame(&self) -> Vec<u8> {
        datagram([0xff; 6], Ipv4Addr::BROADCAST, 67, &self.payload())
    }
}

/// A UDP frame from a port of a guest that has its address.
pub fn unicast(port: u16, (to, to_port): (Ipv4Addr, u16), payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(address::GUEST_MAC, address::SERVER_MAC)
        .ipv4(address::GUEST4.octets(), to.octets(), 64)
        .udp(port, to_port)
        .write(&mut frame, payload)
        .unwrap();
    frame
}

/// A UDP frame from the guest's DHCP client port.
pub fn datagram(to_mac: [u8; 6], to: Ipv4Addr, port: u16, payload: &[u8]) -> Vec<u8> {
    let builder =
        PacketBuilder::ethernet2(address::GUEST_MAC, to_mac).ipv4([0; 4], to.octets(), 64).udp(68, port);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}
