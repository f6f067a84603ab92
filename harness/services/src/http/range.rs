//! Requests for a part of the image (RFC 9110 §13.1, §14).

use super::request::Request;
use super::transfer::Ranges;
use std::ops::Range;

/// When the image was last modified, for a server that tells it.
pub(super) const LAST_MODIFIED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

/// What is sent of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// All of it.
    Whole,
    /// 206 with a part of it.
    Part(Range<usize>),
    /// 416.
    Unsatisfiable,
    /// 412.
    Failed,
}

/// What a GET for an image of `length` octets with entity tag `tag` gets.
pub(super) fn select(request: &Request, ranges: Ranges, tag: &str, length: usize) -> Selected {
    let validator = match ranges {
        Ranges::ServedByDate => LAST_MODIFIED,
        _ => tag,
    };
    if ranges == Ranges::Ignored {
        return Selected::Whole;
    }
    let value = |name| request.values(name).next().map(str::trim);
    // RFC 9110 §13.1.1: If-Match is a list of tags or an asterisk. §13.2.2: without it, If-Unmodified-Since counts.
    let holds = match (value("if-match"), value("if-unmodified-since")) {
        (Some(tags), _) => tags == "*" || tags.split(',').any(|one| one.trim() == validator),
        // The image never changes, so only the date that was told, or a later one that nobody asks for, holds.
        (None, Some(date)) => ranges != Ranges::ServedByDate || date == LAST_MODIFIED,
        (None, None) => true,
    };
    let asked = value("range");
    if !holds || (ranges == Ranges::Changed && asked.is_some()) {
        return Selected::Failed;
    }
    // RFC 9110 §13.1.5: a Range whose If-Range does not hold is ignored.
    if value("if-range").is_some_and(|one| one != validator) {
        return Selected::Whole;
    }
    match asked.map(|asked| parse(asked, length)) {
        Some(Some(_)) if ranges == Ranges::Refused => Selected::Unsatisfiable,
        Some(Some(range)) if range.is_empty() => Selected::Unsatisfiable,
        Some(Some(range)) => Selected::Part(range),
        // RFC 9110 §14.2: what is no range, or several, may be ignored.
        Some(None) | None => Selected::Whole,
    }
}

/// One range of octets (RFC 9110 §14.1.2); empty if it cannot be satisfied.
fn parse(text: &str, length: usize) -> Option<Range<usize>> {
    let (first, last) = text.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| -> Option<usize> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().unwrap_or(usize::MAX))
    };
    if first.is_empty() {
        let count = if last.is_empty() { return None } else { number(last)? };
        return Some(length.saturating_sub(count)..length);
    }
    let start = number(first)?;
    let end = if last.is_empty() { length } else { number(last)?.saturating_add(1) };
    if !last.is_empty() && end <= start {
        return None;
    }
    Some(start.min(length)..end.min(length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use record::HeaderField;

    fn request(fields: &[(&str, &str)]) -> Request {
        let headers =
            fields.iter().map(|(name, value)| HeaderField { name: (*name).into(), value: (*value).into() });
        Request { method: "GET".into(), target: "/".into(), minor: 1, headers: headers.collect() }
    }

    #[test]
    fn a_range_is_read_as_rfc_9110_says() {
        for (text, expected) in [
            ("bytes=0-9", Selected::Part(0..10)),
            ("bytes=90-", Selected::Part(90..100)),
            ("bytes=-10", Selected::Part(90..100)),
            ("bytes=-1000", Selected::Part(0..100)),
            ("bytes=99-200", Selected::Part(99..100)),
            ("bytes=100-", Selected::Unsatisfiable),
            ("bytes=-0", Selected::Unsatisfiable),
            ("bytes=99999999999999999999999-", Selected::Unsatisfiable),
            ("bytes=9-8", Selected::Whole),
            ("bytes=-", Selected::Whole),
            ("bytes=0-1,5-6", Selected::Whole),
            ("lines=0-9", Selected::Whole),
            ("bytes=a-9", Selected::Whole),
        ] {
            assert_eq!(
                select(&request(&[("Range", text)]), Ranges::Served, "\"t\"", 100),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn preconditions_come_before_the_range() {
        let range = ("Range", "bytes=50-99");
        let part = Selected::Part(50..100);
        for (ranges, fields, expected) in [
            (Ranges::Ignored, &[range][..], Selected::Whole),
            (Ranges::Refused, &[range], Selected::Unsatisfiable),
            (Ranges::Refused, &[], Selected::Whole),
            (Ranges::Changed, &[range], Selected::Failed),
            (Ranges::Changed, &[], Selected::Whole),
            (Ranges::OtherLength, &[range], part.clone()),
            (Ranges::Served, &[range, ("If-Match", "\"t\"")], part.clone()),
            (Ranges::Served, &[range, ("If-Match", "\"a\", \"t\"")], part.clone()),
            (Ranges::Served, &[range, ("If-Match", "*")], part.clone()),
            (Ranges::Served, &[range, ("If-Match", "\"a\"")], Selected::Failed),
            (Ranges::Served, &[range, ("If-Range", "\"t\"")], part.clone()),
            (Ranges::Served, &[range, ("If-Range", "\"a\"")], Selected::Whole),
            (Ranges::ServedByDate, &[range, ("If-Unmodified-Since", LAST_MODIFIED)], part),
            (
                Ranges::ServedByDate,
                &[range, ("If-Unmodified-Since", "Wed, 01 Jan 2020 00:00:00 GMT")],
                Selected::Failed,
            ),
        ] {
            assert_eq!(select(&request(fields), ranges, "\"t\"", 100), expected, "{ranges:?} {fields:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_part_is_within_the_image(text: String, length in 0_usize..1000) {
            for text in [text.clone(), format!("bytes={text}")] {
                if let Selected::Part(range) = select(&request(&[("Range", &text)]), Ranges::Served, "", length) {
                    assert!(range.start < range.end && range.end <= length);
                }
            }
        }
    }
}
