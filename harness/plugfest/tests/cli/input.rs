//! What a user can get wrong is said before anything is fetched or started, and exits 2, or 4 if nothing is selected.
//!
//! Every call is made without any program in reach, QEMU and apt included, so that one that gets as far as needing
//! them exits 3.

use crate::bench::{Bench, Ended, clone, ended, scenario};
use crate::firmware::nothing_to_boot;

fn call(bench: &Bench, arguments: &[&str]) -> Ended {
    let empty = bench.path("empty");
    std::fs::create_dir_all(&empty).unwrap();
    ended(bench.run(arguments).env("PATH", &empty).output().unwrap())
}

#[test]
fn a_mistake_in_the_arguments_is_explained() {
    let bench = Bench::new();
    for (arguments, says) in [
        (&["--job", "4"][..], &["unexpected argument '--job'", "--jobs"][..]),
        (&["--jobs", "0"], &["'0'", "--jobs"]),
        (&["--clock", "fast"], &["'fast'", "virtual", "real"]),
        (&["--accel", "kvm"], &["the virtual clock needs TCG", "--clock real"]),
    ] {
        call(&bench, arguments).exits(2).says(says);
    }
    bench.call(&["chekc"]).exits(2).says(&["check"]);
    bench.call(&[]).exits(2).says(&["Usage:"]);
    assert_eq!(bench.reports(), [""; 0].map(std::path::PathBuf::from));
}

#[test]
fn a_selection_of_nothing_exits_4_with_what_was_probably_meant() {
    let bench = Bench::new();
    for (select, says) in [
        ("http/content-typ", "did you mean `http/content-type`"),
        ("htpp", "did you mean `http`"),
        ("http/error-status[status=405]", "no point of the scenario has these values"),
        ("control/plain@ovmf-x64-buster", "no such firmware is available"),
    ] {
        call(&bench, &[select]).exits(4).says(&["failed to find anything for", select, says]);
    }
    let empty = bench.path("none");
    std::fs::create_dir(&empty).unwrap();
    call(&bench, &["--scenarios", empty.to_str().unwrap()]).exits(4).says(&["failed to find any scenario"]);
    bench.call(&["list", "cells", "htpp"]).exits(4).says(&["did you mean"]);
}

#[test]
fn a_selection_that_cannot_be_read_exits_2() {
    let bench = Bench::new();
    for select in ["http/error-status[status=404", "http/error-status[404]", "@ovmf-x64-sid", "http@"] {
        call(&bench, &[select]).exits(2).says(&["failed to read the selection", select]);
    }
}

#[test]
fn unknown_firmware_exits_2_with_what_was_probably_meant() {
    let bench = Bench::new();
    call(&bench, &["-f", "ovmf-x64-sidd"]).exits(2).says(&["ovmf-x64-sidd", "ovmf-x64-sid"]);
    call(&bench, &["-f", "./no-such.fd"]).exits(2).says(&["no-such.fd"]);
    let text = bench.file("text.fd", "not firmware at all");
    call(&bench, &["-f", text.to_str().unwrap()]).exits(2).says(&["text.fd", "failed to use"]);
    let tiny = bench.file("tiny.fd", nothing_to_boot());
    let tiny = tiny.to_str().unwrap();
    call(&bench, &["-f", tiny, "-f", tiny]).exits(2).says(&["is selected twice"]);
}

#[test]
fn a_bad_waiver_or_catalog_exits_2_and_names_its_file() {
    let bench = Bench::new();
    bench.file("waivers/edk2.yaml", "firmware: '*'\nwaivers:\n  - cell: http/*\n    reason: typo\n");
    call(&bench, &["control/plain"]).exits(2).says(&["failed to understand waivers", "edk2.yaml", "cell"]);
    bench.file("waivers/edk2.yaml", "firmware: '*'\nwaivers: [{ cells: [http/x], reason: r }]\n");
    call(&bench, &["control/plain"]).exits(2).says(&["would excuse every failure"]);

    let bench = Bench::new();
    std::fs::remove_dir(bench.path("waivers")).unwrap();
    call(&bench, &["control/plain"]).exits(2).says(&["failed to read waivers"]);

    let bench = Bench::new();
    let catalog = bench.file("catalog.yaml", "builds: 7\n");
    call(&bench, &["--catalog", catalog.to_str().unwrap()]).exits(2).says(&["catalog.yaml"]);
}

#[test]
fn a_bad_scenario_in_the_tree_exits_2_whatever_is_selected() {
    let bench = Bench::new();
    bench.file("tree/http/good.yaml", scenario("http/good", "boots"));
    let bad = bench.file("tree/http/bad.yaml", scenario("http/bad", "boot"));
    let tree = bench.path("tree");
    let tree = tree.to_str().unwrap();
    call(&bench, &["http/good", "--scenarios", tree]).exits(2).says(&["bad.yaml:5:", "boots"]);
    std::fs::remove_file(&bad).unwrap();
    // As far as it gets without QEMU.
    call(&bench, &["http/good", "--scenarios", tree]).exits(3);
    let misplaced = bench.file("tree/http/other.yaml", scenario("http/good", "boots"));
    call(&bench, &["http/good", "--scenarios", tree]).exits(2).says(&["other.yaml"]);
    std::fs::remove_file(misplaced).unwrap();
}

#[test]
fn a_missing_qemu_exits_3_and_says_what_to_do() {
    let bench = Bench::new();
    let tiny = bench.file("tiny.fd", nothing_to_boot());
    call(&bench, &["control/plain", "-f", tiny.to_str().unwrap()]).exits(3).says(&["qemu-system-x86_64"]);
    assert!(bench.reports().is_empty(), "no half report");
}

#[test]
fn waivers_are_checked_with_their_places() {
    let bench = Bench::new();
    let shipped = clone("firmware-images/waivers/edk2.yaml");
    let ended = bench.call(&["check", shipped.to_str().unwrap()]).exits(0);
    assert!(ended.stdout.contains("ok, ") && ended.stdout.contains(" waivers"), "{}", ended.stdout);
    let text = "firmware: x\nwaivers:\n  - { cells: [url/fragmnt], outcome: boots, reason: r }\n";
    let file = bench.file("w.yaml", text);
    let ended = bench.call(&["check", file.to_str().unwrap()]).exits(2);
    ended.says(&["w.yaml:3:15: \"url/fragmnt\" matches no scenario", "1 of 1 files cannot be used"]);
    let file = bench.file("w.yaml", text.replace("outcome: boots", "cause: http.teapot"));
    bench
        .call(&["check", file.to_str().unwrap()])
        .exits(2)
        .says(&["w.yaml:3:36: ", "is no cause; there are http."]);
}
