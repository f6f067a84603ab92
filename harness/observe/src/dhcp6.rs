//! DHCPv6 (RFC 8415, RFC 5970) of one client.

use crate::journal::{Journal, Place};
use dhcproto::v6::{DhcpOption, DhcpOptions, IANA, Message, MessageType, OptionCode, Status};
use dhcproto::{Decodable, Decoder};
use record::{Dhcp6Message, Dhcp6Silence, Dhcp6Times, Event};
use std::net::Ipv6Addr;

/// Option codes of RFC 8415 and RFC 5970 that are read from their bytes.
const VENDOR_CLASS: u16 = 16;
const BOOTFILE_URL: u16 = 59;
const ARCHITECTURE: u16 = 61;
const INTERFACE: u16 = 62;

/// What was asked and answered.
#[derive(Debug, Default)]
pub struct Dhcp6 {
    /// Messages of the client: transaction, kind, where, whether answered.
    asked: Vec<(u32, Dhcp6Message, Place, bool)>,
    /// Server identifiers in the order of their appearance.
    servers: Vec<Vec<u8>>,
    assigns: bool,
}

impl Dhcp6 {
    /// Takes a message; `from_client` says whose it is.
    pub fn take(&mut self, payload: &[u8], from_client: bool, journal: &mut Journal) {
        let Ok(message) = Message::decode(&mut Decoder::new(payload)) else { return };
        let [a, b, c] = message.xid();
        let xid = u32::from_be_bytes([0, a, b, c]);
        let kind = kind(message.msg_type());
        let options = message.opts();
        let class = raw(payload, VENDOR_CLASS).and_then(vendor_class);
        let identity = identity(options);
        let addresses = identity.map(addresses).unwrap_or_default();
        if from_client {
            self.asked.push((xid, kind, journal.now(), false));
            let requested = match options.get(OptionCode::ORO) {
                Some(DhcpOption::ORO(codes)) => codes.opts.iter().map(|code| u16::from(*code)).collect(),
                _ => Vec::new(),
            };
            journal.add(Event::Dhcp6Received {
                message: kind,
                xid,
                vendor_class: class,
                architecture: raw(payload, ARCHITECTURE)
                    .and_then(|bytes| Some(u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?))),
                network_interface: raw(payload, INTERFACE).and_then(|bytes| bytes.get(..3)?.try_into().ok()),
                addresses,
                stateful: identity.is_some(),
                requested,
            });
            return;
        }
        let ours = self.asked.iter_mut().filter(|(asked, ..)| *asked == xid);
        let mut answered = false;
        for (.., done) in ours {
            *done = true;
            answered = true;
        }
        // An answer to another machine.
        if !answered {
            return;
        }
        self.assigns |= !addresses.is_empty();
        let server = match options.get(OptionCode::ServerId) {
            Some(DhcpOption::ServerId(id)) => Some(id.clone()),
            _ => None,
        };
        let client = options.get(OptionCode::ClientId).is_some();
        let number = server.as_ref().map(|id| self.number(id)).unwrap_or(1);
        let dns = match options.get(OptionCode::DomainNameServers) {
            Some(DhcpOption::DomainNameServers(servers)) => servers.clone(),
            _ => Vec::new(),
        };
        journal.add(Event::Dhcp6Sent {
            message: kind,
            xid,
            server: number,
            addresses,
            status: status(options).or_else(|| identity.and_then(|identity| status(&identity.opts))),
            bootfile: raw(payload, BOOTFILE_URL).map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
            vendor_class: class,
            dns,
            times: identity.and_then(times),
            identified: client && server.is_some(),
        });
    }

    fn number(&mut self, id: &[u8]) -> u8 {
        let at = self.servers.iter().position(|known| known == id).unwrap_or_else(|| {
            self.servers.push(id.to_vec());
            self.servers.len() - 1
        });
        u8::try_from(at + 1).unwrap_or(u8::MAX)
    }

    /// Says of every message that stayed without an answer what is known of the reason.
    pub fn finish(self, journal: &mut Journal) {
        let reason = match (self.servers.is_empty(), self.assigns) {
            (true, _) => (Dhcp6Silence::NoServer, "no DHCPv6 server is heard in the capture"),
            (false, false) => (Dhcp6Silence::Stateless, "the DHCPv6 server assigns no addresses"),
            (false, true) => (Dhcp6Silence::Message, "no DHCPv6 server answered"),
        };
        for (_, message, place, answered) in self.asked {
            if !answered && message != Dhcp6Message::Release {
                let (reason, why) = reason;
                journal.add_at(place, Event::Dhcp6Unanswered { message, reason, why: why.into() });
            }
        }
    }
}

fn identity(options: &DhcpOptions) -> Option<&IANA> {
    match options.get(OptionCode::IANA) {
        Some(DhcpOption::IANA(identity)) => Some(identity),
        _ => None,
    }
}

fn addresses(identity: &IANA) -> Vec<Ipv6Addr> {
    let all = identity.opts.iter().filter_map(|option| match option {
        DhcpOption::IAAddr(address) => Some(address.addr),
        _ => None,
    });
    all.collect()
}

fn times(identity: &IANA) -> Option<Dhcp6Times> {
    identity.opts.iter().find_map(|option| match option {
        DhcpOption::IAAddr(address) => Some(Dhcp6Times {
            t1: identity.t1,
            t2: identity.t2,
            preferred: address.preferred_life,
            valid: address.valid_life,
        }),
        _ => None,
    })
}

fn status(options: &DhcpOptions) -> Option<String> {
    match options.get(OptionCode::StatusCode) {
        Some(DhcpOption::StatusCode(code)) if code.status != Status::Success => {
            Some(format!("{:?}", code.status))
        }
        _ => None,
    }
}

/// The first option with this code, from the bytes of a message that no relay agent wrapped.
fn raw(payload: &[u8], code: u16) -> Option<&[u8]> {
    let mut rest = payload.get(4..)?;
    while let [c1, c2, l1, l2, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l1, *l2]));
        let value = tail.get(..length)?;
        if u16::from_be_bytes([*c1, *c2]) == code {
            return Some(value);
        }
        rest = &tail[length..];
    }
    None
}

/// Enterprise number, then texts, each behind its length (RFC 8415 §21.16); the first.
fn vendor_class(value: &[u8]) -> Option<String> {
    let length = usize::from(u16::from_be_bytes(value.get(4..6)?.try_into().ok()?));
    Some(String::from_utf8_lossy(value.get(6..6 + length)?).into_owned())
}

fn kind(kind: MessageType) -> Dhcp6Message {
    match kind {
        MessageType::Solicit => Dhcp6Message::Solicit,
        MessageType::Advertise => Dhcp6Message::Advertise,
        MessageType::Request => Dhcp6Message::Request,
        MessageType::Confirm => Dhcp6Message::Confirm,
        MessageType::Renew => Dhcp6Message::Renew,
        MessageType::Rebind => Dhcp6Message::Rebind,
        MessageType::Reply => Dhcp6Message::Reply,
        MessageType::Release => Dhcp6Message::Release,
        MessageType::Decline => Dhcp6Message::Decline,
        MessageType::Reconfigure => Dhcp6Message::Reconfigure,
        MessageType::InformationRequest => Dhcp6Message::InformationRequest,
        _ => Dhcp6Message::Other,
    }
}
