//! Names of the numbers in a ClientHello, from the IANA registry "Transport Layer Security (TLS) Parameters" and
//! "TLS ExtensionType Values".

use tls_parser::{TlsCipherKx, TlsCipherSuite};

const GROUPS: &[(u16, &str)] = &[
    (19, "secp192r1"),
    (21, "secp224r1"),
    (22, "secp256k1"),
    (23, "secp256r1"),
    (24, "secp384r1"),
    (25, "secp521r1"),
    (26, "brainpoolP256r1"),
    (27, "brainpoolP384r1"),
    (28, "brainpoolP512r1"),
    (29, "x25519"),
    (30, "x448"),
    (31, "brainpoolP256r1tls13"),
    (32, "brainpoolP384r1tls13"),
    (33, "brainpoolP512r1tls13"),
    (41, "curveSM2"),
    (256, "ffdhe2048"),
    (257, "ffdhe3072"),
    (258, "ffdhe4096"),
    (259, "ffdhe6144"),
    (260, "ffdhe8192"),
    (512, "MLKEM512"),
    (513, "MLKEM768"),
    (514, "MLKEM1024"),
    (4587, "SecP256r1MLKEM768"),
    (4588, "X25519MLKEM768"),
    (4589, "SecP384r1MLKEM1024"),
    (0xff01, "arbitrary_explicit_prime_curves"),
    (0xff02, "arbitrary_explicit_char2_curves"),
];

/// RFC 8446 §4.2.3, and below it the pairs of hash and signature of RFC 5246 §7.4.1.4.1 in the same manner.
const SIGNATURE_ALGORITHMS: &[(u16, &str)] = &[
    (0x0101, "rsa_pkcs1_md5"),
    (0x0201, "rsa_pkcs1_sha1"),
    (0x0202, "dsa_sha1"),
    (0x0203, "ecdsa_sha1"),
    (0x0301, "rsa_pkcs1_sha224"),
    (0x0302, "dsa_sha224"),
    (0x0303, "ecdsa_sha224"),
    (0x0401, "rsa_pkcs1_sha256"),
    (0x0402, "dsa_sha256"),
    (0x0403, "ecdsa_secp256r1_sha256"),
    (0x0501, "rsa_pkcs1_sha384"),
    (0x0502, "dsa_sha384"),
    (0x0503, "ecdsa_secp384r1_sha384"),
    (0x0601, "rsa_pkcs1_sha512"),
    (0x0602, "dsa_sha512"),
    (0x0603, "ecdsa_secp521r1_sha512"),
    (0x0708, "sm2sig_sm3"),
    (0x0804, "rsa_pss_rsae_sha256"),
    (0x0805, "rsa_pss_rsae_sha384"),
    (0x0806, "rsa_pss_rsae_sha512"),
    (0x0807, "ed25519"),
    (0x0808, "ed448"),
    (0x0809, "rsa_pss_pss_sha256"),
    (0x080a, "rsa_pss_pss_sha384"),
    (0x080b, "rsa_pss_pss_sha512"),
    (0x081a, "ecdsa_brainpoolP256r1tls13_sha256"),
    (0x081b, "ecdsa_brainpoolP384r1tls13_sha384"),
    (0x081c, "ecdsa_brainpoolP512r1tls13_sha512"),
    (0x0904, "mldsa44"),
    (0x0905, "mldsa65"),
    (0x0906, "mldsa87"),
];

const EXTENSIONS: &[(u16, &str)] = &[
    (0, "server_name"),
    (1, "max_fragment_length"),
    (5, "status_request"),
    (10, "supported_groups"),
    (11, "ec_point_formats"),
    (13, "signature_algorithms"),
    (14, "use_srtp"),
    (15, "heartbeat"),
    (16, "application_layer_protocol_negotiation"),
    (17, "status_request_v2"),
    (18, "signed_certificate_timestamp"),
    (21, "padding"),
    (22, "encrypt_then_mac"),
    (23, "extended_master_secret"),
    (27, "compress_certificate"),
    (28, "record_size_limit"),
    (35, "session_ticket"),
    (41, "pre_shared_key"),
    (42, "early_data"),
    (43, "supported_versions"),
    (44, "cookie"),
    (45, "psk_key_exchange_modes"),
    (47, "certificate_authorities"),
    (48, "oid_filters"),
    (49, "post_handshake_auth"),
    (50, "signature_algorithms_cert"),
    (51, "key_share"),
    (57, "quic_transport_parameters"),
    (0xfe0d, "encrypted_client_hello"),
    (0xff01, "renegotiation_info"),
];

/// Whether the number is one of those that a client may sprinkle in to keep servers tolerant (RFC 8701 §2).
pub(super) fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

fn named(number: u16, name: Option<&str>) -> String {
    match name {
        Some(name) => name.into(),
        None if is_grease(number) => "GREASE".into(),
        None => format!("{number:#06x}"),
    }
}

fn find(table: &[(u16, &'static str)], number: u16) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == number).map(|(_, name)| *name)
}

pub(super) fn group(number: u16) -> String {
    named(number, find(GROUPS, number))
}

pub(super) fn signature_algorithm(number: u16) -> String {
    named(number, find(SIGNATURE_ALGORITHMS, number))
}

/// Whether a signature algorithm has this name.
pub(super) fn is_signature_algorithm(name: &str) -> bool {
    SIGNATURE_ALGORITHMS.iter().any(|(_, known)| *known == name)
}

pub(super) fn extension(number: u16) -> String {
    named(number, find(EXTENSIONS, number))
}

/// A protocol version by its number on the wire (RFC 8446 §4.1.2).
pub fn version(number: u16) -> String {
    let name = match number {
        0x0002 => Some("SSL 2.0"),
        0x0300 => Some("SSL 3.0"),
        0x0301 => Some("TLS 1.0"),
        0x0302 => Some("TLS 1.1"),
        0x0303 => Some("TLS 1.2"),
        0x0304 => Some("TLS 1.3"),
        _ => None,
    };
    named(number, name)
}

/// A cipher suite by its number on the wire (RFC 8446 §B.4).
pub fn suite(number: u16) -> String {
    let name = match number {
        // Signalling values, which the table of suites does not have (RFC 5746 §3.3, RFC 7507 §2).
        0x00ff => Some("TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
        0x5600 => Some("TLS_FALLBACK_SCSV"),
        _ => TlsCipherSuite::from_id(number).map(|suite| suite.name),
    };
    named(number, name)
}

/// The number of a suite, if the registry has one of this name.
pub(crate) fn suite_number(name: &str) -> Option<u16> {
    TlsCipherSuite::from_name(name).map(|suite| *suite.id)
}

/// Whether a suite is one of TLS 1.3; `None` if the registry has no such name.
pub(super) fn suite_is_of_tls13(name: &str) -> Option<bool> {
    TlsCipherSuite::from_name(name).map(|suite| matches!(suite.kx, TlsCipherKx::Tls13))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_names_of_the_registry() {
        assert_eq!(suite(0xc02f), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        assert_eq!(suite(0x1301), "TLS_AES_128_GCM_SHA256");
        assert_eq!(suite(0x00ff), "TLS_EMPTY_RENEGOTIATION_INFO_SCSV");
        assert_eq!((group(23), group(0x1a1a)), ("secp256r1".into(), "GREASE".into()));
        assert_eq!(
            (signature_algorithm(0x0804), version(0x0304)),
            ("rsa_pss_rsae_sha256".into(), "TLS 1.3".into())
        );
        assert_eq!(extension(0x1a2a), "0x1a2a", "both bytes of GREASE are the same");
        assert_eq!(suite_is_of_tls13("TLS_AES_256_GCM_SHA384"), Some(true));
        assert_eq!(suite_is_of_tls13("TLS_RSA_WITH_AES_128_CBC_SHA"), Some(false));
        assert_eq!(suite_is_of_tls13("AES128-SHA"), None);
    }
}
