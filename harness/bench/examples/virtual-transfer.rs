//! scratch
use bench::*;
use machine::*;
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mib: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let qemu = Qemu::probe("qemu-system-x86_64").unwrap();
    let store = firmware::Store::of_user().unwrap();
    let selected = firmware::Catalog::builtin().select("ovmf-x64-sid").unwrap();
    let firmware = store.obtain(&selected, &mut |_| {}).unwrap();
    let mut spec = firmware.family.machine(firmware.architecture).unwrap();
    spec.memory_mib = 1024;
    let config = MachineConfig {
        qemu: qemu.path.clone(),
        spec,
        code: firmware.code.clone(),
        vars: firmware.vars.clone(),
        mac: services::address::GUEST_MAC,
        clock: record::ClockMode::Virtual,
        accelerator: record::Accelerator::Tcg,
        rtc_base: DEFAULT_RTC_BASE,
        seed: 1,
    };
    let payload = payload::Payload::new("x64", [1; 16]).unwrap().padded_to(mib << 20).unwrap();
    println!("{:?}", transfer::into_machine(config, &payload).await);
}
