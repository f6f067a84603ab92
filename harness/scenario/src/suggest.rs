//! "Did you mean …": the known word that a misspelt one is nearest to.

/// The best of `known` for `word`, if one is near enough to be a likely slip.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = fold(word);
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(&word, &fold(candidate), limit), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Up to `count` of `known`, those most like `word` first: near spellings, shared segments, shared beginnings.
pub fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    let word = fold(word);
    let limit = (word.chars().count() / 2).max(2);
    let mut found: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|candidate| {
            let other = fold(candidate);
            let whole = distance(&word, &other, limit);
            let shares =
                |part: &str| part.len() > 2 && other.split(['/', '.', '-']).any(|segment| segment == part);
            let shared = word.split(['/', '.', '-']).filter(|part| shares(part)).count();
            match (whole <= limit, shared) {
                (true, _) => Some((whole, candidate)),
                (false, 0) => None,
                (false, shared) => Some((limit + 10 - shared.min(9), candidate)),
            }
        })
        .collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().take(count).map(|(_, candidate)| candidate).collect()
}

/// What people confuse: case, `-`, `_` and spaces.
fn fold(word: &str) -> String {
    word.chars().take(80).map(|c| if matches!(c, '_' | ' ') { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours.
/// Anything above `limit` may be reported as `limit + 1`.
fn distance(a: &str, b: &str, limit: usize) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let substitution = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitution.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_different_word_finds_nothing() {
        let known = ["bootfile", "bootfile_in", "vendor_class", "router"];
        assert_eq!(nearest("bootfil", known), Some("bootfile"));
        assert_eq!(nearest("botofile", known), Some("bootfile"));
        assert_eq!(nearest("Vendor-Class", known), Some("vendor_class"));
        assert_eq!(nearest("ruoter", known), Some("router"));
        assert_eq!(nearest("lease", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn distance_counts_edits() {
        for (a, b, expected) in
            [("", "", 0), ("a", "", 1), ("ab", "ba", 1), ("kitten", "sitting", 3), ("same", "same", 0)]
        {
            assert_eq!(distance(a, b, 10), expected, "{a} {b}");
            assert_eq!(distance(b, a, 10), expected, "{b} {a}");
        }
    }

    #[test]
    fn near_names_rank_spelling_before_shared_segments() {
        let known = ["http/redirect", "http/status", "dhcp4/nak", "url/suffix"];
        assert_eq!(near("http/redirects", known, 3), ["http/redirect", "http/status"]);
        assert_eq!(near("suffix", known, 3), ["url/suffix"]);
        assert!(near("zzz", known, 3).is_empty());
    }
}
