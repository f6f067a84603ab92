//! What docs/ci.md says, on real firmware: a baseline that is committed, a pull request that puts another build in the place of the
//! one before, a gate that fails with exactly what that makes worse, a review.

use crate::bench::{Bench, Ended, ended, has_qemu};
use firmware::{Cached, Catalog, Firmware, Store};
use std::path::Path;
use std::process::Command;

/// Scenarios on which 2025.02 and 2026.08 do not do the same, and one on which they do.
const SELECT: [&str; 3] = ["tls/leaf-expired", "dhcp6/plain", "http/content-type"];
/// What 2025.02 does worse among them: it takes an expired certificate, and does not wait for its own address.
const WORSE: [&str; 4] = [
    "dhcp6/plain[boot=ipv6,wait_seconds=0]@package",
    "tls/leaf-expired[valid_until_days=-1]@package",
    "tls/leaf-expired[valid_until_days=-30]@package",
    "tls/leaf-expired[valid_until_days=-3650]@package",
];

fn cached(id: &str) -> Option<Firmware> {
    let store = Store::of_user().unwrap();
    match store.cached(Catalog::builtin().build(id)?) {
        Cached::Ready(firmware) => Some(*firmware),
        Cached::Absent | Cached::Corrupt(_) => {
            assert!(std::env::var_os("PLUGFEST_REQUIRE_FIRMWARE").is_none(), "{id} is not in the cache");
            None
        }
    }
}

/// Puts a build's files where the package's own are.
fn build(bench: &Bench, firmware: &Firmware) {
    for (name, path) in [("CODE.fd", &firmware.code.path), ("VARS.fd", &firmware.vars.as_ref().unwrap().path)]
    {
        bench.file(&format!("build/{name}"), std::fs::read(path).unwrap());
    }
}

fn call(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = bench.command(arguments);
    command.env("PLUGFEST_CACHE", firmware::cache().unwrap());
    command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", bench.path("summary.md"));
    ended(command.output().unwrap())
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(arguments).current_dir(folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_gate_fails_with_exactly_what_the_pull_request_makes_worse() {
    let (Some(sid), Some(trixie)) = (cached("ovmf-x64-sid"), cached("ovmf-x64-trixie")) else { return };
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    let root = bench.path("");
    let waivers = bench.path("waivers");
    let run = |more: &[&str]| {
        let firmware = ["-f", "package=build/CODE.fd:build/VARS.fd", "--waivers", waivers.to_str().unwrap()];
        call(&bench, &[&["run"], &SELECT[..], &firmware[..], more].concat())
    };

    // Once: deviations that are there are kept, so the run itself may fail.
    git(&root, &["init", "-q"]);
    build(&bench, &sid);
    run(&[]).exits(1);
    call(&bench, &["baseline", "save"]).exits(0);
    git(&root, &["add", "plugfest-baseline.json"]);
    git(&root, &["commit", "-qm", "baseline"]);

    // A pull request that changes nothing.
    run(&["--baseline", "plugfest-baseline.json"]).exits(0);

    // One with another build.
    build(&bench, &trixie);
    let gate = run(&["--baseline", "plugfest-baseline.json"]).exits(1);
    let annotated: Vec<&str> = gate
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("::error title=Regression%3A ")?.split("::").next())
        .collect();
    let mut worse: Vec<String> = annotated.iter().map(|id| id.replace("%2C", ",")).collect();
    worse.sort_unstable();
    assert_eq!(worse, WORSE);
    let summary = std::fs::read_to_string(bench.path("summary.md")).unwrap();
    assert!(summary.contains("✗ plugfest: 4 regressions"), "{summary}");

    // One of them is wanted, the others are not.
    call(&bench, &["baseline", "review", "--accept", WORSE[0]]).exits(1);
    let again = run(&["--baseline", "plugfest-baseline.json"]).exits(1);
    assert!(again.stdout.contains("regressions: 3"), "{}", again.stdout);
    call(&bench, &["baseline", "review", "--accept", "*"]).exits(0);
    run(&["--baseline", "plugfest-baseline.json"]).exits(0);
}
