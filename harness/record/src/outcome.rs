//! The vocabulary of a cell's result.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Gives an enum of unit variants its kebab-case words, once, for serde, `Display` and iteration alike.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant,)+ }
        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// The word used in scenarios, results and reports.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// What the firmware did with the network it was given.
    Outcome {
        /// The served image ran: its proof arrived.
        Boots = "boots",
        /// The firmware ended the attempt because of an answer that it received.
        Refuses = "refuses",
        /// The firmware ended the attempt after waiting out its own timers.
        GivesUp = "gives-up",
        /// The firmware neither booted nor ended the attempt within its own longest timeout.
        Hangs = "hangs",
        /// The firmware died: CPU exception, unexpected reset or power-off.
        Crashes = "crashes",
    }
}

words! {
    /// The furthest rung of the boot ladder that the firmware *stepped on*; for a failure, the rung that broke.
    Stage {
        /// The firmware's network stack had not sent anything.
        Link = "link",
        /// It asked for an address (DHCP, router solicitation).
        Address = "address",
        /// It asked for the server's address (DNS).
        Name = "name",
        /// It opened a TCP connection.
        Connect = "connect",
        /// It started a TLS handshake.
        Tls = "tls",
        /// It sent `HEAD`.
        Head = "head",
        /// It sent `GET`.
        Get = "get",
        /// It received the whole image.
        Image = "image",
        /// The image ran.
        Executed = "executed",
    }
}

words! {
    /// A cell's result against its expectation. Nothing is hidden: all six are counted in every report.
    Verdict {
        /// As expected.
        Pass = "pass",
        /// Not as expected.
        Fail = "fail",
        /// Not as expected, and waived for this build with a reason.
        Xfail = "xfail",
        /// As expected although a waiver says otherwise: the waiver is stale, and the run fails.
        Xpass = "xpass",
        /// A capability that the scenario needs is missing in this build or on this host, and that was checked.
        Unsupported = "unsupported",
        /// Our infrastructure failed; nothing is said about the firmware.
        Error = "error",
    }
}

words! {
    /// How binding a scenario's requirement is (RFC 2119), or `observe` for a row that describes and cannot fail.
    Level {
        /// RFC 2119 MUST.
        Must = "must",
        /// RFC 2119 SHOULD.
        Should = "should",
        /// RFC 2119 MAY.
        May = "may",
        /// Describes behaviour; cannot fail.
        Observe = "observe",
    }
}

words! {
    /// What a scenario may need of a firmware.
    Capability {
        /// HTTP boot.
        Http = "http",
        /// HTTPS boot.
        Https = "https",
        /// HTTP boot over IPv6.
        Ipv6 = "ipv6",
        /// PXE: a boot file by TFTP.
        Pxe = "pxe",
        /// Boot of a disk or a disc that is fetched into memory (UEFI 2.11 §24.7).
        RamDisk = "ram-disk",
        /// UEFI Secure Boot: only images that its keys vouch for are started.
        SecureBoot = "secure-boot",
    }
}

words! {
    /// What is served as the boot image.
    ImageForm {
        /// The image.
        Whole = "whole",
        /// Its first half.
        Truncated = "truncated",
        /// Nothing.
        Empty = "empty",
        /// As many octets that are no program.
        Random = "random",
        /// The image for another architecture.
        OtherArchitecture = "other-architecture",
        /// The image with one bit changed that its program does not depend on (TimeDateStamp of the PE header); as `whole` where it
        /// is no PE image.
        Tampered = "tampered",
    }
}

impl Capability {
    /// Whether a firmware that ends a probe so has it: Secure Boot shows in an image that is refused, everything else in what boots.
    pub const fn is_shown_by(self, outcome: Outcome, stage: Stage) -> bool {
        match self {
            Self::SecureBoot => {
                matches!(outcome, Outcome::Refuses | Outcome::GivesUp) && matches!(stage, Stage::Image)
            }
            Self::Http | Self::Https | Self::Ipv6 | Self::Pxe | Self::RamDisk => {
                matches!(outcome, Outcome::Boots)
            }
        }
    }
}

impl Verdict {
    /// Whether this verdict makes the run end with exit code 1.
    pub const fn is_deviation(self) -> bool {
        matches!(self, Self::Fail | Self::Xpass)
    }
}
