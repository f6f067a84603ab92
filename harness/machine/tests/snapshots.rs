//! The cache of snapshots: what is in it is used only if it is whole, and several plugfests share it.

#![allow(clippy::unwrap_used)] // helpers of tests are tests too

mod guests;

use guests::{Image, config, qemu, within};
use machine::{MachineConfig, Qemu, Snapshot, SnapshotError, Snapshots, Standby};
use record::{Direction, GuestTime};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::{NamedTempFile, TempDir};
use wire::{Guest, GuestEvent};

/// A machine that speaks at once, and a cache of its own.
struct Bench {
    image: NamedTempFile,
    config: MachineConfig,
    cache: TempDir,
}

impl Bench {
    fn new(qemu: &Qemu) -> Self {
        let image = Image::asking();
        Self { config: config(qemu, &image), image, cache: tempfile::tempdir().unwrap() }
    }

    fn snapshots(&self) -> Snapshots {
        Snapshots::open(self.cache.path())
    }

    async fn get(&self) -> Snapshot {
        self.snapshots().get(&self.config, "digest").await.unwrap()
    }

    /// The folders in the cache.
    fn folders(&self) -> Vec<PathBuf> {
        let folder = self.cache.path().join("snapshots");
        let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.sort();
        found
    }

    /// The only entry.
    fn entry(&self) -> PathBuf {
        let [entry] = &self.folders()[..] else { panic!("{:?}", self.folders()) };
        entry.clone()
    }

    /// Puts a file into the only entry. (Numbers of files are no marks: file systems use them again.)
    fn mark(&self) {
        fs::write(self.entry().join("mark"), "").unwrap();
    }

    /// Whether the only entry is the one that was marked: one that is taken again has nothing of the old one.
    fn is_marked(&self) -> bool {
        self.entry().join("mark").exists()
    }
}

/// Resumes `snapshot` and answers five of the guest's frames, the replayed one first.
async fn boots(config: &MachineConfig, snapshot: Snapshot) {
    let mut machine = Standby::start(config.clone(), snapshot).await.unwrap().resume().await.unwrap();
    let (mut asked, mut answered) = (0u8, 0);
    while answered < 5 {
        match machine.next(Some(GuestTime::ZERO + Duration::from_secs(60))).await.unwrap() {
            GuestEvent::Frame { direction: Direction::FromGuest, bytes, .. } => {
                asked += 1;
                assert_eq!(bytes[14], asked, "the guest's frames are numbered");
                let answer =
                    [&[0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 9, 0x88, 0xb5][..], &[asked; 46]];
                machine.send(answer.concat()).unwrap();
            }
            GuestEvent::Frame { .. } => answered += 1,
            GuestEvent::Monitor { .. } => {}
            other => panic!("{other:?} after {answered} answers"),
        }
    }
}

#[test]
fn one_is_taken_once_and_resumed_often() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let bench = Bench::new(&qemu);
        let first = bench.get().await;
        bench.mark();
        let again = bench.get().await;
        assert_eq!(again.at(), first.at());
        // Two at once, and one after the other, from the same memory.
        tokio::join!(boots(&bench.config, first), boots(&bench.config, again.clone()));
        boots(&bench.config, again).await;
        boots(&bench.config, bench.get().await).await;
        assert!(bench.is_marked(), "resuming changes nothing");
    });
}

#[test]
fn another_machine_firmware_or_qemu_is_another_entry() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let bench = Bench::new(&qemu);
        bench.get().await;
        let snapshots = bench.snapshots();
        let other = MachineConfig { mac: [0x52, 0x54, 0, 0, 0, 1], ..bench.config.clone() };
        snapshots.get(&other, "digest").await.unwrap();
        snapshots.get(&bench.config, "another QEMU").await.unwrap();
        assert_eq!(bench.folders().len(), 3);
        let mut image = fs::read(bench.image.path()).unwrap();
        image[60_000] ^= 1; // Of no consequence to the guest.
        fs::write(bench.image.path(), image).unwrap();
        bench.get().await;
        assert_eq!(bench.folders().len(), 4);
    });
}

#[test]
fn a_damaged_entry_is_taken_again() {
    let Some(qemu) = qemu() else { return };
    within(120, async {
        let bench = Bench::new(&qemu);
        drop(bench.get().await);
        let cut = |path: &Path| {
            let file = fs::File::options().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        };
        let flip = |path: &Path| {
            let modified = fs::metadata(path).unwrap().modified().unwrap();
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).unwrap();
            // As a failing disk would, which tells nobody.
            fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
        };
        let junk = |path: &Path| fs::write(path, "{}").unwrap();
        let lost = |path: &Path| fs::remove_file(path).unwrap();
        type Damage<'a> = (&'a str, &'a str, &'a dyn Fn(&Path));
        let damages: [Damage<'_>; 9] = [
            ("memory cut", "memory", &cut),
            ("memory lost", "memory", &lost),
            ("memory replaced", "memory", &junk),
            ("state cut", "state", &cut),
            ("a bit of the state", "state", &flip),
            ("a bit of the moment", "moment.json", &flip),
            ("moment lost", "moment.json", &lost),
            ("manifest of something else", "manifest.json", &junk),
            ("manifest cut", "manifest.json", &cut),
        ];
        for (what, file, damage) in damages {
            let entry = bench.entry();
            bench.mark();
            damage(&entry.join(file));
            let snapshot = bench.get().await;
            assert_eq!(bench.entry(), entry, "{what}");
            assert!(!bench.is_marked(), "{what}: it is used nevertheless");
            boots(&bench.config, snapshot).await;
        }
        // The entry of another machine under this one's name.
        let entry = bench.entry();
        let other = MachineConfig { seed: 9, ..bench.config.clone() };
        drop(bench.snapshots().get(&other, "digest").await.unwrap());
        let foreign = bench.folders().into_iter().find(|folder| *folder != entry).unwrap();
        fs::remove_dir_all(&entry).unwrap();
        fs::rename(foreign, &entry).unwrap();
        bench.mark();
        bench.get().await;
        assert!(!bench.is_marked(), "somebody else's entry is used");
    });
}

#[test]
fn two_that_want_the_same_one_take_it_once() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let bench = Bench::new(&qemu);
        let (one, two) = tokio::join!(bench.get(), bench.get());
        bench.mark();
        tokio::join!(boots(&bench.config, one), boots(&bench.config, two));
        assert!(bench.is_marked());
    });
}

/// The test binary itself as another process that takes the same snapshot, again and again.
#[test]
fn a_killed_taker_leaves_nothing_that_is_used_and_nothing_that_stays() {
    const CACHE: &str = "PLUGFEST_TEST_CACHE";
    const IMAGE: &str = "PLUGFEST_TEST_IMAGE";
    let Some(qemu) = qemu() else { return };
    if let (Some(cache), Some(image)) = (std::env::var_os(CACHE), std::env::var_os(IMAGE)) {
        within(60, async {
            let image = MachineConfig { code: image.into(), ..config(&qemu, &Image::asking()) };
            println!("\ntaking");
            Snapshots::open(Path::new(&cache)).get(&image, "digest").await.unwrap();
        });
        return;
    }
    within(120, async {
        for milliseconds in [0, 30, 60, 100, 150, 200, 300] {
            let bench = Bench::new(&qemu);
            let mut taker = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "a_killed_taker_leaves_nothing_that_is_used_and_nothing_that_stays"])
                .arg("--nocapture")
                .env(CACHE, bench.cache.path())
                .env(IMAGE, bench.image.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut said = BufReader::new(taker.stdout.take().unwrap()).lines();
            assert!(said.by_ref().map_while(Result::ok).any(|line| line == "taking"));
            std::thread::sleep(Duration::from_millis(milliseconds));
            taker.kill().unwrap();
            taker.wait().unwrap();
            boots(&bench.config, bench.get().await).await;
            // Somebody else's, too.
            let other = bench.cache.path().join("snapshots/0123.taking");
            fs::create_dir(&other).unwrap();
            fs::write(other.join("memory"), [0; 4096]).unwrap();
            let another = MachineConfig { seed: 9, ..bench.config.clone() };
            bench.snapshots().get(&another, "digest").await.unwrap();
            let left: Vec<_> = bench
                .folders()
                .into_iter()
                .filter(|path| path.extension() == Some(OsStr::new("taking")))
                .collect();
            assert!(left.is_empty(), "after {milliseconds} ms: {left:?}");
        }
    });
}

#[test]
fn over_the_limit_the_oldest_that_nobody_uses_goes() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let bench = Bench::new(&qemu);
        let of = |seed| MachineConfig { seed, ..bench.config.clone() };
        let snapshots = bench.snapshots();
        let used = snapshots.get(&of(1), "digest").await.unwrap();
        let kept = bench.folders();
        drop(snapshots.get(&of(2), "digest").await.unwrap());
        drop(snapshots.get(&of(3), "digest").await.unwrap());
        assert_eq!(bench.folders().len(), 3);
        let small = snapshots.with_limit(1);
        let new = small.get(&of(4), "digest").await.unwrap();
        let left = bench.folders();
        assert_eq!(left.len(), 2, "in use are the first and the last: {left:?}");
        assert!(left.contains(&kept[0]));
        boots(&of(1), used).await;
        boots(&of(4), new).await;
    });
}

#[test]
fn a_cache_may_have_any_name_that_qemu_can_be_told() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let bench = Bench::new(&qemu);
        for name in ["with space", "comma,and=equals", "colon:and'quote\"", "ünï"] {
            let snapshots = Snapshots::open(&bench.cache.path().join(name));
            boots(&bench.config, snapshots.get(&bench.config, "digest").await.unwrap()).await;
        }
        let absolute = std::env::current_dir().unwrap();
        let up: PathBuf = absolute.components().skip(1).map(|_| "..").collect();
        let relative = up.join(bench.cache.path().strip_prefix("/").unwrap()).join("relative");
        assert!(relative.is_relative());
        let snapshots = Snapshots::open(&relative);
        boots(&bench.config, snapshots.get(&bench.config, "digest").await.unwrap()).await;

        for name in [OsStr::new("a,offset=1"), unsafe_name()] {
            let snapshots = Snapshots::open(&bench.cache.path().join(name));
            let error = snapshots.get(&bench.config, "digest").await.unwrap_err();
            assert!(matches!(error, SnapshotError::Refused(_)), "{error}");
            assert!(error.to_string().contains("cannot be told the name of the cache"), "{error}");
        }
    });
}

/// No UTF-8.
fn unsafe_name() -> &'static OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(b"\xff")
}
