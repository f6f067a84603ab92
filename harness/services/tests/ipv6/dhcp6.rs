//! DHCPv6, as dhcproto sees it.

use super::support::Bench;
use super::{GUEST_LINK_LOCAL, bench, later, sent, udp};
use dhcproto::v6::{
    DhcpOption, DhcpOptions, IAAddr, IANA, Message, MessageType, ORO, OptionCode, Status, UnknownOption,
    VendorClass,
};
use dhcproto::{Decodable, Encodable};
use record::Event;
use services::{
    NetworkSettings, address,
    dhcp6::{Mode, Order, OtherServer, RapidCommit, RequestAnswer, StatusIn, VendorClassIn},
};
use std::net::Ipv6Addr;

pub(super) const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
const URL: &str = "http://[2001:db8::1]/boot.efi";
pub(super) const DUID: [u8; 10] = [0, 3, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56];
pub(super) const OURS: [u8; 10] = [0, 3, 0, 1, 2, 0, 0x5e, 0, 2, 1];

/// What EDK2 sends: one IA_NA, the boot options asked for, and its vendor class.
pub(super) fn message(kind: MessageType, more: &[DhcpOption]) -> Message {
    let mut message = Message::new_with_id(kind, [1, 2, 3]);
    let mut options = DhcpOptions::new();
    options.insert(DhcpOption::ClientId(DUID.into()));
    options.insert(DhcpOption::ORO(ORO { opts: [59u16, 60, 23, 24, 16].map(OptionCode::from).to_vec() }));
    // dhcproto 0.15 writes a wrong length for this one.
    let class = b"HTTPClient:Arch:00016:UNDI:003001";
    let class = [&[0, 0, 1, 87, 0, class.len() as u8], class.as_slice()].concat();
    options.insert(DhcpOption::Unknown(UnknownOption::new(OptionCode::VendorClass, class)));
    options.insert(DhcpOption::Unknown(UnknownOption::new(OptionCode::from(61), vec![0, 16])));
    options.insert(DhcpOption::Unknown(UnknownOption::new(OptionCode::from(62), vec![1, 3, 16])));
    if kind != MessageType::InformationRequest {
        options.insert(ia(9, &[]));
    }
    for option in more {
        options.insert(option.clone());
    }
    message.set_opts(options);
    message
}

fn ia(id: u32, addresses: &[Ipv6Addr]) -> DhcpOption {
    let mut opts = DhcpOptions::new();
    for addr in addresses {
        let none = DhcpOptions::new();
        opts.insert(DhcpOption::IAAddr(IAAddr { addr: *addr, preferred_life: 0, valid_life: 0, opts: none }));
    }
    DhcpOption::IANA(IANA { id, t1: 0, t2: 0, opts })
}

pub(super) fn chosen() -> DhcpOption {
    DhcpOption::ServerId(OURS.into())
}

fn frame(message: &Message) -> Vec<u8> {
    udp((GUEST_LINK_LOCAL, 546), (ALL_SERVERS, 547), &message.to_vec().unwrap())
}

fn ask(bench: &mut Bench, kind: MessageType, more: &[DhcpOption]) -> Vec<Message> {
    bench.exchange(&frame(&message(kind, more))).iter().map(|frame| decoded(frame)).collect()
}

fn decoded(frame: &[u8]) -> Message {
    let sent = sent(frame);
    assert_eq!((sent.ports, sent.to, sent.mac.1), ((547, 546), GUEST_LINK_LOCAL, address::GUEST_MAC));
    let message = Message::from_bytes(&sent.payload).unwrap();
    assert_eq!(message.xid(), [1, 2, 3]);
    message
}

/// The only answer to a message.
fn answer(change: impl FnOnce(&mut NetworkSettings), kind: MessageType, more: &[DhcpOption]) -> Message {
    let mut bench = bench(change);
    let mut answers = ask(&mut bench, kind, more);
    assert_eq!(answers.len(), 1, "{:?}", bench.events);
    answers.remove(0)
}

fn silence(change: impl FnOnce(&mut NetworkSettings), kind: MessageType, more: &[DhcpOption]) -> String {
    let mut bench = bench(change);
    assert!(ask(&mut bench, kind, more).is_empty());
    match bench.events.last() {
        Some(Event::Dhcp6Unanswered { why, .. }) => why.clone(),
        other => panic!("{other:?}"),
    }
}

pub(super) fn raw(message: &Message, code: u16) -> Option<Vec<u8>> {
    message.opts().iter().find_map(|option| match option {
        DhcpOption::Unknown(other) if u16::from(other.code()) == code => Some(other.data().to_vec()),
        _ => None,
    })
}

fn association(message: &Message) -> &IANA {
    match message.opts().get(OptionCode::IANA) {
        Some(DhcpOption::IANA(ia)) => ia,
        other => panic!("{other:?}"),
    }
}

pub(super) fn addresses(message: &Message) -> Vec<Ipv6Addr> {
    let address = |option: &DhcpOption| match option {
        DhcpOption::IAAddr(address) => Some(address.addr),
        _ => None,
    };
    association(message).opts.iter().filter_map(address).collect()
}

fn status(options: &DhcpOptions) -> Option<Status> {
    match options.get(OptionCode::StatusCode) {
        Some(DhcpOption::StatusCode(code)) => Some(code.status),
        _ => None,
    }
}

#[test]
fn four_messages_make_a_lease() {
    for (kind, expected) in [
        (MessageType::Solicit, MessageType::Advertise),
        (MessageType::Request, MessageType::Reply),
        (MessageType::Renew, MessageType::Reply),
        (MessageType::Rebind, MessageType::Reply),
    ] {
        let to_one = matches!(kind, MessageType::Request | MessageType::Renew);
        let more: Vec<_> = to_one.then(chosen).into_iter().collect();
        let reply = answer(|n| n.dhcp6.dns = vec![address::SERVER6], kind, &more);
        assert_eq!(reply.msg_type(), expected);
        assert_eq!(reply.opts().get(OptionCode::ClientId), Some(&DhcpOption::ClientId(DUID.into())));
        assert_eq!(reply.opts().get(OptionCode::ServerId), Some(&chosen()));
        let ia = association(&reply);
        assert_eq!((ia.id, ia.t1, ia.t2), (9, 1800, 2880));
        let Some(DhcpOption::IAAddr(lease)) = ia.opts.get(OptionCode::IAAddr) else { panic!("{ia:?}") };
        assert_eq!((lease.addr, lease.preferred_life, lease.valid_life), (address::GUEST6, 3600, 7200));
        assert_eq!(raw(&reply, 59), Some(URL.into()));
        let class = VendorClass { num: 343, data: vec![b"HTTPClient".to_vec()] };
        assert_eq!(reply.opts().get(OptionCode::VendorClass), Some(&DhcpOption::VendorClass(class)));
        let dns = DhcpOption::DomainNameServers(vec![address::SERVER6]);
        assert_eq!(reply.opts().get(OptionCode::DomainNameServers), Some(&dns));
        for absent in [7, 12, 13, 14, 24, 60].map(OptionCode::from) {
            assert_eq!(reply.opts().get(absent), None);
        }
    }
}

#[test]
fn configuration_alone_needs_no_address() {
    for mode in [Mode::Stateful, Mode::Stateless] {
        let reply = answer(|n| n.dhcp6.mode = mode, MessageType::InformationRequest, &[]);
        assert_eq!(reply.msg_type(), MessageType::Reply);
        assert_eq!((reply.opts().get(OptionCode::IANA), raw(&reply, 59)), (None, Some(URL.into())));
    }
    let stateless = |n: &mut NetworkSettings| n.dhcp6.mode = Mode::Stateless;
    assert!(silence(stateless, MessageType::Solicit, &[]).contains("assigns no addresses"));
    let none = |n: &mut NetworkSettings| n.dhcp6.mode = Mode::None;
    for kind in [MessageType::Solicit, MessageType::InformationRequest] {
        assert_eq!(silence(none, kind, &[]), "no DHCPv6 server on the link");
    }
}

#[test]
fn other_messages_and_their_status() {
    for (kind, to_one, given, expected) in [
        (MessageType::Confirm, false, address::GUEST6, Status::Success),
        (MessageType::Confirm, false, "2001:db8:9::1".parse().unwrap(), Status::NotOnLink),
        (MessageType::Release, true, address::GUEST6, Status::Success),
        (MessageType::Decline, true, address::GUEST6, Status::Success),
    ] {
        let more: Vec<_> = to_one.then(chosen).into_iter().chain([ia(7, &[given])]).collect();
        let reply = answer(|_| {}, kind, &more);
        assert_eq!(
            (reply.msg_type(), status(reply.opts())),
            (MessageType::Reply, Some(expected)),
            "{kind:?}"
        );
    }
    assert!(silence(|_| {}, MessageType::Confirm, &[]).contains("without addresses"));
    // RFC 8415 §16.
    assert!(silence(|_| {}, MessageType::Solicit, &[chosen()]).contains("server identifier"));
    assert!(silence(|_| {}, MessageType::Request, &[]).contains("no server identifier"));
    let other = DhcpOption::ServerId(vec![1; 10]);
    assert!(silence(|_| {}, MessageType::Request, &[other]).contains("another server"));
    assert!(silence(|_| {}, MessageType::InformationRequest, &[ia(1, &[])]).contains("IA_NA"));
    assert!(silence(|_| {}, MessageType::Reply, &[]).contains("server's message"));
}

#[test]
fn refusals_of_a_request() {
    let request = |answer| move |n: &mut NetworkSettings| n.dhcp6.request = answer;
    for (setting, expected) in
        [(RequestAnswer::UnspecFail, Status::UnspecFail), (RequestAnswer::UseMulticast, Status::UseMulticast)]
    {
        let reply = answer(request(setting), MessageType::Request, &[chosen()]);
        assert_eq!((status(reply.opts()), reply.opts().get(OptionCode::IANA)), (Some(expected), None));
    }
    for (setting, expected) in [
        (RequestAnswer::NoAddrsAvail, Status::NoAddrsAvail),
        (RequestAnswer::NoBinding, Status::NoBinding),
        (RequestAnswer::NotOnLink, Status::NotOnLink),
    ] {
        let reply = answer(request(setting), MessageType::Request, &[chosen()]);
        assert_eq!(status(&association(&reply).opts), Some(expected));
        assert!(addresses(&reply).is_empty());
    }
    assert!(silence(request(RequestAnswer::Silence), MessageType::Request, &[chosen()]).contains("scenario"));
}

#[test]
fn no_address_to_assign() {
    let inside = answer(|n| n.dhcp6.addresses = vec![], MessageType::Solicit, &[]);
    assert_eq!(
        (status(inside.opts()), status(&association(&inside).opts)),
        (None, Some(Status::NoAddrsAvail))
    );
    let outside = |n: &mut NetworkSettings| {
        (n.dhcp6.addresses, n.dhcp6.no_address_in) = (vec![], StatusIn::Message);
    };
    let outside = answer(outside, MessageType::Solicit, &[]);
    assert_eq!(
        (status(outside.opts()), outside.opts().get(OptionCode::IANA)),
        (Some(Status::NoAddrsAvail), None)
    );
}

#[test]
fn a_second_association_has_another_address() {
    let mut bench = bench(|_| {});
    let second: Ipv6Addr = "2001:db8::1100".parse().unwrap();
    for (id, expected) in [(9, address::GUEST6), (5, second), (9, address::GUEST6)] {
        let mut asks = message(MessageType::Solicit, &[]);
        asks.opts_mut().remove(OptionCode::IANA);
        asks.opts_mut().insert(ia(id, &[]));
        let advertise = decoded(&bench.exchange(&frame(&asks))[0]);
        assert_eq!(addresses(&advertise), [expected], "{id}");
    }
    // One that is not the client's is taken back.
    let old: Ipv6Addr = "2001:db8::77".parse().unwrap();
    let mut renew = message(MessageType::Renew, &[chosen()]);
    renew.opts_mut().remove(OptionCode::IANA);
    renew.opts_mut().insert(ia(9, &[old]));
    let reply = decoded(&bench.exchange(&frame(&renew))[0]);
    assert_eq!(addresses(&reply), [address::GUEST6, old]);
}

#[test]
fn rapid_commit() {
    let with = |setting, kind, more: &[DhcpOption]| {
        let reply = answer(|n| n.dhcp6.rapid_commit = setting, kind, more);
        (reply.msg_type(), reply.opts().get(OptionCode::RapidCommit).is_some())
    };
    let (solicit, request) = (MessageType::Solicit, MessageType::Request);
    let asked = [DhcpOption::RapidCommit];
    assert_eq!(with(RapidCommit::Never, solicit, &asked), (MessageType::Advertise, false));
    assert_eq!(with(RapidCommit::Asked, solicit, &asked), (MessageType::Reply, true));
    assert_eq!(with(RapidCommit::Asked, solicit, &[]), (MessageType::Advertise, false));
    assert_eq!(with(RapidCommit::Always, solicit, &[]), (MessageType::Reply, true));
    assert_eq!(with(RapidCommit::InReply, solicit, &asked), (MessageType::Advertise, false));
    assert_eq!(with(RapidCommit::InReply, request, &[chosen()]), (MessageType::Reply, true));
}

#[test]
fn options_as_the_settings_say() {
    let reply = answer(
        |n| {
            n.dhcp6.bootfile_terminated = true;
            n.dhcp6.bootfile_parameters = vec!["a=b".into(), String::new()];
            n.dhcp6.search = vec!["example.com".into()];
            (n.dhcp6.preference, n.dhcp6.unicast) = (Some(255), Some(address::SERVER6));
            (n.dhcp6.vendor_class_in, n.dhcp6.enterprise) = (VendorClassIn::VendorOptions, 9);
            (n.dhcp6.t1_seconds, n.dhcp6.t2_seconds) = (5, 4);
            n.dhcp6.client_id = false;
            n.dhcp6.order = Order::Reversed;
        },
        MessageType::Solicit,
        &[],
    );
    assert_eq!(raw(&reply, 59), Some([URL.as_bytes(), &[0]].concat()));
    assert_eq!(raw(&reply, 60), Some(vec![0, 3, b'a', b'=', b'b', 0, 0]));
    assert_eq!(reply.opts().get(OptionCode::Preference), Some(&DhcpOption::Preference(255)));
    assert_eq!(
        reply.opts().get(OptionCode::ServerUnicast),
        Some(&DhcpOption::ServerUnicast(address::SERVER6))
    );
    let Some(DhcpOption::VendorOpts(vendor)) = reply.opts().get(OptionCode::VendorOpts) else {
        panic!("{reply:?}")
    };
    assert_eq!(vendor.num, 9);
    assert_eq!((association(&reply).t1, association(&reply).t2), (5, 4));
    let Some(DhcpOption::DomainSearchList(domains)) = reply.opts().get(OptionCode::DomainSearchList) else {
        panic!("{reply:?}")
    };
    assert_eq!(domains[0].to_string().trim_end_matches('.'), "example.com");
    for absent in [OptionCode::ClientId, OptionCode::VendorClass] {
        assert_eq!(reply.opts().get(absent), None);
    }
    let plain = answer(|n| n.dhcp6.server_id = false, MessageType::Solicit, &[]);
    assert_eq!(plain.opts().get(OptionCode::ServerId), None);
}

/// The wire has the order; dhcproto sorts.
#[test]
fn the_order_of_options() {
    let codes = |order| {
        let mut bench = bench(|n| n.dhcp6.order = order);
        let payload = sent(&bench.exchange(&frame(&message(MessageType::Solicit, &[])))[0]).payload;
        let (mut rest, mut codes) = (&payload[4..], Vec::new());
        while let [a, b, c, d, after @ ..] = rest {
            codes.push(u16::from_be_bytes([*a, *b]));
            rest = &after[usize::from(u16::from_be_bytes([*c, *d]))..];
        }
        codes
    };
    assert_eq!(codes(Order::Usual), [1, 2, 3, 16, 59]);
    assert_eq!(codes(Order::Reversed), [59, 16, 3, 2, 1]);
    assert_eq!(codes(Order::BootfileFirst), [59, 1, 2, 3, 16]);
    assert_eq!(codes(Order::BootfileLast), [1, 2, 3, 16, 59]);
}

#[test]
fn only_what_was_asked_for_is_sent() {
    let mut plain = Message::new_with_id(MessageType::InformationRequest, [1, 2, 3]);
    plain.set_opts([DhcpOption::ORO(ORO { opts: vec![OptionCode::from(23)] })].into_iter().collect());
    for (unasked, expected) in [(false, None), (true, Some(URL.into()))] {
        let mut bench = bench(|n| (n.dhcp6.unasked, n.dhcp6.dns) = (unasked, vec![address::SERVER6]));
        let reply = decoded(&bench.exchange(&frame(&plain))[0]);
        assert_eq!(raw(&reply, 59), expected);
        assert!(reply.opts().get(OptionCode::DomainNameServers).is_some());
        assert_eq!(reply.opts().get(OptionCode::VendorClass).is_some(), unasked);
    }
}

#[test]
fn several_servers_and_late_ones() {
    let mut bench = bench(|n| {
        n.dhcp6.delay_seconds = 3.0;
        n.dhcp6.more_servers = vec![OtherServer {
            bootfile: Some("http://[{server6}]/other".into()),
            vendor_class: Some("HTTPClient".into()),
            preference: Some(9),
            ..OtherServer::default()
        }];
    });
    let start = bench.now;
    let first = ask(&mut bench, MessageType::Solicit, &[]);
    let late = later(&mut bench, 5.0);
    assert_eq!((first.len(), late.len()), (1, 1));
    assert_eq!(raw(&first[0], 59), Some("http://[2001:db8::1]/other".into()));
    assert_eq!(first[0].opts().get(OptionCode::Preference), Some(&DhcpOption::Preference(9)));
    assert_eq!(late[0].0.since(start).as_secs_f64(), 3.0);
    assert_eq!(raw(&decoded(&late[0].1), 59), Some(URL.into()));
    let Some(second) = first[0].opts().get(OptionCode::ServerId).cloned() else { panic!("no server") };
    assert_ne!(second, chosen());
    let reply = ask(&mut bench, MessageType::Request, &[second]);
    assert_eq!((reply.len(), addresses(&reply[0])), (1, vec!["2001:db8::200".parse().unwrap()]));
}

#[test]
fn unicast_only_where_it_is_allowed() {
    for (unicast, expected) in [(None, Some(Status::UseMulticast)), (Some(address::SERVER6), None)] {
        let mut bench = bench(|n| n.dhcp6.unicast = unicast);
        let request = message(MessageType::Request, &[chosen()]).to_vec().unwrap();
        let reply = bench.exchange(&udp((GUEST_LINK_LOCAL, 546), (address::SERVER6, 547), &request));
        assert_eq!(status(decoded(&reply[0]).opts()), expected);
        let solicit = message(MessageType::Solicit, &[]).to_vec().unwrap();
        assert!(bench.exchange(&udp((GUEST_LINK_LOCAL, 546), (address::SERVER6, 547), &solicit)).is_empty());
    }
}
