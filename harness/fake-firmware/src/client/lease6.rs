//! From SOLICIT to a lease that can be used (RFC 8415 §18.2).

use super::interface::Standing;
use super::lease::{Requesting, Selecting, patience};
use super::{Client, Effect, Lease, State};
use crate::behaviour::{Moment, Offers};
use crate::console;
use crate::dhcp6::{self, Message, Offer};
use crate::ip6;
use crate::stack::Stack;
use crate::url::Url;
use std::net::IpAddr;
use std::time::Duration;
use wire::GuestTime;

/// Longer than the interface takes to find out about its address and its routers.
const SETTLING: Duration = Duration::from_secs(20);
/// What EDK2 takes for its link where no router says what is.
const ASSUMED: u8 = 64;
/// A server with this preference is taken at once (RFC 8415 §18.2.1).
const AT_ONCE: u8 = 255;

type Soliciting = Selecting<Offer>;
type Requesting6 = Requesting<Offer>;

/// There is a lease, but its address is tentative or a router is waited for.
pub(super) struct Settling {
    pub(super) until: GuestTime,
    pub(super) offer: Offer,
    pub(super) url: Url,
}

impl Client {
    /// Begins as soon as the interface has an address to speak from.
    pub(super) fn start6(&mut self, now: GuestTime) {
        match self.interface.as_ref().map(|interface| interface.link_local()) {
            Some(Standing::Valid) => self.solicit(now, 0),
            Some(Standing::Tentative(_)) if self.behaviour.waits_for_address => self.state = State::Tentative,
            _ => self.fail(now, console::UNEXPECTED),
        }
    }

    fn solicit(&mut self, now: GuestTime, restarts: u32) {
        let it = Soliciting { started: now, sent: 0, until: now, offers: Vec::new(), restarts };
        self.solicit_again(now, it);
    }

    fn solicit_again(&mut self, now: GuestTime, mut it: Soliciting) {
        if self.behaviour.solicits {
            self.send6(&Message::Solicit, it.started, now);
        }
        it.sent += 1;
        it.until = now + patience(it.sent);
        self.state = State::Soliciting(it);
        self.strikes(Moment::DiscoverSent, now);
    }

    fn send6(&mut self, message: &Message<'_>, started: GuestTime, now: GuestTime) {
        let hundredths = u16::try_from(now.since(started).as_millis() / 10).unwrap_or(u16::MAX);
        let bytes = dhcp6::message(message, self.xid & 0x00ff_ffff, hundredths);
        self.effects.push(Effect::Frame(ip6::dhcp(&bytes)));
    }

    pub(super) fn advertise_window_closes(&mut self, now: GuestTime) {
        let State::Soliciting(it) = std::mem::replace(&mut self.state, State::Over) else { return };
        // RFC 8415 §18.2.9: the highest preference, then the first.
        let usable = it.offers.iter().rev().filter_map(|offer| Some((offer, self.usable6(offer)?)));
        let best = usable.max_by_key(|(offer, _)| offer.preference);
        match best.map(|(offer, url)| (offer.clone(), url)) {
            Some((offer, url)) if self.behaviour.requests => {
                self.xid += 1;
                let (started, restarts) = (now, it.restarts);
                self.request6(now, Requesting6 { started, sent: 0, until: now, offer, url, restarts });
            }
            _ if it.sent < self.behaviour.discovers => self.solicit_again(now, it),
            _ => self.fail(now, console::TIMEOUT),
        }
    }

    /// The URL of an advertisement that this client takes.
    fn usable6(&self, offer: &Offer) -> Option<Url> {
        if self.behaviour.pxe {
            let url = offer.bootfile.as_deref()?.strip_prefix("tftp://")?;
            return Url::parse(&format!("http://{url}")).filter(|_| offer.address.is_some());
        }
        let http = self.behaviour.offers == Offers::WithUrl || offer.http;
        let complete = offer.status == 0 && offer.address.is_some();
        if let Some(entry) = self.entry().filter(|entry| !entry.url.is_empty()) {
            return Url::parse(&entry.url).filter(|_| complete);
        }
        Url::parse(offer.bootfile.as_deref()?).filter(|_| http && complete)
    }

    fn request6(&mut self, now: GuestTime, mut it: Requesting6) {
        self.send6(&Message::Request(&it.offer), it.started, now);
        it.sent += 1;
        it.until = now + patience(it.sent);
        self.state = State::Requesting6(it);
        self.strikes(Moment::RequestSent, now);
    }

    pub(super) fn request6_again(&mut self, now: GuestTime) {
        let State::Requesting6(it) = std::mem::replace(&mut self.state, State::Over) else { return };
        if it.sent < self.behaviour.discovers {
            self.request6(now, it);
        } else {
            self.fail(now, console::TIMEOUT);
        }
    }

    pub(super) fn dhcp6_answered(&mut self, now: GuestTime, answer: Offer) {
        match (&mut self.state, answer.kind) {
            (State::Soliciting(it), dhcp6::ADVERTISE) => {
                // After the first wait the first that comes is taken (RFC 8415 §18.2.1).
                let at_once = answer.preference == AT_ONCE || it.sent > 1;
                it.offers.push(answer);
                self.print(".");
                let usable = |client: &Self| match &client.state {
                    State::Soliciting(it) => {
                        it.offers.last().is_some_and(|offer| client.usable6(offer).is_some())
                    }
                    _ => false,
                };
                if !self.strikes(Moment::OfferReceived, now) && at_once && usable(self) {
                    self.advertise_window_closes(now);
                }
            }
            (State::Requesting6(it), dhcp6::REPLY) if answer.server == it.offer.server => {
                let State::Requesting6(it) = std::mem::replace(&mut self.state, State::Over) else { return };
                self.print(".");
                if answer.status == 0 && answer.address.is_some() {
                    self.bind6(now, it, answer);
                } else if it.restarts < self.behaviour.restarts_after_nak {
                    self.xid += 1;
                    self.solicit(now, it.restarts + 1);
                } else {
                    self.fail(now, console::DEVICE);
                }
            }
            _ => {}
        }
    }

    fn bind6(&mut self, now: GuestTime, it: Requesting6, reply: Offer) {
        if self.strikes(Moment::AckReceived, now) {
            return;
        }
        if let (Some(interface), Some(address)) = (&mut self.interface, reply.address) {
            interface.want(now, address);
        }
        // What the advertisement said counts, as in EDK2; the address is that of the reply.
        let offer = Offer { address: reply.address, server: reply.server, ..it.offer };
        self.state = State::Settling(Settling { until: now + SETTLING, offer, url: it.url });
        self.tend_interface(now);
    }

    /// Goes on once the address is the interface's, and there is a router or none to be expected.
    pub(super) fn settled(&mut self, now: GuestTime) {
        let Some(interface) = &self.interface else { return };
        let ready = interface.router().is_some() || !interface.expects_router();
        match interface.wanted() {
            Some(Standing::Valid) if ready => {}
            Some(Standing::Taken) => {
                let State::Settling(it) = std::mem::replace(&mut self.state, State::Over) else { return };
                // RFC 8415 §18.2.8.
                self.xid += 1;
                self.send6(&Message::Decline(&it.offer), now, now);
                return self.fail(now, console::DEVICE);
            }
            _ => return,
        }
        let State::Settling(it) = std::mem::replace(&mut self.state, State::Over) else { return };
        let (Some(interface), Some(address)) = (&self.interface, it.offer.address) else { return };
        let assumed = if self.behaviour.assumes_on_link { ASSUMED } else { 128 };
        let (prefix, router) = (interface.on_link(address).unwrap_or(assumed), interface.router());
        self.resolvers = it.offer.resolvers.iter().copied().chain(interface.resolvers()).collect();
        let addresses = [(address.into(), prefix), (ip6::link_local().into(), ASSUMED)];
        let mut stack = Stack::new(now, self.boots, &addresses, router.map(IpAddr::from));
        stack.set_hop_limit(interface.hop_limit());
        self.stack = Some(stack);
        self.print(console::station6(address));
        self.download(now, Lease::V6 { address, prefix, router }, it.url);
    }
}
