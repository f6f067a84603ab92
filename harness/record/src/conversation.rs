//! What a conforming client does on the way, not only at its end: assertions over the events of a cell, and what came of
//! them.

use crate::{Deviation, Level, Verdict};
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{borrow::Cow, fmt};

/// The clause that a scenario, or an assertion of it, checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Specification and section, `; ` between several: `RFC 9110 §8.3.1`, `UEFI 2.11 §24.7.3`.
    pub spec: String,
    /// How binding it is (RFC 2119), or `observe` for what describes and cannot fail.
    pub level: Level,
    /// What the clause says, in one sentence.
    pub text: String,
}

/// What is asserted of the events of a cell. Texts may hold placeholders, as URLs do, and `{http.port}` for the value of any
/// setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// A name in kebab-case that is unique in the scenario: `host-has-port`.
    #[schemars(regex(pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub id: String,
    /// The clause that it checks.
    pub requirement: Requirement,
    /// Swept settings and the value, or the list of values, at which it is asserted; everywhere if absent.
    #[serde(rename = "where", default, skip_serializing_if = "IndexMap::is_empty")]
    pub place: IndexMap<String, Value>,
    /// The events that it is about.
    pub each: Pattern,
    /// Only those after the first of these; if there is none of these, nothing is asserted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Pattern")]
    pub after: Option<Pattern>,
    /// Only those before the first of these; all, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Pattern")]
    pub before: Option<Pattern>,
    /// What each of them has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Pattern")]
    pub has: Option<Pattern>,
    /// Fields that have the same value in all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub same: Vec<String>,
    /// How many there are at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub at_least: Option<usize>,
    /// How many there are at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "usize")]
    pub at_most: Option<usize>,
    /// Guest seconds from one to the next, and from the event of `after` to the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Bounds")]
    pub apart_seconds: Option<Bounds>,
}

impl Assertion {
    /// Whether it asserts anything: without, it only describes.
    pub fn is_checked(&self) -> bool {
        self.has.is_some()
            || !self.same.is_empty()
            || self.at_least.is_some()
            || self.at_most.is_some()
            || self.apart_seconds.is_some()
    }
}

/// Fields of an event by dotted path, each with what it has to be. A field of an HTTP header is `headers.host`, in any case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Pattern(pub IndexMap<String, Matcher>);

/// What a value has to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Matcher {
    /// `null`: absent.
    Absent,
    /// `true` or `false`.
    Is(bool),
    /// A number.
    Number(f64),
    /// A text, in which `*` stands for anything and `\*` for itself.
    Text(String),
    /// One of these.
    AnyOf(Vec<Matcher>),
    /// A number between two others.
    Between(Bounds),
    /// Anything but this.
    Not {
        /// This.
        not: Box<Matcher>,
    },
}

/// The least and the largest number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub min: Option<f64>,
    /// The largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "f64")]
    pub max: Option<f64>,
}

impl Bounds {
    /// Whether a number is between them.
    pub fn hold(&self, number: f64) -> bool {
        self.min.is_none_or(|min| min <= number) && self.max.is_none_or(|max| number <= max)
    }
}

impl fmt::Display for Bounds {
    /// `from 1 to 3`, `at least 1`, `at most 3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) => write!(f, "from {min} to {max}"),
            (Some(min), None) => write!(f, "at least {min}"),
            (None, Some(max)) => write!(f, "at most {max}"),
            (None, None) => f.write_str("any number"),
        }
    }
}

impl fmt::Display for Matcher {
    /// As it is written in a scenario.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Is(value) => value.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::AnyOf(all) => {
                for (index, one) in all.iter().enumerate() {
                    write!(f, "{}{one}", if index > 0 { " or " } else { "" })?;
                }
                Ok(())
            }
            Self::Between(bounds) => bounds.fmt(f),
            Self::Not { not } if **not == Self::Absent => f.write_str("anything"),
            Self::Not { not } => write!(f, "anything but {not}"),
        }
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Matcher;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, a list of values, `{ min: …, max: … }` or `{ not: … }`")
            }
            fn visit_unit<E>(self) -> Result<Matcher, E> {
                Ok(Matcher::Absent)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Matcher, E> {
                Ok(Matcher::Is(value))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Matcher, E> {
                Ok(Matcher::Number(number as f64))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Matcher, E> {
                Ok(Matcher::Number(number as f64))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Matcher, E> {
                Ok(Matcher::Number(number))
            }
            fn visit_str<E>(self, text: &str) -> Result<Matcher, E> {
                Ok(Matcher::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Matcher, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                if all.is_empty() {
                    return Err(de::Error::custom("an empty list matches nothing; list at least one value"));
                }
                Ok(Matcher::AnyOf(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Matcher, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct Block {
                    min: Option<f64>,
                    max: Option<f64>,
                    // The matcher that it holds may be `null`.
                    #[serde(default, deserialize_with = "present")]
                    not: Option<Matcher>,
                }
                fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Matcher>, D::Error> {
                    Matcher::deserialize(deserializer).map(Some)
                }
                match Block::deserialize(MapAccessDeserializer::new(map))? {
                    Block { not: Some(not), min: None, max: None } => Ok(Matcher::Not { not: Box::new(not) }),
                    Block { not: None, min, max } if min.is_some() || max.is_some() => {
                        Ok(Matcher::Between(Bounds { min, max }))
                    }
                    _ => Err(de::Error::custom("write `{ min: … }`, `{ max: … }`, both, or `{ not: … }`")),
                }
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl JsonSchema for Matcher {
    fn schema_name() -> Cow<'static, str> {
        "Matcher".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let this = generator.subschema_for::<Self>();
        let bounds = generator.subschema_for::<Bounds>();
        json_schema!({
            "description": "What a value has to be; in a text `*` stands for anything.",
            "anyOf": [
                { "type": ["null", "boolean", "number", "string"] },
                { "type": "array", "items": this, "minItems": 1 },
                bounds,
                { "type": "object", "properties": { "not": this }, "required": ["not"], "additionalProperties": false },
            ],
        })
    }
}

/// What came of an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AssertionState {
    /// It holds.
    Kept,
    /// It does not.
    Violated,
    /// It only describes.
    Observed,
    /// The cell did not come to what it is about.
    Untested,
}

impl fmt::Display for AssertionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "kept",
            Self::Violated => "violated",
            Self::Observed => "observed",
            Self::Untested => "untested",
        })
    }
}

/// An assertion and what came of it in one cell: a finding of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AssertionResult {
    /// Its name in the scenario.
    pub id: String,
    /// Specification and section.
    pub clause: String,
    /// How binding that is.
    pub level: Level,
    /// What came of it.
    pub state: AssertionState,
    /// What was seen, in one sentence.
    pub detail: String,
    /// The waiver that applied: it excuses a violation, and is stale for what is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Deviation>,
}

impl AssertionResult {
    /// The verdict on it; none if nothing was tested.
    pub fn verdict(&self) -> Option<Verdict> {
        match (self.state, self.waiver.is_some()) {
            (AssertionState::Kept, false) | (AssertionState::Observed, _) => Some(Verdict::Pass),
            (AssertionState::Kept, true) => Some(Verdict::Xpass),
            (AssertionState::Violated, true) => Some(Verdict::Xfail),
            (AssertionState::Violated, false) => Some(Verdict::Fail),
            (AssertionState::Untested, _) => None,
        }
    }
}
