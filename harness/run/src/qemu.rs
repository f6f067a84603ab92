//! Guests that are QEMU machines.

use crate::{Cell, Guests, StartError, Started};
use firmware::Firmware;
use machine::{Accel, DEFAULT_RTC_BASE, Machine, MachineConfig, Qemu, choose_accelerator};
use record::{Accelerator, ClockMode};
use services::address::GUEST_MAC;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Starts one QEMU for each cell.
pub struct QemuGuests {
    /// QEMU.
    pub qemu: Qemu,
    /// Which clock the guests run on.
    pub clock: ClockMode,
    /// What executes them.
    pub accel: Accel,
    /// Seed of the guests' entropy.
    pub seed: u64,
    /// Where answers that outlive the run are kept.
    pub cache: PathBuf,
    chosen: RefCell<HashMap<String, Accelerator>>,
    notes: Box<dyn Fn(&str)>,
}

impl QemuGuests {
    /// Guests by `qemu`; `notes` gets a line when the accelerator is not the wanted one.
    pub fn new(
        qemu: Qemu,
        clock: ClockMode,
        accel: Accel,
        seed: u64,
        cache: PathBuf,
        notes: impl Fn(&str) + 'static,
    ) -> Self {
        Self { qemu, clock, accel, seed, cache, chosen: RefCell::default(), notes: Box::new(notes) }
    }

    async fn accelerator(
        &self,
        config: &MachineConfig,
        firmware: &Firmware,
    ) -> Result<Accelerator, StartError> {
        if let Some(chosen) = self.chosen.borrow().get(&firmware.id) {
            return Ok(*chosen);
        }
        let digest = &firmware.code_file.sha256;
        let choice = choose_accelerator(self.accel, config, &self.qemu, digest, &self.cache)
            .await
            .map_err(|error| StartError(error.to_string()))?;
        if let Some(note) = choice.note {
            (self.notes)(&format!("{}: {note}", firmware.id));
        }
        self.chosen.borrow_mut().insert(firmware.id.clone(), choice.accelerator);
        Ok(choice.accelerator)
    }
}

impl Guests for QemuGuests {
    type Guest = Machine;

    async fn start(
        &self,
        _cell: &Cell,
        firmware: &Firmware,
        _image: &Arc<[u8]>,
    ) -> Result<Started<Machine>, StartError> {
        let spec = firmware.family.machine(firmware.architecture).ok_or_else(|| {
            StartError(format!(
                "{} has no machine for {}",
                firmware.family.id(),
                firmware.architecture.as_str()
            ))
        })?;
        let mut config = MachineConfig {
            qemu: self.qemu.path.clone(),
            spec,
            code: firmware.code.clone(),
            vars: firmware.vars.clone(),
            mac: GUEST_MAC,
            clock: self.clock,
            accelerator: Accelerator::Tcg,
            rtc_base: DEFAULT_RTC_BASE,
            seed: self.seed,
        };
        config.accelerator = self.accelerator(&config, firmware).await?;
        let rtc_base =
            config.rtc_base.to_zoned(jiff::tz::TimeZone::UTC).map_or(0, |at| at.timestamp().as_second());
        let machine = Machine::start(config).await.map_err(|error| StartError(error.to_string()))?;
        Ok(Started {
            command: Some(machine.command_line()),
            accelerator: Some(machine.accelerator()),
            guest: machine,
            rtc_base: u64::try_from(rtc_base).unwrap_or(0),
        })
    }
}
