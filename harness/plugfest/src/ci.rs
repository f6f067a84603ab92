//! What a CI system is told beside the exit code.

use crate::cli::Ci;
use crate::exit::Failure;
use record::Results;
use report::{Context, Format, GithubAnnotations, Summary};
use std::hash::{BuildHasher, RandomState};
use std::io::Write;

/// A CI system that reads along.
pub enum Listener {
    /// None does.
    Nobody,
    /// A workflow of GitHub, which takes lines that begin with `::` for commands.
    Github,
}

impl Listener {
    /// The one that `ci` or the environment names.
    pub fn of(ci: Ci) -> Self {
        let detected = || std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        match ci {
            Ci::Off => Self::Nobody,
            Ci::Auto if !detected() => Self::Nobody,
            Ci::Auto | Ci::Github => Self::Github,
        }
    }

    /// Prints a text in which nothing is a command, whoever wrote it.
    pub fn print(&self, text: &str) {
        match self {
            Self::Nobody => print!("{text}"),
            Self::Github => {
                // Nobody can know the word that ends it.
                let token = format!("plugfest-{:016x}", RandomState::new().hash_one(text));
                print!("::stop-commands::{token}\n{text}\n::{token}::\n");
            }
        }
    }

    /// Prints annotations, and appends to the job's summary.
    pub fn tell(&self, results: &Results, context: &Context<'_>) -> Result<(), Failure> {
        if matches!(self, Self::Nobody) {
            return Ok(());
        }
        let failed = |error| Failure::infrastructure(format!("failed to {error}"));
        print!("{}", GithubAnnotations.render_with(results, context).map_err(failed)?);
        let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") else { return Ok(()) };
        let summary = Summary.render_with(results, context).map_err(failed)?;
        let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
        file.and_then(|mut file| file.write_all(summary.as_bytes())).map_err(|error| {
            Failure::infrastructure(format!("failed to write the job's summary {}: {error}", path.display()))
        })
    }
}
