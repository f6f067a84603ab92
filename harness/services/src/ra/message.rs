//! A router advertisement as bytes (RFC 4861 §4.2, §4.6; RFC 4191 §2.2; RFC 8106 §5; RFC 8781 §4; RFC 8910 §2.3).

use super::{Malformed, Pref64, Preference, Prefix, Settings, UnknownOption};
use crate::dns;
use crate::frame6::Host;

/// ICMPv6 types of RFC 4861 §4.1 and §4.2.
pub(super) const SOLICITATION: u8 = 133;
pub(super) const ADVERTISEMENT: u8 = 134;

const SOURCE_LINK_ADDRESS: u8 = 1;
const PREFIX: u8 = 3;
const MTU: u8 = 5;
const RDNSS: u8 = 25;
const DNSSL: u8 = 31;
const CAPTIVE_PORTAL: u8 = 37;
const PREF64: u8 = 38;
/// Types of options that are none of the unknown ones; redirects and routes are standard, too (RFC 4861, RFC 4191).
pub(super) const KNOWN: &[u8] =
    &[SOURCE_LINK_ADDRESS, 2, PREFIX, 4, MTU, 24, RDNSS, 26, DNSSL, CAPTIVE_PORTAL, PREF64];
/// By their codes (RFC 8781 §4).
pub(super) const PREF64_LENGTHS: [u8; 6] = [96, 64, 56, 48, 40, 32];

impl Settings {
    /// Every prefix, in the order in which they are sent.
    pub(super) fn prefixes(&self) -> Vec<Prefix> {
        let first = self.prefix.map(|prefix| Prefix {
            prefix,
            length: self.prefix_length,
            on_link: self.on_link,
            autonomous: self.autonomous,
            valid_seconds: self.valid_seconds,
            preferred_seconds: self.preferred_seconds,
        });
        first.into_iter().chain(self.more_prefixes.iter().cloned()).collect()
    }
}

/// What follows the checksum. The settings may still be unchecked.
pub(super) fn advertisement(settings: &Settings, router: Host) -> Vec<u8> {
    let preference = match settings.preference {
        Preference::Medium => 0,
        Preference::High => 1,
        Preference::Reserved => 2,
        Preference::Low => 3,
    };
    let flags = u8::from(settings.managed) << 7 | u8::from(settings.other) << 6 | preference << 3;
    let mut body = vec![settings.hop_limit, flags];
    body.extend(settings.lifetime_seconds.to_be_bytes());
    body.extend(settings.reachable_ms.to_be_bytes());
    body.extend(settings.retransmit_ms.to_be_bytes());
    if settings.malformed == Some(Malformed::Truncated) {
        body.truncate(8);
        return body;
    }
    if settings.link_address {
        option(&mut body, SOURCE_LINK_ADDRESS, &router.mac);
    }
    if let Some(mtu) = settings.mtu {
        option(&mut body, MTU, &[[0; 2].as_slice(), &mtu.to_be_bytes()].concat());
    }
    for prefix in settings.prefixes() {
        let flags = u8::from(prefix.on_link) << 7 | u8::from(prefix.autonomous) << 6;
        let mut value = vec![prefix.length, flags];
        value.extend(prefix.valid_seconds.to_be_bytes());
        value.extend(prefix.preferred_seconds.to_be_bytes());
        value.extend([0; 4]);
        value.extend(prefix.prefix.octets());
        option(&mut body, PREFIX, &value);
    }
    let lifetime = settings.dns_seconds.to_be_bytes();
    if !settings.rdnss.is_empty() {
        let mut value = [[0; 2].as_slice(), &lifetime].concat();
        value.extend(settings.rdnss.iter().flat_map(|server| server.octets()));
        option(&mut body, RDNSS, &value);
    }
    if !settings.dnssl.is_empty() {
        let mut value = [[0; 2].as_slice(), &lifetime].concat();
        value.extend(settings.dnssl.iter().flat_map(|domain| dns::written_out(domain)));
        option(&mut body, DNSSL, &value);
    }
    if let Some(uri) = &settings.captive_portal {
        option(&mut body, CAPTIVE_PORTAL, uri.as_bytes());
    }
    if let Some(Pref64 { prefix, length, lifetime_seconds }) = &settings.pref64 {
        let code = PREF64_LENGTHS.iter().position(|known| known == length).unwrap_or_default();
        let scaled = lifetime_seconds & !7 | code as u16;
        option(&mut body, PREF64, &[scaled.to_be_bytes().as_slice(), &prefix.octets()[..12]].concat());
    }
    for UnknownOption { kind, units } in &settings.unknown_options {
        option(&mut body, *kind, &vec![0xa5; (usize::from(*units) * 8).saturating_sub(2)]);
    }
    match settings.malformed {
        Some(Malformed::ZeroLengthOption) => body.extend([CAPTIVE_PORTAL, 0, 0, 0, 0, 0, 0, 0]),
        Some(Malformed::OverlongOption) => body.extend([CAPTIVE_PORTAL, 2, 0, 0, 0, 0, 0, 0]),
        _ => {}
    }
    body
}

/// Appends an option, filled up with zeros to a multiple of eight bytes. One that is too long gets the length 255, which the
/// limit of a frame forbids before.
fn option(body: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let units = (value.len() + 2).div_ceil(8);
    body.extend([kind, u8::try_from(units).unwrap_or(u8::MAX)]);
    body.extend(value);
    body.resize(body.len() + units * 8 - 2 - value.len(), 0);
}
