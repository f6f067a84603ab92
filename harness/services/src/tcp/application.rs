//! What speaks over a TCP connection (the "user" of RFC 9293 §3.9).

use record::Event;
use wire::GuestTime;

/// A session on one connection: bytes in, bytes out. It is told the time where it may need it.
pub(crate) trait Application: Send {
    /// Number of the connection.
    fn connection(&self) -> u32;

    /// Takes note that the connection is made.
    fn opened(&mut self, _events: &mut Vec<Event>) {}

    /// Whether more input can be taken; until then it waits in TCP's window.
    fn wants_input(&self) -> bool;

    /// Takes bytes from the guest.
    fn receive(&mut self, bytes: &[u8], events: &mut Vec<Event>);

    /// Takes note that the guest sends no more. What it has asked for it still gets.
    fn end_of_input(&mut self, events: &mut Vec<Event>);

    /// Hands over the next bytes for the guest; 0 if there is none now.
    fn fill(&mut self, now: GuestTime, buffer: &mut [u8], events: &mut Vec<Event>) -> usize;

    /// When it has something to hand over that is not there yet.
    fn wake(&self) -> Option<GuestTime>;

    /// Takes note that the guest has acknowledged `total` bytes since the connection began.
    fn acknowledged(&mut self, now: GuestTime, total: u64, events: &mut Vec<Event>);

    /// Bytes handed over since the connection began.
    fn handed_over(&self) -> u64;

    /// Whether everything is handed over and our side of the connection is to be closed.
    fn is_over(&self) -> bool;

    /// Whether everything is handed over and our side is to be closed, while the guest's is read on.
    fn ends_sending(&self) -> bool {
        false
    }

    /// Whether the connection is to be reset.
    fn resets(&self) -> bool {
        false
    }
}
