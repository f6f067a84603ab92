//! Keeps us from sending silly windows' worth (RFC 9293 §3.8.6.2.1), as smoltcp 0.14 does not: it fills whatever room there is. It is shown
//! a window whose right edge moves by whole segments.

use crate::frame::{self, Segment};
use std::time::Duration;
use wire::GuestTime;

/// For how long a window too small for a segment is not used (RFC 9293 §3.8.6.2.1: 0.1 to 1 second).
const OVERRIDE: Duration = Duration::from_millis(500);

/// The guest's window, as the stack is shown it.
#[derive(Debug)]
pub(super) struct Window {
    /// Bytes of data in our largest segment.
    segment: u32,
    /// How far the windows after the SYN's are shifted (RFC 7323 §2.2).
    scale: u8,
    /// The largest one that was advertised.
    largest: u32,
    /// The latest acknowledgment, and the right edge that the stack was shown with it.
    shown: Option<(u32, u32)>,
    /// Since when there is more than what is shown, and the edge has not moved.
    held: Option<GuestTime>,
}

impl Window {
    /// Of a connection that `syn` opens, when our own segments have at most `own` bytes of data.
    pub(super) fn new(syn: &[u8], own: u16) -> Self {
        /// For hosts that say nothing (RFC 9293 §3.7.1), and the most that a shift may be (RFC 7323 §2.3).
        const DEFAULT_SEGMENT: u16 = 536;
        const LARGEST_SHIFT: u8 = 14;
        let (segment, scale) = frame::opening_options(syn);
        let segment = segment.unwrap_or(DEFAULT_SEGMENT).min(own).max(1).into();
        let scale = scale.unwrap_or(0).min(LARGEST_SHIFT);
        Self { segment, scale, largest: 0, shown: None, held: None }
    }

    /// Shows the stack what it may use of the window in the guest's segment `bytes`.
    pub(super) fn show(&mut self, now: GuestTime, segment: &Segment, bytes: &mut [u8]) {
        let Some(acknowledged) = segment.acknowledgment.filter(|_| !segment.syn && !segment.rst) else {
            return;
        };
        let usable = self.usable(now, acknowledged, u32::from(segment.window) << self.scale);
        let shown = u16::try_from(usable >> self.scale).unwrap_or(u16::MAX);
        if shown != segment.window {
            frame::set_window(bytes, shown);
        }
    }

    /// How many bytes from the acknowledged one on may be used, of `window`.
    fn usable(&mut self, now: GuestTime, acknowledged: u32, window: u32) -> u32 {
        self.largest = self.largest.max(window);
        let (latest, edge) = self.shown.unwrap_or((acknowledged, acknowledged));
        // One that was overtaken says nothing new.
        if is_before(acknowledged, latest) {
            return window;
        }
        // What was shown before stays usable, unless the guest took it back.
        let before = edge.wrapping_sub(acknowledged);
        let before = if is_before(edge, acknowledged) { 0 } else { before.min(window) };
        let more = window - before;
        let is_held_long = self.held.is_some_and(|since| now.since(since) >= OVERRIDE);
        let usable = match more {
            _ if more >= self.segment => before + more - more % self.segment,
            _ if more >= self.largest / 2 || is_held_long => window,
            _ => before,
        };
        let moved = acknowledged.wrapping_add(usable);
        self.held = self.held.filter(|_| moved == edge).or(Some(now)).filter(|_| usable < window);
        self.shown = Some((acknowledged, moved));
        usable
    }
}

/// In the arithmetic of sequence numbers (RFC 9293 §3.4).
fn is_before(one: u32, other: u32) -> bool {
    one.wrapping_sub(other) > 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(segment: u32) -> Window {
        Window { segment, scale: 0, largest: 0, shown: None, held: None }
    }

    fn at(milliseconds: u64) -> GuestTime {
        GuestTime::ZERO + Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_edge_moves_by_whole_segments() {
        let mut of = window(1460);
        let start = u32::MAX - 2000; // Numbers wrap in the middle.
        for (acknowledged, advertised, usable) in [
            (0, 2920, 2920),
            (1460, 1460, 1460), // the same edge
            (1460, 1500, 1460), // 40 bytes more are not worth a segment
            (1460, 2920, 2920), // a segment more is
            (1500, 2920, 2880), // whole segments, also where the guest acknowledges less
            (4380, 0, 0),       // all is taken
            (4380, 1000, 0),    // too little to begin with
            (4380, 1459, 0),
            (4380, 1460, 1460), // now
            (4380, 100, 100),   // the guest takes it back
        ] {
            assert_eq!(
                of.usable(at(0), start.wrapping_add(acknowledged), advertised),
                usable,
                "{acknowledged} {advertised}"
            );
        }
    }

    #[test]
    fn a_window_that_is_never_larger_is_used_from_its_half_on() {
        let mut of = window(1460);
        assert_eq!(of.usable(at(0), 0, 512), 512);
        assert_eq!(of.usable(at(0), 512, 255), 0);
        assert_eq!(of.usable(at(0), 512, 256), 256);
    }

    #[test]
    fn a_small_window_is_used_after_a_while() {
        let mut of = window(1460);
        assert_eq!(of.usable(at(0), 0, 8192), 7300);
        assert_eq!(of.usable(at(0), 7300, 892), 0);
        assert_eq!(of.usable(at(499), 7300, 892), 0);
        assert_eq!(of.usable(at(500), 7300, 892), 892);
    }

    #[test]
    fn what_comes_late_changes_nothing() {
        let mut of = window(1460);
        assert_eq!(of.usable(at(0), 1460, 2920), 2920);
        assert_eq!(of.usable(at(0), 0, 2920), 2920);
        assert_eq!(of.usable(at(0), 1460, 3000), 2920);
    }
}
