//! A baseline as a file that is committed: a line for each cell, so that a change of one is a change of one line.

use crate::{Context, Format, ReportError, json};
use record::{BASELINE_ID, Baseline, Results, SCHEMA_ID};
use serde::Serialize;
use std::path::Path;

/// The baseline that a run makes.
pub struct BaselineFile;

impl Format for BaselineFile {
    fn name(&self) -> &'static str {
        "baseline"
    }

    fn file_name(&self) -> &'static str {
        "plugfest-baseline.json"
    }

    fn render_with(&self, results: &Results, _: &Context<'_>) -> Result<String, ReportError> {
        self.text(&Baseline::of(results))
    }
}

impl BaselineFile {
    /// The file's content.
    ///
    /// # Errors
    /// [`ReportError::Render`] if it cannot be written as JSON.
    pub fn text(&self, baseline: &Baseline) -> Result<String, ReportError> {
        let failed =
            |error: serde_json::Error| ReportError::Render { file: self.file_name(), why: error.to_string() };
        let Baseline { schema, run, plugfest, firmware, cells } = baseline;
        let mut out = String::from("{\n");
        for (name, value) in [("schema", schema), ("run", run), ("plugfest", plugfest)] {
            out.push_str(&format!("  \"{name}\": {},\n", serde_json::to_string(value).map_err(failed)?));
        }
        let tables = [lines(firmware.iter()).map_err(failed)?, lines(cells.iter()).map_err(failed)?];
        out.push_str(&format!("  \"firmware\": {{{}}},\n  \"cells\": {{{}}}\n}}\n", tables[0], tables[1]));
        Ok(out)
    }
}

/// The entries of a table, one in a line.
fn lines<'a, T: Serialize + 'a>(
    entries: impl Iterator<Item = (&'a String, &'a T)>,
) -> Result<String, serde_json::Error> {
    let line =
        |(id, entry)| Ok(format!("\n    {}: {}", serde_json::to_string(id)?, serde_json::to_string(entry)?));
    let lines: Vec<String> = entries.map(line).collect::<Result<_, serde_json::Error>>()?;
    let end = if lines.is_empty() { "" } else { "\n  " };
    Ok(format!("{}{end}", lines.join(",")))
}

/// Reads a baseline, or makes that of a run from its `results.json`.
///
/// # Errors
/// [`ReportError::Io`] if the file cannot be read, [`ReportError::NotResults`] if it is neither, [`ReportError::Schema`] if
/// its major version is not ours.
pub fn load_baseline(path: &Path) -> Result<Baseline, ReportError> {
    let text = std::fs::read_to_string(path).map_err(ReportError::io("read", path))?;
    let origin = path.display().to_string();
    let schema = json::schema(&origin, &text)?;
    if json::is_version(&schema, SCHEMA_ID) {
        return json::parse(&origin, &text).map(|results| Baseline::of(&results));
    }
    if !json::is_version(&schema, BASELINE_ID) {
        return Err(ReportError::Schema { origin, found: schema });
    }
    serde_json::from_str(&text).map_err(|source| ReportError::NotResults { origin, source })
}
