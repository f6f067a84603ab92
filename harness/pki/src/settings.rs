//! What a scenario says about a chain of certificates: anchor, intermediates, leaf, and how they are sent.

mod algorithm;
mod certificate;
mod check;
mod extension;
mod layout;
pub(crate) mod name;

pub use algorithm::{Key, Signature};
pub use certificate::{Authority, Issuer, Leaf};
pub use extension::{
    AuthorityKeyUsage, BasicConstraints, ExtendedKeyUsage, KeyIdentifiers, LeafKeyUsage, NameConstraints,
    Serial, UnknownExtension, Version,
};
pub(crate) use layout::Part;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `certificate:` block of a TLS server. The default is a chain that every conforming client accepts, if it trusts
/// the anchor and asks for our server's address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The self-signed certificate at the top of the chain.
    pub anchor: Authority,
    /// The certificates between anchor and leaf; all of them are like this.
    pub intermediate: Authority,
    /// The server's own certificate.
    pub leaf: Leaf,
    /// How many intermediates there are, 0 to 100.
    pub intermediates: u8,
    /// What firmware is told to trust.
    pub enrolled: Enrolled,
    /// Whether the anchor is sent too (RFC 8446 §4.4.2: it may be left out).
    pub sends_anchor: bool,
    /// What is missing from the chain as sent.
    pub missing: Missing,
    /// What is sent although the chain does not need it, behind the chain.
    pub extra: Extra,
    /// The order in which the chain is sent.
    pub order: Order,
    /// A second certificate for the anchor's key, signed by another anchor and sent at the end of the chain.
    pub cross_signed: CrossSigned,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            anchor: Authority::default(),
            intermediate: Authority::default(),
            leaf: Leaf::default(),
            intermediates: 1,
            enrolled: Enrolled::Anchor,
            sends_anchor: false,
            missing: Missing::Nothing,
            extra: Extra::Nothing,
            order: Order::LeafFirst,
            cross_signed: CrossSigned::No,
        }
    }
}

/// What firmware is told to trust. A certificate's subject depends on this setting too: what is not enrolled for one
/// chain is not enrolled by another either, although firmware is given the anchors of all chains in one bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Enrolled {
    /// The anchor.
    Anchor,
    /// The intermediate below the anchor, but not the anchor: a partial chain.
    Intermediate,
    /// The leaf alone.
    Leaf,
    /// Nothing of this chain.
    Nothing,
}

/// What is missing from the chain as sent (RFC 8446 §4.4.2, RFC 5246 §7.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// Nothing.
    Nothing,
    /// The intermediate that signed the leaf.
    LowestIntermediate,
    /// The intermediate that the anchor signed.
    HighestIntermediate,
    /// All intermediates: the leaf is sent alone.
    Intermediates,
}

/// What is sent although the chain does not need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Extra {
    /// Nothing.
    Nothing,
    /// The leaf a second time.
    Leaf,
    /// The intermediates a second time.
    Intermediates,
    /// An authority that has nothing to do with the chain.
    Stranger,
    /// An authority that expired years before the guest's date and has nothing to do with the chain.
    ExpiredStranger,
}

/// The order in which the chain is sent. TLS 1.2 and older demand that each certificate certifies the one before it
/// (RFC 5246 §7.4.2); TLS 1.3 only that the leaf comes first (RFC 8446 §4.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Each certificate certifies the one before it.
    LeafFirst,
    /// The leaf first, and all others in reverse order.
    OthersReversed,
}

/// A second certificate for the anchor's key and subject, signed by an older anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CrossSigned {
    /// None.
    No,
    /// By an older anchor that is enrolled; the anchor itself is not enrolled, so the only path is through this certificate.
    ByEnrolled,
    /// By an older anchor that is not enrolled; the path through the enrolled anchor is the right one.
    ByUnknown,
    /// By an older anchor that is enrolled and has expired; the path through the enrolled anchor is the right one.
    ByExpired,
}

/// Settings from which no certificate can be made, although each is well-formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct SettingsError {
    /// Path of the setting below the `certificate:` block, for example `leaf.names[0]`.
    pub path: String,
    /// What is wrong and what was expected.
    pub problem: String,
}

impl Settings {
    /// These settings with every text that may have placeholders replaced by what `expand` makes of it. It gets the path
    /// below the `certificate:` block and the text.
    pub fn expanded<E>(&self, mut expand: impl FnMut(&str, &str) -> Result<String, E>) -> Result<Self, E> {
        let mut settings = self.clone();
        let leaf = &mut settings.leaf;
        for (index, name) in leaf.names.iter_mut().enumerate() {
            *name = expand(&format!("leaf.names[{index}]"), name)?;
        }
        for (path, text) in [
            ("leaf.common_name", &mut leaf.common_name),
            ("leaf.crl_url", &mut leaf.crl_url),
            ("leaf.ocsp_url", &mut leaf.ocsp_url),
            ("leaf.issuer_url", &mut leaf.issuer_url),
        ] {
            if let Some(text) = text {
                *text = expand(path, text)?;
            }
        }
        Ok(settings)
    }
}
