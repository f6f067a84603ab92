//! Whole runs with real QEMU: exit codes, interruption, death.

use crate::bench::{Bench, Ended, ended, has_qemu, scenario, wait};
use crate::firmware::{busy, hostile, nothing_to_boot};
use firmware::{Cached, Catalog, Store};
use record::Verdict;
use report::Format;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(120);

#[test]
fn a_firmware_that_fails_its_control_exits_1_and_with_other_cells_3() {
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    let tiny = bench.file("tiny.fd", nothing_to_boot());
    let tiny = tiny.to_str().unwrap();
    let ended = call(&bench, &["control/plain", "-f", tiny]).exits(1);
    assert!(ended.stdout.starts_with("0 pass  1 fail"), "{}", ended.stdout);
    assert!(ended.stdout.contains("link.no-boot-option"), "{}", ended.stdout);

    let ended = call(&bench, &["dhcp4/nak", "-f", tiny]).exits(3);
    assert!(
        ended.stdout.starts_with("0 pass  1 fail") && ended.stdout.contains("1 error"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("control failed"), "{}", ended.stdout);

    // The story of a cell, by the beginning of its id; what there is not is an error that offers what there is.
    let out = bench.path("reports");
    let explain = |cell: &str| bench.call(&["explain", cell, "--out", out.to_str().unwrap()]);
    explain("control/plain").exits(0).says(&[]);
    let told = explain("control/plain").exits(0).stdout;
    assert!(told.contains("happened   gives-up at link: link.no-boot-option (fail)"), "{told}");
    explain("control/plane").exits(2).says(&["failed to find control/plane", "control/plain@tiny"]);

    assert_eq!(bench.reports().len(), 2);
    for report in bench.reports() {
        assert_complete(&report);
    }
    let latest = bench.path("reports/latest").canonicalize().unwrap();
    assert_eq!(&latest, bench.reports().last().unwrap());
}

#[test]
fn a_baseline_excuses_what_was_there_and_nothing_else() {
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    let tiny = bench.file("tiny.fd", nothing_to_boot());
    let tiny = tiny.to_str().unwrap();
    call(&bench, &["control/plain", "-f", tiny]).exits(1);
    let before = bench.reports().pop().unwrap();
    let ended = call(&bench, &["control/plain", "-f", tiny, "--baseline", before.to_str().unwrap()]).exits(0);
    assert!(ended.stdout.contains("Since the baseline:\nregressions: 0"), "{}", ended.stdout);
    bench.call(&["diff", before.to_str().unwrap()]).exits(0);

    // As if it had passed.
    let path = before.join("results.json");
    let mut results = report::load(&path).unwrap();
    results.cells[0].verdict = Verdict::Pass;
    std::fs::write(&path, report::Json.render(&results).unwrap()).unwrap();
    let ended = bench.call(&["diff", before.to_str().unwrap()]).exits(1);
    assert!(ended.stdout.starts_with("regressions: 1"), "{}", ended.stdout);
    call(&bench, &["control/plain", "-f", tiny, "--baseline", path.to_str().unwrap()]).exits(1);
}

/// A run in shards, joined: the cells of the whole run, each once, with its evidence.
#[test]
fn shards_are_joined_to_the_run_that_they_are_parts_of() {
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    let tiny = bench.file("tiny.fd", nothing_to_boot());
    let tiny = tiny.to_str().unwrap();
    call(&bench, &["url", "-f", tiny]).exits(3);
    let whole = report::load(&bench.reports().pop().unwrap().join("results.json")).unwrap();
    for shard in ["1/3", "2/3", "3/3"] {
        call(&bench, &["url", "-f", tiny, "--shard", shard]).exits(3);
    }
    call(&bench, &["url", "-f", tiny, "--shard", "4/3"]).exits(2);
    let shards = bench.reports().split_off(1);
    let shards: Vec<&str> = shards.iter().map(|path| path.to_str().unwrap()).collect();
    let out = bench.path("reports");
    let merge = |shards: &[&str]| bench.call(&[&["merge", "--out", out.to_str().unwrap()], shards].concat());
    merge(&shards).exits(3);
    let joined = bench.reports().pop().unwrap();
    assert_complete(&joined);
    let results = report::load(&joined.join("results.json")).unwrap();
    let ids =
        |results: &record::Results| results.cells.iter().map(|cell| cell.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&results), ids(&whole));
    assert_eq!((results.run.planned, results.flaky()), (whole.run.planned, 0));
    assert!(results.cells[0].evidence.is_some(), "the control has left some");

    let ended = merge(&shards[1..]).exits(3);
    assert!(ended.stderr.contains("shard 1 is missing"), "{}", ended.stderr);
    merge(&[shards[0], "no-such-run"]).exits(2);
}

/// What a pull request goes through: a baseline that is committed, a gate, a review.
#[test]
fn a_baseline_is_saved_gates_and_is_reviewed() {
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    let tiny = bench.file("tiny.fd", nothing_to_boot());
    let tiny = format!("tiny={}", tiny.display());
    let tiny = tiny.as_str();
    call(&bench, &["control/plain", "-f", tiny]).exits(1);
    let out = bench.path("reports");
    let file = bench.path("baseline.json");
    let (out, file) = (out.to_str().unwrap(), file.to_str().unwrap());
    bench.call(&["baseline", "save", file, "--out", out]).exits(0);
    call(&bench, &["control/plain", "-f", tiny, "--baseline", file]).exits(0);
    bench.call(&["diff", file, "latest", "--out", out]).exits(0);

    // As if it had passed.
    let text = std::fs::read_to_string(file).unwrap();
    let passing = text.replace("\"fail\"", "\"pass\"");
    std::fs::write(file, &passing).unwrap();
    let gate = ["control/plain", "-f", tiny, "--baseline", file, "--ci", "github"];
    let summary = bench.path("summary.md");
    let output = bench.run(&gate).env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
    let ended = ended(output).exits(1);
    assert!(ended.stdout.contains("::error title=Regression%3A control/plain@tiny::"), "{}", ended.stdout);
    let between = ended.stdout.find("::stop-commands::").unwrap()..ended.stdout.find("::error").unwrap();
    assert!(ended.stdout[between].contains("link.no-boot-option"), "{}", ended.stdout);
    assert!(std::fs::read_to_string(&summary).unwrap().starts_with("## ✗ plugfest: 1 regression"));

    let review = |answers: &str, more: &[&str]| {
        bench.answer(&[&["baseline", "review", file, "--out", out], more].concat(), answers)
    };
    for answers in ["", "n\n", "what\nq\n"] {
        review(answers, &[]).exits(1);
        assert_eq!(std::fs::read_to_string(file).unwrap(), passing, "{answers:?}");
    }
    review("y\n", &[]).exits(0);
    assert!(std::fs::read_to_string(file).unwrap().contains("\"fail\""));
    call(&bench, &["control/plain", "-f", tiny, "--baseline", file]).exits(0);

    std::fs::write(file, &passing).unwrap();
    review("", &["--accept", "control/*@tiny"]).exits(0);
    review("", &["--accept", "control/[*"]).exits(0);
    std::fs::write(file, "{").unwrap();
    review("", &[]).exits(2);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "{");
}

#[test]
fn reports_are_written_again_from_the_results() {
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    let tiny = bench.file("tiny.fd", nothing_to_boot());
    call(&bench, &["control/plain", "-f", tiny.to_str().unwrap()]).exits(1);
    let run = bench.reports().pop().unwrap();
    let again = bench.path("again");
    bench.call(&["report", "--to", again.to_str().unwrap()]).exits(0);
    for format in report::FORMATS {
        let [first, second] =
            [&run, &again].map(|folder| std::fs::read_to_string(folder.join(format.file_name())).unwrap());
        assert_eq!(first, second, "{}", format.file_name());
    }
    for format in report::formats() {
        let printed = bench.call(&["report", "--format", format.name()]).exits(0).stdout;
        let written = std::fs::read_to_string(run.join(format.file_name()));
        assert!(written.map_or(!printed.is_empty(), |written| written == printed), "{}", format.name());
    }
    bench.call(&["report", "--format", "docx"]).exits(2);
    let ended = bench.call(&["report", "--from", "no-such-run"]).exits(2);
    assert!(ended.stderr.contains("no-such-run"), "{}", ended.stderr);
}

#[test]
fn a_scenario_file_of_the_user_runs() {
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    let tiny = bench.file("tiny.fd", nothing_to_boot());
    bench.file("mine.yaml", scenario("mine/gives-up", "gives-up"));
    let ended = call(&bench, &["./mine.yaml", "-f", tiny.to_str().unwrap()]).exits(3);
    assert!(
        ended.stdout.contains("mine/gives-up") && ended.stdout.contains("control/plain"),
        "{}",
        ended.stdout
    );
}

/// With a firmware that boots: what is expected exits 0, and the same with a flipped expectation exits 1.
#[test]
fn real_firmware_exits_0_and_a_flipped_expectation_exits_1() {
    let Some(id) = cached_build() else { return };
    let bench = Bench::new();
    let cache = firmware::cache().unwrap();
    let refuses = bench.file("refuses.yaml", scenario("mine/refuses", "refuses"));
    for (select, code) in [("control/plain", 0), (refuses.to_str().unwrap(), 1)] {
        let output = bench.run(&[select, "-f", &id]).env("PLUGFEST_CACHE", &cache).output().unwrap();
        let ended = ended(output).exits(code);
        assert!(ended.stdout.starts_with(&format!("1 pass  {code} fail")), "{}", ended.stdout);
    }
}

/// A build of the catalog in the user's cache.
pub fn cached_build() -> Option<String> {
    let store = Store::of_user().unwrap();
    let catalog = Catalog::builtin();
    let ready = catalog.builds().iter().find(|build| matches!(store.cached(build), Cached::Ready(_)));
    let required = std::env::var_os("PLUGFEST_REQUIRE_FIRMWARE").is_some();
    assert!(ready.is_some() || !required, "no firmware is in the cache; `cargo xtask test` fetches it");
    if ready.is_none() {
        eprintln!("skipped: no firmware is in the cache");
    }
    ready.filter(|_| has_qemu()).map(|build| build.id.clone())
}

/// Whether this build of the catalog is in the user's cache; where firmware is required, it is fetched.
pub fn obtain(id: &str) -> bool {
    let (store, catalog) = (Store::of_user().unwrap(), Catalog::builtin());
    let build = catalog.build(id).unwrap();
    if std::env::var_os("PLUGFEST_REQUIRE_FIRMWARE").is_some() {
        store.get(build, &mut |line| println!("{id}: {line}")).unwrap();
    }
    let is_cached = matches!(store.cached(build), Cached::Ready(_));
    if !is_cached {
        eprintln!("skipped: {id} is not in the cache");
    }
    is_cached
}

fn call(bench: &Bench, arguments: &[&str]) -> Ended {
    ended(bench.run(arguments).output().unwrap())
}

/// A report is there as a whole.
fn assert_complete(report: &Path) -> record::Results {
    for file in ["index.html", "matrix.md", "results.json"] {
        assert!(report.join(file).is_file(), "{file}");
    }
    report::load(&report.join("results.json")).unwrap()
}

/// A run in the middle of a cell: another cell has finished.
struct InTheMiddle {
    child: Child,
    /// Lines of stderr.
    said: Receiver<String>,
    /// QEMU's processes by number, with the time at which each started.
    guests: BTreeMap<u32, u64>,
}

fn in_the_middle(bench: &Bench) -> InTheMiddle {
    let quick = bench.file("quick.fd", nothing_to_boot());
    let slow = bench.file("slow.fd", busy());
    let builds =
        ["control/plain", "--cold", "-j", "2", "-f", quick.to_str().unwrap(), "-f", slow.to_str().unwrap()];
    let mut child = bench.run(&builds).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (say, said) = channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let _ = say.send(line);
        }
    });
    let mut heard = Vec::new();
    while !heard.last().is_some_and(|line: &String| line.contains("control/plain@quick-")) {
        match said.recv_timeout(DEADLINE) {
            Ok(line) => heard.push(line),
            Err(error) => {
                let _ = child.kill();
                panic!("{error}; {heard:?}");
            }
        }
    }
    let guests = guests_of(child.id());
    assert!(!guests.is_empty(), "a guest is running; {heard:?}");
    InTheMiddle { child, said, guests }
}

/// Processes below `parent` that are QEMU.
pub fn guests_of(parent: u32) -> BTreeMap<u32, u64> {
    let processes = || {
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
    };
    processes()
        .filter_map(|process: u32| {
            let (name, its_parent, started) = status(process)?;
            (its_parent == parent && name.starts_with("qemu")).then_some((process, started))
        })
        .collect()
}

/// Name, parent and start time (proc(5): clock ticks since boot) of a process; `None` if it is gone or only waits to be
/// collected.
fn status(process: u32) -> Option<(String, u32, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name is in parentheses and may have any character in it.
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = after.split_whitespace().collect();
    (fields[0] != "Z").then_some(())?;
    Some((name, fields[1].parse().ok()?, fields[19].parse().ok()?))
}

/// Those of `guests` that still live after at most `patience`.
pub fn survivors(guests: &BTreeMap<u32, u64>, patience: Duration) -> Vec<u32> {
    let deadline = Instant::now() + patience;
    loop {
        let alive = |(process, started): (&u32, &u64)| {
            status(*process).filter(|(_, _, at)| at == started).map(|_| *process)
        };
        let alive: Vec<u32> = guests.iter().filter_map(alive).collect();
        if alive.is_empty() || Instant::now() >= deadline {
            return alive;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn signal(process: u32, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn an_interrupted_run_exits_130_with_what_is_finished_and_leaves_no_process() {
    if !has_qemu() {
        return;
    }
    for name in ["-INT", "-TERM"] {
        let bench = Bench::new();
        let InTheMiddle { child, guests, said } = in_the_middle(&bench);
        signal(child.id(), name);
        let ended = wait(child);
        let heard: Vec<String> = said.try_iter().collect();
        assert_eq!(ended.code, Some(130), "{name} {heard:?}\n{}", ended.stdout);
        assert_eq!(survivors(&guests, Duration::ZERO), [0; 0], "{name}");

        let [report] = &bench.reports()[..] else { panic!("one run, one report") };
        let results = assert_complete(report);
        assert!(results.run.interrupted && results.run.planned == 2, "{name}");
        let [finished] = &results.cells[..] else { panic!("{:?}", results.cells) };
        assert_eq!(finished.verdict, Verdict::Fail);
        assert!(report.join(&finished.evidence.as_ref().unwrap().capture).is_file());
        // Nothing of the cell that was under way.
        let cells: Vec<_> = std::fs::read_dir(report.join("cells")).unwrap().collect();
        assert_eq!(cells.len(), 1, "{cells:?}");
        assert_eq!(bench.path("reports/latest").canonicalize().unwrap(), report.canonicalize().unwrap());
        assert!(ended.stdout.contains("interrupted"), "{}", ended.stdout);
    }
}

#[test]
fn a_killed_run_leaves_no_guest_within_2_seconds() {
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    let InTheMiddle { mut child, guests, .. } = in_the_middle(&bench);
    signal(child.id(), "-KILL");
    assert_eq!(survivors(&guests, Duration::from_secs(2)), [0; 0]);
    child.wait().unwrap();
    let [report] = &bench.reports()[..] else { panic!("one run, one folder") };
    for file in ["index.html", "matrix.md", "results.json"] {
        assert!(!report.join(file).exists(), "{file} of a run that did not end");
    }
    assert!(!bench.path("reports/latest").exists());
}

/// The check above can fail: a guest that lives is found.
#[test]
fn a_living_guest_is_a_survivor() {
    let me = std::process::id();
    let (_, _, started) = status(me).unwrap();
    assert_eq!(survivors(&BTreeMap::from([(me, started)]), Duration::ZERO), [me]);
    assert_eq!(survivors(&BTreeMap::from([(me, started + 1)]), Duration::ZERO), [0; 0], "another process");
}

/// A qualification is signed whatever came of it, and a file that is changed later is noticed.
#[test]
fn a_qualification_says_whether_a_firmware_conforms_and_is_sealed() {
    let Some(id) = cached_build() else { return };
    let bench = Bench::new();
    let out = bench.path("reports");
    let out = out.to_str().unwrap();
    let qualify = |select: &str| {
        let text = format!("title: Mine\nselect: [{select}]\nlevels: [must]\n");
        let profile = bench.file("mine.yaml", text);
        let profile = profile.to_str().unwrap();
        let mut command = bench.command(&["qualify", "-f", &id, "-p", profile, "--out", out]);
        command.env("PLUGFEST_CACHE", firmware::cache().unwrap()).env("XDG_DATA_HOME", bench.path("data"));
        ended(command.output().unwrap())
    };
    let good = qualify("control/plain").exits(0);
    assert!(good.stdout.contains("Mine: conforms; 0 deviations from must"), "{}", good.stdout);
    assert!(good.stderr.contains("made a signing key for you"), "{}", good.stderr);
    // A parameter of the media type selects no handler in any build of EDK2.
    let bad = qualify("http/content-type").exits(1);
    assert!(bad.stdout.contains("Mine: does not conform; "), "{}", bad.stdout);

    let folder = bench.path("reports/latest");
    let text = std::fs::read_to_string(folder.join("conformance.md")).unwrap();
    assert!(text.contains("| RFC 9110 §8.3.1 | must |"), "{text}");
    let folder = folder.to_str().unwrap();
    bench.call(&["verify", folder]).exits(0);
    std::fs::write(bench.path("reports/latest/conformance.md"), "It conforms.").unwrap();
    bench.call(&["verify", folder]).exits(1).says(&["conformance.md was changed"]);
    bench.call(&["verify", out]).exits(2);
    bench
        .call(&["qualify", "-f", &id, "-p", "no-such"])
        .exits(2)
        .says(&["there are core, families, http-boot"]);
}

/// Whatever a guest says on its console, it is text in every report, on every terminal, and in a bundle.
#[test]
fn what_a_guest_says_is_inert_everywhere() {
    if !has_qemu() {
        return;
    }
    let bench = Bench::new();
    let evil = bench.file("evil.fd", hostile());
    let run = ["control/plain", "-f", &format!("evil={}", evil.display()), "--ci", "github"];
    let ended = call(&bench, &run).exits(1);
    let out = bench.path("reports");
    let out = out.to_str().unwrap();
    let mut texts = vec![("stdout".to_owned(), ended.stdout), ("stderr".to_owned(), ended.stderr)];
    texts.push(("explain".into(), bench.call(&["explain", "control/plain", "--out", out]).exits(0).stdout));
    for format in report::formats() {
        let printed = bench.call(&["report", "--format", format.name()]).exits(0).stdout;
        texts.push((format.name().into(), printed));
    }
    let latest = bench.path("reports/latest").canonicalize().unwrap();
    let cells = latest.join("cells/evil");
    let cell = std::fs::read_dir(cells).unwrap().next().unwrap().unwrap().path();
    let console = std::fs::read_to_string(cell.join("console.txt")).unwrap();
    assert!(
        console.contains("<script>alert(1)</script>") && console.contains("red"),
        "the guest said it: {console:?}"
    );
    texts.push(("console.txt".into(), console));
    for name in ["timeline.jsonl", "command.txt", "cell.yaml"] {
        texts.push((name.into(), std::fs::read_to_string(cell.join(name)).unwrap()));
    }
    let bundle = bench.path("b.zip");
    let mut command =
        bench.command(&["bundle", "control/plain", "--out", out, "-o", bundle.to_str().unwrap()]);
    crate::bench::ended(command.output().unwrap()).exits(0);
    for (name, content) in crate::bundles::files(&bundle) {
        if name.ends_with(".md") || name.ends_with(".txt") || name.ends_with(".json") {
            texts.push((name, String::from_utf8(content).unwrap()));
        }
    }
    for (name, text) in &texts {
        let is_control = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(is_control), "{name}: {:?}", text.chars().find(|c| is_control(*c)));
        // The console's own file and the timeline are data; nobody renders them.
        let is_data = ["console.txt", "timeline.jsonl"].contains(&name.as_str());
        assert!(is_data || !text.contains("<script>alert") && !text.contains("<img src=x"), "{name}");
        let commands = text.lines().filter(|line| line.trim_start().starts_with("::error title=pwned"));
        assert!(is_data || commands.count() == 0, "{name}");
    }
}
