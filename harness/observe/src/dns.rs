//! DNS over UDP (RFC 1035).

use crate::journal::Journal;
use record::Event;
use simple_dns::rdata::RData;
use simple_dns::{Packet, RCODE};
use std::net::IpAddr;

/// Takes a message to or from a DNS server.
pub fn take(payload: &[u8], server: IpAddr, from_client: bool, journal: &mut Journal) {
    let Ok(packet) = Packet::parse(payload) else { return };
    let Some(question) = packet.questions.first() else { return };
    let name = question.qname.to_string();
    let kind = format!("{:?}", question.qtype).trim_start_matches("TYPE(").trim_end_matches(')').to_owned();
    if from_client {
        journal.add(Event::DnsQuery { server, name, kind, tcp: false });
        return;
    }
    let answers = packet.answers.iter().map(|record| {
        let owner = &record.name;
        match &record.rdata {
            RData::A(address) => format!("{owner} A {}", std::net::Ipv4Addr::from(address.address)),
            RData::AAAA(address) => format!("{owner} AAAA {}", std::net::Ipv6Addr::from(address.address)),
            RData::CNAME(name) => format!("{owner} CNAME {}", name.0),
            other => format!("{owner} {:?}", other.type_code()),
        }
    });
    let rcode = match packet.rcode() {
        RCODE::NoError => "NOERROR".to_owned(),
        RCODE::NameError => "NXDOMAIN".to_owned(),
        RCODE::ServerFailure => "SERVFAIL".to_owned(),
        RCODE::FormatError => "FORMERR".to_owned(),
        RCODE::Refused => "REFUSED".to_owned(),
        RCODE::NotImplemented => "NOTIMP".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    };
    journal.add(Event::DnsAnswer {
        server,
        name,
        kind,
        rcode,
        answers: answers.collect(),
        truncated: packet.has_flags(simple_dns::PacketFlag::TRUNCATION),
        note: None,
    });
}
