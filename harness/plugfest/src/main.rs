//! The `plugfest` command: boots firmware against simulated networks and says which boots, which does not, and why.

#![forbid(unsafe_code)]

mod ci;
mod cli;
mod command;
mod exit;
mod progress;
mod rerun;
mod terminal;

use clap::{CommandFactory, FromArgMatches};
use cli::{Cli, Command, Given};
use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let done = match cli.command {
        Command::Run(args) => command::run::run(args, &Given::of(&matches)),
        Command::Diff(args) => command::diff::diff(&args),
        Command::Explain(args) => command::explain::explain(&args),
        Command::Bundle(args) => command::bundle::pack(&args),
        Command::Replay(args) => command::replay::replay(&args),
        Command::Report(args) => command::report::report(&args),
        Command::Merge(args) => command::merge::merge(&args),
        Command::Baseline(args) => command::baseline::baseline(&args),
        Command::Qualify(args) => command::qualify::qualify(args),
        Command::Verify(args) => command::qualify::verify(&args),
        Command::List(args) => command::list::list(args),
        Command::Check(args) => command::check::check(args),
        Command::Doctor(args) => command::doctor::doctor(args),
        Command::Schema(args) => command::schema::schema(args),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("plugfest: {failure}");
            failure.exit.into()
        }
    }
}
