//! `plugfest diff`: what changed between two runs, or since a baseline.

use crate::cli::DiffArgs;
use crate::exit::{Exit, Failure};
use crate::terminal;
use record::{Baseline, Results};
use report::terminal::{TerminalOptions, render_changes};
use report::{Changes, Format, Json};
use std::path::{Path, PathBuf};

/// Prints the changes; those for the worse make the exit code.
pub fn diff(args: &DiffArgs) -> Result<Exit, Failure> {
    let before = baseline(&args.before, &args.out)?;
    let (_, after) = results(&args.after, &args.out)?;
    print!("{}", render_changes(&before, &after, &terminal::options(&std::io::stdout(), args.color)));
    let regressed = Changes::between(&before, &after).regressed();
    Ok(if regressed { Exit::Deviations } else { Exit::AsExpected })
}

/// What `plugfest diff` prints, below the report of a run.
pub fn since(baseline: &Baseline, results: &Results, options: &TerminalOptions) -> String {
    format!("\nSince the baseline:\n{}", render_changes(baseline, results, options))
}

/// The run that `which` means, and the folder of its results: a `results.json`, a run's folder, or a name in `out`.
pub fn results(which: &str, out: &Path) -> Result<(PathBuf, Results), Failure> {
    let path = find(which, out)?;
    let results = report::load(&path).map_err(|error| Failure::bad_input(format!("failed to {error}")))?;
    Ok((path.parent().unwrap_or(Path::new(".")).to_owned(), results))
}

/// The baseline that `which` means: a file of one, or a run as for [`results`].
pub fn baseline(which: &str, out: &Path) -> Result<Baseline, Failure> {
    report::load_baseline(&find(which, out)?)
        .map_err(|error| Failure::bad_input(format!("failed to {error}")))
}

fn find(which: &str, out: &Path) -> Result<PathBuf, Failure> {
    let (given, name) = (PathBuf::from(which), Json.file_name());
    let mut places = [given.clone(), given.join(name), out.join(which).join(name)].into_iter();
    places.find(|path| path.is_file()).ok_or_else(|| {
        Failure::bad_input(format!(
            "failed to find the results of run {which}: there is no file {which}, and no {name} in {which} or {}; give a run's folder",
            out.join(which).display()
        ))
    })
}
