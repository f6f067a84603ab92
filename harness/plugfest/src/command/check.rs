//! `plugfest check`: are these scenario files well-formed?

use crate::cli::CheckArgs;
use crate::exit::{Exit, Failure};
use scenario::{LoadError, Scenario};

/// Checks every file, and says everything that is wrong with each.
pub fn check(args: CheckArgs) -> Result<Exit, Failure> {
    let mut bad = 0;
    for path in &args.files {
        match Scenario::load(path) {
            Ok(scenario) => {
                let points = scenario.points().len();
                println!(
                    "{}: ok, {} with {points} point{}",
                    path.display(),
                    scenario.id,
                    if points == 1 { "" } else { "s" }
                );
            }
            Err(error) => {
                bad += 1;
                eprintln!("{}\n", render(&error));
            }
        }
    }
    if bad == 0 {
        Ok(Exit::AsExpected)
    } else {
        Err(Failure::bad_input(format!("{bad} of {} files cannot be used", args.files.len())))
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
