//! `index.html`: the report as one file that opens from disk and asks the network for nothing.
//!
//! Its tables are complete without script; the script adds filters, permalinks and the view of a cell, which it reads
//! from compact data in the page. A content security policy names the script by its digest, so that nothing else that
//! might find its way into the page could run.

mod blocks;
mod data;
mod features;
mod story;
mod view;

pub use story::inside;

use crate::{Context, Format, ReportError};
use blocks::Blocks;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use record::Results;
use sha2::{Digest, Sha256};

const TEMPLATE: &str = include_str!("index.html");
const STYLE: &str = concat!(include_str!("style.css"), include_str!("cell.css"));
/// One script in the order in which its parts need each other.
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("js/data.js"),
    include_str!("js/filters.js"),
    include_str!("js/story.js"),
    include_str!("js/ladder.js"),
    include_str!("js/cell.js"),
    include_str!("js/feature.js"),
    include_str!("js/route.js"),
    "})();\n"
);

/// `index.html`.
pub struct Html;

impl Format for Html {
    fn file_name(&self) -> &'static str {
        "index.html"
    }

    fn name(&self) -> &'static str {
        "html"
    }

    fn render_with(&self, results: &Results, context: &Context<'_>) -> Result<String, ReportError> {
        let blocks =
            context.evidence.map_or_else(Blocks::default, |run| Blocks::of(results, run, context.meaning));
        render(results, &blocks).map_err(|why| ReportError::Render { file: self.file_name(), why })
    }
}

fn render(results: &Results, blocks: &Blocks) -> Result<String, String> {
    let view = view::View::of(results, blocks);
    let data = serde_json::to_string(&data::Data::of(results, blocks)).map_err(|error| error.to_string())?;
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
            script_digest => Value::from_safe_string(data::for_base64(&Sha256::digest(SCRIPT))),
            data => Value::from_safe_string(for_script_element(&data)),
            // Base 64 has no character that markup knows.
            blocks => blocks.blocks.iter().cloned().map(Value::from_safe_string).collect::<Vec<_>>(),
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

#[cfg(test)]
mod tests {
    use super::*;

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
