//! The store with a stand-in for apt: what is kept, what is trusted, what is fetched again.

use super::*;
use crate::Catalog;
use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Counts fetches of all tests in this file, one test at a time.
static FETCHES: AtomicUsize = AtomicUsize::new(0);
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const CODE: &str = "usr/share/OVMF/OVMF_CODE_4M.fd";

fn package(version: &str, scratch: &Path) -> Package {
    let root = scratch.join("root");
    fs::create_dir_all(root.join("usr/share/OVMF")).unwrap();
    fs::write(root.join("usr/share/OVMF/real.fd"), format!("code {version}")).unwrap();
    std::os::unix::fs::symlink("real.fd", root.join(CODE)).unwrap();
    fs::write(root.join("usr/share/OVMF/OVMF_VARS_4M.fd"), "vars").unwrap();
    Package { version: Some(version.into()), sha256: crate::digest::sha256(version.as_bytes()), root }
}

fn works(_: &Source, scratch: &Path, _: &Path, say: &mut dyn FnMut(&str)) -> Result<Package, SourceError> {
    say("fetching");
    let count = FETCHES.fetch_add(1, Ordering::SeqCst) + 1;
    thread::sleep(Duration::from_millis(30));
    Ok(package(&format!("{count}"), scratch))
}

fn refuses(_: &Source, scratch: &Path, _: &Path, _: &mut dyn FnMut(&str)) -> Result<Package, SourceError> {
    package("half", scratch);
    Err(SourceError::Unpack { package: "ovmf".into(), why: "the line went dead".into() })
}

struct Bench {
    cache: tempfile::TempDir,
    build: Build,
    _alone: std::sync::MutexGuard<'static, ()>,
}

impl Bench {
    fn new() -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        FETCHES.store(0, Ordering::SeqCst);
        let build = Catalog::builtin().build("ovmf-x64-sid").unwrap().clone();
        Self { cache: tempfile::tempdir().unwrap(), build, _alone: alone }
    }
    fn store(&self, fetch: Fetch) -> Store {
        Store { fetch, ..Store::open(self.cache.path()) }
    }
    fn get(&self, fetch: Fetch) -> Result<Firmware, AcquireError> {
        self.store(fetch).get(&self.build, &mut |_| {})
    }
    fn entry(&self) -> PathBuf {
        self.store(works).entry(&self.build)
    }
}

fn fetches() -> usize {
    FETCHES.load(Ordering::SeqCst)
}

#[test]
fn a_build_is_fetched_once_and_then_needs_no_network() {
    let bench = Bench::new();
    assert!(matches!(bench.store(works).cached(&bench.build), Cached::Absent));
    let first = bench.get(works).unwrap();
    assert_eq!(fs::read_to_string(&first.code.path).unwrap(), "code 1");
    assert_eq!(first.code.file.sha256, crate::digest::sha256(b"code 1"));
    let again = bench.get(refuses).unwrap();
    assert_eq!((again.version.as_str(), again.code, fetches()), ("1", first.code, 1));
    let provenance = bench.store(works).provenance(&bench.build).unwrap();
    assert_eq!(provenance.source, "Debian sid, package ovmf-generic");
    let left: Vec<_> = fs::read_dir(bench.entry()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn what_a_result_records_is_what_was_fetched() {
    let bench = Bench::new();
    let record = bench.get(works).unwrap().to_record(Some(record::Accelerator::Tcg));
    insta::assert_json_snapshot!(record, @r#"
    {
      "id": "ovmf-x64-sid",
      "family": "edk2",
      "architecture": "x64",
      "version": "1",
      "source": "Debian sid, package ovmf-generic 1",
      "code": {
        "file": "OVMF_CODE_4M.fd",
        "sha256": "0e8f7f17837b687118dace07feef40dbf4a3a0ee67114f74bd5168ef5f55b3e3"
      },
      "vars": {
        "file": "OVMF_VARS_4M.fd",
        "sha256": "0f4167b44403cbfb049fca25656890301d91d676a4589a1b9ddf0410930f06bd"
      },
      "lacks": [
        "secure-boot"
      ],
      "accelerator": "tcg",
      "entropy": "seeded"
    }
    "#);
}

#[test]
fn refresh_fetches_again_and_leaves_the_images_of_running_guests() {
    let bench = Bench::new();
    let old = bench.get(works).unwrap();
    let new = bench.store(works).refresh(&bench.build, &mut |_| {}).unwrap();
    assert_eq!((old.version.as_str(), new.version.as_str()), ("1", "2"));
    assert_eq!(fs::read_to_string(old.code.path).unwrap(), "code 1");
    assert_eq!(bench.get(refuses).unwrap().version, "2");
    // A refresh that fails changes nothing.
    let error = bench.store(refuses).refresh(&bench.build, &mut |_| {}).unwrap_err().to_string();
    assert_eq!(error, "failed to fetch ovmf-x64-sid: failed to unpack ovmf: the line went dead");
    assert_eq!(bench.get(refuses).unwrap().version, "2");
}

#[test]
fn a_fetch_that_was_killed_is_never_used_and_leaves_nothing() {
    let bench = Bench::new();
    let half = bench.entry().join(".fetch-killed");
    fs::create_dir_all(half.join("root")).unwrap();
    let images = bench.entry().join("0123456789abcdef");
    fs::create_dir_all(&images).unwrap();
    fs::write(images.join("OVMF_CODE_4M.fd"), "co").unwrap();
    assert!(matches!(bench.store(works).cached(&bench.build), Cached::Absent));
    assert!(bench.get(refuses).is_err());
    assert_eq!(bench.get(works).unwrap().version, "1");
    assert!(!half.exists());
}

#[test]
fn a_changed_file_is_noticed_and_fetched_again() {
    let bench = Bench::new();
    let first = bench.get(works).unwrap();
    let damage: [(&str, &dyn Fn()); 4] = [
        ("same size", &|| fs::write(&first.code.path, "c0de 1").unwrap()),
        ("truncated", &|| fs::write(&first.code.path, "").unwrap()),
        ("gone", &|| fs::remove_file(&first.vars.as_ref().unwrap().path).unwrap()),
        ("provenance", &|| fs::write(bench.entry().join("provenance.json"), "{").unwrap()),
    ];
    for (number, (what, damage)) in damage.iter().enumerate() {
        FETCHES.store(0, Ordering::SeqCst);
        damage();
        let store = bench.store(works);
        assert!(matches!(store.cached(&bench.build), Cached::Corrupt(_)), "{what}");
        let mut said = Vec::new();
        let mended = store.get(&bench.build, &mut |line| said.push(line.to_owned())).unwrap();
        assert_eq!(fs::read_to_string(mended.code.path).unwrap(), "code 1", "{what}");
        assert!(said[0].starts_with("fetching it again: "), "{number} {said:?}");
    }
}

#[test]
fn a_copied_cache_is_verified_by_digest_and_kept() {
    let bench = Bench::new();
    let first = bench.get(works).unwrap();
    fs::write(&first.code.path, "code 1").unwrap();
    assert_eq!(bench.get(refuses).unwrap().code.file, first.code.file);
}

#[test]
fn another_source_under_the_same_id_is_another_build() {
    let mut bench = Bench::new();
    bench.get(works).unwrap();
    bench.build.vars = None;
    assert!(matches!(bench.store(works).cached(&bench.build), Cached::Absent));
    assert_eq!(bench.get(works).unwrap().vars, None);
    assert_eq!(fetches(), 2);
}

/// However it comes, it is on its base, once: fetched, found by who had to wait, cached, and fetched again.
#[test]
fn what_starts_a_build_comes_with_it_once() {
    let mut bench = Bench::new();
    bench.build.base = Some(Box::new(Catalog::builtin().build("ovmf-x64-trixie").unwrap().clone()));
    let store = bench.store(works);
    let found = store.fetch(&bench.build, true, &mut |_| {}).unwrap();
    let waited = store.fetch(&bench.build, true, &mut |_| {}).unwrap();
    let cached = store.get(&bench.build, &mut |_| {}).unwrap();
    let again = store.refresh(&bench.build, &mut |_| {}).unwrap();
    for firmware in [found, waited, cached, again] {
        assert_eq!(firmware.base.as_ref().map(|base| base.id.as_str()), Some("ovmf-x64-trixie"));
        assert_eq!(firmware.source.matches(", on ").count(), 1, "{}", firmware.source);
    }
}

#[test]
fn a_package_without_the_file_is_an_error_that_names_it() {
    let mut bench = Bench::new();
    bench.build.code = "usr/share/OVMF/OVMF_CODE.fd".into();
    let error = bench.get(works).unwrap_err().to_string();
    assert!(error.contains("package ovmf-generic has no usable usr/share/OVMF/OVMF_CODE.fd"), "{error}");
    assert!(matches!(bench.store(works).cached(&bench.build), Cached::Absent));
}

#[test]
fn of_many_that_ask_at_once_one_fetches() {
    let bench = Bench::new();
    let store = bench.store(works);
    let waited = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut say = |line: &str| {
                    if line.starts_with("waiting for another") {
                        waited.fetch_add(1, Ordering::SeqCst);
                    }
                };
                assert_eq!(store.get(&bench.build, &mut say).unwrap().version, "1");
            });
        }
    });
    assert_eq!(fetches(), 1);
    assert!(waited.load(Ordering::SeqCst) > 0);
}

#[test]
fn the_cache_is_where_the_variables_say() {
    let of = |set: &[(&str, &str)]| {
        let set = set.to_vec();
        cache_directory(move |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
            .ok()
    };
    assert_eq!(of(&[("PLUGFEST_CACHE", "/c"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), Some("/c".into()));
    assert_eq!(of(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), Some("/x/plugfest".into()));
    assert_eq!(
        of(&[("XDG_CACHE_HOME", "rel"), ("PLUGFEST_CACHE", ""), ("HOME", "/h")]),
        Some("/h/.cache/plugfest".into())
    );
    assert_eq!(of(&[]), None);
}
