//! The boot image that is served.

use crate::SettingsError;
use pki::{authenticode::Digest, settings::ExtendedKeyUsage};
use record::ImageForm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The `image:` block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Its size in bytes, 8192 to 1 GiB, rounded up to a multiple of 512; `null` is as small as it can be. Its content is looked
    /// at by the image itself when it runs.
    pub bytes: Option<u64>,
    /// What kind of file it is.
    pub kind: Kind,
    /// Modules of Linux that an initial RAM file system loads before it can send.
    pub modules: Option<Modules>,
    /// What a unified kernel image is made of.
    pub kernel: Option<Kernel>,
    /// Where it is, with placeholders; `null` is at the boot file's URL.
    pub url: Option<String>,
    /// Who has signed it, and how: in this order. An image that is no PE image cannot be.
    pub signatures: Vec<Signature>,
    /// What is served in its place.
    pub form: ImageForm,
}

/// What kind of file the image is; the program in it is the same in all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A program for the firmware: an EFI application, or a network bootstrap program for a PC BIOS.
    #[default]
    Program,
    /// A disc (ISO 9660 with El Torito) whose boot catalog has an EFI system partition with the program.
    Iso,
    /// A disk with a master boot record and an EFI system partition with the program.
    Disk,
    /// An initial RAM file system for Linux (cpio, newc), whose first process is the program.
    Initramfs,
    /// A unified kernel image (UAPI Group specification 5): an EFI application of `kernel` with such a file system in it.
    UnifiedKernel,
}

/// What a unified kernel image is made of, besides its initial RAM file system. `stub` and `linux` are files of builds of the catalog,
/// as in `http.files[].loader`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    /// The EFI application that starts Linux.
    pub stub: String,
    /// Linux.
    pub linux: String,
    /// Its command line.
    pub command_line: String,
    /// Both files, once they have been obtained.
    #[serde(skip)]
    pub bytes: [Option<Arc<[u8]>>; 2],
}

impl Kind {
    /// Whether the program is Linux's first process.
    pub const fn is_linux(self) -> bool {
        matches!(self, Self::Initramfs | Self::UnifiedKernel)
    }
}

/// Modules of Linux, from the initial RAM file system that a loader comes with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Modules {
    /// A file of a build of the catalog, as in `http.files[].loader`.
    pub from: String,
    /// Their names, in the order in which they need each other.
    pub names: Vec<String>,
    /// They themselves, once they have been obtained.
    #[serde(skip)]
    pub contents: Arc<[Vec<u8>]>,
}

/// A signature in the image (Authenticode; UEFI 2.11 §32.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Signature {
    /// The signer's chain; its leaf signs. Names are left out, and where nothing else is said it is for signing code. The anchor does not come
    /// with it. What is `enrolled` of it is what the client's `db` has.
    pub certificate: pki::Settings,
    /// The hash function that image and signature go by.
    pub digest: Digest,
}

impl Signature {
    /// The signer's chain as it is minted.
    pub fn chain(&self) -> pki::Settings {
        let mut chain = self.certificate.clone();
        chain.leaf.names.clear();
        chain.leaf.common_name.get_or_insert_with(|| "plugfest test signer".into());
        if chain.leaf.extended_key_usage == ExtendedKeyUsage::Server {
            chain.leaf.extended_key_usage = ExtendedKeyUsage::CodeSigning;
        }
        chain
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bytes: None,
            kind: Kind::Program,
            modules: None,
            kernel: None,
            url: None,
            signatures: Vec::new(),
            form: ImageForm::Whole,
        }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        if self.signatures.len() > 8 {
            let problem = format!("{} signatures; expected at most 8", self.signatures.len());
            return Err(SettingsError::new("network.image.signatures", problem));
        }
        for (at, signature) in self.signatures.iter().enumerate() {
            signature.chain().check().map_err(|error| {
                let path = format!("network.image.signatures[{at}].certificate.{}", error.path);
                SettingsError::new(path, error.problem)
            })?;
        }
        if (self.kind == Kind::UnifiedKernel) != self.kernel.is_some() {
            let problem = "expected with `kind: unified-kernel`, and only there";
            return Err(SettingsError::new("network.image.kernel", problem));
        }
        if self.modules.is_some() && !self.kind.is_linux() {
            let problem = "expected only where Linux is started";
            return Err(SettingsError::new("network.image.modules", problem));
        }
        match self.bytes.filter(|bytes| !(8192..=1 << 30).contains(bytes)) {
            Some(bytes) => {
                let problem = format!("{bytes} bytes; expected 8192 to 1073741824");
                Err(SettingsError::new("network.image.bytes", problem))
            }
            None => Ok(()),
        }
    }
}
