//! What firmware is told to trust: bundles of anchors, right and wrong.

use crate::{
    MintError, Pki, edk2,
    settings::{Authority, Key, Signature},
};
use jiff::civil::DateTime;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The trust that firmware is given, before it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// Every anchor that a scenario of the run enrols, in one bundle: all cells share the snapshots.
    #[default]
    Anchors,
    /// The anchors of this cell's own server only: for loaders that stop reading at an anchor that they do not understand.
    Own,
    /// No bundle at all.
    None,
    /// A bundle of no bytes.
    Empty,
    /// The anchors, and behind the first of them an entry whose certificate is not DER.
    MalformedCertificate,
    /// The anchors, and a last list that claims to be longer than the bundle is.
    TruncatedList,
    /// The anchors, each behind a list of SHA-256 digests, which has to be skipped.
    OtherTypes,
    /// The anchors at the end of a bundle as large as a public one: 145 other roots, in less than 256 KiB.
    PublicSize,
    /// The anchors at the start of a bundle of more than 256 KiB.
    OverLimit,
}

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A root could not be made.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The anchors alone are too large.
    #[error(
        "failed to enrol {count} anchors: with all else they take {bytes} bytes, and EDK2 keeps at most {limit}; use fewer \
         different anchors, or smaller ones",
        limit = edk2::LIMIT - HEADROOM
    )]
    TooLarge {
        /// How many anchors there are.
        count: usize,
        /// Size of the bundle.
        bytes: usize,
    },
}

/// Roots in [`Trust::PublicSize`], besides the anchors: as many as the bundle of Mozilla has.
const PUBLIC_ROOTS: usize = 145;
/// What EDK2 needs of its limit for the variable's header and name, with some to spare.
const HEADROOM: usize = 1024;

impl Pki {
    /// The bundle ([`edk2::CACERTS`]) that gives EDK2 this `trust`; `None` if it gets none. `anchors` are those of every
    /// [`crate::Identity`] of the run; doubles are left out, and their order does not matter. Blocks.
    pub fn edk2_bundle(
        &self,
        trust: Trust,
        anchors: &[Vec<u8>],
        date: DateTime,
    ) -> Result<Option<Vec<u8>>, TrustError> {
        // In one order, so that the bundle, and with it the snapshots, depend on nothing else.
        let mut anchors: Vec<&[u8]> = anchors.iter().map(Vec::as_slice).collect();
        anchors.sort_unstable();
        anchors.dedup();
        let lists = || anchors.iter().map(|anchor| edk2::certificate_list(anchor));
        let bundle = match trust {
            Trust::None => return Ok(None),
            Trust::Empty => Vec::new(),
            Trust::Anchors | Trust::Own => lists().collect::<Vec<_>>().concat(),
            Trust::MalformedCertificate => {
                let mut lists: Vec<_> = lists().collect();
                lists.insert(lists.len().min(1), edk2::certificate_list(b"this is no certificate"));
                lists.concat()
            }
            Trust::TruncatedList => {
                let mut bundle = lists().collect::<Vec<_>>().concat();
                let last = edk2::certificate_list(&self.public_root(0, date)?);
                bundle.extend_from_slice(&last[..last.len() / 2]);
                bundle
            }
            Trust::OtherTypes => {
                lists().flat_map(|list| [edk2::list(edk2::SHA256, &[0x5a; 32]), list].concat()).collect()
            }
            Trust::PublicSize => {
                let mut bundle = Vec::new();
                for number in 0..PUBLIC_ROOTS {
                    bundle.extend(edk2::certificate_list(&self.public_root(number, date)?));
                }
                bundle.extend(lists().flatten());
                bundle
            }
            Trust::OverLimit => {
                let mut bundle = lists().collect::<Vec<_>>().concat();
                for number in 0.. {
                    if bundle.len() > edk2::LIMIT {
                        break;
                    }
                    bundle.extend(edk2::certificate_list(&self.public_root(number, date)?));
                }
                bundle
            }
        };
        if trust != Trust::OverLimit && bundle.len() > edk2::LIMIT - HEADROOM {
            return Err(TrustError::TooLarge { count: anchors.len(), bytes: bundle.len() });
        }
        Ok(Some(bundle))
    }

    /// A root like those of public bundles: mostly RSA-4096, some RSA-2048 and P-384.
    fn public_root(&self, number: usize, date: DateTime) -> Result<Vec<u8>, MintError> {
        let (key, signature) = match number % 5 {
            0 => (Key::Rsa2048, Signature::Sha256),
            1 => (Key::P384, Signature::Sha384),
            _ => (Key::Rsa4096, Signature::Sha384),
        };
        self.root(&Authority { key, signature, ..Authority::default() }, number, date)
    }
}
