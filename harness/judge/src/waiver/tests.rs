use super::*;

const LINK: &str = "https://example.org/1";

fn waivers(row: &str) -> Waivers {
    Waivers::parse("w.yaml", &format!("firmware: 'ovmf*'\nwaivers:\n  - {{ {row}, reason: r }}\n"))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn finding(outcome: Outcome, cause: Option<&'static str>) -> Finding {
    Finding { outcome, stage: Stage::Get, cause, detail: String::new() }
}

fn refused() -> Finding {
    finding(Outcome::Refuses, Some("http.error-status"))
}

#[test]
fn brackets_and_braces_in_a_waiver_mean_themselves() {
    let about = |cells: &str, cell: &str| {
        waivers(&format!("cells: ['{cells}'], outcome: refuses")).stale(cell, "1").is_some()
    };
    for (cells, cell, is_about) in [
        ("url/suffix[bootfile=*.EFI]", "url/suffix[bootfile=x.EFI]@ovmf-x64-sid", true),
        ("url/suffix[bootfile=*.EFI]", "url/suffix[bootfile=x.efi]@ovmf-x64-sid", false),
        ("url/suffix[bootfile=*.EFI]", "url/suffix[bootfile=x.EFI]@aavmf", false),
        ("http/x[head={status:404}]", "http/x[head={status:404}]@ovmf", true),
        ("http/x[head={status:4??}]", "http/x[head={status:405}]@ovmf", true),
        ("http/x[head={status:404}]", "http/x[head=status:404]@ovmf", false),
        ("http/x[a=!b\\]", "http/x[a=!b\\]@ovmf", true),
        ("http/*", "http/x/y[a=1]@ovmf", true),
        ("http/x", "http/x[a=1]@ovmf", true),
        ("http/x", "http/xy[a=1]@ovmf", false),
    ] {
        assert_eq!(about(cells, cell), is_about, "{cells} {cell}");
    }
}

#[test]
fn a_waiver_excuses_one_deviation_and_no_other() {
    let excuses = |row: &str, finding: &Finding| {
        waivers(&format!("cells: [http/x], {row}")).excuse("http/x@ovmf", "2022.11", finding).is_some()
    };
    for (row, excused) in [
        ("outcome: refuses", true),
        ("stage: get", true),
        ("cause: http.error-status", true),
        ("outcome: refuses, stage: get, cause: http.error-status, versions: '>=2022.11'", true),
        ("outcome: gives-up, cause: http.error-status", false),
        ("stage: head, cause: http.error-status", false),
        ("cause: http.no-answer", false),
        ("outcome: refuses, versions: '<2022.11'", false),
    ] {
        assert_eq!(excuses(row, &refused()), excused, "{row}");
    }
    assert!(excuses("outcome: boots", &finding(Outcome::Boots, None)));
    assert!(!excuses("outcome: boots", &refused()));
}

#[test]
fn one_that_has_expired_excuses_nothing_and_is_named() {
    let waivers = waivers("cells: [http/x], outcome: refuses, expires: 2026-11-30");
    let on = |date: &str| waivers.clone().on(date.parse().unwrap());
    let (valid, expired) = on("2026-11-30");
    assert!(valid.excuse("http/x@ovmf", "1", &refused()).is_some() && expired.is_empty());
    let (valid, expired) = on("2026-12-01");
    assert!(valid.excuse("http/x@ovmf", "1", &refused()).is_none());
    assert_eq!(expired, ["the waiver of http/x expired on 2026-11-30: r"]);
}

#[test]
fn globs_that_match_nothing_are_told() {
    let waivers = waivers("cells: [http/x, 'url/*', htp/x], outcome: refuses");
    assert_eq!(
        waivers.unused(["http/x", "url/y[a=1]"].into_iter()),
        ["w.yaml:3:32: \"htp/x\" matches no scenario"]
    );
}

#[test]
fn reason_link_and_owner_are_in_the_deviation() {
    let text = format!(
        "firmware: x\nwaivers:\n  - {{cells: [y], outcome: boots, reason: R., link: {LINK}, owner: me}}\n"
    );
    let waivers = Waivers::parse("w", &text).unwrap();
    let deviation = waivers.stale("y@x", "1").unwrap();
    assert_eq!((deviation.reason.as_str(), deviation.link.as_deref()), ("R. (owner: me)", Some(LINK)));
}

#[test]
fn the_digest_is_that_of_the_text() {
    let digest = |reason| {
        let text = format!("firmware: x\nwaivers:\n  - {{cells: [y], outcome: boots, reason: {reason}}}\n");
        Waivers::parse("w", &text).expect("well-formed").sha256()
    };
    assert_eq!(digest("r"), digest("r"));
    assert_ne!(digest("r"), digest("s"));
    assert_ne!(digest("r"), Waivers::default().sha256());
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../firmware-images/waivers");
    let load = || Waivers::load(Path::new(shipped)).expect("well-formed").sha256();
    assert_eq!(load(), load());
    assert_eq!(load().len(), 64);
}

#[test]
fn what_is_no_waiver_is_an_error_that_names_its_file() {
    for (rows, said) in [
        ("waiver: []", "waiver"),
        ("waivers: [{ cells: [x], reason: r }]", "would excuse every failure"),
        ("waivers: [{ cells: [], outcome: boots, reason: r }]", "is about no cells"),
        ("waivers: [{ cells: [x], cause: http.teapot, reason: r }]", "is no cause"),
        ("waivers: [{ cells: [x], outcome: boot, reason: r }]", "boot"),
        ("waivers: [{ cells: [x], outcome: boots, versions: new, reason: r }]", "no condition on a version"),
        ("waivers: [{ cells: [x], outcome: boots, expires: soon, reason: r }]", "soon"),
    ] {
        let error = Waivers::parse("w.yaml", &format!("firmware: x\n{rows}\n")).expect_err(rows).to_string();
        assert!(error.contains("w.yaml") && error.contains(said), "{error}");
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let text = "firmware: x
waivers:
  - cells: [y]
    cause: http.teapot
    versions: new
    reason: R.
  - cells: []
    reason: S.
";
    insta::assert_snapshot!(Waivers::parse("w.yaml", text).expect_err("three mistakes"));
}
