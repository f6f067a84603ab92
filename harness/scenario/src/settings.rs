//! The settings that a scenario can name, found in the settings' own schema.

use serde_json::{Map, Value};
use services::NetworkSettings;
use std::sync::LazyLock;

/// The dotted path of every setting, in the order of the types.
pub(crate) fn all() -> &'static [String] {
    static ALL: LazyLock<Vec<String>> = LazyLock::new(|| {
        let schema = schemars::schema_for!(NetworkSettings).to_value();
        let mut found = Vec::new();
        collect(&schema, &schema["$defs"], "", &mut found);
        found
    });
    &ALL
}

/// Whether `path` names a setting.
pub(crate) fn exists(path: &str) -> bool {
    all().iter().any(|known| known == path)
}

/// Whether `path` names a block of settings.
pub(crate) fn is_block(path: &str) -> bool {
    all().iter().any(|known| known.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

/// The setting that was probably meant by `path`.
pub(crate) fn probably(path: &str) -> Option<&'static str> {
    let path = path.strip_prefix("network.").unwrap_or(path);
    let paths = || all().iter().map(String::as_str);
    let last = |path: &'static str| path.rsplit('.').next().unwrap_or(path);
    paths()
        .find(|known| *known == path)
        .or_else(|| paths().find(|known| path.strip_prefix(known).is_some_and(|rest| rest.starts_with('.'))))
        .or_else(|| crate::suggest::nearest(path, paths()))
        .or_else(|| {
            let word = path.rsplit('.').next().unwrap_or(path);
            let found = crate::suggest::nearest(word, paths().map(last))?;
            paths().find(|known| last(known) == found)
        })
}

fn collect(schema: &Value, defs: &Value, prefix: &str, found: &mut Vec<String>) {
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, property) in properties {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match block(property, defs) {
            Some(inner) => collect(inner, defs, &path, found),
            None => found.push(path),
        }
    }
}

/// The schema of a block of settings: an object with named properties. Variants that hold a value are alternatives of a
/// `oneOf` and no block.
fn block<'s>(property: &'s Value, defs: &'s Value) -> Option<&'s Value> {
    let target = match property["$ref"].as_str() {
        Some(reference) => defs.get(reference.strip_prefix("#/$defs/")?)?,
        None => property,
    };
    let is_block = target["type"] == "object"
        && target["properties"].as_object().is_some_and(|p: &Map<_, _>| !p.is_empty());
    is_block.then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every leaf of the default settings is a setting, and the other way round.
    #[test]
    fn settings_are_the_leaves_of_the_types() {
        let defaults = serde_json::to_value(NetworkSettings::default()).expect("settings serialise");
        for setting in all() {
            let pointer = format!("/{}", setting.replace('.', "/"));
            assert!(defaults.pointer(&pointer).is_some(), "{setting} is not in the defaults");
        }
        fn leaves(value: &Value) -> usize {
            value.as_object().map_or(1, |block| block.values().map(leaves).sum())
        }
        assert_eq!(all().len(), leaves(&defaults));
    }

    #[test]
    fn a_slip_in_a_path_finds_the_setting() {
        for (slip, meant) in [
            ("network.http.status", "http.status"),
            ("http.statsu", "http.status"),
            ("content_type", "http.content_type"),
            ("contenttype", "http.content_type"),
            ("http.head.status", "http.head"),
            ("dhcp.bootfile", "dhcp4.bootfile"),
        ] {
            assert_eq!(probably(slip), Some(meant), "{slip}");
        }
        assert_eq!(probably("zebra"), None);
        assert!(is_block("http") && !is_block("http.status") && !is_block("htt") && exists("http.status"));
    }
}
