//! From settings to certificates.

mod certify;
mod key;
mod plan;
mod revocation;
mod signature;
mod store;

use crate::{
    Settings, SettingsError,
    settings::{Authority, CrossSigned, Enrolled, Extra, Issuer, Part},
};
use certify::{Certified, Signatory, certify};
use jiff::civil::DateTime;
use key::TestKey;
use openssl::error::ErrorStack;
use plan::{LeafNames, Plan};
use std::{
    io,
    path::{Path, PathBuf},
};

/// What a server presents, and what its clients have to trust for it. All certificates are DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificates as sent; the leaf is first.
    pub chain: Vec<Vec<u8>>,
    /// The leaf's private key, PKCS #8 (DER).
    pub key: Vec<u8>,
    /// The certificates to enrol; empty if none are.
    pub anchors: Vec<Vec<u8>>,
    /// The revocation list of the leaf's issuer, DER, if the leaf is revoked or says where that list is: what
    /// `leaf.crl_url` should serve, as `application/pkix-crl` (RFC 2585 §4.2). A self-signed leaf has none.
    pub crl: Option<Vec<u8>>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The settings contradict each other.
    #[error("failed to make a certificate: {0}")]
    Settings(#[from] SettingsError),
    /// A certificate's validity cannot be written.
    #[error(
        "failed to make the {role} certificate: {days} days from the guest's date, {date}, is outside the years 1950 \
         to 9999; choose fewer days"
    )]
    Time {
        /// Whose validity it is.
        role: String,
        /// The setting.
        days: i32,
        /// The guest's date.
        date: DateTime,
    },
    /// The signer's key cannot sign so.
    #[error("failed to sign the {role} certificate: {problem}")]
    Unsignable {
        /// Whose signature it is.
        role: String,
        /// Why.
        problem: String,
    },
    /// The cache cannot be used.
    #[error("failed to keep {path}: {source}")]
    Cache {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// OpenSSL cannot do it: the distribution may have built it without this, or forbidden it.
    #[error("failed to {what} with this host's OpenSSL: {source}")]
    OpenSsl {
        /// What was tried.
        what: String,
        /// What OpenSSL says.
        source: ErrorStack,
    },
    /// rcgen cannot write it.
    #[error("failed to write a certificate: {0}")]
    Rcgen(#[from] rcgen::Error),
    /// rcgen's certificate was not what was expected of it.
    #[error("failed to read a certificate of our own: {0}")]
    Draft(#[from] yasna::ASN1Error),
    /// The settings cannot be digested.
    #[error("failed to write settings down: {0}")]
    Digest(#[from] serde_json::Error),
}

fn openssl_failed(what: impl Into<String>) -> impl FnOnce(ErrorStack) -> MintError {
    let what = what.into();
    |source| MintError::OpenSsl { what, source }
}

/// How many intermediates of a chain have a key of their own; further ones have those of the first again.
const INTERMEDIATE_KEYS: u8 = 4;

/// Mints certificates with test keys that it keeps in the cache.
#[derive(Clone, Debug)]
pub struct Pki {
    directory: PathBuf,
}

impl Pki {
    /// Mints with the keys below `cache`, which need not exist yet.
    pub fn open(cache: &Path) -> Self {
        Self { directory: cache.join("pki") }
    }

    /// The chain that `settings`, with placeholders replaced, describe at the `date` (UTC) that the guest's clock shows.
    /// The same input gives the same bytes as long as the cache lives. Takes some 5 ms once the keys are there; making them
    /// takes up to a minute (RSA-8192). Blocks.
    pub fn mint(&self, settings: &Settings, date: DateTime) -> Result<Identity, MintError> {
        settings.check()?;
        let chain = Chain::certify(&self.directory, settings, date)?;
        let sent = settings.layout().into_iter().filter_map(|part| chain.part(part));
        Ok(Identity {
            chain: sent.map(|certificate| certificate.der.clone()).collect(),
            key: chain.leaf.key.pkcs8()?,
            anchors: chain.enrolled(settings),
            crl: chain.crl(&self.directory, settings, date)?,
        })
    }

    /// The owner of a platform whose keys are ours: a certificate (DER) for PK and KEK (UEFI 2.11 §32.3).
    pub fn platform_key(&self, date: DateTime) -> Result<Vec<u8>, MintError> {
        self.root(&Authority::default(), 0, date)
    }

    /// A root that no chain uses, number `number`, as public bundles have them by the dozen.
    pub(crate) fn root(
        &self,
        settings: &Authority,
        number: usize,
        date: DateTime,
    ) -> Result<Vec<u8>, MintError> {
        let nobody = LeafNames::new(&crate::settings::Leaf { names: Vec::new(), ..Default::default() })?;
        let title = format!("plugfest test root {number}");
        let plan = Plan::authority(&title, "public-root", settings, &date.to_string(), &nobody)?;
        Ok(certify(&self.directory, plan, None, date)?.der)
    }
}

/// Every certificate of a chain, sent or not.
struct Chain {
    anchor: Certified,
    /// The first is the one that the anchor signed.
    intermediates: Vec<Certified>,
    leaf: Certified,
    /// The older anchor, and the anchor's key certified by it.
    cross: Option<(Certified, Certified)>,
    stranger: Option<Certified>,
}

impl Chain {
    fn certify(directory: &Path, settings: &Settings, date: DateTime) -> Result<Self, MintError> {
        let names = LeafNames::new(&settings.leaf)?;
        let certify = |plan, issuer: Option<Signatory<'_>>| certify(directory, plan, issuer, date);
        // What is enrolled for one chain and not for another must not be the same anchor; nor one with another date.
        let context = format!("{:?} {:?} {date}", settings.enrolled, settings.cross_signed);
        let authority = |title: &str, role: String, settings: &Authority, context: &str| {
            Plan::authority(&format!("plugfest test {title}"), role, settings, context, &names)
        };
        let plan = authority("anchor", "anchor".into(), &settings.anchor, &context)?;
        let anchor = certify(plan.clone(), None)?;
        let cross = match settings.cross_signed {
            CrossSigned::No => None,
            kind => {
                let mut old = settings.anchor.clone();
                if kind == CrossSigned::ByExpired {
                    (old.valid_from_days, old.valid_until_days) = (-3650, -1);
                }
                let old = authority("older anchor", "older-anchor".into(), &old, &context)?;
                let old = certify(old, None)?;
                // The same subject, key and key identifier as the anchor has.
                let certificate = certify(plan, Some(old.signatory()))?;
                Some((old, certificate))
            }
        };
        let mut intermediates: Vec<Certified> = Vec::new();
        for index in 0..settings.intermediates {
            let above = intermediates.last().unwrap_or(&anchor);
            let role = format!("intermediate-{}", index % INTERMEDIATE_KEYS + 1);
            let title = format!("intermediate {}", index + 1);
            let plan = authority(&title, role, &settings.intermediate, &above.plan.id)?;
            let intermediate = certify(plan, Some(above.signatory()))?;
            intermediates.push(intermediate);
        }
        let above = intermediates.last().unwrap_or(&anchor);
        let plan = Plan::leaf(&settings.leaf, &above.plan.id, &names)?;
        let leaf = match settings.leaf.issuer {
            Issuer::Chain => certify(plan, Some(above.signatory()))?,
            Issuer::Itself => certify(plan, None)?,
            Issuer::Impostor => {
                let key = TestKey::get(directory, above.key.key, "impostor")?;
                certify(plan, Some(Signatory { key: &key, ..above.signatory() }))?
            }
        };
        let stranger = match settings.extra {
            Extra::Stranger | Extra::ExpiredStranger => {
                let mut stranger = Authority::default();
                if settings.extra == Extra::ExpiredStranger {
                    (stranger.valid_from_days, stranger.valid_until_days) = (-1460, -365);
                }
                let anchor = authority("strange anchor", "strange-anchor".into(), &stranger, &context)?;
                let anchor = certify(anchor, None)?;
                let plan = authority("stranger", "stranger".into(), &stranger, &anchor.plan.id)?;
                Some(certify(plan, Some(anchor.signatory()))?)
            }
            _ => None,
        };
        Ok(Self { anchor, intermediates, leaf, cross, stranger })
    }

    /// `None` for a part that the chain does not have; [`Settings::layout`] names none such.
    fn part(&self, part: Part) -> Option<&Certified> {
        match part {
            Part::Leaf => Some(&self.leaf),
            Part::Intermediate(index) => self.intermediates.get(usize::from(index)),
            Part::Anchor => Some(&self.anchor),
            Part::Cross => self.cross.as_ref().map(|(_, certificate)| certificate),
            Part::Stranger => self.stranger.as_ref(),
        }
    }

    fn crl(
        &self,
        directory: &Path,
        settings: &Settings,
        date: DateTime,
    ) -> Result<Option<Vec<u8>>, MintError> {
        let is_wanted = settings.leaf.revoked || settings.leaf.crl_url.is_some();
        if !is_wanted || settings.leaf.issuer == Issuer::Itself {
            return Ok(None);
        }
        let issuer = self.intermediates.last().unwrap_or(&self.anchor);
        revocation::list(directory, issuer, &self.leaf, settings.leaf.revoked, date).map(Some)
    }

    fn enrolled(&self, settings: &Settings) -> Vec<Vec<u8>> {
        let older = self.cross.as_ref().map(|(older, _)| older);
        let enrolled = match (settings.cross_signed, settings.enrolled) {
            (CrossSigned::ByEnrolled, _) => vec![older],
            (CrossSigned::ByExpired, _) => vec![older, Some(&self.anchor)],
            (_, Enrolled::Anchor) => vec![Some(&self.anchor)],
            (_, Enrolled::Intermediate) => vec![self.intermediates.first()],
            (_, Enrolled::Leaf) => vec![Some(&self.leaf)],
            (_, Enrolled::Nothing) => vec![],
        };
        enrolled.into_iter().flatten().map(|certificate| certificate.der.clone()).collect()
    }
}
