//! What firmware boots and what goes on to boot: boot loaders and kernels. They have no machine of their own, so that they are no column;
//! scenarios serve them (`http.files`).

use super::{Architecture, ConsoleSign, Family, MachineSpec};
use record::Capability;

/// What loaders say, and what it means.
const PHRASES: &[(&str, &str)] = &[
    (
        "Failed to fetch image: Not Found",
        "shim asked for a file that the server does not have; some of them are optional",
    ),
    ("Unable to fetch HTTP image", "shim did not get its second stage"),
    ("start_image() returned ", "shim gives up its second stage"),
    ("Security Policy Violation", "shim does not trust what it was about to start"),
    ("grub> ", "GRUB found no configuration and waits for somebody who types"),
    ("Kernel panic - not syncing", "Linux stopped for good"),
];

/// The family of loaders.
pub struct Loader;

impl Family for Loader {
    fn id(&self) -> &'static str {
        "loader"
    }

    fn machine(&self, _: Architecture) -> Option<MachineSpec> {
        None
    }

    fn is_about_ipv4(&self, _: &str) -> bool {
        true
    }

    fn has(&self, _: Capability) -> bool {
        false
    }

    fn console_sign(&self, line: &str) -> Option<ConsoleSign> {
        // GRUB waits for somebody who types, shim and Linux for nothing.
        if self.is_prompt(line) || line.contains("Kernel panic - not syncing") {
            return Some(ConsoleSign::AttemptFailed);
        }
        None
    }

    fn is_prompt(&self, line: &str) -> bool {
        line == "grub> "
    }

    fn console_meaning(&self, line: &str) -> Option<&'static str> {
        PHRASES.iter().find(|(phrase, _)| line.contains(phrase)).map(|(_, meaning)| *meaning)
    }

    fn longest_timeout_seconds(&self) -> u32 {
        0
    }
}
