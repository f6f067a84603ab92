//! What has arrived from QEMU and waits for delivery, put in one order.
//!
//! Frames carry exact times. Console bytes and monitor events carry none: they get that of a question to the guest's
//! clock asked after their arrival. Until it is answered nothing later overtakes them.

use record::GuestTime;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use wire::{Direction, GuestEvent};

/// How long console bytes are collected, on the host: firmware writes a few at a time.
const COLLECT: Duration = Duration::from_millis(2);

/// Console bytes that are delivered without waiting for more.
const FULL: usize = 4096;

enum Report {
    Console { bytes: Vec<u8>, since: Instant },
    Monitor { name: String, data: Value },
}

impl Report {
    /// Whether more console bytes belong to it.
    fn collects(&self, host: Instant) -> bool {
        match self {
            Self::Console { bytes, since } => {
                bytes.last() != Some(&b'\n') && bytes.len() < FULL && host < *since + COLLECT
            }
            Self::Monitor { .. } => false,
        }
    }
}

/// Where in the order of what has the same time. A frame is in the middle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Before,
    Frame,
    After,
}

/// Arrived, not delivered.
#[derive(Default)]
pub(crate) struct Arrivals {
    frames: VecDeque<(GuestTime, Direction, Vec<u8>)>,
    /// Reports that know their time, and whether they are from before or after a frame of just that time.
    stamped: VecDeque<((GuestTime, Side), Report)>,
    /// Reports, in order, after those; with the number of the question that will tell.
    unstamped: VecDeque<(Option<u64>, Report)>,
    delivered: GuestTime,
}

impl Arrivals {
    /// A frame; frames come in order.
    pub fn frame(&mut self, at: GuestTime, direction: Direction, bytes: Vec<u8>) {
        self.frames.push_back((at, direction, bytes));
    }

    /// Console bytes.
    pub fn console(&mut self, more: &[u8], host: Instant) {
        let last = match self.unstamped.back_mut() {
            Some((_, report)) => Some(report),
            None => self.stamped.back_mut().map(|(_, report)| report),
        };
        match last {
            Some(report) if report.collects(host) => {
                let Report::Console { bytes, .. } = report else {
                    unreachable!("invariant: only console bytes are collected")
                };
                bytes.extend_from_slice(more);
            }
            _ => self.unstamped.push_back((None, Report::Console { bytes: more.to_vec(), since: host })),
        }
    }

    /// A monitor event.
    pub fn monitor(&mut self, name: String, data: Value) {
        self.unstamped.push_back((None, Report::Monitor { name, data }));
    }

    /// Whether there are reports for which the clock has to be asked.
    pub fn wants_clock(&self) -> bool {
        self.unstamped.back().is_some_and(|(question, _)| question.is_none())
    }

    /// The clock is being asked: `question` was sent after all that has arrived.
    pub fn asked(&mut self, question: u64) {
        for (asked, _) in self.unstamped.iter_mut().rev().take_while(|(asked, _)| asked.is_none()) {
            *asked = Some(question);
        }
    }

    /// The answer to `question` is `at`, and all frames up to then have been handed over.
    pub fn answered(&mut self, question: u64, at: GuestTime) {
        while self.unstamped.front().is_some_and(|(asked, _)| asked.is_some_and(|asked| asked <= question)) {
            let (_, report) = self.unstamped.pop_front().expect("invariant: just looked at");
            self.stamped.push_back(((at, Side::After), report));
        }
    }

    /// Everything that has arrived is from before `at`, and from after all frames that were earlier.
    pub fn stamp(&mut self, at: GuestTime) {
        self.stamped.extend(self.unstamped.drain(..).map(|(_, report)| ((at, Side::Before), report)));
    }

    /// No answer will come any more.
    pub fn end(&mut self, at: GuestTime) {
        let at = self.frames.back().map_or(at, |(last, ..)| at.max(*last));
        self.stamped.extend(self.unstamped.drain(..).map(|(_, report)| ((at, Side::After), report)));
    }

    /// The next event. `last` says that nothing more is waited for, so that a console line may be cut.
    pub fn pop(&mut self, host: Instant, last: bool) -> Option<GuestEvent> {
        let report_first = match (self.stamped.front(), self.frames.front()) {
            (Some((report, _)), Some((frame, ..))) => *report < (*frame, Side::Frame),
            (Some(_), None) => true,
            (None, _) => false,
        };
        let event = if report_first {
            let alone = self.stamped.len() == 1 && self.unstamped.is_empty() && self.frames.is_empty();
            let ((at, _), report) = self.stamped.front()?;
            if alone && !last && report.collects(host) {
                return None;
            }
            let at = self.deliver(*at);
            match self.stamped.pop_front()?.1 {
                Report::Console { bytes, .. } => GuestEvent::Console { at, bytes },
                Report::Monitor { name, data } => GuestEvent::Monitor { at, name, data },
            }
        } else {
            if self.stamped.is_empty() && !self.unstamped.is_empty() {
                return None; // The answer may place them before this frame.
            }
            let (at, direction, bytes) = self.frames.pop_front()?;
            GuestEvent::Frame { at: self.deliver(at), direction, bytes }
        };
        Some(event)
    }

    /// When the console bytes that wait for more have waited enough.
    pub fn collected_at(&self) -> Option<Instant> {
        match self.stamped.back() {
            Some((_, Report::Console { since, .. })) => Some(*since + COLLECT),
            _ => None,
        }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.stamped.is_empty() && self.unstamped.is_empty()
    }

    /// Notes a delivery at `at`: times never go back.
    pub fn deliver(&mut self, at: GuestTime) -> GuestTime {
        self.delivered = self.delivered.max(at);
        self.delivered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> GuestTime {
        GuestTime::from_micros(micros)
    }

    /// Everything that can be delivered, shortly.
    fn all(arrivals: &mut Arrivals, host: Instant, last: bool) -> Vec<String> {
        std::iter::from_fn(|| arrivals.pop(host, last))
            .map(|event| match event {
                GuestEvent::Frame { at, bytes, .. } => format!("{} frame {bytes:?}", at.as_micros()),
                GuestEvent::Console { at, bytes } => {
                    format!("{} console {:?}", at.as_micros(), String::from_utf8_lossy(&bytes))
                }
                GuestEvent::Monitor { at, name, .. } => format!("{} monitor {name}", at.as_micros()),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn reports_take_their_place_among_the_frames() {
        let host = Instant::now();
        let mut arrivals = Arrivals::default();
        arrivals.frame(at(10), Direction::FromGuest, vec![1]);
        arrivals.console(b"line\n", host);
        arrivals.monitor("RTC_CHANGE".into(), Value::Null);
        assert!(arrivals.wants_clock());
        arrivals.asked(1);
        assert!(!arrivals.wants_clock());
        arrivals.frame(at(30), Direction::FromGuest, vec![2]);
        assert_eq!(all(&mut arrivals, host, true), [""; 0], "overtaken before the answer");
        arrivals.answered(1, at(20));
        assert_eq!(
            all(&mut arrivals, host, false),
            ["10 frame [1]", "20 console \"line\\n\"", "20 monitor RTC_CHANGE", "30 frame [2]"]
        );
        assert!(arrivals.is_empty());
    }

    #[test]
    fn console_bytes_are_collected_until_a_line_ends() {
        let host = Instant::now();
        let mut arrivals = Arrivals::default();
        arrivals.console(b"a li", host);
        arrivals.asked(1);
        arrivals.console(b"n", host);
        arrivals.answered(1, at(5));
        arrivals.console(b"e", host);
        assert!(!arrivals.wants_clock(), "no question for every byte");
        assert_eq!(all(&mut arrivals, host, false), [""; 0]);
        arrivals.console(b"\n", host);
        assert_eq!(all(&mut arrivals, host, false), ["5 console \"a line\\n\""]);
    }

    #[test]
    fn a_prompt_without_a_line_end_waits_2_ms_or_for_the_next_frame() {
        let host = Instant::now();
        let collect = || {
            let mut arrivals = Arrivals::default();
            arrivals.console(b"> ", host);
            arrivals.asked(1);
            arrivals.answered(1, at(5));
            arrivals
        };
        let mut arrivals = collect();
        assert_eq!(all(&mut arrivals, host, false), [""; 0]);
        assert_eq!(arrivals.collected_at(), Some(host + COLLECT));
        assert_eq!(all(&mut arrivals, host + COLLECT, false), ["5 console \"> \""]);

        let mut arrivals = collect();
        arrivals.frame(at(9), Direction::FromGuest, vec![]);
        assert_eq!(all(&mut arrivals, host, false), ["5 console \"> \"", "9 frame []"]);

        assert_eq!(all(&mut collect(), host, true), ["5 console \"> \""], "nothing more is waited for");
    }

    #[test]
    fn what_is_stamped_by_a_frame_comes_before_it_and_what_an_answer_stamps_after_it() {
        let host = Instant::now();
        let arrivals = |stamp: fn(&mut Arrivals)| {
            let mut arrivals = Arrivals::default();
            arrivals.frame(at(50), Direction::FromGuest, vec![1]);
            arrivals.console(b"x\n", host);
            stamp(&mut arrivals);
            all(&mut arrivals, host, false)
        };
        let (console, frame) = ("50 console \"x\\n\"", "50 frame [1]");
        assert_eq!(arrivals(|arrivals| arrivals.stamp(at(50))), [console, frame]);
        let answer = |arrivals: &mut Arrivals| {
            arrivals.asked(1);
            arrivals.answered(1, at(50));
        };
        assert_eq!(arrivals(answer), [frame, console]);
    }

    #[test]
    fn at_the_end_everything_is_delivered_and_times_never_go_back() {
        let host = Instant::now();
        let mut arrivals = Arrivals::default();
        arrivals.frame(at(50), Direction::FromGuest, vec![1]);
        arrivals.monitor("SHUTDOWN".into(), Value::Null);
        arrivals.end(at(40));
        assert_eq!(all(&mut arrivals, host, true), ["50 frame [1]", "50 monitor SHUTDOWN"]);
        assert_eq!(arrivals.deliver(at(3)), at(50));
    }
}
