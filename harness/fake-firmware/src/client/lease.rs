//! From DISCOVER to a lease (RFC 2131 §3.1).

use super::{Client, Effect, Lease, State};
use crate::arp;
use crate::behaviour::{Moment, Offers};
use crate::console;
use crate::dhcp4::{self, Message, Offer};
use crate::http::Method;
use crate::stack::Stack;
use crate::url::Url;
use etherparse::{SlicedPacket, TransportSlice};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;
use wire::GuestTime;

/// Collecting offers, of DHCPv4 or of DHCPv6.
pub(super) struct Selecting<O = Offer> {
    pub(super) started: GuestTime,
    pub(super) sent: u32,
    pub(super) until: GuestTime,
    pub(super) offers: Vec<O>,
    pub(super) restarts: u32,
}

/// Waiting for the server of the offer that was taken.
pub(super) struct Requesting<O = Offer> {
    pub(super) started: GuestTime,
    pub(super) sent: u32,
    pub(super) until: GuestTime,
    pub(super) offer: O,
    pub(super) url: Url,
    pub(super) restarts: u32,
}

/// Waiting for another host that has the address.
pub(super) struct Probing {
    started: GuestTime,
    pub(super) until: GuestTime,
    pub(super) offer: Offer,
    url: Url,
}

/// Why an address is declined that another host answers for.
pub(super) const IN_USE: &str = "The address is in use";
/// RFC 5227 §1.1 (ANNOUNCE_WAIT), after the only probe.
const PROBE: Duration = Duration::from_secs(2);

impl Client {
    pub(super) fn select(&mut self, now: GuestTime, restarts: u32) {
        self.discover(now, Selecting { started: now, sent: 0, until: now, offers: Vec::new(), restarts });
    }

    fn send4(&mut self, message: &Message<'_>, started: GuestTime, now: GuestTime) {
        let seconds = u16::try_from(now.since(started).as_secs()).unwrap_or(u16::MAX);
        self.effects.push(Effect::Frame(dhcp4::frame(message, self.xid, seconds, self.behaviour.pxe)));
    }

    fn discover(&mut self, now: GuestTime, mut it: Selecting) {
        self.send4(&Message::Discover, it.started, now);
        it.sent += 1;
        it.until = now + patience(it.sent);
        self.state = State::Selecting(it);
        self.strikes(Moment::DiscoverSent, now);
    }

    /// EDK2 collects offers until the timer of the running DISCOVER, so that a better one may come.
    pub(super) fn offer_window_closes(&mut self, now: GuestTime) {
        let State::Selecting(it) = std::mem::replace(&mut self.state, State::Over) else { return };
        let complete = it.offers.iter().find_map(|offer| Some((offer.clone(), self.usable(offer)?)));
        let wanted = complete.or_else(|| self.with_proxy(&it.offers));
        match wanted {
            Some((offer, url)) if self.behaviour.requests => {
                self.request(
                    now,
                    Requesting {
                        started: it.started,
                        sent: 0,
                        until: now,
                        offer,
                        url,
                        restarts: it.restarts,
                    },
                );
            }
            _ if it.sent < self.behaviour.discovers => self.discover(now, it),
            _ => self.fail(now, console::TIMEOUT),
        }
    }

    /// The URL of an offer that this client takes.
    fn usable(&self, offer: &Offer) -> Option<Url> {
        self.url(offer).filter(|_| leases(offer))
    }

    /// The URL of a server of HTTP boot.
    fn url(&self, offer: &Offer) -> Option<Url> {
        if let Some(entry) = self.entry().filter(|entry| !entry.url.is_empty()) {
            return Url::parse(&entry.url);
        }
        if self.behaviour.pxe {
            // The file is on the server that offers it, by TFTP. Its name may be one that a service on port 4011 has yet to say.
            let service = self.behaviour.asks_port_4011 && offer.class.starts_with(b"PXEClient");
            let file = offer.bootfile.as_deref().or(service.then_some(""))?;
            return Url::parse(&format!("http://{}/{file}", offer.server?));
        }
        let http = self.behaviour.offers == Offers::WithUrl || offer.class.starts_with(b"HTTPClient");
        Url::parse(offer.bootfile.as_deref()?).filter(|_| http)
    }

    /// The first lease, and the URL of a boot server that leases nothing (UEFI 2.11 §24.7.3.1).
    fn with_proxy(&self, offers: &[Offer]) -> Option<(Offer, Url)> {
        let mut proxies = offers.iter().filter(|offer| offer.address.is_unspecified());
        let url = proxies.find_map(|offer| self.url(offer))?;
        Some((offers.iter().find(|offer| leases(offer))?.clone(), url))
    }

    fn request(&mut self, now: GuestTime, mut it: Requesting) {
        self.send4(&Message::Request(&it.offer), it.started, now);
        it.sent += 1;
        it.until = now + patience(it.sent);
        self.state = State::Requesting(it);
        self.strikes(Moment::RequestSent, now);
    }

    pub(super) fn request_again(&mut self, now: GuestTime) {
        let State::Requesting(it) = std::mem::replace(&mut self.state, State::Over) else { return };
        if it.sent < self.behaviour.discovers {
            self.request(now, it)
        } else {
            self.fail(now, console::TIMEOUT)
        }
    }

    pub(super) fn dhcp_answer(&self, frame: &[u8]) -> Option<Offer> {
        let packet = SlicedPacket::from_ethernet(frame).ok()?;
        let TransportSlice::Udp(datagram) = packet.transport? else { return None };
        (datagram.destination_port() == 68).then(|| dhcp4::read(datagram.payload(), self.xid)).flatten()
    }

    pub(super) fn dhcp_answered(&mut self, now: GuestTime, answer: Offer) {
        match (&mut self.state, answer.kind) {
            (State::Selecting(it), dhcp4::OFFER) => {
                it.offers.push(answer);
                self.print(".");
                self.strikes(Moment::OfferReceived, now);
            }
            (State::Requesting(it), dhcp4::ACK | dhcp4::NAK) if answer.server == it.offer.server => {
                let State::Requesting(it) = std::mem::replace(&mut self.state, State::Over) else { return };
                self.print(".");
                if answer.kind == dhcp4::ACK {
                    self.bind(now, it, &answer);
                } else if it.restarts < self.behaviour.restarts_after_nak {
                    self.xid += 1;
                    self.select(now, it.restarts + 1);
                } else {
                    self.fail(now, console::DEVICE);
                }
            }
            _ => {}
        }
    }

    fn bind(&mut self, now: GuestTime, it: Requesting, ack: &Offer) {
        let objection = if ack.address != it.offer.address {
            Some("Lease confirmed isn't the same as that in the offer")
        } else if self.behaviour.declines_lease_without_netmask && ack.mask.is_none() {
            Some("Lease is denied upon entering bound")
        } else {
            None
        };
        let probing = Probing { started: it.started, until: now + PROBE, offer: it.offer, url: it.url };
        if let Some(reason) = objection {
            return self.decline(now, &probing, reason);
        }
        if self.strikes(Moment::AckReceived, now) {
            return;
        }
        let address = probing.offer.address;
        self.state = State::Probing(Box::new(probing));
        match self.behaviour.probes_address {
            true => self.effects.push(Effect::Frame(arp::probe(address))),
            false => self.probed(now, None),
        }
    }

    fn decline(&mut self, now: GuestTime, it: &Probing, reason: &str) {
        self.send4(&Message::Decline(&it.offer, reason), it.started, now);
        self.fail(now, console::DEVICE);
    }

    /// Uses the address, unless there is an objection.
    pub(super) fn probed(&mut self, now: GuestTime, objection: Option<&str>) {
        let State::Probing(it) = std::mem::replace(&mut self.state, State::Over) else { return };
        if let Some(reason) = objection {
            return self.decline(now, &it, reason);
        }
        // What the offer said counts, as in EDK2; without a mask, the link is the class C network of the address.
        let mask = it.offer.mask.unwrap_or(Ipv4Addr::new(255, 255, 255, 0));
        let (mut address, mut mask, mut router) = (it.offer.address, mask, it.offer.router);
        if let Some((own, netmask, gateway)) = self.behaviour.fixed {
            (address, mask, router) = (own, netmask, Some(gateway));
        }
        let prefix = u8::try_from(mask.to_bits().leading_ones()).unwrap_or(32);
        self.print(console::station(address));
        self.resolvers = it.offer.resolvers.iter().copied().map(IpAddr::from).collect();
        let addresses = [(address.into(), prefix)];
        self.stack = Some(Stack::new(now, self.boots, &addresses, router.map(IpAddr::from)));
        self.download(now, Lease::V4 { address, mask, router }, it.url);
    }

    /// Asks for the boot file.
    pub(super) fn download(&mut self, now: GuestTime, lease: Lease, url: Url) {
        if let Some(stack) = &mut self.stack {
            stack.set_discovers_path(self.behaviour.discovers_path);
        }
        if self.behaviour.pxe && url.target == "/" {
            return self.find_file(now, lease, url);
        }
        if self.behaviour.pxe {
            return self.ask_for_file(now, lease, url);
        }
        let method = if self.behaviour.heads { Method::Head } else { Method::Get };
        let redirects = self.behaviour.redirects;
        self.open(now, lease, url, redirects, method);
    }
}

fn leases(offer: &Offer) -> bool {
    !offer.address.is_unspecified() && offer.server.is_some()
}

/// RFC 2131 §4.1 without its jitter, as EDK2 waits: 4, 8, 16, 32 seconds.
pub(super) fn patience(sent: u32) -> Duration {
    Duration::from_secs(2 << sent.clamp(1, 4))
}
