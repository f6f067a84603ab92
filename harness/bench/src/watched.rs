//! Guests whose lives are timed on the host's clock, from the outside: nothing in the engine knows about it.

use crate::milestone::Milestone;
use firmware::Firmware;
use record::{Direction, GuestTime};
use run::{Cell, Guests, StartError, Started};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::{Guest, GuestEvent};

/// When things happened to the guest of one cell, since the engine asked for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    /// The engine got it.
    pub started: Duration,
    /// The guest reached each milestone for the first time.
    pub reached: [Option<Duration>; Milestone::ALL.len()],
    /// The engine let it go.
    pub dropped: Duration,
    /// It was gone.
    pub gone: Duration,
    /// Guest time from the first frame to the last event.
    pub attempt: Duration,
}

/// The lives of all guests so far, by the cell's id; of a cell that was tried again, the last.
pub type Lives = Rc<RefCell<HashMap<String, Life>>>;

/// A source of guests that times what `inner` gives.
pub struct Watched<G> {
    inner: G,
    lives: Lives,
}

impl<G> Watched<G> {
    /// Guests by `inner`; what is seen of them goes to `lives`.
    pub fn new(inner: G, lives: Lives) -> Self {
        Self { inner, lives }
    }
}

impl<G: Guests> Guests for Watched<G> {
    type Guest = WatchedGuest<G::Guest>;

    async fn start(
        &self,
        cell: &Cell,
        firmware: &Firmware,
        image: &Arc<[u8]>,
    ) -> Result<Started<Self::Guest>, StartError> {
        let asked = Instant::now();
        let Started { guest, command, accelerator, rtc_base } =
            self.inner.start(cell, firmware, image).await?;
        let life = Life { started: asked.elapsed(), ..Life::default() };
        let guest = WatchedGuest {
            inner: Some(guest),
            asked,
            life,
            first_frame: None,
            cell: cell.id.clone(),
            lives: Rc::clone(&self.lives),
        };
        Ok(Started { guest, command, accelerator, rtc_base })
    }
}

/// A guest whose life is timed.
pub struct WatchedGuest<G> {
    inner: Option<G>,
    asked: Instant,
    life: Life,
    first_frame: Option<GuestTime>,
    cell: String,
    lives: Lives,
}

impl<G> WatchedGuest<G> {
    fn inner(&mut self) -> &mut G {
        self.inner.as_mut().expect("invariant: taken only when dropped")
    }

    fn see(&mut self, event: &GuestEvent) {
        let (GuestEvent::Frame { at, .. }
        | GuestEvent::Console { at, .. }
        | GuestEvent::Monitor { at, .. }
        | GuestEvent::Tick { at }
        | GuestEvent::Exited { at, .. }) = *event;
        if let GuestEvent::Frame { direction: Direction::FromGuest, bytes, .. } = event {
            self.first_frame.get_or_insert(at);
            if let Some(milestone) = Milestone::of(bytes) {
                self.life.reached[milestone as usize].get_or_insert(self.asked.elapsed());
            }
        }
        self.life.attempt = self.first_frame.map_or(Duration::ZERO, |first| at.since(first));
    }
}

impl<G: Guest> Guest for WatchedGuest<G> {
    type Error = G::Error;

    fn send(&mut self, frame: Vec<u8>) -> Result<(), G::Error> {
        self.inner().send(frame)
    }

    async fn next(&mut self, wake: Option<GuestTime>) -> Result<GuestEvent, G::Error> {
        let event = self.inner().next(wake).await?;
        self.see(&event);
        Ok(event)
    }
}

impl<G> Drop for WatchedGuest<G> {
    fn drop(&mut self) {
        self.life.dropped = self.asked.elapsed();
        self.inner = None;
        self.life.gone = self.asked.elapsed();
        self.lives.borrow_mut().insert(std::mem::take(&mut self.cell), self.life);
    }
}
