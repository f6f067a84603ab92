//! `plugfest replay`: a bundle's cell again, on this machine.

use crate::cli::ReplayArgs;
use crate::command::bundle::refuse;
use crate::exit::{Exit, Failure};
use crate::rerun::{Rerun, differences, find_firmware, runtime};
use bundle::{Bundle, Recording};
use firmware::Image;
use machine::{MachineConfig, Tape, tape};
use record::CellResult;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Host time for the replay of a recording.
const LIMIT: Duration = Duration::from_secs(600);
/// Host time for a debugger's user.
const DEBUG_LIMIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Runs or replays the cell; exit code 1 if it is not the same.
pub fn replay(args: &ReplayArgs) -> Result<Exit, Failure> {
    let bundle = bundle::read(&args.bundle).map_err(refuse)?;
    let place = Place::new(args.keep.as_deref())?;
    let firmware = {
        let images = images(&bundle, &place)?;
        find_firmware(&bundle.manifest.firmware, args.firmware.as_deref(), args.catalog.as_deref(), &images)?
    };
    let cell = &bundle.manifest.cell;
    println!("{}", report::visible(&cell.id));
    let scenario = bundle.need(bundle::SCENARIO).map_err(refuse)?;
    let rerun = Rerun::new(scenario, &cell.id, firmware, &bundle.manifest.run)?;
    if args.exact {
        return exact(rerun, &bundle, &place, args.gdb);
    }
    let again = rerun.run(&place.make("replay")?, None)?;
    let found = differences(cell, &again);
    println!("  recorded   {}", said(cell));
    println!("  replayed   {}", said(&again));
    for line in &found {
        println!("  different  {}", report::visible(line));
    }
    if found.is_empty() {
        println!("  same       outcome, stage, cause and transcript");
        return Ok(Exit::AsExpected);
    }
    other_circumstances(&bundle, &again);
    Ok(Exit::Deviations)
}

/// What may explain that a replay is not the same.
fn other_circumstances(bundle: &Bundle, again: &CellResult) {
    println!("  because    {}", report::visible(&again.detail));
    let manifest = &bundle.manifest;
    if manifest.plugfest != env!("CARGO_PKG_VERSION") {
        println!(
            "  note       plugfest was {}, and is {}",
            report::visible(&manifest.plugfest),
            env!("CARGO_PKG_VERSION")
        );
    }
}

/// Without the verdict: a replay knows no waivers.
fn said(cell: &CellResult) -> String {
    let said = report::said(&record::Ended::of(cell));
    said.split_once(", ").map_or(said.clone(), |(_, happened)| happened.to_owned())
}

/// Replays the recording, and compares what it leaves byte for byte.
fn exact(mut rerun: Rerun, bundle: &Bundle, place: &Place, gdb: Option<u16>) -> Result<Exit, Failure> {
    let recording = bundle.manifest.recording.as_ref().ok_or_else(|| {
        Failure::bad_input(
            "failed to replay exactly: the bundle has no recording; `plugfest bundle --record` makes one",
        )
    })?;
    let items = recording.fw_cfg.iter().enumerate().map(|(number, item)| {
        let content = bundle.need(&bundle::recorded_item(number)).map_err(refuse)?;
        Ok((item.name.clone(), content.to_vec()))
    });
    rerun.set_items(items.collect::<Result<_, Failure>>()?);
    let config = rerun.machine()?;
    refuse_other_machine(recording, &rerun, &config)?;
    let folder = place.make("exact")?;
    let events = folder.join(tape::EVENTS);
    write(&events, bundle.need(bundle::RECORDED_EVENTS).map_err(refuse)?)?;
    let recorded = [
        ("frames", tape::FRAMES, bundle.need(bundle::RECORDED_FRAMES).map_err(refuse)?),
        ("console", tape::CONSOLE, bundle.need(bundle::RECORDED_CONSOLE).map_err(refuse)?),
    ];
    let debugger = gdb.map(|port| format!("tcp:127.0.0.1:{port}"));
    if let Some(port) = gdb {
        println!("  debugger   gdb -ex 'target remote 127.0.0.1:{port}'; continue, stepi, reverse-stepi");
    }
    let limit = if gdb.is_some() { DEBUG_LIMIT } else { LIMIT };
    let config =
        MachineConfig { tape: Some(Tape::Replay { events, into: folder.clone(), gdb: debugger }), ..config };
    let ended = runtime()?.block_on(machine::tape::replay(&config, limit));
    let mut same = true;
    if let Err(error) = ended {
        same = false;
        println!("  different  {error}");
    }
    for (what, name, recorded) in recorded {
        let replayed = std::fs::read(folder.join(name)).unwrap_or_default();
        match first_difference(recorded, &replayed) {
            None => println!("  same       {what}: {} bytes", recorded.len()),
            Some(at) => {
                same = false;
                println!(
                    "  different  {what}: from byte {at} on; {} bytes were recorded, {} replayed",
                    recorded.len(),
                    replayed.len()
                );
            }
        }
    }
    Ok(if same { Exit::AsExpected } else { Exit::Deviations })
}

/// A recording is of one QEMU and one machine; any other would go astray somewhere and not say so.
fn refuse_other_machine(recording: &Recording, rerun: &Rerun, config: &MachineConfig) -> Result<(), Failure> {
    let (was, is) = (&recording.qemu, rerun.qemu());
    if was.sha256 != is.sha256 {
        return Err(Failure::bad_input(format!(
            "failed to replay exactly: the recording is of QEMU {} (SHA-256 {}), and this is QEMU {} (SHA-256 {}); install that one, \
             or leave out --exact",
            report::visible(&was.version),
            report::visible(&was.sha256),
            is.version,
            is.sha256
        )));
    }
    if recording.machine != tape::identity(config) {
        return Err(Failure::bad_input(
            "failed to replay exactly: this plugfest builds another machine than the one that recorded; use that one, or leave out --exact",
        ));
    }
    Ok(())
}

fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let common = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    (common < one.len().max(other.len())).then_some(common)
}

/// The bundle's own firmware, as files.
fn images(bundle: &Bundle, place: &Place) -> Result<Vec<Image>, Failure> {
    let within = bundle::IMAGES.into_iter().filter_map(|name| Some((name, bundle.file(name)?)));
    let mut images = Vec::new();
    for (name, content) in within {
        let file = name.rsplit('/').next().unwrap_or(name);
        if images.is_empty() {
            place.make("firmware")?;
        }
        let path = place.folder.join("firmware").join(file);
        write(&path, content)?;
        images.push(Image::of(&path).map_err(Failure::infrastructure)?);
    }
    Ok(images)
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    std::fs::write(path, content)
        .map_err(|error| Failure::infrastructure(format!("failed to write {}: {error}", path.display())))
}

/// Where a replay leaves its files: for good, or until it ends.
struct Place {
    folder: PathBuf,
    _scratch: Option<tempfile::TempDir>,
}

impl Place {
    fn new(keep: Option<&Path>) -> Result<Self, Failure> {
        let failed = |path: &Path, error: std::io::Error| {
            Failure::bad_input(format!("failed to make {}: {error}", path.display()))
        };
        match keep {
            Some(folder) => {
                std::fs::create_dir(folder).map_err(|error| failed(folder, error))?;
                let folder = std::path::absolute(folder).map_err(|error| failed(folder, error))?;
                Ok(Self { folder, _scratch: None })
            }
            None => {
                let scratch = tempfile::tempdir().map_err(Failure::infrastructure)?;
                Ok(Self { folder: scratch.path().to_owned(), _scratch: Some(scratch) })
            }
        }
    }

    /// A new folder in it.
    fn make(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder).map_err(Failure::infrastructure)?;
        Ok(folder)
    }
}
