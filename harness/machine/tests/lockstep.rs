//! On the virtual clock the guest waits for us: what happens to it does not depend on how busy the host is.

#![allow(clippy::unwrap_used)] // helpers of tests are tests too

mod guests;

use guests::{Image, config, qemu, within};
use machine::{Machine, MachineConfig, Qemu};
use record::{ClockMode, Direction, GuestTime};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempPath;
use wire::{Guest, GuestEvent};

const SECOND: Duration = Duration::from_secs(1);

/// Keeps every processor busy, twice, until dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn new() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let processors = std::thread::available_parallelism().unwrap().get();
        for _ in 0..2 * processors {
            let over = Arc::clone(&over);
            std::thread::spawn(move || while !over.load(Ordering::Relaxed) {});
        }
        Self(over)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An answer to the guest's frame, unlike it.
fn answer(number: u8) -> Vec<u8> {
    [&[0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 9, 0x88, 0xb5, number][..], &[0; 45]].concat()
}

/// Answers 20 frames of a guest that asks, each after `delay` on the host; returns how long after its question each
/// answer arrived.
async fn exchange(config: MachineConfig, delay: Duration) -> Vec<Duration> {
    let mut machine = Machine::start(config).await.unwrap();
    let (mut took, mut asked) = (Vec::new(), None);
    while took.len() < 20 {
        match machine.next(Some(GuestTime::ZERO + 60 * SECOND)).await.unwrap() {
            GuestEvent::Frame { at, direction: Direction::FromGuest, .. } => {
                assert!(asked.replace(at).is_none(), "two questions and no answer");
                std::thread::sleep(delay);
                machine.send(answer(took.len().try_into().unwrap())).unwrap();
            }
            GuestEvent::Frame { at, .. } => took.push(at.since(asked.take().expect("a question"))),
            GuestEvent::Monitor { .. } => {}
            other => panic!("{other:?} after {took:?}"),
        }
    }
    took
}

#[test]
fn answers_are_prompt_however_late_we_are_and_however_busy_the_host_is() {
    let Some(qemu) = qemu() else { return };
    within(120, async {
        let image = Image::asking();
        let config = config(&qemu, &image);
        let check = |what: &str, took: Vec<Duration>| {
            println!("{what}: {:?} at worst", took.iter().max());
            assert!(took.iter().all(|took| *took < SECOND / 10), "{what}: {took:?}");
        };
        check("prompt", exchange(config.clone(), Duration::ZERO).await);
        // Seconds of guest time, were it not for the gate.
        check("late", exchange(config.clone(), Duration::from_millis(20)).await);
        let _busy = Busy::new();
        check("on a busy host", exchange(config, Duration::ZERO).await);
    });
}

#[test]
fn without_the_gate_late_answers_are_late() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let image = Image::asking();
        let program = edited(&qemu, NO_GATE);
        let config = MachineConfig { qemu: PathBuf::from(&*program), ..config(&qemu, &image) };
        let took = exchange(config, Duration::from_millis(20)).await;
        assert!(took.iter().any(|took| *took > SECOND / 10), "{took:?}");
    });
}

#[test]
fn a_delayed_answer_arrives_within_100_ms_of_its_time_on_a_busy_host() {
    let Some(qemu) = qemu() else { return };
    within(120, async {
        let image = Image::asking();
        let mut machine = Machine::start(config(&qemu, &image)).await.unwrap();
        let _busy = Busy::new();
        let (mut due, mut late) = (None, Vec::new());
        while late.len() < 20 {
            let wake = due.unwrap_or(GuestTime::ZERO + 3600 * SECOND);
            match machine.next(Some(wake)).await.unwrap() {
                GuestEvent::Frame { at, direction: Direction::FromGuest, .. } => due = Some(at + 3 * SECOND),
                GuestEvent::Frame { at, .. } => late.push(at.since(due.take().unwrap())),
                GuestEvent::Tick { at } => {
                    assert!(at >= wake, "woken at {at}, not at {wake}");
                    machine.send(answer(late.len().try_into().unwrap())).unwrap();
                    // The guest's next frame, or this one as it arrives.
                    due = due.filter(|_| at >= wake);
                    while let Some(wake) = due {
                        match machine.next(None).await.unwrap() {
                            GuestEvent::Frame { at, direction: Direction::ToGuest, .. } => {
                                late.push(at.since(wake));
                                due = None;
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                }
                GuestEvent::Monitor { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        late.sort();
        println!("late by {:?} in the median, at worst {:?}", late[10], late[19]);
        assert!(late[19] < SECOND / 10, "{late:?}");
    });
}

/// The processors that each thread of a running guest may use, as /proc lists them.
async fn processors(config: MachineConfig) -> Vec<String> {
    let mut machine = Machine::start(config).await.unwrap();
    machine.next(None).await.unwrap();
    let threads = std::fs::read_dir(format!("/proc/{}/task", machine.pid())).unwrap();
    let allowed = |thread: std::fs::DirEntry| {
        let status = std::fs::read_to_string(thread.path().join("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        line.trim().to_owned()
    };
    threads.map(Result::unwrap).map(allowed).collect()
}

#[test]
fn threads_that_take_turns_stay_on_one_processor() {
    let Some(qemu) = qemu() else { return };
    if std::thread::available_parallelism().unwrap().get() < 2 {
        eprintln!("skipped: this host has one processor");
        return;
    }
    within(60, async {
        let image = Image::asking();
        let config = config(&qemu, &image);
        let shared = processors(config.clone()).await;
        assert!(shared.len() > 2 && shared.iter().all(|list| *list == shared[0]), "{shared:?}");
        assert!(shared[0].parse::<usize>().is_ok(), "more than one: {shared:?}");

        // On the host's clock they work side by side.
        let apart = processors(MachineConfig { clock: ClockMode::Real, ..config }).await;
        assert!(apart.iter().all(|list| list.parse::<usize>().is_err()), "{apart:?}");
    });
}

/// The real QEMU with other arguments: `edit` is a sed script for each of them; what becomes empty is left out together
/// with the option before it.
fn edited(qemu: &Qemu, edit: &str) -> TempPath {
    let mut script = tempfile::Builder::new().prefix("qemu-").tempfile().unwrap();
    let real = qemu.path.display();
    write!(
        script,
        "#!/bin/bash\nargs=()\nfor arg; do\n  new=$(sed -E '{edit}' <<<\"$arg\")\n  \
         if [ -n \"$arg\" ] && [ -z \"$new\" ]; then unset 'args[-1]'; else args+=(\"$new\"); fi\ndone\n\
         exec {real} \"${{args[@]}}\"\n"
    )
    .unwrap();
    let (file, path) = script.into_parts();
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Neither stops for frames nor at beats.
const NO_GATE: &str = "s/^filter-buffer,id=beats.*//; s/^filter-dump,id=(net|clock)-gate.*//";

/// Ticks and answers come, at most `longest` of host time after the start.
async fn goes_on(config: MachineConfig, longest: Duration) {
    let mut machine = Machine::start(config).await.unwrap();
    let start = Instant::now();
    let (mut ticks, mut answers) = (0u64, 0u8);
    while ticks < 20 || answers < 5 {
        let wake = GuestTime::ZERO + SECOND / 10 * u32::try_from(ticks + 1).unwrap();
        match machine.next(Some(wake)).await.unwrap() {
            GuestEvent::Tick { .. } => ticks += 1,
            GuestEvent::Frame { direction: Direction::FromGuest, .. } => {
                answers += 1;
                machine.send(answer(answers)).unwrap();
            }
            GuestEvent::Frame { .. } | GuestEvent::Monitor { .. } => {}
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() < longest, "{ticks} ticks and {answers} answers after {:?}", start.elapsed());
    }
    println!("after {:?}", start.elapsed());
}

#[test]
fn a_qemu_that_never_comes_to_the_gate_is_not_waited_for() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let image = Image::asking();
        let program = edited(&qemu, NO_GATE);
        goes_on(MachineConfig { qemu: PathBuf::from(&*program), ..config(&qemu, &image) }, 20 * SECOND).await;
    });
}

#[test]
fn a_qemu_that_waits_in_the_gate_for_a_reason_of_its_own_is_let_go() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let image = Image::asking();
        // Frames of ours stop it too, which nobody expects.
        let program = edited(&qemu, "/^filter-dump,id=net-gate/s/queue=rx/queue=all/");
        goes_on(MachineConfig { qemu: PathBuf::from(&*program), ..config(&qemu, &image) }, 20 * SECOND).await;
    });
}

#[test]
fn the_monitor_answers_while_the_guest_waits_for_us() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let image = Image::asking();
        let mut machine = Machine::start(config(&qemu, &image)).await.unwrap();
        loop {
            match machine.next(None).await.unwrap() {
                GuestEvent::Frame { .. } => break,
                GuestEvent::Monitor { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        // Unanswered, it is in the gate or about to come to it.
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(5));
            let start = Instant::now();
            assert!(machine.qmp().exec(qapi::qmp::query_status {}).await.unwrap().running);
            assert!(start.elapsed() < SECOND, "after {:?}", start.elapsed());
            let before = machine.now().await.unwrap();
            let wake = before + SECOND / 10;
            while !matches!(machine.next(Some(wake)).await.unwrap(), GuestEvent::Tick { .. }) {}
        }
        machine.qmp().exec(qapi::qmp::quit {}).await.unwrap();
        while !matches!(machine.next(None).await.unwrap(), GuestEvent::Exited { .. }) {}
    });
}
