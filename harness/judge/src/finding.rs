//! Outcome, stage and cause of one cell.

use crate::cause::*;
use crate::cause6::{ipv6_cause, path_cause};
use crate::facts::{Answer, Exchange, Facts};
use crate::tls::Handshake;
use record::{Entry, GuestTime, Outcome, Stage};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// An attempt that ends this soon after our last answer was ended by that answer. EDK2's shortest network timer is the
/// 2 s of a DNS query, and a console line is stamped some 0.1 s late on the virtual clock.
pub(crate) const PROMPT: Duration = Duration::from_millis(1500);

/// Shortest time for which an address is tentative: one probe and RETRANS_TIMER (RFC 4862 §5.1, RFC 4861 §10).
const PROBING: Duration = Duration::from_secs(1);

/// Why the harness stopped watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The payload's genuine proof arrived.
    Proof,
    /// The firmware's console says that the attempt failed.
    AttemptFailed,
    /// The firmware's console says that it may not start the image.
    Denied,
    /// The firmware's console says that there is nothing (more) to boot.
    NothingToBoot,
    /// The firmware's console reports a crash.
    Crashed,
    /// The machine reset itself or powered off.
    MachineReset,
    /// Nothing happened for longer than the firmware's longest timeout.
    Silence,
    /// The attempt did not end within the cell's limit although the firmware kept on talking.
    Limit,
}

/// What the harness saw of an attempt beside its timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Why it stopped watching.
    pub ending: Ending,
    /// When.
    pub ended: GuestTime,
    /// Whether the console claimed to start an image.
    pub image_started: bool,
    /// When the console said that an attempt over IPv6 begins.
    pub ipv6_began: Option<GuestTime>,
}

impl Watched {
    /// Whether an attempt over IPv6 was over before any address could be in use (RFC 4862 §5.4). How much of the
    /// probing was on the wire by then is a matter of chance.
    fn is_shorter_than_probing(&self) -> bool {
        self.ipv6_began.is_some_and(|began| self.ended.since(began) < PROBING)
    }
}

/// What is found about the firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Outcome.
    pub outcome: Outcome,
    /// Furthest rung.
    pub stage: Stage,
    /// Cause; `None` for a boot.
    pub cause: Option<&'static str>,
    /// One sentence.
    pub detail: String,
}

/// Judges a cell from its timeline and how it was watched.
pub fn judge(timeline: &[Entry], watched: Watched) -> Finding {
    let Watched { ending, ended, image_started, .. } = watched;
    let facts = Facts::from_timeline(timeline);
    let tentative = watched.is_shorter_than_probing() && !facts.ipv6.has_asked();
    let stage = if tentative { facts.stage().max(Stage::Address) } else { facts.stage() };
    let outcome = match ending {
        _ if facts.genuine_proof => Outcome::Boots,
        Ending::Denied => Outcome::Refuses,
        Ending::Proof | Ending::AttemptFailed | Ending::NothingToBoot => match facts.last_answer {
            Some(answer) if ended.since(answer) < PROMPT => Outcome::Refuses,
            _ => Outcome::GivesUp,
        },
        Ending::Crashed | Ending::MachineReset => Outcome::Crashes,
        Ending::Silence | Ending::Limit => Outcome::Hangs,
    };
    if outcome == Outcome::Boots {
        return Finding { outcome, stage, cause: None, detail: "The served image ran and proved it.".into() };
    }
    let (cause, note) = match ending {
        Ending::Crashed => (FIRMWARE_EXCEPTION, None),
        Ending::MachineReset => (FIRMWARE_RESET, None),
        _ if tentative && stage == Stage::Address => ipv6_cause(&facts.ipv6),
        _ => cause(&facts, stage, ending, image_started),
    };
    let lost = match (facts.lost_to_guest, facts.lost_from_guest.len()) {
        (0, 0) => None,
        (to, from) => Some(format!("the link lost {to} frames to the guest and {from} from it")),
    };
    let notes: Vec<String> = note.into_iter().chain(lost).collect();
    let detail = match notes.is_empty() {
        true => cause.meaning.to_owned(),
        false => format!("{} ({})", cause.meaning, notes.join("; ")),
    };
    Finding { outcome, stage, cause: Some(cause.id), detail }
}

/// The cause, and a particular of this cell that makes it concrete.
fn cause(facts: &Facts<'_>, stage: Stage, ending: Ending, image_started: bool) -> (Cause, Option<String>) {
    if facts.forged_proof {
        return (IMAGE_PROOF_FORGED, None);
    }
    if ending == Ending::Denied && stage == Stage::Image {
        return (IMAGE_DENIED, head_note(facts));
    }
    if image_started {
        let cause = if ending == Ending::AttemptFailed { IMAGE_NOT_STARTED } else { IMAGE_NO_PROOF };
        return (cause, head_note(facts));
    }
    if facts.is_unheard(stage) {
        return (LINK_FRAMES_LOST, None);
    }
    if facts.tftp.requests > 0 && facts.exchanges.is_empty() {
        return tftp_cause(facts);
    }
    match stage {
        Stage::Link if facts.guest_frames > 0 => (LINK_NO_DHCP, None),
        Stage::Link if ending == Ending::NothingToBoot => (LINK_NO_BOOT_OPTION, None),
        Stage::Link => (LINK_NO_FRAME, None),
        Stage::Name => {
            let named = facts.ipv6.told.iter().flat_map(|told| told.dns);
            let servers: Vec<IpAddr> = named.map(|server| (*server).into()).collect();
            facts.names.cause(&servers)
        }
        Stage::Address if facts.ipv6.wants_address() => ipv6_cause(&facts.ipv6),
        Stage::Address => address_cause(facts),
        Stage::Connect => connect_cause(facts),
        Stage::Tls => tls_cause(facts),
        Stage::Head | Stage::Get | Stage::Image | Stage::Executed => http_cause(facts, stage, ending),
    }
}

fn address_cause(facts: &Facts<'_>) -> (Cause, Option<String>) {
    if facts.declines > 0 {
        return (DHCP4_DECLINED, None);
    }
    if facts.acks > 0
        && let Some(target) = facts.unresolved4.last()
    {
        return (ARP_UNANSWERED, Some(target.to_string()));
    }
    if let (1.., 0) = facts.port_4011 {
        return (DHCP4_PORT_4011_UNANSWERED, None);
    }
    if facts.acks > 0 && facts.by_pxe {
        return (DHCP4_LEASE_NOT_USED, None);
    }
    if facts.acks > 0 {
        // A firmware whose own set-up of TLS fails does not even connect.
        let urls = || facts.offers.iter().rev().filter_map(|offer| offer.bootfile);
        if let Some(url) = urls().find(|url| host(url) == Some(Host::Name)) {
            return (DNS_NOT_ASKED, Some(format!("{url:?}")));
        }
        if let Some(file) = urls().next().filter(|url| !is_http_url(url)) {
            return (DHCP4_BOOTFILE_NOT_HTTP, Some(format!("{file:?}")));
        }
        let https = urls().find(|url| is_https_url(url));
        return (DHCP4_LEASE_NOT_USED, https.map(|_| "the boot file is behind TLS".into()));
    }
    if facts.naks > 0 {
        return (DHCP4_NAK, None);
    }
    if facts.requests > 0 {
        return (DHCP4_REQUEST_UNANSWERED, None);
    }
    let Some(offer) = facts.offers.last() else { return (DHCP4_NO_ANSWER, None) };
    if facts.by_pxe {
        let class =
            offer.vendor_class.map_or("no option 60".into(), |class| format!("option 60 is {class:?}"));
        return (DHCP4_OFFER_NOT_TAKEN, Some(class));
    }
    if !offer.vendor_class.is_some_and(|class| class.starts_with("HTTPClient")) {
        let class =
            offer.vendor_class.map_or("no option 60".into(), |class| format!("option 60 is {class:?}"));
        return (DHCP4_OFFER_NOT_HTTP, Some(class));
    }
    match offer.bootfile {
        None => (DHCP4_OFFER_WITHOUT_BOOTFILE, None),
        Some(url) if !is_http_url(url) => (DHCP4_BOOTFILE_NOT_HTTP, Some(format!("{url:?}"))),
        Some(_) if !offer.has_address => (DHCP4_OFFER_WITHOUT_ADDRESS, None),
        Some(_) => (DHCP4_OFFER_NOT_TAKEN, None),
    }
}

pub(crate) fn is_http_url(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    })
}

pub(crate) fn is_https_url(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// Who serves a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Address(IpAddr),
    Name,
}

/// The host of a URL (RFC 3986 §3.2.2).
pub(crate) fn host(url: &str) -> Option<Host> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(literal) = host.strip_prefix('[') {
        let address: Ipv6Addr = literal.split(']').next()?.parse().ok()?;
        return Some(Host::Address(address.into()));
    }
    let name = host.split(':').next().filter(|name| !name.is_empty())?;
    Some(name.parse::<Ipv4Addr>().map_or(Host::Name, |address| Host::Address(address.into())))
}

fn tftp_cause(facts: &Facts<'_>) -> (Cause, Option<String>) {
    match facts.tftp.refused {
        _ if facts.tftp.delivered => (IMAGE_NOT_STARTED, None),
        Some((code, message)) => (TFTP_REFUSED, Some(format!("error {code}, {message:?}"))),
        None => (TFTP_INCOMPLETE, None),
    }
}

/// Why no request came of any handshake: the last one tells, because what a client tries last may be what it can.
fn tls_cause(facts: &Facts<'_>) -> (Cause, Option<String>) {
    let begun = facts.handshakes.iter().rev().find(|handshake| handshake.is_begun());
    begun.map_or((TLS_NO_HELLO, None), Handshake::cause)
}

fn connect_cause(facts: &Facts<'_>) -> (Cause, Option<String>) {
    if let Some((bytes, mtu)) = facts.too_big {
        (TCP_PACKET_TOO_BIG, Some(format!("{bytes} bytes, and the path takes {mtu}")))
    } else if let Some(handshake) = facts.handshakes.last() {
        handshake.cause()
    } else if facts.malformed {
        (HTTP_REQUEST_MALFORMED, None)
    } else if facts.established > 0 {
        (TCP_NO_REQUEST, None)
    } else if let Some(found) = path_cause(&facts.ipv6).filter(|_| facts.syns_refused == 0) {
        found
    } else {
        let to = facts.connected_to.map(|to| to.to_string());
        (if facts.syns_refused > 0 { TCP_PORT_CLOSED } else { TCP_HANDSHAKE_INCOMPLETE }, to)
    }
}

/// The first property of the answers, in the order in which a client meets them, that explains why it stopped.
fn http_cause(facts: &Facts<'_>, stage: Stage, ending: Ending) -> (Cause, Option<String>) {
    let Some(last) = facts.exchanges.last() else { return (TCP_NO_REQUEST, None) };
    // A connection after the last request, to where a redirect led or for the next request, on which TLS failed.
    if let Some(handshake) = facts.handshakes.last()
        && handshake.connection > last.connection
        && !facts.image_delivered()
    {
        return handshake.cause();
    }
    let answered = |method: &str| {
        facts
            .exchanges
            .iter()
            .rev()
            .find(|e| e.method == method && matches!(e.answer, Answer::Response { .. }))
    };
    let get = answered("GET");
    let (status, headers) = match get.or_else(|| answered("HEAD")).map(|e| &e.answer) {
        Some(Answer::Response { status, headers, .. }) => (*status, *headers),
        _ if facts.malformed => return (HTTP_REQUEST_MALFORMED, None),
        _ => return (HTTP_NO_ANSWER, Some(last.method.to_owned())),
    };
    let header = |name: &str| {
        headers.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.as_str())
    };
    if (300..400).contains(&status) {
        let location = header("location").map_or(String::new(), |to| format!(" to {to:?}"));
        return (HTTP_REDIRECT_NOT_FOLLOWED, Some(format!("{status}{location}")));
    }
    if status == 404 && facts.offered_target().is_some_and(|offered| offered != last.target) {
        return (HTTP_TARGET_NOT_FOUND, Some(format!("{:?}", last.target)));
    }
    if get.is_none() && matches!(status, 400..=499 | 501) {
        return (HTTP_HEAD_REFUSED, Some(status.to_string()));
    }
    if !(200..300).contains(&status) {
        return (HTTP_ERROR_STATUS, Some(status.to_string()));
    }
    if facts.malformed {
        return (HTTP_REQUEST_MALFORMED, None);
    }
    if let Some(note) = facts.handshakes.iter().rev().find_map(Handshake::renegotiation_note) {
        return (TLS_RENEGOTIATION, Some(note));
    }
    if let Some(refused) = head_refusal(facts)
        && !facts.image_delivered()
    {
        return (HTTP_HEAD_REFUSED, Some(refused));
    }
    if matches!(last.answer, Answer::Pending | Answer::None) {
        return (HTTP_NO_ANSWER, Some(last.method.to_owned()));
    }
    let is_next = || facts.offered_target().is_some_and(|offered| offered != last.target);
    if last.is_without_image() && (last.delivered || is_next()) {
        // A loader may start what it has without having acknowledged the end.
        let unconfirmed = if last.delivered { "" } else { ", the end of which was not acknowledged" };
        return (IMAGE_CHAIN_STOPPED, Some(format!("{}{unconfirmed}", last.target)));
    }
    if !media_type_is_known(header("content-type")) {
        let media_type =
            header("content-type").map_or("no Content-Type".into(), |value| format!("{value:?}"));
        return (HTTP_MEDIA_TYPE_UNKNOWN, Some(media_type));
    }
    if let Some(how) = last.interrupted {
        return (HTTP_INTERRUPTED, Some(how.to_owned()));
    }
    // What hangs with the image it has is not waiting for its length.
    let hangs = stage == Stage::Image && matches!(ending, Ending::Silence | Ending::Limit);
    if header("content-length").is_none() && !hangs {
        return (HTTP_LENGTH_MISSING, header("transfer-encoding").map(str::to_owned));
    }
    match stage {
        Stage::Image => (IMAGE_NOT_STARTED, head_note(facts)),
        _ if facts.server_closed.contains(&last.connection) => (HTTP_CONNECTION_CLOSED, None),
        Stage::Get => (HTTP_BODY_INCOMPLETE, None),
        _ => (HTTP_STOPPED_AFTER_HEAD, None),
    }
}

/// How our server refused HEAD, if it did.
fn head_refusal(facts: &Facts<'_>) -> Option<String> {
    facts.exchanges.iter().find(|e| e.method == "HEAD").and_then(|head: &Exchange<'_>| match head.answer {
        Answer::Response { status, .. } if status >= 400 => Some(status.to_string()),
        Answer::None => Some("no answer".into()),
        _ => None,
    })
}

/// A refused HEAD beside another cause: what follows it may be the firmware's way of coping.
fn head_note(facts: &Facts<'_>) -> Option<String> {
    head_refusal(facts).map(|how| format!("HEAD was refused: {how}"))
}

/// Whether the value, as it is, names an image handler of UEFI (UEFI 2.11 §24.7.7).
fn media_type_is_known(value: Option<&str>) -> bool {
    const KNOWN: [&str; 3] = ["application/efi", "application/vnd.efi-iso", "application/vnd.efi-img"];
    value.is_some_and(|value| KNOWN.iter().any(|known| value.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::{Direction, Event};

    /// The race between an attempt and duplicate address detection is the same race whatever was sent before it was lost.
    #[test]
    fn an_attempt_over_ipv6_that_is_shorter_than_probing_failed_for_it() {
        let began = GuestTime::from_micros(5_000_000);
        let at = |event| Entry { at: began, event };
        let frame = |number| {
            at(Event::Frame { number, direction: Direction::FromGuest, summary: String::new(), length: 90 })
        };
        let probe = || at(Event::DadProbe { target: "fe80::5".parse().unwrap(), taken: false });
        let soliciting = || at(Event::RouterSolicited { from: None });
        for (timeline, milliseconds, ipv6, expected) in [
            (vec![], 3, true, "nd.address-tentative"),
            (vec![frame(1)], 3, true, "nd.address-tentative"),
            (vec![frame(1), probe()], 3, true, "nd.address-tentative"),
            (vec![], 1000, true, "link.no-frame"),
            (vec![], 3, false, "link.no-frame"),
            (vec![frame(1)], 1000, true, "link.no-dhcp"),
            (vec![frame(1), soliciting()], 3, true, "ra.no-advertisement"),
        ] {
            let watched = Watched {
                ending: Ending::AttemptFailed,
                ended: began + Duration::from_millis(milliseconds),
                image_started: false,
                ipv6_began: ipv6.then_some(began),
            };
            let found = judge(&timeline, watched);
            let stage = if expected.starts_with("link") { Stage::Link } else { Stage::Address };
            assert_eq!((found.cause, found.stage), (Some(expected), stage), "{timeline:?} {milliseconds} ms");
        }
    }

    /// A PXE client takes URLs too (iPXE), and asks for them as one.
    #[test]
    fn a_pxe_client_over_ipv6_has_asked() {
        let at = |event| Entry { at: GuestTime::ZERO, event };
        let asked = |message, vendor_class: Option<&str>| {
            at(Event::Dhcp6Received {
                message,
                xid: 1,
                vendor_class: vendor_class.map(str::to_owned),
                architecture: Some(7),
                network_interface: None,
                addresses: Vec::new(),
                stateful: true,
                requested: Vec::new(),
            })
        };
        let told = |message| {
            at(Event::Dhcp6Sent {
                message,
                xid: 1,
                server: 1,
                addresses: vec!["2001:db8::100".parse().unwrap()],
                status: None,
                bootfile: Some("http://[2001:db8::1]/boot.efi".into()),
                vendor_class: None,
                dns: Vec::new(),
                times: None,
                identified: true,
            })
        };
        use record::Dhcp6Message::{Advertise, Reply, Request, Solicit};
        for (class, expected) in [
            (Some("PXEClient:Arch:00007"), "dhcp6.lease-not-used"),
            (Some("HTTPClient:Arch:00016"), "dhcp6.lease-not-used"),
            (None, "dhcp6.not-asked"),
        ] {
            let advertised = Event::RouterAdvertised {
                router: "fe80::1".parse().unwrap(),
                managed: true,
                other: true,
                lifetime: 1800,
                prefixes: vec!["2001:db8::/64 L A".into()],
                malformed: None,
            };
            let mut timeline = vec![at(Event::RouterSolicited { from: None }), at(advertised)];
            for (question, answer) in [(Solicit, Advertise), (Request, Reply)] {
                timeline.extend([asked(question, class), told(answer)]);
            }
            let watched = Watched {
                ending: Ending::AttemptFailed,
                ended: GuestTime::ZERO + Duration::from_secs(9),
                image_started: false,
                ipv6_began: None,
            };
            let found = judge(&timeline, watched);
            assert_eq!((found.cause, found.stage), (Some(expected), Stage::Address), "{class:?}");
        }
    }

    #[test]
    fn a_urls_host_is_an_address_or_a_name() {
        let address = |text: &str| Some(Host::Address(text.parse().unwrap()));
        for (url, expected) in [
            ("http://[2001:db8::1]:8080/x", address("2001:db8::1")),
            ("https://192.0.2.1?x", address("192.0.2.1")),
            ("http://user:word@192.0.2.1/", address("192.0.2.1")),
            ("http://boot.example.com:80/x", Some(Host::Name)),
            ("http://[boot]/x", None),
            ("http:///x", None),
            ("boot.efi", None),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
    }
}
