//! The same firmware and payload without us: QEMU's user networking, and a plain web server on the loopback interface.

use crate::boot_option::{STARTING, StoreError, with_uri};
use crate::figures::Throughput;
use crate::usage::process_cpu;
use machine::MachineConfig;
use record::ClockMode;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// Host time after which a boot has failed.
const LIMIT: Duration = Duration::from_secs(1800);
/// The host's loopback interface, as the guest sees it.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum SlirpError {
    /// No boot option.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The build has no variable store.
    #[error("failed to add a boot option: the build has no variable store")]
    NoStore,
    /// The system refused.
    #[error("failed to boot through QEMU's user networking: {0}")]
    Io(#[from] io::Error),
    /// The image never came.
    #[error("failed to boot through QEMU's user networking within {} s; the console ends with {said:?}", LIMIT.as_secs())]
    NoBoot {
        /// The end of the console.
        said: String,
    },
}

/// What the two threads have noticed.
enum Notice {
    /// The web server got a GET.
    Get,
    /// The console printed a line.
    Line(String),
}

/// Boots the firmware in `config` from `image` and measures from GET until the firmware starts it.
pub fn measure(config: &MachineConfig, image: Arc<[u8]>) -> Result<Throughput, SlirpError> {
    let bytes = image.len() as u64;
    let (notices, noticed) = mpsc::channel();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let server = notices.clone();
    // Ends with the process: nobody connects any more once QEMU is gone.
    std::thread::spawn(move || serve(&listener, &image, &server));

    let template = fs::read(config.vars.as_ref().ok_or(SlirpError::NoStore)?)?;
    let directory = tempfile::tempdir()?;
    let vars = directory.path().join("vars.fd");
    fs::write(&vars, with_uri(&template, &format!("http://{HOST}:{port}/boot.efi"))?)?;
    let mut qemu = Qemu(command(config, &vars).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
    let console = qemu.0.stdout.take().expect("invariant: piped above");
    std::thread::spawn(move || read_console(console, &notices));

    let (mut got, mut said) = (None, String::new());
    let begun = Instant::now();
    loop {
        match noticed.recv_timeout(LIMIT.saturating_sub(begun.elapsed())) {
            Ok(Notice::Get) => {
                got.get_or_insert((Instant::now(), process_cpu(qemu.0.id())));
            }
            Ok(Notice::Line(line)) => {
                if let (true, Some((at, cpu))) = (line.contains(STARTING), got) {
                    let used = process_cpu(qemu.0.id()).zip(cpu).map(|(end, start)| end - start);
                    return Ok(Throughput {
                        path: match config.clock {
                            ClockMode::Real => "web server → QEMU's user networking → firmware, real clock",
                            ClockMode::Virtual => {
                                "web server → QEMU's user networking → firmware, virtual clock"
                            }
                        },
                        bytes,
                        seconds: Some(at.elapsed().as_secs_f64()),
                        harness_cpu_seconds: None,
                        guest_cpu_seconds: used,
                        note: String::new(),
                    });
                }
                said = line;
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Err(SlirpError::NoBoot { said });
            }
        }
    }
}

/// Ended when it is dropped.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The machine of a cell, but for its network.
fn command(config: &MachineConfig, vars: &std::path::Path) -> Command {
    let spec = &config.spec;
    let mut command = Command::new(&config.qemu);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-smp", "1", "-cpu", &spec.cpu]);
    command.args(["-machine", &format!("{},accel=tcg", spec.machine), "-m", &spec.memory_mib.to_string()]);
    let code = config.code.display();
    command.args(["-drive", &format!("if=pflash,unit=0,format=raw,readonly=on,file={code}")]);
    command.args(["-drive", &format!("if=pflash,unit=1,format=raw,snapshot=on,file={}", vars.display())]);
    command.args(["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]);
    command.args(["-object", "rng-builtin,id=entropy", "-device", "virtio-rng-pci,rng=entropy"]);
    command.args(["-serial", "stdio", "-action", "reboot=shutdown"]);
    for (name, value) in &spec.fw_cfg {
        command.args(["-fw_cfg", &format!("name={name},string={}", value.replace(',', ",,"))]);
    }
    if config.clock == ClockMode::Virtual {
        command.args(["-icount", "shift=7,sleep=off"]);
    }
    command
}

fn read_console(console: impl Read, notices: &Sender<Notice>) {
    let mut console = BufReader::new(console);
    let mut line = Vec::new();
    while console.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        if notices.send(Notice::Line(String::from_utf8_lossy(&line).into_owned())).is_err() {
            return;
        }
        line.clear();
    }
}

/// A web server as plain as they come: one image, HEAD and GET, persistent connections.
fn serve(listener: &TcpListener, image: &Arc<[u8]>, notices: &Sender<Notice>) {
    for stream in listener.incoming().flatten() {
        let (image, notices) = (Arc::clone(image), notices.clone());
        std::thread::spawn(move || converse(stream, &image, &notices));
    }
}

fn converse(mut stream: TcpStream, image: &[u8], notices: &Sender<Notice>) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            if reader.read_line(&mut request)? == 0 {
                return Ok(());
            }
        }
        let header = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/efi\r\nContent-Length: {}\r\n\r\n",
            image.len()
        );
        stream.write_all(header.as_bytes())?;
        if request.starts_with("GET ") {
            // Nobody listens any more: the measurement is over.
            let _ = notices.send(Notice::Get);
            stream.write_all(image)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_web_server_serves() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (notices, noticed) = mpsc::channel();
        let image: Arc<[u8]> = vec![7; 100_000].into();
        std::thread::spawn(move || serve(&listener, &image, &notices));
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.ends_with(&[7; 100_000]));
        assert_eq!(answer.windows(8).filter(|bytes| bytes == b"HTTP/1.1").count(), 2);
        assert!(matches!(noticed.recv().unwrap(), Notice::Get));
        assert!(noticed.try_recv().is_err(), "HEAD is not GET");
    }
}
