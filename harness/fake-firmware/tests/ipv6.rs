//! Clients that boot over IPv6, and by name, on the networks that a scenario can make.

#![allow(clippy::unwrap_used)]

mod common;

use common::{End, Transcript, boot_from};
use fake_firmware::Behaviour;
use record::Dhcp6Message;
use services::client::Boot;
use services::dhcp6::{Mode, OtherServer, RequestAnswer};
use services::nd::InUse;
use services::ra::Malformed;
use services::{NetworkSettings, dns};
use wire::Event;

fn network(change: impl FnOnce(&mut NetworkSettings)) -> NetworkSettings {
    let mut settings = NetworkSettings::default();
    settings.client.boot = Boot::Ipv6;
    change(&mut settings);
    settings
}

/// A network whose boot file is at a name.
fn named(change: impl FnOnce(&mut NetworkSettings)) -> NetworkSettings {
    network(|n| {
        n.dhcp6.bootfile = Some("http://{name}/boot.efi".into());
        n.dhcp6.dns = vec![services::address::SERVER6];
        change(n);
    })
}

fn sent(t: &Transcript, wanted: Dhcp6Message) -> usize {
    t.count(|event| matches!(event, Event::Dhcp6Received { message, .. } if *message == wanted))
}

#[test]
fn a_conforming_client_boots_from_good_networks() {
    for (what, settings) in [
        ("plain", network(|_| {})),
        ("after IPv4", network(|n| n.client.boot = Boot::Ipv6AfterIpv4)),
        ("after a wait", network(|n| n.client.wait_seconds = 5)),
        ("no prefix", network(|n| n.ra.prefix = None)),
        ("behind a router", network(|n| n.dhcp6.bootfile = Some("http://[{offlink6}]/boot.efi".into()))),
        ("late router", network(|n| n.ra.delay_seconds = 7.0)),
        ("late server", network(|n| n.dhcp6.delay_seconds = 5.0)),
        ("lost solicitations", network(|n| n.nd.lose = 2)),
        (
            "tls",
            network(|n| {
                n.dhcp6.bootfile = Some("https://[{server6}]/boot.efi".into());
                n.tls.certificate.leaf.names = vec!["{server6}".into()];
            }),
        ),
        ("name", named(|_| {})),
        (
            "name over tls",
            named(|n| {
                n.dhcp6.bootfile = Some("https://{name}/boot.efi".into());
                n.tls.certificate.leaf.names = vec!["{name}".into()];
            }),
        ),
        ("alias", named(|n| n.dns.cname = vec!["a.example.com".into(), "b.example.com".into()])),
        (
            "alias only",
            named(|n| {
                n.dns.cname = vec!["a.example.com".into()];
                n.dns.chain = dns::Chain::OneName;
            }),
        ),
        (
            "resolver of the router",
            named(|n| {
                n.dhcp6.dns.clear();
                n.ra.rdnss = vec![services::address::SERVER6];
            }),
        ),
        (
            "IPv4 name",
            NetworkSettings {
                dhcp4: services::dhcp4::Settings {
                    bootfile: Some("http://{name}/boot.efi".into()),
                    dns: vec![services::address::SERVER4],
                    ..Default::default()
                },
                ..Default::default()
            },
        ),
    ] {
        let t = boot_from(Behaviour::conforming(), &settings);
        assert!(t.boots(), "{what}\n{}", t.text());
    }
}

#[test]
fn nobody_boots_from_bad_networks() {
    for (what, settings) in [
        ("no server", network(|n| n.dhcp6.mode = Mode::None)),
        ("stateless", network(|n| n.dhcp6.mode = Mode::Stateless)),
        ("no boot file", network(|n| n.dhcp6.bootfile = None)),
        ("no class", network(|n| n.dhcp6.vendor_class = None)),
        ("no address", network(|n| n.dhcp6.addresses.clear())),
        ("refused", network(|n| n.dhcp6.request = RequestAnswer::NotOnLink)),
        ("silence", network(|n| n.dhcp6.request = RequestAnswer::Silence)),
        ("taken link-local address", network(|n| n.nd.in_use = vec![InUse::LinkLocal])),
        ("taken address", network(|n| n.nd.in_use = vec![InUse::Assigned])),
        ("silent neighbours", network(|n| n.nd.answer = false)),
        ("no such name", named(|n| n.dns.rcode = dns::Rcode::NxDomain)),
        ("no resolver", named(|n| n.dhcp6.dns.clear())),
        ("silent resolver", named(|n| n.dns.enabled = false)),
        ("forged answers", named(|n| n.dns.mismatch = Some(dns::Mismatch::Id))),
    ] {
        for behaviour in [Behaviour::conforming(), Behaviour::edk2_2026_08()] {
            let t = boot_from(behaviour, &settings);
            assert!(t.proofs.is_empty() && t.end == End::Limit, "{what}\n{}", t.text());
            assert!(t.says("No bootable option"), "{what}\n{}", t.text());
        }
    }
}

#[test]
fn a_client_that_does_not_wait_for_its_address_has_not_asked_anybody() {
    for (settings, boots) in [
        (network(|_| {}), false),
        (network(|n| n.client.wait_seconds = 3), true),
        (network(|n| n.client.boot = Boot::Ipv6AfterIpv4), true),
    ] {
        let t = boot_from(Behaviour::edk2_2022_11(), &settings);
        assert_eq!(t.boots(), boots, "{}", t.text());
        assert_eq!(sent(&t, Dhcp6Message::Solicit) > 0, boots);
    }
    assert!(boot_from(Behaviour::edk2_2026_08(), &network(|_| {})).boots());
}

/// For each habit a network on which it makes a difference.
#[test]
fn clients_differ_where_they_are_told_to() {
    let conforming = Behaviour::conforming;
    let no_router = network(|n| n.ra.enabled = false);
    let malformed = network(|n| n.ra.malformed = Some(Malformed::HopLimit));
    let taken = network(|n| n.nd.in_use = vec![InUse::Assigned]);
    let slow_name = named(|n| n.dns.delay_seconds = 3.0);
    for (what, other, settings, conforming_boots) in [
        ("link", Behaviour { assumes_on_link: true, ..conforming() }, no_router, false),
        ("router", Behaviour { believes_any_router: true, ..conforming() }, malformed, false),
        ("objection", Behaviour { heeds_objections: false, ..conforming() }, taken, false),
        ("waiting", Behaviour { waits_for_address: false, ..conforming() }, network(|_| {}), true),
    ] {
        let boots = [conforming(), other].map(|behaviour| boot_from(behaviour, &settings).boots());
        assert_eq!(boots, [conforming_boots, !conforming_boots], "{what}");
    }
    let queries =
        |behaviour| boot_from(behaviour, &slow_name).count(|event| matches!(event, Event::DnsQuery { .. }));
    assert!(queries(conforming()) > queries(Behaviour { dns_tries: 1, ..conforming() }));
}

#[test]
fn a_taken_address_is_declined() {
    let t = boot_from(Behaviour::conforming(), &network(|n| n.nd.in_use = vec![InUse::Assigned]));
    assert_eq!(sent(&t, Dhcp6Message::Decline), 1, "{}", t.text());
    assert_eq!(t.count(|event| matches!(event, Event::TcpSyn { .. })), 0);
}

#[test]
fn the_server_that_prefers_itself_is_taken() {
    let other = OtherServer {
        bootfile: Some("http://[{server6}]/other.efi".into()),
        vendor_class: Some("HTTPClient".into()),
        preference: Some(10),
        ..OtherServer::default()
    };
    let t = boot_from(Behaviour::conforming(), &network(|n| n.dhcp6.more_servers = vec![other]));
    assert!(t.requests().iter().all(|request| request.ends_with("/other.efi")), "{:?}", t.requests());
    assert!(!t.requests().is_empty());
}

/// A boot over IPv6, from power-on to the proof, as reviewed.
#[test]
fn a_whole_boot() {
    let t = boot_from(Behaviour::conforming(), &named(|_| {}));
    assert!(t.boots());
    insta::assert_snapshot!(t.text());
}
