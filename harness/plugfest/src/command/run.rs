//! `plugfest run`: scenarios on firmware, and a report.

use crate::cli::{Accel, Clock, RunArgs};
use crate::command::{parse_selectors, refuse_no_match, refuse_scenarios, selected_firmware};
use crate::exit::{Exit, Failure};
use crate::progress::Display;
use firmware::{Firmware, Store};
use judge::Waivers;
use machine::Qemu;
use record::{ClockMode, Results};
use run::{Options, Plan, QemuGuests, QemuOptions};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Host time that one cell may take on the virtual clock, and on the real one.
const HOST_LIMIT_VIRTUAL: Duration = Duration::from_secs(300);
const HOST_LIMIT_REAL: Duration = Duration::from_secs(1800);

/// Runs what is selected.
pub fn run(args: RunArgs) -> Result<Exit, Failure> {
    // Everything that the user can get wrong is found before anything is fetched or started.
    let selectors = parse_selectors(&args.selection.select)?;
    let scenarios = scenario::open(&args.selection.scenarios, &selectors).map_err(refuse_scenarios)?;
    let waivers = Waivers::load(&args.waivers).map_err(Failure::bad_input)?;
    let wanted = selected_firmware(&args.selection)?;
    let program = host::QEMU_PROGRAM;
    let qemu = Qemu::probe(program).map_err(Failure::infrastructure)?;

    let (firmware, unavailable) = obtain(&wanted)?;
    let names: Vec<String> = firmware.iter().map(|build| build.id.clone()).collect();
    let selected = scenario::select(&scenarios, &names, &selectors).map_err(refuse_no_match)?;
    let plan = run::plan(&selected, firmware, &run::control());
    let results = execute(&args, plan, qemu, waivers)?;
    let exit = conclude(&results);
    Ok(if unavailable && exit == Exit::AsExpected { Exit::Infrastructure } else { exit })
}

/// Gets every build that can be had; says which cannot.
fn obtain(wanted: &[firmware::Selected]) -> Result<(Vec<Firmware>, bool), Failure> {
    let store = Store::of_user().map_err(Failure::infrastructure)?;
    let mut builds: Vec<Firmware> = Vec::new();
    let mut unavailable = false;
    for selected in wanted {
        match store.obtain(selected, &mut |line| eprintln!("plugfest: {line}")) {
            Ok(build) if builds.iter().any(|other| other.id == build.id) => {
                return Err(Failure::bad_input(format!("firmware {} is selected twice", build.id)));
            }
            Ok(build) => builds.push(build),
            // The user's own file is the user's mistake; a suite that cannot be reached is not.
            Err(error @ firmware::AcquireError::Image(_)) => return Err(Failure::bad_input(error)),
            Err(error) => {
                unavailable = true;
                eprintln!("plugfest: {error}; the other columns still run");
            }
        }
    }
    if builds.is_empty() {
        return Err(Failure::infrastructure("failed to get any firmware"));
    }
    Ok((builds, unavailable))
}

fn execute(args: &RunArgs, plan: Plan, qemu: Qemu, waivers: Waivers) -> Result<Results, Failure> {
    let (clock, host_limit) = match args.clock {
        Clock::Virtual => (ClockMode::Virtual, HOST_LIMIT_VIRTUAL),
        Clock::Real => (ClockMode::Real, HOST_LIMIT_REAL),
    };
    let accel = match args.accel {
        Accel::Auto => machine::Accel::Auto,
        Accel::Kvm if clock == ClockMode::Virtual => {
            return Err(Failure::bad_input("the virtual clock needs TCG; use --clock real with --accel kvm"));
        }
        Accel::Kvm => machine::Accel::Kvm,
        Accel::Tcg => machine::Accel::Tcg,
    };
    let (run_id, directory) = make_run_directory(&args.out)?;
    let cache = firmware::cache().map_err(Failure::infrastructure)?;
    let options = Options {
        directory: directory.clone(),
        jobs: args.jobs.map_or_else(processors, usize::from),
        clock,
        seed: args.seed,
        host_limit,
        waivers,
        qemu: Some(qemu.record()),
    };
    let machines = QemuOptions { clock, accel, cold: args.cold, seed: args.seed, cache };
    let guests = QemuGuests::new(qemu, machines, |note| eprintln!("plugfest: {note}"));
    let mut display = Display::new();
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
    report::write_all(&directory, &results).map_err(Failure::infrastructure)?;
    report::latest(&args.out, &run_id).map_err(Failure::infrastructure)?;
    let terminal = crate::terminal::options(&std::io::stdout(), args.color);
    print!("{}", report::terminal::render(&results, &terminal));
    println!("\nReport: {}", directory.join("index.html").display());
    Ok(results)
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
fn make_run_directory(out: &Path) -> Result<(String, PathBuf), Failure> {
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

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The exit code that the results call for.
fn conclude(results: &Results) -> Exit {
    let totals = results.totals();
    if results.run.interrupted {
        Exit::Interrupted
    } else if totals.error > 0 {
        Exit::Infrastructure
    } else if totals.fail + totals.xpass > 0 {
        Exit::Deviations
    } else {
        Exit::AsExpected
    }
}
