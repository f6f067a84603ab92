//! The scenario language: what the keys of a file are called and what they hold.

use indexmap::IndexMap;
use record::{Assertion, Capability, Level, Outcome, Requirement, Stage};
use schemars::JsonSchema;
use serde::de::{self, Deserializer, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use services::NetworkSettings;
use std::{borrow::Cow, fmt};

/// A scenario: a network, what it is varied in, and what a conforming client does on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "plugfest scenario")]
pub(crate) struct Document {
    /// The file's path below `scenarios/` without `.yaml`, in kebab-case: `http/content-type`.
    #[serde(default)]
    #[schemars(required, regex(pattern = "^[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)+$"))]
    pub id: Option<String>,
    /// One sentence without a full stop: what a conforming client does here.
    #[serde(default)]
    #[schemars(required)]
    pub title: Option<String>,
    /// The clause that this scenario checks.
    #[serde(default)]
    #[schemars(required)]
    pub requirement: Option<Requirement>,
    /// One sentence: whom it hurts if a client does otherwise.
    #[serde(default)]
    #[schemars(required)]
    pub why: Option<String>,
    /// Known reports of clients that do otherwise: http(s) addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<String>,
    /// What the firmware must be able to do; without it the cells are `unsupported`.
    #[serde(default = "http")]
    pub needs: Vec<Capability>,
    /// Settings to sweep: dotted path of a setting → values. All combinations are run.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub vary: IndexMap<String, Vec<Value>>,
    /// Combinations to leave out: each entry names some swept settings and one value of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<IndexMap<String, Value>>,
    /// What is different from the network on which every conforming client boots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "NetworkSettings")]
    pub network: Option<NetworkSettings>,
    /// What a conforming client does. Left out if, and only if, the level is `observe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Expect")]
    pub expect: Option<Expect>,
    /// Points of the sweep at which something else is expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Exception>,
    /// What a conforming client does on the way, whatever the end: each a finding of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversation: Vec<Assertion>,
}

fn http() -> Vec<Capability> {
    vec![Capability::Http]
}

/// What a conforming client does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// Any of these outcomes.
    pub outcome: OneOrMore<Outcome>,
    /// The furthest rung that the client steps on; for a failure, the rung that breaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Stage")]
    pub stage: Option<Stage>,
    /// Identifier of the cause, for example `dhcp4.offer-not-http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = "^[a-z][a-z0-9]*\\.[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub cause: Option<String>,
}

/// Points of the sweep at which something else is expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    /// Swept settings and the value, or the list of values, at which this holds.
    #[serde(rename = "where")]
    pub place: IndexMap<String, Value>,
    /// Level at these points, if it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Level")]
    pub level: Option<Level>,
    /// Expectation at these points, if it is another. Left out with `level: observe`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Expect")]
    pub expect: Option<Expect>,
}

/// One value, or a list of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OneOrMore<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMore<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a list of words")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                T::deserialize(word.into_deserializer()).map(|value| OneOrMore(vec![value]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(OneOrMore(values))
            }
        }
        deserializer.deserialize_any(Either(std::marker::PhantomData))
    }
}

impl<T: Serialize> Serialize for OneOrMore<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            more => more.serialize(serializer),
        }
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMore<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMore{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<T>();
        schemars::json_schema!({
            "anyOf": [one, { "type": "array", "items": one, "minItems": 1, "uniqueItems": true }]
        })
    }
}
