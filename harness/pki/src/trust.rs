//! What firmware is told to trust: bundles of anchors in the form that its family reads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The trust that firmware is given, before it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Every anchor that a scenario of the run enrols, in one bundle: all cells share the snapshots.
    #[default]
    Anchors,
    /// No bundle at all.
    None,
    /// A bundle of no bytes.
    Empty,
    /// The anchors, and after the first of them an entry whose certificate is not DER.
    MalformedCertificate,
    /// The anchors, and a last list that claims to be longer than the bundle is.
    TruncatedList,
    /// The anchors, each after a list of a type that is no certificate and has to be skipped.
    OtherTypes,
    /// The anchors at the end of a bundle as large as a public one: over 140 roots, in less than 256 KiB.
    PublicSize,
    /// The anchors at the start of a bundle of more than 256 KiB.
    OverLimit,
}
