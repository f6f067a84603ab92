//! The shipped waivers are about cells that there are.

#![allow(clippy::unwrap_used)]

use judge::Waivers;
use std::path::Path;

fn points() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let scenarios = scenario::load_dir(&root).unwrap_or_else(|error| panic!("{error}"));
    scenarios.iter().flat_map(|scenario| scenario.points()).map(|point| point.id.clone()).collect()
}

#[test]
fn every_glob_of_a_shipped_waiver_matches_a_shipped_point() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../firmware-images/waivers");
    let waivers = Waivers::load(&folder).unwrap_or_else(|error| panic!("{error}"));
    let points = points();
    assert!(waivers.unused(points.iter().map(String::as_str)).is_empty());
    assert!(waivers.stale("url/fragment@ovmf-x64-sid", "2026.08+ds-2").is_some(), "they were read");
}

#[test]
fn a_misspelt_one_is_noticed() {
    let text = "firmware: x\nwaivers:\n  - { cells: [url/fragmnt, 'url/*'], outcome: boots, reason: r }\n";
    let waivers = Waivers::parse("w.yaml", text).unwrap();
    let points = points();
    let unused = waivers.unused(points.iter().map(String::as_str));
    assert_eq!(unused, ["w.yaml:3:15: \"url/fragmnt\" matches no scenario"]);
}
