//! What is signed cannot be changed unnoticed, and a clause is conformed to by all of its points or not at all.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use qualify::{
    Key, MANIFEST, Manifest, ManifestError, PUBLIC_KEY, Profile, SIGNATURE, conformance, seal, verify,
};
use record::{AssertionResult, AssertionState, Level, Outcome, Results, Verdict};
use report::sample;
use std::fs;
use std::path::Path;
use std::process::Command;

fn manifest() -> Manifest {
    Manifest {
        schema: String::new(),
        run: "r".into(),
        profile: "p".into(),
        profile_sha256: "0".repeat(64),
        conforms: true,
        files: Default::default(),
    }
}

/// A sealed folder.
fn sealed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("cells/a")).unwrap();
    fs::write(folder.path().join("results.json"), "{}").unwrap();
    fs::write(folder.path().join("cells/a/console.txt"), "text").unwrap();
    let keys = tempfile::tempdir().unwrap();
    let (key, made) = Key::read_or_make(&keys.path().join("key.pem")).unwrap();
    assert!(made);
    seal(folder.path(), manifest(), &key).unwrap();
    folder
}

#[test]
fn what_was_sealed_verifies_with_plugfest_and_with_openssl() {
    let folder = sealed();
    let (found, _) = verify(folder.path(), None).unwrap();
    assert_eq!(found.files.keys().collect::<Vec<_>>(), ["cells/a/console.txt", "results.json"]);
    let key = folder.path().join(PUBLIC_KEY);
    assert!(verify(folder.path(), Some(&key)).is_ok());
    let output = Command::new("openssl")
        .args([
            "pkeyutl", "-verify", "-pubin", "-rawin", "-inkey", PUBLIC_KEY, "-in", MANIFEST, "-sigfile",
            SIGNATURE,
        ])
        .current_dir(folder.path())
        .output();
    match output {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => assert!(std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_none(), "{error}"),
    }
}

#[test]
fn any_change_is_noticed() {
    let change = |edit: &dyn Fn(&Path)| {
        let folder = sealed();
        edit(folder.path());
        verify(folder.path(), None).unwrap_err()
    };
    for (said, edit) in [
        (
            "results.json was changed",
            &(|folder: &Path| fs::write(folder.join("results.json"), "{ }").unwrap()) as &dyn Fn(&Path),
        ),
        ("cells/a/console.txt is gone", &|folder| {
            fs::remove_file(folder.join("cells/a/console.txt")).unwrap()
        }),
        ("cells/b was added", &|folder| fs::write(folder.join("cells/b"), "").unwrap()),
    ] {
        let error = change(edit);
        assert!(matches!(error, ManifestError::Files { .. }) && error.to_string().contains(said), "{error}");
    }
    let signature = change(&|folder| {
        let text = fs::read_to_string(folder.join(MANIFEST)).unwrap();
        fs::write(folder.join(MANIFEST), text.replace("true", "false")).unwrap();
    });
    assert!(matches!(signature, ManifestError::Signature(_)), "{signature}");
    // Somebody else's key in the folder, and the signer's own kept elsewhere.
    let (one, other) = (sealed(), sealed());
    let kept = other.path().join(PUBLIC_KEY);
    assert!(matches!(verify(one.path(), Some(&kept)), Err(ManifestError::Signature(_))));
    let no_key = change(&|folder| fs::write(folder.join(PUBLIC_KEY), "x").unwrap());
    assert!(matches!(no_key, ManifestError::Key(_)), "{no_key}");
}

#[test]
fn a_key_is_made_once_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/key.pem");
    assert!(Key::read_or_make(&path).unwrap().1);
    assert!(!Key::read_or_make(&path).unwrap().1);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&path, "no key").unwrap();
    assert!(matches!(Key::read(&path), Err(ManifestError::Key(_))));
}

fn profile(levels: &[Level]) -> Profile {
    Profile {
        name: "sample".into(),
        title: "The sample".into(),
        select: vec!["*".into()],
        levels: levels.to_vec(),
        sha256: "a".repeat(64),
    }
}

#[test]
fn one_deviation_from_must_is_enough() {
    let mut results = sample::results();
    results.cells.retain(|cell| cell.level == Level::Must && cell.verdict == Verdict::Pass);
    results.run.planned = results.cells.len();
    let said = |results: &Results| conformance(results, &profile(&[Level::Must, Level::Should]));
    assert!(said(&results).conforms());
    for verdict in [Verdict::Fail, Verdict::Xfail] {
        let mut results = results.clone();
        (results.cells[0].verdict, results.cells[0].outcome) = (verdict, Some(Outcome::Crashes));
        assert!(!said(&results).conforms(), "{verdict}: a known deviation is one too");
        results.cells[0].level = Level::Should;
        assert!(said(&results).conforms());
        assert_eq!(said(&results).other_deviations, 1);
    }
    let mut open = results.clone();
    open.cells[0].verdict = Verdict::Error;
    assert_eq!((said(&open).conforms(), said(&open).open), (false, 1));
    results.cells.pop();
    assert_eq!((said(&results).conforms(), said(&results).open), (false, 1), "one did not run");
}

/// An assertion has a clause and a level of its own, whatever those of its cell are.
#[test]
fn a_violated_assertion_counts_under_its_own_clause() {
    let mut results = sample::results();
    results.cells.retain(|cell| cell.level == Level::Must && cell.verdict == Verdict::Pass);
    results.run.planned = results.cells.len();
    let assertion = |state| AssertionResult {
        id: "host".into(),
        clause: "RFC 9110 §7.2".into(),
        level: Level::Must,
        state,
        detail: "No request has it.".into(),
        waiver: None,
    };
    let said = |results: &Results| conformance(results, &profile(&[Level::Must]));
    results.cells[0].conversation =
        vec![assertion(AssertionState::Kept), assertion(AssertionState::Untested)];
    assert!(said(&results).conforms());
    let row = "| RFC 9110 §7.2 | must | 2 | 1 | 0 | 1 | 0 | yes |";
    assert!(said(&results).markdown.contains(row), "{}", said(&results).markdown);
    results.cells[0].level = Level::Observe;
    results.cells[0].verdict = Verdict::Fail;
    results.cells[0].conversation = vec![assertion(AssertionState::Violated)];
    let found = said(&results);
    assert_eq!((found.conforms(), found.must_deviations), (false, 1));
    assert!(
        found.markdown.contains("| RFC 9110 §7.2 | must | 1 | 0 | 1 | 0 | 0 | no |"),
        "{}",
        found.markdown
    );
    assert!(found.markdown.contains("violates host. No request has it."), "{}", found.markdown);
}

#[test]
fn the_report() {
    insta::assert_snapshot!(
        conformance(&sample::results(), &profile(&[Level::Must, Level::Should])).markdown
    );
}

#[test]
fn shipped_profiles_are_profiles_and_others_are_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles");
    let names = qualify::profiles(&folder).unwrap();
    assert_eq!(
        names,
        ["core", "families", "http-boot", "http-boot-ipv6", "https-boot", "pxe-boot", "secure-boot"]
    );
    for name in &names {
        assert_eq!(&Profile::find(&folder, name).unwrap().name, name);
    }
    let error = Profile::find(&folder, "http-bot").unwrap_err().to_string();
    assert!(error.contains("there are core, families, http-boot, "), "{error}");
    let own = tempfile::tempdir().unwrap();
    let path = own.path().join("p.yaml");
    for text in [
        "title: x",
        "title: x\nselect: []\nlevels: [must]",
        "title: x\nselect: [a]\nlevels: [observe]",
        "title: x\nselect: [a]\nlevels: [most]",
    ] {
        fs::write(&path, text).unwrap();
        let error = Profile::find(&folder, path.to_str().unwrap()).unwrap_err();
        assert!(error.to_string().contains("p.yaml"), "{error}");
    }
}
