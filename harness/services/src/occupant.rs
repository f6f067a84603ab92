//! Another host with the address that the guest is to have: it answers every ARP request for it (RFC 826, RFC 5227 §2.1.1).

use crate::address::NEIGHBOR_MAC;
use etherparse::{ArpOperation, NetSlice, PacketBuilder, SlicedPacket};
use std::net::Ipv4Addr;

#[derive(Debug)]
pub(crate) struct Occupant(pub(crate) Ipv4Addr);

impl Occupant {
    /// Its answer, if the frame asks for its address.
    pub(crate) fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let packet = SlicedPacket::from_ethernet(frame).ok()?;
        let Some(NetSlice::Arp(arp)) = &packet.net else { return None };
        let own = self.0.octets();
        let is_request = arp.operation() == ArpOperation::REQUEST && arp.target_protocol_addr() == own;
        let (hardware, protocol) = (arp.sender_hw_addr(), arp.sender_protocol_addr());
        let (to, asker): ([u8; 6], [u8; 4]) = (hardware.try_into().ok()?, protocol.try_into().ok()?);
        if !is_request {
            return None;
        }
        let reply = etherparse::ArpEthIpv4Packet {
            operation: ArpOperation::REPLY,
            sender_mac: NEIGHBOR_MAC,
            sender_ipv4: own,
            target_mac: to,
            target_ipv4: asker,
        };
        let mut out = Vec::new();
        PacketBuilder::ethernet2(NEIGHBOR_MAC, to).arp(reply.into()).write(&mut out).ok()?;
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: [u8; 4], operation: ArpOperation) -> Vec<u8> {
        let ask = etherparse::ArpEthIpv4Packet {
            operation,
            sender_mac: [2; 6],
            sender_ipv4: [0; 4],
            target_mac: [0; 6],
            target_ipv4: target,
        };
        let mut out = Vec::new();
        PacketBuilder::ethernet2([2; 6], [0xff; 6]).arp(ask.into()).write(&mut out).expect("memory");
        out
    }

    #[test]
    fn it_answers_for_its_address_only() {
        let occupant = Occupant(Ipv4Addr::new(192, 0, 2, 100));
        let answer = occupant.answer(&request([192, 0, 2, 100], ArpOperation::REQUEST)).expect("an answer");
        let packet = SlicedPacket::from_ethernet(&answer).expect("a frame");
        let Some(NetSlice::Arp(arp)) = packet.net else { panic!("ARP") };
        assert_eq!((arp.operation(), arp.sender_hw_addr()), (ArpOperation::REPLY, &NEIGHBOR_MAC[..]));
        assert_eq!((arp.sender_protocol_addr(), &answer[..6]), (&[192, 0, 2, 100][..], &[2; 6][..]));
        assert!(occupant.answer(&request([192, 0, 2, 1], ArpOperation::REQUEST)).is_none());
        assert!(occupant.answer(&request([192, 0, 2, 100], ArpOperation::REPLY)).is_none());
        assert!(occupant.answer(&[0; 60]).is_none());
    }
}
