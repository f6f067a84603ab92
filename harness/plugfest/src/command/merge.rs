//! `plugfest merge`: the shards of a run as one run, evidence included.

use crate::cli::MergeArgs;
use crate::command::diff::{baseline, results};
use crate::command::run::{conclude, make_run_directory, publish};
use crate::exit::{Exit, Failure};
use record::Results;
use std::fs;
use std::path::{Path, PathBuf};

/// Writes the joined run; its exit code is that of a run with these results.
pub fn merge(args: &MergeArgs) -> Result<Exit, Failure> {
    let runs: Vec<(PathBuf, Results)> =
        args.runs.iter().map(|run| results(run, &args.out)).collect::<Result<_, _>>()?;
    let (folders, runs): (Vec<PathBuf>, Vec<Results>) = runs.into_iter().unzip();
    let baseline = args.baseline.as_deref().map(|which| baseline(which, &args.out)).transpose()?;
    // Before anything is written.
    report::merge("", &runs).map_err(|differences| {
        Failure::bad_input(format!(
            "failed to merge, because the runs are not of one thing:\n  {differences}\nrun the parts again with the same plugfest, options and scenarios"
        ))
    })?;
    let (id, directory) = make_run_directory(&args.out)?;
    let merged = report::merge(&id, &runs).map_err(Failure::bad_input)?;
    for (cell, origin) in merged.results.cells.iter().zip(&merged.origins) {
        if let Some(evidence) = &cell.evidence {
            take(&folders[*origin], &directory, &evidence.directory)?;
        }
    }
    for number in &merged.missing {
        eprintln!("plugfest: shard {number} is missing; its cells stay empty");
    }
    let results = merged.results;
    publish(&directory, &results, baseline.as_ref(), args.ci, args.color)?;
    let exit = conclude(&results, results.cells.len() < results.run.planned);
    Ok(crate::command::run::gate(exit, baseline.as_ref(), &results))
}

/// Brings a cell's evidence into the joined run: by links where the file system can, else as copies.
fn take(from: &Path, to: &Path, directory: &str) -> Result<(), Failure> {
    let path = Path::new(directory);
    let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let source = from.join(path);
    if !plain || !source.is_dir() {
        eprintln!("plugfest: {} is gone, so the joined run is without it", source.display());
        return Ok(());
    }
    copy(&source, &to.join(path)).map_err(|error| {
        Failure::infrastructure(format!("failed to take over the evidence in {}: {error}", source.display()))
    })
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&source, &target)?;
        } else if kind.is_file() && fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}
