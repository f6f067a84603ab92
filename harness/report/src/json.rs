//! `results.json`: the run for machines, and its reader.

use crate::{Context, Format, ReportError};
use record::{Results, SCHEMA_ID};
use serde::Deserialize;
use std::path::Path;

/// `results.json`; its schema is `harness/record/results.schema.json`.
pub struct Json;

impl Format for Json {
    fn file_name(&self) -> &'static str {
        "results.json"
    }

    fn name(&self) -> &'static str {
        "json"
    }

    fn render_with(&self, results: &Results, _: &Context<'_>) -> Result<String, ReportError> {
        let mut text = serde_json::to_string_pretty(results)
            .map_err(|error| ReportError::Render { file: self.file_name(), why: error.to_string() })?;
        text.push('\n');
        Ok(text)
    }
}

/// Reads a `results.json`. Fields that a later minor version added are ignored.
///
/// # Errors
/// [`ReportError::Io`] if the file cannot be read; otherwise as [`parse`].
pub fn load(path: &Path) -> Result<Results, ReportError> {
    let text = std::fs::read_to_string(path).map_err(ReportError::io("read", path))?;
    parse(&path.display().to_string(), &text)
}

/// Reads the text of a `results.json`; `origin` says in errors where it came from.
///
/// # Errors
/// [`ReportError::NotResults`] if it is something else, [`ReportError::Schema`] if its major version is not ours.
pub fn parse(origin: &str, text: &str) -> Result<Results, ReportError> {
    let found = schema(origin, text)?;
    if !is_version(&found, SCHEMA_ID) {
        return Err(ReportError::Schema { origin: origin.to_owned(), found });
    }
    serde_json::from_str(text).map_err(|source| ReportError::NotResults { origin: origin.to_owned(), source })
}

/// The schema that a text says it has. It is asked first: what another major version looks like is not ours to complain
/// about.
pub(crate) fn schema(origin: &str, text: &str) -> Result<String, ReportError> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    let head: Result<Head, _> = serde_json::from_str(text);
    head.map(|head| head.schema)
        .map_err(|source| ReportError::NotResults { origin: origin.to_owned(), source })
}

/// Whether a schema is `id`, or a minor version of it.
pub(crate) fn is_version(schema: &str, id: &str) -> bool {
    schema.strip_prefix(id).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
