//! One line for people about an Ethernet frame.
//!
//! The frame is hostile: the line is printable ASCII, at most [`LINE_MAX`] characters, and comes for every input.

mod dhcp4;
mod dhcp6;
mod dns;
mod icmp;
mod tcp;
mod text;

use etherparse::{ArpOperation, EtherType, LaxLinkExtSlice, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use std::net::{IpAddr, Ipv4Addr};
use text::{bounded, mac};

/// Longest line, in characters.
pub const LINE_MAX: usize = 120;

/// The IEEE's local experimental ethertype, on which the payload announces itself.
const PROOF: EtherType = EtherType(0x88b5);
/// RARP (RFC 903): QEMU announces a restored network card with it.
const RARP: EtherType = EtherType(0x8035);

/// Describes `frame` (Ethernet without FCS).
pub fn line(frame: &[u8]) -> String {
    bounded(&describe(frame), LINE_MAX)
}

fn describe(frame: &[u8]) -> String {
    let Ok(packet) = LaxSlicedPacket::from_ethernet(frame) else {
        return format!("malformed: {} bytes are no Ethernet frame", frame.len());
    };
    let mut line = String::new();
    for tag in &packet.link_exts {
        match tag {
            LaxLinkExtSlice::Vlan(vlan) => {
                line.push_str(&format!("VLAN {} ", vlan.vlan_identifier().value()));
            }
            LaxLinkExtSlice::Macsec(_) => line.push_str("MACsec "),
        }
    }
    line.push_str(&match (&packet.net, &packet.transport) {
        (Some(LaxNetSlice::Arp(_)), _) => arp(&packet),
        (Some(net), Some(transport)) => network(net, transport),
        (Some(net), None) => datagram(net),
        (None, _) => link(&packet),
    });
    if let Some((_, layer)) = &packet.stop_err {
        line.push_str(&format!(" (malformed {layer})"));
    } else if packet.ip_payload().is_some_and(|payload| payload.incomplete) {
        line.push_str(" (cut short)");
    }
    line
}

fn arp(packet: &LaxSlicedPacket<'_>) -> String {
    let Some(LaxNetSlice::Arp(arp)) = &packet.net else { return String::new() };
    let addresses = (
        <[u8; 4]>::try_from(arp.sender_protocol_addr()),
        <[u8; 4]>::try_from(arp.target_protocol_addr()),
        <[u8; 6]>::try_from(arp.sender_hw_addr()),
    );
    let (Ok(sender), Ok(target), Ok(hardware)) = addresses else {
        return format!("ARP operation {} with odd addresses", arp.operation().0);
    };
    let (sender, target) = (Ipv4Addr::from(sender), Ipv4Addr::from(target));
    match arp.operation() {
        ArpOperation::REQUEST if sender == target => format!("ARP announces {sender} at {}", mac(hardware)),
        ArpOperation::REQUEST if sender.is_unspecified() => format!("ARP probes {target}"),
        ArpOperation::REQUEST => format!("ARP who-has {target} tell {sender}"),
        ArpOperation::REPLY => format!("ARP {sender} is-at {}", mac(hardware)),
        operation => format!("ARP operation {} {sender} to {target}", operation.0),
    }
}

fn addresses(net: &LaxNetSlice<'_>) -> Option<(IpAddr, IpAddr)> {
    match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            Some((header.source_addr().into(), header.destination_addr().into()))
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            Some((header.source_addr().into(), header.destination_addr().into()))
        }
        LaxNetSlice::Arp(_) => None,
    }
}

fn network(net: &LaxNetSlice<'_>, transport: &TransportSlice<'_>) -> String {
    let Some((source, destination)) = addresses(net) else { return String::new() };
    match transport {
        TransportSlice::Tcp(segment) => tcp::describe(source, destination, segment),
        TransportSlice::Udp(datagram) => {
            let (from, to) = (datagram.source_port(), datagram.destination_port());
            let payload = datagram.payload();
            match (from, to) {
                (67 | 68, 67 | 68) => dhcp4::describe(payload),
                (546 | 547, 546 | 547) => dhcp6::describe(payload),
                (53, _) | (_, 53) => dns::describe(payload),
                _ => format!(
                    "UDP {} > {} len {}",
                    tcp::endpoint(source, from),
                    tcp::endpoint(destination, to),
                    payload.len()
                ),
            }
        }
        TransportSlice::Icmpv4(message) => format!("{source} > {destination} {}", icmp::v4(message)),
        TransportSlice::Icmpv6(message) => format!("{source} > {destination} {}", icmp::v6(message)),
        TransportSlice::Igmp(_) => format!("{source} > {destination} IGMP"),
    }
}

/// IP without a transport that could be read: a fragment, an unknown protocol, or a broken header.
fn datagram(net: &LaxNetSlice<'_>) -> String {
    let Some((source, destination)) = addresses(net) else { return String::new() };
    let Some(payload) = net.ip_payload_ref() else { return String::new() };
    let version = if source.is_ipv4() { "IPv4" } else { "IPv6" };
    let fragment = if payload.fragmented { " fragment" } else { "" };
    format!(
        "{version}{fragment} {source} > {destination} protocol {} len {}",
        payload.ip_number.0,
        payload.payload.len()
    )
}

fn link(packet: &LaxSlicedPacket<'_>) -> String {
    let Some(payload) = packet.ether_payload() else { return "Ethernet without payload".into() };
    let length = payload.payload.len();
    match payload.ether_type {
        PROOF => format!("proof of execution, {length} bytes"),
        RARP => "RARP announcement".into(),
        EtherType(kind @ 0..=1500) => format!("IEEE 802.3 frame, length field {kind}, {length} bytes"),
        // Their parser stopped at once: stop_err, added by the caller, says where.
        EtherType::IPV4 => "IPv4".into(),
        EtherType::IPV6 => "IPv6".into(),
        EtherType::ARP => "ARP".into(),
        kind => format!("ethertype 0x{:04x}, {length} bytes", kind.0),
    }
}

#[cfg(test)]
mod tests;
