//! The network under test on a TAP device of the kernel, in a namespace of its own, at real time.
//!
//! socat opens the TAP and passes each frame as one datagram of a Unix socket, so no privileged or unsafe code of ours
//! is needed. Debian packages: socat, iproute2, util-linux.

use super::Frame;
use services::{Network, NetworkSettings, address};
use std::{
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use wire::{Direction, GuestTime, Node, Outbox};

pub struct Link {
    directory: TempDir,
    socat: Child,
    frames: Arc<Mutex<Vec<Frame>>>,
    stop: Option<mpsc::Sender<Vec<u8>>>,
    services: Option<thread::JoinHandle<()>>,
}

/// Says why a test cannot run, or fails it if it has to.
fn skip(reason: &str) {
    let required =
        std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_some() && rustix::process::geteuid().is_root();
    assert!(!required, "{reason}, and PLUGFEST_REQUIRE_TOOLS is set");
    eprintln!("skipped: {reason}");
}

/// Whether every tool is there.
pub fn require(tools: &[&str]) -> bool {
    let found = |tool: &&&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let more = ["/usr/sbin", "/sbin"].map(Into::into);
        std::env::split_paths(&path).chain(more).any(|directory| directory.join(tool).exists())
    };
    match tools.iter().find(|tool| !found(tool)) {
        Some(tool) => {
            skip(&format!("{tool} is not installed"));
            false
        }
        None => true,
    }
}

impl Link {
    pub fn new(name: &str, settings: &NetworkSettings, image: Arc<[u8]>) -> Option<Self> {
        if !require(&["socat", "unshare", "nsenter", "ip", "tshark"]) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let ours = directory.path().join("network");
        let theirs = directory.path().join("tap");
        let socket = UnixDatagram::bind(&ours).unwrap();
        // Root needs no namespace of users, which the kernel gives to nobody in a chroot.
        let user = (!rustix::process::geteuid().is_root()).then_some("--map-root-user");
        let socat = Command::new("unshare")
            .args(user)
            .args(["--net", "socat", "-T", "120", "TUN,tun-type=tap,iff-no-pi,tun-name=tap0"])
            .arg(format!("UNIX-SENDTO:{},bind={}", ours.display(), theirs.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut link = Self { directory, socat, frames: Arc::default(), stop: None, services: None };
        match link.wait_for_tap(&theirs) {
            Ok(()) => {}
            // Nothing that could be installed: this host forbids it, as many containers do.
            Err(reason) if reason.contains("unshare failed") || reason.contains("not permitted") => {
                eprintln!("skipped: {name}: this host allows no namespace with a TAP device: {reason}");
                return None;
            }
            Err(reason) => {
                skip(&format!("{name}: no TAP device in a namespace: {reason}"));
                return None;
            }
        }
        let mac = address::GUEST_MAC.map(|byte| format!("{byte:02x}")).join(":");
        link.guest("ip", &["link", "set", "lo", "up"]);
        link.guest("ip", &["link", "set", "tap0", "address", &mac, "up"]);
        link.start(Network::new(settings, image).unwrap(), socket, &theirs);
        Some(link)
    }

    fn wait_for_tap(&mut self, socket: &Path) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if self.socat.try_wait().unwrap().is_some() {
                let mut text = String::new();
                let stderr = self.socat.stderr.as_mut().unwrap();
                std::io::Read::read_to_string(stderr, &mut text).unwrap();
                return Err(text.trim().replace('\n', "; "));
            }
            // socat opens its addresses in order: the second is there, so the TAP is.
            if socket.exists() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err("socat takes more than 10 s".into())
    }

    /// Runs the services until the link is dropped.
    fn start(&mut self, mut network: Network, socket: UnixDatagram, tap: &Path) {
        let (send, receive) = mpsc::channel::<Vec<u8>>();
        // A thread of its own, so that neither side ever waits for the other to read.
        let reader = socket.try_clone().unwrap();
        let from_tap = send.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            while let Ok(length @ 1..) = reader.recv(&mut buffer) {
                if from_tap.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let (frames, tap) = (Arc::clone(&self.frames), tap.to_owned());
        let services = thread::spawn(move || {
            let start = Instant::now();
            let now = || GuestTime::from_micros(start.elapsed().as_micros() as u64);
            loop {
                let wait = network.poll_at().map_or(Duration::from_secs(3600), |at| at.since(now()));
                let mut out = Outbox::default();
                match receive.recv_timeout(wait) {
                    // The reader ends with its socket, the services with an empty frame.
                    Ok(frame) if frame.is_empty() => break,
                    Ok(frame) => {
                        let at = now();
                        network.receive(at, &frame, &mut out);
                        frames.lock().unwrap().push((at, Direction::FromGuest, frame));
                    }
                    Err(RecvTimeoutError::Timeout) => network.poll(now(), &mut out),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                for frame in out.frames {
                    if socket.send_to(&frame, &tap).is_err() {
                        break;
                    }
                    frames.lock().unwrap().push((now(), Direction::ToGuest, frame));
                }
            }
            let _ = socket.shutdown(std::net::Shutdown::Both);
        });
        (self.stop, self.services) = (Some(send), Some(services));
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs a program where the guest is.
    pub fn guest(&self, program: &str, arguments: &[&str]) -> Output {
        let user: &[&str] = match rustix::process::geteuid().is_root() {
            true => &[],
            false => &["--preserve-credentials", "--user"],
        };
        Command::new("nsenter")
            .args(user)
            .args(["--net", "--target", &self.socat.id().to_string(), program])
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// What crossed the link so far.
    pub fn frames(&self) -> Vec<Frame> {
        self.frames.lock().unwrap().clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(Vec::new());
        }
        if let Some(services) = self.services.take() {
            let _ = services.join();
        }
        let _ = self.socat.kill();
        let _ = self.socat.wait();
    }
}
