//! Boots a firmware image until it sends its first frame:
//! `cargo run -p machine --example first-frame -- CODE [VARS] [--real] [--seconds N]`
//!
//! With `--seconds`, goes on and shows everything for that much guest time, unanswered.

use firmware::{Architecture, FAMILIES};
use machine::{DEFAULT_RTC_BASE, Machine, MachineConfig, Qemu};
use record::{Accelerator, ClockMode, GuestTime};
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;
use wire::{Guest, GuestEvent};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut images, mut clock, mut seconds) = (Vec::new(), ClockMode::Virtual, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--real" => clock = ClockMode::Real,
            "--seconds" => seconds = Some(arguments.next().ok_or("--seconds needs a number")?.parse::<u64>()?),
            _ => images.push(PathBuf::from(argument)),
        }
    }
    let mut images = images.into_iter();
    let spec = FAMILIES.iter().find_map(|family| family.machine(Architecture::X64)).ok_or("no family for x64")?;
    let config = MachineConfig {
        qemu: Qemu::probe(spec.program)?.path,
        spec,
        code: images.next().ok_or("which firmware image?")?,
        vars: images.next(),
        mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
        clock,
        accelerator: Accelerator::Tcg,
        rtc_base: DEFAULT_RTC_BASE,
        seed: 1,
    };
    let start = Instant::now();
    let mut machine = Machine::start(config).await?;
    println!("{:7.3}  up", start.elapsed().as_secs_f64());
    // Without a wake-up every guest second the last line would be the only sign of a silent guest.
    let mut wake = GuestTime::from_micros(1_000_000);
    let (mut ticks, mut late) = (0_u32, 0.0_f64);
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
                ticks += 1;
                late = late.max(at.since(wake).as_secs_f64());
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
    println!("{ticks} ticks, the latest late by {late:.3} s of guest time");
    print!("{}", machine.stderr());
    machine.stop().await?;
    Ok(())
}
