//! `plugfest run`: scenarios on firmware, and a report.

use crate::ci::Listener;
use crate::cli::{Accel, Ci, Clock, Colour, Given, RunArgs};
use crate::command::{
    choices, diff, explain, names_of, parse_selectors, refuse_no_match, refuse_scenarios, resume,
    selected_firmware,
};
use crate::exit::{Exit, Failure};
use crate::progress::Display;
use firmware::{AcquireError, Firmware, Store};
use judge::Waivers;
use record::{Baseline, ClockMode, Results};
use report::{Changes, Context};
use run::{Choices, Costs, Header, Journal, Options, Plan, QemuGuests, QemuOptions, Qemus};
use scenario::{Scenario, Selected};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Host time that one cell may take on the virtual clock, and on the real one.
const HOST_LIMIT_VIRTUAL: Duration = Duration::from_secs(300);
const HOST_LIMIT_REAL: Duration = Duration::from_secs(1800);

/// What is needed to run cells.
struct Prepared {
    plan: Plan,
    /// Ids of the firmware that was asked for and cannot be had.
    missing: Vec<String>,
    qemus: Qemus,
    waivers: Waivers,
    baseline: Option<Baseline>,
    clock: ClockMode,
    accel: machine::Accel,
}

impl Prepared {
    /// What the journal of a run with this plan begins with.
    fn header(&self, run: String, choices: Choices) -> Header {
        let (missing, qemu) = (self.missing.clone(), self.qemus.record());
        Header::new(run, choices, &self.plan, missing, self.waivers.sha256(), qemu)
    }
}

/// Runs what is selected, or what is missing of an earlier run.
pub fn run(args: RunArgs, given: &Given) -> Result<Exit, Failure> {
    match args.resume.clone() {
        None => begin(&args),
        Some(which) => complete(args, given, &which),
    }
}

fn begin(args: &RunArgs) -> Result<Exit, Failure> {
    begin_kept(args).map(|(_, _, exit)| exit)
}

/// A run from its beginning: its folder, its results, and the exit code that they call for.
pub fn begin_kept(args: &RunArgs) -> Result<(PathBuf, Results, Exit), Failure> {
    let prepared = prepare(args, |_| true)?;
    if prepared.plan.firmware.is_empty() {
        return Err(Failure::infrastructure("failed to get any of the firmware that is selected"));
    }
    let choices = choices::of(args)?;
    let (run_id, directory) = make_run_directory(&args.out)?;
    let header = prepared.header(run_id, choices);
    let journal = Journal::create(&directory, header).map_err(resume::refuse)?;
    let (results, exit) = execute(args, prepared, &directory, journal)?;
    Ok((directory, results, exit))
}

fn complete(args: RunArgs, given: &Given, which: &str) -> Result<Exit, Failure> {
    let found = resume::find(&args.out, which)?;
    let header = found.journal.header();
    choices::refuse_conflicts(&args, given, &header.choices)?;
    let name = found.directory.display().to_string();
    if let Some(results) = found.complete() {
        eprintln!("plugfest: {name} is complete, there is nothing to do");
        return Ok(conclude(&results, !header.missing_firmware.is_empty()));
    }
    let args = choices::restore(args, &header.choices)?;
    let mut prepared = prepare(&args, |id| header.firmware.iter().any(|record| record.id == id))
        .map_err(|failure| failure.instead_of(Exit::NothingSelected, Exit::BadInput))?;
    header.restrict(&mut prepared.plan);
    let differences = header.differences(&prepared.header(header.run.clone(), header.choices.clone()));
    if !differences.is_empty() {
        let differences = differences.join("\n  ");
        return Err(Failure::bad_input(format!(
            "failed to resume {name}: its results would not be of one thing:\n  {differences}\nrestore that, or begin a new run"
        )));
    }
    prepared.missing.clone_from(&header.missing_firmware);
    found.remove_leftovers();
    let (done, all) = (found.journal.lines().len(), header.cells.len());
    eprintln!("plugfest: resuming {name}, {done} of {all} cells have results");
    execute(&args, prepared, &found.directory, found.journal).map(|(_, exit)| exit)
}

/// Everything up to the plan; `wanted` says which firmware is needed at all.
fn prepare(args: &RunArgs, wanted_now: impl Fn(&str) -> bool) -> Result<Prepared, Failure> {
    // Everything that the user can get wrong is found before anything is fetched or started.
    let selectors = parse_selectors(&args.selection.select)?;
    let scenarios = scenario::open(&args.selection.scenarios, &selectors).map_err(refuse_scenarios)?;
    let waivers = Waivers::load(&args.waivers).map_err(Failure::bad_input)?;
    let (waivers, expired) = waivers.on(jiff::Zoned::now().date());
    for line in expired {
        eprintln!("plugfest: {line}");
    }
    if selectors.is_empty() {
        for unused in waivers.unused(points(&scenarios)) {
            eprintln!("plugfest: {unused}");
        }
    }
    let baseline = args.baseline.as_deref().map(|which| diff::baseline(which, &args.out)).transpose()?;
    let (clock, accel) = clock_and_accelerator(args)?;
    let wanted = selected_firmware(&args.selection)?;
    let names = names_of(&wanted)?;
    refuse_twins(&names)?;
    let selected = scenario::select(&scenarios, &names, &selectors).map_err(refuse_no_match)?;

    let needed = |index: usize| {
        wanted_now(&names[index]) && selected.iter().any(|selected| selected.firmware == index)
    };
    let mut obtained = obtain(&wanted, needed)?;
    let qemus = emulators(&mut obtained)?;
    let missing = |index: &usize| needed(*index) && obtained[*index].is_none();
    let missing = (0..names.len()).filter(missing).map(|index| names[index].clone()).collect();
    let (selected, firmware) = available(selected, obtained);
    let mut plan = run::plan(&selected, firmware, &run::controls());
    if !args.level.is_empty() {
        plan.keep_levels(&args.level);
        if plan.cells.is_empty() {
            return Err(Failure::nothing_selected("nothing that is selected has such a level"));
        }
    }
    if let Some(shard) = args.shard {
        plan.keep(shard);
    }
    let cache = firmware::cache().map_err(Failure::infrastructure)?;
    run::equip(&mut plan, &scenarios, &pki::Pki::open(&cache));
    let catalog = super::open_catalog(args.selection.catalog.as_deref())?;
    run::supply(&mut plan, &catalog, &firmware::Store::open(&cache), &mut |line| {
        eprintln!("plugfest: {line}")
    });
    Ok(Prepared { plan, missing, qemus, waivers, baseline, clock, accel })
}

/// The ids of all points.
pub fn points(scenarios: &[Scenario]) -> impl Iterator<Item = &str> + Clone {
    scenarios.iter().flat_map(|scenario| scenario.points()).map(|point| point.id.as_str())
}

/// Two columns with one name cannot be told apart.
fn refuse_twins(names: &[String]) -> Result<(), Failure> {
    let twin = names.iter().enumerate().find(|(index, name)| names[..*index].contains(name));
    match twin {
        Some((_, name)) => Err(Failure::bad_input(format!("firmware {name} is selected twice"))),
        None => Ok(()),
    }
}

/// Gets every build that is needed and can be had; says which cannot.
fn obtain(
    wanted: &[firmware::Selected],
    needed: impl Fn(usize) -> bool,
) -> Result<Vec<Option<Firmware>>, Failure> {
    let store = Store::of_user().map_err(Failure::infrastructure)?;
    let get = |(index, selected)| {
        if !needed(index) {
            return Ok(None);
        }
        match store.obtain(selected, &mut |line| eprintln!("plugfest: {line}")) {
            Ok(build) => Ok(Some(build)),
            // The user's own file is the user's mistake; a suite that cannot be reached is not.
            Err(error @ AcquireError::Image(_)) => Err(Failure::bad_input(error)),
            Err(error) => {
                eprintln!("plugfest: {error}; the other columns still run");
                Ok(None)
            }
        }
    };
    wanted.iter().enumerate().map(get).collect()
}

/// Looks up what runs the firmware. One for which there is nothing cannot be had; that is an error if there is no other.
fn emulators(obtained: &mut [Option<Firmware>]) -> Result<Qemus, Failure> {
    let mut qemus = Qemus::default();
    let mut failure = None;
    for build in obtained.iter_mut() {
        if let Some(Err(error)) = build.as_ref().map(|build| qemus.look_up(build).map(drop)) {
            *build = None;
            // Said once for each program.
            if failure.as_ref() != Some(&error.0) {
                eprintln!("plugfest: {error}; its columns do not run");
                failure = Some(error.0);
            }
        }
    }
    match failure {
        Some(error) if obtained.iter().all(Option::is_none) => Err(Failure::infrastructure(error)),
        _ => Ok(qemus),
    }
}

/// The part of a selection whose firmware is there, and that firmware.
fn available(
    selected: Vec<Selected<'_>>,
    obtained: Vec<Option<Firmware>>,
) -> (Vec<Selected<'_>>, Vec<Firmware>) {
    let mut builds = Vec::new();
    let mut column = Vec::new();
    for build in obtained {
        column.push(build.is_some().then_some(builds.len()));
        builds.extend(build);
    }
    let selected = selected
        .into_iter()
        .filter_map(|it| Some(Selected { firmware: column[it.firmware]?, ..it }))
        .collect();
    (selected, builds)
}

fn clock_and_accelerator(args: &RunArgs) -> Result<(ClockMode, machine::Accel), Failure> {
    let clock = match args.clock {
        Clock::Virtual => ClockMode::Virtual,
        Clock::Real => ClockMode::Real,
    };
    let accel = match args.accel {
        Accel::Auto => machine::Accel::Auto,
        Accel::Kvm if clock == ClockMode::Virtual => {
            return Err(Failure::bad_input("the virtual clock needs TCG; use --clock real with --accel kvm"));
        }
        Accel::Kvm => machine::Accel::Kvm,
        Accel::Tcg => machine::Accel::Tcg,
    };
    Ok((clock, accel))
}

fn execute(
    args: &RunArgs,
    prepared: Prepared,
    directory: &Path,
    journal: Journal,
) -> Result<(Results, Exit), Failure> {
    let Prepared { plan, missing, qemus, waivers, baseline, clock, accel } = prepared;
    let host_limit = match clock {
        ClockMode::Virtual => HOST_LIMIT_VIRTUAL,
        ClockMode::Real => HOST_LIMIT_REAL,
    };
    let out = directory.parent().unwrap_or(Path::new("."));
    let cache = firmware::cache().map_err(Failure::infrastructure)?;
    let options = Options {
        jobs: args.jobs.map_or_else(|| run::default_jobs(clock), usize::from),
        clock,
        seed: args.seed,
        host_limit,
        waivers,
        qemus: qemus.record(),
        repeat: args.repeat,
        fail_fast: args.fail_fast,
        costs: costs(out, clock),
        journal: Some(journal),
        ..Options::new(directory.to_owned())
    };
    let machines = QemuOptions { clock, accel, cold: args.cold, seed: args.seed, cache, recording: None };
    let guests = QemuGuests::new(qemus, machines, |note| eprintln!("plugfest: {note}"));
    let mut display = Display::new(args.repeat);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::infrastructure)?;
    let results = runtime
        .block_on(async {
            let interrupt = interrupted().map_err(|error| error.to_string())?;
            let show = move |progress: run::Progress<'_>| display.show(progress);
            run::run(plan, guests, options, show, interrupt).await.map_err(|error| error.to_string())
        })
        .map_err(Failure::infrastructure)?;
    let baseline = baseline.map(|baseline| comparable(baseline, args, &results));
    publish(directory, &results, baseline.as_ref(), args.ci, args.color)?;
    let exit = gate(conclude(&results, !missing.is_empty()), baseline.as_ref(), &results);
    Ok((results, exit))
}

/// What of a baseline the run is about: what was left out on purpose is not missed.
fn comparable(mut baseline: Baseline, args: &RunArgs, results: &Results) -> Baseline {
    let is_part = !args.selection.select.is_empty()
        || !args.level.is_empty()
        || args.shard.is_some()
        || results.run.interrupted;
    let columns: HashSet<&str> = results.firmware.iter().map(|build| build.id.as_str()).collect();
    let cells: HashSet<&str> = results.cells.iter().map(|cell| cell.id.as_str()).collect();
    baseline.firmware.retain(|id, _| columns.contains(id.as_str()));
    baseline.cells.retain(|id, _| {
        let in_column = id.rsplit_once('@').is_some_and(|(_, build)| columns.contains(build));
        in_column && (!is_part || cells.contains(id.as_str()))
    });
    baseline
}

/// Writes the reports, and shows what there is to be seen at once.
pub fn publish(
    directory: &Path,
    results: &Results,
    baseline: Option<&Baseline>,
    ci: Ci,
    colour: Colour,
) -> Result<(), Failure> {
    let context = Context { evidence: Some(directory), meaning: Some(&explain::meaning), baseline };
    let failed = |error| Failure::infrastructure(format!("failed to {error}"));
    report::write_all(directory, results, &context).map_err(failed)?;
    let out = directory.parent().unwrap_or(Path::new("."));
    report::latest(out, &results.run.id).map_err(failed)?;
    let terminal = crate::terminal::options(&std::io::stdout(), colour);
    let mut text = report::terminal::render(results, &terminal);
    if let Some(baseline) = baseline {
        text.push_str(&diff::since(baseline, results, &terminal));
    }
    let listener = Listener::of(ci);
    listener.print(&format!("{text}\nReport: {}\n", directory.join("index.html").display()));
    listener.tell(results, &context)
}

/// With a baseline, only what is worse than there is a deviation; whatever else is wrong stays so.
pub fn gate(exit: Exit, baseline: Option<&Baseline>, results: &Results) -> Exit {
    match (exit, baseline) {
        (Exit::Deviations, Some(baseline)) if !Changes::between(baseline, results).regressed() => {
            Exit::AsExpected
        }
        (exit, _) => exit,
    }
}

/// What cells took in the run before, if that can be compared.
fn costs(out: &Path, clock: ClockMode) -> Costs {
    let before = report::load(&out.join("latest/results.json")).ok();
    before
        .filter(|results| results.run.clock == clock)
        .map_or_else(Costs::default, |results| Costs::of(&results.cells))
}

/// Resolves at the first SIGINT, SIGTERM or SIGHUP.
fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    let mut signals =
        [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
    Ok(async move {
        let [interrupt, terminate, hangup] = &mut signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Makes `out/<run id>`, named by the time to the second; a second run in it gets a suffix.
pub fn make_run_directory(out: &Path) -> Result<(String, PathBuf), Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::infrastructure(format!("failed to make {}: {error}", path.display()))
    };
    fs::create_dir_all(out).map_err(|error| failed(out, error))?;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H%M%SZ").to_string();
    for suffix in 1.. {
        let id = if suffix == 1 { now.clone() } else { format!("{now}-{suffix}") };
        let directory = out.join(&id);
        match fs::create_dir(&directory) {
            Ok(()) => return Ok((id, directory)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&directory, error)),
        }
    }
    unreachable!("the suffixes do not end")
}

/// The exit code that the results call for; `incomplete` if some firmware could not be had.
pub fn conclude(results: &Results, incomplete: bool) -> Exit {
    let totals = results.totals();
    if results.run.interrupted {
        Exit::Interrupted
    } else if totals.error + results.flaky() > 0 {
        Exit::Infrastructure
    } else if totals.fail + totals.xpass > 0 {
        Exit::Deviations
    } else if incomplete {
        Exit::Infrastructure
    } else {
        Exit::AsExpected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::Verdict;

    /// The exit code of a run whose first cells have these verdicts, and the others `pass`.
    fn exit(verdicts: &[Verdict], change: impl FnOnce(&mut Results)) -> Exit {
        let mut results = report::sample::results();
        for (at, cell) in results.cells.iter_mut().enumerate() {
            cell.verdict = verdicts.get(at).copied().unwrap_or(Verdict::Pass);
        }
        change(&mut results);
        conclude(&results, false)
    }

    #[test]
    fn with_a_baseline_only_regressions_are_deviations() {
        let mut after = report::sample::results();
        let before = Baseline::of(&after);
        assert_eq!(gate(Exit::Deviations, None, &after), Exit::Deviations);
        assert_eq!(gate(Exit::Deviations, Some(&before), &after), Exit::AsExpected);
        assert_eq!(gate(Exit::Infrastructure, Some(&before), &after), Exit::Infrastructure);
        let passing = after.cells.iter_mut().find(|cell| cell.verdict == Verdict::Pass).unwrap();
        passing.verdict = Verdict::Fail;
        assert_eq!(gate(Exit::Deviations, Some(&before), &after), Exit::Deviations);
    }

    #[test]
    fn the_exit_code_says_the_worst() {
        use Verdict::{Error, Fail, Unsupported, Xfail, Xpass};
        let flaky = |results: &mut Results| results.cells[5].flaky = true;
        assert_eq!(exit(&[Xfail, Unsupported], |_| {}), Exit::AsExpected);
        assert_eq!(exit(&[Fail], |_| {}), Exit::Deviations);
        assert_eq!(exit(&[Xpass], |_| {}), Exit::Deviations);
        assert_eq!(exit(&[Fail, Error], |_| {}), Exit::Infrastructure);
        assert_eq!(exit(&[], flaky), Exit::Infrastructure, "a flaky verdict is a bug of ours");
        assert_eq!(exit(&[Fail], flaky), Exit::Infrastructure);
        let stopped = |results: &mut Results| results.run.stopped = Some("--fail-fast".into());
        assert_eq!(exit(&[Fail], stopped), Exit::Deviations, "as the results demand");
        assert_eq!(exit(&[Fail, Error], |results| results.run.interrupted = true), Exit::Interrupted);
        let mut all_pass = report::sample::results();
        all_pass.cells.iter_mut().for_each(|cell| cell.verdict = Verdict::Pass);
        assert_eq!(conclude(&all_pass, true), Exit::Infrastructure, "columns are missing");
    }
}
