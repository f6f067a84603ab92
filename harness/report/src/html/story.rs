//! What a cell's timeline holds, made small enough for a page: read leniently, because it may come from anywhere.

use super::data::limited;
use crate::explain;
use record::Entry;
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of a timeline that are read.
const BYTES: u64 = 8 << 20;
/// Entries of a story; a reader of more has the file.
const ENTRIES: usize = 2_000;
/// Characters of one text.
const CHARACTERS: usize = 1_000;
/// Items of one list.
const ITEMS: usize = 100;

/// The timeline at `path` below `directory` as JSON, or `None` if there is none. The script reads it; keep both in step.
///
/// The first item is what happened in a few lines, `[[topic, text], …]`; then the entries come:
///
/// - a frame is `[µs since the entry before, packet, 1 if to the guest, bytes, summary]`
/// - a console line is `[µs, line]`
/// - everything else is `[µs, {"event": …}]`
pub(super) fn read(
    directory: &Path,
    path: &str,
    meaning: impl Fn(&str) -> Option<&'static str>,
) -> Option<Value> {
    let (entries, typed) = entries(directory, path)?;
    let lines = explain::happened(&typed, meaning).into_iter();
    let lines: Vec<Value> = lines.map(|line| json!([line.topic, limited(&line.text, CHARACTERS)])).collect();
    Some(std::iter::once(Value::from(lines)).chain(entries).collect())
}

/// The entries for the page, and those of them that are what they should be.
fn entries(directory: &Path, path: &str) -> Option<(Vec<Value>, Vec<Entry>)> {
    let mut lines = BufReader::new(File::open(inside(directory, path)?).ok()?.take(BYTES));
    let (mut entries, mut typed) = (Vec::new(), Vec::new());
    let mut last = 0;
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).ok()? > 0 {
        if entries.len() == ENTRIES {
            entries.push(note("the rest of this timeline is in timeline.jsonl only"));
            return Some((entries, typed));
        }
        let text = String::from_utf8_lossy(&line);
        typed.extend(serde_json::from_str::<Entry>(&text));
        let entry = serde_json::from_str(&text);
        entries.push(entry.map_or_else(|_| note(text.trim_end()), |value: Value| small(value, &mut last)));
        line.clear();
    }
    if lines.get_ref().limit() == 0 {
        entries.push(note(&format!(
            "the rest of this timeline, after {BYTES} bytes, is in timeline.jsonl only"
        )));
    }
    Some((entries, typed))
}

/// A path of `results.json`, if it leads to a file below `directory`, whatever links and dots say.
pub fn inside(directory: &Path, path: &str) -> Option<PathBuf> {
    let root = directory.canonicalize().ok()?;
    let file = root.join(path).canonicalize().ok()?;
    (file.starts_with(&root) && file.is_file()).then_some(file)
}

fn note(text: &str) -> Value {
    json!([0, {"event": "note", "text": limited(text, CHARACTERS)}])
}

fn small(mut entry: Value, last: &mut u64) -> Value {
    let at = entry["at"].as_u64().unwrap_or(*last).max(*last);
    let since = at - std::mem::replace(last, at);
    let what = entry["what"].take();
    match what["event"].as_str() {
        Some("frame") => json!([
            since,
            what["number"].as_u64(),
            u8::from(what["direction"] == "to-guest"),
            what["length"].as_u64(),
            limited(what["summary"].as_str().unwrap_or_default(), CHARACTERS),
        ]),
        Some("console") => json!([since, limited(what["line"].as_str().unwrap_or_default(), CHARACTERS)]),
        _ => json!([since, shown(what)]),
    }
}

/// Fit to be shown and not endless, at any depth; what is absent needs no room.
fn shown(value: Value) -> Value {
    match value {
        Value::String(text) => limited(&text, CHARACTERS).into(),
        Value::Array(items) => items.into_iter().take(ITEMS).map(shown).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null()).take(ITEMS);
            Value::Object(
                fields.map(|(name, value)| (limited(&name, CHARACTERS), shown(value))).collect::<Map<_, _>>(),
            )
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(timeline: &[u8]) -> Value {
        let run = tempfile::tempdir().unwrap();
        std::fs::write(run.path().join("t.jsonl"), timeline).unwrap();
        let all = read(run.path(), "t.jsonl", |_| None).unwrap();
        // The first item is what happened.
        all.as_array().unwrap()[1..].iter().cloned().collect()
    }

    #[test]
    fn times_are_since_the_entry_before_and_absent_fields_need_no_room() {
        let timeline = br#"{"at":5,"what":{"event":"frame","number":1,"direction":"to-guest","length":42,"summary":"ARP"}}
{"at":9,"what":{"event":"console","line":"boot"}}
{"at":9,"what":{"event":"dns-query","name":"a.example","note":null}}
"#;
        assert_eq!(
            story(timeline),
            json!([[5, 1, 1, 42, "ARP"], [4, "boot"], [0, {"event": "dns-query", "name": "a.example"}]])
        );
    }

    #[test]
    fn a_hostile_timeline_is_cut_and_made_visible() {
        let line = |text: &str| {
            format!("{{\"at\":1,\"what\":{{\"event\":\"console\",\"line\":{}}}}}\n", json!(text))
        };
        let long = story(line(&"x".repeat(5 << 20)).as_bytes());
        assert!(long.to_string().len() < 2_000);
        assert!(long.to_string().contains("more characters"));
        let endless = story(&b"y".repeat(10 << 20));
        assert!(endless.to_string().contains("is in timeline.jsonl only"));
        let escapes = story(line("\u{1b}[31m\u{202e}</script>").as_bytes());
        assert_eq!(escapes[0][1], "\\u{1b}[31m\\u{202e}</script>");
        assert_eq!(story(b"\xff\xfe\n")[0][1]["text"], "\u{fffd}\u{fffd}");
        assert_eq!(story(line("a").repeat(3_000).as_bytes()).as_array().unwrap().len(), ENTRIES + 1);
        let deep = [b"[".repeat(4_000), b"\n".to_vec()].concat();
        assert_eq!(story(&deep)[0][1]["event"], "note");
    }

    #[test]
    fn no_path_leaves_the_run() {
        let reports = tempfile::tempdir().unwrap();
        let run = reports.path().join("run");
        std::fs::create_dir(&run).unwrap();
        std::fs::write(reports.path().join("secret"), "{}\n").unwrap();
        std::os::unix::fs::symlink("../secret", run.join("link")).unwrap();
        let absolute = reports.path().join("secret");
        for path in ["../secret", "link", absolute.to_str().unwrap(), "missing", ""] {
            assert!(read(&run, path, |_| None).is_none(), "{path}");
        }
    }
}
