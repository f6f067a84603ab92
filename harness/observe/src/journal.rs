//! The events of a capture, each at the packet that showed it.

use record::{Event, GuestTime};

/// Events in the order of the packets that showed them, whenever they were understood.
#[derive(Debug, Default)]
pub struct Journal {
    now: (u64, GuestTime),
    events: Vec<(u64, GuestTime, Event)>,
}

/// A place in the journal.
pub type Place = (u64, GuestTime);

impl Journal {
    /// The next events are shown by this packet.
    pub fn at(&mut self, number: u64, at: GuestTime) {
        self.now = (number, at);
    }

    /// Where it is.
    pub fn now(&self) -> Place {
        self.now
    }

    pub fn add(&mut self, event: Event) {
        self.add_at(self.now, event);
    }

    /// Adds what only later turned out to have happened there.
    pub fn add_at(&mut self, (number, at): Place, event: Event) {
        self.events.push((number, at, event));
    }

    /// The events, sorted; those of one packet in the order in which they were added.
    pub fn finish(mut self) -> Vec<record::Entry> {
        self.events.sort_by_key(|(number, ..)| *number);
        self.events.into_iter().map(|(_, at, event)| record::Entry { at, event }).collect()
    }
}
