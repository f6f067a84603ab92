//! What the cells of the shipped scenarios need before they start: certificates for the server, and a client that has
//! been given its date, its anchors and its suites.

use fake_firmware::Behaviour;
use indexmap::IndexMap;
use jiff::civil::Date;
use pki::{Identity, Pki, Trust, authenticode::Databases};
use scenario::{Point, Scenario};
use services::client;
use services::{Network, NetworkSettings};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The certificates of all scenarios, by chain and date. Keys are kept between runs of the tests.
pub struct Certificates {
    minted: HashMap<(pki::Settings, Date), Identity>,
    signers: IndexMap<pki::Settings, Arc<Identity>>,
}

impl Certificates {
    pub fn of(scenarios: &[Scenario]) -> Self {
        let pki = Pki::open(Path::new(env!("CARGO_TARGET_TMPDIR")));
        let mut minted = HashMap::new();
        let mut signers = IndexMap::new();
        let signatures =
            scenarios.iter().flat_map(Scenario::points).flat_map(|point| &point.network.image.signatures);
        for signature in signatures {
            signers.entry(signature.chain()).or_insert_with_key(|chain| {
                Arc::new(pki.mint(chain, client::DATE.at(0, 0, 0, 0)).expect("a checked chain can be made"))
            });
        }
        for network in scenarios.iter().flat_map(Scenario::points).map(|point| &point.network) {
            let Some(chain) = chain(network) else { continue };
            minted.entry(chain).or_insert_with_key(|(settings, date)| {
                pki.mint(settings, date.at(0, 0, 0, 0)).expect("a checked chain can be made")
            });
        }
        Self { minted, signers }
    }

    pub fn of_server(&self, point: &Point) -> Option<&Identity> {
        chain(&point.network).map(|chain| &self.minted[&chain])
    }

    pub fn signers(&self, point: &Point) -> Vec<Arc<Identity>> {
        let signatures = point.network.image.signatures.iter();
        signatures.map(|signature| Arc::clone(&self.signers[&signature.chain()])).collect()
    }

    /// What the client of `point` may start.
    pub fn keys(&self, point: &Point, image: &[u8]) -> Option<Databases> {
        let secure_boot = &point.network.client.secure_boot;
        let enrolled: Vec<_> = self.signers.values().flat_map(|signer| signer.anchors.clone()).collect();
        let list =
            || secure_boot.databases(&enrolled, &self.signers(point), image).expect("an image with a digest");
        (secure_boot.mode == client::Mode::User).then(list)
    }

    /// `behaviour` as the client of `point`. It trusts the anchors of all scenarios with its date, as it does in a run.
    pub fn client(&self, behaviour: &Behaviour, point: &Point) -> Behaviour {
        let client::Settings { date, trust, .. } = &point.network.client;
        let anchors = match trust {
            Trust::None | Trust::Empty => Vec::new(),
            _ => {
                let of_date = self.minted.iter().filter(|((_, minted), _)| minted == date);
                let mut anchors: Vec<_> =
                    of_date.flat_map(|(_, identity)| identity.anchors.clone()).collect();
                anchors.sort_unstable();
                anchors.dedup();
                anchors
            }
        };
        behaviour.clone().equipped(&point.network, anchors)
    }
}

fn chain(network: &NetworkSettings) -> Option<(pki::Settings, Date)> {
    let settings = Network::certificate(network).expect("a checked network");
    settings.map(|settings| (settings, network.client.date))
}
