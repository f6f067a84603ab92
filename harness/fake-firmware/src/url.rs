//! The URLs that the client can fetch: `http` and `https` with an address or a name (RFC 3986 §3.2.2).

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Where a URL leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    Address(IpAddr),
    /// A name for a resolver.
    Name(String),
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(literal) = text.strip_prefix('[') {
            let address: Ipv6Addr = literal.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into()));
        }
        if let Ok(address) = text.parse() {
            return (!text.contains(':')).then_some(Self::Address(address));
        }
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let name = text.strip_suffix('.').unwrap_or(text);
        // A name whose last label is a number is a misspelt address (WHATWG URL, RFC 1123 §2.1).
        let number =
            name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        (name.split('.').all(label) && !number).then(|| Self::Name(name.to_owned()))
    }
}

impl fmt::Display for Host {
    /// As in a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    /// Whether it is `https`.
    pub(crate) secure: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
    /// Path and query, as sent in a request line.
    pub(crate) target: String,
    /// What follows `#`; it stays with the client (RFC 9110 §7.1).
    pub(crate) fragment: Option<String>,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = scheme.eq_ignore_ascii_case("https");
        let default_port = if secure { 443 } else { 80 };
        if !(secure || scheme.eq_ignore_ascii_case("http"))
            || text.bytes().any(|byte| !(b'!'..=b'~').contains(&byte))
        {
            return None;
        }
        let (rest, fragment) = match rest.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment.to_owned())),
            None => (rest, None),
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let authority = authority.rsplit('@').next()?;
        let end = authority.find(']').map_or(0, |bracket| bracket + 1);
        let (host, port) = match authority[end..].split_once(':') {
            Some((host, "")) => (end + host.len(), default_port),
            Some((host, port)) => (end + host.len(), port.parse().ok()?),
            None => (authority.len(), default_port),
        };
        let host = Host::parse(&authority[..host])?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        Some(Self { secure, host, port, target: format!("{slash}{target}"), fragment })
    }

    /// The URL that a `Location` value means here; relative paths without a leading slash are not used by our server
    /// and not understood.
    pub(crate) fn redirected(&self, location: &str) -> Option<Self> {
        if location.starts_with('/') && !location.starts_with("//") {
            return Some(Self { target: location.split('#').next()?.to_owned(), ..self.clone() });
        }
        Self::parse(location)
    }

    /// The last four characters of the path, which select a handler.
    pub(crate) fn suffix(&self) -> &str {
        let path = self.target.split('?').next().unwrap_or_default();
        path.get(path.len().saturating_sub(4)..).unwrap_or_default()
    }

    pub(crate) fn authority(&self) -> String {
        let default_port = if self.secure { 443 } else { 80 };
        if self.port == default_port { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_can_be_fetched() {
        let read = |text| Url::parse(text).map(|url| (url.to_string(), url.suffix().to_owned()));
        for (text, expected) in [
            ("http://192.0.2.1/boot.efi", Some(("http://192.0.2.1/boot.efi", ".efi"))),
            ("HTTP://192.0.2.1:8080/a.EFI?x=1#y", Some(("http://192.0.2.1:8080/a.EFI?x=1", ".EFI"))),
            ("http://u:p@192.0.2.1", Some(("http://192.0.2.1/", "/"))),
            ("http://192.0.2.1?f=a.efi", Some(("http://192.0.2.1/?f=a.efi", "/"))),
            ("http://boot.example/a.efi", Some(("http://boot.example/a.efi", ".efi"))),
            ("http://[2001:db8::1]/a.efi", Some(("http://[2001:db8::1]/a.efi", ".efi"))),
            ("https://[2001:DB8::1]:8443", Some(("https://[2001:db8::1]:8443/", "/"))),
            ("http://[2001:db8::1/a.efi", None),
            ("http://[192.0.2.1]/a.efi", None),
            ("http://2001:db8::1/a.efi", None),
            ("http://192.0.2.1.5/a.efi", None),
            ("http://boot..example/a.efi", None),
            ("http://192.0.2.1:99999/a.efi", None),
            ("https://192.0.2.1/a.efi", Some(("https://192.0.2.1/a.efi", ".efi"))),
            ("HTTPS://192.0.2.1:80/a.iso", Some(("https://192.0.2.1:80/a.iso", ".iso"))),
            ("ftp://192.0.2.1/a.efi", None),
            ("http://192.0.2.1/a b", None),
            ("boot.efi", None),
        ] {
            let expected = expected.map(|(url, suffix)| (url.to_owned(), suffix.to_owned()));
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn redirects_to_urls_and_absolute_paths() {
        let base = Url::parse("http://192.0.2.1:81/a/b").unwrap();
        for (location, expected) in [
            ("/c.efi", Some("http://192.0.2.1:81/c.efi")),
            ("http://192.0.2.2/c.efi", Some("http://192.0.2.2/c.efi")),
            ("https://192.0.2.2/c.efi", Some("https://192.0.2.2/c.efi")),
            ("tftp://192.0.2.2/c.efi", None),
            ("//192.0.2.2/c.efi", None),
        ] {
            let found = base.redirected(location).map(|url| url.to_string());
            assert_eq!(found.as_deref(), expected, "{location}");
        }
    }
}
