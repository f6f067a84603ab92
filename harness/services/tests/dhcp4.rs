//! The DHCPv4 server, answer by answer, decoded by an independent implementation (dhcproto).
#![allow(clippy::unwrap_used)]

mod support;

use dhcproto::{
    Decodable, Decoder,
    v4::{DhcpOption, Message, MessageType, OptionCode},
};
use record::{Dhcp4Message, Event, GuestTime};
use services::{
    Network, NetworkSettings, address,
    dhcp4::{BootfileIn, RequestAnswer, Settings},
};
use std::net::Ipv4Addr;
use support::{Bench, dhcp::Client, image};
use wire::Node;

const OTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);
const BROADCAST: ([u8; 6], Ipv4Addr) = ([0xff; 6], Ipv4Addr::BROADCAST);

fn bench(change: impl FnOnce(&mut Settings)) -> Bench {
    let mut settings = NetworkSettings::default();
    change(&mut settings.dhcp4);
    Bench::new(&settings, image(10))
}

/// An answer: where its frame goes, the message as dhcproto reads it, and its bytes.
struct Answer {
    to: ([u8; 6], Ipv4Addr),
    message: Message,
    bytes: Vec<u8>,
}

impl Answer {
    fn of(frame: &[u8]) -> Self {
        let packet = etherparse::SlicedPacket::from_ethernet(frame).unwrap();
        let ip = packet.net.as_ref().unwrap().ipv4_ref().unwrap().header();
        let Some(etherparse::TransportSlice::Udp(udp)) = &packet.transport else { panic!("not UDP") };
        assert_eq!(frame[6..12], address::SERVER_MAC);
        assert_eq!(ip.source_addr(), address::SERVER4);
        assert_eq!((udp.source_port(), udp.destination_port()), (67, 68));
        assert_eq!(ip.to_header().calc_header_checksum(), ip.header_checksum());
        let expected = udp.to_header().calc_checksum_ipv4(&ip.to_header(), udp.payload()).unwrap();
        assert_eq!(udp.checksum(), expected);
        let bytes = udp.payload().to_vec();
        assert!(bytes.len() >= 300, "RFC 1542 §2.1");
        let message = Message::decode(&mut Decoder::new(&bytes)).unwrap();
        assert_eq!(message.opcode(), dhcproto::v4::Opcode::BootReply);
        assert_eq!((message.htype(), message.hlen()), (dhcproto::v4::HType::Eth, 6));
        assert_eq!(message.chaddr(), address::GUEST_MAC);
        assert_eq!(message.giaddr(), Ipv4Addr::UNSPECIFIED);
        Self { to: (frame[..6].try_into().unwrap(), ip.destination_addr()), message, bytes }
    }

    fn kind(&self) -> MessageType {
        self.message.opts().msg_type().unwrap()
    }

    /// Option codes in the order of the wire, and the END.
    fn codes(&self) -> Vec<u8> {
        let mut codes = Vec::new();
        let mut at = 240;
        while self.bytes[at] != 255 {
            codes.push(self.bytes[at]);
            at += 2 + usize::from(self.bytes[at + 1]);
        }
        assert!(self.bytes[at + 1..].iter().all(|&byte| byte == 0), "only padding after END");
        codes
    }

    fn bootfile(&self) -> Option<String> {
        match self.message.opts().get(OptionCode::BootfileName)? {
            DhcpOption::BootfileName(name) => Some(String::from_utf8(name.clone()).unwrap()),
            other => panic!("{other:?}"),
        }
    }
}

fn answer(bench: &mut Bench, client: &Client) -> Option<Answer> {
    let frames = bench.exchange(&client.frame());
    assert!(frames.len() <= 1);
    frames.first().map(|frame| Answer::of(frame))
}

/// Why the last message was left unanswered.
fn silence(bench: &mut Bench, client: &Client) -> String {
    assert!(answer(bench, client).is_none());
    match bench.events.last() {
        Some(Event::Dhcp4Unanswered { why, .. }) => why.clone(),
        other => panic!("{other:?}"),
    }
}

fn request(requested: Ipv4Addr) -> Client {
    Client::new(3).with(54, address::SERVER4.octets()).with(50, requested.octets())
}

#[test]
fn an_offer_has_everything_that_the_settings_say() {
    let mut bench = bench(|_| {});
    let offer = answer(&mut bench, &Client::new(1)).unwrap();
    assert_eq!(offer.kind(), MessageType::Offer);
    assert_eq!(offer.message.xid(), 0x1234_5678);
    assert_eq!(offer.message.yiaddr(), address::GUEST4);
    assert_eq!(offer.message.siaddr(), address::SERVER4);
    assert_eq!(offer.codes(), [53, 54, 51, 1, 3, 60, 67]);
    assert_eq!(offer.bootfile().as_deref(), Some("http://192.0.2.1/boot.efi"));
    let opts = offer.message.opts();
    assert_eq!(opts.get(OptionCode::AddressLeaseTime), Some(&DhcpOption::AddressLeaseTime(3600)));
    assert_eq!(opts.get(OptionCode::ServerIdentifier), Some(&DhcpOption::ServerIdentifier(address::SERVER4)));
    assert_eq!(opts.get(OptionCode::SubnetMask), Some(&DhcpOption::SubnetMask([255, 255, 255, 0].into())));
    assert_eq!(opts.get(OptionCode::Router), Some(&DhcpOption::Router(vec![address::SERVER4])));
    assert_eq!(
        opts.get(OptionCode::ClassIdentifier),
        Some(&DhcpOption::ClassIdentifier(b"HTTPClient".into()))
    );
}

#[test]
fn events_tell_what_was_asked_and_answered() {
    let mut bench = bench(|_| {});
    let client = Client::new(3).with(54, address::SERVER4.octets()).with(50, OTHER.octets()).with(56, "why");
    answer(&mut bench, &client).unwrap();
    insta::assert_json_snapshot!(bench.events);
}

#[test]
fn settings_leave_options_out() {
    let mut bench = bench(|dhcp4| {
        dhcp4.bootfile = None;
        dhcp4.vendor_class = None;
        dhcp4.netmask = None;
        dhcp4.router = None;
    });
    let offer = answer(&mut bench, &Client::new(1)).unwrap();
    assert_eq!(offer.codes(), [53, 54, 51]);
    assert_eq!(offer.bytes.len(), 300);
}

#[test]
fn settings_change_every_option() {
    let mut bench = bench(|dhcp4| {
        dhcp4.bootfile = Some("http://{server4}:{port}/for/{guest4}".into());
        dhcp4.vendor_class = Some("PXEClient".into());
        dhcp4.address = Some(OTHER);
        dhcp4.netmask = Some(Ipv4Addr::new(255, 0, 255, 0));
        dhcp4.router = Some(OTHER);
        dhcp4.dns = vec![address::SERVER4, OTHER];
        dhcp4.lease_seconds = u32::MAX;
    });
    let offer = answer(&mut bench, &Client::new(1)).unwrap();
    assert_eq!(offer.codes(), [53, 54, 51, 1, 3, 6, 60, 67]);
    assert_eq!(offer.message.yiaddr(), OTHER);
    assert_eq!(offer.bootfile().as_deref(), Some("http://192.0.2.1:80/for/192.0.2.77"));
    let opts = offer.message.opts();
    assert_eq!(opts.get(OptionCode::AddressLeaseTime), Some(&DhcpOption::AddressLeaseTime(u32::MAX)));
    assert_eq!(opts.get(OptionCode::SubnetMask), Some(&DhcpOption::SubnetMask([255, 0, 255, 0].into())));
    assert_eq!(opts.get(OptionCode::Router), Some(&DhcpOption::Router(vec![OTHER])));
    let dns = DhcpOption::DomainNameServer(vec![address::SERVER4, OTHER]);
    assert_eq!(opts.get(OptionCode::DomainNameServer), Some(&dns));
    assert_eq!(
        opts.get(OptionCode::ClassIdentifier),
        Some(&DhcpOption::ClassIdentifier(b"PXEClient".into()))
    );
}

#[test]
fn the_boot_file_goes_into_the_file_field() {
    let longest = format!("http://192.0.2.1/{}.efi", "x".repeat(127 - 21));
    let mut bench = bench(|dhcp4| {
        dhcp4.bootfile = Some(longest.clone());
        dhcp4.bootfile_in = BootfileIn::File;
    });
    let offer = answer(&mut bench, &Client::new(1)).unwrap();
    assert_eq!(offer.codes(), [53, 54, 51, 1, 3, 60]);
    // dhcproto counts the terminating NUL in.
    assert_eq!(offer.message.fname().and_then(|name| name.strip_suffix(b"\0")), Some(longest.as_bytes()));
    assert_eq!(offer.bytes[108 + 127], 0, "terminated");
}

#[test]
fn a_proxy_offers_no_address() {
    let mut bench = bench(|dhcp4| dhcp4.address = None);
    let offer = answer(&mut bench, &Client { flags: 0, ..Client::new(1) }).unwrap();
    assert_eq!(offer.message.yiaddr(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(offer.codes(), [53, 54, 1, 3, 60, 67]);
    assert_eq!(offer.to, BROADCAST, "nobody has the address 0.0.0.0");
    assert!(silence(&mut bench, &request(address::GUEST4)).contains("no address"));
}

#[test]
fn offers_answer_any_client() {
    let mut bench = bench(|_| {});
    let plain = Client { options: vec![(53, vec![1])], ..Client::new(1) };
    let pxe = Client { options: vec![(53, vec![1]), (60, b"PXEClient".to_vec())], ..Client::new(1) };
    for client in [plain, pxe] {
        let offer = answer(&mut bench, &client).unwrap();
        assert_eq!(offer.codes(), [53, 54, 51, 1, 3, 60, 67]);
    }
}

#[test]
fn answers_go_where_rfc_2131_says() {
    let unicast = |address| (address::GUEST_MAC, address);
    let mut bench = bench(|_| {});
    for kind in [1, 3] {
        let client = || Client::new(kind).with(50, address::GUEST4.octets());
        assert_eq!(answer(&mut bench, &Client { flags: 0x8000, ..client() }).unwrap().to, BROADCAST);
        let to = answer(&mut bench, &Client { flags: 0, ..client() }).unwrap().to;
        assert_eq!(to, unicast(address::GUEST4));
    }
    let renewing = Client { ciaddr: address::GUEST4, ..Client::new(3) };
    let ack = answer(&mut bench, &renewing).unwrap();
    assert_eq!((ack.kind(), ack.to), (MessageType::Ack, unicast(address::GUEST4)));
    assert_eq!(ack.message.ciaddr(), address::GUEST4);
}

#[test]
fn a_server_port_on_our_own_address_is_served_too() {
    let mut bench = bench(|_| {});
    let payload = Client { ciaddr: address::GUEST4, ..Client::new(3) }.payload();
    let frame = support::dhcp::datagram(address::SERVER_MAC, address::SERVER4, 67, &payload);
    let answers = bench.exchange(&frame);
    assert_eq!(answers.len(), 1, "and no ICMP port unreachable");
    assert_eq!(Answer::of(&answers[0]).kind(), MessageType::Ack);
}

#[test]
fn requests_are_acknowledged_refused_or_ignored() {
    let mut acks = bench(|_| {});
    let ack = answer(&mut acks, &request(address::GUEST4)).unwrap();
    assert_eq!((ack.kind(), ack.message.yiaddr()), (MessageType::Ack, address::GUEST4));
    assert_eq!(ack.codes(), [53, 54, 51, 1, 3, 60, 67]);

    let mut naks = bench(|dhcp4| dhcp4.request = RequestAnswer::Nak);
    let nak = answer(&mut naks, &Client { flags: 0, ..request(address::GUEST4) }).unwrap();
    assert_eq!((nak.kind(), nak.to, nak.codes()), (MessageType::Nak, BROADCAST, vec![53, 54, 56]));
    assert_eq!(nak.message.yiaddr(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(nak.message.siaddr(), Ipv4Addr::UNSPECIFIED);

    let mut silent = bench(|dhcp4| dhcp4.request = RequestAnswer::Silence);
    assert!(silence(&mut silent, &request(address::GUEST4)).contains("scenario"));
}

#[test]
fn a_wrong_address_is_refused_in_every_state() {
    let mut bench = bench(|_| {});
    let init_reboot = Client::new(3).with(50, OTHER.octets());
    let renewing = Client { ciaddr: OTHER, ..Client::new(3) };
    for client in [request(OTHER), init_reboot, renewing] {
        assert_eq!(answer(&mut bench, &client).unwrap().kind(), MessageType::Nak, "{client:?}");
    }
    let init_reboot = Client::new(3).with(50, address::GUEST4.octets());
    assert_eq!(answer(&mut bench, &init_reboot).unwrap().kind(), MessageType::Ack);
}

#[test]
fn messages_that_are_not_for_us_are_left_alone() {
    let mut bench = bench(|_| {});
    let mut why = |client: Client| silence(&mut bench, &client);
    assert_eq!(why(Client::new(3).with(54, OTHER.octets())), "the client chose server 192.0.2.77");
    assert!(why(Client::new(3)).contains("neither"));
    assert!(why(Client::new(8)).contains("ciaddr"));
    assert!(why(Client { op: 2, ..Client::new(1) }).contains("BOOTREQUEST"));
    assert!(why(Client { htype: 6, ..Client::new(1) }).contains("Ethernet"));
    assert!(why(Client { hlen: 16, ..Client::new(1) }).contains("Ethernet"));
    assert!(why(Client { giaddr: OTHER, ..Client::new(1) }).contains("relay"));
    assert!(why(Client::new(2)).contains("a server's message"));
    assert!(why(Client::new(99)).contains("no known"));
    assert!(why(Client { options: vec![], ..Client::new(1) }).contains("no known"));
}

#[test]
fn decline_and_release_have_no_answer() {
    let mut bench = bench(|_| {});
    for (kind, message) in [(4, Dhcp4Message::Decline), (7, Dhcp4Message::Release)] {
        assert!(answer(&mut bench, &Client::new(kind)).is_none());
        let received =
            matches!(bench.events.last(), Some(Event::Dhcp4Received { message: m, .. }) if *m == message);
        assert!(received, "{:?}", bench.events.last());
    }
}

#[test]
fn inform_is_acknowledged_without_a_lease() {
    let mut bench = bench(|_| {});
    let ack = answer(&mut bench, &Client { ciaddr: OTHER, ..Client::new(8) }).unwrap();
    assert_eq!((ack.kind(), ack.message.yiaddr()), (MessageType::Ack, Ipv4Addr::UNSPECIFIED));
    assert_eq!(ack.codes(), [53, 54, 1, 3, 60, 67]);
    assert_eq!(ack.to, (address::GUEST_MAC, OTHER));
}

#[test]
fn client_identifiers_are_echoed() {
    let mut bench = bench(|_| {});
    let identifier = vec![1; 255];
    for kind in [1, 3] {
        let client = request(OTHER).with(61, identifier.clone());
        let client =
            Client { options: [vec![(53, vec![kind])], client.options[1..].to_vec()].concat(), ..client };
        let answer = answer(&mut bench, &client).unwrap();
        let echo = DhcpOption::ClientIdentifier(identifier.clone());
        assert_eq!(answer.message.opts().get(OptionCode::ClientIdentifier), Some(&echo));
    }
}

#[test]
fn options_are_read_from_overloaded_fields() {
    let mut payload = Client { options: vec![(52, vec![3])], ..Client::new(1) }.payload();
    payload[108..112].copy_from_slice(&[53, 1, 1, 255]);
    payload[44..53].copy_from_slice(b"\x3c\x06sname!\xff");
    let mut bench = bench(|_| {});
    let frames = bench.exchange(&support::dhcp::datagram([0xff; 6], Ipv4Addr::BROADCAST, 67, &payload));
    assert_eq!(Answer::of(&frames[0]).kind(), MessageType::Offer);
    let Some(Event::Dhcp4Received { vendor_class, .. }) = bench.events.first() else { panic!() };
    assert_eq!(vendor_class.as_deref(), Some("sname!"));
}

#[test]
fn malformed_messages_are_noted() {
    let good = Client::new(1).with(61, [7; 9]).payload();
    let mut no_cookie = good.clone();
    no_cookie[236] = 0;
    let mut truncated_option = good.clone();
    truncated_option.truncate(good.len() - 5);
    for payload in [&good[..100], &no_cookie, &truncated_option] {
        let mut bench = bench(|_| {});
        let frame = support::dhcp::datagram([0xff; 6], Ipv4Addr::BROADCAST, 67, payload);
        assert!(bench.exchange(&frame).is_empty());
        let noted = matches!(&bench.events[..], [Event::Dhcp4Unanswered { message: Dhcp4Message::Other, why }]
            if why.starts_with("malformed: "));
        assert!(noted, "{:?}", bench.events);
    }
}

#[test]
fn a_wrong_checksum_is_dropped() {
    let mut bench = bench(|_| {});
    for at in [24, 40] {
        let mut frame = Client::new(1).frame();
        frame[at] ^= 0x55;
        assert!(bench.exchange(&frame).is_empty());
        assert_eq!(bench.events, []);
    }
}

#[test]
fn without_a_server_nothing_answers() {
    let mut bench = bench(|dhcp4| dhcp4.enabled = false);
    assert_eq!(silence(&mut bench, &Client::new(1)), "no DHCP server on the link");
}

#[test]
fn offers_are_delayed_in_guest_time() {
    let mut bench = bench(|dhcp4| dhcp4.offer_delay_seconds = 3.5);
    let start = bench.now;
    assert!(answer(&mut bench, &Client::new(1)).is_none());
    let due = GuestTime::from_micros(start.as_micros() + 3_500_000);
    assert_eq!(bench.network.poll_at(), Some(due));
    assert!(bench.tick(GuestTime::from_micros(due.as_micros() - 1)).is_empty());
    let again = Client { xid: 7, ..Client::new(1) };
    assert!(answer(&mut bench, &again).is_none());
    let offers = bench.tick(due);
    assert_eq!(offers.len(), 1);
    assert_eq!(Answer::of(&offers[0]).message.xid(), 0x1234_5678);
    let second = bench.tick(GuestTime::from_micros(due.as_micros() + 3_499_999));
    assert_eq!(Answer::of(&second[0]).message.xid(), 7);
    assert_eq!(bench.network.poll_at(), None);
    // Only offers wait.
    assert_eq!(answer(&mut bench, &request(address::GUEST4)).unwrap().kind(), MessageType::Ack);
}

#[test]
fn impossible_settings_are_named() {
    let check = |change: &dyn Fn(&mut Settings)| {
        let mut settings = NetworkSettings::default();
        change(&mut settings.dhcp4);
        Network::check(&settings).map_err(|error| error.to_string())
    };
    let url = |length: usize| Some(format!("http://192.0.2.1/{}", "x".repeat(length - 17)));
    assert_eq!(check(&|s| s.bootfile = url(255)), Ok(()));
    assert_eq!(check(&|s| s.vendor_class = Some("x".repeat(255))), Ok(()));
    assert_eq!(check(&|s| s.dns = vec![OTHER; 63]), Ok(()));
    assert_eq!(check(&|s| (s.bootfile, s.bootfile_in) = (url(127), BootfileIn::File)), Ok(()));
    insta::assert_debug_snapshot!([
        check(&|s| s.bootfile = url(256)),
        check(&|s| (s.bootfile, s.bootfile_in) = (url(128), BootfileIn::File)),
        check(&|s| s.bootfile = Some("http://{gateway}/".into())),
        check(&|s| s.vendor_class = Some("x".repeat(256))),
        check(&|s| s.dns = vec![OTHER; 64]),
        check(&|s| s.offer_delay_seconds = -1.0),
        check(&|s| s.offer_delay_seconds = f64::NAN),
        check(&|s| s.offer_delay_seconds = f64::INFINITY),
    ]);
}
