//! `plugfest-bench`, which `cargo xtask bench` starts.

use bench::compare::{Compared, Comparison};
use bench::figures::{Figures, Host};
use bench::{start, table, throughput, usage};
use clap::Parser;
use firmware::{Catalog, Firmware, Store};
use machine::{DEFAULT_RTC_BASE, Instruction, MachineConfig, Qemu, Snapshots};
use record::{Accelerator, ClockMode};
use run::Cell;
use scenario::Selector;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Varied boots, and two cells in which the firmware waits 60 s for an offer that it can use.
const CELLS: &[&str] = &[
    "control/plain",
    "dhcp4/bootfile-in-file-field",
    "http/connection-close[connection=close]",
    "http/port[port=8080]",
    "url/long",
    "url/suffix[bootfile=http://{server4}/boot.efi,content_type=text/html]",
    "dhcp4/no-server",
    "dhcp4/no-vendor-class",
];
const SEED: u64 = 1;

/// Measures the engine: the same cells warm on the virtual clock and cold on the real one, in turns.
///
/// Nothing else should run on the machine meanwhile; the ratios stand more of it than the figures do.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Arguments {
    /// Cells to run, selected as for `plugfest run`; may be repeated [default: 6 that boot, 2 that wait for 60 s]
    #[arg(long, value_name = "SELECT")]
    cells: Vec<String>,

    /// The build to run them on: an id from `plugfest list firmware`, or CODE.fd:VARS.fd
    #[arg(long, short, value_name = "ID|PATH", default_value = "ovmf-x64-sid")]
    firmware: String,

    /// How often each batch is run, warm and cold in turns; 0 leaves the cells out
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u16,

    /// Cells at the same time [default: as `plugfest run` has it: warm two for each processor, cold one]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,

    /// Size of the payload whose transfer is timed; 0 leaves that out
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(..=1024))]
    payload: u32,

    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match bench(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(3)
        }
    }
}

fn bench(arguments: &Arguments) -> Result<(), String> {
    let load_before = usage::load();
    let firmware = obtain(&arguments.firmware)?;
    let mut qemus = run::Qemus::default();
    let qemu = qemus.look_up(&firmware).map_err(words)?.clone();
    let cells = cells(&arguments.cells, &firmware)?;
    let cache = firmware::cache().map_err(words)?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let comparison = Comparison {
        cells,
        firmware: firmware.clone(),
        qemus,
        cache: cache.clone(),
        jobs: arguments.jobs.map(usize::from),
        rounds: arguments.rounds.into(),
        seed: SEED,
    };
    let config = config(&qemu, &firmware)?;
    let say = |line: &str| eprintln!("bench: {line}");

    // One thread, as in `plugfest run`: QEMU dies with the thread that started it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(words)?;
    let (compared, throughput) = runtime.block_on(async {
        let compared = match comparison.rounds {
            0 => None,
            _ => {
                let compared = comparison.run(say).await.map_err(words)?;
                say("QEMU's start and the restore, each alone");
                let snapshot = Snapshots::open(&cache).get(&config, &qemu.sha256).await.map_err(words)?;
                Some((compared, start::measure(&config, &snapshot).await.map_err(words)?))
            }
        };
        let throughput = match arguments.payload {
            0 => Vec::new(),
            mib => {
                throughput::measure(&config, firmware.architecture.as_str(), mib, say).await.map_err(words)?
            }
        };
        Ok::<_, String>((compared, throughput))
    })?;

    let (compared, starts) = compared.unzip();
    let (kinds, phases, memory) = match compared {
        Some(Compared { kinds, phases, memory }) => (kinds, phases, Some(memory)),
        None => (Vec::new(), Vec::new(), None),
    };
    let figures = Figures {
        host: Host {
            processor: processor(),
            processors,
            qemu: qemu.version.clone(),
            load_before,
            load_after: usage::load(),
        },
        firmware: format!("{} {}", firmware.id, firmware.version),
        rounds: comparison.rounds,
        kinds,
        phases,
        starts,
        memory,
        throughput,
    };
    print!("{}", table::render(&figures));
    if let Some(path) = &arguments.json {
        let json = serde_json::to_vec_pretty(&figures).map_err(words)?;
        fs::write(path, json).map_err(|error| format!("failed to write {}: {error}", path.display()))?;
    }
    Ok(())
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn obtain(word: &str) -> Result<Firmware, String> {
    let selected = Catalog::builtin().select(word).map_err(words)?;
    let store = Store::of_user().map_err(words)?;
    store.obtain(&selected, &mut |line| eprintln!("bench: {line}")).map_err(words)
}

fn cells(wanted: &[String], firmware: &Firmware) -> Result<Vec<Cell>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let wanted: Vec<&str> = match wanted {
        [] => CELLS.to_vec(),
        some => some.iter().map(String::as_str).collect(),
    };
    let selectors: Vec<Selector> =
        wanted.iter().map(|word| word.parse().map_err(words)).collect::<Result<_, _>>()?;
    let scenarios = scenario::open(&root, &selectors).map_err(words)?;
    let names = [firmware.id.clone()];
    let selected = scenario::select(&scenarios, &names, &selectors).map_err(words)?;
    let plan = run::plan(&selected, vec![firmware.clone()], &run::controls());
    // The control comes first in a plan whether it was selected or not; here it is a cell like any other.
    let is_selected = |cell: &Cell| selected.iter().any(|selected| selected.scenario.id == cell.scenario);
    Ok(plan.cells.into_iter().filter(is_selected).collect())
}

/// The machine that the engine gives a cell.
fn config(qemu: &Qemu, firmware: &Firmware) -> Result<MachineConfig, String> {
    let spec = firmware.family.machine(firmware.architecture);
    Ok(MachineConfig {
        qemu: qemu.path.clone(),
        spec: spec.ok_or_else(|| format!("{} has no machine", firmware.id))?,
        code: firmware.code.path.clone(),
        kernel: None,
        vars: firmware.vars.as_ref().map(|vars| vars.path.clone()),
        fw_cfg_files: Vec::new(),
        mac: services::address::GUEST_MAC,
        clock: ClockMode::Virtual,
        accelerator: Accelerator::Tcg,
        rtc_base: DEFAULT_RTC_BASE,
        seed: SEED,
        instruction: Instruction::Short,
        tape: None,
    })
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("unknown processor".into(), |(_, name)| name.trim().to_owned())
}
