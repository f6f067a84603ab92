//! Guests that are fake firmware, what can go wrong between them and us, and runs of them.

use fake_firmware::{Behaviour, FakeFirmware};
use firmware::{Architecture, Family, Firmware};
use pki::Trust;
use record::{CellResult, ClockMode, Entry, ImageFile, Results};
use run::{Cell, Guests, Options, Plan, StartError, Started};
use scenario::{Scenario, Selected};
use services::client::Mode;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use wire::{Direction, Guest, GuestEvent, GuestTime};

/// Where test keys are kept between runs of these tests.
pub fn cache() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// What lies between a guest and us.
#[derive(Clone, Copy, Debug, Default)]
pub enum Link {
    #[default]
    Good,
    /// Our frames arrive this much later, as on a host that is overloaded.
    Late(Duration),
    /// These frames of the guest never leave its card.
    Dumb(fn(&[u8]) -> bool),
    /// The console comes a byte at a time, as from a QEMU that gets little of a processor.
    Drips,
    /// The guest's process neither runs nor ends.
    Stuck,
    /// The connection to the guest's process breaks at this guest time.
    Breaks(GuestTime),
}

/// Frames to the DHCP server.
pub fn is_dhcp(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[8, 0]) && frame.get(36..38) == Some(&[0, 67])
}

/// Frames in which a payload, or what claims to be one, announces itself.
pub fn is_announcement(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x88, 0xb5])
}

/// A fake firmware at the far end of a link.
pub struct FakeGuest {
    firmware: FakeFirmware,
    link: Link,
    now: GuestTime,
    /// Our frames that have not arrived.
    held: VecDeque<(GuestTime, Vec<u8>)>,
    /// What drips.
    drops: VecDeque<u8>,
    /// How many boot entries were written for it.
    entries: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("the socket broke")]
pub struct Broken;

impl Guest for FakeGuest {
    type Error = Broken;

    fn send(&mut self, frame: Vec<u8>) -> Result<(), Broken> {
        match self.link {
            Link::Late(by) => self.held.push_back((self.now + by, frame)),
            _ => self.firmware.deliver(frame),
        }
        Ok(())
    }

    async fn next(&mut self, wake: Option<GuestTime>) -> Result<GuestEvent, Broken> {
        loop {
            if let Some(byte) = self.drops.pop_front() {
                return Ok(GuestEvent::Console { at: self.now, bytes: vec![byte] });
            }
            let due = self.held.front().map(|(due, _)| *due);
            let until = due.into_iter().chain(wake).min();
            let event = match self.link {
                Link::Stuck => None,
                _ => self.firmware.step(until),
            };
            let Some(event) = event else { return std::future::pending().await };
            let (GuestEvent::Frame { at, .. }
            | GuestEvent::Console { at, .. }
            | GuestEvent::Monitor { at, .. }
            | GuestEvent::Tick { at }
            | GuestEvent::Exited { at, .. }) = event;
            self.now = at;
            match (&event, self.link) {
                (_, Link::Breaks(when)) if at >= when => return Err(Broken),
                (GuestEvent::Tick { .. }, _) if due.is_some_and(|due| due <= at) => {
                    self.held.pop_front().into_iter().for_each(|(_, frame)| self.firmware.deliver(frame));
                }
                (GuestEvent::Frame { direction: Direction::FromGuest, bytes, .. }, Link::Dumb(lost))
                    if lost(bytes) => {}
                (GuestEvent::Console { bytes, .. }, Link::Drips) => self.drops.extend(bytes),
                _ => return Ok(event),
            }
        }
    }
}

/// What the guest of a cell is, for the how-manieth attempt (from 1) at it.
type Choice = dyn Fn(&Cell, &Firmware, u32) -> Result<(Behaviour, Link), StartError>;

pub struct Fakes {
    choice: Box<Choice>,
    attempts: RefCell<HashMap<String, u32>>,
    /// Guests that start from now on get nowhere.
    stuck: Rc<std::cell::Cell<bool>>,
}

impl Fakes {
    pub fn choosing(
        choice: impl Fn(&Cell, &Firmware, u32) -> Result<(Behaviour, Link), StartError> + 'static,
    ) -> Self {
        Self { choice: Box::new(choice), attempts: RefCell::default(), stuck: Rc::default() }
    }

    /// The same client for every cell.
    pub fn all(behaviour: Behaviour) -> Self {
        Self::choosing(move |_, _, _| Ok((behaviour.clone(), Link::Good)))
    }
}

impl Guests for Fakes {
    type Guest = FakeGuest;

    async fn start(
        &self,
        cell: &Cell,
        firmware: &Firmware,
        image: &Arc<[u8]>,
    ) -> Result<Started<FakeGuest>, StartError> {
        let attempt = *self.attempts.borrow_mut().entry(cell.id.clone()).and_modify(|n| *n += 1).or_insert(1);
        let (behaviour, link) = (self.choice)(cell, firmware, attempt)?;
        let (behaviour, rtc_base) = equipped(behaviour, cell);
        let equipment = cell.equipment.as_ref().ok();
        let is_enforced = cell.network.client.secure_boot.mode == Mode::User;
        let keys = equipment.filter(|_| is_enforced).and_then(|it| it.databases(cell, image).unwrap());
        let behaviour = behaviour.guarded(keys);
        let guest = FakeGuest {
            firmware: FakeFirmware::new(behaviour),
            link: if self.stuck.get() { Link::Stuck } else { link },
            now: GuestTime::ZERO,
            held: VecDeque::new(),
            drops: VecDeque::new(),
            entries: cell.network.client.nvram.entries.len(),
        };
        let command = Some(vec!["fake-firmware".into(), format!("--attempt={attempt}")]);
        Ok(Started { guest, command, accelerator: None, rtc_base })
    }

    /// A firmware that leaves boot entries alone, and has used up BootNext.
    async fn variables(&self, guest: &mut FakeGuest) -> Result<Option<Vec<u8>>, String> {
        let mut store = nvram::Store::formatted(4096);
        let numbers: Vec<u16> = (0xf0..).take(guest.entries).collect();
        let option = |number: &u16| nvram::boot_variable(nvram::option_name(*number), Vec::new());
        let order = nvram::boot_variable("BootOrder", nvram::order(&numbers));
        for variable in numbers.iter().map(option).chain([order]) {
            store.set(&variable).map_err(|error| error.to_string())?;
        }
        Ok(Some(store.bytes().to_vec()))
    }
}

/// A client as its cell has it, and the date that it is given in Unix seconds.
fn equipped(behaviour: Behaviour, cell: &Cell) -> (Behaviour, u64) {
    let identity = cell.equipment.as_ref().ok().and_then(|equipment| equipment.identity.as_ref());
    let anchors = match (&cell.network.client.trust, identity) {
        (Trust::None | Trust::Empty, _) | (_, None) => Vec::new(),
        (_, Some(identity)) => identity.anchors.clone(),
    };
    let behaviour = behaviour.equipped(&cell.network, anchors);
    let date = u64::try_from(behaviour.tls.date).unwrap();
    (behaviour, date)
}

/// A build of EDK2, as far as anything but a guest looks at it.
pub fn build(id: &str) -> Firmware {
    build_of(id, firmware::family_by_id("edk2").unwrap())
}

pub fn build_of(id: &str, family: &'static dyn Family) -> Firmware {
    Firmware {
        id: id.into(),
        family,
        architecture: Architecture::X64,
        version: "1.0".into(),
        source: "fake firmware".into(),
        code: firmware::Image {
            path: "/nonexistent".into(),
            file: ImageFile { file: "FAKE_CODE.fd".into(), sha256: "0".repeat(64) },
        },
        vars: None,
        files: Default::default(),
        base: None,
        smm: false,
        lacks: Vec::new(),
    }
}

/// A scenario named `id` whose other keys are `rest`, in YAML; `network` and `expect` among them.
pub fn scenario(id: &str, level: &str, rest: &str) -> Scenario {
    let text = format!(
        "id: {id}\ntitle: T\nrequirement: {{ spec: RFC 9110 §15, level: {level}, text: T. }}\nwhy: W.\n{rest}\n"
    );
    Scenario::parse(Path::new("test.yaml"), text.as_bytes(), None).unwrap_or_else(|error| panic!("{error}"))
}

/// Every point of `scenarios` on every build, with the controls.
pub fn plan(scenarios: &[Scenario], builds: Vec<Firmware>) -> Plan {
    let selected: Vec<Selected<'_>> = scenarios
        .iter()
        .flat_map(|scenario| scenario.points().iter().map(move |point| (scenario, point)))
        .flat_map(|(scenario, point)| {
            (0..builds.len()).map(move |firmware| Selected { scenario, point, firmware })
        })
        .collect();
    let mut plan = run::plan(&selected, builds, &run::controls());
    run::equip(&mut plan, scenarios, &pki::Pki::open(cache()));
    plan
}

/// A run and the directory that it left.
pub struct Done {
    pub results: Results,
    pub directory: TempDir,
    /// What the run said on its way: `planned 2`, `started ID`, `retrying ID: why`, `finished ID`.
    pub said: Vec<String>,
}

impl Done {
    /// The result of the only cell of `scenario`.
    pub fn cell(&self, scenario: &str) -> &CellResult {
        let mut cells = self.results.cells.iter().filter(|cell| cell.scenario == scenario);
        let cell = cells.next().unwrap_or_else(|| panic!("no cell of {scenario}"));
        assert!(cells.next().is_none(), "several cells of {scenario}");
        cell
    }

    pub fn timeline(&self, cell: &CellResult) -> Vec<Entry> {
        let path = &cell.evidence.as_ref().unwrap().timeline;
        let text = std::fs::read_to_string(self.directory.path().join(path)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Everything below the run's directory, sorted.
    pub fn files(&self) -> Vec<String> {
        fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                files.push(path.strip_prefix(root).unwrap().to_str().unwrap().into());
                if path.is_dir() {
                    collect(root, &path, files);
                }
            }
        }
        let mut files = Vec::new();
        collect(self.directory.path(), self.directory.path(), &mut files);
        files.sort();
        files
    }
}

/// Changes to how a run is made.
#[derive(Default)]
pub struct Setup {
    pub waivers: judge::Waivers,
    pub jobs: usize,
    pub host_limit: Option<Duration>,
    /// The run is interrupted when this many cells have finished.
    pub interrupted_after: Option<usize>,
    pub repeat: u32,
    pub fail_fast: bool,
    pub costs: run::Costs,
    pub journal: Option<run::Journal>,
}

pub fn run(plan: Plan, guests: Fakes) -> Done {
    run_with(plan, guests, Setup::default())
}

pub fn run_with(plan: Plan, guests: Fakes, setup: Setup) -> Done {
    run_in(tempfile::tempdir().unwrap(), plan, guests, setup)
}

pub fn run_in(directory: TempDir, plan: Plan, guests: Fakes, setup: Setup) -> Done {
    let options = Options {
        jobs: setup.jobs.max(1),
        clock: ClockMode::Virtual,
        seed: 1,
        host_limit: setup.host_limit.unwrap_or(Duration::from_secs(60)),
        waivers: setup.waivers,
        qemus: Vec::new(),
        repeat: setup.repeat.max(1),
        fail_fast: setup.fail_fast,
        costs: setup.costs,
        journal: setup.journal,
        ..Options::new(directory.path().to_owned())
    };
    let said = Rc::new(RefCell::new(Vec::new()));
    // Whoever polls what first decides when an interruption is noticed; until then, no other cell may end.
    let stuck = Rc::clone(&guests.stuck);
    stuck.set(setup.interrupted_after == Some(0));
    let (heard, interrupted, mut finished) = (Rc::clone(&said), Rc::clone(&stuck), 0);
    let listen = move |progress: run::Progress<'_>| {
        heard.borrow_mut().push(match progress {
            run::Progress::Planned(cells) => format!("planned {cells}"),
            run::Progress::Resumed(runs) => format!("resumed {runs}"),
            run::Progress::Started(cell) => format!("started {}", cell.id),
            run::Progress::Ran(cell) => format!("ran {}", cell.id),
            run::Progress::Retrying { cell, problem } => format!("retrying {}: {problem}", cell.id),
            run::Progress::Finished(result) => {
                finished += 1;
                stuck.set(setup.interrupted_after.is_some_and(|cells| finished >= cells));
                format!("finished {}", result.id)
            }
        });
    };
    let interrupt = async move {
        while !interrupted.get() {
            tokio::task::yield_now().await;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let results = runtime.block_on(run::run(plan, guests, options, listen, interrupt)).unwrap();
    let said = said.take();
    Done { results, directory, said }
}
