//! Firmware of a few bytes, and what the tests need around it.

#![allow(dead_code)] // each test file uses some of it

use firmware::MachineSpec;
use machine::{DEFAULT_RTC_BASE, Instruction, MachineConfig, Qemu, QemuError};
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
    let edk2 = firmware::family_by_id("edk2").expect("a family");
    let spec = edk2.machine(firmware::Architecture::X64).expect("a machine");
    MachineConfig {
        qemu: qemu.path.clone(),
        spec: MachineSpec { memory_mib: 32, fw_cfg: vec![], ..spec },
        code: image.path().into(),
        kernel: None,
        vars: None,
        fw_cfg_files: Vec::new(),
        mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
        clock: ClockMode::Virtual,
        accelerator: Accelerator::Tcg,
        rtc_base: DEFAULT_RTC_BASE,
        seed: 1,
        instruction: Instruction::Short,
        tape: None,
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

    /// What a driver for virtio's legacy interface (virtio 1.2 §4.1.4.8) begins with: the ports of 00:`device`.0 are put at 0xc000.
    fn legacy_device(device: u8) -> Vec<u8> {
        let place = device << 3;
        let code: [&[u8]; 11] = [
            &[0xfa],                                           // cli
            &[0x66, 0xb8, 0x10, place, 0x00, 0x80],            // mov eax, 0x80000010 + place << 8: BAR 0
            &[0xba, 0xf8, 0x0c, 0x66, 0xef],                   // mov dx, 0xcf8; out dx, eax
            &[0xba, 0xfc, 0x0c],                               // mov dx, 0xcfc
            &[0x66, 0xb8, 0x00, 0xc0, 0x00, 0x00, 0x66, 0xef], // mov eax, 0xc000; out dx, eax
            &[0x66, 0xb8, 0x04, place, 0x00, 0x80],            // the same + 4: command
            &[0xba, 0xf8, 0x0c, 0x66, 0xef],                   // mov dx, 0xcf8; out dx, eax
            &[0xba, 0xfc, 0x0c, 0xb8, 0x05, 0x00, 0xef],       // I/O ports and bus master on
            &[0xba, 0x12, 0xc0, 0x30, 0xc0, 0xee],             // device status: reset
            &[0xb0, 0x01, 0xee, 0xb0, 0x03, 0xee],             // acknowledge; driver
            &[0xba, 0x04, 0xc0, 0x66, 0x31, 0xc0, 0x66, 0xef], // no features
        ];
        code.concat()
    }

    /// Sends a frame with a number in it by the NIC, waits for any frame, sends the next. Polls, as EDK2 does.
    ///
    /// The NIC is 00:01.0, its receive queue at 0x20000, the send queue at 0x10000, their buffers at 0x40000 and 0x30000.
    pub fn asking() -> NamedTempFile {
        let code: [&[u8]; 27] = [
            &[0xba, 0x0e, 0xc0, 0x31, 0xc0, 0xef], // select queue 0
            &[0xba, 0x08, 0xc0, 0x66, 0xb8, 0x20, 0x00, 0x00, 0x00, 0x66, 0xef], // at 0x20 pages
            &[0xba, 0x0e, 0xc0, 0xb8, 0x01, 0x00, 0xef], // select queue 1
            &[0xba, 0x08, 0xc0, 0x66, 0xb8, 0x10, 0x00, 0x00, 0x00, 0x66, 0xef], // at 0x10 pages
            &[0xb8, 0x00, 0x10, 0x8e, 0xd8],       // ds: send queue
            &[0xb8, 0x00, 0x20, 0x8e, 0xc0],       // es: receive queue
            &[0xb8, 0x00, 0x30, 0x8e, 0xe0],       // fs: what is sent
            &[0x3e, 0x66, 0xc7, 0x06, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00], // descriptor: address 0x30000,
            &[0x3e, 0xc7, 0x06, 0x08, 0x00, 0x46, 0x00], // 10 bytes of header, 60 of frame
            &[0x26, 0x66, 0xc7, 0x06, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00], // descriptor: address 0x40000,
            &[0x26, 0xc7, 0x06, 0x08, 0x00, 0x00, 0x08], // 2048 bytes,
            &[0x26, 0xc7, 0x06, 0x0c, 0x00, 0x02, 0x00], // to be written,
            &[0x26, 0xc7, 0x06, 0x02, 0x10, 0x01, 0x00], // available once
            &[0x64, 0x66, 0xc7, 0x06, 0x0a, 0x00, 0xff, 0xff, 0xff, 0xff], // to ff:ff:ff:ff:
            &[0x64, 0x66, 0xc7, 0x06, 0x0e, 0x00, 0xff, 0xff, 0x52, 0x54], // ff:ff from 52:54:
            &[0x64, 0x66, 0xc7, 0x06, 0x12, 0x00, 0x00, 0x12, 0x34, 0x56], // 00:12:34:56
            &[0x64, 0xc7, 0x06, 0x16, 0x00, 0x88, 0xb5], // type 0x88b5
            &[0xba, 0x12, 0xc0, 0xb0, 0x07, 0xee, 0x31, 0xdb], // driver ready; xor bx, bx
            &[0x64, 0xff, 0x06, 0x18, 0x00],       // send: number the frame
            &[0x3e, 0xff, 0x06, 0x02, 0x10],       // make it available
            &[0xba, 0x10, 0xc0, 0xb8, 0x01, 0x00, 0xef], // notify queue 1
            &[0x43],                               // inc bx
            &[0x26, 0x39, 0x1e, 0x02, 0x20],       // wait: used as often?
            &[0x75, 0xf9],                         // jne wait
            &[0x26, 0xff, 0x06, 0x02, 0x10],       // make the buffer available
            &[0xba, 0x10, 0xc0, 0x31, 0xc0, 0xef], // notify queue 0
            &[0xeb, 0xda],                         // jmp send
        ];
        let [code @ .., last] = &code;
        Self([Self::legacy_device(1), code.concat()].concat()).ending(last)
    }

    /// Writes 8 bytes of entropy to the first serial port, as they are, once the device has answered. Polls, as EDK2 does.
    ///
    /// The device is 00:02.0, its queue at 0x10000, its buffer at 0x30000.
    pub fn drawing() -> Self {
        let code: [&[u8]; 13] = [
            &[0xba, 0x0e, 0xc0, 0x31, 0xc0, 0xef], // select queue 0
            &[0xba, 0x08, 0xc0, 0x66, 0xb8, 0x10, 0x00, 0x00, 0x00, 0x66, 0xef], // at 0x10 pages
            &[0xb8, 0x00, 0x10, 0x8e, 0xd8],       // ds: the queue
            &[0x3e, 0x66, 0xc7, 0x06, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00], // descriptor: address 0x30000,
            &[0x3e, 0xc7, 0x06, 0x08, 0x00, 0x08, 0x00], // 8 bytes,
            &[0x3e, 0xc7, 0x06, 0x0c, 0x00, 0x02, 0x00], // to be written,
            &[0x3e, 0xc7, 0x06, 0x82, 0x00, 0x01, 0x00], // available once
            &[0xba, 0x12, 0xc0, 0xb0, 0x07, 0xee], // driver ready
            &[0xba, 0x10, 0xc0, 0x31, 0xc0, 0xef], // notify queue 0
            &[0x3e, 0x83, 0x3e, 0x02, 0x10, 0x01], // wait: used once?
            &[0x75, 0xf8],                         // jne wait
            &[0xb8, 0x00, 0x30, 0x8e, 0xd8, 0x31, 0xf6, 0xb9, 0x08, 0x00], // ds: the buffer; xor si, si; mov cx, 8
            &[0xba, 0xf8, 0x03, 0xac, 0xee, 0xe2, 0xfc], // mov dx, 0x3f8; each: lodsb; out dx, al; loop each
        ];
        Self([Self::legacy_device(2), code.concat()].concat())
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
