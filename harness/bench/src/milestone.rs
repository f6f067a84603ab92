//! What a frame tells about how far a boot is, from its bytes alone.

/// A step of a boot, in the order in which a conforming client takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Milestone {
    /// DHCPREQUEST (RFC 2131 §3.1).
    Request,
    /// `HEAD`.
    Head,
    /// `GET`.
    Get,
    /// The payload announced itself.
    Proof,
}

impl Milestone {
    /// Every milestone, in order.
    pub const ALL: [Self; 4] = [Self::Request, Self::Head, Self::Get, Self::Proof];

    /// What a frame (Ethernet without FCS) from the guest reaches, if anything. Bytes that are no such frame reach
    /// nothing.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let ether_type = u16::from_be_bytes(frame.get(12..14)?.try_into().ok()?);
        if ether_type == payload::ETHERTYPE {
            return Some(Self::Proof);
        }
        let ip = frame.get(14..).filter(|ip| ether_type == 0x0800 && ip.len() >= 20 && ip[0] >> 4 == 4)?;
        let transport = ip.get(usize::from(ip[0] & 15) * 4..)?;
        match ip[9] {
            6 => {
                let data = transport.get(usize::from(transport.get(12)? >> 4) * 4..)?;
                let methods = [(&b"HEAD "[..], Self::Head), (b"GET ", Self::Get)];
                methods.into_iter().find(|(word, _)| data.starts_with(word)).map(|(_, milestone)| milestone)
            }
            17 if transport.get(2..4)? == [0, 67] => {
                (dhcp_type(transport.get(8..)?)? == 3).then_some(Self::Request)
            }
            _ => None,
        }
    }
}

/// Option 53 of a BOOTP message: the options begin after 236 bytes and the magic cookie (RFC 2131 §3).
fn dhcp_type(message: &[u8]) -> Option<u8> {
    let mut options = message.get(240..)?;
    loop {
        match *options {
            [0, ref rest @ ..] => options = rest,
            [53, 1, value, ..] => return Some(value),
            [255, ..] => return None,
            [_, length, ref rest @ ..] => options = rest.get(usize::from(length)..)?,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    fn dhcp(kind: u8, port: u16) -> Vec<u8> {
        let mut message = vec![0; 240];
        message.extend([0, 60, 3, b'a', b'b', b'c', 53, 1, kind, 255]);
        let builder = PacketBuilder::ethernet2([2; 6], [0xff; 6]).ipv4([0; 4], [255; 4], 64).udp(68, port);
        let mut frame = Vec::new();
        builder.write(&mut frame, &message).unwrap();
        frame
    }

    fn http(data: &[u8]) -> Vec<u8> {
        let builder =
            PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([1; 4], [2; 4], 64).tcp(1024, 8080, 1, 4096);
        let mut frame = Vec::new();
        builder.options_raw(&[1, 1, 1, 1]).unwrap().write(&mut frame, data).unwrap();
        frame
    }

    #[test]
    fn each_step_is_recognised_and_nothing_else() {
        for (frame, expected) in [
            (dhcp(1, 67), None),
            (dhcp(3, 67), Some(Milestone::Request)),
            (dhcp(3, 68), None),
            (http(b"HEAD /boot.efi HTTP/1.1\r\n"), Some(Milestone::Head)),
            (http(b"GET /boot.efi HTTP/1.1\r\n"), Some(Milestone::Get)),
            (http(b"Host: 192.0.2.1\r\n"), None),
            (http(b""), None),
            (payload_frame(), Some(Milestone::Proof)),
        ] {
            assert_eq!(Milestone::of(&frame), expected);
        }
    }

    fn payload_frame() -> Vec<u8> {
        let mut frame = vec![0xff; 12];
        frame.extend(payload::ETHERTYPE.to_be_bytes());
        frame
    }

    #[test]
    fn cut_frames_reach_nothing() {
        for whole in [dhcp(3, 67), http(b"HEAD /"), http(b"GET /")] {
            for length in 0..whole.len() - 8 {
                assert_eq!(Milestone::of(&whole[..length]), None);
            }
        }
    }
}
