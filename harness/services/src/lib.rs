//! The simulated network: sans-IO services, and the settings that a scenario varies.
//!
//! Every service is well-behaved by default and misbehaves only where its settings say so. Settings live beside the
//! service that they drive; [`NetworkSettings`] is the `network:` block of a scenario.

#![forbid(unsafe_code)]

pub mod client;
mod delay;
pub mod dhcp4;
pub mod dhcp6;
pub mod dns;
mod frame;
mod frame6;
pub mod http;
pub mod image;
pub mod link;
mod link6;
mod mld;
pub mod nd;
mod network;
mod occupant;
pub mod ra;
pub mod tcp;
mod template;
pub mod tftp;
pub mod tls;
mod url;

pub use network::{Network, NetworkError, SettingsError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The `network:` block of a scenario. The default is a network on which every conforming client boots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// TFTP server; where the client boots by PXE.
    pub tftp: tftp::Settings,
    /// The boot image.
    pub image: image::Settings,
    /// What the client has been given before it starts.
    pub client: client::Settings,
    /// What happens to frames on their way.
    pub link: link::Settings,
    /// DHCPv4 server; there is none where the client boots over IPv6.
    pub dhcp4: dhcp4::Settings,
    /// How neighbours answer; where the client boots over IPv6.
    pub nd: nd::Settings,
    /// Routers; where the client boots over IPv6.
    pub ra: ra::Settings,
    /// DHCPv6 servers; where the client boots over IPv6.
    pub dhcp6: dhcp6::Settings,
    /// DNS server, on both IP versions.
    pub dns: dns::Settings,
    /// TCP below HTTP and TLS.
    pub tcp: tcp::Settings,
    /// HTTP server.
    pub http: http::Settings,
    /// TLS server in front of the same site.
    pub tls: tls::Settings,
}

impl NetworkSettings {
    /// Whether what the client starts goes on by itself before the image's program runs.
    pub fn has_loaders(&self) -> bool {
        !self.http.files.is_empty() || self.image.kind.is_linux()
    }
}

/// Addresses of the simulated link, from TEST-NET-1 (RFC 5737) and the IPv6 prefix for documentation (RFC 3849).
pub mod address {
    use super::{Ipv4Addr, Ipv6Addr};
    /// Our server: DHCP, router, HTTP, TLS. `{server4}` in a scenario.
    pub const SERVER4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    /// The address that the guest is offered. `{guest4}` in a scenario.
    pub const GUEST4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
    /// Directed broadcast address of the link.
    pub const BROADCAST4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 255);
    /// Prefix length of the link.
    pub const PREFIX4: u8 = 24;
    /// Our server's global address. `{server6}` in a scenario.
    pub const SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    /// Our server's link-local address, as the router that it is too. `{router6}` in a scenario.
    pub const ROUTER6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    /// Our server's address on another link, behind the routers. `{offlink6}` in a scenario.
    pub const OFF_LINK6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
    /// The address that DHCPv6 assigns to the guest. `{guest6}` in a scenario.
    pub const GUEST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100);
    /// The prefix of the link, 64 bits long.
    pub const PREFIX6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
    /// All of our server's IPv6 addresses.
    pub const SERVER_ADDRESSES6: &[Ipv6Addr] = &[SERVER6, ROUTER6, OFF_LINK6];
    /// Our server's MAC address (locally administered).
    pub const SERVER_MAC: [u8; 6] = [0x02, 0x00, 0x5e, 0x00, 0x02, 0x01];
    /// The MAC address of the host that has addresses which the guest wants.
    pub const NEIGHBOR_MAC: [u8; 6] = [0x02, 0x00, 0x5e, 0x00, 0x02, 0xfe];
    /// The guest's MAC address.
    pub const GUEST_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
}
