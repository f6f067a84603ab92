//! Delays as scenarios state them: guest seconds, and what waits for them.

use crate::SettingsError;
use std::{collections::VecDeque, time::Duration};
use wire::GuestTime;

/// Longest delay that a setting may ask for: one day.
const LIMIT: f64 = 86_400.0;
/// Answers of one service that may wait at the same time; a client that asks for more is not a client.
pub(crate) const WAITING: usize = 256;

/// Refuses what is no delay.
pub(crate) fn check(path: &str, seconds: f64) -> Result<(), SettingsError> {
    if (0.0..=LIMIT).contains(&seconds) {
        return Ok(());
    }
    Err(SettingsError::new(path, format!("{seconds} is not between 0 and {LIMIT} seconds")))
}

/// The delay of a checked setting.
pub(crate) fn duration(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, LIMIT))
}

/// What a service is going to send, in the order in which it is due; what is due at the same time, in the order in which it
/// came.
#[derive(Debug)]
pub(crate) struct Queue<T>(VecDeque<(GuestTime, T)>);

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Whether a client's message may add no more.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= WAITING
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn push(&mut self, due: GuestTime, item: T) {
        let at = self.0.partition_point(|(other, _)| *other <= due);
        self.0.insert(at, (due, item));
    }

    /// Takes what is due.
    pub(crate) fn due(&mut self, now: GuestTime) -> Vec<T> {
        let due = self.0.partition_point(|(due, _)| *due <= now);
        self.0.drain(..due).map(|(_, item)| item).collect()
    }

    /// When something is due next.
    pub(crate) fn poll_at(&self) -> Option<GuestTime> {
        self.0.front().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_goes_in_the_order_in_which_it_is_due() {
        let at = |seconds| GuestTime::ZERO + Duration::from_secs(seconds);
        let mut queue = Queue::new();
        for (due, item) in [(3, 'c'), (1, 'a'), (3, 'd'), (2, 'b')] {
            queue.push(at(due), item);
        }
        assert_eq!(queue.poll_at(), Some(at(1)));
        assert_eq!(queue.due(at(0)), []);
        assert_eq!(queue.due(at(2)), ['a', 'b']);
        assert_eq!(queue.due(at(9)), ['c', 'd']);
        assert_eq!(queue.poll_at(), None);
    }

    #[test]
    fn so_many_may_wait_and_no_more() {
        let mut queue = Queue::new();
        for _ in 0..WAITING {
            assert!(!queue.is_full());
            queue.push(GuestTime::ZERO, ());
        }
        assert!(queue.is_full());
    }
}
