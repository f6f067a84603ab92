//! The simulated network: sans-IO services, and the settings that a scenario varies.
//!
//! Every service is well-behaved by default and misbehaves only where its settings say so. Settings live beside the
//! service that they drive; [`NetworkSettings`] is the `network:` block of a scenario.

#![forbid(unsafe_code)]

pub mod client;
mod delay;
pub mod dhcp4;
mod frame;
pub mod http;
mod network;
mod tcp;
mod template;
pub mod tls;
mod url;

pub use network::{Network, NetworkError, SettingsError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The `network:` block of a scenario. The default is a network on which every conforming client boots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// What the client has been given before it starts.
    pub client: client::Settings,
    /// DHCPv4 server.
    pub dhcp4: dhcp4::Settings,
    /// HTTP server.
    pub http: http::Settings,
    /// TLS server in front of the same site.
    pub tls: tls::Settings,
}

/// Addresses of the simulated link, from TEST-NET-1 (RFC 5737).
pub mod address {
    use super::Ipv4Addr;
    /// Our server: DHCP, router, HTTP, TLS. `{server4}` in a scenario.
    pub const SERVER4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    /// The address that the guest is offered. `{guest4}` in a scenario.
    pub const GUEST4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
    /// Directed broadcast address of the link.
    pub const BROADCAST4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 255);
    /// Prefix length of the link.
    pub const PREFIX4: u8 = 24;
    /// Our server's MAC address (locally administered).
    pub const SERVER_MAC: [u8; 6] = [0x02, 0x00, 0x5e, 0x00, 0x02, 0x01];
    /// The guest's MAC address.
    pub const GUEST_MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
}
