//! Points of a sweep and their names.
//!
//! A point's id is the scenario's id and, in brackets, each swept setting with its value, in the order of the file:
//! `http/content-type[content_type=application/efi]`. A setting goes by the last part of its path where that is
//! unambiguous in the scenario, else by the whole path. Values are written so that an id says exactly one thing:
//!
//! - `null` is `absent`; numbers, `true` and `false` are written as in YAML.
//! - A text is written as it is, with control characters, spaces and `[ ] , @ " %` as percent-escapes of their
//!   UTF-8 bytes (RFC 3986 §2.1). The empty text is `""`, the text `absent` is `"absent"`.
//! - A variant with a value is `{status:405}`; a list is `(a;b)`. In these, `{ } ( ) : ;` in texts are escaped as well,
//!   as is a `{` or `(` at the beginning of any text.

use indexmap::IndexMap;
use record::{Assertion, Expected, Level};
use serde_json::Value;
use services::NetworkSettings;
use std::fmt::Write;

/// One combination of a scenario's swept values: with a firmware, a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Stable and quotable, for example `http/content-type[content_type=application/efi]`.
    pub id: String,
    /// Swept settings by dotted path.
    pub params: IndexMap<String, Value>,
    /// The whole network, defaults included.
    pub network: NetworkSettings,
    /// How binding the expectation is here.
    pub level: Level,
    /// What a conforming client does here; without outcomes at level `observe`.
    pub expected: Expected,
    /// What it does on the way.
    pub conversation: Vec<Assertion>,
}

impl Point {
    /// The id of the cell that this point makes with a firmware: `…[content_type=text/html]@ovmf-x64-sid`.
    pub fn cell_id(&self, firmware: &str) -> String {
        format!("{}@{firmware}", self.id)
    }
}

/// The id of the point of `scenario` with these swept values.
pub(crate) fn id(scenario: &str, params: &IndexMap<String, Value>) -> String {
    if params.is_empty() {
        return scenario.to_owned();
    }
    let assignments: Vec<String> =
        params.iter().map(|(path, value)| format!("{}={}", key(path, params), self::value(value))).collect();
    format!("{scenario}[{}]", assignments.join(","))
}

/// The last part of a path if no other swept path ends in it, else the whole path.
pub(crate) fn key<'p>(path: &'p str, params: &IndexMap<String, Value>) -> &'p str {
    let last = |path: &'p str| path.rsplit('.').next().unwrap_or(path);
    let namesakes = params.keys().filter(|other| other.rsplit('.').next() == Some(last(path))).count();
    if namesakes > 1 { path } else { last(path) }
}

/// A value as it is written in an id.
pub(crate) fn value(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, false, &mut out);
    out
}

fn write_value(value: &Value, nested: bool, out: &mut String) {
    match value {
        Value::Null => out.push_str("absent"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_text(text, nested, out),
        Value::Array(elements) => {
            out.push('(');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(';');
                }
                write_value(element, true, out);
            }
            out.push(')');
        }
        Value::Object(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(';');
                }
                write_text(key, true, out);
                out.push(':');
                write_value(value, true, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, nested: bool, out: &mut String) {
    if matches!(text, "" | "absent") {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return;
    }
    for (index, c) in text.chars().enumerate() {
        let is_special = c.is_control()
            || c.is_whitespace()
            || matches!(c, '[' | ']' | ',' | '@' | '"' | '%')
            || (nested && matches!(c, '{' | '}' | '(' | ')' | ':' | ';'))
            || (index == 0 && matches!(c, '{' | '('));
        if !is_special {
            out.push(c);
            continue;
        }
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            write!(out, "%{byte:02X}").expect("a String takes everything that is written to it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn params(entries: &[(&str, Value)]) -> IndexMap<String, Value> {
        entries.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect()
    }

    #[test]
    fn ids_read_like_the_scenario() {
        let cases = [
            (json!("application/efi"), "application/efi"),
            (json!("application/efi; charset=binary"), "application/efi;%20charset=binary"),
            (json!("http://{server4}/get?f=boot.efi"), "http://{server4}/get?f=boot.efi"),
            (json!(null), "absent"),
            (json!("absent"), "\"absent\""),
            (json!(""), "\"\""),
            (json!(404), "404"),
            (json!(1.5), "1.5"),
            (json!(true), "true"),
            (json!({"status": 405}), "{status:405}"),
            (json!(["a", {"b": "c;d"}]), "(a;{b:c%3Bd})"),
            (json!("a]b,c@d%\n\u{a0}"), "a%5Db%2Cc%40d%25%0A%C2%A0"),
            (json!("{x}"), "%7Bx}"),
        ];
        for (json, written) in cases {
            assert_eq!(value(&json), written);
        }
    }

    #[test]
    fn different_values_are_written_differently() {
        let values = [
            json!(null),
            json!("absent"),
            json!("\"absent\""),
            json!(""),
            json!("\"\""),
            json!({"a": "b"}),
            json!("{a:b}"),
            json!(["a", "b"]),
            json!(["a;b"]),
            json!("(a;b)"),
            json!([["a"], "b"]),
            json!([["a", "b"]]),
            json!([]),
            json!({}),
            json!([null]),
            json!(["absent"]),
            json!("%20"),
            json!(" "),
            json!({"a": null}),
            json!({"a:b": "c"}),
            json!({"a": "b:c"}),
        ];
        let mut written: Vec<String> = values.iter().map(value).collect();
        written.sort();
        let before = written.len();
        written.dedup();
        assert_eq!(written.len(), before);
    }

    #[test]
    fn a_setting_goes_by_its_last_name_unless_two_share_it() {
        assert_eq!(id("a/b", &params(&[])), "a/b");
        assert_eq!(
            id("a/b", &params(&[("http.status", json!(1)), ("dhcp4.router", json!(null))])),
            "a/b[status=1,router=absent]"
        );
        assert_eq!(
            id(
                "a/b",
                &params(&[
                    ("http.enabled", json!(true)),
                    ("dhcp4.enabled", json!(true)),
                    ("http.port", json!(80))
                ])
            ),
            "a/b[http.enabled=true,dhcp4.enabled=true,port=80]"
        );
    }
}
