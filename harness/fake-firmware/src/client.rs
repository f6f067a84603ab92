//! The boot attempt as a state machine: what the client does when frames arrive and timers fire.

mod fetch;
mod interface;
mod lease;
mod lease6;
mod resolve;
mod service;
mod tftp;

use crate::behaviour::{Behaviour, Entry, Execution, Moment, Over, TroubleKind};
use crate::console::Version;
use crate::stack::Stack;
use crate::{arp, console, device_path, garbage, guest};
use fetch::Fetching;
use interface::Interface;
use lease::{Probing, Requesting, Selecting};
use lease6::Settling;
use resolve::Resolving;
use service::Asking;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tftp::Reading;
use wire::GuestTime;

/// From power-on to the boot manager.
const START_UP: Duration = Duration::from_secs(2);

/// Something that the client did.
pub(crate) enum Effect {
    Frame(Vec<u8>),
    Print(String),
    Monitor(&'static str, serde_json::Value),
    Exit(String),
}

pub(crate) struct Client {
    behaviour: Behaviour,
    state: State,
    xid: u32,
    /// Resets so far.
    boots: u16,
    /// The version of IP of the attempt that is going on, or of the first.
    version: Version,
    /// Where it boots over IPv6.
    interface: Option<Interface>,
    stack: Option<Stack>,
    /// DNS servers, and what they have said of names.
    resolvers: Vec<IpAddr>,
    names: Vec<(String, Vec<IpAddr>)>,
    /// The image as far as an interrupted response had it.
    part: Option<crate::http::Part>,
    /// Which of its boot entries it tries.
    entry: usize,
    effects: Vec<Effect>,
}

enum State {
    /// Before the boot manager runs.
    Off {
        until: GuestTime,
    },
    /// At the boot menu.
    Waiting {
        until: GuestTime,
    },
    Selecting(Selecting),
    Requesting(Requesting),
    Probing(Box<Probing>),
    /// A boot over IPv6 that waits for its link-local address.
    Tentative,
    Soliciting(Selecting<crate::dhcp6::Offer>),
    Requesting6(Requesting<crate::dhcp6::Offer>),
    Settling(Settling),
    Resolving(Box<Resolving>),
    Fetching(Box<Fetching>),
    /// Where the boot file is.
    Asking(Box<Asking>),
    Reading(Box<Reading>),
    /// The attempt is over, whichever way.
    Over,
}

#[derive(Clone, Copy)]
enum Lease {
    V4 { address: Ipv4Addr, mask: Ipv4Addr, router: Option<Ipv4Addr> },
    V6 { address: Ipv6Addr, prefix: u8, router: Option<Ipv6Addr> },
}

impl Client {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        let state = State::Off { until: GuestTime::ZERO + START_UP };
        Self {
            version: if behaviour.over == Over::Ipv6 { Version::V6 } else { Version::V4 },
            behaviour,
            state,
            xid: 0x1f1e_0001,
            boots: 0,
            interface: None,
            stack: None,
            resolvers: Vec::new(),
            names: Vec::new(),
            part: None,
            entry: 0,
            effects: Vec::new(),
        }
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn poll_at(&mut self, now: GuestTime) -> Option<GuestTime> {
        let own = match &self.state {
            State::Off { until } | State::Waiting { until } => Some(*until),
            State::Selecting(it) => Some(it.until),
            State::Requesting(it) => Some(it.until),
            State::Probing(it) => Some(it.until),
            State::Soliciting(it) => Some(it.until),
            State::Requesting6(it) => Some(it.until),
            State::Settling(it) => Some(it.until),
            State::Resolving(it) => Some(it.until),
            State::Fetching(it) => Some(it.until),
            State::Asking(it) => Some(it.until),
            State::Reading(it) => Some(it.until),
            State::Tentative | State::Over => None,
        };
        let stack = self.stack.as_mut().and_then(|stack| stack.poll_at(now));
        let interface = self.interface.as_ref().and_then(Interface::poll_at);
        own.into_iter().chain(stack).chain(interface).min()
    }

    pub(crate) fn poll(&mut self, now: GuestTime) {
        self.tend_interface(now);
        match &self.state {
            State::Off { until } if now >= *until => self.power_on(now),
            State::Waiting { until } if now >= *until => self.start(now),
            State::Selecting(it) if now >= it.until => self.offer_window_closes(now),
            State::Requesting(it) if now >= it.until => self.request_again(now),
            State::Probing(it) if now >= it.until => self.probed(now, None),
            State::Soliciting(it) if now >= it.until => self.advertise_window_closes(now),
            State::Requesting6(it) if now >= it.until => self.request6_again(now),
            State::Settling(it) if now >= it.until => self.settled(now),
            _ => self.go_on(now),
        }
    }

    /// What has arrived at the stack may be what the client waits for.
    fn go_on(&mut self, now: GuestTime) {
        match self.state {
            State::Resolving(_) => self.resolve(now),
            State::Asking(_) => self.ask_service(now),
            State::Reading(_) => self.read_file(now),
            _ => self.fetch(now),
        }
    }

    pub(crate) fn receive(&mut self, now: GuestTime, frame: Vec<u8>) {
        if self.receive6(now, &frame) {
            return;
        }
        if let Some(answer) = self.dhcp_answer(&frame) {
            return self.dhcp_answered(now, answer);
        }
        if let State::Probing(it) = &self.state {
            if arp::is_of(&frame, it.offer.address) {
                self.probed(now, Some(lease::IN_USE));
            }
            return;
        }
        if let Some(stack) = &mut self.stack {
            stack.receive(frame);
            self.go_on(now);
        }
    }

    fn print(&mut self, text: impl Into<String>) {
        self.effects.push(Effect::Print(text.into()));
    }

    /// Lets trouble happen if its moment has come; the caller then stops at once.
    fn strikes(&mut self, moment: Moment, now: GuestTime) -> bool {
        let Some(trouble) = self.behaviour.trouble.filter(|trouble| trouble.at == moment) else {
            return false;
        };
        self.state = State::Over;
        self.stack = None;
        self.interface = None;
        match trouble.kind {
            TroubleKind::Hang => {}
            TroubleKind::Exception => self.print(format!("\r\n{}", console::EXCEPTION)),
            TroubleKind::Reset => {
                let data = serde_json::json!({ "guest": true, "reason": "guest-reset" });
                self.effects.push(Effect::Monitor("RESET", data));
                self.xid += 1;
                self.boots = self.boots.wrapping_add(1);
                self.state = State::Off { until: now + START_UP };
            }
            TroubleKind::PowerOff => {
                let data = serde_json::json!({ "guest": true, "reason": "guest-shutdown" });
                self.effects.push(Effect::Monitor("SHUTDOWN", data));
                self.effects.push(Effect::Exit("exit status: 0".into()));
            }
            TroubleKind::Exit => self.effects.push(Effect::Exit("signal: 11 (SIGSEGV)".into())),
        }
        true
    }

    /// The boot entry that it tries, if it has any.
    fn entry(&self) -> Option<&Entry> {
        self.behaviour.entries.get(self.entry)
    }

    /// Ends the attempt without an image.
    fn fail(&mut self, now: GuestTime, why: &str) {
        self.print(console::error(console::NO_SIZE));
        self.end(now, why);
    }

    fn end(&mut self, now: GuestTime, why: &str) {
        self.state = State::Over;
        self.leave_connection(now);
        self.print(console::error(why));
        self.print(console::failed_to_load(self.version, "Not Found"));
        if self.version == Version::V4 && self.behaviour.over == Over::Ipv4ThenIpv6 {
            self.version = Version::V6;
            return self.start(now);
        }
        self.entry += 1;
        if self.entry < self.behaviour.entries.len() {
            self.xid += 1;
            return self.start(now);
        }
        self.print(console::NOTHING);
    }

    fn power_on(&mut self, now: GuestTime) {
        self.print(console::CLEAR);
        if self.strikes(Moment::PowerOn, now) {
            return;
        }
        if !self.behaviour.speaks {
            self.state = State::Over;
            return self.print(console::NOTHING);
        }
        self.version = if self.behaviour.over == Over::Ipv6 { Version::V6 } else { Version::V4 };
        if self.behaviour.over != Over::Ipv4 {
            self.interface = Some(Interface::new(now, self.behaviour.heeds_objections));
            self.tend_interface(now);
        }
        if self.behaviour.wait_seconds > 0 {
            let wait = Duration::from_secs(self.behaviour.wait_seconds.into());
            self.state = State::Waiting { until: now + wait };
            return;
        }
        self.start(now);
    }

    /// Begins the attempt over one version of IP.
    fn start(&mut self, now: GuestTime) {
        let protocol = if self.behaviour.pxe { "PXE" } else { "HTTP Boot" };
        self.print(console::start(self.version).replace("HTTP Boot", protocol));
        self.send_garbage();
        match self.version {
            Version::V4 => self.select(now, 0),
            Version::V6 => self.start6(now),
        }
    }

    fn send_garbage(&mut self) {
        if self.behaviour.garbage {
            self.effects.extend(garbage::frames().into_iter().map(Effect::Frame));
        }
    }

    fn execute(&mut self, image: &[u8], lease: Lease, url: &str) {
        let path = match lease {
            Lease::V4 { address, mask, router } => device_path::http4(address, router, mask, url),
            Lease::V6 { address, prefix, router } => device_path::http6(address, router, prefix, url),
        };
        let version = self.version;
        let load_options = self.entry().map_or(&[][..], |entry| &entry.load_options);
        let announce = |image: &[u8]| {
            let ours = payload::architecture(image) == Some("x64");
            ours.then(|| payload::announce(image, guest::MAC, &path, &device_path::END, load_options))?
        };
        let is_allowed = self.behaviour.keys.as_ref().is_none_or(|keys| keys.allow(image));
        let proof = match self.behaviour.execution {
            Execution::Runs | Execution::LocalImage if !is_allowed => {
                self.print(console::failed_to_load(version, "Access Denied"));
                return self.print(console::NOTHING);
            }
            Execution::Runs => announce(image),
            Execution::Rejects => {
                self.print(console::failed_to_load(version, "Unsupported"));
                return self.print(console::NOTHING);
            }
            Execution::LocalImage => return self.print(console::starting(version)),
            Execution::OtherProof => other_image().as_deref().and_then(announce),
            Execution::EchoedNonce => announce(image).map(without_proof),
        };
        match proof {
            Some(frame) => {
                self.print(format!("{}\r\nplugfest: payload running\r\n", console::starting(version)));
                self.effects.push(Effect::Frame(frame));
            }
            // Bytes that are no payload are no program either.
            None => {
                self.print(console::failed_to_start(version, "Unsupported"));
                self.print(console::NOTHING);
            }
        }
    }
}

/// The payload of a cell that does not exist.
fn other_image() -> Option<std::sync::Arc<[u8]>> {
    payload::Payload::new("x64", [0xee; 16]).ok().map(|other| other.image())
}

/// An announcement whose computed value is missing: the last 8 bytes before the padding.
fn without_proof(mut frame: Vec<u8>) -> Vec<u8> {
    let end = frame.len();
    frame[end - 8..].fill(0);
    frame
}
