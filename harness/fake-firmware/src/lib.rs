//! A simulated UEFI HTTP boot client with switchable faults, for tests of the whole pipeline without QEMU.
//!
//! [`FakeFirmware`] implements [`wire::Guest`]. By default it is a conforming client (UEFI 2.11 §24.7): address by
//! DHCPv4 or DHCPv6, a name by DNS, TLS where the URL asks for it, `HEAD`, `GET`, and then it executes what it got, by computing the payload's
//! proof from the bytes that came over the wire. A [`Behaviour`] changes one habit at a time; the presets name clients
//! that exist.
//!
//! It never sleeps: when nothing is on its way, its clock jumps to its next timer or to the harness's.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod arp;
mod behaviour;
mod client;
mod console;
mod device_path;
mod dhcp4;
mod dhcp6;
mod dns;
mod equip;
mod garbage;
mod guest;
mod http;
mod ip6;
mod path;
mod stack;
mod tls;
mod url;

pub use behaviour::{
    Behaviour, Closing, Entry, Execution, Farewell, Host, MediaType, Moment, Offers, Opening, Over,
    Renegotiation, Request, ServerName, Suffix, Tls, TlsVersion, Trouble, TroubleKind, Trust,
};
pub use guest::{FakeFirmware, MAC};
pub use tls::NOT_OF_OPENSSL;
