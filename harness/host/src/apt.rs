//! apt with private state: packages from any Debian suite, verified by apt itself, without root and without touching
//! the host's configuration.
//!
//! The mirror is the host's own (`apt-get update --print-uris` names it even on a machine whose package lists were never
//! fetched), so no address is written down anywhere. See apt.conf(5) and sources.list(5).

use crate::{
    distribution::Distribution,
    process::{self, Finished},
    program::find,
};
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// Names a Debian mirror for hosts whose own sources name none.
pub const MIRROR_VARIABLE: &str = "PLUGFEST_DEBIAN_MIRROR";

/// Package lists of one suite are 10 to 15 MB.
const UPDATE_DEADLINE: Duration = Duration::from_secs(300);
/// A firmware package is 5 to 300 MB.
const DOWNLOAD_DEADLINE: Duration = Duration::from_secs(1800);
const SIMULATE_DEADLINE: Duration = Duration::from_secs(180);
const INSTALL_DEADLINE: Duration = Duration::from_secs(1800);

/// Why apt did not deliver.
#[derive(Debug, thiserror::Error)]
pub enum AptError {
    /// No apt here.
    #[error("failed to find apt-get: this host has no apt")]
    NoApt,
    /// The host's sources name no Debian archive.
    #[error(
        "failed to find a Debian mirror: the apt sources of this host ({host}) name none; \
         set {MIRROR_VARIABLE} to a mirror's address"
    )]
    NoMirror {
        /// The distribution's name.
        host: String,
    },
    /// The mirror in the variable cannot be written into a sources list.
    #[error("failed to use {MIRROR_VARIABLE}={0:?}: it must be the address of a mirror, without spaces")]
    BadMirror(String),
    /// Debian's archive keys are not installed.
    #[error("failed to find Debian's archive keys: install the package debian-archive-keyring")]
    NoKeyring,
    /// apt failed.
    #[error("failed to {what}: {why}")]
    Failed {
        /// What was to be done.
        what: String,
        /// What apt says, in one line.
        why: String,
    },
    /// The host failed.
    #[error("failed to run apt in {path}: {source}")]
    Io {
        /// The private directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Debian's archive keys on this host.
pub fn keyring() -> Option<PathBuf> {
    ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
}

/// The Debian mirrors in the host's own apt sources, in their order, or the one that [`MIRROR_VARIABLE`] names.
pub fn debian_mirrors() -> Result<Vec<String>, AptError> {
    if let Some(mirror) = std::env::var(MIRROR_VARIABLE).ok().filter(|mirror| !mirror.is_empty()) {
        return if is_address(&mirror) { Ok(vec![mirror]) } else { Err(AptError::BadMirror(mirror)) };
    }
    let distribution = Distribution::read();
    let codename = distribution.codename.as_deref().filter(|_| distribution.is_debian());
    let mirrors = mirrors_among(&host_indexes()?, codename);
    if mirrors.is_empty() {
        return Err(AptError::NoMirror { host: distribution.name });
    }
    Ok(mirrors)
}

/// Whether the host's own sources already have `suite` of a Debian archive.
pub(crate) fn host_has_suite(suite: &str) -> Result<bool, AptError> {
    Ok(suites_in(&host_indexes()?).any(|(_, found)| found == suite))
}

/// What `apt-get update` on this host would fetch, one quoted address a line.
fn host_indexes() -> Result<String, AptError> {
    let apt = find("apt-get").ok_or(AptError::NoApt)?;
    // A private, empty list directory: no lock on the host's, and no difference between a used and a fresh machine.
    let scratch = tempfile::tempdir().map_err(io_error("/tmp".as_ref()))?;
    let mut command = Command::new(apt);
    command.env("LC_ALL", "C").args(["update", "--print-uris"]);
    command.arg("-o").arg(option("Dir::State::lists", &scratch.path().join("lists")));
    let finished = process::run(&mut command, scratch.path(), Duration::from_secs(30))
        .map_err(io_error(scratch.path()))?;
    if finished.success() {
        Ok(finished.stdout)
    } else {
        Err(failed("read the host's apt sources", &finished))
    }
}

/// `(archive, suite)` of every Release file in the output of `apt-get update --print-uris`.
fn suites_in(indexes: &str) -> impl Iterator<Item = (&str, &str)> {
    indexes.lines().filter_map(|line| {
        let address = line.strip_prefix('\'')?.split('\'').next()?;
        address.strip_suffix("/InRelease")?.rsplit_once("/dists/")
    })
}

fn mirrors_among(indexes: &str, debian_codename: Option<&str>) -> Vec<String> {
    let mut mirrors = Vec::new();
    for (archive, suite) in suites_in(indexes) {
        let base = suite.strip_suffix("-updates").or(suite.strip_suffix("-backports")).unwrap_or(suite);
        // Only Debian itself uses these names; the security archive carries no whole suites.
        let debian = DEBIAN_SUITES.contains(&base) || Some(base) == debian_codename;
        if debian
            && !archive.contains("security")
            && is_address(archive)
            && !mirrors.iter().any(|m| m == archive)
        {
            mirrors.push(archive.to_owned());
        }
    }
    mirrors
}

const DEBIAN_SUITES: &[&str] = &[
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// Whether `text` can stand in a sources list as an address.
fn is_address(text: &str) -> bool {
    text.contains(":/") && text.chars().all(|c| c.is_ascii_graphic() && !"[]\"'#".contains(c))
}

/// A line for a sources list: `suite` of `mirror`, signed by Debian's archive keys.
pub fn debian_source(mirror: &str, suite: &str) -> Result<String, AptError> {
    let keyring = keyring().ok_or(AptError::NoKeyring)?;
    // Of the indexes, only the packages: the host may ask for translations, contents and AppStream data as well.
    Ok(format!("deb [signed-by={} target=Packages] {mirror} {suite} main\n", keyring.display()))
}

/// Which packages apt believes to be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Installed {
    /// None: whatever is downloaded stands alone.
    Nothing,
    /// The host's: what is installed goes to the host.
    AsOnHost,
}

/// apt with its own sources, lists and caches below one directory.
#[derive(Debug)]
pub struct PrivateApt {
    apt: PathBuf,
    directory: PathBuf,
    installed: Installed,
    /// Debian's architecture of the packages, if it is not to be the host's.
    architecture: Option<String>,
}

impl PrivateApt {
    /// For downloads, from `sources` alone; of an `architecture` of Debian's, or of the host's.
    pub fn for_download(
        directory: &Path,
        sources: &str,
        architecture: Option<&str>,
    ) -> Result<Self, AptError> {
        let apt = Self::new(directory, sources, Installed::Nothing)?;
        Ok(Self { architecture: architecture.map(str::to_owned), ..apt })
    }

    /// For installing on the host, from the host's own sources and `extra_sources`.
    pub(crate) fn for_host(directory: &Path, extra_sources: &str) -> Result<Self, AptError> {
        let own = fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
        Self::new(directory, &format!("{own}\n{extra_sources}"), Installed::AsOnHost)
    }

    fn new(directory: &Path, sources: &str, installed: Installed) -> Result<Self, AptError> {
        let apt = find("apt-get").ok_or(AptError::NoApt)?;
        let io = io_error(directory);
        let setup = || {
            fs::create_dir_all(directory.join("lists/partial"))?;
            fs::create_dir_all(directory.join("cache/archives/partial"))?;
            fs::write(directory.join("sources.list"), sources)?;
            fs::write(directory.join("status"), "")?;
            fs::write(directory.join("apt.conf"), CONFIGURATION)
        };
        setup().map_err(io)?;
        Ok(Self { apt, directory: directory.to_owned(), installed, architecture: None })
    }

    /// Fetches the package lists; fails if one of them cannot be had.
    pub fn update(&self) -> Result<(), AptError> {
        // Without this, apt ends with success although a suite could not be read. (apt >= 2.1; older ones ignore it, and the
        // download then finds no package.)
        let mut command = self.command();
        command.args(["-o", "APT::Update::Error-Mode=any", "update"]);
        self.run(&mut command, UPDATE_DEADLINE, "read the package lists").map(drop)
    }

    /// Fetches the package lists that can be had (the host's sources may name a dead one that nobody needs), and tells
    /// what could not.
    pub(crate) fn update_what_answers(&self) -> Result<Option<String>, AptError> {
        let finished = self.run(self.command().arg("update"), UPDATE_DEADLINE, "read the package lists")?;
        Ok(unfetched(&finished.stdout))
    }

    /// Downloads `package` in the newest version that the sources have, and verifies it; returns the `.deb`.
    pub fn download(&self, package: &str) -> Result<PathBuf, AptError> {
        let what = format!("download {package}");
        let into = self.directory.join("download");
        fs::create_dir_all(&into).map_err(io_error(&into))?;
        self.run(self.command().current_dir(&into).arg("download").arg(package), DOWNLOAD_DEADLINE, &what)?;
        let files = fs::read_dir(&into).map_err(io_error(&into))?;
        let mut debs =
            files.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "deb"));
        debs.next().ok_or(AptError::Failed { what, why: "apt left no file".into() })
    }

    /// What installing `packages` would install: apt's `Inst` lines. Fails if it cannot be done, or not without removing others.
    pub(crate) fn simulate(&self, suite: Option<&str>, packages: &[&str]) -> Result<String, AptError> {
        let what = format!("plan the installation of {}", packages.join(", "));
        let mut command = self.install_command(suite, packages);
        self.run(command.arg("--simulate"), SIMULATE_DEADLINE, &what).map(|finished| finished.stdout)
    }

    /// Installs `packages` on the host.
    pub(crate) fn install(&self, suite: Option<&str>, packages: &[&str]) -> Result<(), AptError> {
        let what = format!("install {}", packages.join(", "));
        self.run(&mut self.install_command(suite, packages), INSTALL_DEADLINE, &what).map(drop)
    }

    fn install_command(&self, suite: Option<&str>, packages: &[&str]) -> Command {
        let mut command = self.command();
        // Never at the price of something that the host has.
        command.args(["install", "--yes", "--no-install-recommends", "--no-remove"]);
        // A package manager that runs in the background (unattended upgrades) is waited for.
        command.args(["-o", "DPkg::Lock::Timeout=120"]);
        if let Some(suite) = suite {
            command.args(["--target-release", suite]);
        }
        command.args(packages);
        command
    }

    fn command(&self) -> Command {
        let path = |name: &str| self.directory.join(name);
        let mut command = Command::new(&self.apt);
        command.env("LC_ALL", "C").env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
        command.arg("--config-file").arg(path("apt.conf"));
        command.arg("-o").arg(option("Dir::Etc::sourcelist", &path("sources.list")));
        command.arg("-o").arg(option("Dir::State::lists", &path("lists")));
        command.arg("-o").arg(option("Dir::Cache", &path("cache")));
        if let Some(architecture) = &self.architecture {
            command.arg("-o").arg(format!("APT::Architecture={architecture}"));
        }
        if self.installed == Installed::Nothing {
            command.arg("-o").arg(option("Dir::State::status", &path("status")));
            for host in ["Dir::Etc::sourceparts", "Dir::Etc::preferences", "Dir::Etc::preferencesparts"] {
                command.arg("-o").arg(option(host, Path::new("/dev/null")));
            }
        }
        command
    }

    fn run(&self, command: &mut Command, deadline: Duration, what: &str) -> Result<Finished, AptError> {
        let finished = process::run(command, &self.directory, deadline).map_err(io_error(&self.directory))?;
        if finished.success() { Ok(finished) } else { Err(failed(what, &finished)) }
    }
}

/// Reads after the host's own configuration, whose proxies and credentials stay in force.
const CONFIGURATION: &str = r#"
// The private directory belongs to the caller, so there is no other user to hand the download to.
APT::Sandbox::User "root";
// A host that prefers a release would look for it in our lists, in vain.
APT::Default-Release "";
// The host's hooks are about the host's lists.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
// An address that does not answer fails in well under a minute.
Acquire::http::Timeout "8";
Acquire::https::Timeout "8";
Acquire::ftp::Timeout "8";
Acquire::Retries "1";
Acquire::Languages "none";
// No cache files to write: each is used once.
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
// Whatever the host tolerates, firmware is only as good as its signature.
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
"#;

fn option(key: &str, value: &Path) -> OsString {
    let mut option = OsString::from(key);
    option.push("=");
    option.push(value);
    option
}

fn io_error(path: &Path) -> impl Fn(io::Error) -> AptError {
    let path = path.to_owned();
    move |source| AptError::Io { path: path.clone(), source }
}

fn failed(what: &str, finished: &Finished) -> AptError {
    let why = match finished.status {
        None => "apt-get did not end in time".to_owned(),
        Some(status) => complaint(finished).unwrap_or_else(|| format!("apt-get: {status}")),
    };
    AptError::Failed { what: what.to_owned(), why }
}

/// What apt complains about, in one line: what it could not fetch and why, else its first two errors or warnings.
fn complaint(finished: &Finished) -> Option<String> {
    // The errors at the end only say what follows from a failed fetch, for example that there is no Release file.
    if let Some(line) = unfetched(&finished.stdout) {
        return Some(line);
    }
    let of = |sign: &'static str| finished.stderr.lines().filter_map(move |line| line.strip_prefix(sign));
    let said: Vec<_> = of("E: ").chain(of("W: ")).map(in_single_spaces).take(2).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// The first failed fetch: `Err:2 http://… sid InRelease`, with the cause indented in the next line.
fn unfetched(stdout: &str) -> Option<String> {
    let lines: Vec<_> = stdout.lines().collect();
    lines.windows(2).find_map(|pair| {
        let (_, what) = pair[0].strip_prefix("Err:")?.split_once(' ')?;
        let why = pair[1].strip_prefix("  ")?;
        Some(format!("{}: {}", in_single_spaces(what), in_single_spaces(why)))
    })
}

fn in_single_spaces(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEXES: &str = "\
'http://mirror.test/debian/dists/bookworm/InRelease' mirror.test_debian_dists_bookworm_InRelease 0
'http://mirror.test/debian/dists/bookworm-updates/InRelease' x 0
'http://mirror.test/debian-security/dists/bookworm-security/InRelease' x 0
'https://vendor.test/node/dists/nodistro/InRelease' x 0
'https://vendor.test/pg/dists/bookworm-pgdg/InRelease' x 0
'mirror+file:/etc/apt/mirrors/debian.list/dists/sid/InRelease' x 0
'http://mirror.test/debian/dists/bookworm/main/binary-amd64/Packages.xz' x 0
";

    #[test]
    fn only_debian_archives_are_mirrors() {
        let mirrors = mirrors_among(INDEXES, None);
        assert_eq!(mirrors, ["http://mirror.test/debian", "mirror+file:/etc/apt/mirrors/debian.list"]);
        let ubuntu = "'http://archive.test/ubuntu/dists/noble/InRelease' x 0\n";
        assert!(mirrors_among(ubuntu, None).is_empty());
        assert!(mirrors_among("garbage\n'\n''\n'/InRelease'\n", None).is_empty());
    }

    #[test]
    fn a_suite_that_the_host_has_is_recognised() {
        let has = |suite| suites_in(INDEXES).any(|(_, found)| found == suite);
        assert!(has("bookworm-updates") && !has("bookworm-backports"));
    }

    #[test]
    fn an_address_cannot_smuggle_a_second_source() {
        assert!(is_address("http://mirror.test/debian"));
        assert!(is_address("mirror+file:/etc/apt/mirrors/debian.list"));
        for bad in
            ["", "mirror.test", "http://a/ sid main\ndeb http://b/", "[trusted=yes] http://a/", "http://a/#"]
        {
            assert!(!is_address(bad), "{bad:?}");
        }
    }

    #[test]
    fn apts_complaint_is_one_line_with_the_cause_first() {
        let of = |stdout: &str, stderr: &str| {
            complaint(&Finished { status: None, stdout: stdout.into(), stderr: stderr.into() })
        };
        let stdout = "Ign:1 http://m.test/debian sid InRelease\nErr:1 http://m.test/debian sid InRelease\n  \
                      Could not connect to m.test:80 (192.0.2.9), connection timed out\nReading package lists...\n";
        let stderr =
            "W: Skipping  acquire\nE: The repository 'http://m.test/debian sid' has no Release file.\nE: 3\n";
        assert_eq!(
            of(stdout, stderr).as_deref(),
            Some(
                "http://m.test/debian sid InRelease: \
                 Could not connect to m.test:80 (192.0.2.9), connection timed out"
            )
        );
        let expected = "The repository 'http://m.test/debian sid' has no Release file.; 3";
        assert_eq!(of("Reading package lists...\n", stderr).as_deref(), Some(expected));
        assert_eq!(of("Err:1", "nothing of note\n"), None);
    }
}
