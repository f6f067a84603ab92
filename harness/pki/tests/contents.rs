//! What is in the certificates, as the `openssl` program reads them.

mod support;

use openssl::{pkey::PKey, x509::X509};
use pki::settings::*;
use std::collections::HashSet;
use support::*;

/// Every key, in every place of the chain: of its size, accepted, and the server has the leaf's own.
/// Where in a chain a key is.
#[derive(Clone, Copy)]
enum Place {
    Leaf,
    Intermediate,
    Anchor,
}

#[test]
fn every_key_serves_in_every_place() {
    if !has_openssl() {
        return;
    }
    let keys = [
        (Key::Rsa1024, "rsaEncryption", "1024 bit"),
        (Key::Rsa2048, "rsaEncryption", "2048 bit"),
        (Key::Rsa3072, "rsaEncryption", "3072 bit"),
        (Key::Rsa4096, "rsaEncryption", "4096 bit"),
        (Key::Rsa8192, "rsaEncryption", "8192 bit"),
        (Key::RsaPss2048, "rsassaPss", "2048 bit"),
        (Key::RsaPss3072, "rsassaPss", "3072 bit"),
        (Key::RsaPss4096, "rsassaPss", "4096 bit"),
        (Key::P192, "id-ecPublicKey", "prime192v1"),
        (Key::P224, "id-ecPublicKey", "secp224r1"),
        (Key::P256, "id-ecPublicKey", "prime256v1"),
        (Key::P384, "id-ecPublicKey", "secp384r1"),
        (Key::P521, "id-ecPublicKey", "secp521r1"),
        (Key::Secp256k1, "id-ecPublicKey", "secp256k1"),
        (Key::Ed25519, "ED25519", "ED25519 Public-Key:"),
        (Key::Ed448, "ED448", "ED448 Public-Key:"),
    ];
    let check = |key, algorithm: &str, size: &str, place: Place| {
        let identity = minted(|settings| match place {
            Place::Leaf => settings.leaf.key = key,
            Place::Intermediate => settings.intermediate.key = key,
            Place::Anchor => settings.anchor.key = key,
        });
        let with_key = match place {
            Place::Leaf => &identity.chain[0],
            Place::Intermediate => &identity.chain[1],
            Place::Anchor => &identity.anchors[0],
        };
        assert_eq!(verify(&identity, &["-auth_level", "0", "-verify_ip", "192.0.2.1"]), [], "{key:?}");
        let text = shown(with_key, &["-text"]);
        assert!(text.contains(&format!("Public Key Algorithm: {algorithm}")), "{key:?}: {text}");
        assert!(text.contains(size), "{key:?}: {text}");
        let leaf = X509::from_der(&identity.chain[0]).unwrap();
        let private = PKey::private_key_from_pkcs8(&identity.key).unwrap();
        assert!(leaf.public_key().unwrap().public_eq(&private), "{key:?}");
    };
    // Side by side: an RSA-8192 key takes half a minute to make.
    std::thread::scope(|scope| {
        for (key, algorithm, size) in keys {
            for place in [Place::Leaf, Place::Intermediate, Place::Anchor] {
                scope.spawn(move || check(key, algorithm, size, place));
            }
        }
    });
}

#[test]
fn every_signature_is_what_it_says() {
    if !has_openssl() {
        return;
    }
    use Signature::*;
    let (rsa, pss, ec) = (Key::Rsa2048, Key::RsaPss2048, Key::P521);
    for (signer, signature, name) in [
        (rsa, Md5, "md5WithRSAEncryption"),
        (rsa, Sha1, "sha1WithRSAEncryption"),
        (rsa, Sha224, "sha224WithRSAEncryption"),
        (rsa, Sha256, "sha256WithRSAEncryption"),
        (rsa, Sha384, "sha384WithRSAEncryption"),
        (rsa, Sha512, "sha512WithRSAEncryption"),
        (rsa, PssSha1, "Hash Algorithm: sha1 (default)"),
        (rsa, PssSha256, "Hash Algorithm: sha256"),
        (rsa, PssSha384, "Hash Algorithm: sha384"),
        (rsa, PssSha512, "Hash Algorithm: sha512"),
        (pss, Sha224, "Hash Algorithm: sha224"),
        (pss, Sha512, "Salt Length: 0x40"),
        (ec, Sha1, "ecdsa-with-SHA1"),
        (ec, Sha224, "ecdsa-with-SHA224"),
        (ec, Sha256, "ecdsa-with-SHA256"),
        (ec, Sha384, "ecdsa-with-SHA384"),
        (ec, Sha512, "ecdsa-with-SHA512"),
        (Key::Ed25519, Sha256, "Signature Algorithm: ED25519"),
        (Key::Ed448, Sha256, "Signature Algorithm: ED448"),
    ] {
        let identity = minted(|settings| {
            settings.intermediate.key = signer;
            settings.leaf.signature = signature;
        });
        let text = shown(&identity.chain[0], &["-text"]);
        // Once in what is signed and once beside the signature (RFC 5280 §4.1.1.2).
        assert_eq!(text.matches(name).count(), 2, "{signer:?} {signature:?}: {text}");
        assert_eq!(verify(&identity, &["-auth_level", "0"]), [], "{signer:?} {signature:?}");
    }
}

/// The text of a certificate without what its key decides.
fn text(certificate: &[u8]) -> String {
    shown(certificate, &["-text", "-certopt", "no_pubkey,no_sigdump,no_serial", "-nameopt", "oneline"])
}

fn with_filters(check: impl FnOnce()) {
    insta::with_settings!({ filters => vec![
        (r"(?:[0-9A-F]{2}:){19}[0-9A-F]{2}", "[key identifier]"),
        (r"\b[0-9a-f]{12}\b", "[digest]"),
        (r"(?m) +$", ""),
    ] }, { check() });
}

#[test]
fn the_default_chain_reads_well() {
    if !has_openssl() {
        return;
    }
    let identity = minted(|_| ());
    let texts: Vec<_> = identity.chain.iter().chain(&identity.anchors).map(|der| text(der)).collect();
    with_filters(|| insta::assert_snapshot!(texts.join("\n")));
}

#[test]
fn a_leaf_has_whatever_it_is_told_to_have() {
    if !has_openssl() {
        return;
    }
    let identity = minted(|settings| {
        let leaf = &mut settings.leaf;
        leaf.names =
            ["{name}", "*.{name}", "{server4}", "2001:db8::1", "uri:https://{name}/", "email:root@{name}"]
                .map(Into::into)
                .into();
        leaf.common_name = Some("{name}".into());
        leaf.extended_key_usage = ExtendedKeyUsage::ServerAndClient;
        leaf.unknown_extension = UnknownExtension::Critical;
        leaf.padding_bytes = 30;
        leaf.must_staple = true;
        leaf.crl_url = Some("http://{server4}/crl".into());
        leaf.ocsp_url = Some("http://{server4}/ocsp".into());
        leaf.issuer_url = Some("http://{server4}/issuer".into());
        leaf.valid_until_days = 36_525;
        settings.intermediate.name_constraints = NameConstraints::PermitOther;
        settings.intermediate.path_length = Some(3);
    });
    let texts: Vec<_> = identity.chain.iter().map(|der| text(der)).collect();
    with_filters(|| insta::assert_snapshot!(texts.join("\n")));
}

#[test]
fn odd_versions_and_serial_numbers_are_written() {
    if !has_openssl() {
        return;
    }
    let v1 = minted(|settings| settings.leaf.version = Version::V1);
    let shown_v1 = text(&v1.chain[0]);
    assert!(shown_v1.contains("Version: 1 (0x0)") && !shown_v1.contains("extensions"), "{shown_v1}");
    let serial = |serial| shown(&minted(|settings| settings.leaf.serial = serial).chain[0], &["-serial"]);
    assert_eq!(serial(Serial::Zero), "serial=00\n");
    assert!(serial(Serial::Negative).starts_with("serial=-"));
    // The first octet is neither zero nor looks negative, so that there are just as many as asked for.
    let bits = |serial, days| {
        let identity = minted(|settings| {
            settings.leaf.serial = serial;
            settings.leaf.valid_until_days = days;
        });
        X509::from_der(&identity.chain[0]).unwrap().serial_number().to_bn().unwrap().num_bits()
    };
    for days in 90..100 {
        let found = [Serial::Ordinary, Serial::Longest, Serial::TooLong].map(|serial| bits(serial, days));
        assert_eq!(found, [16 * 8 - 1, 20 * 8 - 1, 24 * 8 - 1]);
    }
}

#[test]
fn certificates_are_sent_in_the_order_that_is_set() {
    if !has_openssl() {
        return;
    }
    let sent = |change: fn(&mut Settings)| {
        let identity = minted(|settings| {
            settings.intermediates = 3;
            change(settings);
        });
        identity.chain.iter().map(|der| title(der)).collect::<Vec<_>>()
    };
    let [first, second, third] = ["intermediate 1", "intermediate 2", "intermediate 3"];
    assert_eq!(sent(|_| ()), ["leaf", third, second, first]);
    assert_eq!(sent(|s| s.sends_anchor = true), ["leaf", third, second, first, "anchor"]);
    assert_eq!(sent(|s| s.order = Order::OthersReversed), ["leaf", first, second, third]);
    assert_eq!(sent(|s| s.missing = Missing::LowestIntermediate), ["leaf", second, first]);
    assert_eq!(sent(|s| s.missing = Missing::HighestIntermediate), ["leaf", third, second]);
    assert_eq!(sent(|s| s.missing = Missing::Intermediates), ["leaf"]);
    assert_eq!(sent(|s| s.extra = Extra::Leaf), ["leaf", third, second, first, "leaf"]);
    assert_eq!(sent(|s| s.extra = Extra::ExpiredStranger), ["leaf", third, second, first, "stranger"]);
    assert_eq!(sent(|s| s.cross_signed = CrossSigned::ByExpired), ["leaf", third, second, first, "anchor"]);
    assert_eq!(sent(|s| s.leaf.issuer = Issuer::Itself), ["leaf"]);
}

#[test]
fn sizes_are_those_that_are_set() {
    let size = |change: fn(&mut Settings)| minted(change).chain.iter().map(Vec::len).sum::<usize>();
    let plain = size(|_| ());
    assert!((1500..2500).contains(&plain), "{plain}");
    let large = size(|s| s.leaf.padding_bytes = 100 << 10);
    assert!((100 << 10..(100 << 10) + 64).contains(&(large - plain)), "{large}");
    assert!(size(|s| s.intermediates = 100) > 80_000);
}

/// Every certificate says what it is, and authorities that differ in anything have different names.
#[test]
fn everything_says_that_it_is_a_test() {
    let changes: &[fn(&mut Settings)] = &[
        |_| (),
        |s| s.enrolled = Enrolled::Nothing,
        |s| s.anchor.valid_until_days = -1,
        |s| s.anchor.signature = Signature::Sha1,
        |s| s.anchor.key = Key::P256,
        |s| s.anchor.name_constraints = NameConstraints::PermitLeaf,
        |s| s.cross_signed = CrossSigned::ByEnrolled,
    ];
    let mut anchors = HashSet::new();
    for change in changes {
        let identity = minted(|settings| {
            settings.sends_anchor = true;
            change(settings);
        });
        for der in identity.chain.iter().chain(&identity.anchors) {
            let subject = X509::from_der(der).unwrap().subject_name().to_der().unwrap();
            assert!(subject.windows(26).any(|part| part == b"plugfest test certificates"));
        }
        let anchor = X509::from_der(&identity.chain[2]).unwrap();
        assert!(anchors.insert(anchor.subject_name().to_der().unwrap()), "two anchors with one name");
    }
    // The leaf's settings do not reach the anchor: cells share it.
    let other = minted(|settings| settings.leaf.key = Key::Rsa1024);
    assert_eq!(other.anchors, minted(|_| ()).anchors);
}
