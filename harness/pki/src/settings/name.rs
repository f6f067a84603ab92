//! Names of a server, as a scenario writes them (RFC 5280 §4.2.1.6).

use rcgen::{CidrSubnet, GeneralSubtree, SanType};
use std::net::IpAddr;

/// What `text` names: an address, a DNS name, or what its prefix says. The error says what is wrong.
pub(crate) fn parse(text: &str) -> Result<SanType, String> {
    let address = |text: &str| {
        text.parse::<IpAddr>()
            .map_err(|_| format!("{text:?} is no address; expected one like 192.0.2.1 or 2001:db8::1"))
    };
    if let Ok(address) = text.parse() {
        return Ok(SanType::IpAddress(address));
    }
    let (kind, rest) = match text.split_once(':') {
        Some((kind @ ("dns" | "ip" | "uri" | "email"), rest)) => (kind, rest),
        _ => ("dns", text),
    };
    check_ia5(rest)?;
    let ia5 = || rest.try_into().map_err(|_| not_ascii(rest));
    match kind {
        "ip" => address(rest).map(SanType::IpAddress),
        "uri" => ia5().map(SanType::URI),
        "email" => ia5().map(SanType::Rfc822Name),
        _ => ia5().map(SanType::DnsName),
    }
}

/// Refuses what cannot be an IA5String or was left unfinished.
pub(crate) fn check_ia5(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("an empty name; leave it out, or write what it should be".into());
    }
    check_expanded(text)?;
    if text.is_ascii() { Ok(()) } else { Err(not_ascii(text)) }
}

/// Refuses what still has a placeholder.
pub(crate) fn check_expanded(text: &str) -> Result<(), String> {
    match text.contains(['{', '}']) {
        true => Err(format!("{text:?} has a placeholder that nothing replaced")),
        false => Ok(()),
    }
}

fn not_ascii(text: &str) -> String {
    format!("{text:?} is not ASCII; international names are written in their xn-- form (RFC 5890 §2.3.2.1)")
}

/// The subtrees that hold just these names; the common name stands for a DNS name if there is none (RFC 9525 §1.4.2
/// says that clients no longer look there, but some do).
pub(crate) fn subtrees(names: &[SanType], common_name: Option<&str>) -> Vec<GeneralSubtree> {
    let subtree = |name: &SanType| match name {
        SanType::DnsName(name) => {
            let name = name.as_str();
            Some(GeneralSubtree::DnsName(name.strip_prefix("*.").unwrap_or(name).into()))
        }
        SanType::IpAddress(address) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            Some(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, bits)))
        }
        _ => None,
    };
    let found: Vec<_> = names.iter().filter_map(subtree).collect();
    let common_name = common_name.filter(|name| names.is_empty() && name.is_ascii() && !name.is_empty());
    found.into_iter().chain(common_name.map(|name| GeneralSubtree::DnsName(name.into()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_it_looks_like_unless_it_says_otherwise() {
        let shown = |text: &str| match parse(text) {
            Ok(SanType::DnsName(name)) => format!("DNS {}", name.as_str()),
            Ok(SanType::IpAddress(address)) => format!("IP {address}"),
            Ok(SanType::URI(name)) => format!("URI {}", name.as_str()),
            Ok(SanType::Rfc822Name(name)) => format!("email {}", name.as_str()),
            other => format!("{other:?}"),
        };
        for (text, meant) in [
            ("boot.example.test", "DNS boot.example.test"),
            ("*.example.test", "DNS *.example.test"),
            ("192.0.2.1", "IP 192.0.2.1"),
            ("2001:db8::1", "IP 2001:db8::1"),
            ("dns:192.0.2.1", "DNS 192.0.2.1"),
            ("ip:2001:db8::1", "IP 2001:db8::1"),
            ("uri:https://boot.example.test/", "URI https://boot.example.test/"),
            ("email:root@example.test", "email root@example.test"),
            ("other:thing", "DNS other:thing"),
        ] {
            assert_eq!(shown(text), meant);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, problem) in [
            ("", "an empty name"),
            ("dns:", "an empty name"),
            ("ip:boot.example.test", "is no address"),
            ("bücher.example.test", "is not ASCII"),
            ("{server4}", "placeholder"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(problem), "{text}: {error}");
        }
    }
}
