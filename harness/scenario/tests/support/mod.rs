//! What the cells of the shipped scenarios need before they start: certificates for the server, and a client that has
//! been given its date, its anchors and its suites.

use fake_firmware::Behaviour;
use jiff::civil::Date;
use pki::{Identity, Pki, Trust};
use scenario::{Point, Scenario};
use services::client;
use services::{Network, NetworkSettings};
use std::collections::HashMap;
use std::path::Path;

/// The certificates of all scenarios, by chain and date. Keys are kept between runs of the tests.
pub struct Certificates {
    minted: HashMap<(pki::Settings, Date), Identity>,
}

impl Certificates {
    pub fn of(scenarios: &[Scenario]) -> Self {
        let pki = Pki::open(Path::new(env!("CARGO_TARGET_TMPDIR")));
        let mut minted = HashMap::new();
        for network in scenarios.iter().flat_map(Scenario::points).map(|point| &point.network) {
            let Some(chain) = chain(network) else { continue };
            minted.entry(chain).or_insert_with_key(|(settings, date)| {
                pki.mint(settings, date.at(0, 0, 0, 0)).expect("a checked chain can be made")
            });
        }
        Self { minted }
    }

    pub fn of_server(&self, point: &Point) -> Option<&Identity> {
        chain(&point.network).map(|chain| &self.minted[&chain])
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
