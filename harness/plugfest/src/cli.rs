//! The command line.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Parser, Subcommand, ValueEnum};
use std::collections::BTreeSet;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Exit codes: 0 all as expected; 1 deviations; 2 bad usage or scenario; 3 infrastructure error or flaky verdict; \
4 nothing selected; 130 interrupted.";

/// Which firmware boots from which network, and why not.
///
/// plugfest boots real firmware in QEMU against a simulated network, records every frame, and writes a pass/fail
/// matrix. It needs no root and touches no network of this machine.
#[derive(Debug, Parser)]
#[command(name = "plugfest", version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios on firmware and write a report
    Run(RunArgs),
    /// Say what changed between two runs
    Diff(DiffArgs),
    /// Tell the story of a cell, or of a capture of your own: what the network offered, what the firmware did, why it ended
    Explain(ExplainArgs),
    /// Write everything about a cell into one file, to be sent and run again elsewhere
    Bundle(BundleArgs),
    /// Run the cell of a bundle again, and say whether it does the same
    Replay(ReplayArgs),
    /// Write a run's reports again, or print one of them
    Report(ReportArgs),
    /// Join the shards of a run, or runs of different areas or builds
    Merge(MergeArgs),
    /// Keep how a run ended, so that later runs fail for what is worse only
    Baseline(BaselineArgs),
    /// Run a profile on a firmware, and say clause by clause whether it conforms, under a signature
    Qualify(QualifyArgs),
    /// Check the signature of a qualification, and that none of its files has changed
    Verify(VerifyArgs),
    /// List scenarios, firmware, or the cells that a run would have
    List(ListArgs),
    /// Check scenario files, or files of waivers, without running anything
    Check(CheckArgs),
    /// Say what this machine has and what is missing, with the mend for each
    Doctor(DoctorArgs),
    /// Print a JSON Schema
    Schema(SchemaArgs),
}

/// Which scenarios on which firmware.
#[derive(Args, Debug, Clone)]
pub struct Selection {
    /// Scenario id, id prefix, glob, or scenario file; everything if absent
    ///
    /// Examples: http/content-type, http, 'url/*', ./my-scenario.yaml, 'http/content-type[content_type=absent]'
    #[arg(value_name = "SELECT")]
    pub select: Vec<String>,

    /// Firmware: an id from `plugfest list firmware`, or [ID[@VERSION]=]CODE.fd[:VARS.fd]; may be repeated [default: the
    /// x86-64 builds of the catalog]
    ///
    /// In an id `*` stands for any characters: 'aavmf-*', or '*' for the whole catalog.
    /// ID names the column of your own build, so that it stays the same when the files change; VERSION is what conditions
    /// of waivers are about. Example: package@2026.08=Build/CODE.fd:Build/VARS.fd
    #[arg(long, short, value_name = "ID|PATH")]
    pub firmware: Vec<String>,

    /// Folder of scenarios
    #[arg(long, value_name = "DIR", default_value_os_t = default_scenarios())]
    pub scenarios: PathBuf,

    /// Catalog of firmware builds [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    pub catalog: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub selection: Selection,

    /// Cells at the same time [default: two for each processor; one with --clock real]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,

    /// Folder that gets the run's folder
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,

    /// Clock of the guests: `virtual` skips idle time, `real` is the control; both give the same verdicts
    #[arg(long, value_enum, default_value_t = Clock::Virtual)]
    pub clock: Clock,

    /// What executes the guests; `auto` tries the firmware under KVM and falls back to TCG
    ///
    /// The virtual clock needs TCG: with it, `auto` means `tcg`.
    #[arg(long, value_enum, default_value_t = Accel::Auto)]
    pub accel: Accel,

    /// Start every cell from power-on instead of from a snapshot of its firmware
    #[arg(long)]
    pub cold: bool,

    /// Seed of nonces and entropy
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Run every cell N times; one that does not do the same each time is flaky, and the run fails
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: u32,

    /// Run only points of these levels: must, should, may, observe
    #[arg(long, value_name = "LEVEL,…", value_delimiter = ',', value_parser = level)]
    pub level: Vec<record::Level>,

    /// Run one of N parts of the selection, so that N machines share it; `plugfest merge` joins them
    #[arg(long, value_name = "K/N")]
    pub shard: Option<record::Shard>,

    /// Exit 1 only for what is worse than before: a baseline file, or an earlier run's folder or results.json
    ///
    /// Cells that are not as expected there and here are shown and do not count. What changed is said at the end, as
    /// `plugfest diff` does. Where SELECT, --firmware or --shard leave cells out, those are not missed.
    #[arg(long, value_name = "FILE|RUN")]
    pub baseline: Option<String>,

    /// Tell a CI system too; `auto` does where GitHub's environment variables are set
    ///
    /// `github` prints annotations and appends the summary to the job's.
    #[arg(long, value_enum, default_value_t = Ci::Auto)]
    pub ci: Ci,

    /// Take no new cell after the first that is not as expected
    #[arg(long)]
    pub fail_fast: bool,

    /// Complete an interrupted or killed run: a run's folder or name, or `latest-unfinished`
    ///
    /// Runs what is missing, and cells that were `error` again. What decides the results comes from that run: SELECT,
    /// --firmware, --scenarios, --catalog, --waivers, --clock, --accel, --cold, --seed and --repeat need not be given
    /// again, and cannot be changed.
    #[arg(
        long,
        value_name = "RUN",
        num_args = 0..=1,
        default_missing_value = crate::command::resume::LATEST_UNFINISHED
    )]
    pub resume: Option<String>,

    /// Folder of waiver files
    #[arg(long, value_name = "DIR", default_value_os_t = default_waivers())]
    pub waivers: PathBuf,

    /// When to colour the output
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
}

#[derive(Args, Debug)]
pub struct DiffArgs {
    /// The earlier run: its folder, its results.json, or its name in the folder of runs (`latest` is one); or a baseline
    #[arg(value_name = "BEFORE")]
    pub before: String,

    /// The later run
    #[arg(value_name = "AFTER", default_value = "latest")]
    pub after: String,

    /// Folder of runs
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,

    /// When to colour the output
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
}

/// Arguments of `plugfest explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The cell's id, or a beginning that no other has; or a link into a report page; or a capture of your own, pcap or pcapng
    ///
    /// Of a capture that plugfest did not make it tells how far the machine came that boots, which side broke which clause,
    /// and what helps. Examples: 'http/content-type[content_type=absent]@ovmf-x64-sid', ./tcpdump.pcap
    #[arg(value_name = "CELL|FILE")]
    pub cell: String,

    /// Link-layer address of the machine, if the capture has several
    #[arg(long, value_name = "MAC")]
    pub client: Option<observe::Mac>,

    /// The run: its folder, its results.json, or its name in the folder of runs
    #[arg(long, value_name = "RUN", default_value = "latest")]
    pub run: String,

    /// Folder of runs
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,
}

/// Arguments of `plugfest bundle`.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// The cell's id, or a beginning that no other has
    #[arg(value_name = "CELL")]
    pub cell: String,

    /// The file [default: bundle.zip beside the cell's evidence, where the report page links it]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Put the firmware's images in too
    #[arg(long)]
    pub with_firmware: bool,

    /// Run the cell once more from power-on and put QEMU's recording of it in, for `plugfest replay --exact`
    #[arg(long)]
    pub record: bool,

    /// The run: its folder, its results.json, or its name in the folder of runs
    #[arg(long, value_name = "RUN", default_value = "latest")]
    pub run: String,

    /// Folder of runs
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,

    /// Firmware with the digests of the run's: an id, or CODE.fd[:VARS.fd] [default: found by its digests]
    #[arg(long, short, value_name = "ID|PATH")]
    pub firmware: Option<String>,

    /// Catalog of firmware builds [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    pub catalog: Option<PathBuf>,
}

/// Arguments of `plugfest replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The bundle
    #[arg(value_name = "BUNDLE")]
    pub bundle: PathBuf,

    /// Firmware with the digests of the bundle's: an id, or CODE.fd[:VARS.fd] [default: the bundle's images, else found by
    /// its digests]
    #[arg(long, short, value_name = "ID|PATH")]
    pub firmware: Option<String>,

    /// Catalog of firmware builds [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    pub catalog: Option<PathBuf>,

    /// Replay the recording instruction by instruction, with no network behind it
    ///
    /// Frames and console have to be those of the recording byte for byte. It takes the QEMU that recorded.
    #[arg(long)]
    pub exact: bool,

    /// Let a debugger attach at this port of localhost before the first instruction; it can step backwards too
    #[arg(long, value_name = "PORT", requires = "exact", num_args = 0..=1, default_missing_value = "1234")]
    pub gdb: Option<u16>,

    /// Keep what the replay leaves, in this folder, which must not exist
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct ReportArgs {
    /// The run: its folder, its results.json, or its name in the folder of runs
    #[arg(long, value_name = "RUN", default_value = "latest")]
    pub from: String,

    /// Folder of runs
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,

    /// Folder that gets the reports [default: the run's]
    #[arg(long, value_name = "DIR", conflicts_with = "format")]
    pub to: Option<PathBuf>,

    /// Print this one instead of writing all
    #[arg(long, value_name = "NAME", value_parser = format_names())]
    pub format: Option<String>,

    /// What the run is compared with: a baseline file or an earlier run
    #[arg(long, value_name = "FILE|RUN")]
    pub baseline: Option<String>,

    /// When to colour the output
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
}

#[derive(Args, Debug)]
pub struct MergeArgs {
    /// The runs: their folders, or their names in the folder of runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,

    /// Folder of runs, which gets the joined one
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,

    /// Exit 1 only for what is worse than before: a baseline file, or an earlier run's folder or results.json
    #[arg(long, value_name = "FILE|RUN")]
    pub baseline: Option<String>,

    /// Tell a CI system too; `auto` does where GitHub's environment variables are set
    #[arg(long, value_enum, default_value_t = Ci::Auto)]
    pub ci: Ci,

    /// When to colour the output
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
}

#[derive(Args, Debug)]
pub struct BaselineArgs {
    #[command(subcommand)]
    pub command: BaselineCommand,
}

#[derive(Debug, Subcommand)]
pub enum BaselineCommand {
    /// Write a run's baseline into a file, to be committed
    Save(BaselineSaveArgs),
    /// Go through what has changed since a baseline and accept or reject it, one by one
    Review(BaselineReviewArgs),
}

#[derive(Args, Debug)]
pub struct BaselineSaveArgs {
    /// The file; one that is there is replaced
    #[arg(value_name = "FILE", default_value = BASELINE)]
    pub file: PathBuf,

    /// The run: its folder, its results.json, or its name in the folder of runs
    #[arg(long, value_name = "RUN", default_value = "latest")]
    pub run: String,

    /// Folder of runs
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,
}

#[derive(Args, Debug)]
pub struct BaselineReviewArgs {
    /// The file
    #[arg(value_name = "FILE", default_value = BASELINE)]
    pub file: PathBuf,

    /// The later run: its folder, its results.json, or its name in the folder of runs
    #[arg(long, value_name = "RUN", default_value = "latest")]
    pub run: String,

    /// Accept changes of cells that match this glob without asking; may be repeated, '*' means all
    #[arg(long, value_name = "GLOB")]
    pub accept: Vec<String>,

    /// Folder of runs
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,

    /// When to colour the output
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
}

/// Arguments of `plugfest qualify`.
#[derive(Debug, Args)]
pub struct QualifyArgs {
    /// The firmware: an id, or [ID[@VERSION]=]CODE.fd[:VARS.fd]; may be repeated
    #[arg(long, short, value_name = "ID|PATH", required = true)]
    pub firmware: Vec<String>,

    /// The profile: a name, or the path of a file
    #[arg(long, short, value_name = "NAME|FILE", required = true)]
    pub profile: String,

    /// Folder of profiles
    #[arg(long, value_name = "DIR", default_value_os_t = of_the_clone("profiles"))]
    pub profiles: PathBuf,

    /// Ed25519 key that signs, PEM [default: one of your own, made at first use]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,

    /// Folder that gets the run's folder
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,

    /// Folder of scenarios
    #[arg(long, value_name = "DIR", default_value_os_t = default_scenarios())]
    pub scenarios: PathBuf,

    /// Folder of waiver files: a known deviation is one all the same
    #[arg(long, value_name = "DIR", default_value_os_t = default_waivers())]
    pub waivers: PathBuf,

    /// Catalog of firmware builds [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    pub catalog: Option<PathBuf>,

    /// When to colour the output
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
}

/// Arguments of `plugfest verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The qualification's folder
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,

    /// The signer's public key, PEM [default: the one in the folder, which only shows that nothing was changed since]
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

fn level(word: &str) -> Result<record::Level, String> {
    let levels = [record::Level::Must, record::Level::Should, record::Level::May, record::Level::Observe];
    let known = levels.into_iter().find(|level| level.to_string() == word);
    known.ok_or_else(|| "there are must, should, may and observe".to_owned())
}

/// Where a baseline is, if nobody says otherwise.
const BASELINE: &str = "plugfest-baseline.json";

fn format_names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(report::formats().map(|format| format.name()))
}

/// Which CI system is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ci {
    Auto,
    Github,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Clock {
    Virtual,
    Real,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Accel {
    Auto,
    Kvm,
    Tcg,
}

impl Accel {
    /// The word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// What `word` means.
    pub fn named(word: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|accel| accel.as_str() == word)
    }
}

/// Which options of a command were typed, as opposed to those that have their defaults.
pub struct Given(BTreeSet<String>);

impl Given {
    /// Those of the command in `matches`.
    pub fn of(matches: &ArgMatches) -> Self {
        let Some((_, command)) = matches.subcommand() else { return Self(BTreeSet::new()) };
        let typed = |name: &&str| command.value_source(name) == Some(ValueSource::CommandLine);
        Self(command.ids().map(clap::Id::as_str).filter(typed).map(str::to_owned).collect())
    }

    /// Whether `option` was typed; SELECT is `select`.
    pub fn has(&self, option: &str) -> bool {
        self.0.contains(option)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Args, Debug)]
pub struct ListArgs {
    /// What to list
    #[arg(value_enum)]
    pub what: Listed,
    #[command(flatten)]
    pub selection: Selection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Listed {
    Scenarios,
    Firmware,
    Cells,
    /// Every scenario with its clause and why, and the coverage of each clause, in Markdown
    Catalogue,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Scenario files, or files of waivers
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Folder of the scenarios that waivers are about
    #[arg(long, value_name = "DIR", default_value_os_t = default_scenarios())]
    pub scenarios: PathBuf,
}

#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// Catalog of firmware builds [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    pub catalog: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct SchemaArgs {
    /// Of what
    #[arg(value_enum, default_value_t = SchemaOf::Scenario)]
    pub of: SchemaOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A scenario file
    Scenario,
    /// results.json
    Results,
    /// A baseline
    Baseline,
    /// A file of waivers
    Waivers,
}

/// A folder of the clone that this program was built in; the current directory's if the clone is gone.
fn of_the_clone(folder: &str) -> PathBuf {
    let built_in = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(folder);
    built_in.canonicalize().unwrap_or_else(|_| PathBuf::from(folder))
}

pub fn default_scenarios() -> PathBuf {
    of_the_clone("scenarios")
}

pub fn default_waivers() -> PathBuf {
    of_the_clone("firmware-images/waivers")
}
