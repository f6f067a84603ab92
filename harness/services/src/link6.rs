//! What is on the link where there is IPv6: neighbours, routers and DHCPv6 servers, and which of them a packet is for.

use crate::frame6::{self, Content, Packet};
use crate::{NetworkSettings, address, dhcp6, mld, nd, ra};
use wire::{GuestTime, Outbox};

/// The services of IPv6 below TCP.
#[derive(Debug)]
pub(crate) struct Link6 {
    neighbors: nd::Responder,
    routers: ra::Routers,
    dhcp6: dhcp6::Servers,
}

/// Who is to take a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is dealt with.
    Done,
    /// The stack is to learn the sender's address, and not to answer.
    Learn,
    /// It is for the stack.
    Pass,
}

impl Link6 {
    /// Services whose settings have been checked; `bootfiles` are those of the DHCPv6 servers.
    pub(crate) fn new(settings: &NetworkSettings, bootfiles: &[Option<String>]) -> Self {
        let redirected = settings.ra.redirect.as_ref().is_some_and(|r| r.to == ra::Hop::Destination);
        let neighbors: &[_] = if redirected { &[address::OFF_LINK6] } else { &[] };
        Self {
            neighbors: nd::Responder::new(settings.nd.clone(), settings.dhcp6.clone(), neighbors),
            routers: ra::Routers::new(&settings.ra),
            dhcp6: dhcp6::Servers::new(&settings.dhcp6, bootfiles),
        }
    }

    /// Whether a packet, which came in `frame`, reaches the host that it is for.
    pub(crate) fn forward(&mut self, frame: &[u8], packet: &Packet<'_>, out: &mut Outbox) -> bool {
        self.routers.forward(frame, packet, out)
    }

    /// Takes a packet, whose checksum is right, if it is for one of the services.
    pub(crate) fn receive(&mut self, now: GuestTime, packet: &Packet<'_>, out: &mut Outbox) -> Taken {
        self.routers.hear(now);
        if nd::Responder::is_solicitation(packet) {
            self.neighbors.receive(now, packet, out);
            return if packet.from.is_unspecified() { Taken::Done } else { Taken::Learn };
        }
        if ra::Routers::is_solicitation(packet) {
            self.routers.receive(now, packet, out);
            return Taken::Done;
        }
        if mld::is_report(packet) {
            out.events.extend(mld::report(packet));
            return Taken::Done;
        }
        match packet.content {
            Content::Udp { to_port: dhcp6::SERVER_PORT, payload, .. }
                if dhcp6::Servers::listens_on(packet.to) && is_host(packet) =>
            {
                self.dhcp6.receive(now, packet, payload, out);
                Taken::Done
            }
            _ => Taken::Pass,
        }
    }

    /// Lets timers that are due fire.
    pub(crate) fn poll(&mut self, now: GuestTime, out: &mut Outbox) {
        self.neighbors.poll(now, out);
        self.routers.poll(now, out);
        self.dhcp6.poll(now, out);
    }

    /// When a timer is due.
    pub(crate) fn poll_at(&self) -> Option<GuestTime> {
        [self.neighbors.poll_at(), self.routers.poll_at(), self.dhcp6.poll_at()].into_iter().flatten().min()
    }
}

/// Whether an answer can go back to where a packet says that it is from.
pub(crate) fn is_host(packet: &Packet<'_>) -> bool {
    !packet.from.is_unspecified() && !packet.from.is_multicast()
}

/// A frame that was sent to one of our stations, as if to our server: every router forwards to it.
pub(crate) fn forwarded(bytes: &[u8]) -> Vec<u8> {
    let mut frame = bytes.to_vec();
    if !frame.starts_with(&[0x33, 0x33]) && frame6::is_for_us(&frame) {
        frame[..6].copy_from_slice(&crate::address::SERVER_MAC);
    }
    frame
}
