//! What is still to be sent of a response, and when.

use super::transfer::Break;
use std::{collections::VecDeque, ops::Range, sync::Arc, time::Duration};
use wire::GuestTime;

/// Bytes of image in a chunk; the last one has fewer.
const CHUNK: usize = 32 * 1024;

/// A part of a response that is not sent yet. The image is shared, never copied whole.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// Bytes, and how many of them are sent.
    Owned(Vec<u8>, usize),
    /// A part of the image.
    Shared(Arc<[u8]>, Range<usize>),
    /// The same in chunks, each with this extension; without the last chunk (RFC 9112 §7.1).
    Chunked(Arc<[u8]>, Range<usize>, Arc<str>),
    /// What follows waits until everything before is acknowledged, and for this time.
    Pause(Duration),
    /// What follows comes so many bytes at a time, with this pause between them.
    Pace(usize, Duration),
    /// Nothing follows.
    Break(Break),
}

/// A response as far as it is not sent.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pieces: VecDeque<Piece>,
    /// Bytes at a time, what is left of them, and the pause after them.
    pace: Option<(usize, usize, Duration)>,
    waiting: Option<Waiting>,
    broken: Option<Break>,
}

#[derive(Debug)]
struct Waiting {
    time: Duration,
    /// Not known before everything sent is acknowledged.
    due: Option<GuestTime>,
}

impl Outgoing {
    pub(super) fn new(pieces: VecDeque<Piece>) -> Self {
        Self { pieces, ..Self::default() }
    }

    /// Whether everything is sent.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// When what waits is to be sent.
    pub(super) fn due(&self) -> Option<GuestTime> {
        self.waiting.as_ref()?.due
    }

    /// Whether something is still to be sent, but not now.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some() || self.broken.is_some()
    }

    /// How it has ended early, if it has.
    pub(super) fn broken(&self) -> Option<Break> {
        self.broken
    }

    /// Takes note that everything sent is acknowledged.
    pub(super) fn acknowledged(&mut self, now: GuestTime) {
        if let Some(waiting) = &mut self.waiting {
            waiting.due.get_or_insert(now + waiting.time);
        }
    }

    /// Fills `buffer`; the number of bytes, 0 if there is nothing now. `idle` says whether everything sent is acknowledged.
    pub(super) fn fill(&mut self, now: GuestTime, idle: bool, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() && self.broken.is_none() {
            if idle && filled == 0 {
                self.acknowledged(now);
            }
            if let Some(waiting) = &self.waiting {
                if waiting.due.is_none_or(|due| due > now) {
                    break;
                }
                self.waiting = None;
            }
            let room = buffer.len() - filled;
            let most = self.pace.map_or(room, |(_, left, _)| room.min(left));
            let Some(count) = self.next(&mut buffer[filled..filled + most]) else { break };
            filled += count;
            if let Some((octets, left, pause)) = &mut self.pace {
                *left -= count;
                if *left == 0 {
                    *left = *octets;
                    self.waiting = (!self.pieces.is_empty()).then_some(Waiting { time: *pause, due: None });
                }
            }
        }
        filled
    }

    /// Does what the first piece says; the bytes that it gave, or nothing if there is none.
    fn next(&mut self, free: &mut [u8]) -> Option<usize> {
        let mut taken = 0;
        let is_sent = match self.pieces.front_mut()? {
            Piece::Owned(bytes, sent) => {
                taken = free.len().min(bytes.len() - *sent);
                free[..taken].copy_from_slice(&bytes[*sent..*sent + taken]);
                *sent += taken;
                *sent == bytes.len()
            }
            Piece::Shared(bytes, range) => {
                taken = free.len().min(range.len());
                free[..taken].copy_from_slice(&bytes[range.start..range.start + taken]);
                range.start += taken;
                range.start == range.end
            }
            Piece::Chunked(bytes, range, extension) => {
                if range.start == range.end {
                    true
                } else {
                    let chunk = range.start..range.end.min(range.start + CHUNK);
                    range.start = chunk.end;
                    let bytes = Arc::clone(bytes);
                    let size = format!("{:x}{extension}\r\n", chunk.len()).into_bytes();
                    self.pieces.push_front(Piece::Owned(b"\r\n".to_vec(), 0));
                    self.pieces.push_front(Piece::Shared(bytes, chunk));
                    self.pieces.push_front(Piece::Owned(size, 0));
                    false
                }
            }
            Piece::Pause(time) => {
                self.waiting = Some(Waiting { time: *time, due: None });
                true
            }
            Piece::Pace(octets, pause) => {
                self.pace = Some((*octets, *octets, *pause));
                true
            }
            Piece::Break(how) => {
                self.broken = Some(*how);
                false
            }
        };
        if is_sent {
            self.pieces.pop_front();
        }
        Some(taken)
    }
}
