//! The same input makes the same bytes, whoever asks and however many at once.

mod support;

use pki::{Identity, Pki, settings::*};
use sha2::{Digest, Sha256};
use std::{path::Path, process::Command};
use support::*;

/// Where the child process below mints; set by its parent.
const CACHE: &str = "PKI_TEST_CACHE";

/// Keys and signatures that are random when they are made.
fn random_ones() -> Settings {
    settings(|settings| {
        settings.anchor.key = Key::P256;
        settings.intermediate.key = Key::RsaPss2048;
        settings.leaf.key = Key::Ed25519;
    })
}

fn fingerprint(identity: &Identity) -> String {
    let mut digest = Sha256::new();
    for part in identity.chain.iter().chain([&identity.key]).chain(&identity.anchors) {
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_same_input_makes_the_same_bytes() {
    let cache = tempfile::tempdir().unwrap();
    let mint = |settings: &Settings, date| Pki::open(cache.path()).mint(settings, date).unwrap();
    let first = mint(&random_ones(), DATE);
    assert_eq!(mint(&random_ones(), DATE), first);
    assert_ne!(
        mint(&random_ones(), DATE.checked_add(jiff::Span::new().days(1)).unwrap()).anchors,
        first.anchors
    );
    // Only a lost cache makes others.
    let other = tempfile::tempdir().unwrap();
    assert_ne!(Pki::open(other.path()).mint(&random_ones(), DATE).unwrap(), first);
    std::fs::remove_dir_all(cache.path().join("pki/signatures")).unwrap();
    assert_ne!(
        mint(&random_ones(), DATE).chain,
        first.chain,
        "ECDSA and PSS are random; keeping them matters"
    );
}

/// Not a test by itself: what the processes of the next test run.
#[test]
#[ignore = "run by two_processes_share_a_cache"]
fn mint_for_the_parent() {
    let cache = std::env::var_os(CACHE).expect("only its parent knows the cache");
    println!("minted {}", fingerprint(&Pki::open(Path::new(&cache)).mint(&random_ones(), DATE).unwrap()));
}

#[test]
fn two_processes_share_a_cache() {
    let cache = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "mint_for_the_parent", "--ignored", "--nocapture"]).env(CACHE, cache.path());
        command.stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = (0..4).map(|_| start()).collect();
    let minted: Vec<_> = children
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            let text = String::from_utf8(output.stdout).unwrap();
            let (_, rest) = text.split_once("minted ").expect("the child says what it minted");
            rest.split_whitespace().next().unwrap().to_owned()
        })
        .collect();
    let ours = fingerprint(&Pki::open(cache.path()).mint(&random_ones(), DATE).unwrap());
    assert_eq!(minted, vec![ours; 4]);
    let left = std::fs::read_dir(cache.path().join("pki/keys")).unwrap().flatten();
    let keys: Vec<_> =
        left.map(|file| file.file_name().into_string().unwrap()).filter(|n| n.ends_with(".pem")).collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
    assert!(keys.iter().all(|name| name.starts_with("TEST-KEY-")), "{keys:?}");
}
