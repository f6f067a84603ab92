//! Which side a cause speaks against, and by which clause: for captures of networks that are not ours, where nobody knows
//! what was meant to happen.

/// One of the two sides of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What the network sent, or did not send, is what a client cannot boot from.
    Network,
    /// The client does not do what the clause asks of it.
    Client,
    /// Each is within its rights; they do not go together.
    Both,
}

impl Side {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Client => "client",
            Self::Both => "both",
        }
    }
}

/// Which side, by which clause, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blame {
    /// The side.
    pub side: Side,
    /// Specification and section.
    pub clause: &'static str,
    /// What helps.
    pub mend: &'static str,
}

use Side::{Both, Client, Network};

/// What a cause says of the two sides; `None` where it says nothing by itself.
pub fn blame(cause: &str) -> Option<Blame> {
    TABLE.iter().find(|(id, ..)| *id == cause).map(|&(_, side, clause, mend)| Blame { side, clause, mend })
}

/// By cause.
const TABLE: &[(&str, Side, &str, &str)] = &[
    (
        "link.no-dhcp",
        Client,
        "UEFI 2.11 §24.7.2",
        "enable the network stack and HTTP boot in the firmware's set-up",
    ),
    (
        "dhcp4.no-answer",
        Network,
        "RFC 2131 §4.3.1",
        "run a DHCP server on this link, or a relay agent to one",
    ),
    (
        "dhcp4.offer-not-http",
        Network,
        "UEFI 2.11 §24.7.3.1",
        "answer HTTPClient with option 60 set to HTTPClient",
    ),
    (
        "dhcp4.offer-without-bootfile",
        Network,
        "UEFI 2.11 §24.7.3.1",
        "send the boot file's URL in option 67 or the file field",
    ),
    (
        "dhcp4.bootfile-not-http",
        Network,
        "UEFI 2.11 §24.7.3.1",
        "send an http or https URL to clients whose class is HTTPClient",
    ),
    (
        "dhcp4.offer-without-address",
        Network,
        "RFC 2131 §4.3.1",
        "offer an address, or leave the answer to a server that does",
    ),
    ("dhcp4.offer-not-taken", Client, "RFC 2131 §4.4.1", "compare the offer with one that is taken"),
    ("dhcp4.nak", Network, "RFC 2131 §4.3.2", "look for a second server, or an address outside the pool"),
    (
        "dhcp4.request-unanswered",
        Network,
        "RFC 2131 §4.3.2",
        "look at the server's log: it offered and did not acknowledge",
    ),
    (
        "dhcp4.declined",
        Both,
        "RFC 2131 §4.4.4",
        "look for another host with this address, and at the subnet mask",
    ),
    (
        "dhcp4.port-4011-unanswered",
        Network,
        "PXE 2.1 §2.2.3",
        "start the PXE server's service on port 4011, or let its offer name the boot file",
    ),
    (
        "arp.unanswered",
        Network,
        "RFC 826; RFC 1122 §2.3.2",
        "start the host with this address, or mend the URL or the router option",
    ),
    ("nd.address-taken", Network, "RFC 4862 §5.4", "look for another host with this address"),
    ("nd.unanswered", Network, "RFC 4861 §7.2", "start the host with this address, or mend the URL"),
    ("nd.not-on-link", Client, "RFC 5942 §4", "advertise the prefix as on-link, if it is"),
    ("ra.no-advertisement", Network, "RFC 4861 §6.2", "run a router advertisement daemon on this link"),
    (
        "ra.no-default-router",
        Network,
        "RFC 4861 §6.3.4",
        "advertise a router lifetime, or serve from this link",
    ),
    ("ra.not-forwarded", Network, "RFC 4443 §3.1", "mend the router's way to the server"),
    (
        "dhcp6.not-asked",
        Client,
        "UEFI 2.11 §24.7.3; RFC 4861 §4.2",
        "set the M flag of the router advertisement",
    ),
    (
        "dhcp6.no-server",
        Network,
        "RFC 8415 §18.3",
        "run a DHCPv6 server on this link, or a relay agent to one",
    ),
    ("dhcp6.server-stateless", Network, "RFC 8415 §6.1", "let the DHCPv6 server assign addresses"),
    ("dhcp6.no-answer", Network, "RFC 8415 §18.3.1", "look at the DHCPv6 server's log"),
    ("dhcp6.no-address", Network, "RFC 8415 §18.2.9", "give the DHCPv6 server a pool of this link"),
    (
        "dhcp6.offer-not-http",
        Network,
        "UEFI 2.11 §24.7.3.2; RFC 8415 §21.16",
        "answer HTTPClient with option 16 set to HTTPClient",
    ),
    ("dhcp6.offer-without-bootfile", Network, "RFC 5970 §3.1", "send the boot file's URL in option 59"),
    ("dhcp6.bootfile-not-http", Network, "UEFI 2.11 §24.7.3.2", "send an http or https URL in option 59"),
    ("dhcp6.offer-not-taken", Client, "RFC 8415 §18.2.9", "compare the answer with one that is taken"),
    ("dhcp6.request-unanswered", Network, "RFC 8415 §18.3.2", "look at the DHCPv6 server's log"),
    (
        "dns.no-server",
        Network,
        "RFC 2132 §3.8; RFC 3646 §3",
        "name a DNS server, or write the address into the URL",
    ),
    ("dns.no-answer", Network, "RFC 1035 §7.2", "start the DNS server that DHCP names, or name another"),
    ("dns.no-such-name", Network, "RFC 1035 §4.1.1", "enter the name, or mend the URL"),
    ("dns.error", Network, "RFC 1035 §4.1.1", "look at the DNS server's log"),
    ("dns.no-record", Network, "RFC 2308 §2.2", "enter an address of the client's version of IP"),
    ("dns.truncated", Client, "RFC 7766 §5", "make the answer shorter"),
    (
        "dns.alias-not-followed",
        Client,
        "RFC 1034 §5.3.3",
        "send the address with the alias, or write the address into the URL",
    ),
    ("dns.answer-not-used", Client, "RFC 1035 §7.3", "compare the answer with one that is used"),
    ("tcp.port-closed", Network, "RFC 9293 §3.10.7.1", "start the web server on this port, or mend the URL"),
    (
        "tcp.handshake-incomplete",
        Network,
        "RFC 9293 §3.5",
        "look for a firewall between the client and the server",
    ),
    (
        "tcp.packet-too-big",
        Client,
        "RFC 8201 §4",
        "give the client's link the MTU of the path, or clamp the MSS of connections that leave it",
    ),
    (
        "tls.no-shared-version",
        Both,
        "RFC 8446 §4.2.1",
        "let the server take a version that the client offers",
    ),
    (
        "tls.no-shared-cipher",
        Both,
        "RFC 5246 §7.4.1.3",
        "let the server take a suite that the client offers, with a key of its kind",
    ),
    ("tls.no-shared-group", Both, "RFC 8422 §5.1", "let the server take a group that the client offers"),
    (
        "tls.client-alert",
        Network,
        "RFC 8446 §6.2",
        "mend what the alert names: mostly the certificate, or what the client trusts",
    ),
    (
        "tls.client-closed-after-certificate",
        Network,
        "RFC 5280 §6.1",
        "mend the certificate (dates, names, chain), or enrol its authority in the firmware",
    ),
    ("tls.client-closed", Client, "RFC 8446 §6", "look at the machine's console"),
    (
        "tls.server-speaks-http",
        Network,
        "RFC 9110 §4.2.2",
        "let the server speak TLS on this port, or write http into the URL",
    ),
    ("http.redirect-not-followed", Client, "RFC 9110 §15.4", "put the final URL into DHCP"),
    ("http.error-status", Network, "RFC 9110 §15.5", "let the server answer this request with 200"),
    (
        "http.target-not-found",
        Both,
        "RFC 9112 §3.2.1",
        "compare the target with the URL: it was rewritten on the way",
    ),
    ("http.head-refused", Network, "RFC 9110 §9.1", "let the server answer HEAD"),
    ("http.no-answer", Network, "RFC 9110 §3.3", "look at the web server's log"),
    ("http.connection-closed", Network, "RFC 9112 §9.6", "look at the web server's log"),
    (
        "tftp.refused",
        Network,
        "RFC 1350 §5",
        "put the file where the server looks for it, with the name that DHCP gives",
    ),
    (
        "tftp.incomplete",
        Client,
        "RFC 1350 §4",
        "look whether the server's blocks arrive, and the client's acknowledgements",
    ),
    ("http.interrupted", Network, "RFC 9112 §8", "find out what ends the connection, or stalls it"),
    ("http.length-missing", Client, "RFC 9112 §6.3", "send Content-Length"),
    (
        "http.media-type-unknown",
        Network,
        "UEFI 2.11 §24.7.7",
        "send application/efi, or end the URL's path in .efi",
    ),
    (
        "http.body-incomplete",
        Network,
        "RFC 9112 §8",
        "look for what ended the transfer: the server, a proxy, a lossy link",
    ),
    (
        "http.stopped-after-head",
        Client,
        "RFC 9110 §9.3.2",
        "compare the head with one after which the client goes on",
    ),
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_row_is_about_a_cause() {
        for (at, (id, ..)) in super::TABLE.iter().enumerate() {
            assert!(crate::CAUSES.iter().any(|cause| cause.id == *id), "{id}");
            assert!(super::TABLE[..at].iter().all(|(other, ..)| other != id), "{id} twice");
        }
        assert_eq!(super::blame("arp.unanswered").map(|it| it.side), Some(super::Side::Network));
        assert_eq!(super::blame("link.frames-lost"), None);
    }
}
