//! Calls of the command, each with folders of its own: nothing of the user's cache is touched, nothing is fetched.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

const QEMU_PROGRAM: &str = "qemu-system-x86_64";

/// Folders for one test.
pub struct Bench {
    directory: TempDir,
}

/// How a call ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Bench {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("waivers")).unwrap();
        Self { directory }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file; its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The command, with a cache of its own and without a terminal.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plugfest"));
        command.args(arguments).current_dir(self.directory.path());
        command.env("PLUGFEST_CACHE", self.path("cache"));
        command.env("LC_ALL", "C.UTF-8").env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn call(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).output().unwrap())
    }

    /// A call that is told `answers` on its standard input.
    pub fn answer(&self, arguments: &[&str], answers: &str) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        // One that asks nothing has closed it.
        let _ = child.stdin.take().unwrap().write_all(answers.as_bytes());
        wait(child)
    }

    /// `plugfest run ARGUMENTS --out … --waivers …`, not waited for.
    pub fn run(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&["run"]);
        command.args(arguments).arg("--out").arg(self.path("reports"));
        command.arg("--waivers").arg(self.path("waivers"));
        command
    }

    /// The folders of runs, without `latest`.
    pub fn reports(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.path("reports")) else { return Vec::new() };
        let mut reports: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        reports.retain(|path| !path.ends_with("latest"));
        reports.sort();
        reports
    }
}

pub fn ended(output: Output) -> Ended {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

pub fn wait(child: Child) -> Ended {
    ended(child.wait_with_output().unwrap())
}

impl Ended {
    /// Asserts the exit code; shows what was said if it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that stderr says all of it.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in:\n{}", self.stderr);
        }
        self
    }
}

/// Whether QEMU is there; without it, the reason on stderr. With `PLUGFEST_REQUIRE_TOOLS` set, its absence fails.
pub fn has_qemu() -> bool {
    let there = host::find(QEMU_PROGRAM).is_some();
    assert!(there || std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_none(), "no {}", QEMU_PROGRAM);
    if !there {
        eprintln!("skipped: no {}", QEMU_PROGRAM);
    }
    there
}

/// The clone's folder.
pub fn clone(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).canonicalize().unwrap()
}

/// A scenario file that expects `outcome` of the plain network.
pub fn scenario(id: &str, outcome: &str) -> String {
    format!(
        "id: {id}\ntitle: T\nrequirement: {{ spec: RFC 9110 §15, level: must, text: T. }}\nwhy: W.\nexpect: {{ outcome: {outcome} }}\n"
    )
}
