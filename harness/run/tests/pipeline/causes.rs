//! What a fault of the firmware or of the network comes out as: outcome, stage, cause.

use crate::bench::{Done, Fakes, Link, build, is_announcement, is_dhcp, plan, run, scenario};
use fake_firmware::{Behaviour, Execution, Moment, Request, TroubleKind};
use record::{Outcome, Stage, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use wire::GuestTime;

/// A fault, and what it has to come out as.
pub struct Row {
    /// Names the scenario.
    pub name: &'static str,
    /// The `network:` block.
    pub network: &'static str,
    pub client: Behaviour,
    pub link: Link,
    pub outcome: Outcome,
    pub stage: Stage,
    pub cause: Option<&'static str>,
}

/// A row over a good link that names a cause.
pub fn row(
    name: &'static str,
    network: &'static str,
    client: Behaviour,
    outcome: Outcome,
    stage: Stage,
    cause: &'static str,
) -> Row {
    Row { name, network, client, link: Link::Good, outcome, stage, cause: Some(cause) }
}

const PLAIN: &str = "{}";
/// A proxy that names its boot file on port 4011 only.
const PXE_PROXY: &str =
    "{ client: { protocol: pxe }, dhcp4: { bootfile: null, vendor_class: null, more_servers: [
    { address: null, bootfile: null, vendor_class: PXEClient, port_4011: {} }] } }";
const PXE_PROXY_SILENT: &str =
    "{ client: { protocol: pxe }, dhcp4: { bootfile: null, vendor_class: null, more_servers: [
    { address: null, bootfile: null, vendor_class: PXEClient, port_4011: { request: silence } }] } }";
/// A URL without a suffix, so that the media type decides.
const NO_SUFFIX: &str = "{ dhcp4: { bootfile: 'http://{server4}/boot' }, http: { content_type: text/html } }";

fn table() -> Vec<Row> {
    let mut rows = plain();
    rows.extend(crate::tls::rows());
    rows.extend(crate::ipv6::rows());
    rows
}

/// Everything but TLS, IPv6 and names.
fn plain() -> Vec<Row> {
    use Outcome::{Boots, Crashes, GivesUp, Hangs, Refuses};
    use TroubleKind::{Exception, Hang, PowerOff, Reset};
    let conforming = Behaviour::conforming;
    let edk2 = Behaviour::edk2_2022_11;
    let trouble = |moment, kind| conforming().with_trouble(moment, kind);
    vec![
        Row { cause: None, ..row("boots", PLAIN, conforming(), Boots, Stage::Executed, "") },
        // link
        row(
            "no-boot-option",
            PLAIN,
            Behaviour { speaks: false, ..conforming() },
            GivesUp,
            Stage::Link,
            "link.no-boot-option",
        ),
        row("dead", PLAIN, trouble(Moment::PowerOn, Hang), Hangs, Stage::Link, "link.no-frame"),
        Row {
            link: Link::Dumb(|_| true),
            ..row("cable-unplugged", PLAIN, conforming(), GivesUp, Stage::Link, "link.no-frame")
        },
        row(
            "frames-lost",
            "{ link: { from_guest: { lose_percent: 100 } } }",
            conforming(),
            GivesUp,
            Stage::Address,
            "link.frames-lost",
        ),
        row(
            "syns-lost",
            "{ link: { from_guest: { only: [tcp], lose_percent: 100 } } }",
            conforming(),
            GivesUp,
            Stage::Connect,
            "link.frames-lost",
        ),
        Row {
            link: Link::Dumb(|frame| is_dhcp(frame) || is_announcement(frame)),
            ..row(
                "no-dhcp",
                PLAIN,
                Behaviour { garbage: true, ..conforming() },
                GivesUp,
                Stage::Link,
                "link.no-dhcp",
            )
        },
        Row {
            link: Link::Dumb(is_dhcp),
            ..row(
                "announced-without-network",
                PLAIN,
                Behaviour { garbage: true, ..conforming() },
                GivesUp,
                Stage::Link,
                "image.proof-forged",
            )
        },
        // address
        row(
            "no-server",
            "{ dhcp4: { enabled: false } }",
            conforming(),
            GivesUp,
            Stage::Address,
            "dhcp4.no-answer",
        ),
        row(
            "no-option-60",
            "{ dhcp4: { vendor_class: null } }",
            conforming(),
            GivesUp,
            Stage::Address,
            "dhcp4.offer-not-http",
        ),
        row(
            "no-bootfile",
            "{ dhcp4: { bootfile: null } }",
            conforming(),
            GivesUp,
            Stage::Address,
            "dhcp4.offer-without-bootfile",
        ),
        row(
            "tftp-bootfile",
            "{ dhcp4: { bootfile: 'tftp://{server4}/boot.efi' } }",
            conforming(),
            GivesUp,
            Stage::Address,
            "dhcp4.bootfile-not-http",
        ),
        row(
            "no-address",
            "{ dhcp4: { address: null } }",
            conforming(),
            GivesUp,
            Stage::Address,
            "dhcp4.offer-without-address",
        ),
        row(
            "never-requests",
            PLAIN,
            Behaviour { requests: false, ..conforming() },
            GivesUp,
            Stage::Address,
            "dhcp4.offer-not-taken",
        ),
        row("nak", "{ dhcp4: { request: nak } }", edk2(), Refuses, Stage::Address, "dhcp4.nak"),
        row(
            "no-ack",
            "{ dhcp4: { request: silence } }",
            conforming(),
            GivesUp,
            Stage::Address,
            "dhcp4.request-unanswered",
        ),
        row("declines", "{ dhcp4: { netmask: null } }", edk2(), Refuses, Stage::Address, "dhcp4.declined"),
        row(
            "lease-forgotten",
            PLAIN,
            trouble(Moment::AckReceived, Hang),
            Hangs,
            Stage::Address,
            "dhcp4.lease-not-used",
        ),
        row(
            "port-4011-silent",
            PXE_PROXY_SILENT,
            conforming(),
            GivesUp,
            Stage::Address,
            "dhcp4.port-4011-unanswered",
        ),
        row(
            "port-4011-not-asked",
            PXE_PROXY,
            Behaviour { asks_port_4011: false, ..conforming() },
            GivesUp,
            Stage::Address,
            "dhcp4.offer-not-taken",
        ),
        // connect
        row("port-closed", "{ http: { port: 81 } }", edk2(), Refuses, Stage::Connect, "tcp.port-closed"),
        row(
            "half-open",
            PLAIN,
            trouble(Moment::SynSent, Hang),
            Hangs,
            Stage::Connect,
            "tcp.handshake-incomplete",
        ),
        row(
            "server-elsewhere",
            "{ dhcp4: { bootfile: 'http://198.51.100.7/boot.efi' } }",
            conforming(),
            GivesUp,
            Stage::Connect,
            "tcp.handshake-incomplete",
        ),
        row(
            "larger-than-the-path",
            "{ tcp: { path_mtu: 68 } }",
            Behaviour { discovers_path: false, ..conforming() },
            GivesUp,
            Stage::Connect,
            "tcp.packet-too-big",
        ),
        row(
            "resets-at-once",
            PLAIN,
            Behaviour { resets_after_syn_ack: true, probes_address: false, ..conforming() },
            Refuses,
            Stage::Connect,
            "tcp.no-request",
        ),
        row(
            "half-a-request",
            PLAIN,
            Behaviour { request: Request::Truncated, ..conforming() },
            GivesUp,
            Stage::Connect,
            "tcp.no-request",
        ),
        row(
            "no-request-at-all",
            PLAIN,
            Behaviour { request: Request::Garbage, ..conforming() },
            Refuses,
            Stage::Connect,
            "http.request-malformed",
        ),
        // head and get
        row(
            "fragment-sent",
            "{ dhcp4: { bootfile: 'http://{server4}/boot.efi#x' } }",
            Behaviour { sends_fragment: true, ..conforming() },
            Refuses,
            Stage::Get,
            "http.target-not-found",
        ),
        row(
            "redirect",
            "{ http: { status: 302, location: 'http://{server4}/moved.efi' } }",
            edk2(),
            Refuses,
            Stage::Get,
            "http.redirect-not-followed",
        ),
        row(
            "error-status",
            "{ http: { status: 503 } }",
            conforming(),
            Refuses,
            Stage::Get,
            "http.error-status",
        ),
        row(
            "head-refused",
            "{ http: { head: { status: 405 } } }",
            Behaviour { gets_after_refused_head: false, ..conforming() },
            Refuses,
            Stage::Head,
            "http.head-refused",
        ),
        row(
            "head-unanswered",
            "{ http: { head: silence } }",
            Behaviour { gets_after_refused_head: false, ..conforming() },
            GivesUp,
            Stage::Head,
            "http.no-answer",
        ),
        row(
            "closed-after-head",
            "{ http: { connection: close } }",
            Behaviour { reconnects: false, ..conforming() },
            Refuses,
            Stage::Head,
            "http.connection-closed",
        ),
        row(
            "until-close",
            "{ http: { framing: until-close } }",
            edk2(),
            Refuses,
            Stage::Image,
            "http.length-missing",
        ),
        row(
            "interrupted",
            "{ http: { interruption: { by: close }, ranges: served } }",
            edk2(),
            Refuses,
            Stage::Get,
            "http.interrupted",
        ),
        // tftp
        row(
            "tftp-refused",
            "{ client: { protocol: pxe }, dhcp4: { bootfile: boot.efi }, tftp: { error: 1 } }",
            conforming(),
            Refuses,
            Stage::Get,
            "tftp.refused",
        ),
        row(
            "tftp-silent",
            "{ client: { protocol: pxe }, dhcp4: { bootfile: boot.efi }, tftp: { stop_after: 1 } }",
            conforming(),
            GivesUp,
            Stage::Get,
            "tftp.incomplete",
        ),
        row("media-type", NO_SUFFIX, conforming(), Refuses, Stage::Image, "http.media-type-unknown"),
        row(
            "stops-after-head",
            PLAIN,
            trouble(Moment::HeadAnswered, Hang),
            Hangs,
            Stage::Head,
            "http.stopped-after-head",
        ),
        row(
            "stops-in-the-body",
            PLAIN,
            trouble(Moment::BodyStarted, Hang),
            Hangs,
            Stage::Get,
            "http.body-incomplete",
        ),
        // image
        row(
            "chain-stopped",
            concat!(
                "{ dhcp4: { bootfile: 'http://{server4}/loader.efi' }, image: { url: 'http://{server4}/payload.efi' }, ",
                "http: { files: [{ url: 'http://{server4}/loader.efi', text: no loader, content_type: application/efi }] } }",
            ),
            conforming(),
            Refuses,
            Stage::Get,
            "image.chain-stopped",
        ),
        row(
            "not-started",
            PLAIN,
            Behaviour { execution: Execution::Rejects, ..conforming() },
            Refuses,
            Stage::Image,
            "image.not-started",
        ),
        row(
            "denied",
            "{ client: { secure_boot: { mode: user } }, image: { form: tampered, signatures: [{}] } }",
            conforming(),
            Refuses,
            Stage::Image,
            "image.denied",
        ),
        row(
            "silent-fallback",
            PLAIN,
            Behaviour { execution: Execution::LocalImage, ..conforming() },
            Hangs,
            Stage::Image,
            "image.no-proof",
        ),
        row(
            "another-cells-proof",
            PLAIN,
            Behaviour { execution: Execution::OtherProof, ..conforming() },
            Hangs,
            Stage::Image,
            "image.proof-forged",
        ),
        row(
            "echoed-nonce",
            PLAIN,
            Behaviour { execution: Execution::EchoedNonce, ..conforming() },
            Hangs,
            Stage::Image,
            "image.proof-forged",
        ),
        // the machine
        row(
            "exception",
            PLAIN,
            trouble(Moment::GetSent, Exception),
            Crashes,
            Stage::Get,
            "firmware.exception",
        ),
        row("reset", PLAIN, trouble(Moment::ImageReceived, Reset), Crashes, Stage::Image, "firmware.reset"),
        row(
            "power-off",
            PLAIN,
            trouble(Moment::OfferReceived, PowerOff),
            Crashes,
            Stage::Address,
            "firmware.reset",
        ),
    ]
}

/// Runs the whole table on one firmware.
pub fn run_table(rows: &[Row]) -> Done {
    let scenarios: Vec<_> = rows
        .iter()
        .map(|row| scenario(&format!("table/{}", row.name), "observe", &format!("network: {}", row.network)))
        .collect();
    let clients: BTreeMap<String, (Behaviour, Link)> =
        rows.iter().map(|row| (format!("table/{}", row.name), (row.client.clone(), row.link))).collect();
    let guests =
        Fakes::choosing(move |cell, _, _| Ok(clients.get(&cell.scenario).cloned().unwrap_or_default()));
    run(plan(&scenarios, vec![build("fake")]), guests)
}

#[test]
fn every_fault_comes_out_as_what_it_is() {
    let rows = table();
    let done = run_table(&rows);
    let mut wrong = Vec::new();
    for row in &rows {
        let cell = done.cell(&format!("table/{}", row.name));
        let expected = (Some(row.outcome), Some(row.stage), row.cause);
        let found = (cell.outcome, cell.stage, cell.cause.as_deref());
        if found != expected {
            wrong.push(format!("{}: {found:?}, expected {expected:?} ({})", row.name, cell.detail));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(done.results.totals().pass, rows.len() + 1, "observed rows and the control cannot fail");
}

/// Causes that no fault can produce yet, and what is missing.
const NOT_YET: &[(&str, &str)] = &[
    ("dhcp6.declined", "the client declines only an address that another host has, which is the cause then"),
    (
        "arp.unanswered",
        "our host answers for every address; captures of other networks show it (observe/tests)",
    ),
];

#[test]
fn the_table_is_complete() {
    let rows = table();
    let produced: BTreeSet<&str> = rows.iter().filter_map(|row| row.cause).collect();
    let not_yet: BTreeSet<&str> = NOT_YET.iter().map(|(cause, _)| *cause).collect();
    let known: BTreeSet<&str> = judge::CAUSES.iter().map(|cause| cause.id).collect();
    assert_eq!(produced.union(&not_yet).copied().collect::<BTreeSet<_>>(), known);
    assert!(produced.is_disjoint(&not_yet), "{not_yet:?} can be produced");

    let outcomes: BTreeSet<Outcome> = rows.iter().map(|row| row.outcome).collect();
    assert!(outcomes.iter().eq(Outcome::ALL), "{outcomes:?}");
    let stages = rows.iter().map(|row| row.stage);
    assert!(stages.collect::<BTreeSet<_>>().iter().eq(Stage::ALL));
}

#[test]
fn nothing_but_this_cells_proof_counts_as_a_boot() {
    let rows = table();
    let done = run_table(&rows);
    for (row, proofs) in [
        ("silent-fallback", 0),
        ("another-cells-proof", 1),
        ("echoed-nonce", 1),
        ("announced-without-network", 1),
    ] {
        let cell = done.cell(&format!("table/{row}"));
        let timeline = done.timeline(cell);
        let genuine: Vec<bool> = timeline
            .iter()
            .filter_map(|entry| match entry.event {
                wire::Event::Proof { genuine, .. } => Some(genuine),
                _ => None,
            })
            .collect();
        assert_eq!(genuine, vec![false; proofs], "{row}");
        assert_ne!(cell.outcome, Some(Outcome::Boots), "{row}");
        assert_ne!(cell.stage, Some(Stage::Executed), "{row}");
    }
}

/// A forged announcement before a genuine boot is the firmware's oddity, not a reason to doubt the proof.
#[test]
fn a_boot_with_noise_around_it_is_a_boot() {
    let noisy = Behaviour { garbage: true, ..Behaviour::conforming() };
    let done = run(plan(&run::controls()[..1], vec![build("fake")]), Fakes::all(noisy));
    assert_eq!(done.cell(run::CONTROL).outcome, Some(Outcome::Boots));
}

/// The console says that the attempt has started before its line ends, so a hang in between is seen within the
/// firmware's own longest timeout and not only after the time that power-on may take.
#[test]
fn a_hang_right_after_the_start_of_the_attempt_is_seen_early() {
    let client = Behaviour::conforming().with_trouble(Moment::DiscoverSent, TroubleKind::Hang);
    let guests = Fakes::choosing(move |_, _, _| Ok((client.clone(), Link::Dumb(|_| true))));
    let done = run(plan(&run::controls()[..1], vec![build("fake")]), guests);
    let cell = done.cell(run::CONTROL);
    assert_eq!((cell.outcome, cell.cause.as_deref()), (Some(Outcome::Hangs), Some("link.no-frame")));
    let patience = f64::from(build("fake").family.longest_timeout_seconds());
    assert!((patience..patience + 10.0).contains(&cell.guest_seconds), "{}", cell.guest_seconds);
}

/// A client that talks without end is stopped all the same.
#[test]
fn an_attempt_that_never_ends_hits_its_limit() {
    let restless = Behaviour { restarts_after_nak: u32::MAX, ..Behaviour::conforming() };
    let endless = scenario("table/endless", "observe", "network: { dhcp4: { request: nak } }");
    let guests = Fakes::choosing(move |cell, _, _| {
        Ok((if cell.control { Behaviour::conforming() } else { restless.clone() }, Link::Good))
    });
    let done = run(plan(&[endless], vec![build("fake")]), guests);
    let cell = done.cell("table/endless");
    let found = (cell.outcome, cell.stage, cell.cause.as_deref());
    assert_eq!(found, (Some(Outcome::Hangs), Some(Stage::Address), Some("dhcp4.nak")));
    assert!((900.0..1000.0).contains(&cell.guest_seconds), "{}", cell.guest_seconds);
}

#[test]
fn what_was_done_about_a_refused_head_is_said() {
    let refuses = "network: { http: { head: { status: 405 } } }";
    for (execution, cause) in
        [(Execution::Rejects, "image.not-started"), (Execution::LocalImage, "image.no-proof")]
    {
        let client = Behaviour { execution, ..Behaviour::conforming() };
        let guests = Fakes::choosing(move |cell, _, _| {
            Ok((if cell.control { Behaviour::conforming() } else { client.clone() }, Link::Good))
        });
        let done = run(plan(&[scenario("table/x", "observe", refuses)], vec![build("fake")]), guests);
        let cell = done.cell("table/x");
        assert_eq!(cell.cause.as_deref(), Some(cause));
        assert!(cell.detail.contains("HEAD was refused: 405"), "{}", cell.detail);
    }
}

/// A finding about a connection says where it went.
#[test]
fn a_connection_that_was_not_made_is_named() {
    let done = run_table(&table());
    for (row, to) in [("port-closed", "192.0.2.1:80"), ("server-elsewhere", "198.51.100.7:80")] {
        let cell = done.cell(&format!("table/{row}"));
        assert!(cell.detail.contains(to), "{}", cell.detail);
    }
}

/// Guest time stands still for nobody: what a finding rests on is in the timeline, in order.
#[test]
fn the_timeline_of_every_row_is_in_order_and_ends_with_the_cell() {
    let rows = table();
    let done = run_table(&rows);
    for cell in &done.results.cells {
        let timeline = done.timeline(cell);
        assert!(timeline.is_sorted_by_key(|entry| entry.at), "{}", cell.id);
        let last = timeline.last().map_or(GuestTime::ZERO, |entry| entry.at);
        assert!(last.as_secs_f64() <= cell.guest_seconds, "{}", cell.id);
        assert_eq!(cell.verdict, Verdict::Pass, "{}", cell.id);
    }
}

/// Also where nothing else about the cell needs equipment.
#[test]
fn an_image_is_signed_whoever_its_client_is() {
    let signed = scenario("table/x", "observe", "network: { image: { signatures: [{}] } }");
    let plan = plan(&[signed], vec![build("fake")]);
    let cell = plan.cells.iter().find(|cell| cell.scenario == "table/x").unwrap();
    assert_eq!(cell.equipment.as_ref().unwrap().signers.len(), 1);
}
