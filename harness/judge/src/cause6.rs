//! Why no connection came of IPv6, from what was said below TCP and DNS.

use crate::cause::*;
use crate::facts6::{Facts6, Told, cited};
use crate::finding::{Host, host, is_http_url, is_https_url};
use record::Dhcp6Message::{Advertise, Decline, Reply, Request, Solicit};
use record::Dhcp6Silence;

type Found = (Cause, Option<String>);

/// Why there was no address to connect from, or it was not used. What routers said stands beside it, and the frames in which
/// the firmware asked in vain.
pub(crate) fn ipv6_cause(facts: &Facts6<'_>) -> Found {
    let assigned = |address| facts.told.iter().any(|told| told.addresses.contains(&address));
    let needed = |address: std::net::Ipv6Addr| address.is_unicast_link_local() || assigned(address);
    if let Some(probe) = facts.probes.iter().find(|probe| probe.taken && needed(probe.address)) {
        return (ND_ADDRESS_TAKEN, noted([Some(probe.address.to_string()), cited([probe.frame])]));
    }
    if !facts.has_asked() {
        let probe = facts.probes.last();
        let address = probe.map(|probe| probe.address.to_string());
        return (ND_ADDRESS_TENTATIVE, noted([address, cited(probe.map(|probe| probe.frame))]));
    }
    let (cause, note, frames) = dhcp6_cause(facts);
    (cause, noted([Some(facts.flags()), note, frames]))
}

fn noted<const N: usize>(parts: [Option<String>; N]) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

type Cited = (Cause, Option<String>, Option<String>);

fn dhcp6_cause(facts: &Facts6<'_>) -> Cited {
    let frames = |message| cited(facts.boot_asked(message).map(|asked| asked.frame));
    if facts.boot_asked(Decline).next().is_some() {
        return (DHCP6_DECLINED, None, frames(Decline));
    }
    if let Some(request) = facts.boot_asked(Request).next_back() {
        let mut replies = facts.boot_told(Reply);
        let Some(reply) = replies.rfind(|reply| facts.is_answer_to(reply, Request)) else {
            let why = request.unanswered.map(|(_, why)| why.to_owned());
            return (DHCP6_REQUEST_UNANSWERED, why, frames(Request));
        };
        if reply.status.is_some() || reply.addresses.is_empty() {
            return (DHCP6_REQUEST_REFUSED, reply.status.map(str::to_owned), frames(Request));
        }
        return lease_cause(facts);
    }
    let Some(solicit) = facts.boot_asked(Solicit).next_back() else {
        let asked = cited(facts.router_solicitations.iter().copied());
        let heard = facts.has_router() || !facts.asked.is_empty();
        return (if heard { DHCP6_NOT_ASKED } else { RA_NO_ADVERTISEMENT }, None, asked);
    };
    let solicited = frames(Solicit);
    if let Some(offer) = facts.boot_told(Advertise).next_back() {
        let (cause, note) = offer_cause(offer, solicit.boots_by_http());
        return (cause, note, solicited);
    }
    if facts.boot_told(Reply).any(|reply| facts.is_answer_to(reply, Solicit)) {
        return (DHCP6_RAPID_COMMIT, None, solicited);
    }
    match solicit.unanswered {
        Some((Dhcp6Silence::NoServer, _)) => (DHCP6_NO_SERVER, None, solicited),
        Some((Dhcp6Silence::Stateless, _)) => (DHCP6_SERVER_STATELESS, None, solicited),
        Some((_, why)) => (DHCP6_NO_ANSWER, Some(why.to_owned()), solicited),
        None => (DHCP6_NO_ANSWER, None, solicited),
    }
}

/// Why an offer was not taken.
fn offer_cause(offer: &Told<'_>, by_http: bool) -> Found {
    if !offer.identified {
        return (DHCP6_NOT_IDENTIFIED, None);
    }
    if offer.status.is_some() || offer.addresses.is_empty() {
        return (DHCP6_NO_ADDRESS, offer.status.map(str::to_owned));
    }
    if let Some(times) = offer.times {
        if times.t1 > times.t2 && times.t2 > 0 {
            return (DHCP6_TIMES_INVALID, Some(format!("T1 {} s, T2 {} s", times.t1, times.t2)));
        }
        if times.preferred > times.valid {
            let note = format!("preferred {} s, valid {} s", times.preferred, times.valid);
            return (DHCP6_TIMES_INVALID, Some(note));
        }
    }
    if by_http && !offer.vendor_class.is_some_and(|class| class.starts_with("HTTPClient")) {
        let class =
            offer.vendor_class.map_or("no option 16".into(), |class| format!("option 16 is {class:?}"));
        return (DHCP6_OFFER_NOT_HTTP, Some(class));
    }
    match offer.bootfile {
        None => (DHCP6_OFFER_WITHOUT_BOOTFILE, None),
        Some(url) if !is_http_url(url) => (DHCP6_BOOTFILE_NOT_HTTP, Some(format!("{url:?}"))),
        Some(_) => (DHCP6_OFFER_NOT_TAKEN, None),
    }
}

/// Why nothing came of a lease: a name that was not asked for, a neighbour, a router, or nothing that the wire shows.
fn lease_cause(facts: &Facts6<'_>) -> Cited {
    if let Some(Host::Name) = facts.bootfile().and_then(host) {
        let named = facts.told.iter().any(|told| !told.dns.is_empty());
        let url = facts.bootfile().map(|url| format!("{url:?}"));
        // A DNS server that is not found on the link is not asked either.
        if !named || facts.unresolved.is_empty() {
            return (if named { DNS_NOT_ASKED } else { DNS_NO_SERVER }, url, None);
        }
    }
    if let Some((cause, note)) = path_cause(facts) {
        return (cause, note, None);
    }
    let https = facts.bootfile().is_some_and(is_https_url);
    (DHCP6_LEASE_NOT_USED, https.then(|| "the boot file is behind TLS".into()), None)
}

/// Why packets did not arrive, if that is seen on the link.
pub(crate) fn path_cause(facts: &Facts6<'_>) -> Option<Found> {
    if let Some((router, last)) = facts.not_forwarded.last() {
        let to = router.map_or(String::new(), |router| format!(" by {router}"));
        let frames = facts.not_forwarded.iter().map(|(_, packet)| packet.frame);
        return Some((RA_NOT_FORWARDED, noted([Some(format!("{}{to}", last.address)), cited(frames)])));
    }
    let off_link = facts.server().filter(|server| !facts.is_on_link(*server));
    if let Some(last) = facts.unresolved.last() {
        let same = facts.unresolved.iter().filter(|one| one.address == last.address);
        let frames = cited(same.map(|one| one.frame));
        let strange = !facts.is_on_link(last.address);
        let cause = match (strange, facts.has_default_router()) {
            (true, true) => ND_NOT_ON_LINK,
            (true, false) if off_link == Some(last.address) => RA_NO_DEFAULT_ROUTER,
            _ => ND_UNANSWERED,
        };
        return Some((cause, noted([Some(last.address.to_string()), frames])));
    }
    let server = off_link.filter(|_| !facts.has_default_router())?;
    Some((RA_NO_DEFAULT_ROUTER, Some(server.to_string())))
}

#[cfg(test)]
mod tests;
