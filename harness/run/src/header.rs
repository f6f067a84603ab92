//! What a run set out to do, so that it can be completed later by exactly that.

use crate::Plan;
use indexmap::IndexMap;
use record::{ClockMode, FirmwareRecord, ImageFile, Level, QemuRecord, Shard};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Value of [`Header::journal`]: name and version of the journal's format.
pub(crate) const FORMAT: &str = "plugfest-journal/2";
/// Digits of a digest in a sentence.
const SHORT: usize = 12;

/// The first line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Name and version of the journal's format.
    pub journal: String,
    /// Name of the run's directory.
    pub run: String,
    /// Start, RFC 3339, UTC.
    pub started: String,
    /// Version of plugfest.
    pub plugfest: String,
    /// The QEMU programs that cells need.
    pub qemus: Vec<QemuRecord>,
    /// What the user asked for.
    pub choices: Choices,
    /// SHA-256 of the waiver files.
    pub waivers_sha256: String,
    /// The firmware columns, in order.
    pub firmware: Vec<FirmwareRecord>,
    /// Ids of builds that were asked for and could not be had.
    pub missing_firmware: Vec<String>,
    /// SHA-256 of each scenario's file, by the scenario's id.
    pub scenarios: IndexMap<String, String>,
    /// Ids of the cells, in the order of the results.
    pub cells: Vec<String>,
}

/// The options that decide which cells a run has and what comes out of them. Paths are absolute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choices {
    /// SELECT arguments.
    pub select: Vec<String>,
    /// `--firmware`; all of the catalog if empty.
    pub firmware: Vec<String>,
    /// `--scenarios`
    pub scenarios: PathBuf,
    /// `--catalog`; the built-in one if absent.
    pub catalog: Option<PathBuf>,
    /// `--waivers`
    pub waivers: PathBuf,
    /// `--clock`
    pub clock: ClockMode,
    /// `--accel`
    pub accel: String,
    /// `--cold`
    pub cold: bool,
    /// `--seed`
    pub seed: u64,
    /// `--repeat`
    pub repeat: u32,
    /// `--level`; all of them if empty.
    #[serde(default)]
    pub level: Vec<Level>,
    /// `--shard`
    #[serde(default)]
    pub shard: Option<Shard>,
}

impl Header {
    /// The header of a run that begins now with `plan`.
    pub fn new(
        run: String,
        choices: Choices,
        plan: &Plan,
        missing_firmware: Vec<String>,
        waivers_sha256: String,
        qemus: Vec<QemuRecord>,
    ) -> Self {
        Self {
            journal: FORMAT.into(),
            run,
            started: jiff::Timestamp::now().to_string(),
            plugfest: env!("CARGO_PKG_VERSION").into(),
            qemus,
            choices,
            waivers_sha256,
            firmware: plan.firmware.iter().map(|build| build.to_record(None)).collect(),
            missing_firmware,
            scenarios: plan
                .cells
                .iter()
                .map(|cell| (cell.scenario.clone(), cell.scenario_sha256.clone()))
                .collect(),
            cells: plan.cells.iter().map(|cell| cell.id.clone()).collect(),
        }
    }

    /// Leaves in `plan` only what the run that began with this header has: scenarios may have been added since.
    pub fn restrict(&self, plan: &mut Plan) {
        plan.cells.retain(|cell| self.cells.contains(&cell.id));
    }

    /// What of this header is not so any more `now`, a sentence for each. Neither ids and dates of the runs count nor
    /// the choices, and `now` may have more scenarios and firmware.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, was: &str, is: &str| {
            if was != is {
                found.push(format!("{what} was {was}, and is {is}"));
            }
        };
        compare("plugfest", &self.plugfest, &now.plugfest);
        for was in &self.qemus {
            let is = now.qemus.iter().find(|is| is.program == was.program);
            let is = is.map_or_else(|| "absent".to_owned(), say_qemu);
            compare(&was.program, &say_qemu(was), &is);
        }
        compare("the SHA-256 of the waivers", short(&self.waivers_sha256), short(&now.waivers_sha256));
        for was in &self.firmware {
            let is = now.firmware.iter().find(|is| is.id == was.id);
            let is = is.map_or_else(|| "not to be had".to_owned(), say_firmware);
            compare(&format!("firmware {}", was.id), &say_firmware(was), &is);
        }
        for (id, was) in &self.scenarios {
            let is = now.scenarios.get(id).map_or("gone", |is| short(is));
            compare(&format!("the SHA-256 of scenario {id}"), short(was), is);
        }
        // A scenario that has changed explains its cells.
        if found.is_empty() {
            let gone = self.cells.iter().filter(|id| !now.cells.contains(id));
            found.extend(gone.map(|id| format!("cell {id} is gone")));
        }
        found
    }
}

fn say_qemu(qemu: &QemuRecord) -> String {
    format!("{} (SHA-256 {})", qemu.version, short(&qemu.sha256))
}

fn say_firmware(firmware: &FirmwareRecord) -> String {
    let digest = |file: &ImageFile| short(&file.sha256).to_owned();
    let vars = firmware.vars.as_ref().map_or_else(|| "none".to_owned(), digest);
    format!("{} (SHA-256 of code {}, of variables {vars})", firmware.version, digest(&firmware.code))
}

fn short(sha256: &str) -> &str {
    sha256.get(..SHORT).unwrap_or(sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let image = |digit: &str| ImageFile { file: "F.fd".into(), sha256: digit.repeat(64) };
        let firmware = |id: &str| FirmwareRecord {
            id: id.into(),
            family: "edk2".into(),
            architecture: "x64".into(),
            version: "1.0".into(),
            source: "test".into(),
            code: image("1"),
            vars: Some(image("2")),
            files: Default::default(),
            base: None,
            smm: false,
            lacks: Vec::new(),
            accelerator: None,
            entropy: None,
        };
        Header {
            journal: FORMAT.into(),
            run: "r".into(),
            started: "2026-11-22T14:00:00Z".into(),
            plugfest: "0.1.0".into(),
            qemus: vec![QemuRecord {
                program: "qemu-system-x86_64".into(),
                version: "10.0.2".into(),
                sha256: "a".repeat(64),
            }],
            choices: Choices {
                select: Vec::new(),
                firmware: Vec::new(),
                scenarios: "/s".into(),
                catalog: None,
                waivers: "/w".into(),
                clock: ClockMode::Virtual,
                accel: "auto".into(),
                cold: false,
                seed: 1,
                repeat: 1,
                level: Vec::new(),
                shard: None,
            },
            waivers_sha256: "b".repeat(64),
            firmware: vec![firmware("one"), firmware("two")],
            missing_firmware: Vec::new(),
            scenarios: [("x/x".to_owned(), "c".repeat(64)), ("y/y".to_owned(), "d".repeat(64))].into(),
            cells: vec!["x/x@one".into(), "x/x@two".into(), "y/y@one".into()],
        }
    }

    #[test]
    fn a_run_that_only_has_another_name_differs_in_nothing() {
        let now = Header { run: "s".into(), started: "later".into(), ..header() };
        assert_eq!(header().differences(&now), [""; 0]);
    }

    #[test]
    fn more_scenarios_and_firmware_are_no_difference() {
        let mut now = header();
        now.scenarios.insert("z/z".into(), "e".repeat(64));
        now.cells.push("z/z@one".into());
        now.firmware.insert(0, FirmwareRecord { id: "three".into(), ..now.firmware[0].clone() });
        assert_eq!(header().differences(&now), [""; 0]);
    }

    #[test]
    fn every_difference_is_named() {
        let mut now = header();
        now.plugfest = "0.2.0".into();
        now.qemus.clear();
        now.waivers_sha256 = "9".repeat(64);
        now.firmware[0].vars = None;
        now.firmware.truncate(1);
        now.scenarios["x/x"] = "8".repeat(64);
        now.scenarios.shift_remove("y/y");
        insta::assert_snapshot!(header().differences(&now).join("\n"), @r"
        plugfest was 0.1.0, and is 0.2.0
        qemu-system-x86_64 was 10.0.2 (SHA-256 aaaaaaaaaaaa), and is absent
        the SHA-256 of the waivers was bbbbbbbbbbbb, and is 999999999999
        firmware one was 1.0 (SHA-256 of code 111111111111, of variables 222222222222), and is 1.0 (SHA-256 of code 111111111111, of variables none)
        firmware two was 1.0 (SHA-256 of code 111111111111, of variables 222222222222), and is not to be had
        the SHA-256 of scenario x/x was cccccccccccc, and is 888888888888
        the SHA-256 of scenario y/y was dddddddddddd, and is gone
        ");

        let mut now = header();
        now.cells.remove(1);
        assert_eq!(header().differences(&now), ["cell x/x@two is gone"]);
    }
}
