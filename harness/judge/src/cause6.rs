//! Why no connection came of IPv6, from what was said below TCP.

use crate::cause::*;
use crate::facts6::Facts6;
use crate::finding::{is_http_url, is_https_url};
use record::Dhcp6Message::{Advertise, Reply, Request, Solicit};

/// Why there was no address to connect from, or it was not used.
pub(crate) fn ipv6_cause(facts: &Facts6<'_>) -> (Cause, Option<String>) {
    if let Some((address, _)) = facts.probes.iter().find(|(_, taken)| *taken) {
        return (ND_ADDRESS_TAKEN, Some(address.to_string()));
    }
    if !facts.has_asked() {
        return (ND_ADDRESS_TENTATIVE, facts.probes.last().map(|(address, _)| address.to_string()));
    }
    let (cause, note) = dhcp6_cause(facts);
    let flags = facts.flags();
    (cause, Some(note.map_or(flags.clone(), |note| format!("{flags}; {note}"))))
}

fn dhcp6_cause(facts: &Facts6<'_>) -> (Cause, Option<String>) {
    if let Some(request) = facts.http_asked(Request).next_back() {
        let Some(reply) = facts.http_told(Reply).next_back() else {
            return (DHCP6_REQUEST_UNANSWERED, request.unanswered.map(str::to_owned));
        };
        if reply.status.is_some() || reply.addresses.is_empty() {
            return (DHCP6_REQUEST_REFUSED, reply.status.map(str::to_owned));
        }
        let https = facts.bootfile().is_some_and(is_https_url);
        return (DHCP6_LEASE_NOT_USED, https.then(|| "the boot file is behind TLS".into()));
    }
    let Some(offer) = facts.http_told(Advertise).next_back() else {
        let Some(solicit) = facts.http_asked(Solicit).next_back() else { return (DHCP6_NOT_ASKED, None) };
        return (DHCP6_NO_ANSWER, solicit.unanswered.map(str::to_owned));
    };
    if offer.status.is_some() || offer.addresses.is_empty() {
        return (DHCP6_NO_ADDRESS, offer.status.map(str::to_owned));
    }
    if !offer.vendor_class.is_some_and(|class| class.starts_with("HTTPClient")) {
        let class =
            offer.vendor_class.map_or("no option 16".into(), |class| format!("option 16 is {class:?}"));
        return (DHCP6_OFFER_NOT_HTTP, Some(class));
    }
    match offer.bootfile {
        None => (DHCP6_OFFER_WITHOUT_BOOTFILE, None),
        Some(url) if !is_http_url(url) => (DHCP6_BOOTFILE_NOT_HTTP, Some(format!("{url:?}"))),
        Some(_) => (DHCP6_OFFER_NOT_TAKEN, None),
    }
}

/// Why no connection came of a name.
pub(crate) fn name_cause(facts: &Facts6<'_>) -> (Cause, Option<String>) {
    let Some(query) = facts.queries.last() else { return (DNS_NO_ANSWER, None) };
    let question = format!("{} {}", query.name, query.kind);
    let Some(answer) = &query.answer else { return (DNS_NO_ANSWER, Some(question)) };
    let note = answer.note.map_or(question.clone(), |note| format!("{question}: {note}"));
    if answer.rcode != "NOERROR" {
        return (DNS_ERROR, Some(format!("{question}: {}", answer.rcode)));
    }
    if answer.answers.is_empty() { (DNS_NO_RECORD, Some(note)) } else { (DNS_ANSWER_NOT_USED, Some(note)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::{Dhcp6Message, Event};

    fn asked(message: Dhcp6Message, xid: u32, class: Option<&str>) -> Event {
        Event::Dhcp6Received {
            message,
            xid,
            vendor_class: class.map(str::to_owned),
            architecture: None,
            network_interface: None,
            addresses: vec![],
            stateful: true,
            requested: vec![],
        }
    }

    fn told(message: Dhcp6Message, xid: u32, status: Option<&str>, bootfile: Option<&str>) -> Event {
        Event::Dhcp6Sent {
            message,
            xid,
            server: 1,
            addresses: if status.is_some() { vec![] } else { vec!["2001:db8::100".parse().unwrap()] },
            status: status.map(str::to_owned),
            bootfile: bootfile.map(str::to_owned),
            vendor_class: Some("HTTPClient".into()),
            dns: false,
        }
    }

    fn silence(why: &str) -> Event {
        Event::Dhcp6Unanswered { message: Solicit, why: why.into() }
    }

    fn router(managed: bool, other: bool) -> Event {
        Event::RouterAdvertised {
            router: "fe80::1".parse().unwrap(),
            managed,
            other,
            lifetime: 1800,
            prefixes: vec![],
            malformed: None,
        }
    }

    fn probe(taken: bool) -> Event {
        Event::DadProbe { target: "fe80::1".parse().unwrap(), taken }
    }

    fn found(events: &[Event]) -> String {
        let mut facts = Facts6::default();
        for event in events {
            facts.take(event);
        }
        let (cause, note) = if facts.queries.is_empty() { ipv6_cause(&facts) } else { name_cause(&facts) };
        format!("{} ({})", cause.id, note.unwrap_or_default())
    }

    const HTTP: Option<&str> = Some("HTTPClient:Arch:00016:UNDI:003000");
    const URL: Option<&str> = Some("http://[2001:db8::1]/boot.efi");

    #[test]
    fn each_rung_below_tcp_has_its_causes() {
        for (events, expected) in [
            (vec![probe(false)], "nd.address-tentative (fe80::1)"),
            (vec![probe(true)], "nd.address-taken (fe80::1)"),
            (vec![probe(false), asked(Solicit, 1, None)], "dhcp6.not-asked (no router advertisement)"),
            (vec![router(true, true), asked(Solicit, 1, HTTP)], "dhcp6.no-answer (M=1 O=1)"),
            (
                vec![router(false, true), asked(Solicit, 1, HTTP), silence("the server is stateless")],
                "dhcp6.no-answer (M=0 O=1; the server is stateless)",
            ),
            (
                vec![asked(Solicit, 1, HTTP), told(Advertise, 1, Some("NoAddrsAvail"), URL)],
                "dhcp6.no-address (no router advertisement; NoAddrsAvail)",
            ),
            (
                vec![asked(Solicit, 1, HTTP), told(Advertise, 1, None, None)],
                "dhcp6.offer-without-bootfile (no router advertisement)",
            ),
            (
                vec![asked(Solicit, 1, HTTP), told(Advertise, 1, None, Some("tftp://x/y"))],
                "dhcp6.bootfile-not-http (no router advertisement; \"tftp://x/y\")",
            ),
            (
                vec![asked(Solicit, 1, HTTP), told(Advertise, 1, None, URL)],
                "dhcp6.offer-not-taken (no router advertisement)",
            ),
            (
                // What another client of the same machine was told counts for nothing.
                vec![asked(Solicit, 1, HTTP), asked(Solicit, 2, None), told(Advertise, 2, None, URL)],
                "dhcp6.no-answer (no router advertisement)",
            ),
            (
                vec![asked(Request, 1, HTTP), silence("lost")],
                "dhcp6.request-unanswered (no router advertisement; lost)",
            ),
            (
                vec![asked(Request, 1, HTTP), told(Reply, 1, Some("NotOnLink"), URL)],
                "dhcp6.request-refused (no router advertisement; NotOnLink)",
            ),
            (
                vec![asked(Request, 1, HTTP), told(Reply, 1, None, URL)],
                "dhcp6.lease-not-used (no router advertisement)",
            ),
        ] {
            assert_eq!(found(&events), expected);
        }
        let mut foreign = told(Advertise, 1, None, URL);
        if let Event::Dhcp6Sent { vendor_class, .. } = &mut foreign {
            *vendor_class = None;
        }
        let events = [asked(Solicit, 1, HTTP), foreign];
        assert_eq!(found(&events), "dhcp6.offer-not-http (no router advertisement; no option 16)");
    }

    #[test]
    fn a_name_leads_nowhere_for_a_reason() {
        let query = || Event::DnsQuery {
            server: "2001:db8::1".parse().unwrap(),
            name: "boot.example".into(),
            kind: "AAAA".into(),
            tcp: false,
        };
        let answer = |rcode: &str, answers: &[&str]| Event::DnsAnswer {
            name: "boot.example".into(),
            kind: "AAAA".into(),
            rcode: rcode.into(),
            answers: answers.iter().map(|&record| record.into()).collect(),
            note: None,
        };
        for (events, expected) in [
            (vec![query()], "dns.no-answer (boot.example AAAA)"),
            (vec![query(), answer("NXDOMAIN", &[])], "dns.error (boot.example AAAA: NXDOMAIN)"),
            (vec![query(), answer("NOERROR", &[])], "dns.no-record (boot.example AAAA)"),
            (
                vec![query(), answer("NOERROR", &["AAAA 2001:db8::1"])],
                "dns.answer-not-used (boot.example AAAA)",
            ),
        ] {
            assert_eq!(found(&events), expected);
        }
    }
}
