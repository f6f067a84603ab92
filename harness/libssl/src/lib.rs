//! What libssl can do and the `openssl` crate does not wrap: the trace of records and messages, the size of records
//! and of a peer's chain, and renegotiation.
//!
//! These are a handful of foreign functions, and the only reason for `unsafe` here. [`Wire`] is the stream that lets an
//! `SslStream` run without sockets.

#![allow(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod control;
mod trace;
mod wire;

pub use control::{renegotiate, set_certificate_limit, set_record_size};
pub use trace::{Content, Step, take_trace, trace};
pub use wire::Wire;

/// The library's name and version, for example `OpenSSL 3.0.19 27 Jan 2026`.
pub fn version() -> &'static str {
    openssl::version::version()
}
