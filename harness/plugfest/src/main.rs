//! The `plugfest` command: boots firmware against simulated networks and says which boots, which does not, and why.

#![forbid(unsafe_code)]

mod cli;
mod command;
mod exit;
mod progress;
mod terminal;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => command::run::run(args),
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
