//! What is the same for all builds of a firmware family. A new family is one new file here and one line in [`ALL`].

mod edk2;
mod ipxe;
mod loader;
mod seabios;
mod u_boot;

use record::Capability;

/// Architectures, in the words of UEFI's removable-media file names.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// x86, 32 bits.
    Ia32,
    /// x86-64.
    X64,
    /// Arm, 32 bits.
    Arm,
    /// AArch64.
    Aa64,
    /// RISC-V, 64 bits.
    Riscv64,
    /// LoongArch, 64 bits.
    Loongarch64,
    /// x86 with a PC BIOS, which starts images in real mode.
    Bios,
}

impl Architecture {
    /// The one that [`as_str`](Self::as_str) calls so.
    pub fn by_name(name: &str) -> Option<Self> {
        use serde::de::{
            IntoDeserializer,
            value::{Error, StrDeserializer},
        };
        let word: StrDeserializer<'_, Error> = name.into_deserializer();
        serde::Deserialize::deserialize(word).ok()
    }

    /// The word used in the catalog, results and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ia32 => "ia32",
            Self::X64 => "x64",
            Self::Arm => "arm",
            Self::Aa64 => "aa64",
            Self::Riscv64 => "riscv64",
            Self::Loongarch64 => "loongarch64",
            Self::Bios => "bios",
        }
    }
}

/// What a line on the console tells about the boot attempt. Secondary evidence: it ends the wait, never decides `boots`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleSign {
    /// The network boot attempt has started.
    AttemptStarted,
    /// The firmware ended the network boot attempt without starting an image.
    AttemptFailed,
    /// The firmware obtained an image and says that it may not start it.
    Denied,
    /// The firmware obtained an image and says that it starts it.
    ImageStarted,
    /// There is no network boot option, or nothing left to try.
    NothingToBoot,
    /// The firmware reports its own crash (CPU exception, assertion).
    Crashed,
}

/// How the machine gets the firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// In its first flash; variables are in the second one.
    Flash,
    /// Wherever QEMU puts it (`-bios`).
    Bios,
    /// Started by the firmware of [`Firmware::base`](crate::Firmware::base), which is in flash (`-kernel`).
    Kernel,
}

/// Where a machine has what the firmware is to remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// In the second flash.
    Flash,
    /// In the file of this name, the only one on a disk that cannot be written.
    Disk(&'static str),
}

/// The QEMU machine that a family needs; everything else about the machine is the same for all families.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineSpec {
    /// Program, for example `qemu-system-x86_64`.
    pub program: &'static str,
    /// `-machine` without the accelerator.
    pub machine: &'static str,
    /// How it gets the firmware.
    pub load: Load,
    /// Where variables or settings are, if there are any.
    pub medium: Medium,
    /// Values of `-global`.
    pub globals: &'static [&'static str],
    /// `-cpu`.
    pub cpu: String,
    /// The same without an instruction for random numbers.
    pub cpu_without_entropy: &'static str,
    /// Guest memory in MiB.
    pub memory_mib: u32,
    /// `-fw_cfg` items as `(name, string)`, with a reason for each beside it in the source.
    pub fw_cfg: Vec<(&'static str, String)>,
    /// Seconds for which the boot menu waits before anything is tried, at most 65; 0 for no menu.
    pub menu_seconds: u16,
    /// The network card that is on the link: QEMU's name of the device.
    pub nic: &'static str,
    /// Whether it brings the option ROM along that QEMU has for it.
    pub nic_rom: bool,
    /// Whether it says that its link is up.
    pub media_present: bool,
    /// Another card of the same model on a link where nobody is, and whether it comes first in the boot order.
    pub second_nic: Option<bool>,
    /// The card's device number on the PCI root bus.
    pub nic_device: u8,
    /// Whether the firmware is told to boot from the card before everything else.
    pub boot_index: bool,
    /// The address behind the flash that holds the variables and, above them, the code. Where the code is below them, it is further up by
    /// the size of the code: variables are at this address less both sizes.
    pub flash_end: u64,
    /// Whether there is a device for random numbers.
    pub entropy_device: bool,
    /// Whether QEMU can go on with a state that it has saved.
    pub resumes: bool,
    /// Whether it does not come far on a processor of the usual speed; for machines that do not resume.
    pub needs_speed: bool,
    /// Whether QEMU can record what it does, and so let its threads take turns.
    pub records: bool,
}

impl MachineSpec {
    /// A q35 with System Management Mode, from which alone the flash with the variables can be written.
    pub fn with_smm(self) -> Self {
        Self { machine: "q35,smm=on", globals: &["driver=cfi.pflash01,property=secure,value=on"], ..self }
    }

    /// A PC with firmware in flash, which is told nothing. Families say what they have otherwise.
    fn pc() -> Self {
        Self {
            program: "qemu-system-x86_64",
            machine: "q35",
            load: Load::Flash,
            medium: Medium::Flash,
            globals: &[],
            // RDRAND: builds of EDK2 since 2024.05 create no network boot option without a source of entropy.
            cpu: "max".into(),
            cpu_without_entropy: "qemu64",
            memory_mib: 256,
            fw_cfg: Vec::new(),
            menu_seconds: 0,
            nic: "virtio-net-pci",
            nic_rom: false,
            media_present: true,
            second_nic: None,
            nic_device: 1,
            boot_index: true,
            flash_end: 4 << 30,
            entropy_device: true,
            resumes: true,
            needs_speed: false,
            records: true,
        }
    }
}

/// Over which versions of IP a firmware is to try to boot from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BootOver {
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
    /// IPv4, and IPv6 when that has failed.
    Ipv4ThenIpv6,
}

/// By which protocol a firmware is to ask for its boot file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BootBy {
    /// As an HTTP boot client, which is offered a URL.
    Http,
    /// As a PXE client, which is offered the name of a file.
    Pxe,
}

/// How firmware is told what to trust, before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolment {
    /// By fw_cfg, as EFI_SIGNATURE_LISTs and suite numbers under `etc/edk2/https/`.
    Edk2FwCfg,
    /// By fw_cfg as well, from which the firmware below makes the variable that is read. It stops at a certificate that it does
    /// not understand, so a cell has the anchors of its own server only. Suites are its own.
    OwnByEdk2FwCfg,
}

/// One family of firmware.
pub trait Family: Sync {
    /// Identifier, for example `edk2`.
    fn id(&self) -> &'static str;
    /// Sets a machine of [`machine`](Self::machine), which boots by HTTP, to boot by PXE; nothing where the boot file decides.
    fn boot_by_pxe(&self, _machine: &mut MachineSpec, _over: BootOver) {}
    /// Sets a machine of [`machine`](Self::machine), which boots over IPv4, to boot otherwise. A build that cannot be told tries
    /// what it likes, and [`is_about_ipv4`](Self::is_about_ipv4) says what that was.
    fn boot_over(&self, _machine: &mut MachineSpec, _over: BootOver) {}
    /// Whether a console line that has a sign is about an attempt over IPv4. The line is guest-controlled.
    fn is_about_ipv4(&self, line: &str) -> bool;
    /// The machine for a build of this family; `None` if the family does not exist for the architecture.
    fn machine(&self, architecture: Architecture) -> Option<MachineSpec>;
    /// What is on the [`Medium`] of a build that brings no variables: its settings for a boot by this protocol, if it has any.
    fn settings(&self, _architecture: Architecture, _by: BootBy) -> Option<Vec<u8>> {
        None
    }
    /// Whether builds of this family are expected to be able to do it. A claim, not a fact: cells run all the same, and
    /// one that boots refutes it.
    fn has(&self, capability: Capability) -> bool;
    /// What a console line tells. The line is guest-controlled.
    fn console_sign(&self, line: &str) -> Option<ConsoleSign>;
    /// Whether somebody is to type behind `line`, so that it is never ended. Nothing but a prompt ends an attempt before its line
    /// has: how much of another line has come is chance. The line is guest-controlled.
    fn is_prompt(&self, _line: &str) -> bool {
        false
    }
    /// What a line on the console means for a network engineer, where the line itself does not say. The line is guest-controlled.
    fn console_meaning(&self, line: &str) -> Option<&'static str>;
    /// How builds of this family are told what to trust and which cipher suites to offer; `None` if they cannot be.
    fn enrolment(&self) -> Option<Enrolment> {
        None
    }
    /// The family's own longest timeout in guest seconds: silence for longer is a hang.
    fn longest_timeout_seconds(&self) -> u32;
}

/// The family called `id`.
pub fn by_id(id: &str) -> Option<&'static dyn Family> {
    ALL.iter().copied().find(|family| family.id() == id)
}

/// What firmware starts and what goes on to boot.
pub const LOADER: &dyn Family = &loader::Loader;

/// Every family.
pub const ALL: &[&dyn Family] =
    &[&edk2::Edk2, &ipxe::Ipxe, &loader::Loader, &seabios::SeaBios, &u_boot::UBoot];
