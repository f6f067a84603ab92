//! `plugfest bundle`: everything about a cell in one file.

use crate::cli::BundleArgs;
use crate::command::diff::results;
use crate::command::explain;
use crate::exit::{Exit, Failure};
use crate::rerun::{Rerun, differences, find_firmware, images};
use bundle::{Builder, BundleError, FwCfg, Manifest, Recording, Redactor};
use record::{CellResult, FirmwareRecord, Results};
use std::path::{Path, PathBuf};

/// Name of a bundle beside its cell's evidence.
const BESIDE: &str = "bundle.zip";
/// Bytes of one file of evidence that goes into a bundle.
const LARGEST: u64 = 200 << 20;

/// Writes the bundle and says where it is.
pub fn pack(args: &BundleArgs) -> Result<Exit, Failure> {
    let (folder, results) = results(&args.run, &args.out)?;
    let cell = explain::find(&results, &args.cell)?;
    let firmware = results.firmware.iter().find(|build| build.id == cell.firmware).ok_or_else(|| {
        Failure::bad_input(format!("failed to bundle {}: the run says nothing of its firmware", cell.id))
    })?;
    let Some(evidence) = &cell.evidence else {
        return Err(Failure::bad_input(format!(
            "failed to bundle {}: it has no evidence, because it did not run: {}",
            cell.id, cell.detail
        )));
    };
    let redactor = redactor(&folder)?;
    let mut builder = Builder::default();
    let story = explain::story(&results, cell, &folder)?;
    let path = args.output.clone().unwrap_or_else(|| folder.join(&evidence.directory).join(BESIDE));
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let report = report::bug_report(&results.run, firmware, cell, &story, &name);
    builder.add(bundle::REPORT, redactor.text(&report));
    builder.add(bundle::EXPLANATION, redactor.text(&explain::text(cell, &story)));
    let scenario = read(&folder, &evidence.cell)?;
    // As it is: it says what is run, and a name of this host in it would be the scenario's own word.
    builder.add(bundle::SCENARIO, scenario.clone());
    builder.add(bundle::CAPTURE, read(&folder, &evidence.capture)?);
    for (name, path) in [(bundle::CONSOLE, &evidence.console), (bundle::TIMELINE, &evidence.timeline)] {
        builder.add(name, redactor.text(&String::from_utf8_lossy(&read(&folder, path)?)));
    }
    if let Some(keys) = &evidence.keys {
        builder.add(bundle::KEYS, read(&folder, keys)?);
    }
    if let Some(command) = &evidence.command {
        builder.add(bundle::COMMAND, redactor.command(&String::from_utf8_lossy(&read(&folder, command)?)));
    }

    let mut recording = None;
    if args.with_firmware || args.record {
        let found = find_firmware(firmware, args.firmware.as_deref(), args.catalog.as_deref(), &[])?;
        if args.with_firmware {
            for (name, image) in images(&scenario, &found)? {
                builder.add(name, file(&image.path)?);
            }
        }
        if args.record {
            let rerun = Rerun::new(&scenario, &cell.id, found, &results.run)?;
            recording = Some(record(rerun, cell, &mut builder)?);
        }
    }
    let manifest = manifest(&results, firmware, cell, recording, &redactor)?;
    builder.write(&manifest, &path).map_err(refuse)?;
    println!("{}", path.display());
    Ok(Exit::AsExpected)
}

/// Runs the cell once more and records it.
fn record(rerun: Rerun, cell: &CellResult, builder: &mut Builder) -> Result<Recording, Failure> {
    eprintln!("plugfest: running {} once more, from power-on, to record it", cell.id);
    let scratch = tempfile::tempdir().map_err(Failure::infrastructure)?;
    let [tape, evidence] = ["tape", "evidence"].map(|name| scratch.path().join(name));
    for folder in [&tape, &evidence] {
        std::fs::create_dir(folder).map_err(Failure::infrastructure)?;
    }
    let items = rerun.items();
    let recording = Recording {
        qemu: rerun.qemu(),
        machine: machine::tape::identity(&rerun.machine()?),
        fw_cfg: items.iter().map(|(name, _)| FwCfg { name: name.clone() }).collect(),
    };
    let again = rerun.run(&evidence, Some(&tape))?;
    // The order of events may differ from power-on; what came of it may not.
    let found: Vec<String> =
        differences(cell, &again).into_iter().filter(|line| !line.starts_with("transcript")).collect();
    if !found.is_empty() {
        return Err(Failure::infrastructure(format!(
            "failed to record {}: the recorded run is not like the cell's: {}; is the cell reliable? plugfest run --repeat tells",
            cell.id,
            found.join("; ")
        )));
    }
    for (name, recorded) in [
        (bundle::RECORDED_EVENTS, machine::tape::EVENTS),
        (bundle::RECORDED_FRAMES, machine::tape::FRAMES),
        (bundle::RECORDED_CONSOLE, machine::tape::CONSOLE),
    ] {
        builder.add(name, file(&tape.join(recorded))?);
    }
    for (number, (_, content)) in items.into_iter().enumerate() {
        builder.add(&bundle::recorded_item(number), content);
    }
    Ok(recording)
}

/// What the bundle is of, without what says where it was made.
fn manifest(
    results: &Results,
    firmware: &FirmwareRecord,
    cell: &CellResult,
    recording: Option<Recording>,
    redactor: &Redactor,
) -> Result<Manifest, Failure> {
    let mut run = results.run.clone();
    run.shard = None;
    let manifest = Manifest {
        schema: bundle::BUNDLE_ID.into(),
        plugfest: env!("CARGO_PKG_VERSION").into(),
        run,
        firmware: redacted(firmware, redactor),
        cell: CellResult { detail: redactor.text(&cell.detail), ..cell.clone() },
        recording,
    };
    Ok(manifest)
}

/// A build without the folders that it came from.
fn redacted(firmware: &FirmwareRecord, redactor: &Redactor) -> FirmwareRecord {
    let base = firmware.base.as_ref().map(|base| Box::new(redacted(base, redactor)));
    FirmwareRecord { source: redactor.command(&firmware.source), base, ..firmware.clone() }
}

/// What there is to be taken out: this host's folders, its name, its user's.
fn redactor(folder: &Path) -> Result<Redactor, Failure> {
    let cache = firmware::cache().map_err(Failure::infrastructure)?;
    let text = |path: PathBuf| path.canonicalize().unwrap_or(path).display().to_string();
    let mut redactor = Redactor::default()
        .path(&text(cache), "CACHE")
        .path(&text(folder.to_owned()), "RUN")
        .path(&text(std::env::current_dir().unwrap_or_default()), ".");
    for (variable, word) in [("HOME", "~"), ("TMPDIR", "TMP")] {
        redactor = redactor.path(&std::env::var(variable).unwrap_or_default(), word);
    }
    for variable in ["USER", "LOGNAME", "SUDO_USER"] {
        redactor = redactor.name(&std::env::var(variable).unwrap_or_default(), "USER");
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Ok(redactor.name(&host, "HOST"))
}

/// A file of the run, which may be somebody else's: inside its folder, and not endless.
fn read(folder: &Path, path: &str) -> Result<Vec<u8>, Failure> {
    match report::inside(folder, path) {
        Some(path) => file(&path),
        None => {
            Err(Failure::bad_input(format!("failed to read {}: it is gone", folder.join(path).display())))
        }
    }
}

fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |why: String| Failure::bad_input(format!("failed to read {}: {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > LARGEST {
        return Err(failed(format!("{size} bytes are more than a bundle takes, {LARGEST}")));
    }
    std::fs::read(path).map_err(|error| failed(error.to_string()))
}

/// A bundle that cannot be used is its sender's mistake, one that cannot be written is ours.
pub fn refuse(error: BundleError) -> Failure {
    Failure::bad_input(format!("failed to {error}"))
}
