//! PXE servers and their service on port 4011 (PXE 2.1 §2.2.3, §2.2.6), decoded by an independent implementation (dhcproto).
#![allow(clippy::unwrap_used)]

mod support;

use dhcproto::{
    Decodable, Decoder,
    v4::{DhcpOption, Message, MessageType, OptionCode},
};
use etherparse::{SlicedPacket, TransportSlice};
use record::{Dhcp4Message, Event};
use services::{
    Network, NetworkSettings, address,
    client::Protocol,
    dhcp4::{
        BootfileIn, MoreServers, RequestAnswer,
        pxe::{BootServers, Discovery, MenuItem, Service},
    },
};
use std::net::{Ipv4Addr, SocketAddrV4};
use support::{
    Bench,
    dhcp::{Client, unicast},
    image,
};
use wire::Node;

const PROXY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PORT: u16 = 4011;

fn proxy(service: Service) -> MoreServers {
    MoreServers {
        server: PROXY,
        address: None,
        bootfile: None,
        vendor_class: Some("PXEClient".into()),
        port_4011: Some(service),
        ..MoreServers::default()
    }
}

fn settings(servers: Vec<MoreServers>) -> NetworkSettings {
    let mut settings = NetworkSettings::default();
    settings.client.protocol = Protocol::Pxe;
    settings.dhcp4.bootfile = None;
    settings.dhcp4.vendor_class = None;
    settings.dhcp4.more_servers = servers;
    settings
}

fn bench(service: Service) -> Bench {
    Bench::new(&settings(vec![proxy(service)]), image(1000))
}

/// A PXE client that has its address.
fn client(kind: u8) -> Client {
    let options = vec![
        (53, vec![kind]),
        (60, b"PXEClient:Arch:00007:UNDI:003001".to_vec()),
        (93, vec![0, 7]),
        (97, [&[0][..], &[7; 16]].concat()),
    ];
    Client { flags: 0, ciaddr: address::GUEST4, options, ..Client::new(kind) }
}

struct Answer {
    from: SocketAddrV4,
    to: SocketAddrV4,
    message: Message,
}

impl Answer {
    fn of(frame: &[u8]) -> Self {
        let packet = SlicedPacket::from_ethernet(frame).unwrap();
        let ip = packet.net.as_ref().unwrap().ipv4_ref().unwrap().header();
        let Some(TransportSlice::Udp(udp)) = &packet.transport else { panic!("not UDP") };
        Self {
            from: SocketAddrV4::new(ip.source_addr(), udp.source_port()),
            to: SocketAddrV4::new(ip.destination_addr(), udp.destination_port()),
            message: Message::decode(&mut Decoder::new(udp.payload())).unwrap(),
        }
    }

    fn option(&self, code: u8) -> Option<&DhcpOption> {
        self.message.opts().get(OptionCode::from(code))
    }
}

fn ask(bench: &mut Bench, port: u16, client: &Client) -> Option<Answer> {
    let frames = bench.exchange(&unicast(port, (PROXY, PORT), &client.payload()));
    assert!(frames.len() <= 1);
    frames.first().map(|frame| Answer::of(frame))
}

fn silence(bench: &mut Bench, client: &Client) -> String {
    assert!(ask(bench, PORT, client).is_none());
    match bench.events.last() {
        Some(Event::Dhcp4Unanswered { why, .. }) => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_ack_names_the_boot_file_and_leases_nothing() {
    // EDK2 asks from port 4011, iPXE from 68: the answer goes back where the request came from.
    for port in [4011, 68] {
        let mut bench = bench(Service::default());
        let answer = ask(&mut bench, port, &client(3)).unwrap();
        assert_eq!(
            (answer.from, answer.to),
            (SocketAddrV4::new(PROXY, PORT), SocketAddrV4::new(address::GUEST4, port))
        );
        let message = &answer.message;
        assert_eq!(message.opts().msg_type(), Some(MessageType::Ack));
        assert_eq!((message.xid(), message.ciaddr()), (0x1234_5678, address::GUEST4));
        assert_eq!((message.yiaddr(), message.siaddr()), (Ipv4Addr::UNSPECIFIED, PROXY));
        assert_eq!(message.fname(), Some(&b"boot.efi\0"[..]));
        assert_eq!(answer.option(54), Some(&DhcpOption::ServerIdentifier(PROXY)));
        assert_eq!(answer.option(60), Some(&DhcpOption::ClassIdentifier(b"PXEClient".to_vec())));
        assert!(answer.option(97).is_some(), "the machine's identifier is returned");
        assert!([51, 1, 3, 43, 66, 67].iter().all(|code| answer.option(*code).is_none()));
        let [
            ..,
            Event::Dhcp4Received { to: Some(to), message: asked, .. },
            Event::Dhcp4Sent { from: Some(from), bootfile, .. },
        ] = &bench.events[..]
        else {
            panic!("{:?}", bench.events)
        };
        assert_eq!((to, from, *asked), (from, to, Dhcp4Message::Request));
        assert_eq!((to.to_string(), bootfile.as_deref()), ("192.0.2.2:4011".into(), Some("boot.efi")));
    }
}

#[test]
fn the_boot_file_stands_where_the_settings_say() {
    let service = Service {
        bootfile_in: BootfileIn::Option,
        server_name: Some("{server4}".into()),
        next_server: Some(address::SERVER4),
        vendor_class: None,
        ..Service::default()
    };
    let answer = ask(&mut bench(service), PORT, &client(3)).unwrap();
    assert_eq!(answer.message.siaddr(), address::SERVER4);
    assert_eq!(answer.option(67), Some(&DhcpOption::BootfileName(b"boot.efi".to_vec())));
    assert_eq!(answer.option(66), Some(&DhcpOption::TFTPServerName(b"192.0.2.1".to_vec())));
    assert_eq!((answer.message.fname(), answer.option(60)), (None, None));
}

#[test]
fn who_is_not_served_is_told_apart() {
    let mut good = bench(Service::default());
    for (client, why) in [
        (client(1), "only a DHCPREQUEST"),
        (Client { op: 2, ..client(3) }, "op is 2"),
        (Client { giaddr: PROXY, ..client(3) }, "relayed"),
        (Client { options: vec![(53, vec![3])], ..client(3) }, "not of a PXE client"),
        (
            Client { options: vec![(53, vec![3]), (60, b"HTTPClient".to_vec())], ..client(3) },
            "not of a PXE client",
        ),
    ] {
        let said = silence(&mut good, &client);
        assert!(said.contains(why), "{said}");
    }
    assert!(good.exchange(&unicast(PORT, (PROXY, PORT), b"garbage")).is_empty());
    assert!(matches!(good.events.last(), Some(Event::Dhcp4Unanswered { message: Dhcp4Message::Other, .. })));
    let mut silent = bench(Service { request: RequestAnswer::Silence, ..Service::default() });
    assert!(silence(&mut silent, &client(3)).contains("without an answer"));
    let mut refusing = bench(Service { request: RequestAnswer::Nak, ..Service::default() });
    let nak = ask(&mut refusing, PORT, &client(3)).unwrap();
    assert_eq!(
        (nak.message.opts().msg_type(), nak.from),
        (Some(MessageType::Nak), SocketAddrV4::new(PROXY, PORT))
    );
}

#[test]
fn an_answer_waits_as_long_as_it_should() {
    let mut bench = bench(Service { delay_seconds: 2.0, ..Service::default() });
    assert!(ask(&mut bench, PORT, &client(3)).is_none());
    let due = bench.network.poll_at().unwrap();
    assert_eq!(due.since(bench.now).as_millis(), 2000);
    assert_eq!(bench.tick(due).len(), 1);
}

#[test]
fn the_proxys_offer_sends_the_client_to_it() {
    let discovery = Discovery {
        control: Some(7),
        servers: vec![BootServers { r#type: 1, addresses: vec![PROXY] }],
        menu: vec![MenuItem { r#type: 1, text: "one".into() }],
        ..Discovery::default()
    };
    let mut bench =
        Bench::new(&settings(vec![MoreServers { discovery, ..proxy(Service::default()) }]), image(10));
    let discover = Client { ciaddr: Ipv4Addr::UNSPECIFIED, flags: 0x8000, ..client(1) };
    let offers: Vec<Answer> =
        bench.exchange(&discover.frame()).iter().map(|frame| Answer::of(frame)).collect();
    let [lease, proxy] = &offers[..] else { panic!("{} offers", offers.len()) };
    assert_eq!(
        (lease.from.ip(), lease.message.yiaddr(), lease.option(43)),
        (&address::SERVER4, address::GUEST4, None)
    );
    assert_eq!((proxy.from, proxy.message.yiaddr()), (SocketAddrV4::new(PROXY, 67), Ipv4Addr::UNSPECIFIED));
    assert_eq!((proxy.message.siaddr(), proxy.message.fname(), proxy.option(67)), (PROXY, None, None));
    assert!(
        matches!(proxy.option(43), Some(DhcpOption::VendorExtensions(tags)) if tags.starts_with(&[6, 1, 7, 8, 7]))
    );

    // A client that has chosen gets its choice back, not the list.
    let item = [71, 4, 0, 1, 0, 0, 255];
    let answer = ask(&mut bench, PORT, &client(3).with(43, item)).unwrap();
    assert_eq!(answer.option(43), Some(&DhcpOption::VendorExtensions(item.to_vec())));
    let answer = ask(&mut bench, PORT, &client(3)).unwrap();
    assert!(matches!(answer.option(43), Some(DhcpOption::VendorExtensions(tags)) if tags[0] == 6));
}

/// Whether somebody on the link says that an address is theirs.
fn has_host(bench: &mut Bench, target: Ipv4Addr) -> bool {
    let ask = etherparse::ArpEthIpv4Packet {
        operation: etherparse::ArpOperation::REQUEST,
        sender_mac: address::GUEST_MAC,
        sender_ipv4: address::GUEST4.octets(),
        target_mac: [0; 6],
        target_ipv4: target.octets(),
    };
    let mut frame = Vec::new();
    etherparse::PacketBuilder::ethernet2(address::GUEST_MAC, [0xff; 6])
        .arp(ask.into())
        .write(&mut frame)
        .unwrap();
    !bench.exchange(&frame).is_empty()
}

#[test]
fn a_proxy_with_a_service_is_a_host_that_has_the_boot_file_and_nothing_else() {
    let mut bench = bench(Service::default());
    assert!(has_host(&mut bench, PROXY) && !has_host(&mut bench, Ipv4Addr::new(192, 0, 2, 3)));
    let read = unicast(5000, (PROXY, 69), b"\x00\x01boot.efi\x00octet\x00");
    let block = bench.exchange(&read);
    let packet = SlicedPacket::from_ethernet(&block[0]).unwrap();
    assert_eq!(packet.net.as_ref().unwrap().ipv4_ref().unwrap().header().source_addr(), PROXY);
    // A closed port of it says so (RFC 1122 §3.2.2.1).
    let answer = bench.exchange(&unicast(5000, (PROXY, 4012), b"x"));
    let packet = SlicedPacket::from_ethernet(&answer[0]).unwrap();
    assert!(matches!(packet.transport, Some(TransportSlice::Icmpv4(_))));
    let handle = bench.connect(PROXY, 80);
    bench.run_for(std::time::Duration::from_millis(5));
    assert!(!bench.socket(handle).is_open(), "a connection is reset");

    let mut other =
        Bench::new(&settings(vec![MoreServers { port_4011: None, ..proxy(Service::default()) }]), image(10));
    assert!(!has_host(&mut other, PROXY) && has_host(&mut other, address::SERVER4));
    // Our own server's port is closed unless it has a service.
    let frame = unicast(PORT, (address::SERVER4, PORT), &client(3).payload());
    let answer = other.exchange(&frame);
    assert!(matches!(
        SlicedPacket::from_ethernet(&answer[0]).unwrap().transport,
        Some(TransportSlice::Icmpv4(_))
    ));
    let mut both = settings(Vec::new());
    both.dhcp4.port_4011 = Some(Service::default());
    let answer = Bench::new(&both, image(10)).exchange(&frame);
    assert_eq!(Answer::of(&answer[0]).from, SocketAddrV4::new(address::SERVER4, PORT));
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let many = |count| MoreServers { count, ..proxy(Service::default()) };
    assert!(Network::check(&settings(vec![many(7)])).is_ok());
    let long = Service { bootfile: Some("x".repeat(128)), ..Service::default() };
    let slow = Service { delay_seconds: -1.0, ..Service::default() };
    let of_guest = MoreServers { server: address::GUEST4, ..proxy(Service::default()) };
    for (servers, at) in [
        (vec![many(8)], "more_servers"),
        (vec![proxy(Service::default()), proxy(Service::default())], "more_servers"),
        (vec![of_guest], "more_servers"),
        (vec![proxy(long)], "more_servers[0].port_4011.bootfile"),
        (vec![proxy(slow)], "more_servers[0].port_4011.delay_seconds"),
    ] {
        let error = Network::check(&settings(servers)).unwrap_err();
        assert_eq!(error.path, format!("network.dhcp4.{at}"), "{error}");
    }
}
