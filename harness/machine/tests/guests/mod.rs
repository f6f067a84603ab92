//! Firmware of a few bytes, and what the tests need around it.

use firmware::MachineSpec;
use machine::{DEFAULT_RTC_BASE, MachineConfig, Qemu, QemuError};
use record::{Accelerator, ClockMode};
use std::io::Write;
use std::time::Duration;
use tempfile::NamedTempFile;

const PROGRAM: &str = "qemu-system-x86_64";

/// QEMU, or `None` with a reason on stderr. With `PLUGFEST_REQUIRE_TOOLS` set, its absence fails the test.
pub fn qemu() -> Option<Qemu> {
    match Qemu::probe(PROGRAM) {
        Ok(qemu) => Some(qemu),
        Err(QemuError::Missing(program)) if std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_none() => {
            eprintln!("skipped: {program} is not installed");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Runs `test` on a runtime of this thread; fails after `seconds`.
pub fn within(seconds: u64, test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limit = Duration::from_secs(seconds);
    runtime.block_on(async { tokio::time::timeout(limit, test).await.expect("the test hangs") });
}

/// A machine on the virtual clock that runs `image`.
pub fn config(qemu: &Qemu, image: &NamedTempFile) -> MachineConfig {
    MachineConfig {
        qemu: qemu.path.clone(),
        spec: MachineSpec { program: PROGRAM, machine: "q35", cpu: "max", memory_mib: 32, fw_cfg: vec![] },
        code: image.path().into(),
        vars: None,
        fw_cfg_files: Vec::new(),
        mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
        clock: ClockMode::Virtual,
        accelerator: Accelerator::Tcg,
        rtc_base: DEFAULT_RTC_BASE,
        seed: 1,
    }
}

/// A 64 KiB flash image of 16-bit code. It starts where the processor does, 16 bytes before its end.
pub struct Image(Vec<u8>);

impl Image {
    const SIZE: usize = 64 << 10;

    /// Writes `text` to the first serial port.
    pub fn saying(text: &str) -> Self {
        let mut code = vec![0xba, 0xf8, 0x03]; // mov dx, 0x3f8
        for byte in text.bytes() {
            code.extend([0xb0, byte, 0xee]); // mov al, byte; out dx, al
        }
        Self(code)
    }

    /// Then runs in circles.
    pub fn looping(self) -> NamedTempFile {
        self.ending(&[0xeb, 0xfe]) // jmp $
    }

    /// Then sleeps without anything that could wake it.
    pub fn halting(self) -> NamedTempFile {
        self.ending(&[0xfa, 0xf4, 0xeb, 0xfd]) // cli; hlt; jmp to hlt
    }

    /// Then resets the machine through the chipset's reset control register.
    pub fn resetting(self) -> NamedTempFile {
        self.ending(&[0xba, 0xf9, 0x0c, 0xb0, 0x02, 0xee, 0xb0, 0x06, 0xee, 0xeb, 0xfe])
    }

    fn ending(self, end: &[u8]) -> NamedTempFile {
        let mut bytes = self.0;
        bytes.extend(end);
        bytes.resize(Self::SIZE - 16, 0xff);
        bytes.extend([0xe9, 0x0d, 0x00]); // jmp from 0xfff3 round to 0
        bytes.resize(Self::SIZE, 0xff);
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        file
    }
}
