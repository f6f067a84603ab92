//! What one DHCPv6 server answers (RFC 8415 §16, §18.3; RFC 5970 §3).

use super::message::{Association, Message, Status, kind, option, option_bytes};
use super::server::{LEASE_STEP, LEASES, name};
use super::{Mode, Order, RapidCommit, RequestAnswer, Settings, StatusIn, VendorClassIn};
use crate::{dns, frame6::Host};
use record::{Dhcp6Message, Dhcp6Silence, Dhcp6Times, Event};
use std::net::Ipv6Addr;

/// A server.
#[derive(Debug)]
pub(super) struct Server {
    /// From 1.
    pub(super) number: u8,
    pub(super) host: Host,
    pub(super) settings: Settings,
    /// The boot file with its placeholders replaced.
    pub(super) bootfile: Option<String>,
    /// Client and IA_NA, in the order of their first message: each has addresses of its own.
    pub(super) leases: Vec<(Vec<u8>, [u8; 4])>,
}

/// What an answer says about the client's associations.
#[derive(Clone, Copy)]
enum Grant {
    Lease,
    Refuse(Status),
    /// The message itself has the status, and there are no associations.
    Status(Status),
    /// Configuration only.
    Nothing,
}

impl Server {
    /// DUID-LL (RFC 8415 §11.4).
    fn duid(&self) -> Vec<u8> {
        [&[0, 3, 0, 1], self.host.mac.as_slice()].concat()
    }

    /// The answer to a message that came `by_unicast` or not, or why there is none.
    pub(super) fn answer(
        &mut self,
        by_unicast: bool,
        received: Dhcp6Message,
        message: &Message,
        associations: &[Association],
    ) -> Result<(Message, Event), (Dhcp6Silence, String)> {
        use Dhcp6Message::{Confirm, Decline, InformationRequest, Rebind, Release, Renew, Request, Solicit};
        let not_answered = |why: &str| (Dhcp6Silence::Message, why.to_owned());
        self.check_identifiers(received, message).map_err(|why| not_answered(&why))?;
        let to_one = matches!(received, Request | Renew | Release | Decline);
        if by_unicast && !to_one {
            return Err(not_answered("sent to one server, where it has to go to all (RFC 8415 §16)"));
        }
        let stateless = self.settings.mode == Mode::Stateless && received != InformationRequest;
        let respond = |kind, rapid, grant| Ok((kind, rapid, grant));
        let (kind, rapid, grant): (u8, bool, Grant) = match received {
            _ if stateless => {
                Err((Dhcp6Silence::Stateless, "the server is stateless: it assigns no addresses".to_owned()))
            }
            _ if by_unicast && self.settings.unicast.is_none() => {
                respond(kind::REPLY, false, Grant::Status(Status::UseMulticast))
            }
            Solicit => {
                let asked = message.option(option::RAPID_COMMIT).is_some();
                let rapid = match self.settings.rapid_commit {
                    RapidCommit::Always => true,
                    RapidCommit::Asked => asked,
                    RapidCommit::Never | RapidCommit::InReply => false,
                };
                respond(if rapid { kind::REPLY } else { kind::ADVERTISE }, rapid, Grant::Lease)
            }
            Request => {
                let in_reply = self.settings.rapid_commit == RapidCommit::InReply;
                let grant = match self.settings.request {
                    RequestAnswer::Reply => Ok(Grant::Lease),
                    RequestAnswer::Silence => {
                        let why = "the scenario leaves every REQUEST unanswered".to_owned();
                        Err((Dhcp6Silence::Scenario, why))
                    }
                    RequestAnswer::UnspecFail => Ok(Grant::Status(Status::UnspecFail)),
                    RequestAnswer::UseMulticast => Ok(Grant::Status(Status::UseMulticast)),
                    RequestAnswer::NoAddrsAvail => Ok(Grant::Refuse(Status::NoAddrsAvail)),
                    RequestAnswer::NoBinding => Ok(Grant::Refuse(Status::NoBinding)),
                    RequestAnswer::NotOnLink => Ok(Grant::Refuse(Status::NotOnLink)),
                };
                respond(kind::REPLY, in_reply, grant?)
            }
            Renew | Rebind => respond(kind::REPLY, false, Grant::Lease),
            Confirm => {
                let addresses: Vec<_> = associations.iter().flat_map(|ia| &ia.addresses).collect();
                if addresses.is_empty() {
                    // RFC 8415 §18.3.3.
                    return Err(not_answered("a CONFIRM without addresses"));
                }
                let known = |a: &&Ipv6Addr| {
                    self.settings.addresses.iter().any(|ours| ours.segments()[..4] == a.segments()[..4])
                };
                let on_link = addresses.iter().all(known);
                let status = if on_link { Status::Success } else { Status::NotOnLink };
                respond(kind::REPLY, false, Grant::Status(status))
            }
            Release | Decline => respond(kind::REPLY, false, Grant::Status(Status::Success)),
            InformationRequest if !associations.is_empty() => {
                Err(not_answered("an INFORMATION-REQUEST with an IA_NA (RFC 8415 §16.12)"))
            }
            InformationRequest => respond(kind::REPLY, false, Grant::Nothing),
            Dhcp6Message::Advertise | Dhcp6Message::Reply | Dhcp6Message::Reconfigure => {
                Err(not_answered("a server's message"))
            }
            _ => Err(not_answered("no known DHCPv6 message type (RFC 8415 §7.3)")),
        }?;
        Ok(self.reply(message, associations, kind, rapid, grant))
    }

    /// RFC 8415 §16: which identifiers each message needs.
    fn check_identifiers(&self, received: Dhcp6Message, message: &Message) -> Result<(), String> {
        use Dhcp6Message::{Confirm, Decline, Rebind, Release, Renew, Request, Solicit};
        if received != Dhcp6Message::InformationRequest && message.option(option::CLIENT_ID).is_none() {
            return Err("no client identifier (option 1)".into());
        }
        match (received, message.option(option::SERVER_ID)) {
            (Solicit | Confirm | Rebind, Some(_)) => Err("a server identifier where none may be".into()),
            (Request | Renew | Decline | Release, None) => Err("no server identifier (option 2)".into()),
            (_, Some(other)) if other != self.duid() => Err("the client chose another server".into()),
            _ => Ok(()),
        }
    }

    fn reply(
        &mut self,
        message: &Message,
        associations: &[Association],
        kind: u8,
        rapid: bool,
        grant: Grant,
    ) -> (Message, Event) {
        let mut options = Vec::new();
        let client = message.option(option::CLIENT_ID).unwrap_or_default().to_vec();
        if self.settings.client_id && !client.is_empty() {
            options.push((option::CLIENT_ID, client.clone()));
        }
        if self.settings.server_id {
            options.push((option::SERVER_ID, self.duid()));
        }
        let mut addresses = Vec::new();
        let mut status = None;
        match grant {
            Grant::Status(code) => {
                options.push((option::STATUS_CODE, code.option()[4..].to_vec()));
                status = Some(code);
            }
            Grant::Lease | Grant::Refuse(_) => {
                for association in associations {
                    let (value, refused) = self.association(&client, association, grant, &mut addresses);
                    options.push((option::IA_NA, value));
                    status = status.or(refused);
                }
                if status == Some(Status::NoAddrsAvail) && self.settings.no_address_in == StatusIn::Message {
                    options.retain(|(code, _)| *code != option::IA_NA);
                    options.push((option::STATUS_CODE, Status::NoAddrsAvail.option()[4..].to_vec()));
                }
                for iaid in message.delegations() {
                    let value = [iaid.as_slice(), &[0; 8], &Status::NoPrefixAvail.option()].concat();
                    options.push((option::IA_PD, value));
                }
            }
            Grant::Nothing => {}
        }
        if rapid {
            options.push((option::RAPID_COMMIT, Vec::new()));
        }
        let configuration =
            if matches!(grant, Grant::Status(_)) { Vec::new() } else { self.configuration(message) };
        let sent = |code| configuration.iter().any(|(other, _)| *other == code);
        let Settings { t1_seconds, t2_seconds, preferred_seconds, valid_seconds, .. } = self.settings;
        let times = (!addresses.is_empty()).then_some(Dhcp6Times {
            t1: t1_seconds,
            t2: t2_seconds,
            preferred: preferred_seconds,
            valid: valid_seconds,
        });
        let event = Event::Dhcp6Sent {
            message: name(kind),
            xid: message.xid,
            server: self.number,
            addresses,
            status: status.filter(|status| *status != Status::Success).map(|status| format!("{status:?}")),
            bootfile: self.bootfile.clone().filter(|_| sent(option::BOOTFILE_URL)),
            vendor_class: self.settings.vendor_class.clone().filter(|_| sent(option::VENDOR_CLASS)),
            dns: self.settings.dns.iter().copied().filter(|_| sent(option::DNS_SERVERS)).collect(),
            times,
            identified: self.settings.server_id && (self.settings.client_id || client.is_empty()),
        };
        options.extend(configuration);
        in_order(&mut options, self.settings.order);
        (Message { kind, xid: message.xid, options }, event)
    }

    /// The value of an IA_NA, and why it has no address.
    fn association(
        &mut self,
        client: &[u8],
        association: &Association,
        grant: Grant,
        assigned: &mut Vec<Ipv6Addr>,
    ) -> (Vec<u8>, Option<Status>) {
        let mut value = association.iaid.to_vec();
        let addresses = self.lease(client, association.iaid);
        let refused = match grant {
            Grant::Refuse(status) => Some(status),
            _ if addresses.is_empty() => Some(Status::NoAddrsAvail),
            _ => None,
        };
        if let Some(status) = refused {
            value.extend([0; 8]);
            value.extend(status.option());
            return (value, refused);
        }
        let Settings { t1_seconds, t2_seconds, preferred_seconds, valid_seconds, .. } = self.settings;
        value.extend(t1_seconds.to_be_bytes());
        value.extend(t2_seconds.to_be_bytes());
        let mut add = |address: Ipv6Addr, preferred: u32, valid: u32| {
            let parts: [&[u8]; 3] = [&address.octets(), &preferred.to_be_bytes(), &valid.to_be_bytes()];
            value.extend(option_bytes(option::IA_ADDRESS, &parts.concat()));
        };
        for address in &addresses {
            add(*address, preferred_seconds, valid_seconds);
        }
        // RFC 8415 §18.3.4: an address that the client has and may not keep gets lifetimes of 0.
        for address in association.addresses.iter().filter(|a| !addresses.contains(a)).take(8) {
            add(*address, 0, 0);
        }
        assigned.extend(addresses);
        (value, None)
    }

    /// The addresses of an association: those of the scenario for the first one, the next ones for others.
    fn lease(&mut self, client: &[u8], iaid: [u8; 4]) -> Vec<Ipv6Addr> {
        let known = self.leases.iter().position(|(other, id)| other == client && *id == iaid);
        let at = known.unwrap_or_else(|| {
            self.leases.push((client.to_vec(), iaid));
            self.leases.len() - 1
        });
        if at >= LEASES {
            self.leases.truncate(LEASES);
            return Vec::new();
        }
        let next =
            |address: &Ipv6Addr| Ipv6Addr::from_bits(address.to_bits().wrapping_add(at as u128 * LEASE_STEP));
        self.settings.addresses.iter().map(next).collect()
    }

    /// What the settings say about the network and the boot, by option code.
    fn configuration(&self, request: &Message) -> Vec<(u16, Vec<u8>)> {
        let settings = &self.settings;
        let requested = request.requested();
        let wanted = |code: u16| settings.unasked || requested.contains(&code);
        let mut options = Vec::new();
        if let Some(preference) = settings.preference {
            options.push((option::PREFERENCE, vec![preference]));
        }
        if let Some(unicast) = settings.unicast {
            options.push((option::UNICAST, unicast.octets().to_vec()));
        }
        let class = settings.vendor_class.as_ref();
        if let Some(class) = class
            && (wanted(option::VENDOR_CLASS) || request.option(option::VENDOR_CLASS).is_some())
        {
            let (code, data) = match settings.vendor_class_in {
                VendorClassIn::VendorClass => {
                    let length = u16::try_from(class.len()).unwrap_or(u16::MAX);
                    (option::VENDOR_CLASS, [&length.to_be_bytes(), class.as_bytes()].concat())
                }
                VendorClassIn::VendorOptions => (option::VENDOR_OPTIONS, option_bytes(1, class.as_bytes())),
            };
            options.push((code, [settings.enterprise.to_be_bytes().as_slice(), &data].concat()));
        }
        if !settings.dns.is_empty() && wanted(option::DNS_SERVERS) {
            let value = settings.dns.iter().flat_map(|server| server.octets()).collect();
            options.push((option::DNS_SERVERS, value));
        }
        if !settings.search.is_empty() && wanted(option::DOMAIN_LIST) {
            let value = settings.search.iter().flat_map(|domain| dns::written_out(domain)).collect();
            options.push((option::DOMAIN_LIST, value));
        }
        if let Some(url) = self.bootfile.as_ref().filter(|_| wanted(option::BOOTFILE_URL)) {
            let mut value = url.clone().into_bytes();
            value.extend(settings.bootfile_terminated.then_some(0));
            options.push((option::BOOTFILE_URL, value));
        }
        if !settings.bootfile_parameters.is_empty() && wanted(option::BOOTFILE_PARAM) {
            let with_length = |text: &String| {
                let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
                [&length.to_be_bytes(), text.as_bytes()].concat()
            };
            let value = settings.bootfile_parameters.iter().flat_map(with_length).collect();
            options.push((option::BOOTFILE_PARAM, value));
        }
        options
    }
}

fn in_order(options: &mut [(u16, Vec<u8>)], order: Order) {
    match order {
        Order::Usual => {}
        Order::Reversed => options.reverse(),
        // Stable: what is left keeps its order.
        Order::BootfileLast => options.sort_by_key(|(code, _)| *code == option::BOOTFILE_URL),
        Order::BootfileFirst => options.sort_by_key(|(code, _)| *code != option::BOOTFILE_URL),
    }
}
