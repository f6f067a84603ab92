//! Every setting that cannot be has an error that points at it.

use super::settings;
use services::{
    Network, NetworkSettings,
    client::Boot,
    dhcp6::OtherServer,
    dns::{Chain, Rcode},
    ra::{Change, Fault, Hop, Pref64, Prefix, Redirect, Router, UnknownOption},
};

#[test]
fn impossible_settings_are_refused_where_they_stand() {
    let prefix = |length| Prefix { length, ..Prefix::default() };
    let pref64 = |length, lifetime_seconds| {
        Some(Pref64 { prefix: "64:ff9b::".parse().unwrap(), length, lifetime_seconds })
    };
    let change = |after_seconds| Change {
        after_seconds,
        managed: None,
        other: None,
        lifetime_seconds: None,
        valid_seconds: None,
        preferred_seconds: None,
    };
    type Make<'a> = Box<dyn Fn(&mut NetworkSettings) + 'a>;
    let cases: Vec<(&str, Make<'_>)> = vec![
        ("dhcp4", Box::new(|n| n.dhcp4.lease_seconds = 1)),
        ("ra", Box::new(|n| (n.client.boot, n.ra.managed) = (Boot::Ipv4, false))),
        ("nd", Box::new(|n| (n.client.boot, n.nd.answer) = (Boot::Ipv4, false))),
        ("dhcp6", Box::new(|n| (n.client.boot, n.dhcp6.bootfile) = (Boot::Ipv4, None))),
        ("nd.lose", Box::new(|n| (n.nd.answer, n.nd.lose) = (false, 1))),
        ("nd.delay_seconds", Box::new(|n| n.nd.delay_seconds = -1.0)),
        ("ra.prefix_length", Box::new(|n| n.ra.prefix_length = 129)),
        ("ra.more_prefixes[0].length", Box::new(|n| n.ra.more_prefixes = vec![prefix(200)])),
        (
            "ra.more_routers[0].prefixes[1].length",
            Box::new(|n| {
                n.ra.more_routers =
                    vec![Router { prefixes: vec![prefix(1), prefix(130)], ..Router::default() }];
            }),
        ),
        (
            "ra.more_routers[0].delay_seconds",
            Box::new(|n| {
                n.ra.more_routers = vec![Router { delay_seconds: f64::NAN, ..Router::default() }];
            }),
        ),
        ("ra.more_routers", Box::new(|n| n.ra.more_routers = vec![Router::default(); 5])),
        (
            "ra.more_routers[0].prefixes",
            Box::new(|n| {
                n.ra.more_routers = vec![Router { prefixes: vec![prefix(64); 50], ..Router::default() }];
            }),
        ),
        ("ra.dnssl[0]", Box::new(|n| n.ra.dnssl = vec!["a..b".into()])),
        ("ra.pref64.length", Box::new(|n| n.ra.pref64 = pref64(95, 8))),
        ("ra.pref64.lifetime_seconds", Box::new(|n| n.ra.pref64 = pref64(96, 9))),
        (
            "ra.unknown_options[0].units",
            Box::new(|n| {
                n.ra.unknown_options = vec![UnknownOption { kind: 200, units: 0 }];
            }),
        ),
        (
            "ra.unknown_options[0].kind",
            Box::new(|n| {
                n.ra.unknown_options = vec![UnknownOption { kind: 3, units: 1 }];
            }),
        ),
        ("ra.enabled", Box::new(|n| n.ra.more_prefixes = vec![prefix(64); 50])),
        ("ra.delay_seconds", Box::new(|n| n.ra.delay_seconds = 1e6)),
        ("ra.interval_seconds", Box::new(|n| n.ra.interval_seconds = Some(0.01))),
        ("ra.then.after_seconds", Box::new(|n| n.ra.then = Some(change(-1.0)))),
        ("ra.copies", Box::new(|n| n.ra.copies = 0)),
        ("dhcp6.bootfile", Box::new(|n| n.dhcp6.bootfile = Some("x".repeat(1001)))),
        ("dhcp6.bootfile", Box::new(|n| n.dhcp6.bootfile = Some("{nobody}".into()))),
        ("dhcp6.bootfile", Box::new(|n| n.dhcp6.bootfile_parameters = vec!["x".repeat(990)])),
        ("dhcp6.addresses", Box::new(|n| n.dhcp6.addresses = vec!["ff02::1".parse().unwrap()])),
        ("dhcp6.addresses", Box::new(|n| n.dhcp6.addresses = vec!["2001:db8::2".parse().unwrap(); 9])),
        ("dhcp6.search[0]", Box::new(|n| n.dhcp6.search = vec![String::new()])),
        ("dhcp6.delay_seconds", Box::new(|n| n.dhcp6.delay_seconds = -0.1)),
        ("dhcp6.more_servers", Box::new(|n| n.dhcp6.more_servers = vec![OtherServer::default(); 4])),
        (
            "dhcp6.more_servers[0].bootfile",
            Box::new(|n| {
                n.dhcp6.more_servers =
                    vec![OtherServer { bootfile: Some("{".into()), ..OtherServer::default() }];
            }),
        ),
        (
            "dhcp6.more_servers[0].delay_seconds",
            Box::new(|n| {
                n.dhcp6.more_servers = vec![OtherServer { delay_seconds: -1.0, ..OtherServer::default() }];
            }),
        ),
        ("dns.name", Box::new(|n| n.dns.name = "a".repeat(64))),
        ("dns.cname[0]", Box::new(|n| n.dns.cname = vec!["a b".into()])),
        ("dns.cname[1]", Box::new(|n| n.dns.cname = vec!["a.example".into(), "a.example".into()])),
        ("dns.chain", Box::new(|n| n.dns.chain = Chain::OneName)),
        ("dns.truncated", Box::new(|n| (n.dns.truncated, n.dns.rcode) = (true, Rcode::Refused))),
        ("dns.aaaa", Box::new(|n| n.dns.aaaa = vec!["2001:db8::1".parse().unwrap(); 30])),
        (
            "ra.redirect.to",
            Box::new(|n| {
                n.ra.redirect = Some(Redirect { to: Hop::Router, malformed: None, forwards_after: true });
            }),
        ),
        (
            "ra.redirect.malformed",
            Box::new(|n| {
                let malformed = Some(Fault::GlobalTarget);
                n.ra.redirect = Some(Redirect { to: Hop::Destination, malformed, forwards_after: true });
            }),
        ),
        ("dns.dead[0]", Box::new(|n| n.dns.dead = vec!["192.0.2.2".parse().unwrap()])),
        ("dns.delay_seconds", Box::new(|n| n.dns.delay_seconds = -1.0)),
    ];
    for (path, change) in cases {
        let settings = settings(change);
        let error = Network::check(&settings).expect_err(path).to_string();
        assert!(error.starts_with(&format!("network.{path}: ")), "{path}: {error}");
    }
    assert!(Network::check(&settings(|_| {})).is_ok());
}
