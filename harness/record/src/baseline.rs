//! What a run found, short enough to be committed beside the sources of a firmware package.

use crate::{CellResult, FirmwareRecord, ImageFile, Outcome, Results, Stage, Verdict};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Value of [`Baseline::schema`]: name and major version. A reader refuses another major version.
pub const BASELINE_ID: &str = "plugfest-baseline/1";

/// How each cell of a run ended, and on which builds: what later runs are compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// [`BASELINE_ID`].
    pub schema: String,
    /// Id of the run that it was made from.
    pub run: String,
    /// Version of the plugfest that ran it.
    pub plugfest: String,
    /// The builds by their id.
    pub firmware: IndexMap<String, BaselineFirmware>,
    /// The cells by their id, without those that say nothing about a firmware.
    pub cells: IndexMap<String, Ended>,
}

/// A build that a baseline was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineFirmware {
    /// Version as its package or its user says.
    pub version: String,
    /// Code image.
    pub code: ImageFile,
    /// Variable store template, if the build has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vars: Option<ImageFile>,
}

/// How a cell ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// Verdict.
    pub verdict: Verdict,
    /// Outcome; absent if nothing can be said of the firmware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Furthest rung.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Stable cause identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Assertions about the conversation that do not hold, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violated: Vec<String>,
    /// Whether the verdict is not to be relied on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flaky: bool,
}

impl Baseline {
    /// The JSON Schema of this type.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    /// That of a run. An `error` says nothing about a firmware, so such a cell is left out.
    pub fn of(results: &Results) -> Self {
        let measured = |cell: &&CellResult| cell.verdict != Verdict::Error;
        Self {
            schema: BASELINE_ID.into(),
            run: results.run.id.clone(),
            plugfest: results.run.plugfest.clone(),
            firmware: results.firmware.iter().map(|build| (build.id.clone(), build.into())).collect(),
            cells: results
                .cells
                .iter()
                .filter(measured)
                .map(|cell| (cell.id.clone(), Ended::of(cell)))
                .collect(),
        }
    }
}

impl From<&FirmwareRecord> for BaselineFirmware {
    fn from(build: &FirmwareRecord) -> Self {
        Self { version: build.version.clone(), code: build.code.clone(), vars: build.vars.clone() }
    }
}

impl Ended {
    /// How this cell ended.
    pub fn of(cell: &CellResult) -> Self {
        let CellResult { verdict, outcome, stage, cause, flaky, .. } = cell;
        let violated = cell.violated().map(|assertion| assertion.id.clone()).collect();
        Self {
            verdict: *verdict,
            outcome: *outcome,
            stage: *stage,
            cause: cause.clone(),
            violated,
            flaky: *flaky,
        }
    }
}
