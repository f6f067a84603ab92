//! The bundles for firmware, byte by byte.
#![allow(clippy::unwrap_used)]

mod support;

use pki::{Trust, TrustError, edk2, settings::*};
use support::*;

fn anchors() -> Vec<Vec<u8>> {
    [Key::Rsa2048, Key::P256, Key::Ed25519]
        .into_iter()
        .flat_map(|key| minted(|settings| settings.anchor.key = key).anchors)
        .collect()
}

fn bundle(trust: Trust) -> Vec<u8> {
    pki().edk2_bundle(trust, &anchors(), DATE).unwrap().unwrap()
}

/// The certificates in a bundle.
fn enrolled(bundle: &[u8]) -> Vec<Vec<u8>> {
    let lists = edk2::signature_lists(bundle).unwrap();
    let certificates = lists.into_iter().filter(|list| list.kind == edk2::X509);
    certificates.flat_map(|list| list.signatures).map(|(_, data)| data).collect()
}

fn sorted(mut certificates: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    certificates.sort();
    certificates
}

#[test]
fn the_bundle_has_every_anchor_once_in_any_order() {
    let lists = edk2::signature_lists(&bundle(Trust::Anchors)).unwrap();
    assert_eq!(lists.len(), 3, "a list for each, because a list's signatures are of one size");
    assert!(lists.iter().all(|list| list.signatures.len() == 1 && list.signatures[0].0 == edk2::OWNER));
    assert_eq!(sorted(enrolled(&bundle(Trust::Anchors))), sorted(anchors()));
    let mut twice = [anchors(), anchors()].concat();
    twice.reverse();
    assert_eq!(pki().edk2_bundle(Trust::Anchors, &twice, DATE).unwrap(), Some(bundle(Trust::Anchors)));
}

#[test]
fn a_list_is_what_uefi_says() {
    // UEFI 2.11 §32.4.1, written out by hand for a certificate of three bytes.
    let expected = [
        "a159c0a5e494a74a87b5ab155c2bf072",
        "2f000000",
        "00000000",
        "13000000",
        "5c0e5c1f577e3d4b9a3b706c75676673",
        "308100",
    ];
    let hex: String =
        edk2::certificate_list(&[0x30, 0x81, 0]).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected.concat());
}

#[test]
fn what_is_wrong_with_a_bundle_is_just_that() {
    assert_eq!(pki().edk2_bundle(Trust::None, &anchors(), DATE).unwrap(), None);
    assert!(bundle(Trust::Empty).is_empty());
    let malformed = enrolled(&bundle(Trust::MalformedCertificate));
    let is_certificate = |der: &Vec<u8>| openssl::x509::X509::from_der(der).is_ok();
    assert_eq!(malformed.iter().map(is_certificate).collect::<Vec<_>>(), [true, false, true, true]);
    let truncated = bundle(Trust::TruncatedList);
    let error = edk2::signature_lists(&truncated).unwrap_err();
    assert_eq!(error.at, bundle(Trust::Anchors).len());
    assert!(truncated.starts_with(&bundle(Trust::Anchors)) && error.problem.contains("are left"), "{error}");
    let others = edk2::signature_lists(&bundle(Trust::OtherTypes)).unwrap();
    let kinds: Vec<_> = others.iter().map(|list| list.kind).collect();
    assert_eq!(kinds, [edk2::SHA256, edk2::X509].repeat(3));
    assert_eq!(sorted(enrolled(&bundle(Trust::OtherTypes))), sorted(anchors()));
}

#[test]
fn large_bundles_are_below_and_above_the_limit() {
    let public = bundle(Trust::PublicSize);
    assert!((150 << 10..edk2::LIMIT - 1024).contains(&public.len()), "{}", public.len());
    let roots = enrolled(&public);
    assert_eq!(roots.len(), 145 + 3);
    assert_eq!(sorted(roots[145..].to_vec()), sorted(anchors()));
    let over = bundle(Trust::OverLimit);
    assert!(over.len() > edk2::LIMIT && over.len() < edk2::LIMIT + 4096, "{}", over.len());
    assert_eq!(sorted(enrolled(&over)[..3].to_vec()), sorted(anchors()));
    let distinct: std::collections::HashSet<_> = enrolled(&over).into_iter().collect();
    assert_eq!(distinct.len(), enrolled(&over).len());
    // A verifier finds the anchor among all these.
    let identity = minted(|_| ());
    if has_openssl() {
        assert_eq!(by_address(&pki::Identity { anchors: roots, ..identity }), []);
    }
}

#[test]
fn anchors_that_firmware_would_drop_are_refused() {
    let large = minted(|settings| settings.anchor.padding_bytes = 300 << 10).anchors;
    for trust in [Trust::Anchors, Trust::MalformedCertificate, Trust::OtherTypes, Trust::PublicSize] {
        let error = pki().edk2_bundle(trust, &large, DATE).unwrap_err();
        assert!(matches!(error, TrustError::TooLarge { count: 1, .. }), "{error}");
    }
    assert!(pki().edk2_bundle(Trust::None, &large, DATE).is_ok());
}

#[test]
fn cipher_suites_are_big_endian() {
    assert_eq!(edk2::cipher_list(&[0xc02f, 0x009c]), [0xc0, 0x2f, 0x00, 0x9c]);
    assert!(edk2::cipher_list(&[]).is_empty());
}
