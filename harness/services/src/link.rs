//! A link that can be hurt: it loses, repeats, reorders, delays, damages and throttles frames, has an MTU and goes down.
//!
//! Faults strike between our services and the guest's NIC, each direction by its own settings, in guest time. Whether a
//! fault strikes a frame depends on the seed, the direction, the fault and how many frames that it may strike were before
//! it, and on nothing else: the same seed strikes the same frames, whatever other traffic there is. A frame passes, in
//! this order: outage, MTU, loss, damage, repetition, rate, delay and jitter, reordering.
//!
//! The payload's proof is not subject to it: a link that loses the proof would hide that the image ran.

mod lane;
mod protocol;

pub use record::FrameProtocol as Protocol;

use crate::{SettingsError, delay};
use lane::Lane;
use record::{Direction, Event, LinkFault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use wire::GuestTime;

/// Smallest MTU of IPv4 (RFC 791 §3.2).
const SMALLEST_MTU: u16 = 68;
/// Fastest rate that a setting may ask for, kbit/s: 100 Gbit/s.
const FASTEST: f64 = 1e8;

/// The `link:` block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "LinkSettings")]
pub struct Settings {
    /// Decides which frames are struck, for faults that are given in percent.
    pub seed: u64,
    /// What happens to frames on their way to the guest.
    pub to_guest: Faults,
    /// What happens to frames of the guest.
    pub from_guest: Faults,
    /// Larger IP packets vanish in both directions, and nobody is told: a path MTU black hole (RFC 2923 §2.1). 68 to 65535
    /// bytes.
    pub mtu: Option<u16>,
    /// When nothing crosses, in either direction. The guest's NIC keeps its carrier: the cable to the switch is fine.
    pub down: Vec<Outage>,
}

/// What happens to frames in one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "LinkFaults")]
pub struct Faults {
    /// Which frames these settings are about; all if empty.
    pub only: Vec<Protocol>,
    /// How many of them are lost, percent.
    pub lose_percent: f64,
    /// Which of them are lost, counted from 1.
    pub lose: Vec<u32>,
    /// How many arrive twice, percent.
    pub duplicate_percent: f64,
    /// How many have a bit turned over somewhere behind the Ethernet header, percent. Checksums stay as they were.
    pub corrupt_percent: f64,
    /// Which of them have a bit turned over, counted from 1.
    pub corrupt: Vec<u32>,
    /// How many let the next one of them pass, percent; for 0.1 s at most.
    pub reorder_percent: f64,
    /// Guest seconds that each takes, 0 to 86400.
    pub delay_seconds: f64,
    /// Guest seconds that each takes at most in addition, evenly distributed; order is kept. 0 to 86400.
    pub jitter_seconds: f64,
    /// Kilobits of whole Ethernet frames in a guest second; no limit if absent. 1000 frames wait at most, more are lost.
    pub rate_kbit: Option<f64>,
}

/// A time without a link.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// When it begins: guest seconds since the guest's first frame, 0 to 86400.
    pub after_seconds: f64,
    /// How long it lasts, guest seconds, 0 to 86400.
    pub for_seconds: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            to_guest: Faults::default(),
            from_guest: Faults::default(),
            mtu: None,
            down: Vec::new(),
        }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if let Some(mtu) = self.mtu.filter(|mtu| *mtu < SMALLEST_MTU) {
            let problem =
                format!("{mtu} is less than {SMALLEST_MTU} bytes, which every link has (RFC 791 §3.2)");
            return Err(SettingsError::new("network.link.mtu", problem));
        }
        for (at, outage) in self.down.iter().enumerate() {
            delay::check(&format!("network.link.down[{at}].after_seconds"), outage.after_seconds)?;
            delay::check(&format!("network.link.down[{at}].for_seconds"), outage.for_seconds)?;
        }
        self.to_guest.check("network.link.to_guest")?;
        self.from_guest.check("network.link.from_guest")
    }

    /// Whether frames cross as they are, when they come.
    pub(crate) fn is_perfect(&self) -> bool {
        let Self { seed: _, to_guest, from_guest, mtu, down } = self;
        to_guest.are_none() && from_guest.are_none() && mtu.is_none() && down.is_empty()
    }
}

impl Faults {
    fn check(&self, path: &str) -> Result<(), SettingsError> {
        for (name, percent) in [
            ("lose_percent", self.lose_percent),
            ("duplicate_percent", self.duplicate_percent),
            ("corrupt_percent", self.corrupt_percent),
            ("reorder_percent", self.reorder_percent),
        ] {
            if !(0.0..=100.0).contains(&percent) {
                let problem = format!("{percent} is not between 0 and 100 percent");
                return Err(SettingsError::new(format!("{path}.{name}"), problem));
            }
        }
        for (name, frames) in [("lose", &self.lose), ("corrupt", &self.corrupt)] {
            if frames.contains(&0) {
                let problem = "frames are counted from 1, so there is no frame 0";
                return Err(SettingsError::new(format!("{path}.{name}"), problem));
            }
        }
        delay::check(&format!("{path}.delay_seconds"), self.delay_seconds)?;
        delay::check(&format!("{path}.jitter_seconds"), self.jitter_seconds)?;
        match self.rate_kbit {
            Some(rate) if !(rate > 0.0 && rate <= FASTEST) => {
                let problem = format!("{rate} is not a rate above 0 and up to {FASTEST} kbit/s");
                Err(SettingsError::new(format!("{path}.rate_kbit"), problem))
            }
            _ => Ok(()),
        }
    }

    fn are_none(&self) -> bool {
        *self == Self { only: self.only.clone(), ..Self::default() }
    }
}

/// The link of one cell.
pub(crate) struct Link {
    to_guest: Lane,
    from_guest: Lane,
    mtu: Option<u16>,
    down: Vec<Outage>,
    /// When the guest sent its first frame.
    since: Option<GuestTime>,
}

impl Link {
    /// The link of checked settings; `None` if it does nothing.
    pub fn new(settings: &Settings) -> Option<Self> {
        let lane = |direction, faults: &Faults| Lane::new(settings.seed, direction, faults.clone());
        (!settings.is_perfect()).then(|| Self {
            to_guest: lane(Direction::ToGuest, &settings.to_guest),
            from_guest: lane(Direction::FromGuest, &settings.from_guest),
            mtu: settings.mtu,
            down: settings.down.clone(),
            since: None,
        })
    }

    /// Takes a frame that is sent at `now`.
    pub fn send(&mut self, now: GuestTime, direction: Direction, frame: Vec<u8>, events: &mut Vec<Event>) {
        if direction == Direction::FromGuest {
            self.since.get_or_insert(now);
        }
        let fault = if self.is_down(now) {
            LinkFault::Down
        } else if self.mtu.is_some_and(|mtu| frame.len() > ETHERNET + usize::from(mtu)) {
            LinkFault::TooLarge
        } else {
            return self.lane(direction).send(now, frame, events);
        };
        events.push(fault_of(direction, fault, &frame));
    }

    /// Takes the frames that have crossed by `now`, in order.
    pub fn crossed(&mut self, now: GuestTime, direction: Direction) -> Vec<Vec<u8>> {
        self.lane(direction).crossed(now)
    }

    /// When a frame crosses next.
    pub fn poll_at(&self) -> Option<GuestTime> {
        [self.to_guest.poll_at(), self.from_guest.poll_at()].into_iter().flatten().min()
    }

    fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::ToGuest => &mut self.to_guest,
            Direction::FromGuest => &mut self.from_guest,
        }
    }

    fn is_down(&self, now: GuestTime) -> bool {
        let Some(since) = self.since else { return false };
        let elapsed = now.since(since);
        self.down.iter().any(|outage| {
            let begins = delay::duration(outage.after_seconds);
            (begins..begins + delay::duration(outage.for_seconds)).contains(&elapsed)
        })
    }
}

/// The event that tells of a fault.
fn fault_of(direction: Direction, fault: LinkFault, frame: &[u8]) -> Event {
    Event::LinkFault { direction, fault, protocol: protocol::of(frame), flags: protocol::flags(frame) }
}

/// Bytes of an Ethernet header without a tag.
const ETHERNET: usize = 14;
/// Longest time for which a frame lets others pass.
const HELD: Duration = Duration::from_millis(100);
/// Frames that wait at the same time in one direction.
const WAITING: usize = 1000;

#[cfg(test)]
mod tests;
