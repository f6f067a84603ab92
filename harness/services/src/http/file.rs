//! Files beside the boot image: what loaders fetch that boot in several steps.

use crate::{SettingsError, url::Target};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A file that the server has, served well whatever the other settings are: 200, with its length.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// Where it is; an absolute URL, with placeholders.
    pub url: String,
    /// What is in it, with placeholders. This or `loader`.
    pub text: Option<String>,
    /// A build of the catalog whose code is in it, or with `/NAME` behind it another of its files. `{architecture}` is that of the
    /// client.
    pub loader: Option<String>,
    /// Content-Type; `null` sends none.
    pub content_type: Option<String>,
    /// The loader, once it has been obtained.
    #[serde(skip)]
    pub bytes: Option<Arc<[u8]>>,
}

impl File {
    /// Checks what the types cannot; placeholders have been replaced.
    pub(super) fn check(&self, path: &str) -> Result<(), SettingsError> {
        if Target::of_url(&self.url).is_none() {
            let problem = format!("{:?} is no http or https URL", self.url);
            return Err(SettingsError::new(format!("{path}.url"), problem));
        }
        if self.text.is_some() == self.loader.is_some() {
            let problem = "expected either `text` or `loader`";
            return Err(SettingsError::new(path, problem));
        }
        Ok(())
    }

    /// What is served. A loader that was not obtained is empty; nothing is run without it.
    pub(super) fn content(&self) -> Arc<[u8]> {
        match (&self.bytes, &self.text) {
            (Some(bytes), _) => Arc::clone(bytes),
            (None, text) => text.as_deref().unwrap_or_default().as_bytes().into(),
        }
    }
}
