//! Each row: what was on the wire, and the cause that it is given.

use super::*;
use record::{Dhcp6Message, Dhcp6Times, Direction, Event};

fn frame(number: u64) -> Event {
    Event::Frame { number, direction: Direction::FromGuest, length: 60, summary: String::new() }
}

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
        dns: vec![],
        times: Some(Dhcp6Times { t1: 1, t2: 2, preferred: 3, valid: 4 }),
        identified: true,
    }
}

fn silence(reason: Dhcp6Silence, why: &str) -> Event {
    Event::Dhcp6Unanswered { message: Solicit, reason, why: why.into() }
}

fn router(managed: bool, other: bool, lifetime: u16) -> Event {
    Event::RouterAdvertised {
        router: "fe80::1".parse().unwrap(),
        managed,
        other,
        lifetime,
        prefixes: vec!["2001:db8::/64 L A".into()],
        malformed: None,
    }
}

fn malformed() -> Event {
    let mut event = router(true, true, 1800);
    if let Event::RouterAdvertised { malformed, .. } = &mut event {
        *malformed = Some("the checksum is wrong".into());
    }
    event
}

fn probe(target: &str, taken: bool) -> Event {
    Event::DadProbe { target: target.parse().unwrap(), taken }
}

fn unresolved(target: &str) -> Event {
    Event::NeighborUnanswered { target: target.parse().unwrap(), why: String::new() }
}

fn dropped(to: &str) -> Event {
    let router = Some("fe80::1".parse().unwrap());
    Event::NotForwarded { router, to: to.parse().unwrap(), why: String::new() }
}

fn found(events: &[Event]) -> String {
    let mut facts = Facts6::default();
    for event in events {
        facts.take(event);
    }
    let (cause, note) = ipv6_cause(&facts);
    format!("{} ({})", cause.id, note.unwrap_or_default())
}

const HTTP: Option<&str> = Some("HTTPClient:Arch:00016:UNDI:003000");
const URL: Option<&str> = Some("http://[2001:db8::1]/boot.efi");
const OFF_LINK: Option<&str> = Some("http://[2001:db8:1::1]/boot.efi");
const NAME: Option<&str> = Some("http://boot.example.com/boot.efi");

#[test]
fn before_anybody_is_asked() {
    for (events, expected) in [
        (vec![frame(2), probe("fe80::5", false)], "nd.address-tentative (fe80::5; frame 2)"),
        (vec![frame(2), probe("fe80::5", true)], "nd.address-taken (fe80::5; frame 2)"),
        (
            vec![frame(2), Event::RouterSolicited { from: None }],
            "ra.no-advertisement (no router advertisement; frame 2)",
        ),
        (
            vec![frame(2), Event::RouterSolicited { from: None }, malformed()],
            "ra.no-advertisement (no valid router advertisement; frame 2)",
        ),
        (
            vec![frame(2), Event::RouterSolicited { from: None }, router(false, false, 9)],
            "dhcp6.not-asked (M=0 O=0; frame 2)",
        ),
        (vec![probe("fe80::5", false), asked(Solicit, 1, None)], "dhcp6.not-asked (no router advertisement)"),
        // An address that the boot does not need.
        (
            vec![router(true, true, 9), frame(2), probe("2001:db8::5", true), asked(Solicit, 1, HTTP)],
            "dhcp6.no-answer (M=1 O=1; frame 2)",
        ),
    ] {
        assert_eq!(found(&events), expected);
    }
}

#[test]
fn what_servers_did_with_a_solicit() {
    let solicit =
        |more: &[Event]| [&[router(false, true, 9), frame(3), asked(Solicit, 1, HTTP)], more].concat();
    let changed = |change: fn(&mut Event)| {
        let mut event = told(Advertise, 1, None, URL);
        change(&mut event);
        event
    };
    fn times(event: &mut Event, new: [u32; 4]) {
        let [t1, t2, preferred, valid] = new;
        if let Event::Dhcp6Sent { times, .. } = event {
            *times = Some(Dhcp6Times { t1, t2, preferred, valid });
        }
    }
    for (more, expected) in [
        (vec![], "dhcp6.no-answer (M=0 O=1; frame 3)"),
        (vec![silence(Dhcp6Silence::NoServer, "none")], "dhcp6.no-server (M=0 O=1; frame 3)"),
        (vec![silence(Dhcp6Silence::Scenario, "lost")], "dhcp6.no-answer (M=0 O=1; lost; frame 3)"),
        (
            vec![
                silence(Dhcp6Silence::Stateless, "stateless"),
                frame(9),
                asked(Solicit, 1, HTTP),
                silence(Dhcp6Silence::Stateless, "stateless"),
            ],
            "dhcp6.server-stateless (M=0 O=1; frames 3, 9)",
        ),
        (
            vec![told(Advertise, 1, Some("NoAddrsAvail"), URL)],
            "dhcp6.no-address (M=0 O=1; NoAddrsAvail; frame 3)",
        ),
        (vec![told(Advertise, 1, None, None)], "dhcp6.offer-without-bootfile (M=0 O=1; frame 3)"),
        (
            vec![told(Advertise, 1, None, Some("tftp://x/y"))],
            "dhcp6.bootfile-not-http (M=0 O=1; \"tftp://x/y\"; frame 3)",
        ),
        (vec![told(Advertise, 1, None, URL)], "dhcp6.offer-not-taken (M=0 O=1; frame 3)"),
        // What another client of the same machine was told counts for nothing.
        (vec![asked(Solicit, 2, None), told(Advertise, 2, None, URL)], "dhcp6.no-answer (M=0 O=1; frame 3)"),
        (vec![told(Reply, 1, None, URL)], "dhcp6.rapid-commit (M=0 O=1; frame 3)"),
        (
            vec![changed(|e| {
                if let Event::Dhcp6Sent { vendor_class, .. } = e {
                    *vendor_class = None
                }
            })],
            "dhcp6.offer-not-http (M=0 O=1; no option 16; frame 3)",
        ),
        (
            vec![changed(|e| {
                if let Event::Dhcp6Sent { identified, .. } = e {
                    *identified = false
                }
            })],
            "dhcp6.not-identified (M=0 O=1; frame 3)",
        ),
        (vec![changed(|e| times(e, [5, 4, 8, 9]))], "dhcp6.times-invalid (M=0 O=1; T1 5 s, T2 4 s; frame 3)"),
        (vec![changed(|e| times(e, [5, 0, 8, 9]))], "dhcp6.offer-not-taken (M=0 O=1; frame 3)"),
        (
            vec![changed(|e| times(e, [0, 0, 10, 9]))],
            "dhcp6.times-invalid (M=0 O=1; preferred 10 s, valid 9 s; frame 3)",
        ),
    ] {
        assert_eq!(found(&solicit(&more)), expected);
    }
}

#[test]
fn what_became_of_a_request() {
    let request = |more: &[Event]| {
        let before = [asked(Solicit, 1, HTTP), told(Reply, 1, None, URL), frame(5), asked(Request, 2, HTTP)];
        [&before, more].concat()
    };
    for (more, expected) in [
        (
            vec![silence(Dhcp6Silence::Scenario, "lost")],
            "dhcp6.request-unanswered (no router advertisement; lost; frame 5)",
        ),
        (
            vec![told(Reply, 2, Some("NotOnLink"), URL)],
            "dhcp6.request-refused (no router advertisement; NotOnLink; frame 5)",
        ),
        (
            vec![told(Reply, 2, None, URL), frame(8), asked(Decline, 3, HTTP)],
            "dhcp6.declined (no router advertisement; frame 8)",
        ),
        (
            vec![told(Reply, 2, None, URL), frame(7), probe("2001:db8::100", true), asked(Decline, 3, HTTP)],
            "nd.address-taken (2001:db8::100; frame 7)",
        ),
    ] {
        assert_eq!(found(&request(&more)), expected);
    }
}

#[test]
fn what_became_of_a_lease() {
    let lease = |routers: &[Event], url, more: &[Event]| {
        let lease = [asked(Request, 2, HTTP), told(Reply, 2, None, url), frame(6)];
        [routers, &lease, more].concat()
    };
    let (one, none) = ([router(true, true, 9)], [router(true, true, 0)]);
    let tls = Some("https://[2001:db8::1]/boot.efi");
    for (routers, url, more, expected) in [
        (&one[..], URL, vec![], "dhcp6.lease-not-used (M=1 O=1)"),
        (&one, tls, vec![], "dhcp6.lease-not-used (M=1 O=1; the boot file is behind TLS)"),
        (&one, URL, vec![unresolved("2001:db8::1")], "nd.unanswered (M=1 O=1; 2001:db8::1; frame 6)"),
        (
            &one,
            OFF_LINK,
            vec![unresolved("2001:db8:1::1")],
            "nd.not-on-link (M=1 O=1; 2001:db8:1::1; frame 6)",
        ),
        (
            &none,
            OFF_LINK,
            vec![unresolved("2001:db8:1::1")],
            "ra.no-default-router (M=1 O=1; 2001:db8:1::1; frame 6)",
        ),
        (&none, OFF_LINK, vec![], "ra.no-default-router (M=1 O=1; 2001:db8:1::1)"),
        (&one, OFF_LINK, vec![unresolved("fe80::1")], "nd.unanswered (M=1 O=1; fe80::1; frame 6)"),
        (&one, OFF_LINK, vec![], "dhcp6.lease-not-used (M=1 O=1)"),
        (&[], OFF_LINK, vec![], "ra.no-default-router (no router advertisement; 2001:db8:1::1)"),
        (
            &one,
            OFF_LINK,
            vec![dropped("2001:db8:1::1"), frame(7), dropped("2001:db8:1::1")],
            "ra.not-forwarded (M=1 O=1; 2001:db8:1::1 by fe80::1; frames 6, 7)",
        ),
        (&one, NAME, vec![], "dns.no-server (M=1 O=1; \"http://boot.example.com/boot.efi\")"),
    ] {
        assert_eq!(found(&lease(routers, url, &more)), expected);
    }
    let mut named = lease(&one, NAME, &[]);
    if let Some(Event::Dhcp6Sent { dns, .. }) = named.get_mut(2) {
        dns.push("2001:db8::53".parse().unwrap());
    }
    let url = "\"http://boot.example.com/boot.efi\"";
    assert_eq!(found(&named), format!("dns.not-asked (M=1 O=1; {url})"));
    named.push(unresolved("2001:db8::53"));
    assert_eq!(found(&named), "nd.unanswered (M=1 O=1; 2001:db8::53; frame 6)");
}
