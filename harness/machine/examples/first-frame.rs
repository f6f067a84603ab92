//! Boots a firmware image until it sends its first frame:
//! `cargo run -p machine --example first-frame -- CODE [VARS] [--real] [--auto] [--seconds N]`
//!
//! With `--auto`, tries KVM first. With `--seconds`, goes on and shows everything for that much guest time, unanswered.

use firmware::{Architecture, FAMILIES};
use machine::{Accel, DEFAULT_RTC_BASE, Instruction, Machine, MachineConfig, Qemu, choose_accelerator};
use record::{Accelerator, ClockMode, GuestTime};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;
use wire::{Guest, GuestEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut images, mut clock, mut accel) = (Vec::new(), ClockMode::Virtual, Accel::Tcg);
    let mut seconds = None;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--real" => clock = ClockMode::Real,
            "--auto" => accel = Accel::Auto,
            "--seconds" => {
                seconds = Some(arguments.next().ok_or("--seconds needs a number")?.parse::<u64>()?)
            }
            _ => images.push(PathBuf::from(argument)),
        }
    }
    let mut images = images.into_iter();
    let spec =
        FAMILIES.iter().find_map(|family| family.machine(Architecture::X64)).ok_or("no family for x64")?;
    let qemu = Qemu::probe(spec.program)?;
    let mut config = MachineConfig {
        qemu: qemu.path.clone(),
        spec,
        code: images.next().ok_or("which firmware image?")?,
        kernel: None,
        vars: images.next(),
        fw_cfg_files: Vec::new(),
        mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
        clock,
        accelerator: Accelerator::Tcg,
        rtc_base: DEFAULT_RTC_BASE,
        seed: 1,
        instruction: Instruction::Short,
        tape: None,
    };
    // Nothing is remembered: the trial is what is to be seen here.
    let choice = choose_accelerator(accel, &config, &qemu, "", Path::new("/nonexistent")).await?;
    println!("{choice:?}");
    config.accelerator = choice.accelerator;
    let start = Instant::now();
    let mut machine = Machine::start(config).await?;
    println!("{:7.3}  up", start.elapsed().as_secs_f64());
    // Without a wake-up every guest second the last line would be the only sign of a silent guest.
    let mut wake = GuestTime::from_micros(1_000_000);
    let mut late = Vec::new();
    loop {
        let event = machine.next(Some(wake)).await?;
        let host = start.elapsed().as_secs_f64();
        match event {
            GuestEvent::Frame { at, direction, bytes } => {
                println!("{host:7.3} {at:>12} frame {direction:?}, {} bytes", bytes.len());
                if seconds.is_none() {
                    break;
                }
            }
            GuestEvent::Console { at, bytes } => {
                println!("{host:7.3} {at:>12} console {:?}", String::from_utf8_lossy(&bytes));
            }
            GuestEvent::Monitor { at, name, data } => println!("{host:7.3} {at:>12} {name} {data}"),
            GuestEvent::Tick { at } => {
                late.push(at.since(wake).as_secs_f64());
                wake = GuestTime::from_micros((at.as_micros() / 1_000_000 + 1) * 1_000_000);
            }
            GuestEvent::Exited { at, how } => {
                println!("{host:7.3} {at:>12} {how}");
                break;
            }
        }
        if seconds.is_some_and(|seconds| wake > GuestTime::from_micros(seconds * 1_000_000)) {
            break;
        }
    }
    late.sort_by(f64::total_cmp);
    let part = |hundredths: usize| late.get(late.len() * hundredths / 100).copied().unwrap_or(0.0);
    println!(
        "{} wake-ups, late by {:.3} s of guest time in the median, 90 % by less than {:.3} s, the worst by {:.3} s",
        late.len(),
        part(50),
        part(90),
        late.last().copied().unwrap_or(0.0)
    );
    print!("{}", machine.stderr());
    machine.stop().await?;
    Ok(())
}
