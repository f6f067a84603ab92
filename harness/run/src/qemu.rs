//! Guests that are QEMU machines.

use crate::{Cell, Guests, StartError, Started, equip::midnight, kept::Kept, variables};
use firmware::{BootBy, BootOver, Firmware, MachineSpec, Medium};
use machine::{
    Accel, Instruction, Machine, MachineConfig, Qemu, Snapshot, SnapshotError, Snapshots, Standby, Tape,
    choose_accelerator,
};
use record::{Accelerator, ClockMode, QemuRecord};
use services::{address::GUEST_MAC, client, client::Boot, client::Protocol};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// Most machines that wait for a cell. The oldest, whose cells are over, go first.
const MOST_WAITING: usize = 12;

/// How the machines of a run are made.
#[derive(Clone, Debug)]
pub struct QemuOptions {
    /// Which clock the guests run on.
    pub clock: ClockMode,
    /// What executes them.
    pub accel: Accel,
    /// Every cell from power-on, instead of from a snapshot.
    pub cold: bool,
    /// Seed of the guests' entropy.
    pub seed: u64,
    /// Where snapshots and answers that outlive the run are kept.
    pub cache: PathBuf,
    /// A folder that gets the recording of the only cell, which then begins at power-on.
    pub recording: Option<PathBuf>,
}

/// The QEMU programs that a run uses, each looked up once.
#[derive(Clone, Debug, Default)]
pub struct Qemus(Vec<(&'static str, Qemu)>);

impl Qemus {
    /// This one, under the name that a family knows it by.
    pub fn with(program: &'static str, qemu: Qemu) -> Self {
        Self(vec![(program, qemu)])
    }

    /// The program for a firmware, looked up if it is not known yet.
    pub fn look_up(&mut self, firmware: &Firmware) -> Result<&Qemu, StartError> {
        let program = machine_of(firmware)?.program;
        let at = match self.0.iter().position(|(name, _)| *name == program) {
            Some(at) => at,
            None => {
                self.0.push((program, Qemu::probe(program).map_err(start_error)?));
                self.0.len() - 1
            }
        };
        Ok(&self.0[at].1)
    }

    /// The program for a firmware, if it has been looked up.
    pub fn of(&self, firmware: &Firmware) -> Option<&Qemu> {
        let program = machine_of(firmware).ok()?.program;
        self.0.iter().find(|(name, _)| *name == program).map(|(_, qemu)| qemu)
    }

    /// As they are recorded in results.
    pub fn record(&self) -> Vec<QemuRecord> {
        self.0.iter().map(|(_, qemu)| qemu.record()).collect()
    }
}

fn machine_of(firmware: &Firmware) -> Result<MachineSpec, StartError> {
    let architecture = firmware.architecture;
    let spec = firmware.family.machine(architecture).ok_or_else(|| {
        StartError(format!("{} has no machine for {}", firmware.family.id(), architecture.as_str()))
    })?;
    Ok(if firmware.smm { spec.with_smm() } else { spec })
}

/// Bytes of image from which on a guest gets a fast processor, which it has from power-on only. EDK2 takes 60,000 instructions for a
/// segment; on a slow processor a window of 2 MiB takes it longer than either side waits.
const LARGE: usize = 16 << 20;

/// A family, an architecture and a protocol.
type SettingsOf = (&'static str, &'static str, BootBy);

/// Gives each cell a QEMU of its own: resumed from its firmware's snapshot, or powered on.
pub struct QemuGuests {
    qemus: Qemus,
    options: QemuOptions,
    snapshots: Snapshots,
    kept: Kept,
    notes: Box<dyn Fn(&str)>,
    /// The user knows that this QEMU takes no snapshots.
    told_cold: OnceCell<()>,
    accelerators: RefCell<HashMap<String, Accelerator>>,
    settings: RefCell<HashMap<SettingsOf, Option<PathBuf>>>,
    /// By machine; `None` for those of which there can be no snapshot.
    taken: RefCell<HashMap<String, Option<Snapshot>>>,
    /// With the machine that each is; the last is the latest.
    standby: Rc<RefCell<Vec<(String, Standby)>>>,
}

impl QemuGuests {
    /// Guests by `qemus`; `notes` gets a line when something is not as wished: another accelerator, no snapshot.
    pub fn new(qemus: Qemus, options: QemuOptions, notes: impl Fn(&str) + 'static) -> Self {
        Self {
            snapshots: Snapshots::open(&options.cache),
            kept: Kept::open(&options.cache),
            qemus,
            options,
            notes: Box::new(notes),
            told_cold: OnceCell::new(),
            accelerators: RefCell::default(),
            settings: RefCell::default(),
            taken: RefCell::default(),
            standby: Rc::default(),
        }
    }

    /// The machine of a cell.
    ///
    /// `image` is what it is served.
    pub async fn config(
        &self,
        cell: &Cell,
        firmware: &Firmware,
        image: &[u8],
    ) -> Result<MachineConfig, StartError> {
        let mut spec = machine_of(firmware)?;
        let qemu = self.qemu(firmware)?;
        let over = match cell.network.client.boot {
            Boot::Ipv4 => BootOver::Ipv4,
            Boot::Ipv6 => BootOver::Ipv6,
            Boot::Ipv6AfterIpv4 => BootOver::Ipv4ThenIpv6,
        };
        firmware.family.boot_over(&mut spec, over);
        let by = match cell.network.client.protocol {
            Protocol::Pxe => BootBy::Pxe,
            Protocol::Http => BootBy::Http,
        };
        if by == BootBy::Pxe {
            firmware.family.boot_by_pxe(&mut spec, over);
        }
        spec.menu_seconds = cell.network.client.wait_seconds;
        furnish(&mut spec, &cell.network.client.machine);
        // A cable is taken out by the monitor, which no recording has.
        if self.options.recording.is_some() && !(spec.records && spec.media_present) {
            return Err(StartError(format!("QEMU cannot record the machine of {}", firmware.id)));
        }
        let nvram = &cell.network.client.nvram;
        spec.boot_index &= nvram.boot_index;
        // What the machine starts with.
        let first = firmware.in_flash();
        let kernel = firmware.base.is_some().then(|| firmware.code.path.clone());
        let brought = match cell.network.client.variables.name() {
            Some(name) => first.files.get(name),
            None => first.vars.as_ref(),
        }
        .map(|vars| &vars.path);
        let vars = match (cell.writes_variables(), brought) {
            (true, Some(template)) => Some(self.vars(template, &spec, cell, image)?),
            // Nothing is asked of a build that cannot do it; it is only probed.
            (true, None) if cell.lacks.is_none() => {
                return Err(StartError(format!("{} has no variable store to write to", firmware.id)));
            }
            (_, template) => {
                template.cloned().map_or_else(|| self.settings(firmware, &spec, by), |vars| Ok(Some(vars)))?
            }
        };
        let mut config = MachineConfig {
            qemu: qemu.path.clone(),
            spec,
            code: first.code.path.clone(),
            kernel,
            vars,
            fw_cfg_files: self.fw_cfg_files(cell)?,
            mac: GUEST_MAC,
            clock: self.options.clock,
            accelerator: Accelerator::Tcg,
            rtc_base: midnight(cell.network.client.date),
            seed: self.options.seed,
            // Power-on is arithmetic.
            instruction: Instruction::Short,
            tape: self.options.recording.clone().map(Tape::Record),
        };
        config.accelerator = self.accelerator(&config, firmware).await?;
        Ok(config)
    }

    fn qemu(&self, firmware: &Firmware) -> Result<&Qemu, StartError> {
        self.qemus
            .of(firmware)
            .ok_or_else(|| StartError(format!("no QEMU was looked up for {}", firmware.id)))
    }

    /// The items' contents as files, named by their digests: equal contents are one file, which never changes.
    fn fw_cfg_files(&self, cell: &Cell) -> Result<Vec<(String, PathBuf)>, StartError> {
        let Ok(equipment) = &cell.equipment else { return Ok(Vec::new()) };
        let keep = |(name, content): &(String, Arc<[u8]>)| Ok((name.clone(), self.kept.file(content)?));
        let files = equipment.fw_cfg.iter().map(keep).collect::<std::io::Result<_>>();
        files.map_err(|error| {
            StartError(format!("failed to write to {}: {error}", self.options.cache.display()))
        })
    }

    /// The settings that a family's builds have on their medium, as a file like the above.
    fn settings(
        &self,
        firmware: &Firmware,
        spec: &MachineSpec,
        by: BootBy,
    ) -> Result<Option<PathBuf>, StartError> {
        let (family, architecture) = (firmware.family.id(), firmware.architecture);
        let known = (family, architecture.as_str(), by);
        if let Some(known) = self.settings.borrow().get(&known) {
            return Ok(known.clone());
        }
        let keep = |settings: Vec<u8>| match spec.medium {
            Medium::Flash => self.kept.file(&settings),
            Medium::Disk(name) => self.kept.file(&payload::disk::disk_with(name, &settings)?),
        };
        let kept = firmware.family.settings(architecture, by).map(keep).transpose();
        let kept =
            kept.map_err(|error| StartError(format!("failed to make the settings of {family}: {error}")))?;
        self.settings.borrow_mut().insert(known, kept.clone());
        Ok(kept)
    }

    /// The variables `template` with the scenario's boot entries and keys, as a file like the above.
    fn vars(
        &self,
        template: &Path,
        spec: &MachineSpec,
        cell: &Cell,
        image: &[u8],
    ) -> Result<PathBuf, StartError> {
        let failed = |error: std::io::Error| {
            StartError(format!("failed to make variables of {}: {error}", template.display()))
        };
        let flash = variables::flash(std::fs::read(template).map_err(failed)?, spec, cell, image)?;
        self.kept.file(&flash).map_err(failed)
    }

    async fn accelerator(
        &self,
        config: &MachineConfig,
        firmware: &Firmware,
    ) -> Result<Accelerator, StartError> {
        if let Some(chosen) = self.accelerators.borrow().get(&firmware.id) {
            return Ok(*chosen);
        }
        let digest = &firmware.code.file.sha256;
        let choice =
            choose_accelerator(self.options.accel, config, self.qemu(firmware)?, digest, &self.options.cache)
                .await
                .map_err(start_error)?;
        if let Some(note) = choice.note {
            (self.notes)(&format!("{}: {note}", firmware.id));
        }
        self.accelerators.borrow_mut().insert(firmware.id.clone(), choice.accelerator);
        Ok(choice.accelerator)
    }

    /// The firmware's snapshot, unless cells shall be or have to be cold.
    async fn snapshot(
        &self,
        config: &MachineConfig,
        firmware: &Firmware,
        machine: &str,
    ) -> Result<Option<Snapshot>, StartError> {
        // KVM's state does not go with memory that is left alone.
        if self.options.cold || config.tape.is_some() || config.accelerator != Accelerator::Tcg {
            return Ok(None);
        }
        let qemu = self.qemu(firmware)?;
        if !qemu.takes_snapshots() {
            if self.told_cold.set(()).is_ok() {
                let version = &qemu.version;
                (self.notes)(&format!(
                    "QEMU {version} takes no snapshots (8.2 and later do): every cell starts from power-on, which is slower"
                ));
            }
            return Ok(None);
        }
        if let Some(known) = self.taken.borrow().get(machine) {
            return Ok(known.clone());
        }
        let snapshot = match self.snapshots.get(config, &qemu.sha256).await {
            Ok(snapshot) => Some(snapshot),
            Err(error @ (SnapshotError::NoFrame(_) | SnapshotError::Refused(_))) => {
                (self.notes)(&format!("{}: {error}; its cells start from power-on", firmware.id));
                None
            }
            Err(error) => return Err(start_error(error)),
        };
        self.taken.borrow_mut().insert(machine.to_owned(), snapshot.clone());
        Ok(snapshot)
    }

    /// A machine that goes on from the snapshot; the next one is started meanwhile.
    async fn resumed(
        &self,
        config: MachineConfig,
        machine: &str,
        snapshot: Snapshot,
    ) -> Result<Machine, StartError> {
        let taken = machine;
        let machine = format!("{:?} {machine}", config.instruction);
        let waiting = {
            let mut pool = self.standby.borrow_mut();
            let at = pool.iter().rposition(|(waits, _)| *waits == machine);
            at.map(|at| pool.remove(at))
        };
        let resuming = async {
            let standby = match waiting {
                Some((_, standby)) => standby,
                None => Standby::start(config.clone(), snapshot.clone()).await?,
            };
            standby.resume().await
        };
        let resumed = resuming.await.map_err(|error| {
            // Perhaps somebody has damaged the entry in the cache: look again at the next try.
            self.taken.borrow_mut().remove(taken);
            self.standby.borrow_mut().retain(|(waits, _)| *waits != machine);
            start_error(error)
        })?;
        let pool = Rc::clone(&self.standby);
        tokio::task::spawn_local(async move {
            // One that cannot be started now is started, and complained about, when it is needed.
            if let Ok(standby) = Standby::start(config, snapshot).await {
                let mut pool = pool.borrow_mut();
                pool.push((machine, standby));
                if pool.len() > MOST_WAITING {
                    pool.remove(0);
                }
            }
        });
        Ok(resumed)
    }
}

/// What a scenario has otherwise.
fn furnish(spec: &mut MachineSpec, wanted: &client::Machine) {
    spec.nic = wanted.nic.map_or(spec.nic, client::Nic::device);
    spec.nic_rom |= wanted.nic_rom == client::NicRom::Ipxe;
    spec.media_present = wanted.media == client::Media::Present;
    // A snapshot is taken at the first frame, which never comes.
    spec.resumes &= spec.media_present;
    spec.second_nic = wanted.second_nic.map(|place| place == client::SecondNic::First);
    spec.entropy_device = matches!(wanted.entropy, client::Entropy::Device | client::Entropy::DeviceAlone);
    if matches!(wanted.entropy, client::Entropy::DeviceAlone | client::Entropy::None) {
        spec.cpu = spec.cpu_without_entropy.into();
    }
    if let Some(cpu) = &wanted.cpu {
        spec.cpu.clone_from(cpu);
    }
    spec.memory_mib = wanted.memory_mib.unwrap_or(spec.memory_mib);
}

fn start_error(error: impl std::fmt::Display) -> StartError {
    StartError(error.to_string())
}

impl Guests for QemuGuests {
    type Guest = Machine;

    async fn start(
        &self,
        cell: &Cell,
        firmware: &Firmware,
        image: &Arc<[u8]>,
    ) -> Result<Started<Machine>, StartError> {
        let config = self.config(cell, firmware, image).await?;
        // Everything in it that cells of a run may have otherwise.
        let MachineConfig { spec, vars, fw_cfg_files, rtc_base, .. } = &config;
        let name = format!("{} {rtc_base} {spec:?} {vars:?} {fw_cfg_files:?}", firmware.id);
        let rtc_base = unix_seconds(&config);
        let toils = cell.network.image.kind.is_linux() || image.len() > LARGE;
        let snapshot = match config.spec.resumes && !toils {
            false => None,
            true => self.snapshot(&config, firmware, &name).await?,
        };
        let machine = match snapshot {
            Some(snapshot) => {
                // TLS is arithmetic too; everything else mostly waits. With IPv6 there is more to do at each of the firmware's
                // ticks: EDK2 2026.08 was seen to stop for good on a processor that is half as fast.
                let has_tls = cell.equipment.as_ref().is_ok_and(|equipment| equipment.identity.is_some());
                let works = has_tls || cell.network.has_loaders() || cell.network.client.boot.is_ipv6();
                let instruction = if works { Instruction::Short } else { Instruction::Long };
                self.resumed(MachineConfig { instruction, ..config }, &name, snapshot).await?
            }
            None => {
                let computes = toils || config.spec.needs_speed;
                let instruction = if computes { Instruction::Brief } else { config.instruction };
                let config = MachineConfig { instruction, ..config };
                Machine::start(config).await.map_err(start_error)?
            }
        };
        Ok(Started {
            command: Some(machine.command_line()),
            accelerator: Some(machine.accelerator()),
            guest: machine,
            rtc_base,
        })
    }

    async fn variables(&self, machine: &mut Machine) -> Result<Option<Vec<u8>>, String> {
        machine.variables().await.map_err(|error| error.to_string())
    }

    async fn finish(&self, machine: Machine) -> Result<(), String> {
        match self.options.recording {
            Some(_) => machine.finish().await.map_err(|error| error.to_string()),
            None => {
                drop(machine);
                Ok(())
            }
        }
    }
}

fn unix_seconds(config: &MachineConfig) -> u64 {
    let date = config.rtc_base.to_zoned(jiff::tz::TimeZone::UTC);
    date.ok().and_then(|date| u64::try_from(date.timestamp().as_second()).ok()).unwrap_or(0)
}
