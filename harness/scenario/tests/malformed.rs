//! Malformed scenario files: each gives errors that point at their place, say what was expected and what to do.
//!
//! `tests/malformed/NAME.yaml` is the file and `NAME.snap` beside it what its author is shown. Lines that errors have to
//! point at end in `# ERROR`, in files whose syntax lets them.

use scenario::{InvalidFile, LoadError, MAX_FILE_BYTES, Scenario};
use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// Parses bytes that are no scenario, and checks what holds for every error.
fn rejected(name: &str, bytes: &[u8]) -> InvalidFile {
    let started = Instant::now();
    let error = Scenario::parse(Path::new(name), bytes, None).expect_err(name);
    let rendered = error.render(false);
    // Milliseconds on an idle machine; the bound is for one that is not.
    assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
    assert!(!error.diagnostics.is_empty(), "{name}");
    for diagnostic in &error.diagnostics {
        let (line, column) = error.line_column(diagnostic.span.start);
        assert!(line <= error.source.lines().count().max(1) + 1 && column >= 1, "{name}: {diagnostic:?}");
        assert!(!diagnostic.title.is_empty() && !diagnostic.label.is_empty(), "{name}: {diagnostic:?}");
        assert!(!diagnostic.help.is_empty(), "{name}: no word on what to do: {diagnostic:?}");
    }
    assert!(
        rendered.starts_with("error: ") && rendered.contains(&format!("--> {name}:")),
        "{name}:\n{rendered}"
    );
    let is_text = |c: char| c == '\n' || !c.is_control();
    assert!(rendered.chars().all(is_text), "{name}: control characters reach the terminal:\n{rendered:?}");
    error
}

#[test]
fn every_malformed_file_is_rejected_with_places() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/malformed");
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    assert!(files.len() >= 60, "only {} malformed files", files.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("malformed");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut elsewhere = Vec::new();
    for path in files {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let bytes = fs::read(&path).expect("a file that was just listed");
        let error = rejected(&name, &bytes);
        let marked: BTreeSet<usize> = (1..)
            .zip(error.source.lines())
            .filter(|(_, line)| line.ends_with("# ERROR"))
            .map(|(number, _)| number)
            .collect();
        if !marked.is_empty() {
            let pointed: BTreeSet<usize> = error
                .diagnostics
                .iter()
                .map(|diagnostic| error.line_column(diagnostic.span.start).0)
                .collect();
            if pointed != marked {
                elsewhere.push(format!("{name} points at {pointed:?}, not at {marked:?}:\n{error}"));
            }
        }
        let stem = name.trim_end_matches(".yaml");
        settings.bind(|| insta::assert_snapshot!(stem, error.render(false)));
    }
    assert!(elsewhere.is_empty(), "{}", elsewhere.join("\n"));
}

const GOOD: &str = "id: http/example\ntitle: T\nrequirement: { spec: RFC 9110 §8.3.1, level: must, text: T. }\nwhy: W.\nexpect: { outcome: boots }\n";

#[test]
fn a_good_file_is_taken() {
    let scenario = Scenario::parse(Path::new("x.yaml"), GOOD.as_bytes(), None).expect("a good file");
    assert_eq!(scenario.points().len(), 1);
}

#[test]
fn hostile_sizes_cost_little() {
    let huge = format!("{GOOD}# {}", "x".repeat(MAX_FILE_BYTES));
    let error = rejected("huge.yaml", huge.as_bytes());
    assert!(error.to_string().contains("expected at most 256 KiB"), "{error}");

    for (name, text) in [
        ("brackets.yaml", format!("{GOOD}network: {}", "[".repeat(200_000))),
        ("braces.yaml", format!("{GOOD}network: {}", "{a: ".repeat(60_000))),
        ("dashes.yaml", format!("{GOOD}network:\n{}", "- ".repeat(100_000))),
        ("question-marks.yaml", format!("{GOOD}network:\n{}", "? ".repeat(100_000))),
        ("documents.yaml", "---\n".repeat(60_000)),
        ("anchors.yaml", (0..20_000).map(|i| format!("- &a{i} x\n")).collect()),
        ("values.yaml", format!("{GOOD}vary:\n  http.port: [{}]\n", "1,".repeat(100_000))),
        ("keys.yaml", (0..20_000).map(|i| format!("k{i}: 1\n")).collect()),
        ("line.yaml", format!("title: {}\n", "é".repeat(100_000))),
        ("wrong-values.yaml", format!("{GOOD}vary:\n  http.port: [{}]\n", "x, ".repeat(9_000))),
        ("quotes.yaml", "\"".repeat(250_000)),
        ("colons.yaml", "a: ".repeat(80_000)),
        ("block.yaml", format!("why: |\n{}", " \n".repeat(100_000))),
    ] {
        let error = rejected(name, text.as_bytes());
        assert!(error.to_string().len() < 100_000, "{name}: {} bytes of errors", error.to_string().len());
    }
}

/// Any beginning of a good file, and any of its bytes changed, is taken or rejected, but ends.
#[test]
fn broken_files_never_panic() {
    let good = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/url/suffix.yaml"))
        .expect("shipped");
    let parse = |bytes: &[u8]| match Scenario::parse(Path::new("x.yaml"), bytes, None) {
        Ok(scenario) => assert!(!scenario.points().is_empty()),
        Err(error) => assert!(error.to_string().starts_with("error: "), "{error}"),
    };
    for end in (0..good.len()).step_by(7) {
        parse(&good[..end]);
    }
    for (step, byte) in
        [b'\0', b':', b'"', b'[', b'}', b'\t', b'\n', b'*', b'&', 0xff, b'-', b'9'].into_iter().enumerate()
    {
        for at in (step..good.len()).step_by(37) {
            let mut bytes = good.clone();
            bytes[at] = byte;
            parse(&bytes);
        }
    }
}

#[test]
fn a_tree_is_rejected_with_every_invalid_file_and_wrong_ids() {
    let folder =
        std::env::temp_dir().join(format!("plugfest-scenario-{}", std::process::id())).join("scenarios");
    fs::create_dir_all(folder.join("http")).expect("a folder");
    fs::write(folder.join("http/other.yaml"), GOOD).expect("a file");
    fs::write(folder.join("http/example.yaml"), GOOD).expect("a file");
    fs::write(folder.join("http/broken.yml"), "id: [").expect("a file");
    fs::write(folder.join("rootless.yaml"), GOOD).expect("a file");
    let tree = scenario::load_dir(&folder);
    let alone = Scenario::load(&folder.join("http/other.yaml"));
    let good = Scenario::load(&folder.join("http/example.yaml"));
    let missing = Scenario::load(&folder.join("http/missing.yaml"));
    fs::remove_dir_all(folder.parent().expect("the folder above")).expect("cleaned up");

    let Err(LoadError::Invalid(files)) = tree else { panic!("{tree:?}") };
    let names: Vec<String> =
        files.iter().map(|f| f.path.file_name().expect("a name").to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["broken.yml", "other.yaml", "rootless.yaml"]);
    assert!(files[1].to_string().contains("expected `http/other`"), "{}", files[1]);
    assert!(files[2].to_string().contains("the file's place makes no id"), "{}", files[2]);
    assert!(matches!(alone, Err(LoadError::Invalid(_))), "{alone:?}");
    assert_eq!(good.expect("a file in its place").id, "http/example");
    assert!(matches!(missing, Err(LoadError::Read { .. })), "{missing:?}");
}
