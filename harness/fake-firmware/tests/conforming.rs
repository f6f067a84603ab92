//! A conforming client on the networks that a scenario can make, and clients of real builds on the same.

#![allow(clippy::unwrap_used)]

mod common;

use common::{End, boot, boot_from, boot_image};
use fake_firmware::Behaviour;
use payload::Payload;
use services::http::{Connection, Framing, HeadAnswer, Version};
use services::{NetworkSettings, dhcp4};
use std::process::Command;
use wire::{Event, GuestTime};

fn network(change: impl FnOnce(&mut NetworkSettings)) -> NetworkSettings {
    let mut settings = NetworkSettings::default();
    change(&mut settings);
    settings
}

/// Networks from which every client has to boot, with the name of what is changed.
fn good_networks() -> Vec<(&'static str, NetworkSettings)> {
    let with = |change: fn(&mut NetworkSettings)| network(change);
    vec![
        ("default", NetworkSettings::default()),
        ("file field", with(|n| n.dhcp4.bootfile_in = dhcp4::BootfileIn::File)),
        ("no netmask", with(|n| n.dhcp4.netmask = None)),
        ("no router", with(|n| n.dhcp4.router = None)),
        ("offer after 3 s", with(|n| n.dhcp4.offer_delay_seconds = 3.0)),
        ("offer after 9 s", with(|n| n.dhcp4.offer_delay_seconds = 9.0)),
        ("long vendor class", with(|n| n.dhcp4.vendor_class = Some("HTTPClient:Arch:00016".into()))),
        (
            "odd port",
            with(|n| {
                n.http.port = 8080;
                n.dhcp4.bootfile = Some("http://{server4}:8080/boot.efi".into());
            }),
        ),
        ("query", with(|n| n.dhcp4.bootfile = Some("http://{server4}/boot.efi?a=b".into()))),
        ("no suffix", with(|n| n.dhcp4.bootfile = Some("http://{server4}/boot".into()))),
        ("no content type", with(|n| n.http.content_type = None)),
        (
            "parameter",
            with(|n| {
                n.dhcp4.bootfile = Some("http://{server4}/boot".into());
                n.http.content_type = Some("application/efi; charset=binary".into());
            }),
        ),
        (
            "upper case",
            with(|n| {
                n.dhcp4.bootfile = Some("http://{server4}/BOOT.EFI".into());
                n.http.content_type = Some("text/plain".into());
            }),
        ),
        ("head 405", with(|n| n.http.head = HeadAnswer::Status(405))),
        ("head closes", with(|n| n.http.head = HeadAnswer::Close)),
        ("head unanswered", with(|n| n.http.head = HeadAnswer::Silence)),
        ("chunked", with(|n| n.http.framing = Framing::Chunked)),
        (
            "until close",
            with(|n| {
                n.http.framing = Framing::UntilClose;
                n.http.connection = Connection::Close;
            }),
        ),
        ("length on GET only", with(|n| n.http.framing = Framing::ContentLengthOnGetOnly)),
        ("connection close", with(|n| n.http.connection = Connection::Close)),
        ("close unannounced", with(|n| n.http.connection = Connection::CloseUnannounced)),
        ("half-close after HEAD", with(|n| n.http.connection = Connection::HalfCloseAfterHead)),
        ("half-close after GET", with(|n| n.http.connection = Connection::HalfCloseAfterGet)),
        ("path of 68 bytes", with(|n| n.tcp.path_mtu = Some(68))),
        (
            "HTTP/1.0",
            with(|n| {
                n.http.version = Version::Http10;
                n.http.connection = Connection::CloseUnannounced;
            }),
        ),
        (
            "redirect",
            with(|n| {
                n.http.status = 302;
                n.http.location = Some("http://{server4}/elsewhere.efi".into());
            }),
        ),
    ]
}

/// Networks from which nobody can boot.
fn bad_networks() -> Vec<(&'static str, NetworkSettings)> {
    let with = |change: fn(&mut NetworkSettings)| network(change);
    vec![
        ("no dhcp", with(|n| n.dhcp4.enabled = false)),
        ("no option 60", with(|n| n.dhcp4.vendor_class = None)),
        ("option 60 of PXE", with(|n| n.dhcp4.vendor_class = Some("PXEClient".into()))),
        ("no bootfile", with(|n| n.dhcp4.bootfile = None)),
        ("tftp", with(|n| n.dhcp4.bootfile = Some("tftp://{server4}/boot.efi".into()))),
        ("no address", with(|n| n.dhcp4.address = None)),
        ("nak", with(|n| n.dhcp4.request = dhcp4::RequestAnswer::Nak)),
        ("no ack", with(|n| n.dhcp4.request = dhcp4::RequestAnswer::Silence)),
        ("closed port", with(|n| n.dhcp4.bootfile = Some("http://{server4}:81/boot.efi".into()))),
        ("absent host", with(|n| n.dhcp4.bootfile = Some("http://192.0.2.77/boot.efi".into()))),
        ("404", with(|n| n.http.status = 404)),
        ("503", with(|n| n.http.status = 503)),
        (
            "unknown type",
            with(|n| {
                n.dhcp4.bootfile = Some("http://{server4}/boot".into());
                n.http.content_type = Some("text/html".into());
            }),
        ),
    ]
}

#[test]
fn a_conforming_boot() {
    let transcript = boot(Behaviour::conforming());
    assert!(transcript.boots());
    insta::assert_snapshot!(transcript.text());
}

#[test]
fn a_conforming_client_boots_from_every_good_network() {
    for (name, settings) in good_networks() {
        let transcript = boot_from(Behaviour::conforming(), &settings);
        assert!(transcript.boots(), "{name}:\n{}", transcript.text());
    }
}

#[test]
fn a_conforming_client_ends_its_attempt_on_every_bad_network() {
    for (name, settings) in bad_networks() {
        let transcript = boot_from(Behaviour::conforming(), &settings);
        assert_eq!(transcript.end, End::Limit, "{name}");
        assert!(
            transcript.says("BdsDxe: failed to load Boot0001 \"UEFI HTTPv4"),
            "{name}: {}",
            transcript.text()
        );
    }
}

/// The table of all networks and clients: what a matrix of the fake firmware has to show.
#[test]
fn who_boots_from_what() {
    let clients = [
        ("conforming", Behaviour::conforming()),
        ("2020.11", Behaviour::edk2_2020_11()),
        ("2022.11", Behaviour::edk2_2022_11()),
        ("2025.02", Behaviour::edk2_2025_02()),
        ("2026.08", Behaviour::edk2_2026_08()),
    ];
    let mut table = format!("{:20}", "");
    table.extend(clients.iter().map(|(name, _)| format!("{name:>22}")));
    for (name, settings) in good_networks().into_iter().chain(bad_networks()) {
        table.push_str(&format!("\n{name:20}"));
        for (_, client) in &clients {
            let transcript = boot_from(client.clone(), &settings);
            let how = if transcript.boots() { "boots" } else { "-" };
            let at = format!("{how} {:.1} s", transcript.last_sign_of_life().as_secs_f64());
            table.push_str(&format!("{at:>22}"));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_boot_that_fails_like_edk2() {
    let settings = network(|n| n.http.status = 404);
    insta::assert_snapshot!(boot_from(Behaviour::edk2_2026_08(), &settings).text());
}

#[test]
fn giving_up_takes_a_minute_of_guest_time() {
    let settings = network(|n| n.dhcp4.vendor_class = None);
    let transcript = boot_from(Behaviour::edk2_2022_11(), &settings);
    assert_eq!(transcript.count(|e| matches!(e, Event::Dhcp4Received { .. })), 4);
    assert_eq!(transcript.last_sign_of_life().as_secs_f64().round(), 62.0);
    insta::assert_snapshot!(transcript.text());
}

#[test]
fn a_large_image_arrives_whole() {
    let payload = Payload::new("x64", [7; 16]).unwrap().filled_to(4 << 20).unwrap();
    let transcript = boot_image(Behaviour::conforming(), &NetworkSettings::default(), &payload);
    assert!(transcript.boots());
    assert!(transcript.frames.len() > (4 << 20) / 1460);
}

#[test]
fn tshark_finds_nothing_malformed() {
    let directory = tempfile::tempdir().unwrap();
    let meta = evidence::CellMeta {
        cell: "fake".into(),
        firmware: "fake-firmware".into(),
        title: "a conforming client".into(),
        rtc_base_unix: 1_795_356_062,
    };
    // Those that differ on the wire.
    let chosen =
        ["default", "odd port", "chunked", "until close", "connection close", "redirect", "nak", "404"];
    let networks =
        good_networks().into_iter().chain(bad_networks()).filter(|(name, _)| chosen.contains(name));
    for (name, settings) in networks {
        let mut cell = evidence::CellEvidence::create(directory.path(), &meta, "").unwrap();
        for (at, direction, frame) in boot_from(Behaviour::conforming(), &settings).frames {
            cell.frame(at, direction, &frame).unwrap();
        }
        let frames = cell.frames();
        let capture = cell.finish(GuestTime::ZERO).unwrap().files.capture;
        let mut tshark = Command::new("tshark");
        for protocol in ["ip", "tcp", "udp"] {
            tshark.args(["-o", &format!("{protocol}.check_checksum:TRUE")]);
        }
        tshark.args(["-T", "fields", "-e", "_ws.malformed", "-e", "_ws.expert.severity", "-e"]);
        let output = match tshark.args(["http.request.method", "-r"]).arg(capture).output() {
            Ok(output) => output,
            Err(error) => {
                assert!(std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_none(), "tshark: {error}");
                return println!("skipped: tshark: {error}");
            }
        };
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
        assert_eq!(rows.len() as u64, frames, "{name}");
        assert_eq!(rows.iter().any(|row| row[2] == "HEAD"), name != "nak", "{name}");
        for (number, row) in (1..).zip(&rows) {
            assert_eq!(row[0], "", "{name}: packet {number} is malformed");
            // PI_ERROR is 0x00800000; PI_WARN and less is what a RST or a retransmission gets.
            let severities = row[1].split(',').filter(|severity| !severity.is_empty());
            for severity in severities {
                assert!(
                    severity.parse::<u32>().unwrap() < 0x0080_0000,
                    "{name}: packet {number}: {severity}"
                );
            }
        }
    }
}
