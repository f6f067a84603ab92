//! What does not fit a type, and how an author is told.

use crate::{diagnostic::Diagnostic, settings, tree::Content};
use serde::de::{self, Expected, Unexpected};
use std::{fmt, ops::Range};

/// Something in the tree that does not fit the type that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// Node and place; set by the innermost deserializer that the error passes.
    pub at: Option<(u32, Range<usize>)>,
    /// What does not fit.
    pub kind: FaultKind,
}

#[derive(Clone, Debug)]
pub(crate) enum FaultKind {
    UnknownKey {
        key: String,
        known: Vec<&'static str>,
    },
    UnknownWord {
        word: String,
        known: Vec<&'static str>,
    },
    MissingKey(&'static str),
    /// A value of another kind or out of range.
    Mismatch {
        found: String,
        expected: String,
    },
    /// A variant with a value that takes none, or the other way round.
    Variant {
        name: String,
        takes_value: bool,
    },
    Other(String),
}

impl Fault {
    /// The error that an author sees.
    pub fn diagnostic(&self, source: &str) -> Diagnostic {
        let span = self.at.as_ref().map_or(0..0, |(_, span)| span.clone());
        let text = source.get(span.clone()).unwrap_or_default();
        match &self.kind {
            FaultKind::UnknownKey { key, known } => unknown_key(span, key, known),
            FaultKind::UnknownWord { word, known } => Diagnostic::new(
                span,
                format!("unknown value `{}`", shortened(word)),
                format!("expected {}", joined(known, "or")),
            )
            .suggest(word, known.iter().copied())
            .or_help("write one of these words"),
            FaultKind::MissingKey(key) => {
                Diagnostic::new(span, format!("missing key `{key}`"), format!("this block needs `{key}`"))
                    .help(format!("add a line `{key}: …` to this block"))
            }
            FaultKind::Mismatch { found, expected } => {
                let title = format!("expected {expected}, found {found}");
                Diagnostic::new(span, title, format!("expected {expected}")).help(mend(expected, found, text))
            }
            FaultKind::Variant { name, takes_value: true } => {
                Diagnostic::new(span, format!("`{name}` needs a value"), "expected a value with this word")
                    .help(format!("write `{{ {name}: … }}`"))
            }
            FaultKind::Variant { name, takes_value: false } => {
                Diagnostic::new(span, format!("`{name}` takes no value"), "expected the word alone")
                    .help(format!("write `{name}`"))
            }
            FaultKind::Other(message) if message.contains("IPv4 address") => Diagnostic::new(
                span,
                format!("`{}` is not an IPv4 address", shortened(text)),
                "expected an IPv4 address",
            )
            .help("write four numbers from 0 to 255, as in 192.0.2.1"),
            FaultKind::Other(message) => Diagnostic::new(span, message.clone(), "this value does not fit")
                .help("scenarios/README.md describes the keys and their values"),
        }
    }
}

/// What to do about a value of the wrong kind; `text` is how it is written.
fn mend(expected: &str, found: &str, text: &str) -> String {
    let is_scalar = !text.is_empty() && !text.starts_with(['[', '{']);
    let is_number = text.trim_matches(['"', '\'']).replace('_', "").parse::<f64>().is_ok();
    match expected {
        _ if found == "nothing" => "write a value, or remove the key".into(),
        "a text" if is_scalar => format!("put it in quotes: \"{}\"", shortened(text)),
        "a list" if is_scalar => format!("write a list, even of one: [{}]", shortened(text)),
        "`true` or `false`" => "write the word `true` or `false`, without quotes".into(),
        _ if expected.starts_with("`null`") => "write `null` to send none".into(),
        _ if expected.starts_with("a block") => {
            "write `key: value` lines below the key, or `{ key: value }`".into()
        }
        _ if expected.starts_with('`') && is_number => format!("put it in quotes: \"{text}\""),
        _ if expected.contains("number") && is_number && found.starts_with("the text") => {
            "write the number without quotes, leading zeros and underscores".into()
        }
        _ => format!("write {expected}"),
    }
}

fn unknown_key(span: Range<usize>, key: &str, known: &[&'static str]) -> Diagnostic {
    let error = Diagnostic::new(
        span,
        format!("unknown key `{}`", shortened(key)),
        format!("expected {}", joined(known, "or")),
    );
    if crate::suggest::nearest(key, known.iter().copied()).is_some() {
        return error.suggest(key, known.iter().copied());
    }
    error.help(right_place(key).unwrap_or_else(|| "remove it".into()))
}

/// Where a key that is unknown here belongs.
fn right_place(key: &str) -> Option<String> {
    if settings::is_block(key) {
        return Some(format!("`{key}` belongs below `network:`"));
    }
    let (block, setting) = settings::all().iter().find_map(|path| {
        let (block, setting) = path.rsplit_once('.')?;
        (path == key || setting == key).then_some((block, setting))
    })?;
    Some(match key.contains('.') {
        true => format!("below `network:` write `{block}: {{ {setting}: … }}`; dotted paths are for `vary`"),
        false => format!("`{setting}` belongs below `{block}:`"),
    })
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self { at: None, kind }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)
    }
}

impl std::error::Error for Fault {}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        FaultKind::Other(message.to_string()).into()
    }
    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        FaultKind::Mismatch { found: found_by_serde(unexpected), expected: words(&expected.to_string()) }
            .into()
    }
    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }
    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        FaultKind::Mismatch { found: format!("{length} values"), expected: words(&expected.to_string()) }
            .into()
    }
    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        FaultKind::UnknownWord { word: word.to_owned(), known: known.to_vec() }.into()
    }
    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        FaultKind::UnknownKey { key: key.to_owned(), known: known.to_vec() }.into()
    }
    fn missing_field(key: &'static str) -> Self {
        FaultKind::MissingKey(key).into()
    }
}

/// `` `a`, `b` or `c` `` with the given last word.
pub(crate) fn joined(names: &[&str], last_word: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => "nothing".into(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} {last_word} {last}", rest.join(", ")),
    }
}

pub(crate) fn found(content: &Content) -> String {
    match content {
        Content::Null => "nothing".into(),
        Content::Bool(value) => format!("`{value}`"),
        Content::Integer(value) => format!("the number {value}"),
        Content::Float(value) => format!("the number {value:?}"),
        Content::Text(text) => format!("the text `{}`", shortened(text)),
        Content::List(_) => "a list".into(),
        Content::Map(_) => "a block".into(),
    }
}

fn found_by_serde(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value:?}"),
        Unexpected::Str(text) => format!("the text `{}`", shortened(text)),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a block".into(),
        other => other.to_string(),
    }
}

pub(crate) fn shortened(text: &str) -> String {
    let escaped = text.escape_debug().to_string();
    match escaped.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &escaped[..end]),
        None => escaped,
    }
}

/// Serde's name of a type in words that a scenario's author knows.
fn words(expected: &str) -> String {
    match expected {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, not negative",
        "f32" | "f64" => "a number",
        "a string" => "a text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => "a block of `key: value` lines",
        "IPv4 address" => "an IPv4 address such as 192.0.2.1",
        other => other,
    }
    .to_owned()
}
