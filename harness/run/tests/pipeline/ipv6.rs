//! IPv6 and names: what each fault comes out as, and a build that is declared to be without IPv6.

use crate::bench::{Fakes, Link, build, plan, run, scenario};
use crate::causes::{Row, row};
use ::run::StartError;
use fake_firmware::{Behaviour, Moment, TroubleKind};
use record::{Capability, Outcome, Stage, Verdict};

/// A network for a client that boots over IPv6, with these settings besides.
macro_rules! net {
    ($rest:literal) => {
        concat!("{ client: { boot: ipv6 }, ", $rest, " }")
    };
}

/// The same, with a boot file at a name and a DNS server.
macro_rules! named {
    ($rest:literal) => {
        concat!(
            "{ client: { boot: ipv6 }, dhcp6: { bootfile: 'http://{name}/boot.efi', dns: ['2001:db8::1'] }, ",
            $rest,
            " }"
        )
    };
}

/// Rows of the table of causes.
pub fn rows() -> Vec<Row> {
    let mut rows = neighbours_and_routers();
    rows.extend(dhcp6());
    rows.extend(names());
    rows
}

fn neighbours_and_routers() -> Vec<Row> {
    use Outcome::{Boots, GivesUp, Hangs, Refuses};
    use Stage::{Address, Connect, Executed};
    let conforming = Behaviour::conforming;
    let assuming = || Behaviour { assumes_on_link: true, ..conforming() };
    let silent = || Behaviour { solicits: false, ..conforming() };
    let stuck = || conforming().with_trouble(Moment::AckReceived, TroubleKind::Hang);
    let no_router = net!("ra: { enabled: false }");
    let behind = net!("ra: { lifetime_seconds: 0 }, dhcp6: { bootfile: 'http://[{offlink6}]/boot.efi' }");
    vec![
        Row { cause: None, ..row("ipv6", net!(""), conforming(), Boots, Executed, "") },
        row("dad-race", net!(""), Behaviour::edk2_2025_02(), GivesUp, Address, "nd.address-tentative"),
        row(
            "link-local-taken",
            net!("nd: { in_use: [link-local] }"),
            conforming(),
            Refuses,
            Address,
            "nd.address-taken",
        ),
        row(
            "lease-taken",
            net!("nd: { in_use: [assigned] }"),
            conforming(),
            Refuses,
            Address,
            "nd.address-taken",
        ),
        row(
            "silent-neighbours",
            net!("nd: { answer: false }"),
            conforming(),
            GivesUp,
            Address,
            "nd.unanswered",
        ),
        row(
            "not-on-link",
            net!("ra: { on_link: false }, nd: { answer: false }"),
            assuming(),
            GivesUp,
            Address,
            "nd.not-on-link",
        ),
        row("no-ra", no_router, silent(), GivesUp, Address, "ra.no-advertisement"),
        row("off-link", behind, conforming(), GivesUp, Address, "ra.no-default-router"),
        row(
            "router-drops",
            net!("ra: { forwards: false }, dhcp6: { bootfile: 'http://[{offlink6}]/boot.efi' }"),
            conforming(),
            GivesUp,
            Connect,
            "ra.not-forwarded",
        ),
        row("lease-not-used", net!(""), stuck(), Hangs, Address, "dhcp6.lease-not-used"),
        row("never-solicits", net!(""), silent(), GivesUp, Address, "dhcp6.not-asked"),
    ]
}

fn dhcp6() -> Vec<Row> {
    use Outcome::{GivesUp, Refuses};
    use Stage::Address;
    let of = |name, network, cause| row(name, network, Behaviour::conforming(), GivesUp, Address, cause);
    vec![
        of("dhcp6-none", net!("dhcp6: { mode: none }"), "dhcp6.no-server"),
        of(
            "dhcp6-stateless",
            net!("dhcp6: { mode: stateless }, ra: { managed: false }"),
            "dhcp6.server-stateless",
        ),
        of("dhcp6-late", net!("dhcp6: { delay_seconds: 600 }"), "dhcp6.no-answer"),
        of("dhcp6-no-address", net!("dhcp6: { addresses: [] }"), "dhcp6.no-address"),
        of("dhcp6-anonymous", net!("dhcp6: { server_id: false }"), "dhcp6.not-identified"),
        of("dhcp6-times", net!("dhcp6: { t1_seconds: 600, t2_seconds: 300 }"), "dhcp6.times-invalid"),
        of("dhcp6-rapid", net!("dhcp6: { rapid_commit: always }"), "dhcp6.rapid-commit"),
        of("dhcp6-no-class", net!("dhcp6: { vendor_class: null }"), "dhcp6.offer-not-http"),
        of("dhcp6-no-bootfile", net!("dhcp6: { bootfile: null }"), "dhcp6.offer-without-bootfile"),
        of(
            "dhcp6-tftp",
            net!("dhcp6: { bootfile: 'tftp://[{server6}]/boot.efi' }"),
            "dhcp6.bootfile-not-http",
        ),
        row(
            "dhcp6-never-requests",
            net!(""),
            Behaviour { requests: false, ..Behaviour::conforming() },
            Refuses,
            Address,
            "dhcp6.offer-not-taken",
        ),
        of("dhcp6-silence", net!("dhcp6: { request: silence }"), "dhcp6.request-unanswered"),
        Row {
            outcome: Refuses,
            ..of("dhcp6-refused", net!("dhcp6: { request: not-on-link }"), "dhcp6.request-refused")
        },
    ]
}

fn names() -> Vec<Row> {
    use Outcome::{Boots, GivesUp, Refuses};
    use Stage::{Address, Executed, Name};
    let conforming = Behaviour::conforming;
    let once = || Behaviour { dns_tries: 1, ..conforming() };
    let of = |name, network, client, outcome, cause| row(name, network, client, outcome, Name, cause);
    let two = "{ client: { boot: ipv6 }, dhcp6: { bootfile: 'http://{name}/boot.efi', dns: ['2001:db8:1::1', '2001:db8::1'] }, \
               dns: { dead: ['2001:db8:1::1'] } }";
    let unnamed = net!("dhcp6: { bootfile: 'http://{name}/boot.efi' }");
    vec![
        Row { cause: None, ..row("name", named!(""), conforming(), Boots, Executed, "") },
        Row { cause: None, ..row("name-of-two-servers", two, conforming(), Boots, Executed, "") },
        row("dns-unnamed", unnamed, conforming(), Refuses, Address, "dns.no-server"),
        row(
            "dns-unasked",
            named!(""),
            Behaviour { dns_tries: 0, ..conforming() },
            Refuses,
            Address,
            "dns.not-asked",
        ),
        of("dns-silent", named!("dns: { enabled: false }"), conforming(), GivesUp, "dns.no-answer"),
        of("dns-late", named!("dns: { delay_seconds: 9 }"), conforming(), GivesUp, "dns.answer-late"),
        of("dns-dead", two, once(), GivesUp, "dns.other-server-not-asked"),
        of("dns-nxdomain", named!("dns: { rcode: nxdomain }"), conforming(), Refuses, "dns.no-such-name"),
        of("dns-servfail", named!("dns: { rcode: servfail }"), conforming(), Refuses, "dns.error"),
        of("dns-empty", named!("dns: { aaaa: [] }"), conforming(), Refuses, "dns.no-record"),
        of(
            "dns-cut",
            named!("dns: { truncated: true }"),
            Behaviour { dns_over_tcp: false, ..conforming() },
            Refuses,
            "dns.truncated",
        ),
        of("dns-forged", named!("dns: { mismatch: id }"), conforming(), GivesUp, "dns.answer-mismatched"),
        of(
            "dns-alias",
            named!("dns: { cname: [a.example.com], chain: one-name }"),
            Behaviour { follows_aliases: false, ..conforming() },
            Refuses,
            "dns.alias-not-followed",
        ),
        of("dns-crossed", named!("dns: { crossed: true }"), conforming(), Refuses, "dns.answer-not-used"),
    ]
}

/// A build's declared lack is checked like a family's, and is asked for by the setting that needs it: once, by the plainest
/// network that needs it.
#[test]
fn a_build_without_ipv6_is_unsupported_unless_a_boot_refutes_it() {
    let network = format!("network: {}\nexpect: {{ outcome: boots }}", net!(""));
    let scenarios = [scenario("ipv6/plain", "must", &network), scenario("ipv6/other", "must", &network)];
    for (speaks, verdict) in [(false, Verdict::Unsupported), (true, Verdict::Fail)] {
        let mut without = build("fake");
        without.lacks = vec![Capability::Ipv6];
        let guests = Fakes::choosing(move |cell, _, _| {
            let speaks = speaks || !cell.network.client.boot.is_ipv6();
            Ok((Behaviour { speaks, ..Behaviour::conforming() }, Link::Good))
        });
        let done = run(plan(&scenarios, vec![without]), guests);
        assert_eq!(done.cell(run::CONTROL).verdict, Verdict::Pass);
        for id in ["control/ipv6", "ipv6/plain", "ipv6/other"] {
            let cell = done.cell(id);
            assert_eq!(cell.verdict, verdict, "{}", cell.detail);
            assert!(cell.detail.contains("without ipv6") || cell.outcome != Some(Outcome::Boots));
            let runs = id == "control/ipv6" || verdict == Verdict::Fail;
            assert_eq!(done.said.contains(&format!("started {id}@fake")), runs, "{id}");
            assert_eq!(cell.outcome.is_some(), runs, "{id}: what has not run says nothing of the firmware");
        }
    }
}

/// What says nothing about the firmware does not confirm a lack either.
#[test]
fn a_probe_that_could_not_be_made_spares_no_cell() {
    let network = format!("network: {}\nexpect: {{ outcome: boots }}", net!(""));
    let mut without = build("fake");
    without.lacks = vec![Capability::Ipv6];
    let guests = Fakes::choosing(|cell, _, _| match cell.scenario.as_str() {
        "control/ipv6" => Err(StartError("no memory".into())),
        _ => Ok(Default::default()),
    });
    let done = run(plan(&[scenario("ipv6/plain", "must", &network)], vec![without]), guests);
    assert_eq!(done.cell("control/ipv6").verdict, Verdict::Error);
    assert_eq!(done.cell("ipv6/plain").verdict, Verdict::Fail, "it boots");
}
