//! QEMU's arguments: a pure function of the configuration and the channels' numbers.

use crate::clock::Beat;
use crate::config::MachineConfig;
use crate::gate::KEPT;
use crate::memory::Memory;
use crate::tape::Tape;
use firmware::{Load, MachineSpec, Medium};
use record::{Accelerator, ClockMode};
use std::ffi::{OsStr, OsString};
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Numbers, in QEMU, of the file descriptors that it inherits. Nothing about a machine has a name in the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChannelNumbers {
    /// Stream socket: frames for and from the guest's NIC.
    pub frames: RawFd,
    /// Pipe: every frame that crossed, stamped by the guest's clock.
    pub frame_dump: RawFd,
    /// Pipes: QEMU waits at them until we have answered.
    pub gate: [RawFd; 2],
    /// Stream socket: questions for the guest's clock.
    pub clock: RawFd,
    /// Stream sockets: the frames that become the clock's beats, in the order of [`Beat::ALL`].
    pub beats: [RawFd; 2],
    /// Pipe: the clock's answers and beats.
    pub clock_dump: RawFd,
    /// Pipe: serial console, output only.
    pub console: RawFd,
    /// Stream socket: monitor.
    pub monitor: RawFd,
    /// File: what the guest's entropy is, if [`reads_entropy`].
    pub entropy: RawFd,
}

impl ChannelNumbers {
    /// The numbers shown to people: the first free ones, so that equal machines have equal command lines.
    pub const SHOWN: Self = Self {
        frames: 3,
        frame_dump: 4,
        gate: [5, 6],
        clock: 7,
        beats: [8, 9],
        clock_dump: 10,
        console: 11,
        monitor: 12,
        entropy: 13,
    };
}

/// QEMU's name for the card that is on the link.
pub(crate) const NIC: &str = "nic";

/// Guest time between two moments at which frames of ours arrive.
const ARRIVAL_MICROS: u32 = 10_000;

/// Whether QEMU's threads take turns, so that what the main loop has to do is done before the guest's next instruction, however busy
/// the host is. It is what a QEMU does that records, whether or not the recording is wanted; such a QEMU cannot write its state.
fn takes_turns(config: &MachineConfig, memory: &Memory) -> bool {
    config.clock == ClockMode::Virtual
        && config.spec.records
        && config.tape.is_none()
        && !matches!(memory, Memory::Kept(_))
}

/// Whether the guest's entropy comes from a file and not from QEMU.
pub(crate) fn reads_entropy(config: &MachineConfig, memory: &Memory) -> bool {
    config.spec.entropy_device && takes_turns(config, memory)
}

/// All arguments, without the program.
pub(crate) fn arguments(config: &MachineConfig, memory: &Memory, channels: &ChannelNumbers) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut add = |option: &str, value: OsString| args.extend([option.into(), value]);
    let spec = &config.spec;

    // The machine is what is written here: no default devices, no configuration of this host's user.
    add("-nodefaults", OsString::new());
    add("-no-user-config", OsString::new());
    // No window: not available everywhere, and never looked at.
    add("-display", "none".into());
    let replays = config.tape.as_ref().is_some_and(Tape::is_replay);
    if let Some(Tape::Replay { gdb: Some(place), .. }) = &config.tape {
        // The guest waits for the debugger, which can step it forwards and backwards.
        add("-S", OsString::new());
        add("-gdb", place.into());
    }
    if !replays {
        // Wait for `cont`: guest time zero is when the harness is ready, not when QEMU happened to be.
        add("-S", OsString::new());
    }
    if let Memory::Snapshot(_) = memory {
        // The state comes over the monitor, once this QEMU is given a cell.
        add("-incoming", "defer".into());
    }

    // The board that the family needs, and what executes it, named so that no host default creeps in.
    let accelerator = match config.accelerator {
        Accelerator::Tcg => "tcg",
        Accelerator::Kvm => "kvm",
    };
    let mut machine = format!("{},accel={accelerator}", spec.machine);
    if let Some((file, writes)) = memory.file() {
        // A snapshot's memory is a file: written while it is taken, then mapped copy-on-write by each resumed guest.
        let share = if writes { "on" } else { "off" };
        let size = spec.memory_mib;
        let options = format!("memory-backend-file,id=memory,size={size}M,share={share},mem-path=");
        add("-object", with_path(&options, file.as_os_str()));
        machine.push_str(",memory-backend=memory");
    }
    add("-machine", machine.into());
    for global in spec.globals {
        add("-global", global.into());
    }
    add("-cpu", spec.cpu.clone().into());
    // One processor: virtual time allows no more, and firmware uses no more for a network boot.
    add("-smp", "1".into());
    add("-m", spec.memory_mib.to_string().into());

    // The other ends of sockets and pipes; a replay has none, but the same networks and filters, since their timers are part of
    // what happens in guest time.
    let socket = |id: &str, number: RawFd, hub: u8| match replays {
        false => format!("stream,id={id},addr.type=fd,addr.str={number}"),
        true => format!("hubport,id={id},hubid={hub}"),
    };
    let pipe = |number: RawFd| match replays {
        false => format!("/dev/fd/{number}"),
        true => "/dev/null".to_owned(),
    };

    // Firmware code; read-only, so that cells that run at the same time can share the file.
    match spec.load {
        Load::Flash | Load::Kernel => {
            add("-drive", with_path("if=pflash,unit=0,format=raw,readonly=on,file=", config.code.as_os_str()))
        }
        Load::Bios => add("-bios", config.code.clone().into()),
    }
    if let Some(kernel) = &config.kernel {
        add("-kernel", kernel.clone().into());
    }
    // Variables: every machine starts from the template and writes to a throw-away copy.
    if let Some(vars) = &config.vars {
        match spec.medium {
            Medium::Flash => {
                add("-drive", with_path("if=pflash,unit=1,format=raw,snapshot=on,file=", vars.as_os_str()));
            }
            Medium::Disk(_) => {
                // Without QEMU's driver for disks in recordings, which does not answer while threads take turns.
                let disk = "driver=raw,node-name=settings,read-only=on,file.driver=file,file.filename=";
                add("-blockdev", with_path(disk, vars.as_os_str()));
                add("-device", "virtio-blk-pci,drive=settings,ioeventfd=off".into());
            }
        }
    }

    // The second door first: frames from a guest, or of the clock, pass filters from the last to the first.
    let [first, second] = channels.gate;
    let gate = |netdev: &'static str| {
        [(2, second), (1, first)].map(|(door, number)| {
            let id = format!("{netdev}-gate-{door}");
            format!("filter-dump,id={id},netdev={netdev},queue=rx,maxlen={KEPT},file={}", pipe(number))
        })
    };
    let is_virtual = config.clock == ClockMode::Virtual;

    // Frames travel over an inherited socket: no TAP, no root, no name that another process could connect to.
    add("-netdev", socket("net", channels.frames, 2).into());
    // First in the boot order: nothing else may be tried before.
    let mut nic = card(spec, NIC, "net", config.mac, spec.second_nic == Some(true));
    if is_virtual {
        if spec.nic == "virtio-net-pci" {
            // The processor's own thread sends, 0.15 ms of guest time after the guest asked for it: another thread would
            // send whenever the host lets it, while the guest's clock runs on. Other cards' registers do that anyway.
            nic.push_str(",ioeventfd=off,tx=timer");
        }
        // Our frames arrive at fixed moments, so that it makes no difference which turn of the main loop takes them.
        let buffer = format!("filter-buffer,id=arrivals,netdev=net,queue=tx,interval={ARRIVAL_MICROS}");
        add("-object", buffer.into());
        if config.tape.is_some() {
            // Between our frames and everything that stamps them: it says at which instruction the guest gets them.
            add("-object", "filter-replay,id=replay,netdev=net".into());
        }
        // QEMU waits once it has written the record.
        gate("net").into_iter().for_each(|door| add("-object", door.into()));
    }
    if spec.nic.starts_with("usb-") {
        add("-device", "qemu-xhci,id=usb".into());
    }
    add("-device", nic.into());
    if let Some(first) = spec.second_nic {
        // A hub with nothing else on it: there is a carrier, and nobody answers.
        add("-netdev", "hubport,id=nobody,hubid=9".into());
        let [.., last] = config.mac;
        let mut mac = config.mac;
        mac[5] = last.wrapping_add(1);
        add("-device", card(spec, "nic2", "nobody", mac, !first).into());
    }
    // The record of what crossed, in both directions and in guest time, written before a frame is passed on.
    add("-object", format!("filter-dump,id=dump,netdev=net,file={}", pipe(channels.frame_dump)).into());
    let kept = config.tape.as_ref().map(Tape::files);
    if let Some([_, frames, _]) = &kept {
        add("-object", with_path("filter-dump,id=kept,netdev=net,file=", frames.as_os_str()));
    }

    // The guest's clock can be asked without the guest noticing: a frame sent into a second network that has no NIC
    // is stamped there like any other. The hub is there because filters see nothing on a backend without a peer.
    add("-netdev", socket("clock", channels.clock, 3).into());
    add("-netdev", "hubport,id=clock-hub,hubid=1,netdev=clock".into());
    if is_virtual {
        // What is sent into another socket on that hub is kept there until the next beat. It leaves through `clock`, and
        // passes its filters from the last to the first: it is stamped, and held in the gate.
        // The timers also bound how far the clock of a guest that sleeps leaps: to the next timer, which can be a day
        // away or not exist at all.
        for ((beat, number), hub) in Beat::ALL.into_iter().zip(channels.beats).zip(4..) {
            let (id, interval) = (beat.id(), beat.interval().as_micros());
            add("-netdev", socket(id, number, hub).into());
            add("-netdev", format!("hubport,id={id}-hub,hubid=1,netdev={id}").into());
            let buffer = format!("filter-buffer,id={id}-timer,netdev={id},queue=tx,interval={interval}");
            add("-object", buffer.into());
        }
        gate("clock").into_iter().for_each(|door| add("-object", door.into()));
    }
    let dump = format!("filter-dump,id=clock-dump,netdev=clock,file={}", pipe(channels.clock_dump));
    add("-object", dump.into());
    // A frame that nobody takes would stop the reading of the next one: this takes questions, once stamped.
    add("-chardev", "null,id=nowhere".into());
    add("-object", "filter-redirector,id=clock-drop,netdev=clock,queue=tx,outdev=nowhere".into());

    // The console is a pipe: it holds 64 KiB of what the guest writes byte by byte, a socket a few hundred bytes, and
    // QEMU drops what does not fit.
    let console = format!("file,id=console,path={}", pipe(channels.console));
    add(
        "-chardev",
        match &kept {
            Some([_, _, log]) => with_path(&format!("{console},logfile="), log.as_os_str()),
            None => console.into(),
        },
    );
    add("-serial", "chardev:console".into());
    // The monitor on an inherited socket too.
    let monitor =
        if replays { "null,id=monitor".into() } else { format!("socket,id=monitor,fd={}", channels.monitor) };
    add("-chardev", monitor.into());
    add("-mon", "chardev=monitor,mode=control".into());

    // Entropy: EDK2 since 2024.05 offers no network boot without a source. Seeded, so that transaction ids and ports
    // are drawn from the run's seed and not from the host.
    if spec.entropy_device {
        add(
            "-object",
            match reads_entropy(config, memory) {
                true => format!("rng-random,id=entropy,filename={}", pipe(channels.entropy)),
                false => "rng-builtin,id=entropy".to_owned(),
            }
            .into(),
        );
        add("-device", "virtio-rng-pci,rng=entropy".into());
    }
    add("-seed", config.seed.to_string().into());

    // The same from files: too long, or no text.
    for (name, file) in &config.fw_cfg_files {
        add("-fw_cfg", with_path(&format!("name={name},file="), file.as_os_str()));
    }
    for (name, value) in &spec.fw_cfg {
        // Reasons are beside each item in the family's source.
        add("-fw_cfg", format!("name={name},string={}", value.replace(',', ",,")).into());
    }

    // A firmware that waits at its boot menu has its interfaces up before it tries anything.
    if spec.menu_seconds > 0 {
        add("-boot", format!("menu=on,splash-time={}", u32::from(spec.menu_seconds) * 1000).into());
    }
    // A fixed date that follows the guest's clock: results do not depend on the day or on the host's clock.
    add("-rtc", format!("base={},clock=vm", config.rtc_base.strftime("%Y-%m-%dT%H:%M:%S")).into());
    // A reset of the guest is a finding; a silent second boot would hide it.
    add("-action", "reboot=shutdown".into());

    if is_virtual {
        // Guest time follows executed instructions and skips idle time.
        let shift = config.instruction.shift();
        let mut icount = OsString::from(format!("shift={shift},sleep=off"));
        if let Some([events, ..]) = &kept {
            let mode = if replays { "replay" } else { "record" };
            // A QEMU that does not sleep passes recorded frames on only when the guest idles, and EDK2 polls.
            icount = with_path(&format!("shift={shift},sleep=on,rr={mode},rrfile="), events.as_os_str());
        } else if takes_turns(config, memory) {
            icount.push(",rr=record,rrfile=/dev/null");
        }
        add("-icount", icount);
    }

    args.retain(|argument| !argument.is_empty()); // options without a value
    args
}

/// A network card of the machine's model.
fn card(spec: &MachineSpec, id: &str, netdev: &str, mac: [u8; 6], second: bool) -> String {
    let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
    let place = if second { 1 } else { 0 };
    // An option ROM brings iPXE, which is tested only where a scenario wants it. What is on USB has none.
    let rom = match spec.nic {
        usb if usb.starts_with("usb-") => ",bus=usb.0",
        _ if spec.nic_rom => "",
        _ => ",romfile=",
    };
    let index = if spec.boot_index { format!(",bootindex={place}") } else { String::new() };
    format!("{},id={id},netdev={netdev},mac={mac}{rom}{index}", spec.nic)
}

/// A value ending in a path; QEMU reads `,,` as a comma.
fn with_path(options: &str, path: &OsStr) -> OsString {
    let mut value = options.as_bytes().to_vec();
    for &byte in path.as_bytes() {
        value.push(byte);
        if byte == b',' {
            value.push(b',');
        }
    }
    OsString::from_vec(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DEFAULT_RTC_BASE, Instruction};

    fn config() -> MachineConfig {
        let edk2 = firmware::family_by_id("edk2").expect("a family");
        let spec = edk2.machine(firmware::Architecture::X64).expect("a machine");
        MachineConfig {
            qemu: "/usr/bin/qemu-system-x86_64".into(),
            spec: MachineSpec { fw_cfg: vec![("opt/example", "a,b".into())], ..spec },
            code: "/images/a,b/CODE.fd".into(),
            kernel: None,
            vars: Some("/images/VARS.fd".into()),
            fw_cfg_files: vec![("etc/example".into(), "/cache/a,b".into())],
            mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
            clock: ClockMode::Virtual,
            accelerator: Accelerator::Tcg,
            rtc_base: DEFAULT_RTC_BASE,
            seed: 7,
            instruction: Instruction::Short,
            tape: None,
        }
    }

    /// One option a line, with its value.
    fn lines(config: &MachineConfig) -> String {
        let mut text = String::new();
        for argument in arguments(config, &Memory::Own, &ChannelNumbers::SHOWN) {
            let argument = argument.to_string_lossy();
            text.push_str(if argument.starts_with('-') { "\n" } else { " " });
            text.push_str(&argument);
        }
        text
    }

    #[test]
    fn virtual_clock() {
        insta::assert_snapshot!(lines(&config()));
    }

    #[test]
    fn a_wait_at_the_boot_menu_changes_nothing_else() {
        let mut waiting = config();
        waiting.spec.menu_seconds = 5;
        let (plain, waiting) = (lines(&config()), lines(&waiting));
        let added: Vec<_> = waiting.lines().filter(|line| !plain.contains(line)).collect();
        assert_eq!(added, ["-boot menu=on,splash-time=5000"]);
    }

    #[test]
    fn threads_do_not_take_turns_where_qemu_cannot_record() {
        let mut free = config();
        free.spec.records = false;
        let (plain, free) = (lines(&config()), lines(&free));
        let changed: Vec<_> = free.lines().filter(|line| !plain.contains(line)).collect();
        assert_eq!(changed, ["-object rng-builtin,id=entropy"]);
        assert!(plain.contains("rr=record") && !free.contains("rr="));
    }

    #[test]
    fn what_is_in_flash_can_be_on_a_disk() {
        let mut other = config();
        other.spec.medium = Medium::Disk("boot.scr");
        let (plain, other) = (lines(&config()), lines(&other));
        let added: Vec<_> = other.lines().filter(|line| !plain.contains(line)).collect();
        assert_eq!(
            added,
            [
                "-blockdev driver=raw,node-name=settings,read-only=on,file.driver=file,file.filename=/images/VARS.fd",
                "-device virtio-blk-pci,drive=settings,ioeventfd=off"
            ]
        );
        assert!(!other.contains("unit=1"));
    }

    #[test]
    fn kvm_without_variables_differs_only_there() {
        let virtual_clock = lines(&config());
        let real = lines(&MachineConfig {
            clock: ClockMode::Real,
            accelerator: Accelerator::Kvm,
            vars: None,
            ..config()
        });
        let without = |a: &str, b: &str| {
            let b: Vec<_> = b.lines().collect();
            a.lines().filter(|line| !b.contains(line)).map(|line| format!("{line}\n")).collect::<String>()
        };
        insta::assert_snapshot!(
            format!("only virtual:\n{}only real:\n{}", without(&virtual_clock, &real), without(&real, &virtual_clock)),
            @r"
        only virtual:
        -machine q35,accel=tcg
        -drive if=pflash,unit=1,format=raw,snapshot=on,file=/images/VARS.fd
        -object filter-buffer,id=arrivals,netdev=net,queue=tx,interval=10000
        -object filter-dump,id=net-gate-2,netdev=net,queue=rx,maxlen=1,file=/dev/fd/6
        -object filter-dump,id=net-gate-1,netdev=net,queue=rx,maxlen=1,file=/dev/fd/5
        -device virtio-net-pci,id=nic,netdev=net,mac=52:54:00:12:34:56,romfile=,bootindex=0,ioeventfd=off,tx=timer
        -netdev stream,id=beat,addr.type=fd,addr.str=8
        -netdev hubport,id=beat-hub,hubid=1,netdev=beat
        -object filter-buffer,id=beat-timer,netdev=beat,queue=tx,interval=80000
        -netdev stream,id=long-beat,addr.type=fd,addr.str=9
        -netdev hubport,id=long-beat-hub,hubid=1,netdev=long-beat
        -object filter-buffer,id=long-beat-timer,netdev=long-beat,queue=tx,interval=640000
        -object filter-dump,id=clock-gate-2,netdev=clock,queue=rx,maxlen=1,file=/dev/fd/6
        -object filter-dump,id=clock-gate-1,netdev=clock,queue=rx,maxlen=1,file=/dev/fd/5
        -object rng-random,id=entropy,filename=/dev/fd/13
        -icount shift=7,sleep=off,rr=record,rrfile=/dev/null
        only real:
        -machine q35,accel=kvm
        -device virtio-net-pci,id=nic,netdev=net,mac=52:54:00:12:34:56,romfile=,bootindex=0
        -object rng-builtin,id=entropy
        "
        );
    }
}
