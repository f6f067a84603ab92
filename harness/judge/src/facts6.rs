//! What a timeline says of IPv6 below TCP, and of names: duplicate address detection, routers, DHCPv6, DNS.

use record::{Dhcp6Message, Event};
use std::net::Ipv6Addr;

/// A router's word (RFC 4861 §4.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advertisement<'a> {
    pub managed: bool,
    pub other: bool,
    pub malformed: Option<&'a str>,
}

/// What a client asked a DHCPv6 server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub message: Dhcp6Message,
    pub xid: u32,
    /// Whether it says that it boots by HTTP. Firmware may have another client beside that one, for its own addresses.
    pub http: bool,
    /// Why it stayed without an answer, if a server was there and the scenario says so.
    pub unanswered: Option<&'a str>,
}

/// What a DHCPv6 server said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    pub message: Dhcp6Message,
    pub xid: u32,
    pub addresses: &'a [Ipv6Addr],
    pub status: Option<&'a str>,
    pub bootfile: Option<&'a str>,
    pub vendor_class: Option<&'a str>,
}

/// A question to the DNS server, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a> {
    pub name: &'a str,
    pub kind: &'a str,
    pub answer: Option<Answer<'a>>,
}

/// A DNS server's answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub rcode: &'a str,
    pub answers: &'a [String],
    pub note: Option<&'a str>,
}

/// What happened below TCP, in order.
#[derive(Debug, Default)]
pub(crate) struct Facts6<'a> {
    /// Tentative addresses, and whether somebody objected.
    pub probes: Vec<(Ipv6Addr, bool)>,
    pub router_solicitations: usize,
    pub advertisements: Vec<Advertisement<'a>>,
    /// Our addresses that were asked for in vain.
    pub neighbors_unanswered: Vec<Ipv6Addr>,
    pub asked: Vec<Asked<'a>>,
    pub told: Vec<Told<'a>>,
    pub queries: Vec<Query<'a>>,
}

impl<'a> Facts6<'a> {
    /// Takes an event in order; whether it is an answer of ours, after which a client may know that it cannot go on.
    pub fn take(&mut self, event: &'a Event) -> bool {
        match event {
            Event::DadProbe { target, taken } => {
                self.probes.push((*target, *taken));
                return *taken;
            }
            Event::NeighborUnanswered { target, .. } => self.neighbors_unanswered.push(*target),
            Event::RouterSolicited { .. } => self.router_solicitations += 1,
            Event::RouterAdvertised { managed, other, malformed, .. } => {
                self.advertisements.push(Advertisement {
                    managed: *managed,
                    other: *other,
                    malformed: malformed.as_deref(),
                });
                return true;
            }
            Event::Dhcp6Received { message, xid, vendor_class, .. } => {
                let http = vendor_class.as_deref().is_some_and(|class| class.starts_with("HTTPClient"));
                self.asked.push(Asked { message: *message, xid: *xid, http, unanswered: None });
            }
            Event::Dhcp6Unanswered { why, .. } => {
                if let Some(asked) = self.asked.last_mut() {
                    asked.unanswered = Some(why);
                }
            }
            Event::Dhcp6Sent { message, xid, addresses, status, bootfile, vendor_class, .. } => {
                self.told.push(Told {
                    message: *message,
                    xid: *xid,
                    addresses,
                    status: status.as_deref(),
                    bootfile: bootfile.as_deref(),
                    vendor_class: vendor_class.as_deref(),
                });
                return true;
            }
            Event::DnsQuery { name, kind, .. } => self.queries.push(Query { name, kind, answer: None }),
            Event::DnsAnswer { name, kind, rcode, answers, note } => {
                let answer = Answer { rcode, answers, note: note.as_deref() };
                let asked = |query: &&mut Query<'_>| query.name == name && query.kind == kind;
                if let Some(query) = self.queries.iter_mut().rev().find(asked) {
                    query.answer = Some(answer);
                }
                return true;
            }
            _ => {}
        }
        false
    }

    /// Whether the client has done anything for an address or a route.
    pub fn wants_address(&self) -> bool {
        !self.probes.is_empty() || self.router_solicitations > 0 || !self.asked.is_empty()
    }

    /// Whether it has asked anybody: duplicate address detection is talk to itself.
    pub fn has_asked(&self) -> bool {
        self.router_solicitations > 0 || !self.asked.is_empty()
    }

    /// What the HTTP boot client sent, which is not the one that firmware may have for its interface.
    pub fn http_asked(&self, message: Dhcp6Message) -> impl DoubleEndedIterator<Item = &Asked<'a>> {
        self.asked.iter().filter(move |asked| asked.http && asked.message == message)
    }

    /// What a server answered to the HTTP boot client.
    pub fn http_told(&self, message: Dhcp6Message) -> impl DoubleEndedIterator<Item = &Told<'a>> {
        let ours = |xid| self.asked.iter().any(|asked| asked.http && asked.xid == xid);
        self.told.iter().filter(move |told| told.message == message && ours(told.xid))
    }

    /// What the routers say of where configuration comes from, as an engineer writes it: `M=1 O=0`.
    pub fn flags(&self) -> String {
        match self.advertisements.iter().rev().find(|advertisement| advertisement.malformed.is_none()) {
            Some(valid) => format!("M={} O={}", u8::from(valid.managed), u8::from(valid.other)),
            None if self.advertisements.is_empty() => "no router advertisement".into(),
            None => "no valid router advertisement".into(),
        }
    }

    /// The boot file's URL that was sent last.
    pub fn bootfile(&self) -> Option<&'a str> {
        self.told.iter().rev().find_map(|told| told.bootfile)
    }
}
