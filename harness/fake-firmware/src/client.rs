//! The boot attempt as a state machine: what the client does when frames arrive and timers fire.

mod fetch;
mod lease;

use crate::behaviour::{Behaviour, Execution, Moment, TroubleKind};
use crate::stack::Stack;
use crate::{console, device_path, garbage, guest};
use fetch::Fetching;
use lease::{Requesting, Selecting};
use std::net::Ipv4Addr;
use std::time::Duration;
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
    stack: Option<Stack>,
    effects: Vec<Effect>,
}

enum State {
    /// Before the boot manager runs.
    Off {
        until: GuestTime,
    },
    Selecting(Selecting),
    Requesting(Requesting),
    Fetching(Box<Fetching>),
    /// The attempt is over, whichever way.
    Over,
}

#[derive(Clone, Copy)]
struct Lease {
    address: Ipv4Addr,
    mask: Ipv4Addr,
    router: Option<Ipv4Addr>,
}

impl Client {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        let state = State::Off { until: GuestTime::ZERO + START_UP };
        Self { behaviour, state, xid: 0x1f1e_0001, boots: 0, stack: None, effects: Vec::new() }
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn poll_at(&mut self, now: GuestTime) -> Option<GuestTime> {
        let own = match &self.state {
            State::Off { until } => Some(*until),
            State::Selecting(it) => Some(it.until),
            State::Requesting(it) => Some(it.until),
            State::Fetching(it) => Some(it.until),
            State::Over => None,
        };
        let stack = self.stack.as_mut().and_then(|stack| stack.poll_at(now));
        own.into_iter().chain(stack).min()
    }

    pub(crate) fn poll(&mut self, now: GuestTime) {
        match &self.state {
            State::Off { until } if now >= *until => self.power_on(now),
            State::Selecting(it) if now >= it.until => self.offer_window_closes(now),
            State::Requesting(it) if now >= it.until => self.request_again(now),
            _ => self.fetch(now),
        }
    }

    pub(crate) fn receive(&mut self, now: GuestTime, frame: Vec<u8>) {
        if let Some(answer) = self.dhcp_answer(&frame) {
            return self.dhcp_answered(now, answer);
        }
        if let Some(stack) = &mut self.stack {
            stack.receive(frame);
            self.fetch(now);
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

    /// Ends the attempt without an image.
    fn fail(&mut self, now: GuestTime, why: &str) {
        self.print(console::error(console::NO_SIZE));
        self.end(now, why);
    }

    fn end(&mut self, now: GuestTime, why: &str) {
        self.state = State::Over;
        self.leave_connection(now);
        self.print(console::error(why));
        self.print(console::failed_to_load("Not Found"));
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
        self.print(console::START);
        self.send_garbage();
        self.select(now, 0);
    }

    fn send_garbage(&mut self) {
        if self.behaviour.garbage {
            self.effects.extend(garbage::frames().into_iter().map(Effect::Frame));
        }
    }

    fn execute(&mut self, image: &[u8], lease: Lease, url: &str) {
        let path = device_path::http4(lease.address, lease.router, lease.mask, url);
        let announce = |image: &[u8]| payload::announce(image, guest::MAC, &path, &device_path::END);
        let proof = match self.behaviour.execution {
            Execution::Runs => announce(image),
            Execution::Rejects => return self.print(console::failed_to_load("Access Denied")),
            Execution::LocalImage => return self.print(console::starting()),
            Execution::OtherProof => other_image().as_deref().and_then(announce),
            Execution::EchoedNonce => announce(image).map(without_proof),
        };
        match proof {
            Some(frame) => {
                self.print(format!("{}\r\nplugfest: payload running\r\n", console::starting()));
                self.effects.push(Effect::Frame(frame));
            }
            // Bytes that are no payload are no program either.
            None => self.print(console::failed_to_start("Unsupported")),
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
