//! When routers advertise themselves (RFC 4861 §6.2.4, §6.2.6), and to whom.

use super::message::{self, ADVERTISEMENT, SOLICITATION};
use super::{Malformed, Redirect, Settings};
use crate::frame6::{self, ALL_NODES, Content, Host, Packet, UNROUTED};
use crate::{address, delay};
use record::Event;
use std::net::Ipv6Addr;
use wire::{GuestTime, Outbox};

/// Option of RFC 4861 §4.6.1.
const SOURCE_LINK_ADDRESS: u8 = 1;

/// All routers of the link.
#[derive(Debug)]
pub(crate) struct Routers {
    routers: Vec<Router>,
    lose: u32,
    lost: u32,
    /// Advertisements: of which router, and to whom.
    pending: delay::Queue<(usize, Host)>,
    /// Whether the guest has been heard.
    heard: bool,
    /// What our router has to say to a host that uses it.
    redirect: Option<Redirect>,
    redirected: bool,
}

#[derive(Debug)]
struct Router {
    host: Host,
    settings: Settings,
    /// When the router is to say something else.
    changes: Option<GuestTime>,
    /// When it speaks unasked.
    unsolicited: Option<GuestTime>,
}

impl Routers {
    /// Routers whose settings have been checked.
    pub(crate) fn new(settings: &Settings) -> Self {
        let more = settings.more_routers.iter().zip(1..).map(|(router, number)| Router {
            host: Host::station(number),
            settings: settings.of_router(router),
            changes: None,
            unsolicited: None,
        });
        let ours = Router {
            host: Host::server(address::ROUTER6),
            settings: settings.clone(),
            changes: None,
            unsolicited: None,
        };
        let routers = if settings.enabled { std::iter::once(ours).chain(more).collect() } else { Vec::new() };
        let redirect = settings.redirect.clone().filter(|_| settings.enabled);
        Self {
            routers,
            lose: settings.lose,
            lost: 0,
            pending: delay::Queue::new(),
            heard: false,
            redirect,
            redirected: false,
        }
    }

    /// Whether a packet is a router solicitation, valid or not.
    pub(crate) fn is_solicitation(packet: &Packet<'_>) -> bool {
        matches!(packet.content, Content::Icmp { kind: SOLICITATION, .. })
    }

    /// Takes note that the guest speaks IPv6: from now on there are unsolicited advertisements.
    pub(crate) fn hear(&mut self, now: GuestTime) {
        if !self.heard {
            self.heard = true;
            for router in &mut self.routers {
                router.unsolicited =
                    router.settings.interval_seconds.map(|every| now + delay::duration(every));
            }
        }
    }

    /// Takes a router solicitation.
    pub(crate) fn receive(&mut self, now: GuestTime, packet: &Packet<'_>, out: &mut Outbox) {
        if !is_valid(packet) {
            return;
        }
        let from = Some(packet.from).filter(|from| !from.is_unspecified());
        out.events.push(Event::RouterSolicited { from });
        let why = match self.routers.first() {
            None => "no router on the link",
            Some(router) if !router.settings.solicited => {
                "the scenario leaves router solicitations unanswered"
            }
            Some(_) => "",
        };
        if !why.is_empty() {
            return out.events.push(Event::RouterUnanswered { why: why.into() });
        }
        for (at, router) in self.routers.iter().enumerate() {
            let to = from
                .filter(|_| router.settings.unicast)
                .map_or_else(|| Host::group(ALL_NODES), |address| Host { mac: packet.mac, address });
            if !self.pending.is_full() {
                self.pending.push(now + delay::duration(router.settings.delay_seconds), (at, to));
            }
        }
        self.poll(now, out);
    }

    /// Whether a packet reaches the host of ours that it is for; it came in `frame`. What is for one of our addresses on
    /// the link needs no router, unless its link-layer address is that of another one.
    pub(crate) fn forward(&mut self, frame: &[u8], packet: &Packet<'_>, out: &mut Outbox) -> bool {
        if packet.to.is_multicast() {
            return true;
        }
        let ours = frame.starts_with(&address::SERVER_MAC);
        let router = self.routers.iter().find(|router| frame.starts_with(&router.host.mac));
        let why = if frame.starts_with(&address::NEIGHBOR_MAC) {
            "no host of the link that takes packets has this link-layer address"
        } else if packet.to.is_unicast_link_local() || (ours && packet.to == address::SERVER6) {
            return true;
        } else {
            match router {
                Some(router) if !router.settings.forwards => "the scenario has this router drop packets",
                Some(_) if ours && self.redirected && !self.forwards_after() => {
                    "the router has redirected the host, and forwards no more"
                }
                // RFC 8200 §3.
                Some(_) if packet.hop_limit <= 1 => "the packet's hop limit is used up",
                None if ours => "no router on the link",
                _ => "",
            }
        };
        if !why.is_empty() {
            let router = router.map(|router| router.host.address);
            out.events.push(Event::NotForwarded { router, to: packet.to, why: why.into() });
            return false;
        }
        if let Some(redirect) = self.redirect.as_ref().filter(|_| ours && !self.redirected) {
            let (frame, event) = redirect.answer(packet, frame);
            self.redirected = true;
            out.frames.push(frame);
            out.events.push(event);
        }
        true
    }

    /// Whether our router serves a host that it has sent elsewhere.
    fn forwards_after(&self) -> bool {
        self.redirect.as_ref().is_none_or(|redirect| redirect.forwards_after)
    }

    /// Sends what is due.
    pub(crate) fn poll(&mut self, now: GuestTime, out: &mut Outbox) {
        for (at, router) in self.routers.iter_mut().enumerate() {
            if router.unsolicited.is_some_and(|due| due <= now) {
                let every = router.settings.interval_seconds.map(delay::duration);
                router.unsolicited = every.map(|every| now + every);
                self.pending.push(now, (at, Host::group(ALL_NODES)));
            }
            if router.changes.is_some_and(|due| due <= now) {
                router.changes = None;
                router.change();
                self.pending.push(now, (at, Host::group(ALL_NODES)));
            }
        }
        for (at, to) in self.pending.due(now) {
            if self.lost < self.lose {
                self.lost += 1;
                let why = format!("the scenario loses {} of {}", self.lost, self.lose);
                out.events.push(Event::RouterUnanswered { why });
            } else {
                self.routers[at].advertise(now, to, out);
            }
        }
    }

    /// When something is due.
    pub(crate) fn poll_at(&self) -> Option<GuestTime> {
        let routers = self.routers.iter().flat_map(|router| [router.changes, router.unsolicited]).flatten();
        routers.chain(self.pending.poll_at()).min()
    }
}

impl Router {
    /// Says from now on what the scenario has it say later.
    fn change(&mut self) {
        let Some(change) = self.settings.then.take() else { return };
        let settings = &mut self.settings;
        settings.managed = change.managed.unwrap_or(settings.managed);
        settings.other = change.other.unwrap_or(settings.other);
        settings.lifetime_seconds = change.lifetime_seconds.unwrap_or(settings.lifetime_seconds);
        settings.valid_seconds = change.valid_seconds.unwrap_or(settings.valid_seconds);
        settings.preferred_seconds = change.preferred_seconds.unwrap_or(settings.preferred_seconds);
    }

    fn advertise(&mut self, now: GuestTime, to: Host, out: &mut Outbox) {
        let after = self.settings.then.as_ref().map(|change| delay::duration(change.after_seconds));
        self.changes = self.changes.or(after.map(|after| now + after));
        let settings = &self.settings;
        let malformed = settings.malformed;
        let from = match malformed {
            Some(Malformed::GlobalSource) => Host { address: address::SERVER6, ..self.host },
            _ => self.host,
        };
        let hops = if malformed == Some(Malformed::HopLimit) { 64 } else { UNROUTED };
        let code = u8::from(malformed == Some(Malformed::Code));
        let body = message::advertisement(settings, self.host);
        let mut frame = frame6::icmp_with_code(from, to, hops, (ADVERTISEMENT, code), &body);
        if malformed == Some(Malformed::Checksum) {
            frame[CHECKSUM] ^= 0xff;
        }
        for _ in 0..settings.copies {
            out.frames.push(frame.clone());
        }
        let prefix = |p: super::Prefix| {
            let flag = |set, letter: &'static str| if set { letter } else { "" };
            format!("{}/{}{}{}", p.prefix, p.length, flag(p.on_link, " L"), flag(p.autonomous, " A"))
        };
        out.events.push(Event::RouterAdvertised {
            router: from.address,
            managed: settings.managed,
            other: settings.other,
            lifetime: settings.lifetime_seconds,
            prefixes: settings.prefixes().into_iter().map(prefix).collect(),
            malformed: malformed.map(|kind| kind.fault().to_owned()),
        });
    }
}

/// Where the ICMPv6 checksum is in a frame without extension headers.
pub(super) const CHECKSUM: usize = 14 + 40 + 2;

impl Malformed {
    fn fault(self) -> &'static str {
        match self {
            Self::HopLimit => "the hop limit is 64, not 255",
            Self::GlobalSource => "the source is not a link-local address",
            Self::Code => "the code is 1, not 0",
            Self::Checksum => "the checksum is wrong",
            Self::ZeroLengthOption => "an option has the length 0",
            Self::OverlongOption => "an option runs past the end",
            Self::Truncated => "it ends within its fixed part",
        }
    }
}

/// RFC 4861 §6.1.1.
fn is_valid(packet: &Packet<'_>) -> bool {
    let Content::Icmp { kind: SOLICITATION, code: 0, body } = packet.content else { return false };
    let Some(options) = body.get(4..).and_then(frame6::options) else { return false };
    let named = options.iter().any(|(kind, _)| *kind == SOURCE_LINK_ADDRESS);
    packet.hop_limit == UNROUTED && !(packet.from == Ipv6Addr::UNSPECIFIED && named)
}
