//! QMP's messages from bytes: one JSON object a line (QEMU, docs/interop/qmp-spec).
//!
//! Nothing that QEMU sends ends the connection: an unknown event is an event, a line that is no message is handed on as
//! that, and a line without an end is cut.

use serde_json::Value;

/// Longest line. The longest known answer, `query-qmp-schema`, has 0.3 MB.
pub(crate) const LONGEST_LINE: usize = 8 << 20;

/// Characters of a line quoted in a message.
const QUOTED: usize = 120;

/// A message from QEMU.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// The first one.
    Greeting,
    /// Answer to the command with this id; an error is `(class, description)`.
    Reply { id: Option<u64>, result: Result<Value, (String, String)> },
    /// Something happened.
    Event { name: String, data: Value },
    /// No message of QMP: why, and the start of the line.
    Junk { why: String, line: String },
}

/// Cuts a stream into messages.
#[derive(Default)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are known to contain no line end.
    searched: usize,
    /// In the middle of a line that was too long.
    skipping: bool,
}

impl Decoder {
    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message; call until there is none after every [`push`](Self::push).
    pub fn next(&mut self) -> Option<Message> {
        loop {
            let Some(end) = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n') else {
                self.searched = self.buffer.len();
                if self.skipping {
                    self.buffer.clear();
                    self.searched = 0;
                } else if self.buffer.len() > LONGEST_LINE {
                    let why = format!("the line has more than {LONGEST_LINE} bytes");
                    let junk = Message::Junk { why, line: quote(&self.buffer) };
                    self.skipping = true;
                    self.buffer.clear();
                    self.searched = 0;
                    return Some(junk);
                }
                return None;
            };
            let line: Vec<u8> = self.buffer.drain(..=self.searched + end).collect();
            self.searched = 0;
            if std::mem::take(&mut self.skipping) || line.trim_ascii().is_empty() {
                continue;
            }
            return Some(message(line.trim_ascii()));
        }
    }
}

fn message(line: &[u8]) -> Message {
    let junk = |why: String| Message::Junk { why, line: quote(line) };
    let mut object = match serde_json::from_slice(line) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return junk("not a JSON object".into()),
        Err(error) => return junk(format!("not JSON: {error}")),
    };
    let id = object.get("id").and_then(Value::as_u64);
    if let Some(value) = object.remove("return") {
        return Message::Reply { id, result: Ok(value) };
    }
    if let Some(error) = object.get("error") {
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        return Message::Reply { id, result: Err((text("class"), text("desc"))) };
    }
    if let Some(name) = object.get("event") {
        return match name.as_str() {
            Some(name) => {
                let name = name.to_owned();
                Message::Event { name, data: object.remove("data").unwrap_or(Value::Null) }
            }
            None => junk("an event without a name".into()),
        };
    }
    if object.contains_key("QMP") {
        return Message::Greeting;
    }
    junk("neither greeting nor reply nor event".into())
}

fn quote(line: &[u8]) -> String {
    // Four bytes are the longest character.
    String::from_utf8_lossy(&line[..line.len().min(4 * QUOTED)]).chars().take(QUOTED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn decode(bytes: &[u8], piece: usize) -> Vec<Message> {
        let mut decoder = Decoder::default();
        let mut messages = Vec::new();
        for bytes in bytes.chunks(piece) {
            decoder.push(bytes);
            while let Some(message) = decoder.next() {
                messages.push(message);
            }
        }
        messages
    }

    #[test]
    fn every_kind_of_message_in_any_pieces() {
        let stream = concat!(
            r#"{"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}}, "capabilities": ["oob"]}}"#,
            "\r\n",
            r#"{"return": {}, "id": 1}"#,
            "\r\n",
            r#"{"id": 2, "error": {"class": "CommandNotFound", "desc": "no such command"}}"#,
            "\n\n",
            r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SEEN_IN_QEMU_23", "data": {"x": [1]}}"#,
            "\r\n",
            r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}"#,
            "\r\n",
            r#"{"return": "#, // truncated by the end of the stream
        );
        for piece in [1, 7, stream.len()] {
            assert_eq!(
                decode(stream.as_bytes(), piece),
                [
                    Message::Greeting,
                    Message::Reply { id: Some(1), result: Ok(json!({})) },
                    Message::Reply {
                        id: Some(2),
                        result: Err(("CommandNotFound".into(), "no such command".into()))
                    },
                    Message::Event { name: "SEEN_IN_QEMU_23".into(), data: json!({"x": [1]}) },
                    Message::Event { name: "STOP".into(), data: Value::Null },
                ],
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn junk_is_reported_and_the_next_message_is_read() {
        let deep = "[".repeat(100_000);
        for line in ["hello", "17", "{}", r#"{"event": 3}"#, "{\"return\": ", "\u{1}\u{fffd}", deep.as_str()]
        {
            let stream = format!("{line}\n{{\"return\": 1}}\n");
            let messages = decode(stream.as_bytes(), 4096);
            assert!(
                matches!(&messages[..], [Message::Junk { line: quoted, .. }, Message::Reply { .. }]
                if line.starts_with(quoted.as_str())),
                "{messages:?}"
            );
        }
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let mut decoder = Decoder::default();
        let mut messages = Vec::new();
        for _ in 0..10 {
            decoder.push(&[b'x'; 1 << 20]);
            while let Some(message) = decoder.next() {
                messages.push(message);
            }
            assert!(decoder.buffer.len() <= LONGEST_LINE + (1 << 20));
        }
        decoder.push(b"\n{\"return\": 1}\n");
        messages.extend(decoder.next());
        assert!(
            matches!(&messages[..], [Message::Junk { line, .. }, Message::Reply { .. }] if line.len() == QUOTED)
        );
    }
}
