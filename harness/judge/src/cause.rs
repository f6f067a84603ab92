//! Every cause that a finding can name. Identifiers are stable: waivers, baselines and scenarios quote them.

/// Why a boot did not happen.
#[derive(Debug, PartialEq, Eq)]
pub struct Cause {
    /// Stable identifier, `area.words`.
    pub id: &'static str,
    /// What it means, in one sentence for a network engineer.
    pub meaning: &'static str,
}

/// Declares each cause once: as a constant for the judge and as a row of [`CAUSES`] for everybody else.
macro_rules! causes {
    ($($name:ident = $id:literal, $meaning:literal;)+) => {
        $(#[doc = $meaning] pub(crate) const $name: Cause = Cause { id: $id, meaning: $meaning };)+
        /// Every cause, by area.
        pub const CAUSES: &[Cause] = &[$($name),+];
    };
}

causes! {
    LINK_NO_BOOT_OPTION = "link.no-boot-option", "The firmware sent no frame and says that there is nothing to boot: it made no network boot option, for want of a driver for the card, say, or of random numbers (EDK2 since 2024.05).";
    LINK_NO_FRAME = "link.no-frame", "The firmware sent no frame.";
    LINK_FRAMES_LOST = "link.frames-lost", "The link lost what the firmware sent, so nobody answered.";
    LINK_NO_DHCP = "link.no-dhcp", "The firmware sent frames, but never asked for an address.";

    DHCP4_NO_ANSWER = "dhcp4.no-answer", "The network has no DHCPv4 server, so DISCOVER stayed without an answer.";
    DHCP4_OFFER_NOT_HTTP = "dhcp4.offer-not-http", "The offer does not identify an HTTP boot server (option 60 does not start with HTTPClient), and was not taken.";
    DHCP4_OFFER_WITHOUT_BOOTFILE = "dhcp4.offer-without-bootfile", "The offer names no boot file, and was not taken.";
    DHCP4_BOOTFILE_NOT_HTTP = "dhcp4.bootfile-not-http", "The boot file that the DHCPv4 server names is not an http or https URL, and was not used.";
    DHCP4_OFFER_WITHOUT_ADDRESS = "dhcp4.offer-without-address", "The offer carries no address, and was not taken.";
    DHCP4_OFFER_NOT_TAKEN = "dhcp4.offer-not-taken", "A complete HTTP boot offer was sent, but no REQUEST followed.";
    DHCP4_NAK = "dhcp4.nak", "The REQUEST was answered with NAK, and the firmware did not start over.";
    DHCP4_REQUEST_UNANSWERED = "dhcp4.request-unanswered", "The REQUEST stayed without an answer.";
    DHCP4_DECLINED = "dhcp4.declined", "The firmware declined the acknowledged lease.";
    DHCP4_PORT_4011_UNANSWERED = "dhcp4.port-4011-unanswered", "The firmware asked the PXE server for the boot file on its port 4011, and got no answer (PXE 2.1 §2.2.3).";
    DHCP4_LEASE_NOT_USED = "dhcp4.lease-not-used", "The lease was acknowledged, but no connection to the boot server was tried.";

    ARP_UNANSWERED = "arp.unanswered", "The firmware has an address, but nobody answered when it asked for the link-layer address of its next hop (RFC 826).";

    ND_ADDRESS_TENTATIVE = "nd.address-tentative", "The firmware gave up while its own link-local address was still tentative (duplicate address detection, RFC 4862 §5.4), before it asked a router or a DHCPv6 server.";
    ND_ADDRESS_TAKEN = "nd.address-taken", "Another host has the address that the firmware wanted (duplicate address detection, RFC 4862 §5.4).";
    ND_UNANSWERED = "nd.unanswered", "The firmware has an address, but nobody answered when it asked for the link-layer address of its next hop (RFC 4861 §7.2).";
    ND_NOT_ON_LINK = "nd.not-on-link", "The firmware looked on the link for a host that is not there, instead of using a router (RFC 5942 §4).";

    RA_NO_ADVERTISEMENT = "ra.no-advertisement", "The firmware asked for routers, none advertised itself in a valid way, and it did nothing else for an address (RFC 4861 §6.3.7).";
    RA_NO_DEFAULT_ROUTER = "ra.no-default-router", "The server is off-link and there is no default router: no router advertisement with a lifetime (RFC 4861 §6.3.4).";
    RA_NOT_FORWARDED = "ra.not-forwarded", "The firmware's packets went to a router that did not forward them.";

    DHCP6_NOT_ASKED = "dhcp6.not-asked", "The firmware configured its interface, but never asked a DHCPv6 server for a boot.";
    DHCP6_NO_SERVER = "dhcp6.no-server", "The firmware solicited stateful DHCPv6, and there is no DHCPv6 server on the link.";
    DHCP6_SERVER_STATELESS = "dhcp6.server-stateless", "The firmware solicited stateful DHCPv6, the server is stateless, and nobody assigned an address (RFC 8415 §6.1).";
    DHCP6_NO_ANSWER = "dhcp6.no-answer", "The firmware solicited an address and a boot file from DHCPv6 servers, and got no answer.";
    DHCP6_NO_ADDRESS = "dhcp6.no-address", "The DHCPv6 server advertised no address (RFC 8415 §18.2.9), and was not taken.";
    DHCP6_NOT_IDENTIFIED = "dhcp6.not-identified", "The DHCPv6 answer lacks the client's or the server's identifier, for which a client drops it (RFC 8415 §16.3, §16.10).";
    DHCP6_TIMES_INVALID = "dhcp6.times-invalid", "The times of the advertised address contradict each other (T1 after T2, or preferred longer than valid), for which a client drops it (RFC 8415 §21.4, §21.6).";
    DHCP6_RAPID_COMMIT = "dhcp6.rapid-commit", "The DHCPv6 server answered SOLICIT with REPLY (rapid commit, RFC 8415 §18.2.1), and the firmware did not take it.";
    DHCP6_OFFER_NOT_HTTP = "dhcp6.offer-not-http", "The DHCPv6 server does not identify itself as one for HTTP boot (option 16 does not start with HTTPClient), and was not taken.";
    DHCP6_OFFER_WITHOUT_BOOTFILE = "dhcp6.offer-without-bootfile", "The DHCPv6 server names no boot file (option 59, RFC 5970 §3.1), and was not taken.";
    DHCP6_BOOTFILE_NOT_HTTP = "dhcp6.bootfile-not-http", "The boot file that the DHCPv6 server names is not an http or https URL, and the server was not taken.";
    DHCP6_OFFER_NOT_TAKEN = "dhcp6.offer-not-taken", "A complete HTTP boot offer was advertised by DHCPv6, but no REQUEST followed.";
    DHCP6_REQUEST_UNANSWERED = "dhcp6.request-unanswered", "The DHCPv6 REQUEST stayed without an answer.";
    DHCP6_REQUEST_REFUSED = "dhcp6.request-refused", "The DHCPv6 server refused the REQUEST, and no other try brought a lease.";
    DHCP6_DECLINED = "dhcp6.declined", "The firmware declined the address that DHCPv6 assigned.";
    DHCP6_LEASE_NOT_USED = "dhcp6.lease-not-used", "The lease was given by DHCPv6, but no connection to the boot server was tried.";

    DNS_NO_SERVER = "dns.no-server", "The boot file's URL has a name, and DHCP named no DNS server.";
    DNS_NOT_ASKED = "dns.not-asked", "The boot file's URL has a name, and the firmware asked no DNS server for it.";
    DNS_NO_ANSWER = "dns.no-answer", "The name in the boot file's URL was asked for, and the DNS server did not answer.";
    DNS_OTHER_SERVER_NOT_ASKED = "dns.other-server-not-asked", "The DNS server that the firmware asked did not answer, and it did not ask the other one that DHCP named (RFC 1035 §7.2).";
    DNS_NO_SUCH_NAME = "dns.no-such-name", "The DNS server says that there is no such name (NXDOMAIN).";
    DNS_ERROR = "dns.error", "The DNS server answered with an error.";
    DNS_NO_RECORD = "dns.no-record", "The DNS server knows the name, but has no such record of it.";
    DNS_TRUNCATED = "dns.truncated", "The DNS answer was truncated, and the firmware did not get the whole one over TCP (RFC 7766 §5).";
    DNS_ANSWER_MISMATCHED = "dns.answer-mismatched", "The DNS answer does not match the query, for which a client drops it (RFC 5452 §9.1).";
    DNS_ANSWER_LATE = "dns.answer-late", "The DNS server took its time, and the firmware did not wait for the answer (RFC 1123 §6.1.3.3).";
    DNS_ALIAS_NOT_FOLLOWED = "dns.alias-not-followed", "The DNS answer has a canonical name and no address, and the firmware did not ask for that name (RFC 1034 §5.3.3).";
    DNS_ANSWER_NOT_USED = "dns.answer-not-used", "The DNS server answered, but no connection was tried.";

    TCP_PORT_CLOSED = "tcp.port-closed", "The firmware connected to a port on which nothing listens.";
    TCP_HANDSHAKE_INCOMPLETE = "tcp.handshake-incomplete", "The TCP handshake was not completed.";
    TCP_PACKET_TOO_BIG = "tcp.packet-too-big", "A router said that a packet of the client is larger than the path takes, and no smaller one brought the request.";
    TCP_NO_REQUEST = "tcp.no-request", "The connection was made, but no HTTP request was sent on it.";

    TLS_NO_HELLO = "tls.no-hello", "A connection was made to the TLS server, but no ClientHello was sent on it.";
    TLS_NOT_TLS = "tls.not-tls", "What the firmware sent to the TLS server is not TLS.";
    TLS_SERVER_SPEAKS_HTTP = "tls.server-speaks-http", "The firmware began a TLS handshake with a server that speaks plain HTTP.";
    TLS_NO_SHARED_VERSION = "tls.no-shared-version", "The firmware offers no version of TLS that the server agrees to.";
    TLS_NO_SHARED_CIPHER = "tls.no-shared-cipher", "The firmware offers no cipher suite that the server and its key can serve.";
    TLS_NO_SHARED_GROUP = "tls.no-shared-group", "The firmware offers no group for the key exchange that the server agrees to.";
    TLS_NO_SHARED_SIGNATURE_ALGORITHM = "tls.no-shared-signature-algorithm", "The firmware offers no signature algorithm that the server's key can serve.";
    TLS_NO_SHARED_PROTOCOL = "tls.no-shared-protocol", "The firmware offers application protocols (ALPN), and none that the server has.";
    TLS_NAME_REFUSED = "tls.name-refused", "The server refused the name that the firmware asked for (SNI).";
    TLS_NO_CLIENT_CERTIFICATE = "tls.no-client-certificate", "The server requires a certificate of its client, and the firmware presented none.";
    TLS_CLIENT_ALERT = "tls.client-alert", "The firmware ended the TLS handshake with a fatal alert.";
    TLS_CLIENT_CLOSED_AFTER_CERTIFICATE = "tls.client-closed-after-certificate", "The firmware ended the connection without a word of what was wrong once it had the server's certificate.";
    TLS_CLIENT_CLOSED = "tls.client-closed", "The firmware ended the connection without an alert in the TLS handshake, before it had a certificate.";
    TLS_SERVER_STALLED = "tls.server-stalled", "The server went silent in the TLS handshake, as the scenario says.";
    TLS_SERVER_CLOSED = "tls.server-closed", "The server ended the connection in the TLS handshake, as the scenario says.";
    TLS_HANDSHAKE_FAILED = "tls.handshake-failed", "The server could not go on with what the firmware sent in the TLS handshake.";
    TLS_HANDSHAKE_INCOMPLETE = "tls.handshake-incomplete", "The TLS handshake was not completed, and neither side ended it.";
    TLS_NO_REQUEST = "tls.no-request", "The TLS handshake was completed, but no HTTP request was sent.";
    TLS_RENEGOTIATION = "tls.renegotiation", "The server asked for another TLS handshake, and the firmware did not go along.";

    TFTP_REFUSED = "tftp.refused", "The TFTP server answered the request for the boot file with an error (RFC 1350 §5).";
    TFTP_INCOMPLETE = "tftp.incomplete", "The boot file was asked for by TFTP, and did not arrive whole.";

    HTTP_REQUEST_MALFORMED = "http.request-malformed", "What the firmware sent is not an HTTP/1 request.";

    HTTP_TARGET_NOT_FOUND = "http.target-not-found", "The firmware asked for another target than the offered URL names, and got 404.";
    HTTP_REDIRECT_NOT_FOLLOWED = "http.redirect-not-followed", "The server redirected, and the firmware did not follow.";
    HTTP_ERROR_STATUS = "http.error-status", "The server answered with an error status.";
    HTTP_HEAD_REFUSED = "http.head-refused", "The server refused HEAD, and the firmware did not get the image with GET instead.";
    HTTP_NO_ANSWER = "http.no-answer", "A request stayed without an answer.";
    HTTP_CONNECTION_CLOSED = "http.connection-closed", "The server closed the connection after an answer, and the firmware did not open another.";
    HTTP_LENGTH_MISSING = "http.length-missing", "The answer carries no Content-Length, and the firmware stopped.";
    HTTP_MEDIA_TYPE_UNKNOWN = "http.media-type-unknown", "The media type selects no image handler of this firmware, and the URL's suffix did not help.";
    HTTP_INTERRUPTED = "http.interrupted", "The server broke off a response with the image, and the firmware did not get the rest.";
    HTTP_BODY_INCOMPLETE = "http.body-incomplete", "The firmware did not receive the whole image.";
    HTTP_STOPPED_AFTER_HEAD = "http.stopped-after-head", "HEAD was answered well, but the firmware did not send GET.";

    IMAGE_CHAIN_STOPPED = "image.chain-stopped", "The last file that was asked for comes before the image, and what was in it did not ask for the next one.";
    IMAGE_NOT_STARTED = "image.not-started", "The whole image was delivered, but the firmware did not start it.";
    IMAGE_DENIED = "image.denied", "The whole image was delivered, and the firmware says that it is not allowed to start it.";
    IMAGE_NO_PROOF = "image.no-proof", "The firmware says that it started an image, but this cell's image never announced itself.";
    IMAGE_PROOF_FORGED = "image.proof-forged", "Something announced itself as the payload, but not with this cell's proof.";

    FIRMWARE_EXCEPTION = "firmware.exception", "The firmware reports its own crash on the console.";
    FIRMWARE_RESET = "firmware.reset", "The machine was reset or powered off during the boot.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn identifiers_are_unique_and_well_formed() {
        let mut seen = HashSet::new();
        for cause in CAUSES {
            assert!(seen.insert(cause.id), "{} twice", cause.id);
            let (area, words) = cause.id.split_once('.').expect("area.words");
            for part in [area, words] {
                assert!(
                    !part.is_empty()
                        && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                    "{}",
                    cause.id
                );
            }
            assert!(cause.meaning.ends_with('.'), "{}", cause.id);
        }
    }
}
