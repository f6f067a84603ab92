//! `cargo xtask`: set-up, runs, tests and payload builds, one command each.

mod bench;
mod payload;
mod setup;

use clap::{Parser, Subcommand};
use std::{
    env,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, ExitCode, ExitStatus},
};

/// Our side failed, not the firmware (docs: exit codes of plugfest).
const INFRASTRUCTURE: u8 = 3;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Set-up, runs and tests, one command each")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install or locate what is needed, fetch the firmware, build, and run scenarios on every build
    Run {
        /// Passed on to `plugfest run`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Install or locate what is needed, fetch the firmware, and run all tests, those with real firmware included
    Test {
        /// Passed on to `cargo test --workspace`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure the engine: the same cells warm and cold, what they cost, and how fast a large payload travels
    Bench {
        /// Passed on to the benchmark; `-- --help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Install or locate what is needed, and fetch the firmware
    Setup {
        /// Also what only the tests need
        #[arg(long)]
        test: bool,
        /// Also QEMU and firmware for other architectures than x86-64, and what else only a run takes that names it
        #[arg(long)]
        all: bool,
        /// Fetch the firmware again although it is here: suites get updates
        #[arg(long)]
        refresh: bool,
    },
    /// Build the boot images from harness/payload/efi
    Payload {
        /// Only check that the committed images are what the sources give
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Task::Run { arguments } => run(&arguments),
        Task::Test { arguments } => test(&arguments),
        Task::Bench { arguments } => bench::bench(&arguments),
        Task::Setup { test, all, refresh } => setup::tools(test, all).and_then(|()| {
            let absent = setup::firmware(refresh, all)?;
            Ok(ExitCode::from(if absent == 0 { 0 } else { INFRASTRUCTURE }))
        }),
        Task::Payload { check } => payload::build(check).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|message| {
        eprintln!("error: {message}");
        ExitCode::from(INFRASTRUCTURE)
    })
}

fn run(arguments: &[String]) -> Result<ExitCode, String> {
    setup::tools(false, false)?;
    setup::firmware(false, false)?;
    become_program("plugfest", "plugfest", ["run"].into_iter().chain(arguments.iter().map(String::as_str)))
}

/// Builds `program` of `package` and replaces this process by it, which leaves one process to interrupt.
fn become_program<'a>(
    package: &str,
    program: &str,
    arguments: impl IntoIterator<Item = &'a str>,
) -> Result<ExitCode, String> {
    let status = wait(cargo().args(["build", "--quiet", "--package", package]))?;
    if !status.success() {
        return Ok(exit_code(status));
    }
    // Built with the same profile into the same directory as we are.
    let xtask = env::current_exe().map_err(|error| format!("failed to find out where xtask is: {error}"))?;
    let path = xtask.with_file_name(program);
    let error = Command::new(&path).args(arguments).exec();
    Err(format!("failed to start {}: {error}", path.display()))
}

fn test(arguments: &[String]) -> Result<ExitCode, String> {
    setup::tools(true, false)?;
    setup::firmware(false, false)?;
    let mut cargo = cargo();
    cargo.args(["test", "--workspace"]).args(arguments);
    // What set-up provides may not be skipped for want of it.
    cargo.env("PLUGFEST_REQUIRE_TOOLS", "1").env("PLUGFEST_REQUIRE_FIRMWARE", "1");
    wait(&mut cargo).map(exit_code)
}

/// The cargo that runs us, in the workspace wherever we were called from.
fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    if let Some(workspace) = Path::new(env!("CARGO_MANIFEST_DIR")).parent() {
        cargo.current_dir(workspace);
    }
    cargo
}

fn wait(command: &mut Command) -> Result<ExitStatus, String> {
    command.status().map_err(|error| format!("failed to start {}: {error}", command.get_program().display()))
}

/// The child's own exit code; 3 if a signal ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(INFRASTRUCTURE).into()
}
