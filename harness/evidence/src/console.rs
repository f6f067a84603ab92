//! The guest's console as text: bytes in, printable lines out.
//!
//! Control sequences (ECMA-48 and what terminals make of it) are removed; those that move the cursor to another row, or
//! clear the screen, end the line, because firmware that draws full screens never sends a line feed. What is left
//! and not printable is escaped as `\u{…}`; a backslash stays as it is, since device paths are full of them.

use std::mem;

/// Longest line in bytes of UTF-8; the rest of a longer line is counted, not kept.
pub const LINE_MAX: usize = 4096;
/// A control sequence that is longer than this is taken as ended, so that one without an end cannot hide what follows.
const SEQUENCE_MAX: usize = 256;

/// Turns console bytes into lines. Sans-IO; memory is bounded whatever arrives.
#[derive(Debug, Default)]
pub struct ConsoleDecoder {
    state: State,
    /// Bytes of the control sequence so far.
    sequence: usize,
    /// Start of a UTF-8 character.
    partial: Vec<u8>,
    line: String,
    /// Characters of this line that were not kept.
    dropped: u64,
    /// The last break left an empty line behind that a following line feed only completes (CR LF).
    broken: bool,
    lines: Vec<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate byte, for example `ESC ( B`.
    EscapeIntermediate,
    /// After ESC [.
    Control,
    /// In a string (OSC, DCS, SOS, PM, APC), which ST or BEL ends.
    String,
    /// In a string, after ESC.
    StringEscape,
}

impl ConsoleDecoder {
    /// A decoder at the start of a console.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes and returns the lines that they complete, without line ends.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        for &byte in bytes {
            self.byte(byte);
        }
        mem::take(&mut self.lines)
    }

    /// The line that has not ended yet. What is here is a prefix of what [`push`](Self::push) will return for it.
    pub fn unfinished(&self) -> &str {
        &self.line
    }

    /// Ends the console: the last line, if there is one.
    pub fn finish(&mut self) -> Option<String> {
        self.flush_partial();
        self.end_line(false);
        mem::take(&mut self.lines).pop()
    }

    fn byte(&mut self, byte: u8) {
        if self.state != State::Text {
            self.sequence += 1;
            if self.sequence > SEQUENCE_MAX {
                self.state = State::Text;
            }
        }
        match (self.state, byte) {
            (State::Text, 0x1b) => {
                self.flush_partial();
                self.enter(State::Escape);
            }
            (State::Text, _) => self.text(byte),
            // CAN and SUB abort any sequence (ECMA-48 §8.3.6, §8.3.148).
            (_, 0x18 | 0x1a) => self.state = State::Text,
            (State::String, 0x07) | (State::StringEscape, b'\\') => self.state = State::Text,
            (State::String, 0x1b) => self.state = State::StringEscape,
            (_, 0x1b) => self.enter(State::Escape),
            // A control character inside a sequence is carried out; a line end in a string is not part of it.
            (_, 0x00..=0x1f) => {
                self.state = State::Text;
                self.text(byte);
            }
            (State::String, _) => {}
            (State::StringEscape | State::Escape, b'[') => self.enter(State::Control),
            (State::StringEscape | State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => {
                self.enter(State::String);
            }
            (State::StringEscape | State::Escape, 0x20..=0x2f) => self.state = State::EscapeIntermediate,
            (State::StringEscape | State::Escape, _) => {
                self.state = State::Text;
                // IND, NEL, RI, RIS.
                if matches!(byte, b'D' | b'E' | b'M' | b'c') {
                    self.end_line(false);
                }
            }
            (State::EscapeIntermediate, 0x20..=0x2f) => {}
            (State::EscapeIntermediate, _) => self.state = State::Text,
            (State::Control, 0x20..=0x3f) => {}
            (State::Control, _) => {
                self.state = State::Text;
                // CUU, CUD, CNL, CPL, CUP, ED, VPA, HVP: another row, or another screen.
                if matches!(byte, b'A' | b'B' | b'E' | b'F' | b'H' | b'J' | b'd' | b'f') {
                    self.end_line(false);
                }
            }
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.sequence = 0;
    }

    fn text(&mut self, byte: u8) {
        match byte {
            b'\n' => {
                self.flush_partial();
                self.end_line(true);
            }
            b'\r' => {
                self.flush_partial();
                self.end_line(false);
            }
            // NUL is padding on serial lines; BEL and DEL have no text.
            0x00 | 0x07 | 0x7f => self.flush_partial(),
            0x00..=0x7f => {
                self.flush_partial();
                self.character(char::from(byte));
            }
            _ => {
                self.partial.push(byte);
                self.decode_partial();
            }
        }
    }

    /// Takes from `partial` whatever is decided: a character, or bytes that cannot become one.
    fn decode_partial(&mut self) {
        while !self.partial.is_empty() {
            match std::str::from_utf8(&self.partial) {
                Ok(text) => {
                    let text = text.to_owned();
                    self.partial.clear();
                    text.chars().for_each(|c| self.character(c));
                }
                Err(error) => match error.error_len() {
                    Some(invalid) => {
                        self.partial.drain(..error.valid_up_to() + invalid);
                        self.character(char::REPLACEMENT_CHARACTER);
                    }
                    None => return,
                },
            }
        }
    }

    fn flush_partial(&mut self) {
        if !self.partial.is_empty() {
            self.partial.clear();
            self.character(char::REPLACEMENT_CHARACTER);
        }
    }

    fn character(&mut self, c: char) {
        self.broken = false;
        let mut buffer = [0; 4];
        let escaped;
        let text = if is_plain(c) {
            &*c.encode_utf8(&mut buffer)
        } else {
            escaped = c.escape_unicode().to_string();
            &escaped
        };
        if self.dropped > 0 || self.line.len() + text.len() > LINE_MAX {
            self.dropped += 1;
        } else {
            self.line.push_str(text);
        }
    }

    fn end_line(&mut self, feed: bool) {
        if self.line.is_empty() && (!feed || mem::take(&mut self.broken)) {
            return;
        }
        // Only a line feed may leave an empty line; other breaks come in heaps when a screen is drawn.
        self.broken = !feed;
        let mut line = mem::take(&mut self.line);
        let dropped = mem::take(&mut self.dropped);
        if dropped > 0 {
            line.push_str(&format!(" [{dropped} more characters]"));
        }
        self.lines.push(line);
    }
}

/// Whether `c` can be shown as it is. `escape_debug` knows Unicode's tables of what cannot: controls, format characters
/// such as the bidirectional overrides, line and paragraph separators, unassigned and private use, combining marks.
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~' | '\t') || (c > '\u{9f}' && c.escape_debug().len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut decoder = ConsoleDecoder::new();
        let mut lines = decoder.push(bytes);
        lines.extend(decoder.finish());
        lines
    }

    #[test]
    fn line_ends_are_one_line_end() {
        assert_eq!(lines(b"a\r\nb\nc\rd\n\re"), ["a", "b", "c", "d", "e"]);
        assert_eq!(lines(b"a\r\n\r\nb\n\nc"), ["a", "", "b", "", "c"]);
    }

    #[test]
    fn cursor_positioning_breaks_the_line_and_colours_do_not() {
        let edk2 = b"\x1b[2J\x1b[01;01H\x1b[0m\x1b[35m\x1b[40mBdsDxe: \x1b[1mloading\x1b[0m Boot0001\x1b[05;01H>>Start";
        assert_eq!(lines(edk2), ["BdsDxe: loading Boot0001", ">>Start"]);
    }

    #[test]
    fn an_unfinished_line_can_be_seen_and_grows() {
        let mut decoder = ConsoleDecoder::new();
        assert!(decoder.push(b"\x1b[05;01H>>Start HTTP Boot over IPv4.").is_empty());
        assert_eq!(decoder.unfinished(), ">>Start HTTP Boot over IPv4.");
        assert!(decoder.push(b"..").is_empty());
        assert_eq!(decoder.unfinished(), ">>Start HTTP Boot over IPv4...");
        assert_eq!(decoder.push(b"\x1b[06;01H"), [">>Start HTTP Boot over IPv4..."]);
        assert_eq!(decoder.unfinished(), "");
    }

    #[test]
    fn strings_and_other_sequences_vanish() {
        assert_eq!(lines(b"a\x1b]0;title\x07b\x1bPq#0\x1b\\c\x1b(Bd\x1b7e"), ["abcde"]);
        // A string without an end neither swallows the next line nor more than its bound.
        assert_eq!(lines(b"a\x1b]0;never ended\nb"), ["a", "b"]);
        let mut endless = b"\x1b]".to_vec();
        endless.extend([b'x'; SEQUENCE_MAX + 3]);
        assert_eq!(lines(&endless).len(), 1);
    }

    #[test]
    fn sequences_may_be_split_anywhere() {
        let bytes = "x\x1b[31mä€𝄞\x1b[05;01Hz\x1b]2;t\x1b\\é\r\n".as_bytes();
        let whole = lines(bytes);
        assert_eq!(whole, ["xä€𝄞", "zé"]);
        for cut in 0..bytes.len() {
            let mut decoder = ConsoleDecoder::new();
            let mut parts = decoder.push(&bytes[..cut]);
            parts.extend(decoder.push(&bytes[cut..]));
            assert_eq!(parts, whole, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_not_text_is_replaced_or_escaped() {
        assert_eq!(lines(b"a\xffb\xe2\x82c\xf0\x9f"), ["a\u{fffd}b\u{fffd}c\u{fffd}"]);
        assert_eq!(
            lines("a\u{202e}b\u{9b}c\u{2028}d\u{8}".as_bytes()),
            ["a\\u{202e}b\\u{9b}c\\u{2028}d\\u{8}"]
        );
        assert_eq!(lines(b"\\EFI\\BOOT\\BOOTX64.EFI"), ["\\EFI\\BOOT\\BOOTX64.EFI"]);
    }

    #[test]
    fn a_line_of_ten_megabytes_is_cut_and_says_so() {
        let mut decoder = ConsoleDecoder::new();
        for _ in 0..10 {
            assert!(decoder.push(&vec![b'A'; 1 << 20]).is_empty());
            assert!(decoder.unfinished().len() <= LINE_MAX);
        }
        let lines = decoder.push(b"\nnext\n");
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with(&format!("A [{} more characters]", (10 << 20) - LINE_MAX)));
        assert_eq!(lines[1], "next");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_bounded_printable_lines(bytes: Vec<u8>) {
            for line in lines(&bytes) {
                proptest::prop_assert!(line.len() <= LINE_MAX + 40);
                proptest::prop_assert!(line.chars().all(is_plain), "{line:?}");
            }
        }
    }
}
