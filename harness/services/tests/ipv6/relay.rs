//! Relay agents, as dhcproto sees them: the one on the link, and our server behind others.

use super::dhcp6::{ALL_SERVERS, DUID, addresses, chosen, message, raw};
use super::{GUEST_LINK_LOCAL, bench, later, sent, udp};
use dhcproto::v6::{DhcpOption, Message, MessageType, OptionCode, RelayMessage};
use dhcproto::{Decodable, Encodable};
use record::{Dhcp6Message, Event};
use services::{address, dhcp6::OtherServer};
use std::net::Ipv6Addr;

/// The relay agent of the link.
const AGENT: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x18);

fn frame(kind: MessageType, more: &[DhcpOption]) -> Vec<u8> {
    udp((GUEST_LINK_LOCAL, 546), (ALL_SERVERS, 547), &message(kind, more).to_vec().unwrap())
}

#[test]
fn the_client_hears_the_agent_and_gets_the_servers_lease() {
    for (relay, speaker, other) in [(true, AGENT, 0x18), (false, address::ROUTER6, 1)] {
        let mut bench = bench(|n| n.dhcp6.relay = relay);
        for (kind, more, expected) in [
            (MessageType::Solicit, vec![], MessageType::Advertise),
            (MessageType::Request, vec![chosen()], MessageType::Reply),
        ] {
            let answers = bench.exchange(&frame(kind, &more));
            assert_eq!(answers.len(), 1);
            let answer = sent(&answers[0]);
            assert_eq!((answer.from, answer.mac.0[5], answer.to), (speaker, other, GUEST_LINK_LOCAL));
            assert_eq!((answer.ports, answer.mac.1), ((547, 546), address::GUEST_MAC));
            let answer = Message::from_bytes(&answer.payload).unwrap();
            assert_eq!((answer.msg_type(), addresses(&answer)), (expected, vec![address::GUEST6]));
            assert_eq!(answer.opts().get(OptionCode::ClientId), Some(&DhcpOption::ClientId(DUID.into())));
            // The server is the same one.
            assert_eq!(answer.opts().get(OptionCode::ServerId), Some(&chosen()));
        }
        let carried: Vec<_> = bench
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Dhcp6Relayed { message, agent } => Some((*message, *agent)),
                _ => None,
            })
            .collect();
        let both = [(Dhcp6Message::RelayForward, AGENT), (Dhcp6Message::RelayReply, AGENT)].repeat(2);
        assert_eq!(carried, if relay { both } else { vec![] });
    }
}

#[test]
fn several_servers_answer_through_the_agent() {
    let mut bench = bench(|n| {
        (n.dhcp6.relay, n.dhcp6.delay_seconds) = (true, 2.0);
        n.dhcp6.more_servers = vec![OtherServer::default()];
    });
    let mut answers = bench.exchange(&frame(MessageType::Solicit, &[]));
    answers.extend(later(&mut bench, 3.0).into_iter().map(|(_, frame)| frame));
    let from: Vec<_> = answers.iter().map(|answer| sent(answer).from).collect();
    assert_eq!(from, [AGENT, AGENT]);
}

/// The value of option 9 as on the wire: dhcproto 0.15 writes a vendor class otherwise than it reads it.
fn relayed(bytes: &[u8]) -> Vec<u8> {
    let mut rest = &bytes[34..];
    loop {
        let (code, length) = (rest[1], usize::from(u16::from_be_bytes([rest[2], rest[3]])));
        if code == 9 {
            return rest[4..4 + length].to_vec();
        }
        rest = &rest[4 + length..];
    }
}

/// RFC 8415 §19.3: the answer goes back through every agent, in its own envelope.
#[test]
fn a_server_behind_two_agents_answers_in_both_envelopes() {
    let bytes = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
    let option =
        |code: u16, value: &[u8]| [&code.to_be_bytes(), &(value.len() as u16).to_be_bytes(), value].concat();
    let solicit = message(MessageType::Solicit, &[]).to_vec().unwrap();
    let inner = [
        &[12, 0],
        bytes("2001:db8:7::1").as_slice(),
        &bytes("fe80::77"),
        &option(18, b"port 7"),
        &option(9, &solicit),
    ]
    .concat();
    let outer = [&[12, 1], bytes("::").as_slice(), &bytes("2001:db8:7::1"), &option(9, &inner)].concat();
    let agent = GUEST_LINK_LOCAL;
    for to in [address::SERVER6, "ff05::1:3".parse().unwrap()] {
        let mut bench = bench(|_| {});
        let answers = bench.exchange(&udp((agent, 547), (to, 547), &outer));
        assert_eq!(answers.len(), 1, "{:?}", bench.events);
        let answer = sent(&answers[0]);
        assert_eq!((answer.to, answer.ports), (agent, (547, 547)));
        let outer = RelayMessage::from_bytes(&answer.payload).unwrap();
        assert_eq!((u8::from(outer.msg_type()), outer.hop_count()), (13, 1));
        assert_eq!(outer.peer_addr().octets(), bytes("2001:db8:7::1"));
        assert_eq!(outer.opts().get(OptionCode::InterfaceId), None);
        let answer = relayed(&answer.payload);
        let inner = RelayMessage::from_bytes(&answer).unwrap();
        assert_eq!((u8::from(inner.msg_type()), inner.hop_count()), (13, 0));
        assert_eq!(
            (inner.link_addr().octets(), inner.peer_addr().octets()),
            (bytes("2001:db8:7::1"), bytes("fe80::77"))
        );
        let interface = DhcpOption::InterfaceId(b"port 7".to_vec());
        assert_eq!(inner.opts().get(OptionCode::InterfaceId), Some(&interface));
        let message = Message::from_bytes(&relayed(&answer)).unwrap();
        assert_eq!(
            (message.msg_type(), addresses(&message)),
            (MessageType::Advertise, vec![address::GUEST6])
        );
        assert!(raw(&message, 59).is_some());
    }
}

#[test]
fn envelopes_without_a_message_are_not_answered() {
    let mut bench = bench(|_| {});
    for payload in [&[12, 0][..], &[12; 34], &[13; 60]] {
        assert!(bench.exchange(&udp((GUEST_LINK_LOCAL, 547), (ALL_SERVERS, 547), payload)).is_empty());
        assert!(matches!(bench.events.last(), Some(Event::Dhcp6Unanswered { .. })), "{payload:?}");
    }
}

#[test]
fn what_the_client_says_of_its_interface_is_kept() {
    let mut bench = bench(|_| {});
    bench.exchange(&frame(MessageType::Solicit, &[]));
    let Some(Event::Dhcp6Received { network_interface, architecture, .. }) = bench.events.first() else {
        panic!()
    };
    assert_eq!((*network_interface, *architecture), (Some([1, 3, 16]), Some(16)));
}
