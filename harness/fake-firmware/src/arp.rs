//! ARP probes (RFC 5227 §2.1.1); everything else of ARP is the stack's.

use crate::guest::MAC;
use etherparse::{ArpEthIpv4Packet, ArpOperation, NetSlice, PacketBuilder, SlicedPacket};
use std::net::Ipv4Addr;

/// Who has `address`?
pub(crate) fn probe(address: Ipv4Addr) -> Vec<u8> {
    let packet = ArpEthIpv4Packet {
        operation: ArpOperation::REQUEST,
        sender_mac: MAC,
        sender_ipv4: [0; 4],
        target_mac: [0; 6],
        target_ipv4: address.octets(),
    };
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(MAC, [0xff; 6])
        .arp(packet.into())
        .write(&mut frame)
        .expect("a Vec takes everything that is written to it");
    frame
}

/// Whether another host says that it has `address`.
pub(crate) fn is_of(frame: &[u8], address: Ipv4Addr) -> bool {
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else { return false };
    matches!(&packet.net, Some(NetSlice::Arp(arp)) if arp.sender_protocol_addr() == address.octets())
}
