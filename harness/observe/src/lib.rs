//! Reads a capture that plugfest did not make, of a machine that boots or fails to boot from the network, into the events that our
//! own services would have reported. The judge then says of it what it says of a cell.
//!
//! Everything in a capture is hostile: it is sliced within its bounds, kept within limits, and what cannot be read is left out.

#![forbid(unsafe_code)]

mod capture;
mod client;
mod dhcp4;
mod dhcp6;
mod dns;
mod http;
mod journal;
mod neighbours;
mod observer;
mod packet;
mod path;
mod stream;
mod tcp;
mod tftp;
mod tls;

pub use capture::{Capture, CaptureError, Frame, read};
pub use client::{Mac, clients};
pub use observer::{Observation, observe};
