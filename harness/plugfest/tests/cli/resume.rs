//! `--resume`: which run it completes, with what, and that the result is that of an undisturbed run.

use crate::bench::{Bench, Ended, ended, has_qemu, scenario, wait};
use crate::firmware::{busy, nothing_to_boot};
use crate::runs::{cached_build, guests_of, signal, survivors};
use record::{CellResult, Results};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant, SystemTime};

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(120);

fn call(bench: &Bench, arguments: &[&str]) -> Ended {
    ended(bench.run(arguments).output().unwrap())
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn results(run: &Path) -> Results {
    report::load(&run.join("results.json")).unwrap()
}

/// Lines of the journal of a run, the header's included.
fn lines(run: &Path) -> usize {
    std::fs::read(run.join("journal.jsonl")).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

/// A run of `./mine.yaml` that never ends by itself, because its control does not.
fn endless(bench: &Bench) -> (Child, PathBuf) {
    bench.file("mine.yaml", scenario("mine/boots", "boots"));
    bench.file("busy.fd", busy());
    let child = bench.run(&["./mine.yaml", "--cold", "--seed", "7", "-f", "busy.fd"]).spawn().unwrap();
    wait_until("the journal", || bench.reports().first().is_some_and(|run| lines(run) == 1));
    (child, bench.reports().remove(0))
}

#[test]
fn a_run_that_is_complete_has_nothing_to_do_and_exits_as_before() {
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    bench.file("tiny.fd", nothing_to_boot());
    call(&bench, &["control/plain", "-f", "tiny.fd"]).exits(1);
    let [run] = &bench.reports()[..] else { panic!("one run") };
    let before = std::fs::read(run.join("results.json")).unwrap();
    let name = run.file_name().unwrap().to_str().unwrap();
    for which in [name, "latest", run.to_str().unwrap(), "reports/latest"] {
        call(&bench, &["--resume", which]).exits(1).says(&["is complete, there is nothing to do"]);
    }
    assert_eq!(std::fs::read(run.join("results.json")).unwrap(), before);
    call(&bench, &["--resume"]).exits(4).says(&["there is no unfinished run in "]);

    // What was measured stays, what was an error is tried again.
    call(&bench, &["dhcp4/nak", "-f", "tiny.fd"]).exits(3);
    call(&bench, &["--resume", "latest"]).exits(3).says(&["2 of 2 cells have results"]);
    assert_eq!(bench.reports().len(), 2);
    assert_eq!(lines(&bench.reports()[1]), 4, "header, control, error, the same error");
}

#[test]
fn a_report_that_a_kill_prevented_is_written() {
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    bench.file("tiny.fd", nothing_to_boot());
    call(&bench, &["control/plain", "-f", "tiny.fd"]).exits(1);
    let run = bench.reports().remove(0);
    let before = results(&run);
    for file in ["results.json", "index.html", "matrix.md"] {
        std::fs::remove_file(run.join(file)).unwrap();
    }
    bench.file(&format!("reports/{}/.report-x1", before.run.id), "half a page");
    call(&bench, &["--resume"]).exits(1).says(&["resuming", "1 of 1 cells have results"]);
    assert_eq!(results(&run).cells, before.cells);
    assert!(run.join("index.html").is_file() && !run.join(".report-x1").exists());
}

#[test]
fn where_there_is_no_run_exits_2() {
    let bench = Bench::new();
    call(&bench, &["--resume", "2020-01-01T000000Z"])
        .exits(2)
        .says(&["failed to find a run to resume at 2020-"]);
    call(&bench, &["--resume"]).exits(4).says(&["there is no unfinished run"]);
}

#[test]
fn a_run_that_goes_on_is_not_resumed() {
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    let (child, run) = endless(&bench);
    let name = run.file_name().unwrap().to_str().unwrap();
    call(&bench, &["--resume", name]).exits(2).says(&["another plugfest is still running its cells"]);
    call(&bench, &["--resume"]).exits(4);
    signal(child.id(), "-INT");
    assert_eq!(wait(child).code, Some(130));
}

#[test]
fn other_options_and_other_files_are_refused_by_name() {
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    let (child, run) = endless(&bench);
    let guests = guests_of(child.id());
    signal(child.id(), "-KILL");
    assert_eq!(wait(child).code, None);
    assert_eq!(survivors(&guests, Duration::from_secs(2)), [0; 0]);

    for (option, says) in [
        (&["--seed", "1"][..], "--seed was 7, not 1"),
        (&["--clock", "real"], "--clock was virtual, not real"),
        (&["--accel", "tcg"], "--accel was auto, not tcg"),
        (&["--repeat", "2"], "--repeat was 1, not 2"),
        (&["-f", "ovmf-x64-sid"], "busy.fd, not ovmf-x64-sid"),
        (&["--catalog", "c.toml"], "--catalog was the default, not "),
    ] {
        let ended = call(&bench, &[&["--resume"], option].concat()).exits(2).says(&[says]);
        assert!(ended.stderr.contains("with other options than the run was begun with"), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches(", not ").count(), 1, "nothing else: {}", ended.stderr);
    }
    let other = call(&bench, &["control/plain", "--resume", run.to_str().unwrap()]).exits(2);
    assert!(other.stderr.contains("SELECT was ") && other.stderr.contains("not control"), "{}", other.stderr);

    let differs = |says: &[&str]| {
        let ended = call(&bench, &["--resume"]).exits(2).says(says);
        assert!(ended.stderr.contains("restore that, or begin a new run"), "{}", ended.stderr);
        assert_eq!(lines(&run), 1, "nothing ran");
    };
    bench.file("mine.yaml", scenario("mine/boots", "refuses"));
    differs(&["the SHA-256 of scenario mine/boots was "]);
    bench.file("mine.yaml", scenario("mine/boots", "boots"));
    bench.file("waivers/w.yaml", "firmware: x\nwaivers: []\n");
    differs(&["the SHA-256 of the waivers was "]);
    std::fs::remove_file(bench.path("waivers/w.yaml")).unwrap();
    bench.file("busy.fd", nothing_to_boot());
    differs(&["firmware busy-", "not to be had"]);

    // The same options again are no conflict, and with the same files it goes on where it was.
    bench.file("busy.fd", busy());
    let same = ["./mine.yaml", "--cold", "--seed", "7", "-f", "busy.fd", "--resume", run.to_str().unwrap()];
    let again = bench.run(&same).spawn().unwrap();
    wait_until("a cell", || run.join("cells").exists());
    signal(again.id(), "-INT");
    wait(again).exits(130).says(&["0 of 2 cells have results"]);
    assert_eq!(bench.reports().len(), 1);
}

/// The matrix without what may differ between two runs.
fn matrix(results: Results) -> Vec<CellResult> {
    let same =
        |cell| CellResult { wall_seconds: 0.0, guest_seconds: 0.0, attempts: 0, transcript: None, ..cell };
    results.cells.into_iter().map(same).collect()
}

/// Everything below a run's directory.
fn files(run: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![run.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(run).unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_run_killed_at_any_moment_resumes_to_the_matrix_of_an_undisturbed_one() {
    let Some(id) = cached_build() else { return };
    let bench = Bench::new();
    let cache = firmware::cache().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = bench.run(arguments);
        command.env("PLUGFEST_CACHE", &cache);
        command
    };
    // Some that boot, some that refuse, and some that wait their time out.
    let selection =
        ["url/fragment", "url/default-port", "dhcp4/unknown-options", "dhcp4/vendor-class", "-f", &id];
    let begun = Instant::now();
    let undisturbed = ended(run(&selection).output().unwrap());
    let took = begun.elapsed();
    let first = bench.reports().remove(0);

    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let moment = took.mul_f64(f64::from(nanos % 1000) / 1000.0);
    let mut child = run(&selection).spawn().unwrap();
    std::thread::sleep(moment);
    let guests = guests_of(child.id());
    let over = child.try_wait().unwrap().is_some();
    if !over {
        signal(child.id(), "-KILL");
    }
    wait(child);
    assert_eq!(survivors(&guests, Duration::from_secs(2)), [0; 0], "killed after {moment:?}");
    let second = bench.reports().into_iter().find(|run| *run != first);
    if let Some(second) = second.filter(|second| !over && lines(second) > 0) {
        let resumed = ended(run(&["--resume"]).output().unwrap());
        assert_eq!(resumed.code, undisturbed.code, "killed after {moment:?}: {}", resumed.stderr);
        assert_eq!(matrix(results(&second)), matrix(results(&first)), "killed after {moment:?}");
        assert_eq!(files(&second), files(&first), "killed after {moment:?}");
    }
}
