//! The interface as a host of IPv6 (RFC 4861 §6.3, RFC 4862 §5.4): its addresses while they are tentative, and its routers.
//! It makes no address of a router's prefix: nothing of a boot depends on one.

use super::{Client, State};
use crate::ip6::{self, Packet, Router};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use wire::GuestTime;

/// RetransTimer and DupAddrDetectTransmits (RFC 4861 §10, RFC 4862 §5.1).
pub(super) const PROBE: Duration = Duration::from_secs(1);
/// RTR_SOLICITATION_INTERVAL and MAX_RTR_SOLICITATIONS (RFC 4861 §10).
const SOLICITATION: Duration = Duration::from_secs(4);
const SOLICITATIONS: u32 = 3;

/// How an address stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Until then somebody may object.
    Tentative(GuestTime),
    Valid,
    Taken,
}

pub(super) struct Interface {
    link_local: Standing,
    /// An address that is to become the interface's.
    wanted: Option<(Ipv6Addr, Standing)>,
    heeds_objections: bool,
    solicited: u32,
    /// When routers are asked for again, or given up.
    solicits_at: Option<GuestTime>,
    /// The last word of each.
    routers: Vec<Router>,
    hop_limit: Option<u8>,
    frames: Vec<Vec<u8>>,
}

impl Interface {
    /// An interface that comes up.
    pub(super) fn new(now: GuestTime, heeds_objections: bool) -> Self {
        Self {
            link_local: Standing::Tentative(now + PROBE),
            wanted: None,
            heeds_objections,
            solicited: 0,
            solicits_at: None,
            routers: Vec::new(),
            hop_limit: None,
            frames: vec![ip6::probe(ip6::link_local())],
        }
    }

    pub(super) fn link_local(&self) -> Standing {
        self.link_local
    }

    /// How the address stands that was to be made the interface's.
    pub(super) fn wanted(&self) -> Option<Standing> {
        self.wanted.map(|(_, standing)| standing)
    }

    /// Asks whether somebody has `address`.
    pub(super) fn want(&mut self, now: GuestTime, address: Ipv6Addr) {
        self.wanted = Some((address, Standing::Tentative(now + PROBE)));
        self.frames.push(ip6::probe(address));
    }

    /// Whether a router may still answer.
    pub(super) fn expects_router(&self) -> bool {
        self.solicits_at.is_some()
    }

    /// The default router (RFC 4191 §3.2: the highest preference, then the first).
    pub(super) fn router(&self) -> Option<Ipv6Addr> {
        let defaults = self.routers.iter().rev().filter(|router| router.lifetime > 0);
        defaults.max_by_key(|router| router.preference).map(|router| router.address)
    }

    /// The length of the longest prefix of `address` that is on the link, by a router's word (RFC 5942 §4).
    pub(super) fn on_link(&self, address: Ipv6Addr) -> Option<u8> {
        let prefixes = self.routers.iter().flat_map(|router| &router.on_link);
        prefixes.filter(|prefix| ip6::has_prefix(address, **prefix)).map(|(_, length)| *length).max()
    }

    /// The hop limit that a router wants (RFC 4861 §6.3.4: the last word counts).
    pub(super) fn hop_limit(&self) -> Option<u8> {
        self.hop_limit
    }

    /// DNS servers that routers name.
    pub(super) fn resolvers(&self) -> impl Iterator<Item = IpAddr> {
        self.routers.iter().flat_map(|router| router.resolvers.iter().copied())
    }

    pub(super) fn poll_at(&self) -> Option<GuestTime> {
        let tentative = |standing| match standing {
            Standing::Tentative(until) => Some(until),
            _ => None,
        };
        let wanted = self.wanted.and_then(|(_, standing)| tentative(standing));
        [tentative(self.link_local), wanted, self.solicits_at].into_iter().flatten().min()
    }

    /// Does what is due, and returns the frames to send.
    fn poll(&mut self, now: GuestTime) -> Vec<Vec<u8>> {
        if matches!(self.link_local, Standing::Tentative(until) if now >= until) {
            self.link_local = Standing::Valid;
            self.solicits_at = Some(now);
        }
        if let Some((_, standing)) = &mut self.wanted
            && matches!(standing, Standing::Tentative(until) if now >= *until)
        {
            *standing = Standing::Valid;
        }
        if self.solicits_at.is_some_and(|at| now >= at) {
            self.solicits_at = (self.solicited < SOLICITATIONS).then(|| {
                self.solicited += 1;
                self.frames.push(ip6::router_solicitation());
                now + SOLICITATION
            });
        }
        std::mem::take(&mut self.frames)
    }

    /// Somebody uses, or is about to use, an address.
    fn object(&mut self, address: Ipv6Addr) {
        if !self.heeds_objections {
            return;
        }
        let tentative = |standing| matches!(standing, Standing::Tentative(_));
        if address == ip6::link_local() && tentative(self.link_local) {
            self.link_local = Standing::Taken;
        }
        if let Some((_, standing)) =
            self.wanted.as_mut().filter(|(wanted, standing)| *wanted == address && tentative(*standing))
        {
            *standing = Standing::Taken;
        }
    }

    fn heard(&mut self, says: Router) {
        // RFC 4861 §6.3.7: one with a lifetime is what was asked for.
        if says.lifetime > 0 && self.solicited > 0 {
            self.solicits_at = None;
        }
        if says.hop_limit > 0 {
            self.hop_limit = Some(says.hop_limit);
        }
        match self.routers.iter_mut().find(|known| known.address == says.address) {
            Some(known) => *known = says,
            None => self.routers.push(says),
        }
    }
}

impl Client {
    /// Lets the interface do what is due, and goes on where that was waited for.
    pub(super) fn tend_interface(&mut self, now: GuestTime) {
        let Some(interface) = &mut self.interface else { return };
        let frames = interface.poll(now);
        self.effects.extend(frames.into_iter().map(super::Effect::Frame));
        match self.state {
            State::Tentative => self.start6(now),
            State::Settling(_) => self.settled(now),
            _ => {}
        }
    }

    /// Whether a frame was for what the client does itself over IPv6.
    pub(super) fn receive6(&mut self, now: GuestTime, frame: &[u8]) -> bool {
        let believes_any = self.behaviour.believes_any_router;
        let Some(interface) = &mut self.interface else { return false };
        let Some(packet) = ip6::read(frame) else { return false };
        match packet {
            Packet::Dhcp(message) => {
                if let Some(answer) = crate::dhcp6::read(message, self.xid & 0x00ff_ffff) {
                    self.dhcp6_answered(now, answer);
                }
                true
            }
            Packet::Solicitation { target, probe } => {
                if probe {
                    interface.object(target);
                    self.tend_interface(now);
                }
                // The stack answers for addresses that are valid.
                false
            }
            Packet::Advertisement(target) => {
                interface.object(target);
                self.tend_interface(now);
                false
            }
            Packet::Redirect { from, target, destination } => {
                // RFC 4861 §8.1: only from the router that is used.
                if interface.router() == Some(from)
                    && let Some(stack) = &mut self.stack
                {
                    stack.redirect(destination, target);
                }
                true
            }
            Packet::Router { says, valid } => {
                if valid || believes_any {
                    interface.heard(says);
                    let router = interface.router().map(IpAddr::from);
                    if let Some(stack) = &mut self.stack {
                        stack.set_router(router);
                        stack.set_hop_limit(interface.hop_limit());
                    }
                    self.tend_interface(now);
                }
                true
            }
        }
    }
}
