//! Independent witnesses of IPv6 and DNS: the kernel's neighbour discovery, SLAAC and ping, dhclient, dig, curl and tshark.
//!
//! As `witness.rs`: a TAP device in a namespace of its own, and where that cannot be had, the tests say why and pass.
#![allow(clippy::unwrap_used)]

mod support;

use services::{
    NetworkSettings, address,
    client::Boot,
    dns::{Chain, Extra, Mismatch, Names, Rcode},
    ra::{Malformed, Pref64, Prefix, Router, UnknownOption},
};
use std::{fs, os::unix::fs::PermissionsExt, process::Command, thread, time::Duration, time::Instant};
use support::{
    Frame, image,
    link::{Link, require},
    pcap,
};

const SLAAC: &str = "2001:db8::5054:ff:fe12:3456";

fn link(name: &str, change: impl FnOnce(&mut NetworkSettings)) -> Option<Link> {
    let mut settings = NetworkSettings::default();
    settings.client.boot = Boot::Ipv6;
    change(&mut settings);
    Link::new(name, &settings, image(100_000))
}

/// What the kernel says of its addresses and routes, once it has what is waited for or 6 s have passed.
fn wait_for(link: &Link, arguments: &[&str], what: &str) -> String {
    let end = Instant::now() + Duration::from_secs(6);
    loop {
        let output = link.guest("ip", arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        if text.contains(what) || Instant::now() > end {
            return text;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until no address is tentative (RFC 4862 §5.4).
fn settled(link: &Link) {
    wait_for(link, &["-6", "address", "show", "dev", "tap0", "scope", "link"], "fe80");
    thread::sleep(Duration::from_millis(2500));
}

/// What tshark has to say about frames: malformed packets, errors and wrong checksums; or fields of some of them.
fn tshark(frames: &[Frame], filter: &str, fields: &[&str]) -> String {
    let capture = tempfile::NamedTempFile::new().unwrap();
    pcap::write(capture.path(), frames);
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture.path()).args([
        "-Y",
        filter,
        "-T",
        "fields",
        "-o",
        "udp.check_checksum:TRUE",
    ]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const PROBLEMS: &str = "_ws.malformed or _ws.expert.severity == error or icmpv6.checksum.status == 0";

fn problems(frames: &[Frame]) -> String {
    assert!(frames.iter().any(|(_, direction, _)| *direction == wire::Direction::ToGuest));
    tshark(frames, PROBLEMS, &["frame.number", "_ws.expert.message"])
}

/// The kernel is a host of RFC 4861 and RFC 4862: it makes its address of our prefix and its default route of our lifetime.
#[test]
fn the_kernel_configures_itself_and_pings_us() {
    if !require(&["ping", "ip"]) {
        return;
    }
    let Some(link) = link("slaac", |n| n.ra.interval_seconds = Some(1.0)) else { return };
    let addresses = wait_for(&link, &["-6", "address", "show", "dev", "tap0"], SLAAC);
    assert!(addresses.contains(SLAAC), "{addresses}");
    let routes = wait_for(&link, &["-6", "route"], "default");
    assert!(routes.contains("default via fe80::1"), "{routes}");
    assert!(routes.contains("2001:db8::/64"), "{routes}");
    settled(&link);
    for host in ["2001:db8::1", "fe80::1%tap0", "2001:db8:1::1"] {
        let output = link.guest("ping", &["-6", "-c", "2", "-i", "0.3", "-W", "3", host]);
        assert!(output.status.success(), "{host}: {output:?}");
    }
    assert_eq!(problems(&link.frames()), "");
}

/// Advertisements that hosts have to drop, and settings that keep a host from an address or a route.
#[test]
fn the_kernel_drops_what_it_has_to() {
    if !require(&["ip"]) {
        return;
    }
    type Change = fn(&mut NetworkSettings);
    let cases: &[(&str, Change, bool, bool)] = &[
        ("plain", |_| {}, true, true),
        ("no A", |n| n.ra.autonomous = false, false, true),
        ("no lifetime", |n| n.ra.lifetime_seconds = 0, true, false),
        ("length 80", |n| n.ra.prefix_length = 80, false, true),
        ("hop limit", |n| n.ra.malformed = Some(Malformed::HopLimit), false, false),
        ("global", |n| n.ra.malformed = Some(Malformed::GlobalSource), false, false),
        ("code", |n| n.ra.malformed = Some(Malformed::Code), false, false),
        ("checksum", |n| n.ra.malformed = Some(Malformed::Checksum), false, false),
        ("zero", |n| n.ra.malformed = Some(Malformed::ZeroLengthOption), false, false),
        ("overlong", |n| n.ra.malformed = Some(Malformed::OverlongOption), false, false),
        ("truncated", |n| n.ra.malformed = Some(Malformed::Truncated), false, false),
    ];
    let links: Vec<_> = cases
        .iter()
        .map_while(|case| {
            link(case.0, |n| {
                n.ra.interval_seconds = Some(0.5);
                case.1(n)
            })
            .map(|link| (case, link))
        })
        .collect();
    thread::sleep(Duration::from_millis(if links.is_empty() { 0 } else { 4000 }));
    for ((name, _, address, route), link) in &links {
        let frames = link.frames();
        let sent =
            frames.iter().filter(|(_, way, frame)| *way == wire::Direction::ToGuest && frame[54] == 134);
        assert!(sent.count() > 1, "{name}");
        let addresses = String::from_utf8(link.guest("ip", &["-6", "address"]).stdout).unwrap();
        assert_eq!(addresses.contains(SLAAC), *address, "{name}: {addresses}");
        let routes = String::from_utf8(link.guest("ip", &["-6", "route"]).stdout).unwrap();
        assert_eq!(routes.contains("default"), *route, "{name}: {routes}");
    }
}

#[test]
fn dhclient_gets_a_lease() {
    if !require(&["dhclient"]) {
        return;
    }
    let Some(link) = link("dhclient -6", |n| {
        n.dhcp6.dns = vec![address::SERVER6];
        n.dhcp6.search = vec!["example.com".into()];
    }) else {
        return;
    };
    settled(&link);
    let path = |name: &str| link.directory().join(name).to_str().unwrap().to_owned();
    let configuration = "option dhcp6.bootfile-url code 59 = text;\n\
        also request dhcp6.bootfile-url;\nrequest dhcp6.name-servers, dhcp6.domain-search, dhcp6.bootfile-url;\n";
    fs::write(path("conf"), configuration).unwrap();
    fs::write(
        path("script"),
        format!("#!/bin/sh\n[ \"$reason\" = BOUND6 ] && env > {} && kill $PPID\nexit 0\n", path("lease")),
    )
    .unwrap();
    fs::set_permissions(path("script"), fs::Permissions::from_mode(0o755)).unwrap();
    let (conf, script, leases, pid) = (path("conf"), path("script"), path("leases"), path("pid"));
    let files = ["-cf", &conf, "-sf", &script, "-lf", &leases, "-pf", &pid];
    let output =
        link.guest("timeout", &[&["20", "dhclient", "-6", "-1", "-d", "-v"], &files[..], &["tap0"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let lease = fs::read_to_string(path("lease")).unwrap_or_else(|_| panic!("dhclient is not bound: {said}"));
    for expected in [
        "new_ip6_address=2001:db8::100",
        "new_dhcp6_name_servers=2001:db8::1",
        "new_dhcp6_domain_search=example.com.",
        "new_dhcp6_bootfile_url=http://[2001:db8::1]/boot.efi",
        "new_preferred_life=3600",
        "new_max_life=7200",
        "new_renew=1800",
        "new_rebind=2880",
    ] {
        assert!(
            lease.lines().any(|line| line.replace('\'', "") == expected),
            "{expected} in\n{lease}\n{said}"
        );
    }
    assert_eq!(problems(&link.frames()), "");
}

#[test]
fn dig_and_curl_use_what_we_answer() {
    if !require(&["dig", "curl"]) {
        return;
    }
    type Change = fn(&mut NetworkSettings);
    let cases: &[(&str, Change, &str, &str)] = &[
        ("plain", |_| {}, "NOERROR", "2001:db8::1"),
        ("written out", |n| n.dns.names = Names::WrittenOut, "NOERROR", "2001:db8::1"),
        (
            "chain",
            |n| n.dns.cname = vec!["a.example.com".into(), "b.example".into()],
            "NOERROR",
            "a.example.com.\nb.example.\n2001:db8::1",
        ),
        (
            "one name",
            |n| (n.dns.cname, n.dns.chain) = (vec!["a.example.com".into()], Chain::OneName),
            "NOERROR",
            "a.example.com.",
        ),
        ("servfail", |n| n.dns.rcode = Rcode::ServFail, "SERVFAIL", ""),
        ("nxdomain", |n| n.dns.rcode = Rcode::NxDomain, "NXDOMAIN", ""),
        ("empty", |n| n.dns.aaaa = vec![], "NOERROR", ""),
        ("txt", |n| n.dns.extra = vec![Extra::Txt], "NOERROR", "\"hello\"\n2001:db8::1"),
        ("wrong id", |n| n.dns.mismatch = Some(Mismatch::Id), "", ""),
        ("wrong port", |n| n.dns.mismatch = Some(Mismatch::SourcePort), "", ""),
    ];
    for (name, change, rcode, expected) in cases {
        let Some(link) = link(name, change) else { return };
        link.guest("ip", &["-6", "address", "add", "2001:db8::100/64", "dev", "tap0", "nodad"]);
        settled(&link);
        let fixed = ["@2001:db8::1", "boot.example.com", "AAAA", "+tries=1", "+timeout=2", "+noedns"];
        let whole = link.guest("dig", &fixed);
        let whole = String::from_utf8(whole.stdout).unwrap();
        let short = String::from_utf8(link.guest("dig", &[&fixed[..], &["+short"]].concat()).stdout).unwrap();
        if rcode.is_empty() {
            assert!(!whole.contains("status:"), "{name}: {whole}");
            continue;
        }
        assert!(whole.contains(&format!("status: {rcode}")), "{name}: {whole}");
        assert!(!whole.contains("WARNING"), "{name}: {whole}");
        assert_eq!(short.trim_end(), *expected, "{name}: {whole}");
        assert_eq!(problems(&link.frames()), "", "{name}");
        for host in ["[2001:db8::1]", "[fe80::1%25tap0]"] {
            let url = format!("http://{host}/boot.efi");
            let format = [
                "--silent",
                "--max-time",
                "10",
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_code} %{size_download}",
            ];
            let output = link.guest("curl", &[&format[..], &[&url]].concat());
            assert_eq!(String::from_utf8_lossy(&output.stdout), "200 100000", "{host}");
        }
    }
}

/// Every option of an advertisement, by a dissector that knows them.
#[test]
fn tshark_reads_our_advertisements() {
    if !require(&["tshark"]) {
        return;
    }
    let mut settings = NetworkSettings::default();
    settings.client.boot = Boot::Ipv6;
    let ra = &mut settings.ra;
    ra.mtu = Some(1400);
    (ra.rdnss, ra.dnssl) = (vec![address::SERVER6], vec!["example.com".into(), "b.example".into()]);
    ra.captive_portal = Some("https://portal.example/".into());
    ra.pref64 = Some(Pref64 { prefix: "64:ff9b::".parse().unwrap(), length: 96, lifetime_seconds: 600 });
    ra.unknown_options = vec![UnknownOption { kind: 200, units: 2 }];
    ra.more_prefixes = vec![Prefix { length: 48, ..Prefix::default() }];
    ra.more_routers = vec![Router::default()];
    let mut bench = support::Bench::new6(&settings, image(1));
    let mut solicitation = Vec::new();
    etherparse::PacketBuilder::ethernet2(address::GUEST_MAC, [0x33, 0x33, 0, 0, 0, 2])
        .ipv6(
            support::GUEST_LINK_LOCAL.octets(),
            "ff02::2".parse::<std::net::Ipv6Addr>().unwrap().octets(),
            255,
        )
        .icmpv6_raw(133, 0, [0; 4])
        .write(&mut solicitation, &[])
        .unwrap();
    assert_eq!(bench.exchange(&solicitation).len(), 2);
    assert_eq!(problems(&bench.frames), "");
    let fields = [
        "icmpv6.opt.mtu",
        "icmpv6.opt.rdnss",
        "icmpv6.opt.dnssl",
        "icmpv6.opt.captive_portal",
        "icmpv6.opt.prefix.length",
    ];
    let read = tshark(&bench.frames, "icmpv6.opt.mtu", &fields);
    for expected in ["1400", "2001:db8::1", "example.com", "b.example", "https://portal.example/", "64,48"] {
        assert!(read.contains(expected), "{expected} in {read}");
    }
    // The same check sees what is damaged.
    for (_, _, frame) in &mut bench.frames {
        let last = frame.len() - 1;
        frame[last] ^= 1;
    }
    assert_ne!(problems(&bench.frames), "");
}
