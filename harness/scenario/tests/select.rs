//! What a SELECT argument means, and what is said if it means nothing.

use scenario::{LoadError, Scenario, Selector, load_dir, open, select};
use std::path::{Path, PathBuf};

fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios")
}

fn shipped() -> Vec<Scenario> {
    load_dir(&tree()).unwrap_or_else(|error| panic!("{error}"))
}

fn firmware() -> Vec<String> {
    ["ovmf-x64-bullseye", "ovmf-x64-sid", "aavmf-aa64-sid"].map(str::to_owned).into()
}

fn ids(scenarios: &[Scenario], arguments: &[&str]) -> Vec<String> {
    let selectors: Vec<Selector> =
        arguments.iter().map(|a| a.parse().unwrap_or_else(|e| panic!("{e}"))).collect();
    let firmware = firmware();
    let found = select(scenarios, &firmware, &selectors).unwrap_or_else(|e| panic!("{e}"));
    found.iter().map(|cell| cell.point.cell_id(&firmware[cell.firmware])).collect()
}

#[test]
fn nothing_selects_everything_in_order() {
    let scenarios = shipped();
    let all = ids(&scenarios, &[]);
    let points: usize = scenarios.iter().map(|scenario| scenario.points().len()).sum();
    assert_eq!(all.len(), 3 * points);
    assert_eq!(all[..2], ["chain/debian@ovmf-x64-bullseye", "chain/debian@ovmf-x64-sid"]);
}

#[test]
fn each_part_narrows() {
    let scenarios = shipped();
    let count = |argument: &str| ids(&scenarios, &[argument]).len();
    let points =
        |id: &str| scenarios.iter().filter(|s| s.id.starts_with(id)).map(|s| s.points().len()).sum::<usize>();
    for (argument, expected) in [
        ("http", 3 * points("http/")),
        ("http/", 3 * points("http/")),
        ("http/*", 3 * points("http/")),
        ("*", 3 * points("")),
        ("*@*-sid", 2 * points("")),
        ("url/suffix", 3 * 30),
        ("url/suffix[content_type=absent]", 3 * 6),
        ("url/suffix[http.content_type=absent]@ovmf-x64-sid", 6),
        ("url/suffix[content_type=application/*,bootfile=*/boot]", 3 * 3),
        ("url/suffix[bootfile=*boot.??i*]", 3 * 15),
        ("*[status=404]", 3 * 2),
        ("c*/plain", 3),
    ] {
        assert_eq!(count(argument), expected, "{argument}");
    }
}

#[test]
fn selectors_add_up_without_repeating() {
    let scenarios = shipped();
    let found =
        ids(&scenarios, &["http/redirect[status=302]@ovmf-x64-sid", "http/redirect@ovmf-x64-sid", "control"]);
    assert_eq!(found.len(), 5 + 3 * 6);
    assert!(found.is_sorted_by(|a, b| a[..7] <= b[..7]));
}

#[test]
fn characters_that_globs_use_elsewhere_are_themselves() {
    let scenarios = shipped();
    let whole = "http/head-refused[head={status:405}]@ovmf-x64-sid";
    assert_eq!(ids(&scenarios, &[whole]), [whole]);
    assert_eq!(ids(&scenarios, &["http/head-refused[head={status:4*}]@ovmf-x64-sid"]), [whole]);
}

#[test]
fn files_are_selected_without_the_tree_and_beside_it() {
    let file = tree().join("http/../http/port.yaml").display().to_string();
    let selectors: Vec<Selector> = vec![format!("{file}[port=8080]@*-sid").parse().expect("a selector")];
    let alone = open(&tree().join("no-such-folder"), &selectors).expect("only the file is read");
    assert_eq!(alone.len(), 1);
    let found = select(&alone, &firmware(), &selectors).expect("two cells");
    assert_eq!(found.len(), 2);

    let both: Vec<Selector> = vec![file.parse().expect("a selector"), "control".parse().expect("a selector")];
    let scenarios = open(&tree(), &both).expect("the tree has the file");
    assert_eq!(scenarios.len(), shipped().len());
    assert_eq!(select(&scenarios, &firmware(), &both).expect("cells").len(), 3 * 8);

    let missing: Vec<Selector> = vec!["nowhere/x.yaml".parse().expect("a selector")];
    assert!(matches!(open(&tree(), &missing), Err(LoadError::Read { .. })));
    assert!(matches!(open(&tree().join("no-such-folder"), &[]), Err(LoadError::Read { .. })));
}

/// The words that a user sees.
#[test]
fn what_selects_nothing_says_what_there_is() {
    let scenarios = shipped();
    let mut said = String::new();
    for argument in [
        "http/redirects",
        "htp",
        "suffix",
        "http/content_type",
        "zebra",
        "http/statt*",
        "http/port[port=81]",
        "http/port[prot=8080]",
        "control/plain@ovmf-x64-trixy",
        "control@edk2",
        "http/port[port=80",
        "http/port[80]",
        "[port=80]",
        "@ovmf-x64-sid",
        "http@",
        "",
    ] {
        let answer = match argument.parse::<Selector>() {
            Err(error) => error.to_string(),
            Ok(selector) => match select(&scenarios, &firmware(), &[selector]) {
                Err(error) => error.to_string(),
                Ok(cells) => panic!("`{argument}` selects {} cells", cells.len()),
            },
        };
        said += &format!("{argument}\n    {answer}\n");
    }
    insta::assert_snapshot!(said);
}
