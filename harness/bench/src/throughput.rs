//! How fast a large payload gets into a guest: through the simulated network, and through QEMU's own.

use crate::figures::Throughput;
use crate::{slirp, transfer};
use machine::MachineConfig;
use payload::{Payload, PayloadError};
use record::ClockMode;

/// Memory of the guest besides room for the payload twice: the firmware holds the download, then the loaded image.
const BESIDES_MIB: u32 = 512;

/// Measures every path. One that fails says why in its note.
pub async fn measure(
    config: &MachineConfig,
    architecture: &str,
    mib: u32,
    mut say: impl FnMut(&str),
) -> Result<Vec<Throughput>, PayloadError> {
    let payload = Payload::new(architecture, [0x70; 16])?.filled_to((mib as usize) << 20)?;
    let image = payload.image();
    let failed = |path, error: &dyn std::fmt::Display| Throughput {
        path,
        bytes: image.len() as u64,
        seconds: None,
        harness_cpu_seconds: None,
        guest_cpu_seconds: None,
        note: error.to_string(),
    };
    let on = |clock| {
        let mut config = MachineConfig { clock, ..config.clone() };
        config.spec.memory_mib = BESIDES_MIB + 2 * mib;
        config
    };
    let mut figures = Vec::new();
    for clock in [ClockMode::Real, ClockMode::Virtual] {
        let word = if clock == ClockMode::Real { "real" } else { "virtual" };
        say(&format!("{mib} MiB through the simulated network, {word} clock"));
        let figure = transfer::into_machine(on(clock), &payload).await;
        figures.push(figure.unwrap_or_else(|error| failed("plugfest → firmware", &error)));
        say(&format!("{mib} MiB through QEMU's user networking, {word} clock"));
        let figure = slirp::measure(&on(clock), payload.image());
        figures.push(figure.unwrap_or_else(|error| failed("QEMU's user networking → firmware", &error)));
    }
    say(&format!("{mib} MiB into a client in this process"));
    let figure = transfer::into_client(&payload).await;
    figures.push(figure.unwrap_or_else(|error| failed("plugfest → a client in the same process", &error)));
    Ok(figures)
}
