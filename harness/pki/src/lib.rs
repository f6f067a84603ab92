//! Certificates that a scenario describes, minted, and the trust that firmware is given.
//!
//! [`Settings`] is the `certificate:` block of a TLS server: by default a chain that every conforming client accepts, and
//! wrong only where a setting says so (RFC 5280, RFC 9525). [`Pki::mint`] makes it, the same bytes each time, with test
//! keys from the cache. [`Trust`] is what firmware is told to trust, and [`edk2`] the form in which EDK2 wants it.

#![forbid(unsafe_code)]

mod algorithm;
pub mod authenticode;
pub mod edk2;
mod mint;
pub mod settings;
mod trust;

pub use mint::{Identity, MintError, Pki};
pub use settings::{Settings, SettingsError};
pub use trust::{Trust, TrustError};
