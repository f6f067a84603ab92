//! Independent witnesses: the kernel's TCP, udhcpc, dhclient, curl and tshark say whether our side is right, so that a
//! finding about a firmware is one.
//!
//! socat joins a TAP device in a namespace of its own to the network under test. Where that cannot be had, the tests
//! say why and pass; with `PLUGFEST_REQUIRE_TOOLS` set, root gets a failure instead.
#![allow(clippy::unwrap_used)]

mod support;

use services::{
    NetworkSettings, address,
    dhcp4::{
        BootfileIn, Delivery, Layout, MoreServers, Order, Overload,
        pxe::{BootServers, Discovery, MenuItem, Prompt, Service},
    },
    http::{
        Break, Coding, Connection, Framing, HeadAnswer, Header, Interruption, LineEnd, Pace, Part, Ranges,
        Version,
    },
};
use std::{fs, net::Ipv4Addr, os::unix::fs::PermissionsExt, process::Command};
use support::{
    Frame, image,
    link::{Link, require},
    pcap,
};
use wire::Direction;

const IMAGE: usize = 3_000_000;
const BOOT: &str = "http://192.0.2.1/boot.efi";

fn link(name: &str, change: impl FnOnce(&mut NetworkSettings)) -> Option<Link> {
    let mut settings = NetworkSettings::default();
    change(&mut settings);
    Link::new(name, &settings, image(IMAGE))
}

/// A link whose guest has its address.
fn configured(name: &str, change: impl FnOnce(&mut NetworkSettings)) -> Option<Link> {
    let link = link(name, change)?;
    link.guest("ip", &["address", "add", "192.0.2.100/24", "dev", "tap0"]);
    Some(link)
}

/// What curl says of a transfer, in the order of the format below, and the body.
fn curl(link: &Link, arguments: &[&str]) -> (String, Vec<u8>) {
    let body = link.directory().join("body");
    let _ = fs::remove_file(&body);
    let body_text = body.to_str().unwrap();
    let format =
        "%{http_code} %{http_version} %{num_connects} %{num_redirects} %{exitcode} %{content_type}\n";
    let fixed = ["--silent", "--max-time", "20", "--output", body_text, "--write-out", format];
    let output = link.guest("curl", &[&fixed, arguments].concat());
    (String::from_utf8(output.stdout).unwrap().trim_end().into(), fs::read(body).unwrap_or_default())
}

fn is_image(body: &[u8]) -> bool {
    *body == *image(IMAGE)
}

/// Problems that tshark sees: malformed packets, expert errors, wrong checksums.
///
/// Where the kernel's window makes the end of a chunked message (`0 CR LF CR LF`) lie in two segments with only the
/// last octet in the second, tshark 4.0 reads beyond the first and calls it malformed; that is no problem of ours.
fn problems(frames: &[Frame]) -> String {
    let filter = "(_ws.malformed and not tcp.payload[-4:4] == 30:0d:0a:0d) or \
        (_ws.expert.severity == error and not _ws.malformed)";
    fields(frames, filter, &["frame.number", "_ws.expert.message"])
}

/// Fields of the frames that match a display filter, a line each, as tshark dissects them.
fn fields(frames: &[Frame], filter: &str, names: &[&str]) -> String {
    assert!(
        frames.iter().any(|(_, direction, _)| *direction == Direction::ToGuest),
        "{} frames",
        frames.len()
    );
    let capture = tempfile::NamedTempFile::new().unwrap();
    pcap::write(capture.path(), frames);
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture.path()).args(["-Y", filter, "-T", "fields"]);
    for protocol in ["ip", "tcp", "udp"] {
        command.args(["-o", &format!("{protocol}.check_checksum:TRUE")]);
    }
    for name in names {
        command.args(["-e", name]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Writes the program that a DHCP client runs at each change of its lease.
fn write_script(link: &Link, command: &str) {
    let path = link.directory().join("script");
    fs::write(&path, format!("#!/bin/sh\n{command}\nexit 0\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn udhcpc_gets_a_lease() {
    for (place, variable) in [(BootfileIn::Option, "bootfile"), (BootfileIn::File, "boot_file")] {
        if !require(&["udhcpc"]) {
            return;
        }
        let Some(link) = link("udhcpc", |n| {
            n.dhcp4.bootfile_in = place;
            n.dhcp4.dns = vec![address::SERVER4];
        }) else {
            return;
        };
        let script = link.directory().join("script");
        let lease = link.directory().join("lease");
        fs::write(&script, format!("#!/bin/sh\n[ \"$1\" = bound ] && env > {}\nexit 0\n", lease.display()))
            .unwrap();
        fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let wanted = ["-O", "bootfile", "-O", "60", "-V", "HTTPClient:Arch:00016:UNDI:003001"];
        let fixed = ["-i", "tap0", "-f", "-n", "-q", "-s", script.to_str().unwrap()];
        link.guest("udhcpc", &[&fixed[..], &wanted].concat());
        let lease = fs::read_to_string(lease).expect("udhcpc is bound");
        for expected in [
            "ip=192.0.2.100",
            "subnet=255.255.255.0",
            "router=192.0.2.1",
            "dns=192.0.2.1",
            "lease=3600",
            "serverid=192.0.2.1",
            "siaddr=192.0.2.1",
            "vendor=HTTPClient",
            &format!("{variable}={BOOT}"),
        ] {
            assert!(lease.lines().any(|line| line == expected), "{expected} in\n{lease}");
        }
        assert_eq!(problems(&link.frames()), "");
    }
}

/// However messages are laid out within the rules, dhclient finds the same in them; and what it does not find, firmware
/// need not find either.
#[test]
fn dhclient_reads_every_layout() {
    if !require(&["dhclient"]) {
        return;
    }
    type Change = fn(&mut Layout);
    let cases: [(&str, Change, bool); 8] = [
        ("reversed", |l| l.order = Order::Reversed, true),
        ("padded", |l| l.padding = 3, true),
        ("in-file", |l| l.overload = Overload::File, true),
        ("in-sname", |l| l.overload = Overload::Sname, true),
        ("in-both", |l| l.overload = Overload::Both, true),
        ("split", |l| l.longest_instance = 10, true),
        ("broadcast", |l| l.delivery = Delivery::Broadcast, true),
        ("other-xid", |l| l.other_xid = true, false),
    ];
    for (name, change, is_bound) in cases {
        let Some(link) = link(&format!("dh-{name}"), |network| change(&mut network.dhcp4.layout)) else {
            return;
        };
        let lease = lease(&link);
        assert_eq!(lease.is_some(), is_bound, "{name}");
        if let Some(lease) = lease {
            for expected in ["new_vendor_class_identifier=HTTPClient", &format!("new_bootfile_name={BOOT}")] {
                assert!(lease.lines().any(|line| line == expected), "{name}: {expected} in\n{lease}");
            }
            assert_eq!(problems(&link.frames()), "", "{name}");
        }
    }
}

#[test]
fn dhclient_gets_a_lease() {
    if !require(&["dhclient"]) {
        return;
    }
    let Some(link) = link("dhclient", |_| {}) else { return };
    let lease = lease(&link).expect("dhclient is bound");
    for expected in [
        "new_ip_address=192.0.2.100",
        "new_subnet_mask=255.255.255.0",
        "new_routers=192.0.2.1",
        "new_dhcp_lease_time=3600",
        "new_dhcp_server_identifier=192.0.2.1",
        "new_vendor_class_identifier=HTTPClient",
        &format!("new_bootfile_name={BOOT}"),
    ] {
        assert!(lease.lines().any(|line| line == expected), "{expected} in\n{lease}");
    }
    assert_eq!(problems(&link.frames()), "");
}

/// What dhclient tells its script once it is bound; nothing if it is not within some seconds.
fn lease(link: &Link) -> Option<String> {
    let path = |name: &str| link.directory().join(name).to_str().unwrap().to_owned();
    let configuration = "send vendor-class-identifier \"HTTPClient:Arch:00016:UNDI:003001\";\n\
        request subnet-mask, routers, vendor-class-identifier, bootfile-name, dhcp-lease-time;\n";
    fs::write(path("conf"), configuration).unwrap();
    // dhclient stays to renew its lease, so the script ends it.
    write_script(link, &format!("[ \"$reason\" = BOUND ] && env > {} && kill $PPID", path("lease")));
    let (conf, script, leases, pid) = (path("conf"), path("script"), path("leases"), path("pid"));
    let files = ["-cf", &conf, "-sf", &script, "-lf", &leases, "-pf", &pid];
    link.guest("timeout", &[&["8", "dhclient", "-1", "-d", "-q"], &files[..], &["tap0"]].concat());
    fs::read_to_string(path("lease")).ok()
}

const GOOD: &str = "200 1.1 1 0 0 application/efi";

fn pace(network: &mut NetworkSettings, of: Part, octets: u32) {
    network.http.pace = Pace { of: Some(of), octets, seconds: 0.02 };
}

/// The part that curl has after an interruption and the rest that it asks for make the image.
#[test]
fn curl_goes_on_where_it_stopped() {
    if !require(&["curl"]) {
        return;
    }
    for by in [Break::Close, Break::Reset] {
        let resumable = |n: &mut NetworkSettings| {
            n.http.ranges = Ranges::Served;
            n.http.interruption = Interruption { by: Some(by), after: 5000, times: Some(1) };
        };
        let Some(link) = configured("curl resume", resumable) else { return };
        let (said, part) = curl(&link, &[BOOT]);
        assert!(said.starts_with("200 1.1 1 0 ") && said != GOOD, "{said}");
        let (said, rest) = curl(&link, &[&format!("-r{}-", part.len()), BOOT]);
        assert_eq!(said, "206 1.1 1 0 0 application/efi");
        assert!(is_image(&[part, rest].concat()), "{by:?}");
        assert_eq!(problems(&link.frames()), "");
    }
}

#[test]
fn curl_is_content_with_every_setting() {
    if !require(&["curl"]) {
        return;
    }
    type Change = fn(&mut NetworkSettings);
    let relative: Change = |n| (n.http.status, n.http.location) = (302, Some("moved.efi".into()));
    let absolute: Change =
        |n| (n.http.status, n.http.location) = (308, Some("http://{server4}/a/b?c=d".into()));
    let refused: Change = |n| n.http.head = HeadAnswer::Status(405);
    let http_1_0: Change = |n| n.http.version = Version::Http10;
    let missing: Change = |n| n.http.status = 404;
    let too_short: Change = |n| {
        n.http.connection = Connection::Close;
        n.http.message.content_length = vec![10];
    };
    // curl unfolds what it prints, but not what it looks for.
    let fold: Change = |n| (n.http.message.fold, n.http.framing) = (true, Framing::UntilClose);
    let extension: Change = |n| {
        n.http.framing = Framing::Chunked;
        n.http.message.chunk_extension = Some("trace=\"a;b\"".into());
    };
    let trailers: Change = |n| {
        n.http.framing = Framing::Chunked;
        n.http.message.trailers = vec![Header { name: "Content-Length".into(), value: "1".into() }];
    };
    let chunked_excess: Change = |n| {
        n.http.framing = Framing::Chunked;
        n.http.message.after = Some("\r\nwarning\r\n".into());
    };
    let cases: &[(&str, Change, &[&str], &str, bool)] = &[
        ("get", |_| {}, &[BOOT], "200 1.1 1 0 0 application/efi", true),
        ("head", |_| {}, &["--head", BOOT], "200 1.1 1 0 0 application/efi", false),
        ("old client", |_| {}, &["--http1.0", BOOT], "200 1.1 1 0 0 application/efi", true),
        ("old server", http_1_0, &[BOOT], "200 1 1 0 0 application/efi", true),
        ("chunked", |n| n.http.framing = Framing::Chunked, &[BOOT], "200 1.1 1 0 0 application/efi", true),
        (
            "chunked 1.0",
            |n| n.http.framing = Framing::Chunked,
            &["-0", BOOT],
            "200 1.1 1 0 0 application/efi",
            true,
        ),
        (
            "until close",
            |n| n.http.framing = Framing::UntilClose,
            &[BOOT],
            "200 1.1 1 0 0 application/efi",
            true,
        ),
        ("close", |n| n.http.connection = Connection::Close, &[BOOT], "200 1.1 1 0 0 application/efi", true),
        ("no type", |n| n.http.content_type = None, &[BOOT], "200 1.1 1 0 0 ", true),
        ("relative", relative, &["--location", BOOT], "200 1.1 1 1 0 application/efi", true),
        ("absolute", absolute, &["--location", BOOT], "200 1.1 1 1 0 application/efi", true),
        ("missing", missing, &[BOOT], "404 1.1 1 0 0 text/plain", false),
        ("no head", refused, &["--head", BOOT], "405 1.1 1 0 0 text/plain", false),
        ("elsewhere", |_| {}, &["http://192.0.2.1/other"], "404 1.1 1 0 0 text/plain", false),
        ("closed port", |_| {}, &["http://192.0.2.1:81/"], "000 0 0 0 7 ", false),
        ("empty", |n| n.http.head = HeadAnswer::Close, &["--head", BOOT], "000 0 1 0 52 ", false),
        ("interim", |n| n.http.message.interim = vec![100, 103], &[BOOT], GOOD, true),
        ("phrase", |n| n.http.message.status_line = Some("HTTP/1.1 200 ".into()), &[BOOT], GOOD, true),
        ("line end", |n| n.http.message.line_end = LineEnd::Lf, &[BOOT], GOOD, true),
        ("fold", fold, &[BOOT], "200 1.1 1 0 0 ", true),
        ("same length twice", |n| n.http.message.content_length = vec![0, 0], &[BOOT], GOOD, true),
        ("too short", too_short, &[BOOT], "200 1.1 1 0 18 application/efi", true),
        ("both", |n| n.http.framing = Framing::Both, &[BOOT], GOOD, true),
        ("extension", extension, &[BOOT], GOOD, true),
        ("trailers", trailers, &[BOOT], GOOD, true),
        ("gzip", |n| n.http.message.coding = Coding::Gzip, &["--compressed", BOOT], GOOD, true),
        ("gzip unread", |n| n.http.message.coding = Coding::Gzip, &[BOOT], GOOD, false),
        ("excess", |n| n.http.message.after = Some("\r\nwarning\r\n".into()), &[BOOT], GOOD, true),
        ("chunked excess", chunked_excess, &[BOOT], GOOD, true),
        ("slow head", |n| pace(n, Part::Head, 10), &[BOOT], GOOD, true),
        ("slow image", |n| pace(n, Part::Image, 10_000), &[BOOT], GOOD, true),
        (
            "cut",
            |n| n.http.interruption.by = Some(Break::Close),
            &[BOOT],
            "200 1.1 1 0 18 application/efi",
            false,
        ),
        (
            "reset",
            |n| n.http.interruption.by = Some(Break::Reset),
            &[BOOT],
            "200 1.1 1 0 56 application/efi",
            false,
        ),
        (
            "stall",
            |n| n.http.interruption.by = Some(Break::Stall),
            &["-m1", BOOT],
            "200 1.1 1 0 28 application/efi",
            false,
        ),
        (
            "range",
            |n| n.http.ranges = Ranges::Served,
            &["-r5-9", BOOT],
            "206 1.1 1 0 0 application/efi",
            false,
        ),
        (
            "no range",
            |n| n.http.ranges = Ranges::Refused,
            &["-r5-9", BOOT],
            "416 1.1 1 0 0 text/plain",
            false,
        ),
        ("range ignored", |_| {}, &["-r5-9", BOOT], GOOD, true),
    ];
    for (name, change, arguments, expected, whole) in cases {
        let Some(link) = configured(&format!("curl {name}"), change) else { return };
        let (said, body) = curl(&link, arguments);
        assert_eq!(said, expected.trim_end(), "{name}");
        assert_eq!(is_image(&body), *whole, "{name}: {} bytes", body.len());
        // What RFC 9112 forbids is not what tshark is content with.
        if !["both", "excess", "chunked excess", "too short"].contains(name) {
            assert_eq!(problems(&link.frames()), "", "{name}");
        }
    }
}

/// curl reads by TFTP as well, with options and without.
#[test]
fn curl_reads_the_image_by_tftp() {
    if !require(&["curl"]) {
        return;
    }
    let pxe = |n: &mut NetworkSettings| {
        n.client.protocol = services::client::Protocol::Pxe;
        n.dhcp4.bootfile = Some("boot.efi".into());
    };
    let url = "tftp://192.0.2.1/boot.efi";
    let mut frames = Vec::new();
    for (name, change, arguments, whole) in [
        ("plain", pxe as fn(&mut NetworkSettings), &["--tftp-no-options", url][..], true),
        ("options", pxe, &["--tftp-blksize", "1432", url], true),
        (
            "no options known",
            |n| {
                n.client.protocol = services::client::Protocol::Pxe;
                n.dhcp4.bootfile = Some("boot.efi".into());
                n.tftp.options = false;
            },
            &["--tftp-blksize", "1432", url],
            true,
        ),
        ("not there", pxe, &["tftp://192.0.2.1/other"], false),
    ] {
        let Some(link) = configured(&format!("curl tftp {name}"), change) else { return };
        let (_, body) = curl(&link, arguments);
        assert_eq!(is_image(&body), whole, "{name}: {} bytes", body.len());
        frames.extend(link.frames());
    }
    assert_eq!(problems(&frames), "");
}

#[test]
fn curl_uses_one_connection_again() {
    if !require(&["curl"]) {
        return;
    }
    for (connection, connects) in
        [(Connection::KeepAlive, ["1", "0"]), (Connection::CloseUnannounced, ["1", "1"])]
    {
        let Some(link) = configured("curl again", |n| n.http.connection = connection) else { return };
        let format = "%{http_code} %{num_connects}\n";
        let once = ["--silent", "--max-time", "20", "--output", "/dev/null", "--write-out", format, BOOT];
        let output = link.guest("curl", &[&once[..], &["--next"], &once].concat());
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, format!("200 {}\n200 {}\n", connects[0], connects[1]), "{connection:?}");
        assert_eq!(problems(&link.frames()), "");
    }
}

#[test]
fn the_kernel_pings_us() {
    if !require(&["ping"]) {
        return;
    }
    let Some(link) = configured("ping", |_| {}) else { return };
    let output = link.guest("ping", &["-c", "2", "-i", "0.2", "-W", "2", "192.0.2.1"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(problems(&link.frames()), "");
}

#[test]
fn tshark_reads_what_we_say() {
    if !require(&["tshark"]) {
        return;
    }
    let mut bench = support::Bench::new(&NetworkSettings::default(), image(10_000));
    bench.exchange(&support::dhcp::Client::new(1).frame());
    for method in ["HEAD", "GET"] {
        bench.ask(80, &format!("{method} /boot.efi HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
    assert_eq!(problems(&bench.frames), "");
    let offer = fields(
        &bench.frames,
        "dhcp.option.dhcp == 2",
        &[
            "dhcp.ip.your",
            "dhcp.option.subnet_mask",
            "dhcp.option.vendor_class_id",
            "dhcp.option.bootfile_name",
        ],
    );
    assert_eq!(offer, format!("192.0.2.100\t255.255.255.0\tHTTPClient\t{BOOT}\n"));
    let responses = fields(&bench.frames, "http.response", &["http.response.code", "http.content_length"]);
    assert_eq!(responses, "200\t10000\n200\t10000\n");

    // The same check sees a capture that is damaged.
    for (_, _, frame) in &mut bench.frames {
        let last = frame.len() - 1;
        frame[last] ^= 1;
    }
    assert!(problems(&bench.frames).contains("Bad checksum"), "{}", problems(&bench.frames));
}

/// A proxy's offer and what it says on port 4011, as tshark reads the options of PXE.
#[test]
fn tshark_reads_what_a_pxe_server_says() {
    if !require(&["tshark"]) {
        return;
    }
    let proxy = Ipv4Addr::new(192, 0, 2, 2);
    let discovery = Discovery {
        control: Some(7),
        servers: vec![BootServers { r#type: 1, addresses: vec![proxy] }],
        menu: vec![MenuItem { r#type: 1, text: "one".into() }],
        prompt: Some(Prompt { seconds: 3, text: "F8".into() }),
    };
    let service = Service { server_name: Some("{server4}".into()), ..Service::default() };
    let mut settings = NetworkSettings::default();
    settings.client.protocol = services::client::Protocol::Pxe;
    settings.dhcp4.more_servers = vec![MoreServers {
        address: None,
        bootfile: None,
        vendor_class: Some("PXEClient".into()),
        discovery,
        port_4011: Some(service),
        ..MoreServers::default()
    }];
    let mut bench = support::Bench::new(&settings, image(10));
    bench.exchange(&support::dhcp::Client::new(1).frame());
    let class = b"PXEClient:Arch:00007:UNDI:003001".to_vec();
    let options = vec![(53, vec![3]), (60, class), (43, vec![71, 4, 0, 1, 0, 0, 255])];
    let ask =
        support::dhcp::Client { flags: 0, ciaddr: address::GUEST4, options, ..support::dhcp::Client::new(3) };
    for port in [68, 4011] {
        bench.exchange(&support::dhcp::unicast(port, (proxy, 4011), &ask.payload()));
    }
    assert_eq!(problems(&bench.frames), "");
    let offer = fields(
        &bench.frames,
        "dhcp.option.dhcp == 2 and ip.src == 192.0.2.2",
        &[
            "dhcp.ip.your",
            "dhcp.ip.server",
            "dhcp.option.vendor_class_id",
            "dhcp.option.vendor.pxeclient.discovery_control",
            "dhcp.option.vendor.pxeclient.boot_servers.ip",
        ],
    );
    assert_eq!(offer, "0.0.0.0\t192.0.2.2\tPXEClient\t0x07\t192.0.2.2\n");
    let acks = fields(
        &bench.frames,
        "dhcp.option.dhcp == 5 and udp.srcport == 4011",
        &["udp.dstport", "dhcp.ip.client", "dhcp.ip.server", "dhcp.file", "dhcp.option.tftp_server_name"],
    );
    let ack = |port| format!("{port}\t192.0.2.100\t192.0.2.2\tboot.efi\t192.0.2.1\n");
    assert_eq!(acks, ack(68) + &ack(4011));
}

/// The kernel's TCP mends what our link breaks, so what a link breaks is not ours.
#[test]
fn curl_gets_the_image_over_a_link_that_loses_repeats_and_damages() {
    let faults = || services::link::Faults {
        only: vec![services::link::Protocol::Tcp],
        lose_percent: 2.0,
        duplicate_percent: 2.0,
        corrupt_percent: 2.0,
        ..Default::default()
    };
    let mut settings = NetworkSettings::default();
    settings.link.to_guest = services::link::Faults { lose: vec![1], ..faults() };
    settings.link.from_guest = faults();
    // Each loss costs a timeout of TCP, so a small image.
    let Some(link) = Link::new("hurt", &settings, image(150_000)) else { return };
    link.guest("ip", &["address", "add", "192.0.2.100/24", "dev", "tap0"]);
    let (told, body) = curl(&link, &[BOOT]);
    assert!(told.starts_with("200 1.1 1 0 0"), "{told}");
    assert_eq!(body[..], image(150_000)[..]);
}

/// Small segments and a window that shuts are TCP as the kernel knows it.
#[test]
fn curl_gets_the_image_in_small_segments_and_through_a_small_window() {
    let Some(link) = configured("small", |settings| {
        settings.tcp.max_segment = Some(536);
        settings.tcp.window_bytes = Some(32);
        settings.tcp.read_after_seconds = 0.5;
    }) else {
        return;
    };
    let (told, body) = curl(&link, &[BOOT]);
    assert!(told.starts_with("200 1.1 1 0 0"), "{told}");
    assert!(is_image(&body));
}
