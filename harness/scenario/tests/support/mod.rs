//! What the cells of the shipped scenarios need before they start: certificates for the server, and a client that has
//! been given its date, its anchors and its suites.

use fake_firmware::{Behaviour, Over};
use jiff::{civil::Date, tz::TimeZone};
use openssl::ssl::cipher_name;
use pki::{Identity, Pki, Trust};
use scenario::{Point, Scenario};
use services::client::{self, Boot};
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
        let client::Settings { protocol, boot, wait_seconds, date, trust, suites, machine, nvram } =
            &point.network.client;
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
        let midnight = date.at(0, 0, 0, 0).to_zoned(TimeZone::UTC).expect("a date of a guest's clock");
        let over = match boot {
            Boot::Ipv4 => Over::Ipv4,
            Boot::Ipv6 => Over::Ipv6,
            Boot::Ipv6AfterIpv4 => Over::Ipv4ThenIpv6,
        };
        let behaviour = behaviour.clone().booting(over, *wait_seconds);
        let mut behaviour = behaviour.trusting(anchors, midnight.timestamp().as_second());
        if let Some(suites) = suites {
            let names: Vec<&str> = suites.iter().map(|suite| cipher_name(suite)).collect();
            // A client's settings are constants elsewhere; these few live as long as the test.
            behaviour.tls.suites = Some(names.join(":").leak());
        }
        behaviour.pxe = *protocol == client::Protocol::Pxe;
        behaviour.memory = machine.memory_mib.map_or(behaviour.memory, |memory| (memory as usize) << 20);
        let fixed = nvram.entries.first().and_then(|entry| entry.address);
        behaviour.fixed = fixed.map(|fixed| (fixed.address, fixed.netmask, fixed.gateway));
        if let Some(entries) = entries(&point.network) {
            behaviour.speaks &= !entries.is_empty();
            behaviour.entries = entries;
        }
        behaviour
    }
}

fn chain(network: &NetworkSettings) -> Option<(pki::Settings, Date)> {
    let settings = Network::certificate(network).expect("a checked network");
    settings.map(|settings| (settings, network.client.date))
}

/// What a conforming client makes of the boot entries: the URLs of those that it can use, in its order; nothing if there are no
/// entries.
fn entries(network: &NetworkSettings) -> Option<Vec<String>> {
    let nvram = &network.client.nvram;
    if nvram.entries.is_empty() {
        return None;
    }
    let all = (0..nvram.entries.len())
        .map(|place| u8::try_from(place).expect("a checked number of entries"))
        .collect();
    let order = nvram.order.clone().unwrap_or(all);
    let places = nvram.next.into_iter().chain(order);
    let usable = places.map(|place| &nvram.entries[usize::from(place)]).filter(|entry| {
        let mac = entry.mac.as_deref().and_then(client::parse_mac);
        entry.active
            && mac.is_none_or(|mac| mac == services::address::GUEST_MAC)
            && matches!(entry.from, client::From::Root | client::From::Uri)
    });
    let url = |entry: &client::BootEntry| {
        let uri = entry.uris.last().cloned().unwrap_or_default();
        network.expand(&uri).expect("a checked URL")
    };
    Some(usable.map(url).collect())
}
