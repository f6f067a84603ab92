//! Each fault can be told from a conforming boot by what it leaves on the wire and on the console.

#![allow(clippy::unwrap_used)]

mod common;

use common::{End, Transcript, boot, boot_from, https};
use fake_firmware::{
    Behaviour, Closing, Execution, Host, MediaType, Moment, Offers, Request, Suffix, TroubleKind,
};
use record::Dhcp4Message;
use services::NetworkSettings;
use wire::Event;

fn conforming() -> Behaviour {
    Behaviour::conforming()
}

fn received(transcript: &Transcript, wanted: Dhcp4Message) -> usize {
    transcript.count(|event| matches!(event, Event::Dhcp4Received { message, .. } if *message == wanted))
}

fn host(transcript: &Transcript) -> Option<String> {
    transcript.events.iter().find_map(|event| match event {
        Event::HttpRequest { headers, .. } => {
            headers.iter().find(|field| field.name == "Host").map(|field| field.value.clone())
        }
        _ => None,
    })
}

#[test]
fn a_client_that_never_speaks_sends_nothing() {
    let transcript = boot(Behaviour { speaks: false, ..conforming() });
    assert!(transcript.frames.is_empty());
    assert!(transcript.says("No bootable option"));
}

#[test]
fn garbage_disturbs_nothing() {
    let transcript = boot(Behaviour { garbage: true, ..conforming() });
    // It includes an announcement without proof.
    assert_eq!(transcript.proofs.last(), Some(&true), "{}", transcript.text());
    assert!(transcript.proofs.contains(&false));
    insta::assert_snapshot!(transcript.text());
}

#[test]
fn one_discover_and_no_request() {
    let settings = {
        let mut settings = NetworkSettings::default();
        settings.dhcp4.vendor_class = None;
        settings
    };
    let once = boot_from(Behaviour { discovers: 1, ..conforming() }, &settings);
    assert_eq!(received(&once, Dhcp4Message::Discover), 1);
    assert!(once.last_sign_of_life().as_secs_f64() < 7.0);

    let eager = boot_from(Behaviour { offers: Offers::WithUrl, ..conforming() }, &settings);
    assert!(eager.boots(), "it takes an offer without option 60");

    let silent = boot(Behaviour { requests: false, ..conforming() });
    assert_eq!(received(&silent, Dhcp4Message::Discover), 4);
    assert_eq!(received(&silent, Dhcp4Message::Request), 0);
}

#[test]
fn a_nak_is_followed_by_a_new_discover_or_not() {
    let mut settings = NetworkSettings::default();
    settings.dhcp4.request = services::dhcp4::RequestAnswer::Nak;
    assert_eq!(received(&boot_from(conforming(), &settings), Dhcp4Message::Discover), 4);
    let edk2 = boot_from(Behaviour::edk2_2022_11(), &settings);
    assert_eq!(received(&edk2, Dhcp4Message::Discover), 1);
}

#[test]
fn a_lease_without_netmask_is_declined_by_edk2() {
    let mut settings = NetworkSettings::default();
    settings.dhcp4.netmask = None;
    assert_eq!(received(&boot_from(Behaviour::edk2_2022_11(), &settings), Dhcp4Message::Decline), 1);
}

#[test]
fn a_reset_right_after_the_handshake() {
    let transcript = boot(Behaviour { resets_after_syn_ack: true, ..conforming() });
    assert!(!transcript.boots());
    assert_eq!(transcript.requests(), [""; 0]);
    assert!(transcript.count(|e| matches!(e, Event::TcpSyn { accepted: true, .. })) > 0);
    insta::assert_snapshot!(transcript.text());
}

#[test]
fn requests_that_are_none() {
    for request in [Request::Truncated, Request::Garbage] {
        let transcript = boot(Behaviour { request, ..conforming() });
        assert!(!transcript.boots(), "{request:?}");
        assert_eq!(transcript.requests(), [""; 0], "{request:?}");
        assert!(transcript.says("failed to load"), "{request:?}");
    }
}

#[test]
fn the_host_field_is_what_it_is() {
    let mut settings = NetworkSettings::default();
    settings.http.port = 8080;
    settings.dhcp4.bootfile = Some("http://{server4}:8080/boot.efi".into());
    for (field, expected) in [
        (Host::Authority, Some("192.0.2.1:8080")),
        (Host::WithoutPort, Some("192.0.2.1")),
        (Host::Wrong, Some("elsewhere.example")),
        (Host::Missing, None),
    ] {
        let transcript = boot_from(Behaviour { host: field, ..conforming() }, &settings);
        assert_eq!(host(&transcript).as_deref(), expected, "{field:?}");
    }
}

#[test]
fn a_fragment_stays_with_the_client_or_not() {
    let mut settings = NetworkSettings::default();
    settings.dhcp4.bootfile = Some("http://{server4}/boot.efi#x".into());
    assert_eq!(boot_from(conforming(), &settings).requests()[0], "HEAD /boot.efi");
    let leaky = boot_from(Behaviour { sends_fragment: true, ..conforming() }, &settings);
    assert_eq!(leaky.requests(), ["HEAD /boot.efi#x", "GET /boot.efi#x"]);
    assert!(!leaky.boots());
}

#[test]
fn head_can_be_left_out_and_can_be_final() {
    assert_eq!(boot(conforming()).requests(), ["HEAD /boot.efi", "GET /boot.efi"]);
    let get_only = boot(Behaviour { heads: false, ..conforming() });
    assert!(get_only.boots());
    assert_eq!(get_only.requests(), ["GET /boot.efi"]);

    let mut settings = NetworkSettings::default();
    settings.http.head = services::http::HeadAnswer::Status(405);
    let strict = boot_from(Behaviour { gets_after_refused_head: false, ..conforming() }, &settings);
    assert_eq!(strict.requests(), ["HEAD /boot.efi"]);
}

#[test]
fn redirects_are_followed_or_not() {
    let mut settings = NetworkSettings::default();
    settings.http.status = 307;
    settings.http.location = Some("/elsewhere.efi".into());
    let follows = boot_from(conforming(), &settings);
    assert!(follows.boots());
    assert_eq!(follows.requests(), ["HEAD /boot.efi", "HEAD /elsewhere.efi", "GET /elsewhere.efi"]);
    let never = boot_from(Behaviour { redirects: 0, ..conforming() }, &settings);
    assert_eq!(never.requests(), ["HEAD /boot.efi", "GET /boot.efi"]);
    assert!(never.says("HTTP ERROR: Resource Redirected."));
}

#[test]
fn handlers_are_chosen_as_told() {
    let mut settings = NetworkSettings::default();
    settings.dhcp4.bootfile = Some("http://{server4}/boot".into());
    settings.http.content_type = Some("application/efi; charset=binary".into());
    assert!(!boot_from(Behaviour { media_type: MediaType::WholeValue, ..conforming() }, &settings).boots());
    settings.http.content_type = Some("application/efi".into());
    assert!(!boot_from(Behaviour { media_type: MediaType::Ignored, ..conforming() }, &settings).boots());
    settings.dhcp4.bootfile = Some("http://{server4}/boot.EFI".into());
    settings.http.content_type = None;
    assert!(boot_from(conforming(), &settings).boots());
    for suffix in [Suffix::LowerCase, Suffix::Ignored] {
        assert!(!boot_from(Behaviour { suffix, ..conforming() }, &settings).boots(), "{suffix:?}");
    }
    settings.http.content_type = Some("application/vnd.efi-iso".into());
    let disk = boot_from(conforming(), &settings);
    assert!(disk.says("Could not register RAM disk"));
}

#[test]
fn connections_end_with_fin_or_reset() {
    for (closing, flag) in [(Closing::Fin, "FIN"), (Closing::Reset, "RST")] {
        let transcript = boot(Behaviour { closing, ..conforming() });
        let sent = |flag: &str| transcript.lines.iter().any(|(_, l)| l.starts_with('>') && l.contains(flag));
        assert!(sent(flag), "{}", transcript.text());
        assert_eq!(sent("FIN"), flag == "FIN");
    }
}

#[test]
fn an_image_that_is_not_executed_has_no_genuine_proof() {
    for (execution, proofs, says) in [
        (Execution::Rejects, vec![], "Unsupported"),
        (Execution::LocalImage, vec![], "BdsDxe: starting Boot0001"),
        (Execution::OtherProof, vec![false], "BdsDxe: starting Boot0001"),
        (Execution::EchoedNonce, vec![false], "BdsDxe: starting Boot0001"),
    ] {
        let transcript = boot(Behaviour { execution, ..conforming() });
        assert_eq!(transcript.proofs, proofs, "{execution:?}");
        assert!(transcript.says(says), "{execution:?}");
        assert_eq!(transcript.requests(), ["HEAD /boot.efi", "GET /boot.efi"], "{execution:?}");
    }
}

#[test]
fn a_hang_can_happen_at_every_moment() {
    let undisturbed = boot_from(conforming(), &https());
    let mut before = 0;
    for moment in Moment::ALL {
        let transcript = boot_from(conforming().with_trouble(moment, TroubleKind::Hang), &https());
        assert_eq!(transcript.end, End::Limit, "{moment:?}");
        assert!(!transcript.says("failed to"), "{moment:?}");
        // The later the moment, the more of the boot has happened, and it is the same boot up to there.
        let sent: Vec<_> = transcript.lines.iter().filter(|(_, line)| line.starts_with('>')).collect();
        let expected = undisturbed.lines.iter().filter(|(_, line)| line.starts_with('>'));
        assert!(sent.iter().copied().eq(expected.take(sent.len())), "{moment:?}:\n{}", transcript.text());
        assert!(sent.len() >= before, "{moment:?}");
        before = sent.len();
    }
}

#[test]
fn every_moment_comes_in_every_boot() {
    for moment in Moment::ALL {
        let client = conforming().with_trouble(moment, TroubleKind::Exit);
        assert_eq!(boot_from(client.clone(), &https()).end, End::Exited, "{moment:?}");
        let plain =
            if matches!(moment, Moment::HelloSent | Moment::Secured) { End::Proof } else { End::Exited };
        assert_eq!(boot(client).end, plain, "{moment:?}");
    }
}

#[test]
fn trouble_has_its_signs() {
    let with = |kind| boot(conforming().with_trouble(Moment::HeadAnswered, kind));
    let exception = with(TroubleKind::Exception);
    assert_eq!(exception.end, End::Limit);
    assert!(
        exception.says("!!!! X64 Exception Type - 0D(#GP - General Protection)  CPU Apic ID - 00000000 !!!!")
    );

    let off = with(TroubleKind::PowerOff);
    assert_eq!(off.end, End::Exited);
    assert!(off.text().contains("* SHUTDOWN"));

    let reset = with(TroubleKind::Reset);
    assert_eq!(reset.end, End::Limit);
    assert!(reset.text().matches("* RESET").count() > 10, "it boots again and again:\n{}", reset.text());
}

#[test]
fn nothing_wakes_a_hung_client() {
    let mut guest =
        fake_firmware::FakeFirmware::new(conforming().with_trouble(Moment::PowerOn, TroubleKind::Hang));
    assert!(matches!(guest.step(None), Some(wire::GuestEvent::Console { .. })));
    assert_eq!(guest.step(None), None);
    guest.deliver(vec![0xff; 60]);
    assert!(matches!(guest.step(None), Some(wire::GuestEvent::Frame { .. })));
    assert_eq!(guest.step(None), None);
    let wake = wire::GuestTime::from_micros(5_000_000);
    assert_eq!(guest.step(Some(wake)), Some(wire::GuestEvent::Tick { at: wake }));
}

#[test]
fn the_same_client_does_the_same_again() {
    for behaviour in [conforming(), Behaviour::edk2_2026_08(), Behaviour { garbage: true, ..conforming() }] {
        assert_eq!(boot(behaviour.clone()).frames, boot(behaviour).frames);
    }
}

proptest::proptest! {
    /// Whatever arrives, the client goes on or gives up, and its clock never goes back.
    #[test]
    fn hostile_frames_are_survived(
        frames in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..200), 0..20),
    ) {
        let mut guest = fake_firmware::FakeFirmware::new(conforming());
        let mut last = wire::GuestTime::ZERO;
        let mut frames = frames.into_iter();
        while let Some(event) = guest.step(None) {
            let (wire::GuestEvent::Frame { at, .. } | wire::GuestEvent::Console { at, .. }) = event else { break };
            assert!(at >= last);
            last = at;
            if let Some(frame) = frames.next() {
                guest.deliver(frame);
            }
        }
    }
}
