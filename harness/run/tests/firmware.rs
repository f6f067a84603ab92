//! Cells on real firmware as ordinary tests, one each: what is known to be true of OVMF comes out of the whole machinery.
//!
//! A test is called `BUILD::CELL`, so `cargo test -p run --test firmware -- ovmf-x64-sid::http` and nextest filter and
//! shard them. Builds come from the user's cache; `plugfest run` or `cargo xtask test` fills it. Where it is empty, one
//! ignored test says so; with `PLUGFEST_REQUIRE_FIRMWARE` set, it fails.

#![allow(clippy::unwrap_used)]

#[path = "support/tshark.rs"]
mod tshark;

use firmware::{Cached, Catalog, Firmware, Store};
use libtest_mimic::{Arguments, Failed, Trial};
use record::{CellResult, ClockMode, Entry, Outcome, Stage, Verdict};
use run::{Options, Plan, QemuGuests, QemuOptions};
use scenario::{Scenario, Selected};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tshark::{Sequences, objections};
use wire::Event;

fn main() {
    let arguments = Arguments::from_args();
    let builds = cached_builds();
    let trials = if builds.is_empty() { vec![nothing_to_test()] } else { trials(&builds) };
    libtest_mimic::run(&arguments, trials).exit();
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

fn trials(builds: &[Firmware]) -> Vec<Trial> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let scenarios = scenario::load_dir(&root).unwrap_or_else(|error| panic!("{error}"));
    let scenarios: Arc<[Scenario]> = scenarios.into();
    let mut trials = Vec::new();
    for build in builds {
        for truth in TRUTHS {
            let (build, scenarios) = (build.clone(), Arc::clone(&scenarios));
            let name = format!("{}::{}", build.id, truth.point);
            trials.push(Trial::test(name, move || check(truth, &build, &scenarios).map_err(Failed::from)));
        }
    }
    if let Some(build) = builds.first().cloned() {
        let name = format!("{}::an old QEMU boots it from power-on, and the user is told", build.id);
        trials.push(Trial::test(name, move || without_snapshots(&build).map_err(Failed::from)));
    }
    trials
}

/// What is known of a point on every build of OVMF from 2020.11 to 2026.08.
struct Truth {
    /// The point's id, as a report prints it.
    point: &'static str,
    outcome: &'static [Outcome],
    stage: Stage,
    cause: Option<&'static str>,
    /// What else the timeline has to say.
    more: fn(&[Entry]) -> Result<(), String>,
}

const BOOTS: Truth = Truth {
    point: "",
    outcome: &[Outcome::Boots],
    stage: Stage::Executed,
    cause: None,
    more: loaded_from_the_offered_url,
};
/// The type stands in the header of the answer to GET; EDK2 does not wait for the body.
const NO_HANDLER: Truth = Truth {
    point: "",
    outcome: &[Outcome::Refuses],
    stage: Stage::Get,
    cause: Some("http.media-type-unknown"),
    more: nothing,
};
const NOT_FOLLOWED: Truth = Truth {
    point: "",
    outcome: &[Outcome::Refuses, Outcome::GivesUp],
    stage: Stage::Get,
    cause: Some("http.redirect-not-followed"),
    more: one_target,
};

const TRUTHS: &[Truth] = &[
    Truth { point: "control/plain", ..BOOTS },
    // `.efi` boots whatever the Content-Type.
    Truth {
        point: "url/suffix[bootfile=http://{server4}/boot.efi,content_type=application/efi;%20charset=binary]",
        ..BOOTS
    },
    Truth { point: "url/suffix[bootfile=http://{server4}/boot.efi,content_type=text/html]", ..BOOTS },
    Truth { point: "url/suffix[bootfile=http://{server4}/boot.efi,content_type=absent]", ..BOOTS },
    // Without a suffix, only exactly `application/efi` does.
    Truth { point: "url/suffix[bootfile=http://{server4}/boot,content_type=application/efi]", ..BOOTS },
    Truth {
        point: "url/suffix[bootfile=http://{server4}/boot,content_type=application/efi;%20charset=binary]",
        ..NO_HANDLER
    },
    Truth {
        point: "url/suffix[bootfile=http://{server4}/boot,content_type=application/octet-stream]",
        ..NO_HANDLER
    },
    Truth { point: "url/suffix[bootfile=http://{server4}/boot,content_type=absent]", ..NO_HANDLER },
    // No redirect is followed.
    Truth { point: "http/redirect[status=301,location=http://{server4}/moved.efi]", ..NOT_FOLLOWED },
    Truth { point: "http/redirect[status=307,location=http://{server4}/moved.efi]", ..NOT_FOLLOWED },
    // No option 60 in the offer: no REQUEST at all.
    Truth {
        point: "dhcp4/no-vendor-class",
        outcome: &[Outcome::GivesUp],
        stage: Stage::Address,
        cause: Some("dhcp4.offer-not-http"),
        more: no_request,
    },
    Truth {
        point: "http/error-status[status=404]",
        outcome: &[Outcome::Refuses, Outcome::GivesUp],
        stage: Stage::Get,
        cause: Some("http.error-status"),
        more: nothing,
    },
    Truth { point: "dhcp4/bootfile-in-file-field", ..BOOTS },
];

fn nothing(_: &[Entry]) -> Result<(), String> {
    Ok(())
}

fn loaded_from_the_offered_url(timeline: &[Entry]) -> Result<(), String> {
    let offered = timeline.iter().find_map(|entry| match &entry.event {
        Event::Dhcp4Sent { bootfile, .. } => bootfile.as_deref(),
        _ => None,
    });
    let offered = offered.ok_or("nothing was offered")?;
    let loaded_from = timeline.iter().find_map(|entry| match &entry.event {
        Event::Proof { genuine: true, loaded_from, .. } => Some(loaded_from),
        _ => None,
    });
    let path = &loaded_from.ok_or("no genuine proof")?.device_path;
    if path.contains(&format!("Uri({offered})")) { Ok(()) } else { Err(format!("loaded from {path}")) }
}

fn no_request(timeline: &[Entry]) -> Result<(), String> {
    let sent = |wanted: record::Dhcp4Message| {
        let is_wanted = move |entry: &&Entry| matches!(&entry.event, Event::Dhcp4Received { message, .. } if *message == wanted);
        timeline.iter().filter(is_wanted).count()
    };
    match (sent(record::Dhcp4Message::Discover), sent(record::Dhcp4Message::Request)) {
        (1.., 0) => Ok(()),
        (discovers, requests) => Err(format!("{discovers} DISCOVER, {requests} REQUEST")),
    }
}

fn one_target(timeline: &[Entry]) -> Result<(), String> {
    let asked = timeline.iter().filter_map(|entry| match &entry.event {
        Event::HttpRequest { target, .. } => Some(target.as_str()),
        _ => None,
    });
    let others: Vec<&str> = asked.filter(|target| *target != "/boot.efi").collect();
    if others.is_empty() { Ok(()) } else { Err(format!("asked for {others:?}")) }
}

/// Runs the cell and compares.
fn check(truth: &Truth, build: &Firmware, scenarios: &[Scenario]) -> Result<(), String> {
    let points = scenarios.iter().flat_map(|s| s.points().iter().map(move |point| (s, point)));
    let (scenario, point) = points
        .into_iter()
        .find(|(_, point)| point.id == truth.point)
        .ok_or_else(|| format!("no scenario has the point {}", truth.point))?;
    let selected = [Selected { scenario, point, firmware: 0 }];
    let mut plan = run::plan(&selected, vec![build.clone()], &run::controls());
    // The control is a test of its own.
    plan.cells.retain(|cell| cell.scenario == scenario.id);
    let cache = firmware::cache().map_err(|error| error.to_string())?;
    run::equip(&mut plan, scenarios, &pki::Pki::open(&cache));
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let cell = execute(plan, directory.path(), qemu()?, |_| {})?;
    let console = |path: &str| std::fs::read_to_string(directory.path().join(path)).unwrap_or_default();
    let evidence = cell.evidence.as_ref().ok_or_else(|| cell.detail.clone())?;
    let account = || {
        let said = format!("{:?} at {:?}, cause {:?}", cell.outcome, cell.stage, cell.cause);
        format!("{said}: {}\nconsole:\n{}", cell.detail, console(&evidence.console))
    };
    let as_known = cell.outcome.is_some_and(|outcome| truth.outcome.contains(&outcome))
        && cell.stage == Some(truth.stage)
        && cell.cause.as_deref() == truth.cause;
    if cell.verdict == Verdict::Error || !as_known {
        return Err(account());
    }
    let timeline: Vec<Entry> = std::fs::read_to_string(directory.path().join(&evidence.timeline))
        .map_err(|error| error.to_string())?
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    (truth.more)(&timeline).map_err(|why| format!("{why}\n{}", account()))?;
    match objections(&directory.path().join(&evidence.capture), Sequences::Analysed) {
        Some(found) if !found.is_empty() => Err(format!("tshark objects:\n{}", found.join("\n"))),
        _ => Ok(()),
    }
}

/// A QEMU of a version that takes no snapshots is no reason not to run.
fn without_snapshots(build: &Firmware) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let notes = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&notes);
    let controls = run::controls();
    let control = &controls[0];
    let plain = control.points().first().ok_or("no control")?;
    let selected = [Selected { scenario: control, point: plain, firmware: 0 }];
    let plan = run::plan(&selected, vec![build.clone()], &controls);
    let qemu = machine::Qemu { version: "8.1.5".into(), ..qemu()? };
    let cell = execute(plan, directory.path(), qemu, move |note| heard.borrow_mut().push(note.to_owned()))?;
    let told = notes.borrow().iter().filter(|note| note.contains("8.1.5 takes no snapshots")).count();
    match cell.outcome {
        Some(Outcome::Boots) if told == 1 => Ok(()),
        _ => Err(format!("{:?}, {}; notes: {:?}", cell.outcome, cell.detail, notes.borrow())),
    }
}

fn qemu() -> Result<machine::Qemu, String> {
    machine::Qemu::probe("qemu-system-x86_64").map_err(|error| error.to_string())
}

/// Runs a plan of one cell as `plugfest run` does.
fn execute(
    plan: Plan,
    directory: &Path,
    qemu: machine::Qemu,
    notes: impl Fn(&str) + 'static,
) -> Result<CellResult, String> {
    const SEED: u64 = 1;
    let cache = firmware::cache().map_err(|error| error.to_string())?;
    let options = Options {
        jobs: 1,
        clock: ClockMode::Virtual,
        seed: SEED,
        host_limit: Duration::from_secs(300),
        waivers: judge::Waivers::default(),
        qemus: vec![qemu.record()],
        ..Options::new(directory.to_owned())
    };
    let machines = QemuOptions {
        clock: ClockMode::Virtual,
        accel: machine::Accel::Auto,
        cold: false,
        seed: SEED,
        cache,
        recording: None,
    };
    let qemus = run::Qemus::with("qemu-system-x86_64", qemu);
    let guests = QemuGuests::new(qemus, machines, notes);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let results = runtime
        .map_err(|error| error.to_string())?
        .block_on(run::run(plan, guests, options, |_| {}, std::future::pending()))
        .map_err(|error| error.to_string())?;
    results.cells.into_iter().next().ok_or_else(|| "no result".into())
}
