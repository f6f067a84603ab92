//! What the DNS server answers (RFC 1034 §4.3.2, RFC 1035 §4.1).

use super::message::{IN, Query, kind, written_out};
use super::{Chain, Extra, Mismatch, Names, Rcode, Settings};
use record::Event;
use std::net::IpAddr;

/// Flags of RFC 1035 §4.1.1.
const RESPONSE: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const RECURSION_AVAILABLE: u16 = 0x0080;

/// The name in the question section is always here.
const QUESTION: u16 = 12;

/// A record of an answer, and its line for people.
struct Record {
    owner: String,
    kind: u16,
    data: Data,
}

enum Data {
    Plain(Vec<u8>),
    Name(String),
}

impl Settings {
    /// The answer to a query at an address of ours, and its event.
    pub(super) fn respond(&self, query: &Query, server: IpAddr, truncated: bool) -> (Vec<u8>, Event) {
        let (rcode, mut records) = self.answer(query);
        if truncated {
            records.clear();
        }
        let event = Event::DnsAnswer {
            server,
            name: query.name.clone(),
            kind: type_name(query.kind),
            rcode: rcode.name().into(),
            answers: records.iter().map(Record::line).collect(),
            truncated,
            note: self.mismatch.map(|kind| kind.fault().to_owned()),
        };
        (self.write(query, rcode, &records, truncated), event)
    }

    fn answer(&self, query: &Query) -> (Rcode, Vec<Record>) {
        let names: Vec<&String> = std::iter::once(&self.name).chain(&self.cname).collect();
        let Some(at) = names.iter().position(|name| name.eq_ignore_ascii_case(&query.name)) else {
            return (Rcode::NxDomain, Vec::new());
        };
        if query.class != IN || self.rcode != Rcode::NoError {
            return (self.rcode, Vec::new());
        }
        let chain: Vec<Record> = names[at..]
            .windows(2)
            .map(|pair| Record {
                owner: pair[0].clone(),
                kind: kind::CNAME,
                data: Data::Name(pair[1].clone()),
            })
            .collect();
        if query.kind == kind::CNAME || (self.chain == Chain::OneName && !chain.is_empty()) {
            return (Rcode::NoError, chain.into_iter().take(1).collect());
        }
        let owner = names.last().map_or_else(String::new, |name| (*name).clone());
        let record = |kind, data| Record { owner: owner.clone(), kind, data: Data::Plain(data) };
        let swapped = |kind| query.kind == kind || query.kind == kind::ANY;
        let (a, aaaa) = match self.crossed {
            true => (swapped(kind::AAAA), swapped(kind::A)),
            false => (swapped(kind::A), swapped(kind::AAAA)),
        };
        let mut addresses = Vec::new();
        if a || aaaa {
            addresses.extend(self.extra.iter().map(|extra| record(extra.kind(), extra.data(query.kind))));
        }
        if a {
            addresses.extend(self.a.iter().map(|address| record(kind::A, address.octets().into())));
        }
        if aaaa {
            addresses.extend(self.aaaa.iter().map(|address| record(kind::AAAA, address.octets().into())));
        }
        let records = match self.chain {
            Chain::AddressesFirst => addresses.into_iter().chain(chain).collect(),
            _ => chain.into_iter().chain(addresses).collect(),
        };
        (Rcode::NoError, records)
    }

    fn write(&self, query: &Query, rcode: Rcode, records: &[Record], truncated: bool) -> Vec<u8> {
        let is = |kind| self.mismatch == Some(kind);
        let mut flags = query.flags & RECURSION_DESIRED | RECURSION_AVAILABLE | rcode as u16;
        flags |= if is(Mismatch::Query) { 0 } else { RESPONSE };
        flags |= if truncated { TRUNCATED } else { 0 };
        let id = query.id.wrapping_add(u16::from(is(Mismatch::Id)));
        let count = u16::try_from(records.len()).unwrap_or(u16::MAX);
        let mut bytes = Vec::new();
        for word in [id, flags, 1, count, 0, 0] {
            bytes.extend(word.to_be_bytes());
        }
        let mut question = query.question.clone();
        if is(Mismatch::Question) && question.len() > 5 {
            // Another letter of its first label: the same length, another name.
            question[1] = if question[1] == b'x' { b'y' } else { b'x' };
        }
        bytes.extend(&question);
        let mut known = vec![(query.name.to_ascii_lowercase(), QUESTION)];
        for record in records {
            self.write_name(&record.owner, &mut known, &mut bytes);
            for word in [record.kind, IN] {
                bytes.extend(word.to_be_bytes());
            }
            bytes.extend(self.ttl_seconds.to_be_bytes());
            let length_at = bytes.len();
            bytes.extend([0; 2]);
            match &record.data {
                Data::Plain(data) => bytes.extend(data),
                Data::Name(name) => self.write_name(name, &mut known, &mut bytes),
            }
            let length = u16::try_from(bytes.len() - length_at - 2).unwrap_or(u16::MAX);
            bytes[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
        }
        bytes
    }

    /// Writes a name, as a pointer if it stands somewhere already.
    fn write_name(&self, name: &str, known: &mut Vec<(String, u16)>, bytes: &mut Vec<u8>) {
        let lower = name.to_ascii_lowercase();
        let at = known.iter().find(|(other, _)| *other == lower).map(|(_, at)| *at);
        match at.filter(|_| self.names == Names::Compressed) {
            Some(at) => bytes.extend((0xc000 | at).to_be_bytes()),
            None => {
                if let Ok(at @ ..0x4000) = u16::try_from(bytes.len()) {
                    known.push((lower, at));
                }
                bytes.extend(written_out(name));
            }
        }
    }
}

/// Bytes of the longest answer that the settings give.
pub(super) fn longest(settings: &Settings) -> usize {
    let length = |asked: u16| {
        let mut question = written_out(&settings.name);
        question.extend([0; 4]);
        let query = Query { id: 0, flags: 0, name: settings.name.clone(), kind: asked, class: IN, question };
        let (rcode, records) = settings.answer(&query);
        settings.write(&query, rcode, &records, false).len()
    };
    [kind::A, kind::AAAA, kind::ANY].into_iter().map(length).max().unwrap_or_default()
}

impl Query {
    /// What is asked, at one of our addresses.
    pub(super) fn event(&self, server: IpAddr, tcp: bool) -> Event {
        Event::DnsQuery { server, name: self.name.clone(), kind: type_name(self.kind), tcp }
    }
}

impl Record {
    /// The record for people: `boot.example.com AAAA 2001:db8::1`.
    fn line(&self) -> String {
        let data = match &self.data {
            Data::Name(name) => name.clone(),
            Data::Plain(data) => {
                let v4 = data.as_array::<4>().filter(|_| self.kind == kind::A).map(|a| IpAddr::from(*a));
                let v6 = data.as_array::<16>().filter(|_| self.kind == kind::AAAA).map(|a| IpAddr::from(*a));
                v4.or(v6).map_or_else(|| format!("{} bytes", data.len()), |address| address.to_string())
            }
        };
        format!("{} {} {data}", self.owner, type_name(self.kind))
    }
}

impl Extra {
    fn kind(self) -> u16 {
        match self {
            Self::Rrsig => kind::RRSIG,
            Self::Https => kind::HTTPS,
            Self::Txt => kind::TXT,
            Self::Private => kind::PRIVATE,
        }
    }

    fn data(self, covered: u16) -> Vec<u8> {
        match self {
            Self::Rrsig => {
                // Type covered, algorithm 13, three labels, times, key tag, the root as signer, and a signature.
                let mut data = covered.to_be_bytes().to_vec();
                data.extend([13, 3]);
                data.extend([0; 14]);
                data.extend([0; 2]);
                data.push(0);
                data.extend([0xa5; 64]);
                data
            }
            // Priority 1, the owner itself as target, alpn=http/1.1.
            Self::Https => [&[0, 1, 0, 0, 1, 0, 9, 8], b"http/1.1".as_slice()].concat(),
            Self::Txt => [&[5], b"hello".as_slice()].concat(),
            Self::Private => vec![0xa5; 4],
        }
    }
}

impl Rcode {
    fn name(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::FormErr => "FORMERR",
            Self::ServFail => "SERVFAIL",
            Self::NxDomain => "NXDOMAIN",
            Self::NotImp => "NOTIMP",
            Self::Refused => "REFUSED",
        }
    }
}

impl Mismatch {
    fn fault(self) -> &'static str {
        match self {
            Self::Id => "another id than the query's",
            Self::SourcePort => "from port 54",
            Self::DestinationPort => "to another port than the query's",
            Self::Question => "another question than the query's",
            Self::Query => "without the bit that makes it a response",
        }
    }
}

fn type_name(kind: u16) -> String {
    match kind {
        kind::A => "A".into(),
        kind::CNAME => "CNAME".into(),
        kind::TXT => "TXT".into(),
        kind::AAAA => "AAAA".into(),
        kind::RRSIG => "RRSIG".into(),
        kind::HTTPS => "HTTPS".into(),
        kind::ANY => "ANY".into(),
        other => format!("TYPE{other}"),
    }
}
