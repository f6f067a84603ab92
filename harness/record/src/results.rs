//! `results.json`: one run, its firmware, its cells.

use crate::{AssertionResult, AssertionState, Capability, ClientHello, Level, Outcome, Stage, Verdict};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Value of [`Results::schema`]: name and major version. A reader refuses another major version.
pub const SCHEMA_ID: &str = "plugfest-results/1";

/// Everything that a run found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Results {
    /// [`SCHEMA_ID`].
    pub schema: String,
    /// The run.
    pub run: RunRecord,
    /// The firmware columns, in order.
    pub firmware: Vec<FirmwareRecord>,
    /// The cells, ordered by scenario, parameters and firmware.
    pub cells: Vec<CellResult>,
}

/// How a run was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// Name of the run's directory, for example `2026-11-22T140102Z-7f3a`.
    pub id: String,
    /// Start, RFC 3339, UTC.
    pub started: String,
    /// Host seconds from start to end.
    pub wall_seconds: f64,
    /// Version of plugfest.
    pub plugfest: String,
    /// The QEMU programs that ran guests.
    #[serde(default)]
    pub qemus: Vec<QemuRecord>,
    /// Which clock the guests ran on.
    pub clock: ClockMode,
    /// Seed that entropy and tie-breaks were drawn from.
    pub seed: u64,
    /// Cells that ran at the same time.
    pub jobs: usize,
    /// Cells that were to be run; fewer have results if the run was interrupted.
    pub planned: usize,
    /// Whether the run was ended before all cells had run.
    pub interrupted: bool,
    /// Why the run took no more cells, if it stopped by itself.
    #[serde(default)]
    pub stopped: Option<String>,
    /// How often each cell ran.
    #[serde(default = "once")]
    pub repeat: u32,
    /// How often a cell was run again because our infrastructure had failed.
    #[serde(default)]
    pub retries: u32,
    /// Which part of a larger run this is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardRecord>,
}

/// One of the parts that a selection is divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shard {
    /// From 1 to `count`.
    pub number: u32,
    /// How many parts there are, at least 1.
    pub count: u32,
}

/// A part of a run, and what it takes to join it with the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShardRecord {
    /// Which part.
    pub shard: Shard,
    /// Cells in all parts together.
    pub planned: usize,
    /// The place of each cell among them, in the order of `cells`.
    pub places: Vec<usize>,
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(number, count)| {
            Some(Self { number: number.parse().ok()?, count: count.parse().ok()? })
        });
        let is_one = |shard: &Self| (1..=shard.count).contains(&shard.number);
        parsed
            .filter(is_one)
            .ok_or_else(|| format!("{text:?} is no shard; write for example 1/3, 2/3 or 3/3"))
    }
}

/// A run without repeats.
fn once() -> u32 {
    1
}

/// A QEMU that ran guests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QemuRecord {
    /// Name of the program, for example `qemu-system-x86_64`.
    #[serde(default)]
    pub program: String,
    /// Version as QEMU says it, for example `10.0.2 (Debian 1:10.0.2+ds-2)`.
    pub version: String,
    /// SHA-256 of the program.
    pub sha256: String,
}

/// Which clock a guest runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockMode {
    /// The guest's clock follows executed instructions and skips idle time.
    Virtual,
    /// The guest's clock follows the host's.
    Real,
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// QEMU's binary translation.
    Tcg,
    /// Hardware virtualisation.
    Kvm,
}

/// One firmware column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FirmwareRecord {
    /// Stable id, for example `ovmf-x64-sid`.
    pub id: String,
    /// Family, for example `edk2`.
    pub family: String,
    /// Architecture in UEFI's words: `x64`, `ia32`, `aa64`, …
    pub architecture: String,
    /// Version as its package or its user says, for example `2026.08+ds-2`.
    pub version: String,
    /// Where it came from: package and suite, descriptor, or path.
    pub source: String,
    /// Code image.
    pub code: ImageFile,
    /// Variable store template, if the build has one.
    pub vars: Option<ImageFile>,
    /// Other variable stores that came with it, by the names that scenarios choose them by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, ImageFile>,
    /// The firmware that starts it, where it is not what the machine starts with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Box<FirmwareRecord>>,
    /// Whether its variables are in System Management Mode.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub smm: bool,
    /// What the catalog says that it is built without although its family has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<Capability>,
    /// What ran it; absent if none of its cells started a guest.
    pub accelerator: Option<Accelerator>,
    /// Where its guests' random numbers came from; absent if none of its cells started a guest.
    #[serde(default)]
    pub entropy: Option<Entropy>,
}

/// Where a guest's random numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Entropy {
    /// All of them follow from the run's seed.
    Seeded,
    /// Some are the processor's own (RDRAND under KVM) and differ from run to run.
    Processor,
}

impl Accelerator {
    /// Where random numbers come from in a guest that it executes.
    pub const fn entropy(self) -> Entropy {
        match self {
            Self::Tcg => Entropy::Seeded,
            Self::Kvm => Entropy::Processor,
        }
    }
}

/// A file that defines what was tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageFile {
    /// File name, without directories.
    pub file: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// What a scenario expects of a conforming client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expected {
    /// Any of these outcomes; empty for a row that only observes.
    pub outcome: Vec<Outcome>,
    /// The stage, where stated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stage: Option<Stage>,
    /// The cause, where stated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
}

impl Expected {
    /// Whether a cell that ended so is as expected.
    pub fn is_met(&self, outcome: Outcome, stage: Stage, cause: Option<&str>) -> bool {
        (self.outcome.is_empty() || self.outcome.contains(&outcome))
            && self.stage.is_none_or(|expected| expected == stage)
            && self.cause.as_deref().is_none_or(|expected| Some(expected) == cause)
    }
}

/// A known deviation of a build that a waiver file names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deviation {
    /// Why it is known.
    pub reason: String,
    /// Where it was reported.
    pub link: Option<String>,
}

/// One cell: a scenario with its parameters on one firmware.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellResult {
    /// Stable and quotable, for example `http/content-type[content_type=text/html]@ovmf-x64-sid`.
    pub id: String,
    /// Scenario id.
    pub scenario: String,
    /// Scenario title.
    pub title: String,
    /// Requirement's specification and section.
    pub clause: String,
    /// SHA-256 of the scenario file.
    pub scenario_sha256: String,
    /// Swept settings by dotted path.
    pub params: IndexMap<String, serde_json::Value>,
    /// Firmware id.
    pub firmware: String,
    /// Requirement level.
    pub level: Level,
    /// What a conforming client does.
    pub expected: Expected,
    /// Verdict.
    pub verdict: Verdict,
    /// Outcome; absent if nothing can be said of the firmware.
    pub outcome: Option<Outcome>,
    /// Furthest rung.
    pub stage: Option<Stage>,
    /// Stable cause identifier, for example `dhcp4.offer-not-http`.
    pub cause: Option<String>,
    /// The cause in one sentence; for an error, what failed and what to do.
    pub detail: String,
    /// The waiver that applied.
    pub waiver: Option<Deviation>,
    /// What came of the assertions about the conversation; `verdict` is the worst of theirs and that of the outcome.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversation: Vec<AssertionResult>,
    /// Host seconds, of all runs of the cell together.
    pub wall_seconds: f64,
    /// Guest seconds from power-on.
    pub guest_seconds: f64,
    /// How often the cell ran before this result; 0 if it never started.
    pub attempts: u32,
    /// SHA-256 of what must be the same whenever the cell runs; absent if nothing can be said of the firmware.
    #[serde(default)]
    pub transcript: Option<String>,
    /// What became of the repeats, if there were any. Everything else is about the first run.
    #[serde(default)]
    pub repeats: Option<Repeats>,
    /// Whether a repeat differs: the verdict is not to be relied on.
    #[serde(default)]
    pub flaky: bool,
    /// What the firmware offered in TLS, if this row only observes and there was TLS: its first ClientHello, but
    /// `resumes` says whether any of the cell's did.
    #[serde(default)]
    pub client_hello: Option<ClientHello>,
    /// Evidence files, relative to the run's directory.
    pub evidence: Option<EvidencePaths>,
}

impl CellResult {
    /// The assertions that do not hold.
    pub fn violated(&self) -> impl Iterator<Item = &AssertionResult> {
        self.conversation.iter().filter(|assertion| assertion.state == AssertionState::Violated)
    }
}

/// A cell that ran several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repeats {
    /// How often it ran, the first run included.
    pub runs: u32,
    /// Runs whose verdict, outcome, stage, cause or transcript is not that of the first.
    pub differing: u32,
}

/// Paths of a cell's evidence, relative to the run's directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidencePaths {
    /// The cell's directory.
    pub directory: String,
    /// Every frame.
    pub capture: String,
    /// The guest's console.
    pub console: String,
    /// Everything on one clock.
    pub timeline: String,
    /// The resolved scenario.
    pub cell: String,
    /// QEMU's command line.
    pub command: Option<String>,
    /// Secrets of TLS connections, if there were any; they are in the capture too.
    #[serde(default)]
    pub keys: Option<String>,
}

/// How many cells have each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the six words of `Verdict`
pub struct Totals {
    pub pass: usize,
    pub fail: usize,
    pub xfail: usize,
    pub xpass: usize,
    pub unsupported: usize,
    pub error: usize,
}

impl Results {
    /// The JSON Schema of this type.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }

    /// How many cells did not do the same in each of their repeats, whatever their verdict.
    pub fn flaky(&self) -> usize {
        self.cells.iter().filter(|cell| cell.flaky).count()
    }

    /// Counts all six verdicts.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for cell in &self.cells {
            *match cell.verdict {
                Verdict::Pass => &mut totals.pass,
                Verdict::Fail => &mut totals.fail,
                Verdict::Xfail => &mut totals.xfail,
                Verdict::Xpass => &mut totals.xpass,
                Verdict::Unsupported => &mut totals.unsupported,
                Verdict::Error => &mut totals.error,
            } += 1;
        }
        totals
    }
}
