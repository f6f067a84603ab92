//! What libssl writes, record by record, brought together with what it says that it wrote.

use libssl::{Content, Step};
use std::collections::VecDeque;

/// Bytes of a record's header (RFC 8446 §5.1).
const HEADER: usize = 5;
/// Content types of records (RFC 8446 §5.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;

/// One thing that happened, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Happened {
    /// A record for the client, whole.
    Record(Vec<u8>),
    /// A message in the records so far, or from the client.
    Message { sent: bool, bytes: Vec<u8> },
    /// ChangeCipherSpec.
    ChangeCipherSpec { sent: bool },
    /// An alert.
    Alert { sent: bool, level: u8, description: u8 },
}

/// Joins the stream of records to the trace of steps: a record is announced by its header before the message in it is.
#[derive(Debug, Default)]
pub(super) struct Output {
    written: VecDeque<u8>,
    steps: VecDeque<Step>,
    /// Whether handshake messages are encrypted by now, in records of their old type (below TLS 1.3).
    encrypted: bool,
}

impl Output {
    /// Adds what libssl wrote and said.
    pub(super) fn add(&mut self, written: &[u8], steps: Vec<Step>) {
        self.written.extend(written);
        self.steps.extend(steps);
    }

    /// The next thing that happened. A step about a record that libssl holds back waits for it.
    pub(super) fn next(&mut self) -> Option<Happened> {
        while let Some(step) = self.steps.front() {
            if step.sent && step.content == Content::Record {
                let record = self.record()?;
                self.steps.pop_front();
                return Some(Happened::Record(record));
            }
            let step = self.steps.pop_front()?;
            let sent = step.sent;
            return Some(match step.content {
                // libssl tells of ours only.
                Content::Record if step.bytes.first() == Some(&CHANGE_CIPHER_SPEC) => {
                    Happened::ChangeCipherSpec { sent }
                }
                Content::Record => continue,
                Content::ChangeCipherSpec if !sent => continue,
                Content::Handshake => Happened::Message { sent, bytes: step.bytes },
                Content::ChangeCipherSpec => {
                    self.encrypted = true;
                    Happened::ChangeCipherSpec { sent }
                }
                Content::Alert => {
                    let [level, description, ..] = step.bytes[..] else { continue };
                    Happened::Alert { sent, level, description }
                }
            });
        }
        // Nothing may be lost, whatever the trace says.
        self.record().map(Happened::Record)
    }

    fn record(&mut self) -> Option<Vec<u8>> {
        let length = [*self.written.get(3)?, *self.written.get(4)?];
        let end = HEADER + usize::from(u16::from_be_bytes(length));
        (self.written.len() >= end).then(|| self.written.drain(..end).collect())
    }

    /// The record as it is sent with at most `size` bytes of plaintext in each: plaintext handshake messages may be cut
    /// anywhere (RFC 8446 §5.1, RFC 5246 §6.2.1), anything else is as large as libssl made it.
    pub(super) fn cut(&self, record: Vec<u8>, size: usize) -> Vec<u8> {
        let Some((header, content)) = record.split_at_checked(HEADER) else { return record };
        if self.encrypted || header[0] != HANDSHAKE || content.len() <= size {
            return record;
        }
        let mut cut = Vec::with_capacity(record.len() + content.len().div_ceil(size) * HEADER);
        for part in content.chunks(size) {
            cut.extend(&header[..3]);
            cut.extend(u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
            cut.extend(part);
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(sent: bool, content: Content, bytes: &[u8]) -> Step {
        Step { sent, content, bytes: bytes.to_vec() }
    }

    #[test]
    fn a_message_comes_after_its_records() {
        let mut output = Output::default();
        let header = [22, 3, 3, 0, 2];
        let steps = vec![
            step(false, Content::Handshake, &[1]),
            step(true, Content::Record, &header),
            step(true, Content::Record, &header),
            step(true, Content::Handshake, &[2]),
            step(true, Content::Alert, &[2, 40]),
        ];
        // The second record is held back, and what comes after it waits.
        output.add(&[22, 3, 3, 0, 2, 7, 7, 22, 3, 3, 0, 2, 8], steps);
        assert_eq!(output.next(), Some(Happened::Message { sent: false, bytes: vec![1] }));
        assert_eq!(output.next(), Some(Happened::Record(vec![22, 3, 3, 0, 2, 7, 7])));
        assert_eq!(output.next(), None);
        output.add(&[8], vec![]);
        assert_eq!(output.next(), Some(Happened::Record(vec![22, 3, 3, 0, 2, 8, 8])));
        assert_eq!(output.next(), Some(Happened::Message { sent: true, bytes: vec![2] }));
        assert_eq!(output.next(), Some(Happened::Alert { sent: true, level: 2, description: 40 }));
        assert_eq!(output.next(), None);
    }

    #[test]
    fn plain_handshake_records_are_cut_and_nothing_else() {
        let mut output = Output::default();
        let record = |kind: u8| vec![kind, 3, 3, 0, 5, 1, 2, 3, 4, 5];
        let cut = vec![22, 3, 3, 0, 2, 1, 2, 22, 3, 3, 0, 2, 3, 4, 22, 3, 3, 0, 1, 5];
        assert_eq!(output.cut(record(22), 2), cut);
        assert_eq!(output.cut(record(22), 5), record(22));
        assert_eq!(output.cut(record(23), 2), record(23));
        assert_eq!(output.cut(record(21), 2), record(21));
        output.add(&[], vec![step(true, Content::ChangeCipherSpec, &[1])]);
        assert_eq!(output.next(), Some(Happened::ChangeCipherSpec { sent: true }));
        assert_eq!(output.cut(record(22), 2), record(22), "Finished is encrypted");
    }
}
