//! Which request target a conforming client sends for a URL (RFC 3986, RFC 9110 §4.2.1, RFC 9112 §3.2).

/// A request target in origin form, normalised so that equivalent spellings compare equal (RFC 3986 §6.2.2), and whether
/// it is behind TLS: `http` and `https` are different origins (RFC 9110 §4.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    secure: bool,
    path_and_query: Vec<u8>,
}

impl Target {
    /// The target of an `http` or `https` URL, or `None` if `url` is not one with an authority (RFC 9110 §4.2).
    pub(crate) fn of_url(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        let secure = scheme.eq_ignore_ascii_case("https");
        if !secure && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        Self::of_authority_and_path(rest.strip_prefix("//")?, secure)
    }

    /// The target of a `Location` value that was received in answer to a request for `base` (RFC 9110 §10.2.2,
    /// resolved by RFC 3986 §5.2.2); `None` if it leads to another scheme than `http` and `https`.
    pub(crate) fn of_reference(reference: &str, base: &Self) -> Option<Self> {
        let reference = without_fragment(reference);
        if let Some(rest) = reference.strip_prefix("//") {
            return Self::of_authority_and_path(rest, base.secure);
        }
        if has_scheme(reference) {
            return Self::of_url(reference);
        }
        let secure = base.secure;
        let base = String::from_utf8_lossy(&base.path_and_query);
        let base_path = base.split('?').next().unwrap_or_default();
        let resolved = match reference.as_bytes().first() {
            None => base.into_owned(),
            Some(b'/') => reference.to_owned(),
            Some(b'?') => format!("{base_path}{reference}"),
            Some(_) => {
                let directory = &base_path[..base_path.rfind('/').map_or(0, |slash| slash + 1)];
                format!("{directory}{reference}")
            }
        };
        Some(Self::normalised(resolved.as_bytes(), secure))
    }

    /// The target of a request line: origin form, which takes the scheme from the connection, or absolute form, which a
    /// server has to accept too (RFC 9112 §3.2.2, §3.3).
    pub(crate) fn of_request(target: &str, secure: bool) -> Option<Self> {
        if target.starts_with('/') {
            Some(Self::normalised(target.as_bytes(), secure))
        } else {
            Self::of_url(target)
        }
    }

    fn of_authority_and_path(rest: &str, secure: bool) -> Option<Self> {
        let rest = without_fragment(rest);
        let (authority, path_and_query) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() {
            return None;
        }
        // RFC 9112 §3.2.1: an empty path is sent as "/".
        let root = if path_and_query.starts_with('/') { "" } else { "/" };
        Some(Self::normalised(format!("{root}{path_and_query}").as_bytes(), secure))
    }

    fn normalised(target: &[u8], secure: bool) -> Self {
        let query = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
        let mut normalised = without_dot_segments(&normalised_escapes(&target[..query]));
        normalised.extend(normalised_escapes(&target[query..]));
        Self { secure, path_and_query: normalised }
    }
}

fn without_fragment(url: &str) -> &str {
    url.split('#').next().unwrap_or_default()
}

fn has_scheme(reference: &str) -> bool {
    let colon = reference.find(':');
    let other = reference.find(['/', '?']);
    colon.is_some_and(|colon| colon > 0 && other.is_none_or(|other| colon < other))
}

/// RFC 3986 §6.2.2.1 and §6.2.2.2: hexadecimal digits in upper case, unreserved characters not escaped, and bytes
/// that have no place in a URI escaped.
fn normalised_escapes(text: &[u8]) -> Vec<u8> {
    let mut normalised = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = if byte == b'%' { hex_pair(tail) } else { None };
        let (byte, keep) = match escaped {
            Some(value) => {
                rest = &tail[2..];
                (value, is_unreserved(value))
            }
            None => {
                rest = tail;
                (byte, byte == b'%' || (byte.is_ascii_graphic() && !br#"<>"\^`{|}"#.contains(&byte)))
            }
        };
        if keep {
            normalised.push(byte);
        } else {
            normalised.extend(format!("%{byte:02X}").into_bytes());
        }
    }
    normalised
}

/// The bytes that `text` is in hexadecimal; `None` unless it has two digits for each.
pub(crate) fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    text.as_bytes().chunks(2).map(hex_pair).collect()
}

fn hex_pair(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| text.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// RFC 3986 §5.2.4, for a path that starts with "/".
fn without_dot_segments(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|&byte| byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    kept.pop();
                }
                if last {
                    kept.push(b"");
                }
            }
            other => kept.push(other),
        }
    }
    let mut path = Vec::new();
    for segment in kept {
        path.push(b'/');
        path.extend(segment);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Option<String> {
        Target::of_url(url).map(|t| String::from_utf8_lossy(&t.path_and_query).into_owned())
    }

    #[test]
    fn target_of_a_boot_file_url() {
        for (url, expected) in [
            ("http://192.0.2.1/boot.efi", Some("/boot.efi")),
            ("HTTP://192.0.2.1/boot.efi", Some("/boot.efi")),
            ("http://192.0.2.1:8080/a/b.efi?x=1&y=/2?#part", Some("/a/b.efi?x=1&y=/2?")),
            ("http://192.0.2.1", Some("/")),
            ("http://192.0.2.1?x", Some("/?x")),
            ("http://192.0.2.1/#part", Some("/")),
            ("http://192.0.2.1//double//slash.efi", Some("//double//slash.efi")),
            ("http://192.0.2.1/a b%2Fc%7e", Some("/a%20b%2Fc~")),
            ("http://192.0.2.1/a/../b/./c", Some("/b/c")),
            ("http:///boot.efi", None),
            ("http:/boot.efi", None),
            ("https://192.0.2.1/boot.efi", Some("/boot.efi")),
            ("httpss://192.0.2.1/boot.efi", None),
            ("tftp://192.0.2.1/boot.efi", None),
            ("boot.efi", None),
            ("", None),
        ] {
            assert_eq!(target(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn equivalent_spellings_are_the_same_target() {
        let boot = Target::of_url("http://192.0.2.1/a/b%2fc~.efi").expect("an http URL");
        for same in ["/a/b%2Fc~.efi", "/a/b%2fc%7E.efi", "/x/../a/b%2Fc~.efi", "http://other/%61/b%2fc~.efi"]
        {
            assert_eq!(Target::of_request(same, false).as_ref(), Some(&boot), "{same}");
        }
        for other in ["/a/b/c~.efi", "/A/b%2Fc~.efi", "/a/b%2Fc~.efi?", "/a/b%2Fc~.efi/", "*", "a/b%2Fc~.efi"]
        {
            assert_ne!(Target::of_request(other, false).as_ref(), Some(&boot), "{other}");
        }
        assert_ne!(Target::of_request("/a/b%2fc~.efi", true).as_ref(), Some(&boot), "another origin");
        let secure = Target::of_url("HTTPS://192.0.2.1/a/b%2fc~.efi").expect("an https URL");
        assert_eq!(Target::of_request("/a/b%2fc~.efi", true).as_ref(), Some(&secure));
        assert_eq!(Target::of_request("https://x/a/b%2fc~.efi", false).as_ref(), Some(&secure));
    }

    /// The examples of RFC 3986 §5.4 that stay on one host, with its base `/b/c/d;p?q`.
    #[test]
    fn references_resolve_as_in_rfc_3986() {
        let base = Target::of_url("http://a/b/c/d;p?q").expect("an http URL");
        for (reference, expected) in [
            ("http://h/x", Some("/x")),
            ("//h/x", Some("/x")),
            ("g:h", None),
            ("g", Some("/b/c/g")),
            ("./g", Some("/b/c/g")),
            ("g/", Some("/b/c/g/")),
            ("/g", Some("/g")),
            ("?y", Some("/b/c/d;p?y")),
            ("g?y#s", Some("/b/c/g?y")),
            ("#s", Some("/b/c/d;p?q")),
            ("", Some("/b/c/d;p?q")),
            (";x", Some("/b/c/;x")),
            (".", Some("/b/c/")),
            ("..", Some("/b/")),
            ("../g", Some("/b/g")),
            ("../../../g", Some("/g")),
            ("./../g", Some("/b/g")),
            ("g/./h", Some("/b/c/g/h")),
            ("g/../h", Some("/b/c/h")),
            ("g?y/../x", Some("/b/c/g?y/../x")),
        ] {
            let resolved = Target::of_reference(reference, &base);
            let target = |path: &str| Target { secure: false, path_and_query: path.into() };
            assert_eq!(resolved, expected.map(target), "{reference}");
        }
        let secure = Target::of_url("https://h/x").expect("an https URL");
        assert_eq!(Target::of_reference("https://h/x", &base).as_ref(), Some(&secure));
        assert_eq!(Target::of_reference("//h/x", &secure).as_ref(), Some(&secure));
        assert_eq!(Target::of_reference("/x", &secure).as_ref(), Some(&secure));
    }
}
