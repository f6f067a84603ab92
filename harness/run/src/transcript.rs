//! What must be the same whenever a cell runs: the timeline without what time, chance and the host add to it.

use firmware::{ConsoleSign, Family};
use record::{Entry, Event};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt;

/// EDK2's HttpBootDxe overwrites this display in place; which percentages it shows depends on how segments fell
/// together, and a finished download is followed by other text on the same line.
const PROGRESS: &str = "Downloading...";

/// A timeline in a form in which two runs of one cell can be compared.
///
/// It has what the services saw and did up to the genuine proof, then the console up to the line that ends the
/// attempt. The two stand apart because nothing orders a console line exactly among frames. It has no times, no
/// frames (their numbers, sequence numbers and segments vary), no listener's reports, which come at random times, no
/// monitor events, no notes of the harness, no list of the options that a DHCP client asks for, and no ports of the guest; a transaction id is replaced by how many others came before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// One line for each event, then one for each console line.
    pub lines: Vec<String>,
}

impl Transcript {
    /// The transcript of a timeline; `family` knows which console lines end an attempt.
    pub fn of(timeline: &[Entry], family: &dyn Family) -> Self {
        let mut transactions = Vec::new();
        let mut services = Vec::new();
        let mut proven = false;
        let mut console = Vec::new();
        let mut over = false;
        for entry in timeline {
            match &entry.event {
                Event::Frame { .. } | Event::Qmp { .. } | Event::Harness { .. } => {}
                // RFC 2710 §4: a listener repeats its report after a random time.
                Event::GroupsReported { .. } => {}
                Event::Console { line } => {
                    if !over && let Some(said) = without_progress(line) {
                        console.push(format!("console: {said}"));
                    }
                    over |= ends_the_attempt(line, family);
                }
                _ if proven => {}
                event => {
                    services.push(normalised(event, &mut transactions));
                    proven = matches!(event, Event::Proof { genuine: true, .. });
                }
            }
        }
        services.append(&mut console);
        Self { lines: services }
    }

    /// Index of the first line that is not the same in `other`.
    pub fn first_difference(&self, other: &Self) -> Option<usize> {
        let common = self.lines.iter().zip(&other.lines).take_while(|(a, b)| a == b).count();
        (common < self.lines.len().max(other.lines.len())).then_some(common)
    }

    /// SHA-256 of the lines, hexadecimal.
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for line in &self.lines {
            hash.update(line);
            hash.update("\n");
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn ends_the_attempt(line: &str, family: &dyn Family) -> bool {
    use ConsoleSign::{AttemptFailed, Crashed, NothingToBoot};
    matches!(family.console_sign(line), Some(AttemptFailed | NothingToBoot | Crashed))
}

/// The line without a progress display at its start; `None` if nothing else is on it.
fn without_progress(line: &str) -> Option<&str> {
    let Some(display) = line.trim_start().strip_prefix(PROGRESS) else { return Some(line) };
    let rest = display.trim_start_matches(|c: char| c.is_ascii_digit());
    Some(rest.strip_prefix('%').unwrap_or(rest)).filter(|rest| !rest.trim().is_empty())
}

/// An event as one line of JSON, without what may differ.
fn normalised(event: &Event, transactions: &mut Vec<Value>) -> String {
    let mut value = serde_json::to_value(event).expect("invariant: an event can be written as JSON");
    if let Some(fields) = value.as_object_mut() {
        if let Some(xid) = fields.get_mut("xid") {
            let at = transactions.iter().position(|known| known == xid).unwrap_or_else(|| {
                transactions.push(xid.clone());
                transactions.len() - 1
            });
            *xid = Value::from(at);
        }
        // EDK2 has a byte of its stack in it, of which nobody knows how long it stays the same.
        fields.remove("parameters");
        // The other end is ours, and the scenario says which port it has.
        if let Some(guest) = fields.get_mut("from").and_then(Value::as_object_mut) {
            guest.remove("port");
        }
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::{Dhcp4Message, Direction, Endpoint, GuestTime, LoadedFrom, TcpEnd};
    use std::net::Ipv4Addr;

    const FAILED: &str =
        "BdsDxe: failed to load Boot0001 \"UEFI HTTPv4 (MAC:525400123456)\" from X: Not Found";

    /// The same attempt as somebody else's clock, ports, numbers and pauses would have recorded it.
    fn attempt(shift: u32) -> Vec<Event> {
        let received = |message, xid| Event::Dhcp4Received {
            message,
            xid,
            vendor_class: None,
            user_class: None,
            to: None,
            architecture: Some(16),
            server: None,
            requested: None,
            parameters: Vec::new(),
            max_size: None,
            reason: None,
        };
        let frame = Event::Frame {
            number: u64::from(shift) + 1,
            direction: Direction::ToGuest,
            length: 60,
            summary: format!("TCP seq {shift}"),
        };
        let from = Endpoint::new(Ipv4Addr::new(192, 0, 2, 100), 1284 + shift as u16);
        let to = Endpoint::new(Ipv4Addr::new(192, 0, 2, 1), 80);
        let console = |line: &str| Event::Console { line: line.into() };
        let mut events = vec![
            received(Dhcp4Message::Discover, 7 + shift),
            received(Dhcp4Message::Request, 7 + shift),
            received(Dhcp4Message::Discover, 9 + shift),
            Event::TcpSyn { connection: 1, from, to, accepted: true },
            console("  URI: http://192.0.2.1/boot.efi"),
        ];
        for percent in 0..=shift {
            events.push(console(&format!("  Downloading...{percent}%")));
        }
        events.push(console("  Downloading...100%BdsDxe: loading Boot0001"));
        for _ in 0..shift {
            events.push(frame.clone());
            events.push(Event::Harness { note: "n".into() });
            events.push(Event::Qmp { name: "RESUME".into(), data: Value::Null });
        }
        events
    }

    fn transcript(events: Vec<Event>) -> Transcript {
        let timeline = events.into_iter().enumerate();
        let timeline = timeline.map(|(at, event)| Entry { at: GuestTime::from_micros(at as u64 * 3), event });
        Transcript::of(&timeline.collect::<Vec<_>>(), firmware::family_by_id("edk2").unwrap())
    }

    fn proof(genuine: bool) -> Event {
        Event::Proof {
            genuine,
            loaded_from: LoadedFrom { device_path: "P".into(), uri: None },
            load_options: None,
        }
    }

    fn closed() -> Event {
        Event::TcpClosed { connection: 1, how: TcpEnd::GuestReset }
    }

    #[test]
    fn time_chance_and_the_host_leave_no_trace() {
        let quiet = transcript(attempt(0));
        assert_eq!(quiet, transcript(attempt(5)));
        assert_eq!(quiet.sha256(), transcript(attempt(5)).sha256());
        insta::assert_snapshot!(quiet, @r#"
        {"event":"dhcp4-received","message":"discover","xid":0,"vendor_class":null,"architecture":16,"server":null,"requested":null,"reason":null}
        {"event":"dhcp4-received","message":"request","xid":0,"vendor_class":null,"architecture":16,"server":null,"requested":null,"reason":null}
        {"event":"dhcp4-received","message":"discover","xid":1,"vendor_class":null,"architecture":16,"server":null,"requested":null,"reason":null}
        {"event":"tcp-syn","connection":1,"from":{"address":"192.0.2.100"},"to":{"address":"192.0.2.1","port":80},"accepted":true}
        console:   URI: http://192.0.2.1/boot.efi
        console: BdsDxe: loading Boot0001
        "#);
    }

    #[test]
    fn where_a_console_line_stands_among_events_does_not_matter() {
        let line = || Event::Console { line: "a".into() };
        assert_eq!(transcript(vec![line(), closed()]), transcript(vec![closed(), line()]));
    }

    #[test]
    fn what_the_guest_or_the_services_did_differently_shows() {
        let plain = transcript(attempt(0));
        let mut more = attempt(0);
        more.push(closed());
        let mut fewer = attempt(0);
        fewer.remove(1);
        let mut swapped = attempt(0);
        swapped.swap(0, 1);
        let mut said = attempt(0);
        said.push(Event::Console { line: "more".into() });
        for other in [more, fewer, swapped, said] {
            let other = transcript(other);
            assert_ne!(plain, other);
            assert_ne!(plain.sha256(), other.sha256());
        }
    }

    #[test]
    fn nothing_after_the_end_of_the_attempt_counts() {
        let ended = |more: Vec<Event>| {
            let mut events = vec![Event::Console { line: FAILED.into() }];
            events.extend(more);
            transcript(events)
        };
        assert_eq!(ended(vec![]), ended(vec![Event::Console { line: "BdsDxe: next".into() }]));
        let proven = |more: Vec<Event>| {
            let mut events = vec![proof(false), proof(true)];
            events.extend(more);
            transcript(events)
        };
        assert_eq!(proven(vec![]).lines.len(), 2, "a proof that is not genuine ends nothing");
        assert_eq!(proven(vec![]), proven(vec![closed(), proof(true)]));
        // Its console may be read after the proof.
        assert_ne!(proven(vec![]), proven(vec![Event::Console { line: "plugfest: payload running".into() }]));
    }
}
