//! `plugfest baseline`: how a run ended, in a file that is committed, and its review change by change.

use crate::cli::{BaselineArgs, BaselineCommand, BaselineReviewArgs, BaselineSaveArgs};
use crate::command::diff::{baseline as load, results};
use crate::exit::{Exit, Failure};
use crate::terminal;
use globset::{Glob, GlobSet, GlobSetBuilder};
use record::{Baseline, Ended, Results};
use report::terminal::render_change;
use report::{BaselineFile, Change, Changes};
use std::io::{BufRead, Write};
use std::path::Path;

/// What a change is asked about.
const QUESTION: &str = "accept? [y]es, [n]o, [a]ll that are left, [q]uit: ";

/// Saves or reviews.
pub fn baseline(args: &BaselineArgs) -> Result<Exit, Failure> {
    match &args.command {
        BaselineCommand::Save(args) => save(args),
        BaselineCommand::Review(args) => review(args),
    }
}

fn save(args: &BaselineSaveArgs) -> Result<Exit, Failure> {
    let (_, results) = results(&args.run, &args.out)?;
    let baseline = Baseline::of(&results);
    write(&args.file, &baseline)?;
    println!("{}: {} cells of run {}", args.file.display(), baseline.cells.len(), results.run.id);
    Ok(Exit::AsExpected)
}

/// Exit code 1 if something worse is left that was not accepted.
fn review(args: &BaselineReviewArgs) -> Result<Exit, Failure> {
    let globs = globs(&args.accept)?;
    let before = load(&args.file.display().to_string(), &args.out)?;
    let (_, results) = results(&args.run, &args.out)?;
    let changes = Changes::between(&before, &results);
    let options = terminal::options(&std::io::stdout(), args.color);
    let mut after = before.clone();
    let mut answers = Answers { all: false, ended: false };
    let (mut accepted, mut worse) = (0, 0);
    for (at, changed) in changes.cells.iter().enumerate() {
        print!("{}", render_change(changed, &options));
        let given = globs.is_match(changed.id);
        let progress = format!("{} of {}: ", at + 1, changes.cells.len());
        if given || answers.accepts(&progress)? {
            accepted += 1;
            match changed.after {
                Some(cell) => drop(after.cells.insert(changed.id.to_owned(), Ended::of(cell))),
                None => drop(after.cells.shift_remove(changed.id)),
            }
        } else if changed.change == Change::Regression {
            worse += 1;
        }
    }
    if accepted == changes.cells.len() {
        // All of it is what this run found.
        describe(&mut after, &results);
    }
    write(&args.file, &after)?;
    let rejected = changes.cells.len() - accepted;
    println!("{}: {accepted} accepted, {rejected} not, {} unchanged", args.file.display(), changes.same);
    Ok(if worse > 0 { Exit::Deviations } else { Exit::AsExpected })
}

/// Puts the run's name and builds in place of the earlier ones.
fn describe(baseline: &mut Baseline, results: &Results) {
    let Baseline { run, plugfest, firmware, .. } = Baseline::of(results);
    (baseline.run, baseline.plugfest) = (run, plugfest);
    baseline.firmware.extend(firmware);
}

/// What the user says, line by line.
struct Answers {
    all: bool,
    ended: bool,
}

impl Answers {
    fn accepts(&mut self, progress: &str) -> Result<bool, Failure> {
        while !self.all && !self.ended {
            print!("{progress}{QUESTION}");
            let failed = |error| Failure::infrastructure(format!("failed to ask: {error}"));
            std::io::stdout().flush().map_err(failed)?;
            let mut line = String::new();
            if std::io::stdin().lock().read_line(&mut line).map_err(failed)? == 0 {
                println!();
                self.ended = true;
            }
            match line.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                "a" | "all" => self.all = true,
                "q" | "quit" => self.ended = true,
                _ => {}
            }
        }
        Ok(self.all)
    }
}

fn globs(words: &[String]) -> Result<GlobSet, Failure> {
    let bad = |error: globset::Error| Failure::bad_input(format!("failed to understand --accept: {error}"));
    let mut set = GlobSetBuilder::new();
    for word in words {
        // Brackets and braces of ids mean themselves.
        let escaped: String = word
            .chars()
            .flat_map(|c| matches!(c, '[' | ']' | '{' | '}').then_some('\\').into_iter().chain([c]))
            .collect();
        set.add(Glob::new(&escaped).map_err(bad)?);
    }
    set.build().map_err(bad)
}

/// Completely or not at all.
fn write(path: &Path, baseline: &Baseline) -> Result<(), Failure> {
    let text =
        BaselineFile.text(baseline).map_err(|error| Failure::infrastructure(format!("failed to {error}")))?;
    report::write_file(path, &text).map_err(|error| Failure::bad_input(format!("failed to {error}")))
}
