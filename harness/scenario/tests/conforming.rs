//! A conforming client does what every shipped scenario expects of one, `may` included; so no expectation is impossible
//! and no network of ours is broken where it should not be.

use fake_firmware::{Behaviour, FakeFirmware};
use judge::{Ending, Finding, judge};
use payload::Payload;
use record::Entry;
use scenario::{Point, load_dir};
use services::Network;
use std::path::Path;
use wire::{Direction, Event, GuestEvent, GuestTime, Node, Outbox};

/// Guest time after which a client has had its say: longer than four DISCOVERs, and a REQUEST tried as often.
const LIMIT: GuestTime = GuestTime::from_micros(300_000_000);

fn run(behaviour: Behaviour, point: &Point) -> Finding {
    let payload = Payload::new("x64", [0x17; 16]).expect("a payload");
    let mut network = Network::new(&point.network, payload.image()).expect("a checked network");
    let mut guest = FakeFirmware::new(behaviour);
    let mut timeline: Vec<Entry> = Vec::new();
    let mut last_sign_of_life = GuestTime::ZERO;
    loop {
        let wake = network.poll_at().map_or(LIMIT, |at| at.min(LIMIT));
        let mut out = Outbox::default();
        let now = match guest.step(Some(wake)).expect("there is a wake-up time") {
            GuestEvent::Frame { at, direction: Direction::FromGuest, bytes } => {
                last_sign_of_life = at;
                network.receive(at, &bytes, &mut out);
                if let Some(proof) = payload.read_proof(&bytes) {
                    timeline.push(Entry { at, event: proof.clone() });
                    if matches!(proof, Event::Proof { genuine: true, .. }) {
                        return judge(&timeline, Ending::Proof, at, true);
                    }
                }
                at
            }
            GuestEvent::Frame { at, .. } | GuestEvent::Monitor { at, .. } => at,
            GuestEvent::Console { at, .. } => {
                last_sign_of_life = at;
                at
            }
            GuestEvent::Tick { at } if at < LIMIT => {
                network.poll(at, &mut out);
                at
            }
            GuestEvent::Tick { .. } | GuestEvent::Exited { .. } => {
                return judge(&timeline, Ending::NothingToBoot, last_sign_of_life, false);
            }
        };
        timeline.extend(out.events.into_iter().map(|event| Entry { at: now, event }));
        out.frames.into_iter().for_each(|frame| guest.deliver(frame));
    }
}

fn deviations(behaviour: &Behaviour) -> Vec<String> {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut deviations = Vec::new();
    for scenario in load_dir(&tree).unwrap_or_else(|error| panic!("{error}")) {
        for point in scenario.points() {
            let expected = &point.expected;
            let found = run(behaviour.clone(), point);
            let as_expected = expected.outcome.is_empty()
                || expected.outcome.contains(&found.outcome)
                    && expected.stage.is_none_or(|stage| stage == found.stage)
                    && (expected.cause.is_none() || expected.cause.as_deref() == found.cause);
            if !as_expected {
                deviations
                    .push(format!("{}: {} at {} ({:?})", point.id, found.outcome, found.stage, found.cause));
            }
        }
    }
    deviations
}

#[test]
fn a_conforming_client_meets_every_expectation() {
    assert_eq!(deviations(&Behaviour::conforming()), Vec::<String>::new());
}

/// The proof that the scenarios can tell clients apart.
#[test]
fn other_clients_do_not() {
    let conforming = Behaviour::conforming;
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
    ] {
        let found = deviations(&behaviour);
        assert!(
            found.iter().any(|deviation| deviation.starts_with(scenario)),
            "{scenario} tells nothing: {found:?}"
        );
    }
}
