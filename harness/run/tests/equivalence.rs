//! The engine changes no result: a cell says the same from a snapshot and from power-on, on the virtual clock and on the
//! real one.
//!
//! One test a cell, called `BUILD::POINT`: it runs the cell in all four modes and demands the same outcome, stage and
//! cause. `PLUGFEST_EQUIVALENCE` chooses the cells: `full` for every scenario on every build (hours: a give-up takes
//! 65 s on the real clock); or selections as for `plugfest run`, separated by spaces:
//! `PLUGFEST_EQUIVALENCE='url http/redirect@ovmf-x64-sid'`. Without it, `-- --ignored` runs a quick, varied set on two
//! builds, in minutes. At the end, a table shows the cells whose modes differ.
//!
//! Builds come from the user's cache; `plugfest run` or `cargo xtask test` fills it. Where it is empty, one ignored test
//! says so; with `PLUGFEST_REQUIRE_FIRMWARE` set, it fails.

#![allow(clippy::unwrap_used)]

use firmware::{Cached, Catalog, Firmware, Store};
use libtest_mimic::{Arguments, Failed, Trial};
use record::{CellResult, ClockMode, Outcome, Stage, Verdict};
use run::{Options, Plan, QemuGuests, QemuOptions};
use scenario::{Point, Scenario, Selector};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The cells of the default set: none waits out a long timeout, and few end for the same reason.
const QUICK: &[&str] = &[
    "control/plain",
    "dhcp4/delayed-offer[offer_delay_seconds=1.5]",
    "dhcp4/nak",
    "http/connection-close[connection=close-unannounced]",
    "http/error-status[status=404]",
    "http/head-refused[head=silence]",
    "http/redirect[status=302,location=/moved.efi]",
    "url/suffix[bootfile=http://{server4}/boot,content_type=application/octet-stream]",
    "tls/leaf-key[key=rsa-2048,version=1.2]",
    "tls/leaf-key[key=p-256,version=1.2]",
    "tls/leaf-expired[valid_until_days=-1]",
    "dns/plain-ipv4",
    "dns/error-ipv4[rcode=nxdomain]",
];
/// Cells of the default set for the newest build alone: the oldest has no IPv6.
const QUICK_IPV6: &[&str] = &["dhcp6/plain[boot=ipv6,wait_seconds=5]", "dns/plain", "ra/none"];
/// The oldest and the newest build.
const QUICK_BUILDS: &[&str] = &["ovmf-x64-bullseye", "ovmf-x64-sid"];

/// How a guest is started, and which clock it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mode {
    cold: bool,
    clock: ClockMode,
}

/// The cheapest first.
const MODES: [Mode; 4] = [
    Mode { cold: false, clock: ClockMode::Virtual },
    Mode { cold: true, clock: ClockMode::Virtual },
    Mode { cold: false, clock: ClockMode::Real },
    Mode { cold: true, clock: ClockMode::Real },
];

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = if self.cold { "cold" } else { "warm" };
        let clock = if self.clock == ClockMode::Real { "real" } else { "virtual" };
        f.pad(&format!("{start}+{clock}"))
    }
}

/// What a cell says about its firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    outcome: Outcome,
    stage: Stage,
    cause: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.outcome, self.stage)?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ", {cause}"))
    }
}

/// A cell's finding in each mode, or why there is none.
type Findings = Vec<(Mode, Result<Finding, String>)>;

/// The same finding in all modes, or what to say about it.
fn agree(findings: &Findings) -> Result<(), String> {
    let unmeasured = findings.iter().any(|(_, finding)| finding.is_err());
    let mut measured = findings.iter().filter_map(|(_, finding)| finding.as_ref().ok());
    let first = measured.next();
    let differ = measured.any(|finding| Some(finding) != first);
    match (differ, unmeasured) {
        (false, false) if findings.len() == MODES.len() => Ok(()),
        (false, false) => Err("a mode was not run".into()),
        (true, _) => Err(format!("the modes differ:\n{}", table(findings))),
        (false, true) => Err(format!("a mode says nothing about the firmware:\n{}", table(findings))),
    }
}

/// One line a mode.
fn table(findings: &Findings) -> String {
    let line = |(mode, finding): &(Mode, Result<Finding, String>)| match finding {
        Ok(finding) => format!("  {mode:<13} {finding}\n"),
        Err(why) => format!("  {mode:<13} error: {why}\n"),
    };
    findings.iter().map(line).collect()
}

/// All that was found, for the table at the end.
#[derive(Default)]
struct Ledger {
    findings: BTreeMap<String, Findings>,
    /// For each mode, the host time spent in it, in seconds, and how many cells needed more than one attempt.
    spent: [(f64, usize); MODES.len()],
}

impl Ledger {
    fn note(&mut self, mode: usize, result: &CellResult) {
        let (seconds, retried) = &mut self.spent[mode];
        *seconds += result.wall_seconds;
        *retried += usize::from(result.attempts > 1);
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let disagreeing: Vec<_> = self.findings.iter().filter(|(_, all)| agree(all).is_err()).collect();
        for (cell, findings) in &disagreeing {
            write!(f, "{cell}\n{}", table(findings))?;
        }
        writeln!(
            f,
            "{} cells in {} modes: {} equal, {} not",
            self.findings.len(),
            MODES.len(),
            self.findings.len() - disagreeing.len(),
            disagreeing.len()
        )?;
        for (mode, (seconds, retried)) in MODES.iter().zip(self.spent) {
            writeln!(f, "  {mode:<13} {seconds:8.1} s of host time, {retried} cells tried again")?;
        }
        Ok(())
    }
}

fn main() {
    let arguments = Arguments::from_args();
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut trials = proofs();
    trials.extend(cells(&ledger));
    let conclusion = libtest_mimic::run(&arguments, trials);
    let ledger = ledger.lock().unwrap();
    if !ledger.findings.is_empty() {
        println!("{ledger}");
    }
    conclusion.exit();
}

/// The tests of the cells that are asked for.
fn cells(ledger: &Arc<Mutex<Ledger>>) -> Vec<Trial> {
    let builds = cached_builds();
    if builds.is_empty() {
        return vec![nothing_to_test()];
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let scenarios: Arc<[Scenario]> =
        scenario::load_dir(&root).unwrap_or_else(|error| panic!("{error}")).into();
    let names: Vec<String> = builds.iter().map(|build| build.id.clone()).collect();
    let wish = std::env::var("PLUGFEST_EQUIVALENCE").unwrap_or_default();
    let mut words: Vec<String> = wish.split_whitespace().map(str::to_owned).collect();
    if words.is_empty() {
        let builds = QUICK_BUILDS.iter().filter(|build| names.iter().any(|name| name == *build));
        let cells = |build: &'static str| {
            let newest = QUICK_BUILDS.last() == Some(&build);
            QUICK
                .iter()
                .chain(QUICK_IPV6.iter().filter(move |_| newest))
                .map(move |cell| format!("{cell}@{build}"))
        };
        words = builds.flat_map(|build| cells(build)).collect();
        if words.is_empty() {
            words = QUICK.iter().map(|cell| format!("{cell}@{}", names[0])).collect();
        }
    }
    let all = words == ["full"];
    let words = if all { Vec::new() } else { words };
    let selectors: Vec<Selector> =
        words.iter().map(|word| word.parse().unwrap_or_else(|error| panic!("{error}"))).collect();
    let selected = scenario::select(&scenarios, &names, &selectors).unwrap_or_else(|error| panic!("{error}"));
    let trial = |selected: &scenario::Selected<'_>| {
        let build = builds[selected.firmware].clone();
        let (scenario, point) = (selected.scenario.clone(), selected.point.clone());
        let (ledger, scenarios) = (Arc::clone(ledger), Arc::clone(&scenarios));
        let name = format!("{}::{}", build.id, point.id);
        Trial::test(name, move || check(&scenario, &point, &build, &scenarios, &ledger).map_err(Failed::from))
            .with_ignored_flag(wish.is_empty())
    };
    selected.iter().map(trial).collect()
}

/// The builds of the catalog that are in the user's cache.
fn cached_builds() -> Vec<Firmware> {
    let store = Store::of_user().unwrap_or_else(|error| panic!("{error}"));
    Catalog::builtin()
        .builds()
        .iter()
        .filter(|build| build.by_default)
        .filter_map(|build| match store.cached(build) {
            Cached::Ready(firmware) => Some(*firmware),
            Cached::Absent | Cached::Corrupt(_) => None,
        })
        .collect()
}

fn nothing_to_test() -> Trial {
    let required = std::env::var_os("PLUGFEST_REQUIRE_FIRMWARE").is_some();
    let why = "no firmware is in the cache; `plugfest run` or `cargo xtask test` fetches it";
    Trial::test(format!("firmware ({why})"), move || Err(Failed::from(why))).with_ignored_flag(!required)
}

/// Runs the cell in every mode and compares.
fn check(
    scenario: &Scenario,
    point: &Point,
    build: &Firmware,
    scenarios: &[Scenario],
    ledger: &Mutex<Ledger>,
) -> Result<(), String> {
    let mut findings = Findings::new();
    for (number, mode) in MODES.into_iter().enumerate() {
        let selected = [scenario::Selected { scenario, point, firmware: 0 }];
        let mut plan = run::plan(&selected, vec![build.clone()], &run::controls());
        // The control has a test of its own.
        plan.cells.retain(|cell| cell.scenario == scenario.id);
        let cache = firmware::cache().map_err(|error| error.to_string())?;
        run::equip(&mut plan, scenarios, &pki::Pki::open(&cache));
        let result = execute(plan, mode)?;
        ledger.lock().unwrap().note(number, &result);
        findings.push((mode, finding(&result)));
    }
    let agreement = agree(&findings);
    ledger.lock().unwrap().findings.insert(point.cell_id(&build.id), findings);
    agreement
}

fn finding(result: &CellResult) -> Result<Finding, String> {
    match (result.verdict, result.outcome, result.stage) {
        (Verdict::Error, ..) | (_, None, _) | (_, _, None) => Err(result.detail.clone()),
        (_, Some(outcome), Some(stage)) => Ok(Finding { outcome, stage, cause: result.cause.clone() }),
    }
}

/// Runs a plan of one cell as `plugfest run` does.
fn execute(plan: Plan, mode: Mode) -> Result<CellResult, String> {
    const SEED: u64 = 1;
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let qemu = machine::Qemu::probe("qemu-system-x86_64").map_err(|error| error.to_string())?;
    let cache = firmware::cache().map_err(|error| error.to_string())?;
    let options = Options {
        clock: mode.clock,
        seed: SEED,
        host_limit: Duration::from_secs(1800),
        qemus: vec![qemu.record()],
        ..Options::new(directory.path().to_owned())
    };
    let machines = QemuOptions {
        clock: mode.clock,
        // The same processor in all modes: KVM has no virtual clock.
        accel: machine::Accel::Tcg,
        cold: mode.cold,
        seed: SEED,
        cache,
        recording: None,
    };
    let mut qemus = run::Qemus::default();
    for build in &plan.firmware {
        qemus.look_up(build).map_err(|error| error.to_string())?;
    }
    let guests = QemuGuests::new(qemus, machines, |_| {});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let results = runtime
        .map_err(|error| error.to_string())?
        .block_on(run::run(plan, guests, options, |_| {}, std::future::pending()))
        .map_err(|error| error.to_string())?;
    results.cells.into_iter().next().ok_or_else(|| "no result".into())
}

/// That the comparison can fail: what it must let through, and what it must not.
fn proofs() -> Vec<Trial> {
    let boots = || Ok(Finding { outcome: Outcome::Boots, stage: Stage::Executed, cause: None });
    let refuses =
        |stage, cause: &str| Ok(Finding { outcome: Outcome::Refuses, stage, cause: Some(cause.to_owned()) });
    let gives_up = |cause: &str| {
        Ok(Finding { outcome: Outcome::GivesUp, stage: Stage::Get, cause: Some(cause.to_owned()) })
    };
    let error = || Err("the host is overloaded".to_owned());
    // `what` is found in one mode and `usual` in the others, whichever mode it is.
    let odd_one_out = move |usual: Result<Finding, String>, what: Result<Finding, String>| {
        MODES.map(|odd| {
            let found = |mode| if mode == odd { what.clone() } else { usual.clone() };
            MODES.map(|mode| (mode, found(mode))).to_vec()
        })
    };
    let usual = refuses(Stage::Get, "http.error-status");
    let cases = [
        ("an outcome that differs", "the modes differ", odd_one_out(usual.clone(), boots())),
        (
            "an outcome that differs, with the same stage and cause",
            "the modes differ",
            odd_one_out(usual.clone(), gives_up("http.error-status")),
        ),
        (
            "a stage that differs",
            "the modes differ",
            odd_one_out(usual.clone(), refuses(Stage::Image, "http.error-status")),
        ),
        (
            "a cause that differs",
            "the modes differ",
            odd_one_out(usual.clone(), refuses(Stage::Get, "http.redirect-not-followed")),
        ),
        ("a mode without a finding", "says nothing about the firmware", odd_one_out(usual.clone(), error())),
    ];
    let mut trials = vec![Trial::test("comparison::lets equal findings through", move || {
        let equal: Findings = MODES.map(|mode| (mode, usual.clone())).to_vec();
        agree(&equal)?;
        let incomplete = equal[1..].to_vec();
        agree(&incomplete).map_or(Ok(()), |()| Err("a mode that was not run goes unnoticed".into()))
    })];
    trials.extend(cases.map(|(what, objection, sets)| {
        Trial::test(format!("comparison::notices {what}"), move || {
            for findings in sets {
                let Err(said) = agree(&findings) else {
                    return Err(format!("unnoticed:\n{}", table(&findings)).into());
                };
                if !said.contains(objection) {
                    return Err(format!("not what was expected: {said}").into());
                }
                let ledger = Ledger { findings: [("cell".to_owned(), findings)].into(), ..Ledger::default() };
                if !ledger.to_string().contains("1 cells in 4 modes: 0 equal, 1 not") {
                    return Err(format!("the table hides it:\n{ledger}").into());
                }
            }
            Ok(())
        })
    }));
    trials
}
