//! Signatures in images, as `sbverify` sees them, and who is let through by which keys.
#![allow(clippy::unwrap_used)]

mod support;

use pki::authenticode::{Databases, Digest, digest, sign, tbs_digest};
use pki::settings::{Enrolled, ExtendedKeyUsage, Issuer, Key};
use pki::{Identity, Settings, edk2};
use proptest::prelude::*;
use std::{fs, process::Command};

const IMAGES: [&[u8]; 3] = [
    include_bytes!("../../payload/images/payload-ia32.efi"),
    include_bytes!("../../payload/images/payload-x64.efi"),
    include_bytes!("../../payload/images/payload-aa64.efi"),
];

fn signer(change: impl FnOnce(&mut Settings)) -> Identity {
    support::minted(|settings| {
        settings.leaf.names.clear();
        settings.leaf.common_name = Some("signer".into());
        settings.leaf.extended_key_usage = ExtendedKeyUsage::CodeSigning;
        change(settings);
    })
}

/// Flips a bit of TimeDateStamp.
fn tampered(image: &[u8]) -> Vec<u8> {
    let mut image = image.to_vec();
    let pe = usize::try_from(u32::from_le_bytes(image[0x3c..0x40].try_into().unwrap())).unwrap();
    image[pe + 8] ^= 1;
    image
}

/// What `sbverify` says of an image to somebody who trusts one certificate; `None` without the program. It looks at signatures and digests: of an
/// image whose chain comes with it, 0.9.4 is content with any certificate at all.
fn sbverify(image: &[u8], certificate: &[u8]) -> Option<bool> {
    let directory = tempfile::tempdir().unwrap();
    let [file, pem] = ["image.efi", "certificate.pem"].map(|name| directory.path().join(name));
    fs::write(&file, image).unwrap();
    fs::write(&pem, openssl::x509::X509::from_der(certificate).unwrap().to_pem().unwrap()).unwrap();
    match Command::new("sbverify").arg("--cert").args([&pem, &file]).output() {
        Ok(output) => Some(output.status.success()),
        Err(error) => {
            assert!(std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_none(), "sbverify: {error}");
            eprintln!("skipped: sbverify: {error}");
            None
        }
    }
}

#[test]
fn another_program_finds_our_signatures_right() {
    let (rsa, other) = (signer(|_| ()), signer(|settings| settings.leaf.key = Key::Rsa3072));
    let anchor = &rsa.anchors[0];
    for image in IMAGES {
        for hash in [Digest::Sha256, Digest::Sha384, Digest::Sha512] {
            let signed = sign(image, &rsa, hash).unwrap();
            assert_eq!(digest(&signed, hash).unwrap(), digest(image, hash).unwrap());
            // sbverify knows SHA-256 only.
            if hash != Digest::Sha256 {
                continue;
            }
            let Some(accepted) = sbverify(&signed, anchor) else { return };
            assert!(accepted);
            assert_eq!(sbverify(&tampered(&signed), anchor), Some(false));
            let both = sign(&signed, &other, hash).unwrap();
            assert_eq!(sbverify(&both, anchor), Some(true));
        }
        assert_eq!(sbverify(image, anchor), Some(false), "it is not signed");
    }
}

#[test]
fn keys_let_through_what_the_specification_says() {
    let image = IMAGES[1];
    let plain = signer(|_| ());
    let ec = signer(|settings| settings.leaf.key = Key::P256);
    let own = signer(|settings| settings.leaf.issuer = Issuer::Itself);
    let impostor = signer(|settings| settings.leaf.issuer = Issuer::Impostor);
    let unknown = signer(|settings| settings.enrolled = Enrolled::Nothing);
    let signed = |by: &Identity| sign(image, by, Digest::Sha256).unwrap();
    let certificate = edk2::certificate_list;
    let of_image = edk2::list(edk2::SHA256, &digest(image, Digest::Sha256).unwrap());
    let of_signer =
        edk2::list(edk2::X509_SHA256, &[tbs_digest(&plain.chain[0]).unwrap(), vec![0; 16]].concat());
    let anchor = certificate(&plain.anchors[0]);
    let allows =
        |db: &[u8], dbx: &[u8], image: &[u8]| Databases { db: db.to_vec(), dbx: dbx.to_vec() }.allow(image);
    for (what, db, dbx, image, allowed) in [
        ("unsigned", &anchor, &vec![], image.to_vec(), false),
        ("signed", &anchor, &vec![], signed(&plain), true),
        ("signed with SHA-512", &anchor, &vec![], sign(image, &plain, Digest::Sha512).unwrap(), true),
        ("signed by ECDSA", &certificate(&ec.anchors[0]), &vec![], signed(&ec), true),
        ("by its own certificate", &certificate(&own.chain[0]), &vec![], signed(&own), true),
        ("the signer is enrolled", &certificate(&plain.chain[0]), &vec![], signed(&plain), true),
        ("nothing is enrolled", &vec![], &vec![], signed(&plain), false),
        ("tampered", &anchor, &vec![], tampered(&signed(&plain)), false),
        ("impostor", &certificate(&impostor.anchors[0]), &vec![], signed(&impostor), false),
        ("unknown", &anchor, &vec![], signed(&unknown), false),
        (
            "the second is known",
            &anchor,
            &vec![],
            sign(&signed(&unknown), &plain, Digest::Sha256).unwrap(),
            true,
        ),
        ("listed", &of_image, &vec![], image.to_vec(), true),
        ("listed, tampered", &of_image, &vec![], tampered(image), false),
        ("listed in both", &of_image, &of_image, image.to_vec(), false),
        ("revoked image", &anchor, &of_image, signed(&plain), false),
        ("revoked signer", &anchor, &certificate(&plain.chain[0]), signed(&plain), false),
        ("revoked signer's digest", &anchor, &of_signer, signed(&plain), false),
        ("revoked authority", &anchor, &certificate(&plain.chain[1]), signed(&plain), false),
        (
            "one of two is revoked",
            &anchor,
            &certificate(&unknown.chain[0]),
            sign(&signed(&plain), &unknown, Digest::Sha256).unwrap(),
            false,
        ),
    ] {
        assert_eq!(allows(db, dbx, &image), allowed, "{what}");
    }
}

#[test]
fn what_is_no_pe_image_is_not_signed() {
    let plain = signer(|_| ());
    for image in [&b""[..], b"MZ", &IMAGES[0][..0x50], include_bytes!("../../payload/images/payload-bios.0")]
    {
        assert_eq!(
            sign(image, &plain, Digest::Sha256).unwrap_err().to_string(),
            "it is no PE image that a signature could be put into"
        );
    }
}

proptest! {
    /// Whatever is done to a signed image, nothing panics, and it passes only if it is the same to the digest.
    #[test]
    fn damage_is_survived(at in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let plain = signer(|_| ());
        let keys = Databases { db: edk2::certificate_list(&plain.anchors[0]), dbx: vec![] };
        let mut signed = sign(IMAGES[1], &plain, Digest::Sha256).unwrap();
        let at = at.index(signed.len());
        signed[at] = value;
        if keys.allow(&signed) {
            prop_assert_eq!(digest(&signed, Digest::Sha256).unwrap(), digest(IMAGES[1], Digest::Sha256).unwrap());
        }
        signed.truncate(cut.index(signed.len()));
        prop_assert!(!keys.allow(&signed));
    }
}
