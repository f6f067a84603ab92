//! `bundle.json`: what the bundle is of, in types.

use crate::{BundleError, MANIFEST, MOST_ITEMS};
use record::{CellResult, FirmwareRecord, QemuRecord, RunRecord};
use serde::{Deserialize, Serialize};

/// Value of [`Manifest::schema`]: name and major version. A reader refuses another major version.
pub const BUNDLE_ID: &str = "plugfest-bundle/1";

/// Longest name of a fw_cfg item, bytes (QEMU's `FW_CFG_MAX_FILE_PATH`, without the end).
const ITEM_NAME: usize = 55;

/// What a bundle is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`BUNDLE_ID`].
    pub schema: String,
    /// Version of the plugfest that wrote the bundle.
    pub plugfest: String,
    /// The run that the cell is from: its clock, seed, QEMU.
    pub run: RunRecord,
    /// The firmware.
    pub firmware: FirmwareRecord,
    /// The cell and its result.
    pub cell: CellResult,
    /// What it takes to replay the recording, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<Recording>,
}

/// What a recording was made with. It can be replayed with nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The QEMU.
    pub qemu: QemuRecord,
    /// SHA-256 of the machine's description.
    pub machine: String,
    /// The fw_cfg items whose content is a file, in their order.
    pub fw_cfg: Vec<FwCfg>,
}

/// A fw_cfg item of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FwCfg {
    /// Its name in the guest.
    pub name: String,
}

impl Manifest {
    /// Reads a manifest of somebody else.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, BundleError> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let malformed = |source| BundleError::Malformed { file: MANIFEST, why: format!("{source}") };
        let head: Head = serde_json::from_slice(text).map_err(malformed)?;
        let minor = head.schema.strip_prefix(BUNDLE_ID);
        if !minor.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            return Err(BundleError::Schema { found: head.schema });
        }
        let manifest: Self = serde_json::from_slice(text).map_err(malformed)?;
        let wrong = manifest.contradiction();
        wrong.map_or(Ok(manifest), |why| Err(BundleError::Malformed { file: MANIFEST, why }))
    }

    /// What cannot be in what plugfest wrote.
    fn contradiction(&self) -> Option<String> {
        let firmware = &self.firmware.id;
        let name = |text: &str, others: &str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c))
        };
        if !name(firmware, ".+-") {
            return Some(format!("{firmware:?} is no id of a firmware"));
        }
        if !self.cell.id.ends_with(&format!("@{firmware}")) {
            return Some(format!("cell {:?} is not of firmware {firmware}", self.cell.id));
        }
        let Some(recording) = &self.recording else { return None };
        if recording.fw_cfg.len() > MOST_ITEMS {
            return Some(format!("{} fw_cfg items are more than {MOST_ITEMS}", recording.fw_cfg.len()));
        }
        let fits = |item: &&FwCfg| {
            let is_etc = item.name.starts_with("etc/") || item.name.starts_with("opt/");
            is_etc && item.name.len() <= ITEM_NAME && name(&item.name, "/._-")
        };
        let wrong = recording.fw_cfg.iter().find(|item| !fits(item));
        wrong.map(|item| format!("{:?} is no fw_cfg item of ours", item.name))
    }
}
