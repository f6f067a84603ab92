//! Which way a recorded frame went: ours were queued here when they were sent, everything else is the guest's.

use crate::dump::LONGEST;
use std::collections::VecDeque;
use wire::Direction;

/// Ethernet header without a payload: the shortest that is a frame at all.
const SHORTEST: usize = 14;

/// Shortest frame on a real wire, without FCS (IEEE 802.3 §4A.4.2): some QEMUs pad to it.
const PADDED: usize = 60;

/// Most bytes that may wait for a QEMU that takes none.
const MOST_WAITING: usize = 16 << 20;

/// The frame cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not the length of an Ethernet frame.
    #[error("failed to send a frame of {0} bytes: a frame has {SHORTEST} to {LONGEST}")]
    Length(usize),
    /// QEMU has taken nothing for long.
    #[error("failed to send a frame: {0} bytes wait already, QEMU has stopped taking frames")]
    Congested(usize),
}

/// Frames of ours between [`send`](Self::send) and their record in the dump.
#[derive(Default)]
pub(crate) struct Crossing {
    sent: VecDeque<Vec<u8>>,
    /// Bytes for the socket: each frame after its length in 4 bytes, big-endian.
    pub outgoing: VecDeque<u8>,
}

impl Crossing {
    /// Queues a frame.
    pub fn send(&mut self, frame: Vec<u8>) -> Result<(), FrameError> {
        if !(SHORTEST..=LONGEST).contains(&frame.len()) {
            return Err(FrameError::Length(frame.len()));
        }
        if self.outgoing.len() > MOST_WAITING {
            return Err(FrameError::Congested(self.outgoing.len()));
        }
        let length = u32::try_from(frame.len()).expect("invariant: at most 65536");
        self.outgoing.extend(length.to_be_bytes());
        self.outgoing.extend(&frame);
        self.sent.push_back(frame);
        Ok(())
    }

    /// Which way a recorded frame went. Frames cross in the order sent; one that QEMU dropped is passed over.
    pub fn direction(&mut self, recorded: &[u8]) -> Direction {
        match self.sent.iter().position(|sent| is_same(sent, recorded)) {
            Some(position) => {
                self.sent.drain(..=position);
                Direction::ToGuest
            }
            None => Direction::FromGuest,
        }
    }
}

fn is_same(sent: &[u8], recorded: &[u8]) -> bool {
    recorded.split_at_checked(sent.len()).is_some_and(|(frame, padding)| {
        frame == sent
            && (padding.is_empty() || recorded.len() == PADDED && padding.iter().all(|&byte| byte == 0))
    })
}

/// Whether QEMU itself made this frame: it announces a NIC by RARP (ethertype 0x8035) after a restore, which no
/// firmware ever sends.
pub(crate) fn is_announcement(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x80, 0x35])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(byte: u8) -> Vec<u8> {
        vec![byte; 20]
    }

    #[test]
    fn ours_are_recognised_once_and_in_order() {
        let mut crossing = Crossing::default();
        for byte in [1, 2, 2, 3] {
            crossing.send(frame(byte)).unwrap();
        }
        assert_eq!(crossing.direction(&frame(9)), Direction::FromGuest);
        assert_eq!(crossing.direction(&frame(1)), Direction::ToGuest);
        assert_eq!(crossing.direction(&frame(1)), Direction::FromGuest, "the guest echoed it");
        assert_eq!(crossing.direction(&frame(2)), Direction::ToGuest);
        // The second 2 was dropped by QEMU.
        assert_eq!(crossing.direction(&frame(3)), Direction::ToGuest);
        assert_eq!(crossing.direction(&frame(2)), Direction::FromGuest);
    }

    #[test]
    fn padding_to_the_minimum_does_not_make_it_the_guests() {
        let mut padded = frame(1);
        padded.resize(60, 0);
        let mut longer = frame(1);
        longer.resize(61, 0);
        for (recorded, direction) in [(padded, Direction::ToGuest), (longer, Direction::FromGuest)] {
            let mut crossing = Crossing::default();
            crossing.send(frame(1)).unwrap();
            assert_eq!(crossing.direction(&recorded), direction);
        }
    }

    #[test]
    fn on_the_socket_a_frame_follows_its_length() {
        let mut crossing = Crossing::default();
        crossing.send(vec![5; 258]).unwrap();
        assert_eq!(crossing.outgoing.make_contiguous()[..5], [0, 0, 1, 2, 5]);
        assert_eq!(crossing.outgoing.len(), 262);
    }

    #[test]
    fn what_is_no_frame_or_too_much_is_refused() {
        let mut crossing = Crossing::default();
        assert_eq!(crossing.send(vec![0; 13]), Err(FrameError::Length(13)));
        assert_eq!(crossing.send(vec![0; 65537]), Err(FrameError::Length(65537)));
        let refused = (0..1000).find_map(|_| crossing.send(vec![0; 65536]).err());
        assert!(matches!(refused, Some(FrameError::Congested(_))), "{refused:?}");
    }
}
