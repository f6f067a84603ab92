//! Qualification: a profile says which scenarios count, a run says what the firmware did, and what is left is conformance
//! clause by clause, with every file of the evidence under one signature.

#![forbid(unsafe_code)]

mod conformance;
mod manifest;
mod profile;

pub use conformance::{Conformance, conformance};
pub use manifest::{Key, MANIFEST, Manifest, ManifestError, PUBLIC_KEY, SIGNATURE, seal, verify};
pub use profile::{Profile, ProfileError, profiles};
