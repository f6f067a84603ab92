//! A cell's story in some ten lines: what the network offered, what the firmware did rung by rung, why it ended, and
//! what other builds did with the same network.

use crate::text::visible;
use crate::words;
use record::{CellResult, Direction, Entry, Event, Results, Stage};

/// Characters of one line's text.
const WIDTH: usize = 400;
/// Different offers that are told.
const OFFERS: usize = 12;
/// Packets that are cited one by one.
const CITED: usize = 6;

/// One line of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it is about: `offered`, a rung, `because`, …
    pub topic: String,
    /// What there is to say, without control characters.
    pub text: String,
}

/// The story of `cell`, one of `results`, from its timeline, which may be empty. `meaning` knows what a console line of the
/// firmware's family says.
pub fn explain(
    results: &Results,
    cell: &CellResult,
    timeline: &[Entry],
    meaning: impl Fn(&str) -> Option<&'static str>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut say = |topic: &str, text: String| {
        let text: String = visible(&text).chars().take(WIDTH).collect();
        lines.push(Line { topic: topic.to_owned(), text });
    };
    say("scenario", cell.title.clone());
    say("clause", format!("{} ({})", cell.clause, cell.level));
    for Line { topic, text } in happened(timeline, meaning) {
        say(&topic, text);
    }
    say("expected", words::expectation(&cell.expected));
    let cause = cell.cause.as_deref().map(|cause| format!(": {cause}")).unwrap_or_default();
    let ended = words::happened(cell).unwrap_or_else(|| "nothing that says something about it".into());
    say("happened", format!("{ended}{cause} ({})", cell.verdict));
    say("because", cell.detail.clone());
    for it in &cell.conversation {
        say("on the way", format!("{} {} ({}, {}): {}", it.id, it.state, it.clause, it.level, it.detail));
    }
    for other in others(results, cell) {
        say("elsewhere", other);
    }
    if let Some(waiver) = &cell.waiver {
        let link = waiver.link.as_deref().map(|link| format!(" {link}")).unwrap_or_default();
        say("known", format!("{}{link}", waiver.reason));
    }
    if let Some(evidence) = &cell.evidence {
        say("capture", evidence.capture.clone());
    }
    lines
}

/// What happened: the part of a story that a timeline tells.
pub(crate) fn happened(timeline: &[Entry], meaning: impl Fn(&str) -> Option<&'static str>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut say = |topic: &str, text: String| {
        let text: String = visible(&text).chars().take(WIDTH).collect();
        lines.push(Line { topic: topic.to_owned(), text });
    };
    let story = Story::of(timeline);
    for (offer, packets) in story.offers.iter().take(OFFERS) {
        say("offered", format!("{offer}{}", cited(packets)));
    }
    if let Some(more) = story.offers.len().checked_sub(OFFERS).filter(|more| *more > 0) {
        say("offered", format!("and {more} more"));
    }
    for (stage, deeds) in &story.deeds {
        let deeds: Vec<String> =
            deeds.iter().map(|(deed, packets)| format!("{deed}{}", cited(packets))).collect();
        say(stage.as_str(), deeds.join("; "));
    }
    let mut told: Vec<&str> = Vec::new();
    for line in &story.console {
        if let Some(meaning) = meaning(line).filter(|meaning| !told.contains(meaning)) {
            told.push(meaning);
            say("console", format!("{:?} means: {meaning}", line.trim()));
        }
    }
    lines
}

/// What a capture that plugfest did not make says of one machine.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The machine.
    pub client: &'a str,
    /// What happened, in the words of our own services.
    pub timeline: &'a [Entry],
    /// The furthest rung.
    pub stage: Stage,
    /// Why not further, if that can be said.
    pub cause: Option<&'a str>,
    /// The same in a sentence.
    pub detail: &'a str,
    /// Which side the cause speaks against, by which clause, and what helps.
    pub blame: Option<[&'a str; 3]>,
    /// What else there is to know.
    pub notes: &'a [String],
}

/// The story of a machine in such a capture.
pub fn explain_capture(seen: &Seen<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut say = |topic: &str, text: String| {
        let text: String = visible(&text).chars().take(WIDTH).collect();
        lines.push(Line { topic: topic.to_owned(), text });
    };
    say("client", seen.client.to_owned());
    for Line { topic, text } in happened(seen.timeline, |_| None) {
        say(&topic, text);
    }
    for note in seen.notes {
        say("note", note.clone());
    }
    let cause = seen.cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    say("came to", format!("{}{cause}", seen.stage));
    say("because", seen.detail.to_owned());
    if let Some([side, clause, mend]) = seen.blame {
        say("side", format!("{side}, by {clause}"));
        say("mend", mend.to_owned());
    }
    lines
}

/// What other builds did with the same point, those that did the same together.
fn others(results: &Results, cell: &CellResult) -> Vec<String> {
    let point = |id: &str| id.rsplit_once('@').map(|(point, _)| point.to_owned());
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    let same =
        results.cells.iter().filter(|other| other.id != cell.id && point(&other.id) == point(&cell.id));
    for other in same {
        let cause = other.cause.as_deref().map(|cause| format!(": {cause}")).unwrap_or_default();
        let did = words::happened(other).map_or(other.verdict.to_string(), |did| format!("{did}{cause}"));
        match groups.iter_mut().find(|(known, _)| *known == did) {
            Some((_, builds)) => builds.push(&other.firmware),
            None => groups.push((did, vec![&other.firmware])),
        }
    }
    groups.into_iter().map(|(did, builds)| format!("{}: {did}", builds.join(", "))).collect()
}

/// Something that was said or done, and in which packets, the number 0 for those that are not known.
type Noted = (String, Vec<u64>);

/// A timeline, sorted.
#[derive(Default)]
struct Story {
    offers: Vec<Noted>,
    /// What the firmware did, by rung.
    deeds: Vec<(Stage, Vec<Noted>)>,
    console: Vec<String>,
}

impl Story {
    fn of(timeline: &[Entry]) -> Self {
        let mut story = Self::default();
        // The frame that an event of ours is about: the guest's latest.
        let mut packet = 0;
        for entry in timeline {
            match &entry.event {
                Event::Frame { number, direction: Direction::FromGuest, .. } => packet = *number,
                Event::Console { line } => story.console.push(line.clone()),
                event => {
                    if let Some(offer) = offer(event) {
                        note(&mut story.offers, offer, packet);
                    } else if let Some((stage, deed)) = deed(event) {
                        story.rung(stage, deed, packet);
                    }
                }
            }
        }
        story.deeds.sort_by_key(|(stage, _)| *stage);
        story
    }

    fn rung(&mut self, stage: Stage, deed: String, packet: u64) {
        let at = self.deeds.iter().position(|(known, _)| *known == stage).unwrap_or_else(|| {
            self.deeds.push((stage, Vec::new()));
            self.deeds.len() - 1
        });
        note(&mut self.deeds[at].1, deed, packet);
    }
}

fn note(noted: &mut Vec<Noted>, text: String, packet: u64) {
    match noted.iter_mut().find(|(known, _)| *known == text) {
        Some((_, packets)) => packets.push(packet),
        None => noted.push((text, vec![packet])),
    }
}

/// ` (packets 3, 7)`
fn cited(packets: &[u64]) -> String {
    let mut known: Vec<u64> = packets.iter().copied().filter(|packet| *packet > 0).collect();
    known.dedup();
    let list: Vec<String> = known.iter().take(CITED).map(u64::to_string).collect();
    let more = if known.len() > CITED { ", …" } else { "" };
    match known.len() {
        0 => String::new(),
        1 => format!(" (packet {})", list[0]),
        _ => format!(" (packets {}{more})", list.join(", ")),
    }
}

/// What our side offered, in answer to the packet before.
fn offer(event: &Event) -> Option<String> {
    let quoted = |text: &Option<String>| text.as_ref().map_or("none".into(), |text| format!("{text:?}"));
    Some(match event {
        Event::Dhcp4Sent { message, from, address, bootfile, vendor_class, .. } => format!(
            "DHCPv4 {}{} {address}, boot file {}, class {}",
            word(message),
            from.map(|from| format!(" from {from}")).unwrap_or_default(),
            quoted(bootfile),
            quoted(vendor_class)
        ),
        Event::Dhcp6Sent { message, addresses, bootfile, vendor_class, status, .. } => {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let address = if addresses.is_empty() { "no address".into() } else { addresses.join(", ") };
            let status = status.as_ref().map(|status| format!(", status {status}")).unwrap_or_default();
            let (bootfile, class) = (quoted(bootfile), quoted(vendor_class));
            format!("DHCPv6 {} {address}, boot file {bootfile}, class {class}{status}", word(message))
        }
        Event::RouterAdvertised { router, managed, other, lifetime, prefixes, malformed } => {
            let wrong = malformed.as_ref().map(|wrong| format!(", malformed: {wrong}")).unwrap_or_default();
            let (m, o) = (u8::from(*managed), u8::from(*other));
            format!(
                "router advertisement of {router} M={m} O={o}, lifetime {lifetime} s, prefixes {}{wrong}",
                prefixes.join(" and ")
            )
        }
        Event::DnsAnswer { name, rcode, answers, .. } => {
            format!("DNS for {name}: {rcode} {}", answers.join(", ")).trim_end().to_owned()
        }
        Event::HttpResponse { method, status, headers, .. } => {
            let told = headers.iter().map(|field| format!("{}: {}", field.name, field.value));
            format!("{status} to {method} with {}", told.collect::<Vec<_>>().join(", "))
        }
        Event::TftpAccepted { options, .. } if options.is_empty() => "a file by TFTP without options".into(),
        Event::TftpAccepted { options, .. } => {
            let taken = options.iter().map(|option| format!("{} {}", option.name, option.value));
            format!("a file by TFTP with {}", taken.collect::<Vec<_>>().join(", "))
        }
        Event::TftpRefused { code, message, .. } => format!("TFTP error {code}, {message:?}"),
        _ => return None,
    })
}

/// What the firmware did, or what kept it from an answer, and on which rung.
fn deed(event: &Event) -> Option<(Stage, String)> {
    Some(match event {
        Event::Dhcp4Received { message, to, .. } => {
            let to = to.map(|to| format!(" to {to}")).unwrap_or_default();
            (Stage::Address, format!("DHCPv4 {}{to}", word(message)))
        }
        Event::Dhcp4Unanswered { message, why } => {
            (Stage::Address, format!("no answer to DHCPv4 {}: {why}", word(message)))
        }
        Event::ArpUnanswered { target } => (Stage::Address, format!("nobody answered for {target}")),
        Event::DadProbe { target, taken } => {
            let taken = if *taken { ", which another host has" } else { "" };
            (Stage::Address, format!("probed {target}{taken}"))
        }
        Event::RouterSolicited { .. } => (Stage::Address, "asked for routers".into()),
        Event::Dhcp6Received { message, .. } => (Stage::Address, format!("DHCPv6 {}", word(message))),
        Event::Dhcp6Unanswered { message, why, .. } => {
            (Stage::Address, format!("no answer to DHCPv6 {}: {why}", word(message)))
        }
        Event::NeighborUnanswered { target, why } => {
            (Stage::Address, format!("nobody answered for {target}: {why}"))
        }
        Event::NotForwarded { to, why, .. } => {
            (Stage::Connect, format!("a packet to {to} was dropped: {why}"))
        }
        Event::PacketTooBig { bytes, mtu, split, .. } => {
            let how = if *split { "split" } else { "dropped" };
            (Stage::Connect, format!("a packet of {bytes} bytes was {how} where the path takes {mtu}"))
        }
        Event::DnsQuery { name, kind, .. } => (Stage::Name, format!("asked for {kind} of {name}")),
        Event::DnsUnanswered { name, why } => (Stage::Name, format!("no answer for {name}: {why}")),
        Event::TcpSyn { to, accepted, .. } => {
            let refused = if *accepted { "" } else { ", which nothing took" };
            (Stage::Connect, format!("connected to {to}{refused}"))
        }
        Event::TlsClientHello { hello, .. } => (Stage::Tls, format!("offered {}", hello.versions.join(", "))),
        Event::TlsEstablished { version, suite, .. } => (Stage::Tls, format!("agreed on {version} {suite}")),
        Event::TlsAlert { direction: Direction::FromGuest, description, .. } => {
            (Stage::Tls, format!("sent the alert {description}"))
        }
        Event::TlsFailed { why, .. } => (Stage::Tls, format!("the handshake failed: {why}")),
        Event::HttpRequest { method, target, .. } => {
            let stage = if method == "HEAD" { Stage::Head } else { Stage::Get };
            (stage, format!("{method} {target}"))
        }
        Event::HttpMalformed { why, .. } => (Stage::Get, format!("a request that is none: {why}")),
        Event::HttpDelivered { image: true, method, .. } if method == "GET" => {
            (Stage::Image, "took the whole image".into())
        }
        Event::TftpRequest { file, .. } => (Stage::Get, format!("asked for {file:?} by TFTP")),
        Event::TftpUnanswered { why, .. } => (Stage::Get, format!("no answer by TFTP: {why}")),
        Event::TftpAborted { code, message, .. } => {
            (Stage::Get, format!("ended the transfer with error {code}, {message:?}"))
        }
        Event::TftpDelivered { .. } => (Stage::Image, "took the whole image".into()),
        Event::Proof { genuine: true, .. } => (Stage::Executed, "the image ran and proved it".into()),
        Event::LinkFault { direction, fault, protocol, .. } if fault.is_loss() => {
            let way = if *direction == Direction::ToGuest { "to" } else { "from" };
            (Stage::Link, format!("the link lost {} {way} the guest", word(protocol).to_lowercase()))
        }
        _ => return None,
    })
}

/// `DISCOVER`, `INFORMATION-REQUEST`
fn word(message: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(message).unwrap_or_default();
    value.as_str().unwrap_or("OTHER").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::{Dhcp4Message, GuestTime};

    fn at(event: Event) -> Entry {
        Entry { at: GuestTime::ZERO, event }
    }

    fn frame(number: u64) -> Entry {
        at(Event::Frame { number, direction: Direction::FromGuest, length: 60, summary: String::new() })
    }

    fn discover() -> Entry {
        at(Event::Dhcp4Received {
            message: Dhcp4Message::Discover,
            xid: 1,
            vendor_class: None,
            user_class: None,
            to: None,
            architecture: None,
            server: None,
            requested: None,
            parameters: Vec::new(),
            max_size: None,
            reason: None,
        })
    }

    fn story(timeline: &[Entry]) -> String {
        let results = crate::sample::results();
        let cell = results.cells.iter().find(|cell| cell.waiver.is_some()).unwrap();
        let meaning = |line: &str| line.contains("NBP").then_some("the size is not known");
        let lines = explain(&results, cell, timeline, meaning);
        lines.iter().map(|line| format!("{}: {}\n", line.topic, line.text)).collect()
    }

    #[test]
    fn a_story_cites_packets_and_joins_what_was_said_again() {
        let offer = Event::Dhcp4Sent {
            message: Dhcp4Message::Offer,
            xid: 1,
            from: None,
            address: [192, 0, 2, 100].into(),
            bootfile: None,
            vendor_class: Some("HTTPClient".into()),
        };
        let hostile = Event::DnsQuery {
            server: [192, 0, 2, 1].into(),
            name: "a\u{1b}[31m\u{202e}".into(),
            kind: "A".into(),
            tcp: false,
        };
        let console = |line: &str| at(Event::Console { line: line.into() });
        insta::assert_snapshot!(story(&[
            frame(1),
            discover(),
            at(offer),
            frame(3),
            discover(),
            frame(4),
            at(hostile),
            console("  Error: Could not retrieve NBP file size from HTTP server."),
            console("something else"),
        ]));
    }

    #[test]
    fn what_has_no_timeline_still_has_a_story() {
        let story = story(&[]);
        assert!(story.contains("happened: ") && !story.contains("offered: "), "{story}");
    }

    #[test]
    fn many_packets_are_not_all_cited() {
        assert_eq!(cited(&[0]), "");
        assert_eq!(cited(&[2, 2]), " (packet 2)");
        assert_eq!(cited(&[1, 2, 3, 4, 5, 6, 7]), " (packets 1, 2, 3, 4, 5, 6, …)");
    }
}
