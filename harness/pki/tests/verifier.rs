//! The chains, judged by a verifier that is none of ours: right ones are accepted, and each wrong one is refused for just
//! what is wrong with it, and accepted without that.

mod support;

use pki::settings::*;
use support::{errors::*, *};

#[test]
fn the_default_chain_is_accepted_even_by_the_strict() {
    if !has_openssl() {
        return;
    }
    let identity = minted(|_| ());
    assert_eq!(identity.chain.len(), 2);
    assert_eq!(verify(&identity, &["-x509_strict", "-auth_level", "2", "-verify_ip", "192.0.2.1"]), []);
    assert_eq!(verify(&identity, &["-verify_ip", "192.0.2.2"]), [(ADDRESS_MISMATCH, 0)]);
    assert_eq!(verify(&identity, &["-auth_level", "3"]), [(LEAF_KEY_WEAK, 0)], "RSA-2048 is weak at level 3");
}

#[test]
fn chains_of_other_shapes_are_accepted() {
    check(&[
        ("no intermediate", |s| s.intermediates = 0, &[]),
        ("seven intermediates", |s| s.intermediates = 7, &[]),
        ("the anchor is sent", |s| s.sends_anchor = true, &[]),
        ("an intermediate is enrolled", |s| (s.enrolled, s.intermediates) = (Enrolled::Intermediate, 2), &[]),
        ("the leaf is enrolled", |s| s.enrolled = Enrolled::Leaf, &[]),
        ("self-signed and enrolled", |s| (s.leaf.issuer, s.enrolled) = (Issuer::Itself, Enrolled::Leaf), &[]),
        ("others reversed", |s| (s.order, s.intermediates) = (Order::OthersReversed, 3), &[]),
        ("the leaf twice", |s| s.extra = Extra::Leaf, &[]),
        ("the intermediates twice", |s| s.extra = Extra::Intermediates, &[]),
        ("a stranger", |s| s.extra = Extra::Stranger, &[]),
        ("an expired stranger", |s| s.extra = Extra::ExpiredStranger, &[]),
        ("cross-signed by enrolled", |s| s.cross_signed = CrossSigned::ByEnrolled, &[]),
        ("cross-signed by unknown", |s| s.cross_signed = CrossSigned::ByUnknown, &[]),
        ("cross-signed by expired", |s| s.cross_signed = CrossSigned::ByExpired, &[]),
        ("a large leaf", |s| s.leaf.padding_bytes = 100 << 10, &[]),
        ("large intermediates", |s| (s.intermediate.padding_bytes, s.intermediates) = (30 << 10, 3), &[]),
        ("version 1 anchor", |s| s.anchor.version = Version::V1, &[]),
        ("version 1 leaf without names", |s| s.leaf.version = Version::V1, &[(ADDRESS_MISMATCH, 0)]),
        ("serial zero", |s| s.leaf.serial = Serial::Zero, &[]),
        ("negative serial", |s| s.leaf.serial = Serial::Negative, &[]),
        ("longest serial", |s| s.leaf.serial = Serial::Longest, &[]),
        ("serial too long", |s| s.intermediate.serial = Serial::TooLong, &[]),
        ("no key identifiers", |s| s.leaf.key_identifiers = KeyIdentifiers::Absent, &[]),
    ]);
}

#[test]
fn broken_chains_are_refused() {
    check(&[
        ("nothing enrolled", |s| s.enrolled = Enrolled::Nothing, &[(NO_ISSUER, 1)]),
        (
            "nothing enrolled, anchor sent",
            |s| (s.enrolled, s.sends_anchor) = (Enrolled::Nothing, true),
            &[(SELF_SIGNED_IN_CHAIN, 2)],
        ),
        ("self-signed", |s| s.leaf.issuer = Issuer::Itself, &[(SELF_SIGNED_LEAF, 0)]),
        ("the intermediate is missing", |s| s.missing = Missing::Intermediates, &[(NO_ISSUER, 0)]),
        (
            "the lowest intermediate is missing",
            |s| (s.missing, s.intermediates) = (Missing::LowestIntermediate, 3),
            &[(NO_ISSUER, 0)],
        ),
        (
            "the highest intermediate is missing",
            |s| (s.missing, s.intermediates) = (Missing::HighestIntermediate, 3),
            &[(NO_ISSUER, 2)],
        ),
        ("an impostor's signature", |s| s.leaf.issuer = Issuer::Impostor, &[(SIGNATURE_FAILURE, 0)]),
        (
            "an impostor's signature under the anchor",
            |s| (s.leaf.issuer, s.intermediates) = (Issuer::Impostor, 0),
            &[(SIGNATURE_FAILURE, 0)],
        ),
        (
            "another's key identifier",
            |s| s.leaf.key_identifiers = KeyIdentifiers::WrongIssuer,
            &[(NO_ISSUER, 0)],
        ),
    ]);
}

#[test]
fn validity_is_judged_at_the_guests_date() {
    check(&[
        ("from now until tomorrow", |s| (s.leaf.valid_from_days, s.leaf.valid_until_days) = (0, 1), &[]),
        // RFC 5280 §4.1.2.5 has the last second valid, OpenSSL has not. A guest's clock is past it anyway.
        ("until now", |s| s.leaf.valid_until_days = 0, &[(EXPIRED, 0)]),
        ("expired leaf", |s| (s.leaf.valid_from_days, s.leaf.valid_until_days) = (-91, -1), &[(EXPIRED, 0)]),
        ("future leaf", |s| s.leaf.valid_from_days = 1, &[(NOT_YET_VALID, 0)]),
        ("expired intermediate", |s| s.intermediate.valid_until_days = -1, &[(EXPIRED, 1)]),
        ("future intermediate", |s| s.intermediate.valid_from_days = 1, &[(NOT_YET_VALID, 1)]),
        ("expired anchor", |s| s.anchor.valid_until_days = -1, &[(EXPIRED, 2)]),
        ("future anchor", |s| s.anchor.valid_from_days = 1, &[(NOT_YET_VALID, 2)]),
        ("until 2126, a GeneralizedTime", |s| s.leaf.valid_until_days = 36_525, &[]),
        ("since 1951", |s| s.anchor.valid_from_days = -27_300, &[]),
        ("until the year 9999", |s| s.leaf.valid_until_days = 2_900_000, &[]),
    ]);
}

#[test]
fn what_an_authority_may_not_do_is_refused() {
    check(&[
        (
            "anchor not CA",
            |s| s.anchor.basic_constraints = BasicConstraints::NotCa,
            &[(NO_AUTHORITY, 2), (WRONG_PURPOSE, 2)],
        ),
        (
            "intermediate not CA",
            |s| s.intermediate.basic_constraints = BasicConstraints::NotCa,
            &[(NO_AUTHORITY, 1), (WRONG_PURPOSE, 1)],
        ),
        (
            "intermediate of version 1",
            |s| s.intermediate.version = Version::V1,
            &[(NO_AUTHORITY, 1), (WRONG_PURPOSE, 1)],
        ),
        (
            "intermediate silent about both",
            |s| {
                s.intermediate.basic_constraints = BasicConstraints::Absent;
                s.intermediate.key_usage = AuthorityKeyUsage::Absent;
            },
            &[(NO_AUTHORITY, 1), (WRONG_PURPOSE, 1)],
        ),
        (
            "anchor must not sign certificates",
            |s| s.anchor.key_usage = AuthorityKeyUsage::CrlSign,
            &[(NO_AUTHORITY, 2), (WRONG_PURPOSE, 2), (MUST_NOT_SIGN, 2)],
        ),
        (
            "intermediate must not sign certificates",
            |s| s.intermediate.key_usage = AuthorityKeyUsage::CrlSign,
            &[(NO_AUTHORITY, 1), (WRONG_PURPOSE, 1), (MUST_NOT_SIGN, 1)],
        ),
        ("key usage absent", |s| s.intermediate.key_usage = AuthorityKeyUsage::Absent, &[]),
        ("path length kept", |s| s.anchor.path_length = Some(1), &[]),
        ("path length of the anchor", |s| s.anchor.path_length = Some(0), &[(PATH_TOO_LONG, 2)]),
        (
            "path length of an intermediate",
            |s| (s.intermediate.path_length, s.intermediates) = (Some(0), 2),
            &[(PATH_TOO_LONG, 2)],
        ),
        (
            "intermediate for clients",
            |s| s.intermediate.extended_key_usage = ExtendedKeyUsage::Client,
            &[(WRONG_PURPOSE, 1)],
        ),
        ("intermediate for servers", |s| s.intermediate.extended_key_usage = ExtendedKeyUsage::Server, &[]),
        (
            "anchor with an unknown extension",
            |s| s.anchor.unknown_extension = UnknownExtension::Critical,
            &[(UNKNOWN_CRITICAL, 2)],
        ),
        (
            "intermediate with an unknown extension",
            |s| s.intermediate.unknown_extension = UnknownExtension::Critical,
            &[(UNKNOWN_CRITICAL, 1)],
        ),
        ("it may be ignored", |s| s.intermediate.unknown_extension = UnknownExtension::NonCritical, &[]),
    ]);
}

#[test]
fn what_a_leaf_is_not_for_is_refused() {
    check(&[
        ("for clients", |s| s.leaf.extended_key_usage = ExtendedKeyUsage::Client, &[(WRONG_PURPOSE, 0)]),
        ("for code", |s| s.leaf.extended_key_usage = ExtendedKeyUsage::CodeSigning, &[(WRONG_PURPOSE, 0)]),
        ("for anything", |s| s.leaf.extended_key_usage = ExtendedKeyUsage::Any, &[(WRONG_PURPOSE, 0)]),
        ("for servers and clients", |s| s.leaf.extended_key_usage = ExtendedKeyUsage::ServerAndClient, &[]),
        ("not said", |s| s.leaf.extended_key_usage = ExtendedKeyUsage::Absent, &[]),
        ("key for certificates", |s| s.leaf.key_usage = LeafKeyUsage::CertSign, &[(WRONG_PURPOSE, 0)]),
        ("key for signatures", |s| s.leaf.key_usage = LeafKeyUsage::DigitalSignature, &[]),
        ("key for encipherment", |s| s.leaf.key_usage = LeafKeyUsage::KeyEncipherment, &[]),
        ("key usage not said", |s| s.leaf.key_usage = LeafKeyUsage::Absent, &[]),
        (
            "an unknown extension",
            |s| s.leaf.unknown_extension = UnknownExtension::Critical,
            &[(UNKNOWN_CRITICAL, 0)],
        ),
        ("it may be ignored", |s| s.leaf.unknown_extension = UnknownExtension::NonCritical, &[]),
        ("says that it is an authority", |s| s.leaf.basic_constraints = BasicConstraints::Ca, &[]),
        ("must staple", |s| s.leaf.must_staple = true, &[]),
    ]);
}

#[test]
fn a_revoked_leaf_is_found_by_those_who_look() {
    if !has_openssl() {
        return;
    }
    for key in [Key::Rsa2048, Key::RsaPss2048, Key::P521, Key::Ed25519] {
        let identity = |revoked| {
            minted(|settings| {
                settings.intermediate.key = key;
                settings.leaf.revoked = revoked;
                settings.leaf.crl_url = Some("http://{server4}/crl".into());
            })
        };
        assert_eq!(verify(&identity(true), &["-crl_check"]), [(REVOKED, 0)], "{key:?}");
        assert_eq!(verify(&identity(true), &[]), [], "{key:?}");
        assert_eq!(verify(&identity(false), &["-crl_check"]), [], "{key:?}");
        let without = pki::Identity { crl: None, ..identity(false) };
        assert_eq!(verify(&without, &["-crl_check"]), [(NO_CRL, 0)], "{key:?}");
    }
}

/// What level 2 says about weak keys and hashes, and level 0 does not.
#[test]
fn weakness_is_found_where_it_is() {
    if !has_openssl() {
        return;
    }
    let cases: &[Case<'_>] = &[
        ("RSA-1024 leaf", |s| s.leaf.key = Key::Rsa1024, &[(LEAF_KEY_WEAK, 0)]),
        ("RSA-1024 intermediate", |s| s.intermediate.key = Key::Rsa1024, &[(AUTHORITY_KEY_WEAK, 1)]),
        ("RSA-1024 anchor", |s| s.anchor.key = Key::Rsa1024, &[(AUTHORITY_KEY_WEAK, 2)]),
        ("P-192 leaf", |s| s.leaf.key = Key::P192, &[(LEAF_KEY_WEAK, 0)]),
        ("P-224 leaf", |s| s.leaf.key = Key::P224, &[]),
        ("SHA-1 leaf", |s| s.leaf.signature = Signature::Sha1, &[(HASH_WEAK, 0)]),
        ("MD5 leaf", |s| s.leaf.signature = Signature::Md5, &[(HASH_WEAK, 0)]),
        ("PSS with SHA-1", |s| s.leaf.signature = Signature::PssSha1, &[(HASH_WEAK, 0)]),
        ("SHA-1 intermediate", |s| s.intermediate.signature = Signature::Sha1, &[(HASH_WEAK, 1)]),
        ("SHA-1 anchor, whose signature nobody needs", |s| s.anchor.signature = Signature::Sha1, &[]),
    ];
    for (what, change, expected) in cases {
        let identity = minted(change);
        assert_eq!(verify(&identity, &["-auth_level", "0"]), [], "{what}");
        assert_eq!(verify(&identity, &["-auth_level", "2"]), *expected, "{what}");
    }
}

/// The older anchor is the only way in the first case, a trap in the others.
#[test]
fn cross_signed_chains_have_the_paths_that_they_should() {
    if !has_openssl() {
        return;
    }
    let identity = |kind| minted(|settings| settings.cross_signed = kind);
    let only = |mut identity: pki::Identity, title: &str| {
        identity.anchors.retain(|anchor| support::title(anchor) == title);
        assert_eq!(identity.anchors.len(), 1);
        by_address(&identity)
    };
    let mut enrolled = identity(CrossSigned::ByEnrolled);
    assert_eq!(only(enrolled.clone(), "older anchor"), []);
    enrolled.chain.pop();
    assert_eq!(by_address(&enrolled), [(NO_ISSUER, 1)], "without the cross-certificate");
    let expired = identity(CrossSigned::ByExpired);
    assert_eq!(only(expired.clone(), "anchor"), []);
    assert_eq!(only(expired, "older anchor"), [(EXPIRED, 3)]);
    let mut unknown = identity(CrossSigned::ByUnknown);
    assert_eq!(only(unknown.clone(), "anchor"), []);
    unknown.anchors.clear();
    assert_eq!(by_address(&unknown), [(NO_ISSUER, 2)]);
}

/// All in one bundle, as firmware has them: no chain is saved by another's anchor.
#[test]
fn what_is_refused_alone_is_refused_among_the_anchors_of_others() {
    if !has_openssl() {
        return;
    }
    let good: &[Change] = &[
        |_| (),
        |s| s.intermediates = 2,
        |s| (s.enrolled, s.intermediates) = (Enrolled::Intermediate, 2),
        |s| (s.leaf.issuer, s.enrolled) = (Issuer::Itself, Enrolled::Leaf),
        |s| s.anchor.valid_until_days = 3000,
        |s| s.cross_signed = CrossSigned::ByEnrolled,
        |s| s.cross_signed = CrossSigned::ByExpired,
        |s| s.cross_signed = CrossSigned::ByUnknown,
    ];
    let bad: &[(Change, u32)] = &[
        (|s| s.enrolled = Enrolled::Nothing, NO_ISSUER),
        (|s| (s.enrolled, s.intermediates) = (Enrolled::Nothing, 2), NO_ISSUER),
        (|s| s.anchor.valid_until_days = -1, EXPIRED),
        (|s| s.leaf.issuer = Issuer::Itself, SELF_SIGNED_LEAF),
        (|s| s.missing = Missing::Intermediates, NO_ISSUER),
        (|s| s.anchor.basic_constraints = BasicConstraints::NotCa, NO_AUTHORITY),
    ];
    let bundle: Vec<_> = good
        .iter()
        .copied()
        .chain(bad.iter().map(|(change, _)| *change))
        .flat_map(|change| minted(change).anchors)
        .collect();
    let judged = |change: Change| {
        let identity = minted(change);
        by_address(&pki::Identity { anchors: bundle.clone(), ..identity })
    };
    for (index, change) in good.iter().enumerate() {
        assert_eq!(judged(*change), [], "good chain {index}");
    }
    for (index, (change, error)) in bad.iter().enumerate() {
        assert_eq!(judged(*change).first().map(|(number, _)| *number), Some(*error), "bad chain {index}");
    }
}
