//! Conditions on a build's version: `>=2022.11 <2025.08`.

/// Conditions that all have to hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Versions(Vec<(Comparison, Vec<u64>)>);

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

/// The longer signs first: `<=` begins with `<`.
const SIGNS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Less),
    (">", Comparison::More),
    ("=", Comparison::Equal),
];

impl Versions {
    /// Parses conditions with spaces between them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let condition = |word: &str| {
            let (sign, number) =
                SIGNS.iter().find_map(|(sign, what)| Some((*what, word.strip_prefix(sign)?)))?;
            let numbers = numbers(number)?;
            // All of it is the number, or something is left that nobody looks at.
            let whole = number.chars().all(|c| c.is_ascii_digit() || c == '.');
            whole.then_some((sign, numbers))
        };
        let conditions: Option<Vec<_>> = text.split_whitespace().map(condition).collect();
        conditions.filter(|all| !all.is_empty()).map(Self).ok_or_else(|| {
            format!("{text:?} is no condition on a version; write for example `>=2022.11 <2025.08`")
        })
    }

    /// Whether they hold for a version; one without a number at its beginning meets no condition.
    pub fn hold(&self, version: &str) -> bool {
        let Some(version) = numbers(version) else { return self.0.is_empty() };
        self.0.iter().all(|(comparison, other)| {
            let order = version.cmp(other);
            match comparison {
                Comparison::Less => order.is_lt(),
                Comparison::AtMost => order.is_le(),
                Comparison::Equal => order.is_eq(),
                Comparison::AtLeast => order.is_ge(),
                Comparison::More => order.is_gt(),
            }
        })
    }
}

/// The numbers with points between them that a version begins with: `2022.11` of `2022.11-6+deb12u2`.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(version.len());
    version[..end].split('.').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_about_the_upstream_version() {
        for (conditions, version, holds) in [
            (">=2022.11 <2025.08", "2022.11-6+deb12u2", true),
            (">=2022.11 <2025.08", "2020.11-2+deb11u2", false),
            (">=2022.11 <2025.08", "2025.08", false),
            ("<=2025.02", "2025.02-8+deb13u1", true),
            ("=2026.08", "2026.08+ds-2", true),
            (">2026.08", "2026.08+ds-2", false),
            ("<10", "9.1", true),
            ("<2025.08", "my own build", false),
        ] {
            assert_eq!(Versions::parse(conditions).unwrap().hold(version), holds, "{conditions} {version}");
        }
        assert!(Versions::default().hold("my own build"));
    }

    #[test]
    fn what_is_no_condition_is_an_error() {
        for text in ["", "2022.11", ">=", ">=2022.11-6", "~2022", "< 2022.11"] {
            assert!(Versions::parse(text).is_err(), "{text:?}");
        }
    }
}
