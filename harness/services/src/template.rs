//! Placeholders in URLs and in the names of certificates: [`PLACEHOLDERS`].
//!
//! Braces cannot occur in a URI (RFC 3986 §2), so every brace is taken for a placeholder and none is passed on.

use crate::{NetworkSettings, SettingsError, address};

/// What there is, for people.
const PLACEHOLDERS: &str =
    "{server4}, {guest4}, {server6}, {guest6}, {offlink6}, {name}, {port} and {tls_port}";

impl NetworkSettings {
    /// Replaces the placeholders in a text about this network, those that URLs have.
    pub fn expand(&self, text: &str) -> Result<String, SettingsError> {
        expand(text, "", self)
    }
}

/// Replaces the placeholders in `text`; `path` is the dotted path of the setting, for the error.
pub(crate) fn expand(text: &str, path: &str, settings: &NetworkSettings) -> Result<String, SettingsError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        expanded.push_str(&rest[..at]);
        let name = rest[at..]
            .strip_prefix('{')
            .and_then(|inner| inner.find('}').map(|end| &inner[..end]))
            .ok_or_else(|| {
                SettingsError::new(path, "a brace without its partner; placeholders look like {server4}")
            })?;
        match name {
            "server4" => expanded.push_str(&address::SERVER4.to_string()),
            "guest4" => expanded.push_str(&settings.dhcp4.address.unwrap_or(address::GUEST4).to_string()),
            "server6" => expanded.push_str(&address::SERVER6.to_string()),
            "guest6" => {
                let guest = settings.dhcp6.addresses.first().copied().unwrap_or(address::GUEST6);
                expanded.push_str(&guest.to_string());
            }
            "offlink6" => expanded.push_str(&address::OFF_LINK6.to_string()),
            "name" => expanded.push_str(&settings.dns.name),
            "port" => expanded.push_str(&settings.http.port.to_string()),
            "tls_port" => expanded.push_str(&settings.tls.port.to_string()),
            _ => {
                let problem = format!("unknown placeholder {{{name}}}; there are {PLACEHOLDERS}");
                return Err(SettingsError::new(path, problem));
            }
        }
        rest = &rest[at + name.len() + 2..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        let mut settings = NetworkSettings::default();
        settings.http.port = 8080;
        expand(text, "network.dhcp4.bootfile", &settings).map_err(|e| e.to_string())
    }

    #[test]
    fn replaces_every_placeholder() {
        assert_eq!(
            expanded("http://{server4}:{port}/for/{guest4}?{port}&{tls_port}"),
            Ok("http://192.0.2.1:8080/for/192.0.2.100?8080&443".into())
        );
        assert_eq!(
            expanded("http://[{server6}]/{guest6}/{offlink6}/{name}"),
            Ok("http://[2001:db8::1]/2001:db8::100/2001:db8:1::1/boot.example.com".into())
        );
        assert_eq!(expanded(""), Ok(String::new()));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for text in ["http://{server5}/", "{", "}", "a}b{port}", "{port", "{{port}}", "{}"] {
            let error = expanded(text).expect_err(text);
            assert!(error.starts_with("network.dhcp4.bootfile: "), "{error}");
        }
    }
}
