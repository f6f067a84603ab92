//! Independent witnesses of what lies between a client and its boot server: the kernel meets redirects and routers that
//! drop, dhclient a relay agent, dig and the C library two DNS servers and DNS over TCP, curl and s_client TLS over IPv6.
//!
//! As `witness.rs`: a TAP device in a namespace of its own, and where that cannot be had, the tests say why and pass.
#![allow(clippy::unwrap_used)]

mod support;

use etherparse::PacketBuilder;
use services::{
    NetworkSettings, address,
    client::Boot,
    ra::{Fault, Hop, Redirect, Router},
};
use std::{fs, net::Ipv6Addr, os::unix::fs::PermissionsExt, thread, time::Duration};
use support::{
    Bench, Frame, image,
    link::{Link, require},
    pcap,
};

const IMAGE: usize = 100_000;

fn settings(change: impl FnOnce(&mut NetworkSettings)) -> NetworkSettings {
    let mut settings = NetworkSettings::default();
    settings.client.boot = Boot::Ipv6;
    change(&mut settings);
    settings
}

/// A link whose guest has a global address, no prefix on the link but that of the settings, and the first router it hears.
fn link(name: &str, settings: &NetworkSettings) -> Option<Link> {
    let link = Link::new(name, settings, image(IMAGE))?;
    link.guest("ip", &["-6", "address", "add", "2001:db8::100/128", "dev", "tap0", "nodad"]);
    // Duplicate address detection, and a router solicitation that the kernel sends after it.
    thread::sleep(Duration::from_millis(3500));
    Some(link)
}

/// `HTTP status, bytes` of what curl gets.
fn curl(link: &Link, arguments: &[&str]) -> String {
    let format = "%{http_code} %{size_download}";
    let fixed = ["--silent", "--max-time", "8", "--output", "/dev/null", "--write-out", format];
    let output = link.guest("curl", &[&fixed, arguments].concat());
    String::from_utf8(output.stdout).unwrap()
}

const WHOLE: &str = "200 100000";
const NOTHING: &str = "000 0";

/// Fields of the frames that pass a filter.
fn tshark(frames: &[Frame], filter: &str, fields: &[&str]) -> String {
    let capture = tempfile::NamedTempFile::new().unwrap();
    pcap::write(capture.path(), frames);
    let mut command = std::process::Command::new("tshark");
    command.arg("-r").arg(capture.path()).args(["-Y", filter, "-T", "fields"]);
    let output = command.args(fields.iter().flat_map(|field| ["-e", field])).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What tshark has to say against frames.
fn problems(frames: &[Frame]) -> String {
    let filter = "_ws.malformed or _ws.expert.severity == error or icmpv6.checksum.status == 0";
    tshark(frames, filter, &["frame.number", "_ws.expert.message"])
}

/// RFC 4861 §8.1 and §8.3: the kernel goes where a valid redirect sends it, and nowhere else.
#[test]
fn the_kernel_follows_redirects_and_drops_malformed_ones() {
    if !require(&["curl", "ip"]) {
        return;
    }
    let redirect = |to, malformed, forwards_after| Some(Redirect { to, malformed, forwards_after });
    let off_link = format!("http://[{}]/boot.efi", address::OFF_LINK6);
    let mut cases = vec![
        (redirect(Hop::Router, None, false), WHOLE),
        (redirect(Hop::Destination, None, false), WHOLE),
        // It has believed us: the same router forwards on, but is used no more.
        (redirect(Hop::Nowhere, None, true), NOTHING),
    ];
    // `not-first-hop` is missing: Linux 6 follows a redirect from any router for a TCP connection that it has.
    for fault in [
        Fault::HopLimit,
        Fault::GlobalSource,
        Fault::GlobalTarget,
        Fault::Code,
        Fault::Checksum,
        Fault::ZeroLengthOption,
        Fault::OverlongOption,
    ] {
        cases.push((redirect(Hop::Nowhere, Some(fault), true), WHOLE));
    }
    let test = |redirect: Option<Redirect>, expected: &str| {
        let settings = settings(|n| {
            n.ra.redirect = redirect.clone();
            // It only steps in where the redirect leads.
            n.ra.more_routers = vec![Router { lifetime_seconds: 0, ..Router::default() }];
        });
        let Some(link) = link("redirect", &settings) else { return };
        assert_eq!(curl(&link, &[&off_link]), expected, "{redirect:?}");
        let frames = link.frames();
        let of_redirect = |frame: &&Frame| frame.2[20] == 58 && frame.2[54] == 137;
        let sent: Vec<_> = frames.iter().filter(of_redirect).cloned().collect();
        assert_eq!(sent.len(), 1, "{redirect:?}");
        let damaged = |fault| {
            matches!(fault, Fault::Checksum | Fault::ZeroLengthOption | Fault::OverlongOption | Fault::Code)
        };
        let expected = redirect.and_then(|redirect| redirect.malformed).is_some_and(damaged);
        let found = problems(&sent);
        assert!(expected || found.is_empty(), "{found}");
    };
    // Most of the time is spent waiting.
    thread::scope(|scope| {
        cases.into_iter().for_each(|(redirect, expected)| {
            scope.spawn(move || test(redirect, expected));
        })
    });
}

/// RFC 4191 §3.2: of two routers, the preferred one; a router that drops what it should forward is a dead end.
#[test]
fn the_kernel_uses_a_router_that_forwards() {
    if !require(&["curl", "ip"]) {
        return;
    }
    let off_link = format!("http://[{}]/boot.efi", address::OFF_LINK6);
    for (forwards, expected) in [(true, WHOLE), (false, NOTHING)] {
        let settings = settings(|n| n.ra.forwards = forwards);
        let Some(link) = link("forwards", &settings) else { return };
        assert_eq!(curl(&link, &[&off_link]), expected);
        // What is on the link needs no router.
        assert_eq!(curl(&link, &["http://[2001:db8::1]/boot.efi"]), WHOLE);
    }
}

/// The kernel's own MLD reports, as our service reads them.
#[test]
fn the_kernels_reports_are_read() {
    let Some(link) = link("mld", &settings(|_| {})) else { return };
    let mut bench = Bench::new6(&settings(|_| {}), image(1));
    for (_, direction, frame) in link.frames() {
        if direction == wire::Direction::FromGuest {
            bench.exchange(&frame);
        }
    }
    let joined: Vec<Ipv6Addr> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            record::Event::GroupsReported { joined, .. } => Some(joined.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    // Its solicited-node group, of its MAC address.
    assert!(joined.contains(&"ff02::1:ff12:3456".parse().unwrap()), "{joined:?}");
}

#[test]
fn dhclient_gets_its_lease_through_the_relay_agent() {
    if !require(&["dhclient"]) {
        return;
    }
    for mode in [services::dhcp6::Mode::Stateful, services::dhcp6::Mode::None] {
        let settings = settings(|n| (n.dhcp6.relay, n.dhcp6.mode) = (true, mode));
        let Some(link) = link("relay", &settings) else { return };
        let path = |name: &str| link.directory().join(name).to_str().unwrap().to_owned();
        let script = "#!/bin/sh\n[ \"$reason\" = BOUND6 ] && env > LEASE && kill $PPID\nexit 0\n";
        fs::write(path("script"), script.replace("LEASE", &path("lease"))).unwrap();
        fs::set_permissions(path("script"), fs::Permissions::from_mode(0o755)).unwrap();
        let (script, leases, pid) = (path("script"), path("leases"), path("pid"));
        let files = ["-cf", "/dev/null", "-sf", &script, "-lf", &leases, "-pf", &pid];
        link.guest("timeout", &[&["8", "dhclient", "-6", "-1", "-d", "-v"], &files[..], &["tap0"]].concat());
        let lease = fs::read_to_string(path("lease")).unwrap_or_default();
        let bound = lease.contains("2001:db8::100");
        assert_eq!(bound, mode == services::dhcp6::Mode::Stateful, "{lease}");
        let agent = "fe80::18".parse::<Ipv6Addr>().unwrap().octets();
        let heard = link.frames().iter().any(|(_, way, frame)| {
            *way == wire::Direction::ToGuest && frame.len() > 60 && frame[22..38] == agent
        });
        assert_eq!(heard, bound);
        assert_eq!(problems(&link.frames()), "");
    }
}

/// A Relay-reply and what is in it, as tshark dissects them.
#[test]
fn tshark_reads_our_relay_replies() {
    if !require(&["tshark"]) {
        return;
    }
    let mut bench = Bench::new6(&settings(|_| {}), image(1));
    let option = |code: u8, value: &[u8]| [&[0, code, 0, value.len() as u8], value].concat();
    let duid = option(1, &[0, 3, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    let solicit = [&[1, 1, 2, 3], duid.as_slice(), &option(3, &[0; 12])].concat();
    let forward = [&[12, 0], [0x20; 32].as_slice(), &option(18, b"eth0"), &option(9, &solicit)].concat();
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(address::GUEST_MAC, address::SERVER_MAC)
        .ipv6(support::GUEST_LINK_LOCAL.octets(), address::SERVER6.octets(), 64)
        .udp(547, 547)
        .write(&mut frame, &forward)
        .unwrap();
    assert_eq!(bench.exchange(&frame).len(), 1);
    assert_eq!(problems(&bench.frames), "");
    let fields = ["dhcpv6.msgtype", "dhcpv6.interface_id", "dhcpv6.iaaddr.ip"];
    let read = tshark(&bench.frames, "dhcpv6.msgtype == 13", &fields);
    assert_eq!(read.trim_end(), "13,2\t65746830\t2001:db8::100");
}

/// dig retries a truncated answer over TCP, and fails where there is none.
#[test]
fn dig_asks_again_over_tcp() {
    if !require(&["dig"]) {
        return;
    }
    for (tcp, server) in [(true, "2001:db8::1"), (true, "2001:db8:1::1"), (false, "2001:db8::1")] {
        let settings = settings(|n| (n.dns.truncated, n.dns.tcp) = (true, tcp));
        let Some(link) = link("dig", &settings) else { return };
        let at = format!("@{server}");
        let arguments = [&at, "boot.example.com", "AAAA", "+tries=1", "+timeout=2", "+noedns"];
        let said = String::from_utf8(link.guest("dig", &arguments).stdout).unwrap();
        assert_eq!(said.contains("status: NOERROR"), tcp, "{said}");
        assert_eq!(said.contains("AAAA\t2001:db8::1"), tcp, "{said}");
        // Without truncation the same server answers by UDP.
        let ignoring = [&arguments[..], &["+ignore"]].concat();
        let said = String::from_utf8(link.guest("dig", &ignoring).stdout).unwrap();
        assert!(said.contains("ANSWER: 0") && said.contains(" tc "), "{said}");
        assert_eq!(problems(&link.frames()), "");
    }
}

/// The C library's resolver asks the second server where the first is dead, and TCP where an answer is cut off.
#[test]
fn the_c_library_finds_the_server_that_lives() {
    if !require(&["getent", "unshare", "mount"]) {
        return;
    }
    type Change = fn(&mut NetworkSettings);
    let cases: &[(&str, Change, bool)] = &[
        ("first dead", |n| n.dns.dead = vec![address::OFF_LINK6.into()], true),
        ("truncated", |n| n.dns.truncated = true, true),
        ("both dead", |n| n.dns.dead = vec![address::OFF_LINK6.into(), address::SERVER6.into()], false),
        ("NXDOMAIN", |n| n.dns.rcode = services::dns::Rcode::NxDomain, false),
    ];
    for (name, change, found) in cases {
        let Some(link) = link(name, &settings(change)) else { return };
        let file = link.directory().join("resolv.conf");
        let servers = format!("nameserver {}\nnameserver {}\n", address::OFF_LINK6, address::SERVER6);
        fs::write(&file, servers + "options timeout:1 attempts:1\n").unwrap();
        let command = format!(
            "mount --bind {} /etc/resolv.conf || exit 99; timeout 8 getent ahostsv6 boot.example.com",
            file.display()
        );
        let output = link.guest("unshare", &["--mount", "sh", "-c", &command]);
        if output.status.code() == Some(99) {
            return eprintln!("skipped: this host allows no mounts");
        }
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.contains("2001:db8::1"), *found, "{name}: {said}");
    }
}

/// TLS over IPv6: literals, a name, an address behind the router, and a certificate for somebody else.
#[test]
fn curl_and_s_client_verify_us_over_ipv6() {
    if !require(&["curl", "openssl"]) {
        return;
    }
    let settings = settings(|n| {
        n.dhcp6.bootfile = Some("https://[{server6}]/boot.efi".into());
        let names = ["{server6}", "{offlink6}", "{name}"].map(String::from);
        n.tls.certificate.leaf.names = names.to_vec();
    });
    let Some(link) = link("tls", &settings) else { return };
    let anchors = link.write_anchors(&settings);
    let name = ["--resolve", "boot.example.com:443:[2001:db8::1]"];
    for (host, expected) in [
        ("[2001:db8::1]", WHOLE),
        ("[2001:db8:1::1]", WHOLE),
        ("boot.example.com", WHOLE),
        // It is ours, but the certificate does not say so.
        ("[fe80::1%25tap0]", NOTHING),
    ] {
        let url = format!("https://{host}/boot.efi");
        assert_eq!(curl(&link, &[&["--cacert", &anchors, &url], &name[..]].concat()), expected, "{host}");
        assert_eq!(curl(&link, &[&url]), NOTHING, "{host}");
    }
    for (address, good) in [("2001:db8::1", true), ("2001:db8::2", false)] {
        let arguments = [
            "8",
            "openssl",
            "s_client",
            "-connect",
            "[2001:db8::1]:443",
            "-CAfile",
            &anchors,
            "-verify_return_error",
            "-verify_ip",
            address,
        ];
        assert_eq!(link.guest("timeout", &arguments).status.success(), good, "{address}");
    }
}
