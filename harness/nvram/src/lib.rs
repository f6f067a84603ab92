//! UEFI variables as EDK2 keeps them in flash, read and written while no firmware runs: boot options (UEFI 2.11 §3.1.3),
//! their order, and what is left of them after a boot.
//!
//! There is no crate for this store: those that know load options and signature lists read efivarfs, which takes a guest
//! that runs.

#![forbid(unsafe_code)]

mod keys;
mod load_option;
mod path;
mod store;

pub use keys::keys;
pub use load_option::LoadOption;
pub use path::{Network, Node, device_path};
pub use store::{GLOBAL, Store, StoreError, Variable, guid_text};

/// The attributes of boot options: non-volatile, accessible to boot services and at run time (UEFI 2.11 §8.2).
pub const BOOT_ATTRIBUTES: u32 = 7;

/// `Boot0010`.
pub fn option_name(number: u16) -> String {
    format!("Boot{number:04X}")
}

/// The value of `BootOrder` and the like.
pub fn order(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The global variable `name` with the attributes of a boot option.
pub fn boot_variable(name: impl Into<String>, data: Vec<u8>) -> Variable {
    Variable { name: name.into(), vendor: GLOBAL, attributes: BOOT_ATTRIBUTES, data }
}

/// What a global variable says, for people: the options that an order names, or what an option is.
pub fn meaning(variable: &Variable) -> Option<String> {
    if variable.vendor != GLOBAL {
        return None;
    }
    let is_option = variable.name.len() == 8
        && variable.name.starts_with("Boot")
        && variable.name[4..].bytes().all(|byte| byte.is_ascii_hexdigit());
    match variable.name.as_str() {
        "BootOrder" | "BootNext" => {
            let numbers = variable.data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            Some(numbers.map(|number| format!("{number:04X}")).collect::<Vec<_>>().join(" "))
        }
        _ if is_option => LoadOption::read(&variable.data).map(|option| option.to_string()),
        _ => None,
    }
}
