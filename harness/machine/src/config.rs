//! What a machine is made of.

use crate::tape::Tape;
use firmware::MachineSpec;
use jiff::civil::{DateTime, date};
use record::{Accelerator, ClockMode};
use std::path::PathBuf;

/// Everything that decides how a guest behaves, apart from the network.
///
/// Two machines with the same configuration and the same network see the same world, on whatever host and whenever.
#[derive(Clone, Debug)]
pub struct MachineConfig {
    /// QEMU's program.
    pub qemu: PathBuf,
    /// The machine that the firmware's family asks for.
    pub spec: MachineSpec,
    /// Firmware code image; never written.
    pub code: PathBuf,
    /// What the firmware starts instead of anything that it finds.
    pub kernel: Option<PathBuf>,
    /// Variable store template, if the build has one; never written, changes are lost with the machine.
    pub vars: Option<PathBuf>,
    /// fw_cfg items whose content is a file: name, and an absolute path. The content must not change.
    pub fw_cfg_files: Vec<(String, PathBuf)>,
    /// Address of the guest's NIC.
    pub mac: [u8; 6],
    /// Which clock the guest runs on.
    pub clock: ClockMode,
    /// What executes the guest. Hardware virtualisation implies [`ClockMode::Real`].
    pub accelerator: Accelerator,
    /// UTC date and time that the guest's clock shows at power-on. Must lie between 1970 and 2037: QEMU stamps frames
    /// with it in 32 bits.
    pub rtc_base: DateTime,
    /// Seed of the guest's entropy, where QEMU provides it (virtio-rng; RDRAND unless under KVM).
    pub seed: u64,
    /// How long an instruction takes on the virtual clock.
    pub instruction: Instruction,
    /// Whether it is recorded or replayed. That takes the virtual clock, and begins at power-on.
    pub tape: Option<Tape>,
}

/// How long an instruction takes on the virtual clock.
///
/// A firmware that polls costs the less the longer it is, and its arithmetic takes the longer: a DHE handshake takes half a
/// minute with short ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instruction {
    /// 128 ns.
    #[default]
    Short,
    /// 256 ns.
    Long,
    /// 32 ns, from power-on only: for what computes for long and is watched by a timer meanwhile, as a kernel that unpacks itself is by the
    /// boot manager's watchdog of five minutes (UEFI 2.11 §7.5).
    Brief,
}

impl Instruction {
    /// The binary logarithm of its nanoseconds.
    pub(crate) const fn shift(self) -> u8 {
        match self {
            Self::Short => 7,
            Self::Long => 8,
            Self::Brief => 5,
        }
    }
}

/// The power-on date when nothing else is asked for: certificates, leases and logs then look the same every day.
pub const DEFAULT_RTC_BASE: DateTime = date(2026, 1, 1).at(0, 0, 0, 0);
