//! A quick look at a frame: is it one of a bulk transfer's TCP segments? Called for every frame, so it only indexes.

/// Both ends of a connection, the same for both directions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Connection([End; 2]);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct End([u8; 16], [u8; 2]);

/// A segment that says nothing by itself.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) connection: Connection,
    /// Bytes of data; 0 for a bare acknowledgement.
    pub(crate) payload: usize,
}

const ACK: u8 = 0x10;
const PSH: u8 = 0x08;

impl Segment {
    /// The segment in `frame`, if it has no flags but ACK and PSH and does not start an HTTP message or a TLS record
    /// other than application data.
    pub(crate) fn bulk(frame: &[u8]) -> Option<Self> {
        let (source, destination, tcp) = match frame.get(12..14)? {
            [0x08, 0x00] => {
                let ip = frame.get(14..)?;
                let header = usize::from(ip.first()? & 0x0f) * 4;
                let total = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
                let fragment = u16::from_be_bytes([*ip.get(6)?, *ip.get(7)?]) & 0x3fff != 0;
                if ip[0] >> 4 != 4 || header < 20 || fragment || *ip.get(9)? != 6 {
                    return None;
                }
                let address = |at: usize| -> Option<[u8; 16]> {
                    let mut address = [0; 16];
                    address[..4].copy_from_slice(ip.get(at..at + 4)?);
                    Some(address)
                };
                (address(12)?, address(16)?, ip.get(header..total)?)
            }
            [0x86, 0xdd] => {
                let ip = frame.get(14..)?;
                let length = usize::from(u16::from_be_bytes([*ip.get(4)?, *ip.get(5)?]));
                if *ip.get(6)? != 6 {
                    return None;
                }
                let address = |at: usize| <[u8; 16]>::try_from(ip.get(at..at + 16)?).ok();
                (address(8)?, address(24)?, ip.get(40..40 + length)?)
            }
            _ => return None,
        };
        let ports = tcp.get(..4)?;
        let payload = tcp.get(usize::from(tcp.get(12)? >> 4) * 4..)?;
        if tcp.get(13)? & !PSH != ACK || tells_something(payload) {
            return None;
        }
        let mut ends = [End(source, [ports[0], ports[1]]), End(destination, [ports[2], ports[3]])];
        ends.sort_unstable();
        Some(Self { connection: Connection(ends), payload: payload.len() })
    }
}

fn tells_something(payload: &[u8]) -> bool {
    const STARTS: [&[u8]; 6] = [b"HTTP/", b"GET ", b"HEAD ", b"POST ", b"CONNECT ", b"OPTIONS "];
    STARTS.iter().any(|start| payload.starts_with(start)) || matches!(payload, [20..=22, 3, 0..=4, ..])
}
