//! `plugfest check`: are these files of scenarios and waivers well-formed?

use crate::cli::CheckArgs;
use crate::exit::{Exit, Failure};
use judge::Waivers;
use scenario::{LoadError, Scenario};
use std::path::Path;

/// Checks every file, and says everything that is wrong with each.
pub fn check(args: CheckArgs) -> Result<Exit, Failure> {
    let mut bad = 0;
    for path in &args.files {
        let checked = if is_waivers(path) { waivers(path, &args.scenarios) } else { one_scenario(path) };
        match checked {
            Ok(what) => println!("{}: ok, {what}", path.display()),
            Err(problem) => {
                bad += 1;
                eprintln!("{problem}\n");
            }
        }
    }
    if bad == 0 {
        Ok(Exit::AsExpected)
    } else {
        Err(Failure::bad_input(format!("{bad} of {} files cannot be used", args.files.len())))
    }
}

fn one_scenario(path: &Path) -> Result<String, String> {
    let scenario = Scenario::load(path).map_err(|error| render(&error))?;
    let points = scenario.points().len();
    Ok(format!("{} with {points} point{}", scenario.id, if points == 1 { "" } else { "s" }))
}

/// Whether a file is one of waivers: no scenario has this key.
fn is_waivers(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().any(|line| line.starts_with("waivers:"))
}

fn waivers(path: &Path, scenarios: &Path) -> Result<String, String> {
    let waivers = Waivers::open(path).map_err(|error| error.to_string())?;
    let scenarios = scenario::load_dir(scenarios).map_err(|error| render(&error))?;
    match waivers.unused(super::run::points(&scenarios)).join("\n") {
        unused if unused.is_empty() => {
            Ok(format!("{} waiver{}", waivers.len(), if waivers.len() == 1 { "" } else { "s" }))
        }
        unused => Err(unused),
    }
}

/// An error as the terminal can show it.
pub fn render(error: &LoadError) -> String {
    match error {
        LoadError::Invalid(files) => {
            let colour = crate::terminal::options(&std::io::stderr(), crate::cli::Colour::Auto).colour;
            files.iter().map(|file| file.render(colour)).collect::<Vec<_>>().join("\n\n")
        }
        other => other.to_string(),
    }
}
