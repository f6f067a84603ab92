//! The boot image that is served.

use crate::SettingsError;
use record::ImageForm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `image:` block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Its size in bytes, 8192 to 1 GiB, rounded up to a multiple of 512; `null` is as small as it can be. Its content is looked
    /// at by the image itself when it runs.
    pub bytes: Option<u64>,
    /// What is served in its place.
    pub form: ImageForm,
}

impl Default for Settings {
    fn default() -> Self {
        Self { bytes: None, form: ImageForm::Whole }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        match self.bytes.filter(|bytes| !(8192..=1 << 30).contains(bytes)) {
            Some(bytes) => {
                let problem = format!("{bytes} bytes; expected 8192 to 1073741824");
                Err(SettingsError::new("network.image.bytes", problem))
            }
            None => Ok(()),
        }
    }
}
