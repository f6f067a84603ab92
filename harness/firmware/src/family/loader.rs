//! What firmware boots and what goes on to boot: boot loaders and kernels. They have no machine of their own, so that they are no column;
//! scenarios serve them (`http.files`).

use super::{Architecture, ConsoleSign, Family, MachineSpec};
use record::Capability;

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

    fn console_sign(&self, _: &str) -> Option<ConsoleSign> {
        None
    }

    fn console_meaning(&self, _: &str) -> Option<&'static str> {
        None
    }

    fn longest_timeout_seconds(&self) -> u32 {
        0
    }
}
