//! What the cells of a plan need before the first of them starts: certificates for our server, and what their firmware
//! is given to trust.
//!
//! All cells of one date share one bundle of anchors, so that they share snapshots: it holds the anchors of every
//! scenario, whatever was selected.

use crate::{Cell, Plan};
use firmware::Enrolment;
use jiff::civil::{Date, DateTime};
use pki::authenticode::{Databases, SignError};
use pki::{Identity, MintError, Pki, Trust, edk2};
use scenario::Scenario;
use services::{Network, NetworkSettings};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a cell has besides its network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Equipment {
    /// What the TLS server presents, if there is one.
    pub identity: Option<Arc<Identity>>,
    /// fw_cfg items: names and contents.
    pub fw_cfg: Vec<(String, Arc<[u8]>)>,
    /// Who signs the image, in order.
    pub signers: Vec<Arc<Identity>>,
    /// What Secure Boot's keys are made of, if any are written.
    pub keys: Option<Arc<Keys>>,
}

/// What Secure Boot's keys are made of: certificates (DER), the same for all cells of a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// What the signatures of all scenarios have enrolled.
    pub enrolled: Vec<Vec<u8>>,
    /// The owner of the platform.
    pub platform: Vec<u8>,
}

impl Equipment {
    /// What the keys of `cell` list, whose client is served `image`; `None` if none are written.
    ///
    /// # Errors
    /// [`SignError`] if the image is to be listed and has no digest.
    pub fn databases(&self, cell: &Cell, image: &[u8]) -> Result<Option<Databases>, SignError> {
        let secure_boot = &cell.network.client.secure_boot;
        let list = |keys: &Arc<Keys>| secure_boot.databases(&keys.enrolled, &self.signers, image);
        self.keys.as_ref().map(list).transpose()
    }
}

/// A chain and the date that it is minted for.
type Chain = (pki::Settings, Date);
type Minted = Result<Arc<Identity>, Unequipped>;

/// Why a cell has not what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unequipped {
    /// This host's OpenSSL cannot make it: nothing is said about the firmware.
    Unsupported(String),
    /// Our failure.
    Failed(String),
}

impl From<MintError> for Unequipped {
    fn from(error: MintError) -> Self {
        match error {
            MintError::OpenSsl { .. } => Self::Unsupported(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Mints what the cells of `plan` need; the anchors of all `scenarios` are trusted. Cells for which it cannot be done are
/// told why. Blocks: making a key takes up to a minute, once.
pub fn equip(plan: &mut Plan, scenarios: &[Scenario], pki: &Pki) {
    let needed = plan.cells.iter().map(|cell| &cell.network);
    if !needed.clone().any(needs_equipment) {
        return;
    }
    let shipped = scenarios.iter().flat_map(|scenario| scenario.points().iter().map(|point| &point.network));
    let mut chains: Vec<Chain> = Vec::new();
    let mut signing: Vec<Chain> = Vec::new();
    let add = |chains: &mut Vec<Chain>, chain: Chain| {
        if !chains.contains(&chain) {
            chains.push(chain);
        }
    };
    let signs = needed
        .clone()
        .any(|network| network.client.secure_boot.is_set() || signers(network).next().is_some());
    for network in needed.chain(shipped) {
        chain(network).into_iter().for_each(|chain| add(&mut chains, chain));
        signers(network).filter(|_| signs).for_each(|chain| add(&mut signing, chain));
    }
    let minted = Mints { servers: mint(pki, chains), signers: mint(pki, signing) };
    let (mut bundles, mut keys) = (HashMap::new(), HashMap::new());
    for cell in &mut plan.cells {
        if needs_equipment(&cell.network) {
            let enrolment = plan.firmware[cell.firmware].family.enrolment();
            cell.equipment = equipment(cell, enrolment, &minted, pki, &mut bundles, &mut keys);
        }
    }
}

/// Whether a cell is anything but a plain one.
fn needs_equipment(network: &NetworkSettings) -> bool {
    network.client != services::client::Settings::default()
        || chain(network).is_some()
        || !network.image.signatures.is_empty()
}

/// The chain that a network's TLS server needs. Settings that contradict each other are found when a scenario is read.
fn chain(network: &NetworkSettings) -> Option<Chain> {
    Network::certificate(network).ok().flatten().map(|settings| (settings, network.client.date))
}

/// The chains of the image's signers.
fn signers(network: &NetworkSettings) -> impl Iterator<Item = Chain> {
    network.image.signatures.iter().map(|signature| (signature.chain(), network.client.date))
}

/// What was minted, by chain.
struct Mints {
    servers: HashMap<Chain, Minted>,
    signers: HashMap<Chain, Minted>,
}

fn anchors(minted: &HashMap<Chain, Minted>, of: Date) -> Vec<Vec<u8>> {
    let of_date = minted.iter().filter(|((_, date), _)| *date == of);
    of_date
        .filter_map(|(_, identity)| identity.as_ref().ok())
        .flat_map(|identity| identity.anchors.clone())
        .collect()
}

/// The bundles that were made: by trust, date, and anchors if they are a cell's own.
type Bundles = HashMap<(Trust, Date, Option<Vec<Vec<u8>>>), Result<Option<Arc<[u8]>>, Unequipped>>;

fn equipment(
    cell: &Cell,
    enrolment: Option<Enrolment>,
    minted: &Mints,
    pki: &Pki,
    bundles: &mut Bundles,
    keys: &mut HashMap<Date, Result<Arc<Keys>, Unequipped>>,
) -> Result<Equipment, Unequipped> {
    let client = &cell.network.client;
    let chain = chain(&cell.network);
    let identity = chain.as_ref().map(|chain| minted.servers[chain].clone()).transpose()?;
    let signers =
        signers(&cell.network).map(|chain| minted.signers[&chain].clone()).collect::<Result<_, _>>()?;
    let keys = client.secure_boot.is_set().then(|| {
        let of_date = keys.entry(client.date).or_insert_with(|| {
            let mut enrolled = anchors(&minted.signers, client.date);
            enrolled.sort_unstable();
            enrolled.dedup();
            Ok(Arc::new(Keys { enrolled, platform: pki.platform_key(midnight(client.date))? }))
        });
        of_date.clone()
    });
    let mut fw_cfg: Vec<(String, Arc<[u8]>)> = Vec::new();
    if enrolment.is_some() && chain.is_some() {
        let is_own = client.trust == Trust::Own || enrolment == Some(Enrolment::OwnByEdk2FwCfg);
        let own = identity.as_ref().map(|identity| &identity.anchors).filter(|_| is_own);
        let bundle = bundles.entry((client.trust, client.date, own.cloned())).or_insert_with(|| {
            let anchors = own.cloned().unwrap_or_else(|| anchors(&minted.servers, client.date));
            let bundle = pki.edk2_bundle(client.trust, &anchors, midnight(client.date));
            bundle.map(|bundle| bundle.map(Arc::from)).map_err(|error| Unequipped::Failed(error.to_string()))
        });
        fw_cfg.extend(bundle.clone()?.map(|bytes| (edk2::CACERTS.to_owned(), bytes)));
    }
    if enrolment == Some(Enrolment::Edk2FwCfg) {
        let suites = client.suite_numbers().map_err(|error| Unequipped::Failed(error.to_string()))?;
        fw_cfg.extend(suites.map(|suites| (edk2::CIPHERS.to_owned(), edk2::cipher_list(&suites).into())));
    }
    Ok(Equipment { identity, fw_cfg, signers, keys: keys.transpose()? })
}

/// Mints on all processors: the first time, there are keys to be made.
fn mint(pki: &Pki, chains: Vec<Chain>) -> HashMap<Chain, Minted> {
    let next = AtomicUsize::new(0);
    let minted = Mutex::new(HashMap::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(chain) = chains.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let identity = pki.mint(&chain.0, midnight(chain.1));
                    let identity = identity.map(Arc::new).map_err(Unequipped::from);
                    minted.lock().unwrap_or_else(PoisonError::into_inner).insert(chain.clone(), identity);
                }
            });
        }
    });
    minted.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The first second of a day.
pub(crate) fn midnight(date: Date) -> DateTime {
    date.at(0, 0, 0, 0)
}
