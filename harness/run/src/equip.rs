//! What the cells of a plan need before the first of them starts: certificates for our server, and what their firmware
//! is given to trust.
//!
//! All cells of one date share one bundle of anchors, so that they share snapshots: it holds the anchors of every
//! scenario, whatever was selected.

use crate::{Cell, Plan};
use firmware::Enrolment;
use jiff::civil::{Date, DateTime};
use pki::{Identity, MintError, Pki, edk2};
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
    for chain in needed.chain(shipped).filter_map(chain) {
        if !chains.contains(&chain) {
            chains.push(chain);
        }
    }
    let minted = mint(pki, chains);
    let mut bundles = HashMap::new();
    for cell in &mut plan.cells {
        if needs_equipment(&cell.network) {
            let enrolment = plan.firmware[cell.firmware].family.enrolment();
            cell.equipment = equipment(cell, enrolment, &minted, pki, &mut bundles);
        }
    }
}

/// Whether a cell is anything but a plain one.
fn needs_equipment(network: &NetworkSettings) -> bool {
    network.client != services::client::Settings::default() || chain(network).is_some()
}

/// The chain that a network's TLS server needs. Settings that contradict each other are found when a scenario is read.
fn chain(network: &NetworkSettings) -> Option<Chain> {
    Network::certificate(network).ok().flatten().map(|settings| (settings, network.client.date))
}

/// The bundles that were made: by trust and date.
type Bundles = HashMap<(pki::Trust, Date), Result<Option<Arc<[u8]>>, Unequipped>>;

fn equipment(
    cell: &Cell,
    enrolment: Option<Enrolment>,
    minted: &HashMap<Chain, Minted>,
    pki: &Pki,
    bundles: &mut Bundles,
) -> Result<Equipment, Unequipped> {
    let client = &cell.network.client;
    let chain = chain(&cell.network);
    let identity = chain.as_ref().map(|chain| minted[chain].clone()).transpose()?;
    let mut fw_cfg: Vec<(String, Arc<[u8]>)> = Vec::new();
    if enrolment == Some(Enrolment::Edk2FwCfg) && chain.is_some() {
        let bundle = bundles.entry((client.trust, client.date)).or_insert_with(|| {
            let of_date = minted.iter().filter(|((_, date), _)| *date == client.date);
            let anchors: Vec<Vec<u8>> = of_date
                .filter_map(|(_, identity)| identity.as_ref().ok())
                .flat_map(|identity| identity.anchors.clone())
                .collect();
            let bundle = pki.edk2_bundle(client.trust, &anchors, midnight(client.date));
            bundle.map(|bundle| bundle.map(Arc::from)).map_err(|error| Unequipped::Failed(error.to_string()))
        });
        fw_cfg.extend(bundle.clone()?.map(|bytes| (edk2::CACERTS.to_owned(), bytes)));
    }
    if enrolment == Some(Enrolment::Edk2FwCfg) {
        let suites = client.suite_numbers().map_err(|error| Unequipped::Failed(error.to_string()))?;
        fw_cfg.extend(suites.map(|suites| (edk2::CIPHERS.to_owned(), edk2::cipher_list(&suites).into())));
    }
    Ok(Equipment { identity, fw_cfg })
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
