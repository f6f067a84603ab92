//! `plugfest diff`: what changed between two runs.

use crate::cli::DiffArgs;
use crate::exit::{Exit, Failure};
use crate::terminal;
use record::Results;
use report::terminal::{TerminalOptions, render_changes};
use report::{Change, Changes, Format, Json};
use std::path::{Path, PathBuf};

/// Prints the changes; those for the worse make the exit code.
pub fn diff(args: &DiffArgs) -> Result<Exit, Failure> {
    let (_, before) = results(&args.before, &args.out)?;
    let (_, after) = results(&args.after, &args.out)?;
    print!("{}", render_changes(&before, &after, &terminal::options(&std::io::stdout(), args.color)));
    Ok(if regressed(&before, &after) { Exit::Deviations } else { Exit::AsExpected })
}

/// Whether anything is worse in `after`.
pub fn regressed(before: &Results, after: &Results) -> bool {
    Changes::between(before, after).of(Change::Regression).next().is_some()
}

/// What `plugfest diff` prints, below the report of a run.
pub fn since(baseline: &Results, results: &Results, options: &TerminalOptions) -> String {
    format!("\nSince the baseline:\n{}", render_changes(baseline, results, options))
}

/// The run that `which` means, and the folder of its results: a `results.json`, a run's folder, or a name in `out`.
pub fn results(which: &str, out: &Path) -> Result<(PathBuf, Results), Failure> {
    let (given, name) = (PathBuf::from(which), Json.file_name());
    let places = [given.clone(), given.join(name), out.join(which).join(name)];
    let Some(path) = places.iter().find(|path| path.is_file()) else {
        return Err(Failure::bad_input(format!(
            "failed to find the results of run {which}: there is no file {which}, and no {name} in {which} or {}; give a run's folder",
            out.join(which).display()
        )));
    };
    let results = report::load(path).map_err(|error| Failure::bad_input(format!("failed to {error}")))?;
    Ok((path.parent().unwrap_or(Path::new(".")).to_owned(), results))
}
