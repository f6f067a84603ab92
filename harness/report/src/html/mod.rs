//! `index.html`: the report as one file that opens from disk and asks the network for nothing.
//!
//! The matrix is a plain table that needs no script; the script adds filters and the details of a cell, which it reads
//! from compact data in the page. A content security policy names the script by its digest, so that nothing else that
//! might find its way into the page could run.

mod data;
mod view;

use crate::{Format, ReportError};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use record::Results;
use sha2::{Digest, Sha256};

const TEMPLATE: &str = include_str!("index.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// `index.html`.
pub struct Html;

impl Format for Html {
    fn file_name(&self) -> &'static str {
        "index.html"
    }

    fn render(&self, results: &Results) -> Result<String, ReportError> {
        render(results).map_err(|why| ReportError::Render { file: self.file_name(), why })
    }
}

fn render(results: &Results) -> Result<String, String> {
    let view = view::View::of(results);
    let data = serde_json::to_string(&data::Data::of(results)).map_err(|error| error.to_string())?;
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.map_err(|error| format!("{error:#}"))?);
    // The name ends in .html, which is what turns escaping on.
    environment.add_template("index.html", TEMPLATE).map_err(|error| format!("{error:#}"))?;
    let template = environment.get_template("index.html").map_err(|error| format!("{error:#}"))?;
    template
        .render(context! {
            style => Value::from_safe_string(STYLE.to_owned()),
            script => Value::from_safe_string(SCRIPT.to_owned()),
            script_digest => Value::from_safe_string(base64(&Sha256::digest(SCRIPT))),
            data => Value::from_safe_string(for_script_element(&data)),
            view => Serde(&view),
        })
        .map_err(|error| format!("{error:#}"))
}

/// JSON that cannot end the script element it stands in, open a comment there, or trip an old parser.
fn for_script_element(json: &str) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 50);
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Base 64 with padding (RFC 4648 §4), as a policy's digests are written.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group =
            (0..3).fold(0_u32, |group, at| group << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let digit = ALPHABET[(group >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_rfc_4648() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn data_cannot_leave_its_element() {
        assert_eq!(
            for_script_element("\"</script><!--&\u{2028}\""),
            r#""\u003c/script\u003e\u003c!--\u0026\u2028""#
        );
    }

    #[test]
    fn the_style_and_the_script_cannot_end_their_elements() {
        assert!(!STYLE.contains("</") && !STYLE.contains("<!--"));
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains("<!--"));
    }
}
