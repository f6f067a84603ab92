//! The chains, judged by the `openssl` program: a verifier that is none of ours.

mod support;

use pki::Settings;
use support::{Verdict, judged, named};

#[test]
fn the_default_chain_verifies() {
    assert_eq!(judged(&named(Settings::default())), Verdict::Accepted);
}
