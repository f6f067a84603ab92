//! A conforming client does what every shipped scenario expects of one, `may` included; so no expectation is impossible
//! and no network of ours is broken where it should not be.

mod support;

use fake_firmware::{Behaviour, FakeFirmware, NOT_OF_OPENSSL, Tls};
use judge::{Ending, Finding, Watched, hear, judge};
use payload::{Payload, disk};
use record::{Assertion, AssertionState, Bounds, Entry, Matcher};
use scenario::{Point, Scenario, load_dir};
use services::{Network, NetworkError, image::Kind};
use std::{path::Path, sync::LazyLock};
use support::Certificates;
use wire::{Direction, Event, GuestEvent, GuestTime, Node, Outbox};

/// Guest time after which a client has had its say: longer than four DISCOVERs, and a REQUEST tried as often.
const LIMIT: GuestTime = GuestTime::from_micros(300_000_000);

static SHIPPED: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    load_dir(&tree).unwrap_or_else(|error| panic!("{error}"))
});
static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| Certificates::of(&SHIPPED));

/// What is found about `behaviour` at `point`; nothing if this host's OpenSSL cannot do what is asked of the server.
fn run(behaviour: &Behaviour, point: &Point) -> Option<(Finding, Vec<Entry>)> {
    // What takes several clients, one after the other, is not for one.
    if point.network.has_loaders() {
        return None;
    }
    let mut payload = Payload::new("x64", [0x17; 16]).expect("a payload");
    if let Some(bytes) = point.network.image.bytes {
        payload = payload.filled_to(bytes as usize).expect("a size that a scenario may have");
    }
    for (signature, signer) in point.network.image.signatures.iter().zip(CERTIFICATES.signers(point)) {
        let sign = |image: &[u8]| pki::authenticode::sign(image, &signer, signature.digest);
        payload = payload.wrapped(sign).expect("an image that can be signed");
    }
    payload = match point.network.image.kind {
        Kind::Iso => payload.wrapped(|program| disk::iso(program, "x64")).expect("a disc"),
        Kind::Disk => payload.wrapped(|program| disk::disk(program, "x64")).expect("a disk"),
        Kind::Program | Kind::Initramfs | Kind::UnifiedKernel => payload,
    };
    payload = payload.in_form(point.network.image.form);
    let identity = CERTIFICATES.of_server(point);
    let mut network = match Network::with_identity(&point.network, payload.image(), identity) {
        Ok(network) => network,
        Err(NetworkError::Unsupported(unsupported)) => {
            println!("not tested: {}: {unsupported}", point.id);
            return None;
        }
        Err(error) => panic!("{}: {error}", point.id),
    };
    let behaviour = CERTIFICATES.client(behaviour, point);
    let behaviour = behaviour.guarded(CERTIFICATES.keys(point, &payload.image()));
    // What a firmware that leaves them alone has in its variables at the end, BootNext not among it.
    let variables = || {
        let nvram = &point.network.client.nvram;
        let variable = |name: String, meaning: String| Event::Variable {
            name,
            vendor: "8BE4DF61-93CA-11D2-AA0D-00E098032B8C".into(),
            attributes: 7,
            bytes: meaning.len(),
            meaning: Some(meaning),
        };
        let entries =
            (0..nvram.entries.len()).map(|at| variable(format!("Boot{:04X}", 0xf0 + at), String::new()));
        let order = "00F0 00F1 0000".to_owned();
        entries.chain([variable("BootOrder".into(), order)]).collect::<Vec<_>>()
    };
    let watched =
        |ending, ended| Watched { ending, ended, image_started: ending == Ending::Proof, ipv6_began: None };
    let mut guest = FakeFirmware::new(behaviour);
    let mut timeline: Vec<Entry> = Vec::new();
    let mut number = 0;
    let mut packet = |direction, bytes: &[u8]| {
        number += 1;
        let (length, summary) = (bytes.len(), evidence::summary::line(bytes));
        Event::Frame { number, direction, length, summary }
    };
    let mut last_sign_of_life = GuestTime::ZERO;
    loop {
        let wake = network.poll_at().map_or(LIMIT, |at| at.min(LIMIT));
        let mut out = Outbox::default();
        let now = match guest.step(Some(wake)).expect("there is a wake-up time") {
            GuestEvent::Frame { at, direction: Direction::FromGuest, bytes } => {
                last_sign_of_life = at;
                timeline.push(Entry { at, event: packet(Direction::FromGuest, &bytes) });
                network.receive(at, &bytes, &mut out);
                if let Some(proof) = payload.read_proof(&bytes) {
                    timeline.push(Entry { at, event: proof.clone() });
                    if matches!(proof, Event::Proof { genuine: true, .. }) {
                        let finding = judge(&timeline, watched(Ending::Proof, at));
                        timeline.extend(variables().into_iter().map(|event| Entry { at, event }));
                        return Some((finding, timeline));
                    }
                }
                at
            }
            GuestEvent::Frame { at, bytes, .. } => {
                timeline.push(Entry { at, event: packet(Direction::ToGuest, &bytes) });
                at
            }
            GuestEvent::Monitor { at, .. } => at,
            GuestEvent::Console { at, .. } => {
                last_sign_of_life = at;
                at
            }
            GuestEvent::Tick { at } if at < LIMIT => {
                network.poll(at, &mut out);
                at
            }
            GuestEvent::Tick { .. } | GuestEvent::Exited { .. } => {
                let finding = judge(&timeline, watched(Ending::NothingToBoot, last_sign_of_life));
                return Some((finding, timeline));
            }
        };
        timeline.extend(out.events.into_iter().map(|event| Entry { at: now, event }));
        out.frames.into_iter().for_each(|frame| guest.deliver(frame));
    }
}

/// How `behaviour` deviates at the points of the scenarios whose ids begin with `prefix`.
fn deviations(behaviour: &Behaviour, prefix: &str) -> Vec<String> {
    let mut deviations = Vec::new();
    for point in SHIPPED.iter().filter(|scenario| scenario.id.starts_with(prefix)).flat_map(Scenario::points)
    {
        let expected = &point.expected;
        let Some((found, timeline)) = run(behaviour, point) else { continue };
        let as_expected = expected.outcome.is_empty()
            || expected.outcome.contains(&found.outcome)
                && expected.stage.is_none_or(|stage| stage == found.stage)
                && (expected.cause.is_none() || expected.cause.as_deref() == found.cause);
        if !as_expected {
            deviations
                .push(format!("{}: {} at {} ({:?})", point.id, found.outcome, found.stage, found.cause));
        }
        let violated = hear(&timeline, &point.conversation).into_iter();
        let violated = violated.filter(|assertion| assertion.state == AssertionState::Violated);
        deviations.extend(violated.map(|it| format!("{} violates {}: {}", point.id, it.id, it.detail)));
    }
    deviations
}

#[test]
fn a_conforming_client_meets_every_expectation() {
    let found = deviations(&Behaviour::conforming(), "");
    let (known, new): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|deviation| NOT_OF_OPENSSL.iter().any(|point| deviation.starts_with(point)));
    assert_eq!(new, Vec::<String>::new());
    assert_eq!(known.len(), NOT_OF_OPENSSL.len(), "no deviation any more: {known:?}");
}

/// What an assertion would have to be for a timeline that keeps it to violate it, for each thing that it asserts.
fn flipped(assertion: &Assertion, count: usize) -> Vec<Assertion> {
    let mut flipped = Vec::new();
    for path in assertion.has.iter().flat_map(|has| has.0.keys()) {
        let mut one = assertion.clone();
        let matcher = one.has.as_mut().and_then(|has| has.0.get_mut(path)).expect("a key of it");
        *matcher = Matcher::Not { not: Box::new(matcher.clone()) };
        flipped.push(one);
    }
    if assertion.at_least.is_some() {
        flipped.push(Assertion { at_least: Some(count + 1), ..assertion.clone() });
    }
    if assertion.at_most.is_some() && count > 0 {
        flipped.push(Assertion { at_most: Some(count - 1), ..assertion.clone() });
    }
    if assertion.apart_seconds.is_some() {
        let never = Bounds { min: Some(1e6), max: None };
        flipped.push(Assertion { apart_seconds: Some(never), ..assertion.clone() });
    }
    flipped
}

/// Assertions of which no shipped point with a conforming client shows anything: its image runs before its FIN is answered,
/// and it does not ask a busy server again.
const NOT_OF_THE_CONFORMING: [&str; 2] = ["http/exchange: closed-in-order", "http/retry-after: waits"];

/// What is asserted of a conversation takes place somewhere, and the opposite would be noticed there.
#[test]
fn every_assertion_is_about_something_and_can_fail() {
    let mut idle = Vec::new();
    for scenario in SHIPPED.iter().filter(|scenario| !scenario.conversation.is_empty()) {
        let mut tested: Vec<String> = Vec::new();
        for point in scenario.points() {
            let Some((_, timeline)) = run(&Behaviour::conforming(), point) else { continue };
            let results = hear(&timeline, &point.conversation);
            for (assertion, result) in point.conversation.iter().zip(results) {
                if result.state == AssertionState::Untested {
                    continue;
                }
                tested.push(assertion.id.clone());
                let count = result.detail.split(' ').next().and_then(|count| count.parse().ok());
                let Some(count) = count.filter(|_| result.state == AssertionState::Kept) else { continue };
                for flipped in flipped(assertion, count) {
                    let [flipped] = &hear(&timeline, &[flipped])[..] else { panic!("one result") };
                    let at = format!("{} {}: {}", point.id, assertion.id, flipped.detail);
                    assert_eq!(flipped.state, AssertionState::Violated, "{at}");
                }
            }
        }
        let untested = scenario.conversation.iter().filter(|assertion| !tested.contains(&assertion.id));
        idle.extend(untested.map(|assertion| format!("{}: {}", scenario.id, assertion.id)));
    }
    assert_eq!(idle, NOT_OF_THE_CONFORMING);
}

/// The proof that the scenarios can tell clients apart.
#[test]
fn other_clients_do_not() {
    let conforming = Behaviour::conforming;
    let tls = |change: fn(&mut Tls)| {
        let mut behaviour = conforming();
        change(&mut behaviour.tls);
        behaviour
    };
    for (behaviour, scenario) in [
        (Behaviour { speaks: false, ..conforming() }, "control/plain"),
        (Behaviour { redirects: 0, ..conforming() }, "http/redirect"),
        (Behaviour { reconnects: false, ..conforming() }, "http/connection-close"),
        (Behaviour { takes_body_until_close: false, ..conforming() }, "http/framing"),
        (Behaviour { gets_after_refused_head: false, ..conforming() }, "http/head-refused"),
        (Behaviour { declines_lease_without_netmask: true, ..conforming() }, "dhcp4/no-netmask"),
        (Behaviour { offers: fake_firmware::Offers::WithUrl, ..conforming() }, "dhcp4/no-vendor-class"),
        (Behaviour { media_type: fake_firmware::MediaType::WholeValue, ..conforming() }, "http/content-type"),
        (Behaviour { suffix: fake_firmware::Suffix::Ignored, ..conforming() }, "url/suffix"),
        (Behaviour { asks_port_4011: false, ..conforming() }, "pxe/port-4011"),
        (Behaviour { asks_port_4011: false, ..conforming() }, "pxe/boot-servers"),
        (Behaviour { waits_for_address: false, ..conforming() }, "dhcp6/plain"),
        (Behaviour { requests: false, ..conforming() }, "ra/cross"),
        (Behaviour { dns_tries: 0, ..conforming() }, "dns/plain"),
        (tls(|tls| tls.opening = fake_firmware::Opening::PlainHttp), "tls/plain-server"),
        // OpenSSL has the old versions at level 0 only.
        (
            tls(|tls| (tls.min_version, tls.security_level) = (fake_firmware::TlsVersion::Tls10, 0)),
            "tls/leaf-key",
        ),
        (tls(|tls| tls.max_version = fake_firmware::TlsVersion::Tls12), "tls/suite-tls13"),
        (tls(|tls| tls.suites = Some("kRSA")), "tls/suite"),
        (tls(|tls| (tls.suites, tls.security_level) = (Some("ALL:COMPLEMENTOFALL"), 0)), "tls/suite-weak"),
        (tls(|tls| tls.groups = Some("P-384")), "tls/group"),
        (tls(|tls| tls.server_name = fake_firmware::ServerName::Literal), "tls/server-name"),
        (tls(|tls| tls.security_level = 0), "tls/leaf-signature"),
        (tls(|tls| tls.security_level = 0), "tls/dh-size"),
        (tls(|tls| tls.security_level = 3), "tls/intermediate-key"),
        (tls(|tls| tls.trust = fake_firmware::Trust::Everybody), "tls/untrusted"),
        (tls(|tls| tls.trust = fake_firmware::Trust::Everybody), "tls/name-mismatch"),
        (tls(|tls| tls.trust = fake_firmware::Trust::Everybody), "tls/leaf-expired"),
        (tls(|tls| tls.trust = fake_firmware::Trust::Everybody), "tls/purpose"),
        (tls(|tls| tls.trust = fake_firmware::Trust::Everybody), "tls/no-trust"),
    ] {
        assert!(!deviations(&behaviour, scenario).is_empty(), "{scenario} tells nothing of {behaviour:?}");
    }
}

/// The same for assertions about the conversation, where the end is as it should be.
#[test]
fn other_clients_are_heard() {
    let conforming = Behaviour::conforming;
    let tls = |change: fn(&mut Tls)| {
        let mut behaviour = conforming();
        change(&mut behaviour.tls);
        behaviour
    };
    let changed = |change: fn(&mut Behaviour)| {
        let mut behaviour = conforming();
        change(&mut behaviour);
        behaviour
    };
    for (behaviour, violation) in [
        (
            tls(|tls| tls.server_name = fake_firmware::ServerName::Literal),
            "tls/exchange violates no-address-as-name",
        ),
        (tls(|tls| tls.notifies = false), "tls/exchange violates close-notify"),
        (changed(|it| it.host = fake_firmware::Host::WithoutPort), "http/port violates host-has-port"),
        (changed(|it| it.probes_address = false), "dhcp4/exchange violates probes-address"),
        (changed(|it| it.discovers = 1), "dhcp4/no-server violates repeats"),
        (changed(|it| it.dns_tries = 1), "dns/no-answer violates repeats"),
    ] {
        let (scenario, _) = violation.split_once(' ').expect("a scenario and an assertion");
        let found = deviations(&behaviour, scenario);
        let point = |text: &String| text.replace('[', " [");
        let is_told = found
            .iter()
            .map(point)
            .any(|text| text.starts_with(scenario) && text.contains(violation.trim_start_matches(scenario)));
        assert!(is_told, "{violation}: {found:?}");
    }
}
