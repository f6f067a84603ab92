//! Questions to DNS servers, over either version of IP, and why no connection came of them.

use crate::cause::*;
use crate::facts6::cited;
use crate::finding::PROMPT;
use record::{Direction, Event, GuestTime};
use std::net::IpAddr;
use std::time::Duration;

/// A question to a DNS server, and what came of it.
#[derive(Clone, Copy, Debug)]
struct Query<'a> {
    server: IpAddr,
    name: &'a str,
    kind: &'a str,
    tcp: bool,
    answer: Option<Answer<'a>>,
    frame: u64,
    at: GuestTime,
}

/// A DNS server's answer.
#[derive(Clone, Copy, Debug)]
struct Answer<'a> {
    rcode: &'a str,
    records: &'a [String],
    truncated: bool,
    note: Option<&'a str>,
    /// How long it took.
    after: Duration,
}

/// What was asked and answered, in order.
#[derive(Debug, Default)]
pub(crate) struct Names<'a> {
    queries: Vec<Query<'a>>,
    /// The number of the guest's latest frame in the capture.
    frame: u64,
}

impl<'a> Names<'a> {
    /// Takes an event in order; whether it is an answer of ours.
    pub(crate) fn take(&mut self, at: GuestTime, event: &'a Event) -> bool {
        match event {
            Event::Frame { number, direction: Direction::FromGuest, .. } => self.frame = *number,
            Event::DnsQuery { server, name, kind, tcp } => {
                let (server, tcp, frame) = (*server, *tcp, self.frame);
                self.queries.push(Query { server, name, kind, tcp, answer: None, frame, at });
            }
            Event::DnsAnswer { server, name, kind, rcode, answers, truncated, note } => {
                // A server answers in the order in which it is asked.
                let asked = |query: &&mut Query<'_>| {
                    query.answer.is_none()
                        && query.server == *server
                        && (query.name, query.kind) == (name.as_str(), kind.as_str())
                };
                if let Some(query) = self.queries.iter_mut().find(asked) {
                    query.answer = Some(Answer {
                        rcode,
                        records: answers,
                        truncated: *truncated,
                        note: note.as_deref(),
                        after: at.since(query.at),
                    });
                }
                return true;
            }
            _ => {}
        }
        false
    }

    pub(crate) fn is_asked(&self) -> bool {
        !self.queries.is_empty()
    }

    /// Why no connection came of a name; `servers` are those that DHCP named, as far as that is known.
    pub(crate) fn cause(&self, servers: &[IpAddr]) -> (Cause, Option<String>) {
        let Some(query) = self.queries.last() else { return (DNS_NOT_ASKED, None) };
        let frames = cited(self.queries.iter().map(|query| query.frame));
        let question = format!("{} {} of {}", query.name, query.kind, query.server);
        let noted = |note: Option<&str>| {
            let parts = [Some(question.as_str()), note, frames.as_deref()];
            Some(parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
        };
        let late = |answer: &Answer<'_>| answer.after > PROMPT;
        if let Some(late) = self.queries.iter().rev().filter_map(|query| query.answer).find(late) {
            let seconds = late.after.as_secs_f64();
            return (DNS_ANSWER_LATE, noted(Some(&format!("after {seconds:.1} s"))));
        }
        let Some(answer) = &query.answer else {
            let asked = |server: &IpAddr| self.queries.iter().any(|query| query.server == *server);
            let other = servers.iter().find(|server| !asked(server));
            return match other {
                Some(other) => (DNS_OTHER_SERVER_NOT_ASKED, noted(Some(&format!("{other} is another")))),
                None => (DNS_NO_ANSWER, noted(None)),
            };
        };
        if let Some(note) = answer.note {
            return (DNS_ANSWER_MISMATCHED, noted(Some(note)));
        }
        if answer.truncated && !query.tcp {
            return (DNS_TRUNCATED, noted(None));
        }
        match answer.rcode {
            "NOERROR" => {}
            "NXDOMAIN" => return (DNS_NO_SUCH_NAME, noted(None)),
            other => return (DNS_ERROR, noted(Some(other))),
        }
        if answer.records.is_empty() {
            return (DNS_NO_RECORD, noted(None));
        }
        let canonical = answer.records.iter().rev().find_map(|record| record.split_once(" CNAME "));
        let has_address = answer.records.iter().any(|record| record.contains(&format!(" {} ", query.kind)));
        match canonical {
            Some((_, name)) if !has_address => (DNS_ALIAS_NOT_FOLLOWED, noted(Some(name))),
            _ => (DNS_ANSWER_NOT_USED, noted(Some(&answer.records.join(", ")))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(tcp: bool) -> Event {
        Event::DnsQuery {
            server: "2001:db8::1".parse().unwrap(),
            name: "boot.example".into(),
            kind: "AAAA".into(),
            tcp,
        }
    }

    fn answer(rcode: &str, records: &[&str]) -> Event {
        Event::DnsAnswer {
            server: "2001:db8::1".parse().unwrap(),
            name: "boot.example".into(),
            kind: "AAAA".into(),
            rcode: rcode.into(),
            answers: records.iter().map(|&record| record.into()).collect(),
            truncated: false,
            note: None,
        }
    }

    fn changed(mut event: Event, cut: bool, why: Option<&str>) -> Event {
        if let Event::DnsAnswer { truncated, note, .. } = &mut event {
            (*truncated, *note) = (cut, why.map(str::to_owned));
        }
        event
    }

    fn found(events: &[Event], servers: &[&str], step: u64) -> String {
        let mut names = Names::default();
        let frame =
            Event::Frame { number: 7, direction: Direction::FromGuest, length: 60, summary: String::new() };
        names.take(GuestTime::ZERO, &frame);
        for (event, turn) in events.iter().zip(0..) {
            names.take(GuestTime::from_micros(turn * step), event);
        }
        let servers: Vec<IpAddr> = servers.iter().map(|server| server.parse().unwrap()).collect();
        let (cause, note) = names.cause(&servers);
        format!("{} ({})", cause.id, note.unwrap_or_default())
    }

    #[test]
    fn a_name_leads_nowhere_for_a_reason() {
        let (asked, frame) = ("boot.example AAAA of 2001:db8::1", "frame 7");
        let address = "boot.example AAAA 2001:db8::1";
        let alias = "boot.example CNAME a.example";
        let (one, two): (&[&str], &[&str]) = (&["2001:db8::1"], &["2001:db8::1", "2001:db8:1::1"]);
        for (events, servers, cause, note) in [
            (vec![], one, "dns.not-asked", None),
            (vec![query(false)], one, "dns.no-answer", Some("")),
            (vec![query(false)], two, "dns.other-server-not-asked", Some("; 2001:db8:1::1 is another")),
            (vec![query(false), answer("NXDOMAIN", &[])], two, "dns.no-such-name", Some("")),
            (vec![query(false), answer("SERVFAIL", &[])], one, "dns.error", Some("; SERVFAIL")),
            (vec![query(false), answer("NOERROR", &[])], one, "dns.no-record", Some("")),
            (vec![query(false), changed(answer("NOERROR", &[]), true, None)], one, "dns.truncated", Some("")),
            (
                vec![query(false), changed(answer("NOERROR", &[]), true, None), query(true)],
                one,
                "dns.no-answer",
                Some(""),
            ),
            (
                vec![query(false), changed(answer("NOERROR", &[address]), false, Some("another id"))],
                one,
                "dns.answer-mismatched",
                Some("; another id"),
            ),
            (
                vec![query(false), answer("NOERROR", &[alias])],
                one,
                "dns.alias-not-followed",
                Some("; a.example"),
            ),
            (
                vec![query(false), answer("NOERROR", &[alias, "a.example AAAA 2001:db8::1"])],
                one,
                "dns.answer-not-used",
                Some("; boot.example CNAME a.example, a.example AAAA 2001:db8::1"),
            ),
            (
                vec![query(false), answer("NOERROR", &[address])],
                one,
                "dns.answer-not-used",
                Some("; boot.example AAAA 2001:db8::1"),
            ),
        ] {
            let note = note.map_or(String::new(), |note| format!("{asked}{note}; {frame}"));
            assert_eq!(found(&events, servers, 10_000), format!("{cause} ({note})"));
        }
        let late = [query(false), answer("NOERROR", &[address]), query(false)];
        assert_eq!(found(&late, one, 3_000_000), format!("dns.answer-late ({asked}; after 3.0 s; {frame})"));
    }
}
