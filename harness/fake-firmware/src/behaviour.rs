//! What can be switched: habits in which real clients differ, and faults that a harness has to notice.

/// Everything about a client that a test may change. [`Default`] is [`Behaviour::conforming`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// Whether it uses the network at all; without, it says that there is nothing to boot.
    pub speaks: bool,
    /// Frames that no parser likes, sent before DHCP and before each connection.
    pub garbage: bool,
    /// DISCOVERs before it gives up; it waits 4, 8, 16, 32, 32, … seconds after each (RFC 2131 §4.1).
    pub discovers: u32,
    /// Which offers it takes.
    pub offers: Offers,
    /// Whether it answers an offer with REQUEST.
    pub requests: bool,
    /// How often it starts over after a NAK (RFC 2131 §3.1 step 5).
    pub restarts_after_nak: u32,
    /// Whether it declines a lease without a subnet mask; the option is not mandatory (RFC 2132 §3.3).
    pub declines_lease_without_netmask: bool,
    /// Whether it aborts each connection as soon as the server has accepted it.
    pub resets_after_syn_ack: bool,
    /// Whether it asks with `HEAD` first.
    pub heads: bool,
    /// Whether it goes on with `GET` when `HEAD` brought no 2xx.
    pub gets_after_refused_head: bool,
    /// What its requests look like.
    pub request: Request,
    /// Its `Host` field (RFC 9110 §7.2).
    pub host: Host,
    /// Whether it sends the URL's fragment to the server (RFC 9110 §7.1: it must not).
    pub sends_fragment: bool,
    /// Redirects that it follows (RFC 9110 §15.4: MAY).
    pub redirects: u32,
    /// Whether it opens another connection when the server closed or announced to close the one that it has
    /// (RFC 9112 §9.3).
    pub reconnects: bool,
    /// Whether it takes a body that ends with the connection (RFC 9112 §6.3 rule 8).
    pub takes_body_until_close: bool,
    /// How it reads Content-Type.
    pub media_type: MediaType,
    /// How it reads the URL's suffix where Content-Type selects no handler.
    pub suffix: Suffix,
    /// How it leaves a connection that it needs no more.
    pub closing: Closing,
    /// What it does with the image.
    pub execution: Execution,
    /// Whether its console gives the reason of a network failure (EDK2 since 2026.05).
    pub says_why: bool,
    /// Something that goes badly wrong at some moment.
    pub trouble: Option<Trouble>,
}

/// Which offers a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offers {
    /// Those whose option 60 starts with `HTTPClient` (UEFI 2.11 §24.7.3).
    OfHttpServers,
    /// All that carry an HTTP URL.
    WithUrl,
}

/// What requests look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// As RFC 9112 §3 has them.
    WellFormed,
    /// Cut before the empty line, and nothing more.
    Truncated,
    /// Not HTTP at all.
    Garbage,
}

/// The `Host` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The URL's authority, with the port unless it is the default.
    Authority,
    /// Without the port, as EDK2 sends it.
    WithoutPort,
    /// Another host's name.
    Wrong,
    /// No field.
    Missing,
}

/// How Content-Type selects an image handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// By type and subtype; parameters do not matter (RFC 9110 §8.3.1).
    IgnoringParameters,
    /// Only if the whole value is a known type, as in EDK2.
    WholeValue,
    /// Not at all.
    Ignored,
}

/// How a URL's suffix selects an image handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suffix {
    /// In any case of letters.
    AnyCase,
    /// In lower case only, as in EDK2 2020.11.
    LowerCase,
    /// Not at all.
    Ignored,
}

/// How a client leaves a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// With FIN.
    Fin,
    /// With RST, as EDK2.
    Reset,
}

/// What a client does with the image that it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execution {
    /// Runs it, if it is a payload: the proof is computed from the bytes received.
    Runs,
    /// Says that it cannot be started.
    Rejects,
    /// Says that it starts it, and starts something else.
    LocalImage,
    /// Sends the genuine proof of another cell's image.
    OtherProof,
    /// Copies the image's secret into a frame without having computed the proof.
    EchoedNonce,
}

/// A moment in a boot, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Moment {
    PowerOn,
    DiscoverSent,
    OfferReceived,
    RequestSent,
    AckReceived,
    SynSent,
    Connected,
    HeadSent,
    HeadAnswered,
    GetSent,
    BodyStarted,
    ImageReceived,
}

impl Moment {
    /// Every moment, in order.
    pub const ALL: [Self; 12] = [
        Self::PowerOn,
        Self::DiscoverSent,
        Self::OfferReceived,
        Self::RequestSent,
        Self::AckReceived,
        Self::SynSent,
        Self::Connected,
        Self::HeadSent,
        Self::HeadAnswered,
        Self::GetSent,
        Self::BodyStarted,
        Self::ImageReceived,
    ];
}

/// Something that goes badly wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When.
    pub at: Moment,
    /// What.
    pub kind: TroubleKind,
}

/// What goes badly wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TroubleKind {
    /// Nothing happens any more, and nothing is said.
    Hang,
    /// A CPU exception: the firmware prints it and stops.
    Exception,
    /// The machine resets, and the boot starts over.
    Reset,
    /// The machine powers off.
    PowerOff,
    /// The guest's process dies.
    Exit,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::conforming()
    }
}

impl Behaviour {
    /// A client that boots from every network that a conforming client can boot from.
    pub const fn conforming() -> Self {
        Self {
            speaks: true,
            garbage: false,
            discovers: 4,
            offers: Offers::OfHttpServers,
            requests: true,
            restarts_after_nak: 3,
            declines_lease_without_netmask: false,
            resets_after_syn_ack: false,
            heads: true,
            gets_after_refused_head: true,
            request: Request::WellFormed,
            host: Host::Authority,
            sends_fragment: false,
            redirects: 5,
            reconnects: true,
            takes_body_until_close: true,
            media_type: MediaType::IgnoringParameters,
            suffix: Suffix::AnyCase,
            closing: Closing::Fin,
            execution: Execution::Runs,
            says_why: false,
            trouble: None,
        }
    }

    /// What EDK2's clients have in common.
    const fn edk2() -> Self {
        Self {
            restarts_after_nak: 0,
            declines_lease_without_netmask: true,
            host: Host::WithoutPort,
            redirects: 0,
            takes_body_until_close: false,
            media_type: MediaType::WholeValue,
            closing: Closing::Reset,
            ..Self::conforming()
        }
    }

    /// Like EDK2 2020.11 in what is modelled here.
    pub const fn edk2_2020_11() -> Self {
        Self { suffix: Suffix::LowerCase, reconnects: false, ..Self::edk2() }
    }

    /// Like EDK2 2022.11 in what is modelled here.
    pub const fn edk2_2022_11() -> Self {
        Self::edk2()
    }

    /// Like EDK2 2025.02 in what is modelled here.
    pub const fn edk2_2025_02() -> Self {
        Self::edk2()
    }

    /// Like EDK2 2026.08 in what is modelled here.
    pub const fn edk2_2026_08() -> Self {
        Self { says_why: true, ..Self::edk2() }
    }

    /// This client, but `kind` happens at `at`.
    pub const fn with_trouble(mut self, at: Moment, kind: TroubleKind) -> Self {
        self.trouble = Some(Trouble { at, kind });
        self
    }
}
