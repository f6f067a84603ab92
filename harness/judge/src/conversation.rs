//! Assertions against a timeline.

use crate::Waivers;
use globset::{GlobBuilder, GlobMatcher};
use record::{
    Assertion, AssertionResult, AssertionState, Direction, Entry, Event, GuestTime, Level, Matcher, Pattern,
};
use serde_json::Value;

/// Characters of a value that are told.
const SHOWN: usize = 120;

/// What came of each assertion.
pub fn hear(timeline: &[Entry], assertions: &[Assertion]) -> Vec<AssertionResult> {
    if assertions.is_empty() {
        return Vec::new();
    }
    let told = Told::all(timeline);
    assertions.iter().map(|assertion| result(assertion, &told)).collect()
}

/// Looks for the waivers of what is violated, and for stale ones of what is kept.
pub fn excuse(results: &mut [AssertionResult], cell: &str, version: &str, waivers: &Waivers) {
    for result in results {
        let waives = matches!(result.state, AssertionState::Violated | AssertionState::Kept);
        let waiver = waives.then(|| waivers.of_assertion(cell, version, &result.id)).flatten();
        result.waiver = waiver.cloned();
    }
}

/// An event as its fields.
struct Told {
    at: GuestTime,
    /// Number of the last packet of the guest's before it.
    packet: Option<u64>,
    fields: Value,
}

impl Told {
    fn all(timeline: &[Entry]) -> Vec<Self> {
        let mut packet = None;
        let told = timeline.iter().map(|Entry { at, event }| {
            if let Event::Frame { number, direction: Direction::FromGuest, .. } = event {
                packet = Some(*number);
            }
            // What cannot be written cannot be read either: no pattern is about it.
            Self { at: *at, packet, fields: serde_json::to_value(event).unwrap_or_default() }
        });
        told.collect()
    }

    /// `packet 12`, or the guest's time.
    fn place(&self) -> String {
        let seconds = self.at.as_secs_f64();
        self.packet.map_or_else(|| format!("at {seconds:.3} s"), |number| format!("packet {number}"))
    }
}

fn result(assertion: &Assertion, told: &[Told]) -> AssertionResult {
    let (state, detail) = match check(assertion, told) {
        Ok(Some(detail)) if assertion.requirement.level == Level::Observe => {
            (AssertionState::Observed, detail)
        }
        Ok(Some(detail)) => (AssertionState::Kept, detail),
        Ok(None) => (AssertionState::Untested, "The cell did not come that far.".into()),
        Err(violation) => (AssertionState::Violated, violation),
    };
    AssertionResult {
        id: assertion.id.clone(),
        clause: assertion.requirement.spec.clone(),
        level: assertion.requirement.level,
        state,
        detail,
        waiver: None,
    }
}

/// What was seen, `None` if there was nothing to see; an error is a violation.
fn check(assertion: &Assertion, told: &[Told]) -> Result<Option<String>, String> {
    let first = |told: &[Told], pattern: &Pattern| {
        let test = Test::of(pattern);
        told.iter().position(|one| test.failure(&one.fields).is_none())
    };
    let begin = match &assertion.after {
        None => 0,
        Some(after) => match first(told, after) {
            Some(at) => at + 1,
            None => return Ok(None),
        },
    };
    let before = assertion.before.as_ref().and_then(|before| first(&told[begin..], before));
    let end = before.map_or(told.len(), |at| begin + at);
    let each = Test::of(&assertion.each);
    let chosen: Vec<&Told> =
        told[begin..end].iter().filter(|one| each.failure(&one.fields).is_none()).collect();
    let name = assertion.each.0.get("event").map(Matcher::to_string).unwrap_or_default();
    let since = (begin > 0).then(|| told[begin - 1].at);
    let befores = since.into_iter().chain(chosen.iter().map(|one| one.at));
    let afters = &chosen[usize::from(since.is_none()).min(chosen.len())..];
    let gaps: Vec<(f64, &Told)> =
        befores.zip(afters).map(|(before, one)| (one.at.since(before).as_secs_f64(), *one)).collect();
    let count = chosen.len();
    let times: Vec<String> = gaps.iter().map(|(gap, _)| format!("{gap:.1}")).collect();
    let seen = match times.as_slice() {
        [] => format!("{count} × {name}."),
        times => format!("{count} × {name}, {} s apart.", times.join(", ")),
    };
    let mut tested = !assertion.is_checked() && count > 0;
    if let Some(least) = assertion.at_least {
        tested = true;
        if count < least {
            return Err(format!("{seen} At least {least} are expected."));
        }
    }
    if let Some(most) = assertion.at_most {
        tested = true;
        if let Some(surplus) = chosen.get(most) {
            return Err(format!(
                "{seen} At most {most} are expected; the first too many is {}.",
                surplus.place()
            ));
        }
    }
    if let Some(has) = &assertion.has {
        let test = Test::of(has);
        tested |= count > 0;
        for one in &chosen {
            if let Some((path, found, wanted)) = test.failure(&one.fields) {
                let place = one.place();
                return Err(format!("{name}: {path} is {found}; expected {wanted} ({place})."));
            }
        }
    }
    for path in &assertion.same {
        let [first, rest @ ..] = chosen.as_slice() else { continue };
        tested |= !rest.is_empty();
        for one in rest {
            let [expected, found] = [first, one].map(|one| shown(&values(&one.fields, path)));
            if expected != found {
                let place = one.place();
                return Err(format!("{name}: {path} is {found}, and was {expected} before ({place})."));
            }
        }
    }
    if let Some(bounds) = &assertion.apart_seconds {
        tested |= !gaps.is_empty();
        if let Some((gap, one)) = gaps.iter().find(|(gap, _)| !bounds.hold(*gap)) {
            let place = one.place();
            return Err(format!("{name}: {gap:.3} s after the one before, not {bounds} ({place})."));
        }
    }
    Ok(tested.then_some(seen))
}

/// A pattern with its globs.
struct Test<'a>(Vec<(&'a str, Ready<'a>)>);

impl<'a> Test<'a> {
    fn of(pattern: &'a Pattern) -> Self {
        Self(pattern.0.iter().map(|(path, matcher)| (path.as_str(), Ready::of(matcher))).collect())
    }

    /// The first field that is not as it has to be: its path, what it is, what it has to be.
    fn failure(&self, fields: &Value) -> Option<(&'a str, String, &'a Matcher)> {
        self.0.iter().find_map(|(path, ready)| {
            let found = values(fields, path);
            (!ready.takes(&found)).then(|| (*path, shown(&found), ready.matcher))
        })
    }
}

struct Ready<'a> {
    matcher: &'a Matcher,
    glob: Option<GlobMatcher>,
    inner: Vec<Ready<'a>>,
}

impl<'a> Ready<'a> {
    fn of(matcher: &'a Matcher) -> Self {
        let inner = match matcher {
            Matcher::AnyOf(all) => all.iter().map(Self::of).collect(),
            Matcher::Not { not } => vec![Self::of(not)],
            _ => Vec::new(),
        };
        let glob = match matcher {
            Matcher::Text(text) => glob(text),
            _ => None,
        };
        Self { matcher, glob, inner }
    }

    /// Whether one of the values is what it has to be.
    fn takes(&self, found: &[&Value]) -> bool {
        match self.matcher {
            Matcher::Absent => found.is_empty(),
            Matcher::Is(value) => found.iter().any(|one| one.as_bool() == Some(*value)),
            Matcher::Number(number) => found.iter().any(|one| one.as_f64() == Some(*number)),
            Matcher::Text(_) => found.iter().any(|one| {
                let text = one.as_str();
                text.is_some_and(|text| self.glob.as_ref().is_some_and(|glob| glob.is_match(text)))
            }),
            Matcher::Between(bounds) => {
                found.iter().any(|one| one.as_f64().is_some_and(|number| bounds.hold(number)))
            }
            Matcher::AnyOf(_) => self.inner.iter().any(|one| one.takes(found)),
            Matcher::Not { .. } => !self.inner.iter().any(|one| one.takes(found)),
        }
    }
}

/// Only `*` is special, and a backslash before it takes that away.
fn glob(text: &str) -> Option<GlobMatcher> {
    let mut pattern = String::with_capacity(text.len());
    let mut escaped = false;
    for c in text.chars() {
        if !escaped && matches!(c, '[' | ']' | '{' | '}' | '?' | '!') {
            pattern.push('\\');
        }
        escaped = c == '\\' && !escaped;
        pattern.push(c);
    }
    if escaped {
        pattern.push('\\');
    }
    let glob = GlobBuilder::new(&pattern).backslash_escape(true).literal_separator(false).build();
    glob.ok().map(|glob| glob.compile_matcher())
}

/// The values at a dotted path, `null` being none: of an array those of its elements, of header fields those with that name.
fn values<'v>(fields: &'v Value, path: &str) -> Vec<&'v Value> {
    let step = |value: &'v Value, key: &str| -> Vec<&'v Value> {
        match value {
            Value::Object(entries) => entries.get(key).into_iter().collect(),
            Value::Array(elements) => elements
                .iter()
                .filter_map(|element| match (element.get("name"), element.get("value")) {
                    (Some(Value::String(name)), value) if name.eq_ignore_ascii_case(key) => value,
                    _ => element.get(key),
                })
                .collect(),
            _ => Vec::new(),
        }
    };
    let mut found = vec![fields];
    for key in path.split('.') {
        found = found.into_iter().flat_map(|value| step(value, key)).collect();
    }
    let elements = found.into_iter().flat_map(|value| match value {
        Value::Array(elements) => elements.iter().collect(),
        value => vec![value],
    });
    elements.filter(|value| !value.is_null()).collect()
}

fn shown(found: &[&Value]) -> String {
    let text = match found {
        [] => "absent".to_owned(),
        found => found.iter().map(|value| value.to_string()).collect::<Vec<_>>().join(", "),
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
