//! Captures that plugfest did not make: `captures/make.sh` made them with dnsmasq, nginx and real firmware on a TAP. What each
//! has to be explained as follows from its set-up.

use observe::{Observation, clients, observe, read};
use record::Stage;
use std::path::PathBuf;

/// Name, furthest rung, and cause; a good boot has none that a capture could show.
const EXPECTED: [(&str, Stage, Option<&str>); 22] = [
    ("boots", Stage::Image, None),
    ("no-dhcp-server", Stage::Address, Some("dhcp4.no-answer")),
    ("no-vendor-class", Stage::Address, Some("dhcp4.offer-not-http")),
    ("no-boot-file", Stage::Address, Some("dhcp4.offer-without-bootfile")),
    ("not-a-url", Stage::Address, Some("dhcp4.bootfile-not-http")),
    ("no-such-name", Stage::Name, Some("dns.no-such-name")),
    ("dns-silent", Stage::Name, Some("dns.no-answer")),
    ("port-closed", Stage::Connect, Some("tcp.port-closed")),
    ("host-absent", Stage::Address, Some("arp.unanswered")),
    ("forbidden", Stage::Get, Some("http.error-status")),
    ("not-found", Stage::Get, Some("http.error-status")),
    ("redirect", Stage::Get, Some("http.redirect-not-followed")),
    ("media-type", Stage::Get, Some("http.media-type-unknown")),
    ("untrusted", Stage::Tls, Some("tls.client-closed-after-certificate")),
    ("expired", Stage::Tls, Some("tls.client-closed-after-certificate")),
    ("tls13-only", Stage::Tls, Some("tls.no-shared-version")),
    ("no-router6", Stage::Address, Some("dhcp6.no-server")),
    ("no-vendor-class6", Stage::Address, Some("dhcp6.offer-not-http")),
    ("pxe-boots", Stage::Image, None),
    ("pxe-no-such-file", Stage::Get, Some("tftp.refused")),
    ("pxe-no-server", Stage::Get, Some("tftp.incomplete")),
    ("pxe-boots6", Stage::Image, None),
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures").join(name).with_extension("pcap")
}

fn seen(name: &str) -> Observation {
    let capture = read(&path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let client = *clients(&capture.frames).first().unwrap_or_else(|| panic!("{name}: no client"));
    assert_eq!(client.to_string(), "52:54:00:77:00:02", "{name}");
    observe(&capture, client)
}

#[test]
fn each_set_up_is_explained() {
    let found: Vec<_> = EXPECTED
        .iter()
        .map(|&(name, ..)| {
            let finding = seen(name).finding;
            (name, finding.stage, finding.cause)
        })
        .collect();
    assert_eq!(found, EXPECTED);
}

#[test]
fn every_capture_is_expected_to_be_something() {
    let folder = path("x");
    let folder = folder.parent().unwrap_or_else(|| panic!("{} has a folder", folder.display()));
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{error}"));
    let names = entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        (path.extension()? == "pcap")
            .then(|| path.file_stem().map(|name| name.to_string_lossy().into_owned()))?
    });
    let mut names: Vec<String> = names.collect();
    let mut expected: Vec<&str> = EXPECTED.iter().map(|(name, ..)| *name).collect();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

/// The whole of what is said, so that a change of it is looked at.
#[test]
fn the_stories() {
    for (name, ..) in EXPECTED {
        let seen = seen(name);
        let blame = seen.finding.cause.and_then(judge::blame);
        let lines = report::explain_capture(&report::Seen {
            client: "52:54:00:77:00:02",
            timeline: &seen.timeline,
            stage: seen.finding.stage,
            cause: seen.finding.cause,
            detail: &seen.finding.detail,
            blame: blame.as_ref().map(|blame| [blame.side.as_str(), blame.clause, blame.mend]),
            notes: &seen.notes,
        });
        let text: String = lines.iter().map(|line| format!("{:<10} {}\n", line.topic, line.text)).collect();
        insta::assert_snapshot!(name, text);
    }
}
