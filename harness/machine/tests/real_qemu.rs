//! Against a real QEMU, with firmware of a few bytes that needs no driver, no network and no time.

#![allow(clippy::unwrap_used)] // helpers of tests are tests too

mod guests;

use guests::{Image, config, qemu, within};
use machine::{Accel, FrameError, Machine, MachineConfig, MachineError, QmpError, choose_accelerator};
use record::{Accelerator, ClockMode, Direction, GuestTime};
use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wire::{Guest, GuestEvent};

fn at(seconds: f64) -> GuestTime {
    GuestTime::ZERO + Duration::from_secs_f64(seconds)
}

fn time_of(event: &GuestEvent) -> GuestTime {
    match event {
        GuestEvent::Frame { at, .. }
        | GuestEvent::Console { at, .. }
        | GuestEvent::Monitor { at, .. }
        | GuestEvent::Tick { at }
        | GuestEvent::Exited { at, .. } => *at,
    }
}

/// Everything until the guest's clock reaches `wake`, or the guest ends.
async fn events_until(machine: &mut Machine, wake: GuestTime) -> Vec<GuestEvent> {
    let mut events = Vec::new();
    loop {
        let event = machine.next(Some(wake)).await.unwrap();
        let last = matches!(event, GuestEvent::Tick { .. } | GuestEvent::Exited { .. });
        events.push(event);
        if last {
            assert!(events.is_sorted_by_key(time_of), "{events:#?}");
            return events;
        }
    }
}

fn console(events: &[GuestEvent]) -> String {
    let bytes = events.iter().filter_map(|event| match event {
        GuestEvent::Console { bytes, .. } => Some(&bytes[..]),
        _ => None,
    });
    String::from_utf8(bytes.collect::<Vec<_>>().concat()).unwrap()
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// Whether a process runs; one that waits to be reaped does not.
fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']))
    })
}

#[test]
fn the_console_is_heard_and_the_clock_runs_forward() {
    let Some(qemu) = qemu() else { return };
    for clock in [ClockMode::Virtual, ClockMode::Real] {
        within(60, async {
            let image = Image::saying("hello\r\n").looping();
            let mut machine = Machine::start(MachineConfig { clock, ..config(&qemu, &image) }).await.unwrap();
            let events = events_until(&mut machine, at(0.5)).await;
            assert_eq!(console(&events), "hello\r\n");

            let mut late = Vec::new();
            let mut last = machine.now().await.unwrap();
            for step in 1..=20 {
                let wake = last + Duration::from_millis(step * 10);
                match machine.next(Some(wake)).await.unwrap() {
                    GuestEvent::Tick { at } => {
                        assert!(at >= wake, "{at} before {wake}");
                        late.push(at.since(wake));
                    }
                    other => panic!("{other:?}"),
                }
                let now = machine.now().await.unwrap();
                assert!(now >= wake && now >= last, "{now} after {last}");
                last = now;
            }
            late.sort();
            println!("{clock:?}: wake-ups late by {:?} in the median, at worst {:?}", late[10], late[19]);
            assert_eq!(machine.stderr(), "");
            machine.stop().await.unwrap();
        });
    }
}

/// A guest that waits for entropy does nothing that would make QEMU stop for us.
#[test]
fn entropy_is_drawn_from_the_seed_and_at_once() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let image = Image::drawing().looping();
        let drawn = async |seed| {
            let mut machine = Machine::start(MachineConfig { seed, ..config(&qemu, &image) }).await.unwrap();
            let events = events_until(&mut machine, at(0.5)).await;
            let bytes = events.into_iter().filter_map(|event| match event {
                GuestEvent::Console { bytes, .. } => Some(bytes),
                _ => None,
            });
            bytes.collect::<Vec<_>>().concat()
        };
        let first = drawn(1).await;
        assert_eq!(first.len(), 8, "{first:?}");
        assert_eq!(drawn(1).await, first);
        assert_ne!(drawn(2).await, first);
    });
}

#[test]
fn the_clock_of_a_guest_that_sleeps_for_good_neither_stops_nor_leaps() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let image = Image::saying("").halting();
        let mut config = config(&qemu, &image);
        // Without the board's own timer, as on boards that have none.
        config.spec.machine = "q35,pit=off,hpet=off";
        let mut machine = Machine::start(config).await.unwrap();
        let start = Instant::now();
        let events = events_until(&mut machine, at(150.0)).await;
        let Some(GuestEvent::Tick { at: woken }) = events.last() else { panic!("{events:?}") };
        println!("woken at {woken} after {:?}", start.elapsed());
        assert!(*woken < at(600.0), "woken at {woken}");
    });
}

#[test]
fn nothing_is_lost_when_waiting_is_given_up() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let text: String = (0..2000).map(|number| format!("{number}\n")).collect();
        let image = Image::saying(&text).resetting();
        let mut machine = Machine::start(config(&qemu, &image)).await.unwrap();
        let (mut events, mut given_up) = (Vec::new(), 0);
        while !matches!(events.last(), Some(GuestEvent::Exited { .. })) {
            // Polled once, then dropped wherever it waits.
            tokio::select! {
                biased;
                event = machine.next(Some(at(3600.0))) => events.push(event.unwrap()),
                () = std::future::ready(()) => given_up += 1,
            }
            tokio::task::yield_now().await;
        }
        assert!(given_up > 0);
        assert!(console(&events) == text, "{} of {} bytes", console(&events).len(), text.len());
        assert!(events.is_sorted_by_key(time_of));
        assert!(matches!(events[events.len() - 2], GuestEvent::Monitor { .. }));
    });
}

#[test]
fn a_reset_ends_the_guest_and_says_so() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let mut machine = Machine::start(config(&qemu, &Image::saying("bye").resetting())).await.unwrap();
        let events = events_until(&mut machine, at(3600.0)).await;
        assert_eq!(console(&events), "bye");
        let [.., GuestEvent::Monitor { name, data, .. }, GuestEvent::Exited { how, .. }] = &events[..] else {
            panic!("{events:#?}")
        };
        assert_eq!((name.as_str(), &data["reason"]), ("SHUTDOWN", &"guest-reset".into()));
        assert_eq!(how, "QEMU ended with exit code 0");
    });
}

#[test]
fn a_killed_qemu_is_an_event_and_stays_one() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let mut machine = Machine::start(config(&qemu, &Image::saying("").looping())).await.unwrap();
        events_until(&mut machine, at(0.1)).await;
        signal(machine.pid(), "KILL");
        for _ in 0..2 {
            let events = events_until(&mut machine, at(3600.0)).await;
            let Some(GuestEvent::Exited { how, .. }) = events.last() else { panic!("{events:?}") };
            assert_eq!(how, "QEMU was ended by signal 9");
        }
        machine.send(vec![0; 60]).unwrap();
        assert!(matches!(machine.qmp().exec(qapi::qmp::query_status {}).await, Err(QmpError::Closed { .. })));
        machine.now().await.unwrap();
    });
}

#[test]
fn a_qemu_that_does_not_answer_is_an_error() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let mut machine = Machine::start(config(&qemu, &Image::saying("").looping())).await.unwrap();
        signal(machine.pid(), "STOP");
        let start = Instant::now();
        let error = loop {
            match machine.next(Some(at(3600.0))).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, MachineError::Unresponsive { .. }), "{error}");
        assert!(start.elapsed() < Duration::from_secs(20), "after {:?}", start.elapsed());
        let pid = machine.pid();
        drop(machine);
        assert!(!runs(pid));
    });
}

#[test]
fn the_monitor_answers_while_events_wait() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let mut machine = Machine::start(config(&qemu, &Image::saying("").looping())).await.unwrap();
        let qmp = machine.qmp().clone();
        let (status, unknown) = tokio::join!(
            qmp.exec(qapi::qmp::query_status {}),
            qmp.raw("x-no-such-command", serde_json::Value::Null)
        );
        assert!(status.unwrap().running);
        assert!(matches!(unknown, Err(QmpError::Refused { .. })));
        // A stop that was asked for is an event, not a failure.
        qmp.exec(qapi::qmp::stop {}).await.unwrap();
        let stopped_at = machine.now().await.unwrap();
        let waited = tokio::time::timeout(
            Duration::from_millis(300),
            events_until(&mut machine, stopped_at + Duration::from_micros(1)),
        );
        waited.await.expect_err("a stopped clock reached a later time");
        qmp.exec(qapi::qmp::cont {}).await.unwrap();
        let events = events_until(&mut machine, stopped_at + Duration::from_millis(1)).await;
        assert!(
            events.iter().any(|event| matches!(event, GuestEvent::Monitor { name, .. } if name == "RESUME"))
        );
    });
}

#[test]
fn our_frames_cross_and_announcements_of_qemu_do_not_count() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let mut machine = Machine::start(config(&qemu, &Image::saying("").looping())).await.unwrap();
        let announce = serde_json::json!({"initial": 50, "max": 100, "rounds": 2, "step": 50});
        machine.qmp().raw("announce-self", announce).await.unwrap();
        let frame: Vec<u8> = (0..100).collect();
        machine.send(frame.clone()).unwrap();
        let frames: Vec<_> = events_until(&mut machine, at(3.0))
            .await
            .into_iter()
            .filter_map(|event| match event {
                GuestEvent::Frame { direction, bytes, .. } => Some((direction, bytes)),
                _ => None,
            })
            .collect();
        assert_eq!(frames, [(Direction::ToGuest, frame)]);
        assert!(matches!(machine.send(vec![]), Err(MachineError::Frame(FrameError::Length(0)))));
    });
}

/// With every firmware that is in the user's cache; the runs of whole cells need them all, this test none.
#[test]
fn frames_of_both_directions_come_in_order() {
    let Some(qemu) = qemu() else { return };
    let Ok(store) = firmware::Store::of_user() else { return };
    for build in firmware::Catalog::builtin().builds().iter().filter(|build| build.by_default) {
        let firmware::Cached::Ready(firmware) = store.cached(build) else {
            eprintln!("skipped: {} is not in the cache", build.id);
            continue;
        };
        let Some(spec) = firmware.family.machine(firmware.architecture) else { continue };
        within(120, async {
            let none = Image::saying("").looping();
            let (code, vars) = (firmware.code.path, firmware.vars.map(|vars| vars.path));
            let mut machine =
                Machine::start(MachineConfig { spec, code, vars, ..config(&qemu, &none) }).await.unwrap();
            let mut sent = Vec::new();
            let mut first = GuestTime::ZERO;
            let mut crossed = Vec::new();
            while crossed.len() < 20 {
                match machine.next(None).await.unwrap() {
                    GuestEvent::Frame { at, direction: Direction::FromGuest, bytes } => {
                        assert_eq!(bytes[6..12], config(&qemu, &none).mac);
                        if sent.is_empty() {
                            first = at;
                            // Broadcasts that nothing answers.
                            sent =
                                (1..=20).map(|number| [vec![0xff; 6], vec![number; 74]].concat()).collect();
                            for frame in &sent {
                                machine.send(frame.clone()).unwrap();
                            }
                        }
                    }
                    GuestEvent::Frame { at, bytes, .. } => crossed.push((at, bytes)),
                    GuestEvent::Exited { how, .. } => panic!("{how}"),
                    _ => {}
                }
            }
            assert!(crossed.is_sorted_by_key(|(at, _)| *at));
            println!("{}: answered after {:?} of guest time", build.id, crossed[0].0.since(first));
            assert_eq!(crossed.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>(), sent);
        });
    }
}

#[test]
fn what_cannot_start_says_why() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let image = Image::saying("").looping();
        let good = config(&qemu, &image);
        let start = async |config: MachineConfig| Machine::start(config).await.err().unwrap();

        let mut bad = good.clone();
        bad.spec.cpu = "no-such-cpu".into();
        let error = start(bad).await.to_string();
        assert!(error.starts_with("failed to start QEMU: QEMU ended with exit code 1"), "{error}");
        assert!(error.contains("unable to find CPU model 'no-such-cpu'"), "{error}");
        assert!(error.contains("-display none -S"), "{error}");

        let error = start(MachineConfig { code: "/no/such.fd".into(), ..good.clone() }).await;
        assert!(
            matches!(&error, MachineError::Image { path, .. } if path == Path::new("/no/such.fd")),
            "{error}"
        );
        let error = start(MachineConfig { qemu: "/no/such/qemu".into(), ..good.clone() }).await;
        assert!(matches!(&error, MachineError::Spawn { .. }), "{error}");
        let error = start(MachineConfig { qemu: "/bin/true".into(), ..good.clone() }).await.to_string();
        assert!(error.contains("QEMU ended with exit code 0"), "{error}");
        let error = start(MachineConfig { accelerator: Accelerator::Kvm, ..good.clone() }).await;
        assert!(matches!(error, MachineError::VirtualClockUnderKvm), "{error}");
        let error =
            start(MachineConfig { rtc_base: jiff::civil::date(2038, 1, 1).at(0, 0, 0, 0), ..good }).await;
        assert!(matches!(error, MachineError::RtcBase(_)), "{error}");
    });
}

#[test]
fn four_machines_share_nothing() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let images = ["one", "two", "three", "four"].map(|text| Image::saying(text).looping());
        let [one, two, three, four] = images.each_ref().map(|image| Machine::start(config(&qemu, image)));
        let (one, two, three, four) = tokio::try_join!(one, two, three, four).unwrap();
        let mut machines = [one, two, three, four];

        // Pipes and sockets by their inodes: each in one QEMU only, but for what whoever ran the test left open.
        let given: HashSet<String> = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| {
                let fd = entry.unwrap().file_name().into_string().unwrap();
                let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
                let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?.trim();
                let closes_on_exec = u32::from_str_radix(flags, 8).unwrap() & 0o2_000_000 != 0;
                let target = std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()?;
                (!closes_on_exec).then(|| target.to_string_lossy().into_owned())
            })
            .collect();
        let mut owners: HashMap<String, u32> = HashMap::new();
        for machine in &machines {
            let mut own = 0;
            for entry in std::fs::read_dir(format!("/proc/{}/fd", machine.pid())).unwrap() {
                let Ok(target) = std::fs::read_link(entry.unwrap().path()) else { continue };
                let target = target.to_string_lossy().into_owned();
                if (target.starts_with("socket:") || target.starts_with("pipe:")) && !given.contains(&target)
                {
                    own += 1;
                    let owner = *owners.entry(target.clone()).or_insert(machine.pid());
                    assert_eq!(owner, machine.pid(), "{target} is open in two machines");
                }
            }
            assert!(own >= 7, "only {own} channels found");
        }

        let mut heard = Vec::new();
        for machine in &mut machines {
            heard.push(console(&events_until(machine, at(0.5)).await));
        }
        assert_eq!(heard, ["one", "two", "three", "four"]);

        let pids = machines.each_ref().map(Machine::pid);
        drop(machines);
        assert_eq!(pids.map(runs), [false; 4], "a dropped machine leaves its process");
    });
}

/// Runs itself as the process that owns a machine and is killed.
#[test]
fn a_killed_harness_takes_its_guests_along() {
    const OWNER: &str = "PLUGFEST_TEST_OWNER";
    let Some(qemu) = qemu() else { return };
    if std::env::var_os(OWNER).is_some() {
        within(60, async {
            let machine = Machine::start(config(&qemu, &Image::saying("").looping())).await.unwrap();
            println!("\nguest {}", machine.pid());
            std::future::pending::<()>().await;
        });
    }
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_killed_harness_takes_its_guests_along", "--nocapture"])
        .env(OWNER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let guest: u32 = BufReader::new(owner.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("guest ")?.parse().ok())
        .expect("the owner ended without a guest");
    assert!(runs(guest));
    owner.kill().unwrap(); // SIGKILL: nothing of ours runs any more.
    let start = Instant::now();
    while runs(guest) {
        assert!(start.elapsed() < Duration::from_secs(2), "the guest outlives its harness");
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("gone after {:?}", start.elapsed());
    owner.wait().unwrap();
}

#[test]
fn the_accelerator_is_tried_once_and_remembered() {
    let Some(qemu) = qemu() else { return };
    within(60, async {
        let image = Image::saying("alive").looping();
        let config = MachineConfig { clock: ClockMode::Real, ..config(&qemu, &image) };
        let cache = tempfile::tempdir().unwrap();
        let choose = async |wanted, config: &MachineConfig| {
            choose_accelerator(wanted, config, &qemu, "digest", cache.path()).await
        };
        let first = choose(Accel::Auto, &config).await.unwrap();
        println!("{first:?}");
        assert_eq!(first.note.is_some(), first.accelerator == Accelerator::Tcg);
        if Path::new("/dev/kvm").exists() {
            let start = Instant::now();
            assert_eq!(choose(Accel::Auto, &config).await.unwrap(), first);
            assert!(start.elapsed() < Duration::from_millis(20), "tried again: {:?}", start.elapsed());
            // Another image is another question.
            assert_eq!(std::fs::read_dir(cache.path().join("accelerator")).unwrap().count(), 1);
            choose_accelerator(Accel::Auto, &config, &qemu, "other", cache.path()).await.unwrap();
            assert_eq!(std::fs::read_dir(cache.path().join("accelerator")).unwrap().count(), 2);
        }
        assert_eq!(choose(Accel::Kvm, &config).await.unwrap().accelerator, Accelerator::Kvm);
        assert_eq!(choose(Accel::Tcg, &config).await.unwrap().accelerator, Accelerator::Tcg);

        let config = MachineConfig { clock: ClockMode::Virtual, ..config };
        assert_eq!(choose(Accel::Auto, &config).await.unwrap().note, None);
        assert!(matches!(choose(Accel::Kvm, &config).await, Err(MachineError::VirtualClockUnderKvm)));
    });
}
