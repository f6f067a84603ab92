//! One direction of a TCP connection, put together from segments that may be lost, repeated, late or overlapping
//! (RFC 9293 §3.10).

use std::collections::BTreeMap;

/// Bytes that may wait for what is missing before them, and that may lie between.
const WINDOW: u64 = 16 << 20;

/// Bytes in order.
#[derive(Debug, Default)]
pub struct Stream {
    /// Sequence number of the first byte, once known.
    base: Option<u32>,
    /// Offset of the next byte in order.
    next: u64,
    waiting: BTreeMap<u64, Vec<u8>>,
    /// Offset up to which the other side has acknowledged.
    pub acknowledged: u64,
    /// The sender has ended it, after the byte at this offset.
    pub ended: Option<u64>,
    /// Something is missing that the other side has: the capture has lost it.
    pub torn: bool,
}

impl Stream {
    /// The sender's SYN: the first byte comes behind it.
    pub fn begin(&mut self, sequence: u32) {
        self.base.get_or_insert(sequence.wrapping_add(1));
    }

    /// Takes a segment's bytes; returns those that are now in order.
    pub fn take(&mut self, sequence: u32, payload: &[u8], fin: bool) -> Vec<u8> {
        let base = *self.base.get_or_insert(sequence);
        let Some(offset) = self.offset(base, sequence) else { return Vec::new() };
        if fin {
            self.ended.get_or_insert(offset + payload.len() as u64);
        }
        if !payload.is_empty() {
            let longer = self.waiting.get(&offset).is_none_or(|known| known.len() < payload.len());
            if longer {
                self.waiting.insert(offset, payload.to_vec());
            }
        }
        let mut out = Vec::new();
        while let Some((&offset, _)) = self.waiting.first_key_value() {
            if offset > self.next {
                break;
            }
            let bytes = self.waiting.remove(&offset).unwrap_or_default();
            let known = usize::try_from(self.next - offset).unwrap_or(usize::MAX);
            if let Some(new) = bytes.get(known..) {
                out.extend_from_slice(new);
                self.next += new.len() as u64;
            }
        }
        out
    }

    /// The other side's acknowledgement.
    pub fn acknowledge(&mut self, number: u32) {
        let Some(base) = self.base else { return };
        let Some(offset) = self.offset(base, number) else { return };
        self.acknowledged = self.acknowledged.max(offset);
        // A FIN takes a number too.
        let end = self.ended.map_or(self.next, |end| end.max(self.next));
        self.torn |= self.acknowledged > end + 1;
    }

    /// How many bytes are in order.
    pub fn length(&self) -> u64 {
        self.next
    }

    /// Where a sequence number is, if it is anywhere near.
    fn offset(&self, base: u32, sequence: u32) -> Option<u64> {
        let next = base.wrapping_add(u32::try_from(self.next & 0xffff_ffff).unwrap_or(0));
        let distance = i64::from(sequence.wrapping_sub(next).cast_signed());
        let offset = self.next.checked_add_signed(distance)?;
        (offset <= self.next + WINDOW).then_some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts segments together that begin at these offsets behind the base.
    fn joined(base: u32, segments: &[(u32, &str)]) -> String {
        let mut stream = Stream::default();
        stream.begin(base.wrapping_sub(1));
        let bytes: Vec<u8> = segments
            .iter()
            .flat_map(|(offset, text)| stream.take(base.wrapping_add(*offset), text.as_bytes(), false))
            .collect();
        String::from_utf8(bytes).expect("text went in")
    }

    #[test]
    fn segments_come_out_in_order_whatever_happens_to_them() {
        for base in [0, 5, u32::MAX - 3] {
            assert_eq!(joined(base, &[(0, "ab"), (2, "cd")]), "abcd");
            assert_eq!(joined(base, &[(2, "cd"), (0, "ab")]), "abcd", "late");
            assert_eq!(joined(base, &[(0, "ab"), (0, "ab"), (2, "cd"), (1, "bc")]), "abcd", "repeated");
            assert_eq!(joined(base, &[(0, "abc"), (1, "bcdef")]), "abcdef", "overlapping");
            assert_eq!(joined(base, &[(0, "ab"), (3, "d")]), "ab", "something is missing");
        }
    }

    #[test]
    fn what_the_other_side_has_and_we_have_not_is_torn() {
        let mut stream = Stream::default();
        stream.begin(99);
        stream.take(100, b"ab", false);
        stream.acknowledge(102);
        assert!(!stream.torn);
        stream.take(102, b"", true);
        stream.acknowledge(103);
        assert!(!stream.torn, "FIN");
        stream.acknowledge(110);
        assert!(stream.torn);
    }

    #[test]
    fn far_away_numbers_are_no_part_of_it() {
        let mut stream = Stream::default();
        stream.begin(0);
        assert_eq!(stream.take(1 << 30, b"x", false), b"");
        assert!(stream.waiting.is_empty());
    }
}
