//! DHCPv4 (RFC 2131, RFC 2132) of one client.

use crate::client::Mac;
use crate::journal::Journal;
use dhcproto::v4::{DhcpOption, Message, MessageType, OptionCode};
use dhcproto::{Decodable, Decoder};
use record::{Dhcp4Message, Endpoint, Event};
use std::net::SocketAddr;

/// Port of PXE servers beside that of DHCP (PXE 2.1 §2.2.3).
pub const PXE: u16 = 4011;

/// Takes a message between a DHCPv4 client and a server; `from_client` says which of them sent it.
pub fn take(payload: &[u8], server: SocketAddr, client: Mac, from_client: bool, journal: &mut Journal) {
    let Ok(message) = Message::decode(&mut Decoder::new(payload)) else { return };
    // A broadcast answer may be for another machine.
    if message.chaddr().get(..6) != Some(&client.0[..]) {
        return;
    }
    let options = message.opts();
    let text = |code| match options.get(code) {
        Some(DhcpOption::ClassIdentifier(bytes) | DhcpOption::BootfileName(bytes)) => Some(shown(bytes)),
        Some(DhcpOption::UserClass(bytes)) => Some(shown(bytes)),
        Some(DhcpOption::Message(text)) => Some(text.clone()),
        _ => None,
    };
    let kind = kind(options.msg_type());
    let xid = message.xid();
    let beside = (server.port() == PXE).then(|| Endpoint::new(server.ip(), PXE));
    if from_client {
        let architecture = match options.get(OptionCode::ClientSystemArchitecture) {
            Some(DhcpOption::ClientSystemArchitecture(architecture)) => Some(u16::from(*architecture)),
            _ => None,
        };
        let parameters = match options.get(OptionCode::ParameterRequestList) {
            Some(DhcpOption::ParameterRequestList(codes)) => {
                codes.iter().map(|code| u8::from(*code)).collect()
            }
            _ => Vec::new(),
        };
        let max_size = match options.get(OptionCode::MaxMessageSize) {
            Some(DhcpOption::MaxMessageSize(size)) => Some(*size),
            _ => None,
        };
        let address = |code| match options.get(code) {
            Some(DhcpOption::ServerIdentifier(address) | DhcpOption::RequestedIpAddress(address)) => {
                Some(*address)
            }
            _ => None,
        };
        journal.add(Event::Dhcp4Received {
            message: kind,
            xid,
            to: beside,
            vendor_class: text(OptionCode::ClassIdentifier),
            user_class: text(OptionCode::UserClass),
            architecture,
            server: address(OptionCode::ServerIdentifier),
            requested: address(OptionCode::RequestedIpAddress),
            parameters,
            max_size,
            reason: text(OptionCode::Message),
        });
    } else {
        let file = message.fname().map(shown).filter(|name| !name.is_empty());
        journal.add(Event::Dhcp4Sent {
            message: kind,
            xid,
            from: beside,
            address: message.yiaddr(),
            bootfile: text(OptionCode::BootfileName).or(file),
            vendor_class: text(OptionCode::ClassIdentifier),
        });
    }
}

fn kind(kind: Option<MessageType>) -> Dhcp4Message {
    match kind {
        Some(MessageType::Discover) => Dhcp4Message::Discover,
        Some(MessageType::Offer) => Dhcp4Message::Offer,
        Some(MessageType::Request) => Dhcp4Message::Request,
        Some(MessageType::Decline) => Dhcp4Message::Decline,
        Some(MessageType::Ack) => Dhcp4Message::Ack,
        Some(MessageType::Nak) => Dhcp4Message::Nak,
        Some(MessageType::Release) => Dhcp4Message::Release,
        Some(MessageType::Inform) => Dhcp4Message::Inform,
        _ => Dhcp4Message::Other,
    }
}

/// Bytes as text, without what some servers put behind it.
fn shown(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
