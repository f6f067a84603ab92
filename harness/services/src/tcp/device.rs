//! smoltcp's network interface: one frame in, any number out, all in memory.

use super::Settings;
use smoltcp::{
    phy::{self, DeviceCapabilities, Medium},
    time::Instant,
};

/// IPv4's 1500 bytes and the Ethernet header (RFC 894).
const FRAME: usize = 1514;
/// Headers of Ethernet, of the IP versions, and of TCP without options.
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const IPV6: usize = 40;
const TCP: usize = 20;

/// Bytes of a frame before a segment's data.
fn headers(ipv6: bool) -> usize {
    ETHERNET + if ipv6 { IPV6 } else { IPV4 } + TCP
}

/// The frame that the guest has just sent, and those that are to go to it.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) incoming: Option<Vec<u8>>,
    pub(super) sent: Vec<Vec<u8>>,
    /// Bytes of the largest frame.
    frame: usize,
}

impl Device {
    /// An interface for segments of at most so many bytes of data, or as many as fit the path.
    pub(super) fn new(settings: &Settings, ipv6: bool) -> Self {
        let segment = settings.max_segment.map(|segment| headers(ipv6) + usize::from(segment));
        let path = settings.path_mtu.map(|mtu| ETHERNET + usize::from(mtu));
        let frame = [segment, path].into_iter().flatten().fold(FRAME, usize::min);
        Self { incoming: None, sent: Vec::new(), frame }
    }

    /// Bytes of data in the largest segment.
    pub(super) fn max_segment(&self, ipv6: bool) -> u16 {
        u16::try_from(self.frame.saturating_sub(headers(ipv6))).unwrap_or(u16::MAX)
    }

    /// Bytes before a packet.
    pub(super) const ETHERNET: usize = ETHERNET;

    /// Whether a frame's packet is larger than this MTU.
    pub(super) fn exceeds(frame: &[u8], mtu: u16) -> bool {
        frame.len() > ETHERNET + usize::from(mtu)
    }

    /// The maximum segment size of a host that knows its own link only.
    pub(super) fn own_max_segment(settings: &Settings, ipv6: bool) -> u16 {
        u16::try_from(FRAME - headers(ipv6)).unwrap_or(u16::MAX).min(settings.max_segment.unwrap_or(u16::MAX))
    }
}

impl phy::Device for Device {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Incoming, Outgoing<'_>)> {
        self.incoming.take().map(|frame| (Incoming(frame), Outgoing(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = self.frame;
        capabilities
    }
}

/// A frame from the guest.
pub(super) struct Incoming(Vec<u8>);

impl phy::RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

/// Room for a frame to the guest.
pub(super) struct Outgoing<'a>(&'a mut Vec<Vec<u8>>);

impl phy::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        self.0.push(frame);
        result
    }
}
