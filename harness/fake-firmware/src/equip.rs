//! A client as a scenario's settings have it.

use crate::{Behaviour, Entry, Over};
use jiff::tz::TimeZone;
use openssl::ssl::cipher_name;
use pki::authenticode::Databases;
use services::client::{self, Boot};
use services::{NetworkSettings, address};

impl Behaviour {
    /// This client with keys: what it may start.
    pub fn guarded(self, keys: Option<Databases>) -> Self {
        Self { keys: keys.or(self.keys), ..self }
    }

    /// This client with what the settings of `network` give it, and these anchors (DER) enrolled.
    ///
    /// # Panics
    /// On settings that were not checked.
    pub fn equipped(self, network: &NetworkSettings, anchors: Vec<Vec<u8>>) -> Self {
        let client::Settings {
            protocol,
            boot,
            wait_seconds,
            date,
            trust: _,
            suites,
            machine,
            variables,
            nvram,
            secure_boot: _,
        } = &network.client;
        let midnight = date.at(0, 0, 0, 0).to_zoned(TimeZone::UTC).expect("a date of a guest's clock");
        let over = match boot {
            Boot::Ipv4 => Over::Ipv4,
            Boot::Ipv6 => Over::Ipv6,
            Boot::Ipv6AfterIpv4 => Over::Ipv4ThenIpv6,
        };
        let mut this = self.booting(over, *wait_seconds).trusting(anchors, midnight.timestamp().as_second());
        if let Some(suites) = suites {
            let names: Vec<&str> = suites.iter().map(|suite| cipher_name(suite)).collect();
            // A client's settings are constants elsewhere; these few live as long as the test.
            this.tls.suites = Some(names.join(":").leak());
        }
        this.pxe = *protocol == client::Protocol::Pxe;
        this.memory = machine.memory_mib.map_or(this.memory, |memory| (memory as usize) << 20);
        this.speaks &= machine.media == client::Media::Present;
        if variables.name().is_some() {
            // Of the keys that come with a build none is ours.
            this.keys.get_or_insert_default();
        }
        let fixed = nvram.entries.first().and_then(|entry| entry.address);
        this.fixed = fixed.map(|fixed| (fixed.address, fixed.netmask, fixed.gateway));
        if !nvram.entries.is_empty() {
            this.entries = entries(network);
            this.speaks &= !this.entries.is_empty();
        }
        this
    }
}

/// What a conforming client makes of the boot entries: those that it can use, in its order.
fn entries(network: &NetworkSettings) -> Vec<Entry> {
    let nvram = &network.client.nvram;
    let usable = nvram.tried().map(|place| &nvram.entries[usize::from(place)]).filter(|entry| {
        let mac = entry.mac.as_deref().and_then(client::parse_mac);
        entry.active
            && mac.is_none_or(|mac| mac == address::GUEST_MAC)
            && matches!(entry.from, client::From::Root | client::From::Uri)
    });
    let made = |entry: &client::BootEntry| {
        let uri = entry.uris.last().cloned().unwrap_or_default();
        Entry { url: network.expand(&uri).expect("a checked URL"), load_options: entry.optional_data() }
    };
    usable.map(made).collect()
}
