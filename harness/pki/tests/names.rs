//! Names and the constraints on them, judged by a verifier that is none of ours (RFC 9525, RFC 5280 §4.2.1.10).

mod support;

use pki::{Settings, settings::*};
use support::{errors::*, *};

/// For each list of names and common name: the errors for the name and for the address.
#[test]
fn names_are_judged() {
    if !has_openssl() {
        return;
    }
    let (name, address) = (vec![(NAME_MISMATCH, 0)], vec![(ADDRESS_MISMATCH, 0)]);
    let cases: &[(&[&str], Option<&str>, Errors, Errors)] = &[
        (&["{name}"], None, vec![], address.clone()),
        (&["{server4}"], None, name.clone(), vec![]),
        (&["{name}", "{server4}"], None, vec![], vec![]),
        (&["*.example.test"], None, vec![], address.clone()),
        (&["*.test"], None, name.clone(), address.clone()),
        (&["*"], None, name.clone(), address.clone()),
        (&["b*.example.test"], None, vec![], address.clone()),
        (&["other.example.test"], None, name.clone(), address.clone()),
        (&["other.example.test"], Some("{name}"), name.clone(), address.clone()),
        (&[], Some("{name}"), vec![], address.clone()),
        (&[], Some("{server4}"), name.clone(), address.clone()),
        (&[], None, name.clone(), address.clone()),
        (&["dns:{server4}"], None, name.clone(), address.clone()),
        (&["uri:https://{name}/", "email:root@{name}"], None, name.clone(), address.clone()),
        (&["2001:db8::1"], None, name.clone(), address.clone()),
        (&["boot.example.test\0.elsewhere.test"], None, name.clone(), address.clone()),
    ];
    for (names, common_name, for_name, for_address) in cases {
        let identity = minted(|settings| {
            settings.leaf.names = names.iter().map(|&name| name.to_owned()).collect();
            settings.leaf.common_name = common_name.map(str::to_owned);
        });
        assert_eq!(by_name(&identity), *for_name, "{names:?} {common_name:?}");
        assert_eq!(by_address(&identity), *for_address, "{names:?} {common_name:?}");
    }
    let v6 = minted(|settings| settings.leaf.names = vec!["2001:db8::1".into()]);
    assert_eq!(verify(&v6, &["-verify_ip", "2001:db8::1"]), []);
}

#[test]
fn name_constraints_are_judged() {
    fn named(settings: &mut Settings, constraints: NameConstraints) {
        settings.intermediate.name_constraints = constraints;
        settings.leaf.names = vec!["{server4}".into(), "{name}".into(), "*.example.test".into()];
    }
    check(&[
        ("permitted", |s| named(s, NameConstraints::PermitLeaf), &[]),
        ("only others permitted", |s| named(s, NameConstraints::PermitOther), &[(NOT_PERMITTED, 0)]),
        ("excluded", |s| named(s, NameConstraints::ExcludeLeaf), &[(EXCLUDED, 0)]),
        ("others excluded", |s| named(s, NameConstraints::ExcludeOther), &[]),
        (
            "by the anchor",
            |s| s.anchor.name_constraints = NameConstraints::PermitOther,
            &[(NOT_PERMITTED, 0)],
        ),
    ]);
    // OpenSSL looks no further once the name asked for is not there, so nobody asks for one.
    let identity = minted(|settings| {
        (settings.leaf.names, settings.leaf.common_name) = (vec![], Some("{name}".into()));
        settings.anchor.name_constraints = NameConstraints::ExcludeLeaf;
    });
    assert!(!has_openssl() || verify(&identity, &[]) == [(EXCLUDED, 0)]);
}
