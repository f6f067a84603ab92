//! One direction of the link.

use super::{ETHERNET, Faults, HELD, WAITING, fault_of, protocol};
use crate::delay::{self, Queue};
use record::{Direction, Event, LinkFault};
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use wire::GuestTime;

/// The frames on their way in one direction.
pub(super) struct Lane {
    seed: u64,
    direction: Direction,
    faults: Faults,
    /// How many frames that the faults may strike there were.
    count: u32,
    on_the_way: Queue<Vec<u8>>,
    /// One that lets the next pass, and until when at most.
    held: Option<(GuestTime, Vec<u8>)>,
    /// When the link has sent everything that waits for its rate.
    busy_until: GuestTime,
    /// When the latest frame crosses: none crosses before it.
    latest: GuestTime,
}

/// What is drawn for a frame.
#[derive(Clone, Copy)]
enum Draw {
    Loss,
    Damage,
    Place,
    Repetition,
    Jitter,
    Order,
}

impl Lane {
    pub fn new(seed: u64, direction: Direction, faults: Faults) -> Self {
        Self {
            seed,
            direction,
            faults,
            count: 0,
            on_the_way: Queue::new(),
            held: None,
            busy_until: GuestTime::ZERO,
            latest: GuestTime::ZERO,
        }
    }

    /// Takes a frame.
    pub fn send(&mut self, now: GuestTime, mut frame: Vec<u8>, events: &mut Vec<Event>) {
        if !self.is_about(&frame) {
            return self.cross(now, frame);
        }
        self.count = self.count.saturating_add(1);
        let direction = self.direction;
        let struck = fault_of(direction, LinkFault::Lost, &frame);
        let mut say = |what| {
            let mut event = struck.clone();
            if let Event::LinkFault { fault, .. } = &mut event {
                *fault = what;
            }
            events.push(event);
        };
        if self.faults.lose.contains(&self.count) || self.strikes(Draw::Loss, self.faults.lose_percent) {
            return say(LinkFault::Lost);
        }
        let damaged = self.faults.corrupt.contains(&self.count)
            || self.strikes(Draw::Damage, self.faults.corrupt_percent);
        if damaged && frame.len() > ETHERNET {
            say(LinkFault::Corrupted);
            let bit = self.below((frame.len() - ETHERNET) * 8);
            frame[ETHERNET + bit / 8] ^= 1 << (bit % 8);
        }
        let copies = if self.strikes(Draw::Repetition, self.faults.duplicate_percent) {
            say(LinkFault::Duplicated);
            2
        } else {
            1
        };
        let lets_pass = self.strikes(Draw::Order, self.faults.reorder_percent);
        for copy in 0..copies {
            if self.on_the_way.len() >= WAITING {
                say(LinkFault::Overflow);
                continue;
            }
            let at = self.arrival(now, frame.len(), copy);
            if lets_pass && self.held.is_none() {
                say(LinkFault::Reordered);
                self.held = Some((at + HELD, frame.clone()));
                continue;
            }
            self.cross(at, frame.clone());
            if let Some((_, held)) = self.held.take() {
                self.cross(at, held);
            }
        }
    }

    /// Takes what has crossed by `now`.
    pub fn crossed(&mut self, now: GuestTime) -> Vec<Vec<u8>> {
        if let Some((_, held)) = self.held.take_if(|(until, _)| *until <= now) {
            self.cross(now, held);
        }
        self.on_the_way.due(now)
    }

    /// When something crosses next.
    pub fn poll_at(&self) -> Option<GuestTime> {
        let held = self.held.as_ref().map(|(until, _)| *until);
        [self.on_the_way.poll_at(), held].into_iter().flatten().min()
    }

    fn is_about(&self, frame: &[u8]) -> bool {
        let only = &self.faults.only;
        only.is_empty() || only.contains(&protocol::of(frame))
    }

    /// When a frame sent now arrives: the link is busy with those before it, then each takes its time.
    fn arrival(&mut self, now: GuestTime, length: usize, copy: u32) -> GuestTime {
        let mut sent = now;
        if let Some(rate) = self.faults.rate_kbit {
            let seconds = length as f64 * 8.0 / (rate * 1000.0);
            self.busy_until = self.busy_until.max(now) + delay::duration(seconds);
            sent = self.busy_until;
        }
        let jitter = self.faults.jitter_seconds * self.fraction(Draw::Jitter, copy);
        sent + delay::duration(self.faults.delay_seconds) + delay::duration(jitter)
    }

    /// Lets a frame cross, not before those that were sent earlier.
    fn cross(&mut self, at: GuestTime, frame: Vec<u8>) {
        self.latest = self.latest.max(at);
        self.on_the_way.push(self.latest, frame);
    }

    fn strikes(&self, draw: Draw, percent: f64) -> bool {
        percent > 0.0 && self.fraction(draw, 0) * 100.0 < percent
    }

    /// A number below `limit`, which is not 0 and far below 2^53.
    fn below(&self, limit: usize) -> usize {
        (self.fraction(Draw::Place, 0) * limit as f64) as usize
    }

    /// At least 0 and less than 1, evenly distributed over frames.
    fn fraction(&self, draw: Draw, copy: u32) -> f64 {
        let mut hash = SipHasher24::new_with_keys(self.seed, self.direction as u64);
        hash.write_u8(draw as u8);
        hash.write_u32(copy);
        hash.write_u32(self.count);
        // The upper 53 bits, which a double holds.
        (hash.finish() >> 11) as f64 / (1u64 << 53) as f64
    }
}
