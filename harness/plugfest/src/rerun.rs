//! One cell again, from what a bundle holds of it: for its recording, and for its replay.

use crate::cli::default_scenarios;
use crate::command::open_catalog;
use crate::exit::Failure;
use firmware::{Cached, Firmware, Image, Selected, Store};
use machine::{Accel, MachineConfig};
use record::{CellResult, ClockMode, FirmwareRecord, QemuRecord, RunRecord};
use run::{Options, Plan, QemuGuests, QemuOptions, Qemus};
use scenario::{Scenario, Selected as SelectedPoint};
use std::path::Path;

/// A cell that is going to run again.
pub struct Rerun {
    plan: Plan,
    run: RunRecord,
    qemus: Qemus,
}

impl Rerun {
    /// The cell with this id whose resolved scenario this is, on `firmware`, under the terms of the run that it is from.
    pub fn new(scenario: &[u8], id: &str, firmware: Firmware, run: &RunRecord) -> Result<Self, Failure> {
        let parsed = resolved(scenario)?;
        let point = &parsed.points()[0];
        let selected = [SelectedPoint { scenario: &parsed, point, firmware: 0 }];
        let mut plan = run::plan(&selected, vec![firmware], &[]);
        // The proof is keyed by the id, which a resolved scenario has lost the parameters of.
        plan.cells[0].id = id.to_owned();
        // What firmware trusts are the anchors of all scenarios, as in the run.
        let mut scenarios = scenario::load_dir(&default_scenarios()).unwrap_or_default();
        scenarios.push(parsed.clone());
        let cache = firmware::cache().map_err(Failure::infrastructure)?;
        run::equip(&mut plan, &scenarios, &pki::Pki::open(&cache));
        let store = Store::open(&cache);
        run::supply(&mut plan, &open_catalog(None)?, &store, &mut |line| eprintln!("plugfest: {line}"));
        let mut qemus = Qemus::default();
        qemus.look_up(&plan.firmware[0]).map_err(Failure::infrastructure)?;
        Ok(Self { plan, run: run.clone(), qemus })
    }

    /// The QEMU that is going to run it, which `new` has looked up.
    pub fn qemu(&self) -> QemuRecord {
        self.qemus.record().into_iter().next().expect("invariant: looked up in `new`")
    }

    /// The fw_cfg items whose contents are files.
    pub fn items(&self) -> Vec<(String, Vec<u8>)> {
        let equipment = self.plan.cells[0].equipment.as_ref();
        let items = equipment.map(|equipment| equipment.fw_cfg.as_slice()).unwrap_or_default();
        items.iter().map(|(name, content)| (name.clone(), content.to_vec())).collect()
    }

    /// Puts other items in their place.
    pub fn set_items(&mut self, items: Vec<(String, Vec<u8>)>) {
        let fw_cfg = items.into_iter().map(|(name, content)| (name, content.into())).collect();
        if let Ok(equipment) = &mut self.plan.cells[0].equipment {
            equipment.fw_cfg = fw_cfg;
        }
    }

    /// The machine that the cell runs on, once it is recorded or replayed.
    pub fn machine(&self) -> Result<MachineConfig, Failure> {
        let guests = self.guests(None)?;
        let (cell, firmware) = (&self.plan.cells[0], &self.plan.firmware[0]);
        let payload = run::payload(cell, firmware, self.run.seed).map_err(Failure::infrastructure)?;
        let image = payload.image();
        runtime()?.block_on(guests.config(cell, firmware, &image)).map_err(Failure::infrastructure)
    }

    /// Runs it once; evidence goes into `directory`, and the recording into another one that is there.
    pub fn run(self, directory: &Path, recording: Option<&Path>) -> Result<CellResult, Failure> {
        let guests = self.guests(recording)?;
        let options = Options {
            clock: self.run.clock,
            seed: self.run.seed,
            qemus: self.qemus.record(),
            ..Options::new(directory.to_owned())
        };
        let id = self.plan.cells[0].id.clone();
        let results = runtime()?
            .block_on(run::run(self.plan, guests, options, |_| {}, std::future::pending()))
            .map_err(Failure::infrastructure)?;
        let cell = results.cells.into_iter().next();
        let cell = cell.ok_or_else(|| Failure::infrastructure(format!("{id} was not run")))?;
        match cell.outcome {
            Some(_) => Ok(cell),
            None => Err(Failure::infrastructure(format!("failed to run {id}: {}", cell.detail))),
        }
    }

    fn guests(&self, recording: Option<&Path>) -> Result<QemuGuests, Failure> {
        let machines = QemuOptions {
            clock: self.run.clock,
            accel: match self.run.clock {
                ClockMode::Virtual => Accel::Tcg,
                ClockMode::Real => Accel::Auto,
            },
            cold: recording.is_some(),
            seed: self.run.seed,
            cache: firmware::cache().map_err(Failure::infrastructure)?,
            recording: recording.map(Path::to_owned),
        };
        Ok(QemuGuests::new(self.qemus.clone(), machines, |note| eprintln!("plugfest: {note}")))
    }
}

/// The scenario of a bundle, which has one point.
fn resolved(scenario: &[u8]) -> Result<Scenario, Failure> {
    let parsed = Scenario::parse(Path::new(bundle::SCENARIO), scenario, None)
        .map_err(|file| Failure::bad_input(file.render(false)))?;
    match parsed.points().len() {
        1 => Ok(parsed),
        points => Err(Failure::bad_input(format!(
            "failed to use {}: a resolved scenario has one point, and this one has {points}",
            bundle::SCENARIO
        ))),
    }
}

/// The images that a cell of this resolved scenario runs on, by the names that they have in a bundle.
pub fn images<'f>(
    scenario: &[u8],
    firmware: &'f Firmware,
) -> Result<Vec<(&'static str, &'f Image)>, Failure> {
    let parsed = resolved(scenario)?;
    let chosen = parsed.points()[0].network.client.variables.name();
    let base = firmware.base.as_deref();
    let images = [
        (bundle::CODE, Some(&firmware.code)),
        (bundle::VARS, firmware.vars.as_ref()),
        (bundle::CHOSEN_VARS, chosen.and_then(|name| firmware.in_flash().files.get(name))),
        (bundle::BASE_CODE, base.map(|base| &base.code)),
        (bundle::BASE_VARS, base.and_then(|base| base.vars.as_ref())),
    ];
    Ok(images.into_iter().filter_map(|(name, image)| Some((name, image?))).collect())
}

/// A runtime of one thread: QEMU dies with the thread that started it.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::infrastructure)
}

/// Firmware as `record` has it, digest for digest: what `given` names, else made of the `images` of a bundle if it has any, else what
/// the cache has, else what the catalog can fetch.
pub fn find_firmware(
    record: &FirmwareRecord,
    given: Option<&str>,
    catalog: Option<&Path>,
    images: &[Image],
) -> Result<Firmware, Failure> {
    let of = |firmware: &Firmware| Firmware::from_record(record, &firmware.images());
    let store = Store::of_user().map_err(Failure::infrastructure)?;
    let catalog = open_catalog(catalog)?;
    let mut say = |line: &str| eprintln!("plugfest: {line}");
    if let Some(word) = given {
        let selected = catalog.select(word).map_err(Failure::bad_input)?;
        let firmware = store.obtain(&selected, &mut say).map_err(Failure::bad_input)?;
        return of(&firmware)
            .map_err(|why| Failure::bad_input(format!("failed to use {word} for {}: {why}", record.id)));
    }
    if !images.is_empty() {
        return Firmware::from_record(record, &images.iter().collect::<Vec<_>>())
            .map_err(|why| Failure::bad_input(format!("failed to use the bundle's firmware: {why}")));
    }
    let cached = catalog.builds().iter().find_map(|build| match store.cached(build) {
        Cached::Ready(firmware) => of(&firmware).ok(),
        Cached::Absent | Cached::Corrupt(_) => None,
    });
    if let Some(firmware) = cached {
        return Ok(firmware);
    }
    let why = match catalog
        .build(&record.id)
        .map(|build| store.obtain(&Selected::Build(build.clone()), &mut say))
    {
        None => "it is not in the catalog".to_owned(),
        Some(Err(error)) => error.to_string(),
        Some(Ok(firmware)) => match of(&firmware) {
            Ok(firmware) => return Ok(firmware),
            Err(why) => why.to_string(),
        },
    };
    Err(Failure::bad_input(format!(
        "failed to find firmware {} {} (SHA-256 of code {}): {why}; give it with --firmware CODE.fd[:VARS.fd]",
        record.id, record.version, record.code.sha256
    )))
}

/// How another run of a cell is not the same: outcome, stage, cause and transcript.
pub fn differences(recorded: &CellResult, again: &CellResult) -> Vec<String> {
    let say = |value: Option<&dyn std::fmt::Display>| value.map_or("none".to_owned(), ToString::to_string);
    fn shown<T: std::fmt::Display>(value: &Option<T>) -> Option<&dyn std::fmt::Display> {
        value.as_ref().map(|value| value as &dyn std::fmt::Display)
    }
    [
        ("outcome", shown(&recorded.outcome), shown(&again.outcome)),
        ("stage", shown(&recorded.stage), shown(&again.stage)),
        ("cause", shown(&recorded.cause), shown(&again.cause)),
        ("transcript", shown(&recorded.transcript), shown(&again.transcript)),
    ]
    .into_iter()
    .map(|(what, was, is)| (what, say(was), say(is)))
    .filter(|(_, was, is)| was != is)
    .map(|(what, was, is)| format!("{what} was {was}, and is {is}"))
    .collect()
}
