//! One simulated Ethernet segment: the nodes on our side, the guest on the other, and guest time between them.
//!
//! A [`Node`] is a sans-IO state machine: frames and the clock go in, frames and events come out; it never sleeps and
//! never opens a socket. A [`Guest`] is whatever sits at the other end: QEMU, or a fake firmware in a test.

pub use record::{Direction, Event, GuestTime};
use serde::{Deserialize, Serialize};
use std::future::Future;

/// What a node wants done after a call: frames for the guest, in order, and events for the timeline.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Whole Ethernet frames without FCS, to be delivered to the guest.
    pub frames: Vec<Vec<u8>>,
    /// What the node noticed or did.
    pub events: Vec<Event>,
    /// Secrets of TLS connections as lines of an NSS key log, for whoever keeps the capture. They differ in every run, so
    /// they are no events.
    pub secrets: Vec<String>,
}

/// A station on the segment. All times are guest times and never go backwards.
pub trait Node {
    /// The guest sent `frame` (Ethernet without FCS) at `now`. The bytes are hostile until parsed.
    fn receive(&mut self, now: GuestTime, frame: &[u8], out: &mut Outbox);

    /// Lets timers that are due at `now` fire.
    fn poll(&mut self, now: GuestTime, out: &mut Outbox);

    /// When [`poll`](Self::poll) wants to be called next; `None` while no timer runs.
    fn poll_at(&self) -> Option<GuestTime>;
}

/// Something that happened at the guest's end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum GuestEvent {
    /// A frame crossed the segment: sent by the guest, or one of ours as the guest's NIC received it.
    Frame {
        /// Guest time at which it crossed.
        at: GuestTime,
        /// Which way.
        direction: Direction,
        /// Ethernet frame without FCS.
        bytes: Vec<u8>,
    },
    /// Bytes arrived on the console; not split into lines.
    Console {
        /// Guest time, as exact as the guest's kind allows.
        at: GuestTime,
        /// Raw bytes.
        bytes: Vec<u8>,
    },
    /// The machine's monitor reported something.
    Monitor {
        /// Guest time, as exact as the guest's kind allows.
        at: GuestTime,
        /// Event name.
        name: String,
        /// Event data.
        data: serde_json::Value,
    },
    /// The requested wake-up time has come.
    Tick {
        /// Guest time, not before the time asked for.
        at: GuestTime,
    },
    /// The guest's process is gone.
    Exited {
        /// Last known guest time.
        at: GuestTime,
        /// How, for people: exit status and the end of its stderr.
        how: String,
    },
}

/// The guest's end of the segment.
pub trait Guest {
    /// What can go wrong on our side of the connection to the guest.
    type Error: std::error::Error + 'static;

    /// Queues a frame for the guest's NIC. It comes back as [`GuestEvent::Frame`] once it has crossed.
    fn send(&mut self, frame: Vec<u8>) -> Result<(), Self::Error>;

    /// Waits for the next event, or until the guest's clock reaches `wake`.
    ///
    /// Events come in the order of guest time as far as the guest's kind can tell. Cancel-safe.
    fn next(&mut self, wake: Option<GuestTime>) -> impl Future<Output = Result<GuestEvent, Self::Error>>;
}
