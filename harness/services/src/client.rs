//! What the client has been given before it starts: its date, and what it trusts. It is no part of the network, but a
//! scenario varies it together with it, by the same paths.

mod machine;
mod nvram;
mod secure_boot;

pub use machine::{Entropy, Machine, Media, Nic, NicRom, SecondNic};
pub use nvram::{BootEntry, FIRST_ENTRY, From, Nvram, OptionalData, StaticAddress, parse_mac};
pub use secure_boot::{Listed, Mode, SecureBoot};

use crate::{NetworkSettings, SettingsError, tls};
use jiff::civil::{Date, date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `client:` block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How it boots: the protocol that its boot option stands for.
    pub protocol: Protocol,
    /// Over which version of IP it boots, and so which one is on the link.
    pub boot: Boot,
    /// Guest seconds, 0 to 60, for which the client waits at its boot menu before it tries to boot. Its interfaces are up by
    /// then, and have the addresses that they make themselves.
    pub wait_seconds: u16,
    /// The day, 1970-01-01 to 2037-12-31, whose first second (UTC) the client's clock shows at power-on.
    pub date: Date,
    /// The certificates that the client is told to trust. It is told nothing if there is no TLS server.
    pub trust: pki::Trust,
    /// The cipher suites that the client is told to offer, by their IANA names; `null` leaves them to the client.
    pub suites: Option<Vec<String>>,
    /// The machine that it runs on.
    pub machine: Machine,
    /// Which of the variable stores it has that come with its build.
    pub variables: Variables,
    /// What stands in its variables.
    pub nvram: Nvram,
    /// Which images it may start.
    pub secure_boot: SecureBoot,
}

/// The date when nothing else is asked for: certificates, leases and logs then look the same every day.
pub const DATE: Date = date(2026, 1, 1);

impl Default for Settings {
    fn default() -> Self {
        Self {
            protocol: Protocol::Http,
            boot: Boot::Ipv4,
            wait_seconds: 0,
            date: DATE,
            trust: pki::Trust::default(),
            suites: None,
            machine: Machine::default(),
            variables: Variables::default(),
            nvram: Nvram::default(),
            secure_boot: SecureBoot::default(),
        }
    }
}

/// How a client boots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// By HTTP (UEFI 2.11 §24.7).
    #[default]
    Http,
    /// By PXE: with TFTP (UEFI 2.11 §24.3, PXE 2.1).
    Pxe,
}

/// A variable store that comes with a build of firmware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Variables {
    /// The one that a machine is usually given.
    #[default]
    Usual,
    /// With the keys of Microsoft, as machines leave the factory, and Secure Boot on.
    Ms,
    /// With a key whose private half everybody has, and Secure Boot on.
    Snakeoil,
}

impl Variables {
    /// The catalog's word for it, if it is not the usual one.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Usual => None,
            Self::Ms => Some("ms"),
            Self::Snakeoil => Some("snakeoil"),
        }
    }
}

/// Over which version of IP a client boots. A client that is just up may meet a link that it is not ready for yet
/// (RFC 4862 §5.4: an address is tentative for a second), so how long it has been up is a setting of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Boot {
    /// IPv4.
    Ipv4,
    /// IPv6, as the first thing that the client tries.
    Ipv6,
    /// IPv6, after an attempt over IPv4 that finds no server.
    Ipv6AfterIpv4,
}

impl Boot {
    /// Whether it is over IPv6.
    pub const fn is_ipv6(self) -> bool {
        !matches!(self, Self::Ipv4)
    }
}

impl Settings {
    /// Refuses dates that a guest's clock cannot start at, and suites that there are not.
    pub(crate) fn check(&self, settings: &NetworkSettings) -> Result<(), SettingsError> {
        if !(1970..=2037).contains(&self.date.year()) {
            let problem = format!("{} is not between 1970-01-01 and 2037-12-31", self.date);
            return Err(SettingsError::new("network.client.date", problem));
        }
        if self.wait_seconds > 60 {
            let problem = format!("{} seconds; expected at most 60", self.wait_seconds);
            return Err(SettingsError::new("network.client.wait_seconds", problem));
        }
        self.machine.check()?;
        self.nvram.check(settings)?;
        self.suite_numbers().map(|_| ())
    }

    /// The IANA numbers of `suites`.
    ///
    /// # Errors
    /// [`SettingsError`] if the registry has no suite of a name.
    pub fn suite_numbers(&self) -> Result<Option<Vec<u16>>, SettingsError> {
        let Some(suites) = &self.suites else { return Ok(None) };
        let number = |(at, name): (usize, &String)| {
            tls::suite_number(name).ok_or_else(|| {
                let problem = format!(
                    "`{name}` is no cipher suite; expected a name of the IANA registry, such as \
                     TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
                );
                SettingsError::new(format!("network.client.suites[{at}]"), problem)
            })
        };
        suites.iter().enumerate().map(number).collect::<Result<_, _>>().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_have_their_numbers() {
        let named = |name: &str| Settings { suites: Some(vec![name.into()]), ..Settings::default() };
        let rsa = named("TLS_RSA_WITH_AES_128_CBC_SHA256");
        assert_eq!(rsa.suite_numbers().unwrap(), Some(vec![0x003c]));
        assert!(
            named("AES128-SHA256")
                .check(&NetworkSettings::default())
                .unwrap_err()
                .to_string()
                .starts_with("network.client.suites[0]: ")
        );
        assert_eq!(Settings::default().suite_numbers().unwrap(), None);
    }

    #[test]
    fn a_wait_is_a_minute_at_most() {
        for (wait_seconds, fine) in [(60, true), (61, false)] {
            assert_eq!(
                Settings { wait_seconds, ..Settings::default() }.check(&NetworkSettings::default()).is_ok(),
                fine
            );
        }
    }

    #[test]
    fn dates_that_no_clock_starts_at_are_refused() {
        for (day, fine) in [(date(1969, 12, 31), false), (date(1970, 1, 1), true), (date(2038, 1, 1), false)]
        {
            assert_eq!(
                Settings { date: day, ..Settings::default() }.check(&NetworkSettings::default()).is_ok(),
                fine,
                "{day}"
            );
        }
    }
}
