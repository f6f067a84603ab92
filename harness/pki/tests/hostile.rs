//! No settings make the minting panic; those from which nothing can be made say so, by their path.
#![allow(clippy::unwrap_used)]

mod support;

use pki::{MintError, Settings, SettingsError};
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};
use support::*;

/// What the schema of `Settings` has for one setting, and numbers and texts that are not nice.
fn value(schema: &Value, defs: &Value) -> BoxedStrategy<Value> {
    if let Some(target) = schema["$ref"].as_str() {
        return value(&defs[target.trim_start_matches("#/$defs/")], defs);
    }
    if let Some(values) = schema["enum"].as_array() {
        return select(values.clone()).boxed();
    }
    if let Some(variants) = schema["oneOf"].as_array() {
        return proptest::strategy::Union::new(variants.iter().map(|variant| value(variant, defs))).boxed();
    }
    if schema.get("const").is_some() {
        return Just(schema["const"].clone()).boxed();
    }
    let text = || {
        prop_oneof![
            select(vec![
                "192.0.2.1",
                "boot.example.test",
                "*.test",
                "",
                "{server4}",
                "dns:",
                "uri:\0",
                "é",
                "ip:x"
            ])
            .prop_map(str::to_owned),
            "\\PC{0,80}",
        ]
        .prop_map(Value::from)
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    match kinds[0] {
        "object" => {
            let properties = schema["properties"].as_object().unwrap();
            let fields: Vec<_> = properties
                .iter()
                .map(|(name, schema)| {
                    // Most settings stay as they are, or hardly any chain could be made.
                    let value = proptest::option::weighted(0.15, value(schema, defs));
                    (Just(name.clone()), value)
                })
                .collect();
            let object = |fields: Vec<(String, Option<Value>)>| {
                fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<Value>()
            };
            fields.prop_map(object).boxed()
        }
        "array" => prop::collection::vec(text(), 0..4).prop_map(Value::from).boxed(),
        "boolean" => any::<bool>().prop_map(Value::from).boxed(),
        "string" => prop_oneof![Just(Value::Null), text()].boxed(),
        "integer" => {
            let bound = |name: &str, otherwise: i64| schema[name].as_i64().unwrap_or(otherwise);
            let (least, most) =
                (bound("minimum", i64::from(i32::MIN)), bound("maximum", i64::from(i32::MAX)));
            let near = (least.max(-400), most.min(400));
            prop_oneof![near.0..=near.1, near.0..=near.1, select(vec![least, most]), least..=most]
                .prop_map(Value::from)
                .boxed()
        }
        other => panic!("a setting of type {other}, which this test does not know yet"),
    }
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let schema = schemars::schema_for!(Settings).to_value();
    value(&schema, &schema["$defs"]).prop_map(|mut value| {
        // Slow keys are for the other tests.
        for part in ["anchor", "intermediate", "leaf"] {
            let key = value.pointer_mut(&format!("/{part}/key"));
            if let Some(key) = key.filter(|key| **key == json!("rsa-8192") || **key == json!("rsa-4096")) {
                *key = json!("rsa-1024");
            }
        }
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn settings_are_minted_or_refused_by_their_path(settings in any_settings()) {
        let known = serde_json::to_value(Settings::default()).unwrap();
        match pki().mint(&self::settings(|default| *default = settings.clone()), DATE) {
            Ok(identity) => {
                prop_assert!(settings.leaf.names.iter().all(|name| !name.is_empty()));
                for der in identity.chain.iter().chain(&identity.anchors) {
                    prop_assert!(openssl::x509::X509::from_der(der).is_ok());
                }
            }
            Err(MintError::Settings(SettingsError { path, problem })) => {
                let setting = path.split('[').next().unwrap_or_default().replace('.', "/");
                prop_assert!(known.pointer(&format!("/{setting}")).is_some(), "{path}: {problem}");
                prop_assert!(problem.len() > 20, "{path}: {problem}");
            }
            Err(MintError::Time { days, .. }) => prop_assert!(days.unsigned_abs() > 20_000),
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    use pki::settings::*;
    type Change = fn(&mut Settings);
    let cases: &[(Change, &str)] = &[
        (|s| s.intermediates = 101, "intermediates: 101 are too many"),
        (|s| s.leaf.names = vec!["{oops}".into()], "leaf.names[0]: \"{oops}\" has a placeholder"),
        (|s| s.leaf.names = vec!["a".into(), String::new()], "leaf.names[1]: an empty name"),
        (|s| s.leaf.names = vec!["ip:boot".into()], "leaf.names[0]: \"boot\" is no address"),
        (|s| s.leaf.common_name = Some("{oops}".into()), "leaf.common_name: "),
        (|s| s.leaf.ocsp_url = Some("http://é/".into()), "leaf.ocsp_url: \"http://é/\" is not ASCII"),
        (|s| s.leaf.valid_from_days = 91, "leaf.valid_until_days: 90 is before valid_from_days, 91"),
        (|s| s.anchor.padding_bytes = 1 << 21, "anchor.padding_bytes: 2097152 is too large"),
        (
            |s| (s.intermediate.padding_bytes, s.intermediates) = (1 << 20, 20),
            "intermediate.padding_bytes: the paddings of the chain are too large together",
        ),
        (|s| s.leaf.signature = Signature::Md5, ""),
        (
            |s| (s.leaf.signature, s.intermediate.key) = (Signature::Md5, Key::P256),
            "leaf.signature: there is no ECDSA with MD5",
        ),
        (
            |s| {
                (s.leaf.issuer, s.leaf.key, s.leaf.signature) =
                    (Issuer::Itself, Key::Ed25519, Signature::Sha1)
            },
            "leaf.signature: Ed25519 and Ed448 sign with their own hash",
        ),
        (
            |s| (s.anchor.key, s.intermediate.signature) = (Key::Rsa1024, Signature::PssSha512),
            "intermediate.signature: the signer's 1024-bit key is too small",
        ),
        (|s| (s.missing, s.intermediates) = (Missing::Intermediates, 0), "missing: there is no intermediate"),
        (|s| (s.extra, s.intermediates) = (Extra::Intermediates, 0), "extra: there is no intermediate"),
        (
            |s| (s.enrolled, s.intermediates) = (Enrolled::Intermediate, 0),
            "enrolled: there is no intermediate",
        ),
        (|s| s.order = Order::OthersReversed, "order: there is nothing to reverse"),
        (|s| (s.leaf.issuer, s.sends_anchor) = (Issuer::Itself, true), "sends_anchor: a self-signed leaf is"),
        (
            |s| (s.leaf.revoked, s.leaf.issuer) = (true, Issuer::Itself),
            "leaf.revoked: a self-signed leaf has no",
        ),
        (
            |s| (s.leaf.revoked, s.leaf.serial) = (true, Serial::Negative),
            "leaf.revoked: a revocation list cannot",
        ),
        (
            |s| (s.cross_signed, s.enrolled) = (CrossSigned::ByExpired, Enrolled::Nothing),
            "cross_signed: says itself what is enrolled",
        ),
        (
            |s| (s.leaf.names, s.anchor.name_constraints) = (vec![], NameConstraints::ExcludeLeaf),
            "anchor.name_constraints: the leaf has no DNS name",
        ),
    ];
    for (change, expected) in cases {
        match (settings(change).check(), *expected) {
            (Ok(()), "") => {}
            (Err(error), expected) if !expected.is_empty() => {
                assert!(error.to_string().starts_with(expected), "{error}");
            }
            (result, expected) => panic!("expected {expected:?}, got {result:?}"),
        }
    }
    let error = pki().mint(&settings(|s| s.leaf.valid_until_days = i32::MAX), DATE).unwrap_err().to_string();
    assert!(error.contains("2147483647 days from the guest's date, 2026-01-01T00:00:00"), "{error}");
    assert!(pki().mint(&settings(|s| s.anchor.valid_from_days = -30_000), DATE).is_err(), "before 1950");
}

/// As scenarios write them: every setting has a default, and no other is taken.
#[test]
fn a_setting_alone_leaves_all_others_as_they_are() {
    let read = |value| serde_json::from_value::<Settings>(value);
    assert_eq!(read(json!({})).unwrap(), Settings::default());
    let mut expected = Settings::default();
    expected.leaf.key = pki::settings::Key::RsaPss2048;
    assert_eq!(read(json!({ "leaf": { "key": "rsa-pss-2048" } })).unwrap(), expected);
    for unknown in
        [json!({ "laef": {} }), json!({ "leaf": { "kee": 1 } }), json!({ "leaf": { "key": "rsa-512" } })]
    {
        assert!(read(unknown.clone()).is_err(), "{unknown}");
    }
    for setting in ["anchor", "intermediate", "leaf"] {
        let block = serde_json::to_value(Settings::default()).unwrap();
        let flat = block[setting].as_object().unwrap().values().all(|value| !value.is_object());
        assert!(flat, "{setting} has settings that a dotted path cannot sweep");
    }
}
