//! EFI_LOAD_OPTION (UEFI 2.11 §3.1.3).

use std::fmt;

/// `LOAD_OPTION_ACTIVE`
const ACTIVE: u32 = 1;

/// A boot option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOption {
    /// Whether the boot manager tries it by itself.
    pub active: bool,
    /// What it is called in menus.
    pub description: String,
    /// Where the image is: a device path, End included.
    pub path: Vec<u8>,
    /// What the image is given as its load options.
    pub optional_data: Vec<u8>,
}

impl LoadOption {
    /// As the value of a `Boot####` variable.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = u32::from(self.active).to_le_bytes().to_vec();
        let length = u16::try_from(self.path.len()).unwrap_or(u16::MAX);
        out.extend(length.to_le_bytes());
        out.extend(self.description.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
        out.extend(&self.path[..usize::from(length)]);
        out.extend(&self.optional_data);
        out
    }

    /// Reads the value of a `Boot####` variable; the firmware may have written anything there.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (attributes, rest) = bytes.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let units = rest.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        let description: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
        let rest = rest.get(2 * description.len() + 2..)?;
        let length = usize::from(u16::from_le_bytes(*length));
        let path = rest.get(..length)?.to_vec();
        Some(Self {
            active: u32::from_le_bytes(*attributes) & ACTIVE != 0,
            description: String::from_utf16_lossy(&description),
            path,
            optional_data: rest[length..].to_vec(),
        })
    }
}

impl fmt::Display for LoadOption {
    /// `UEFI HTTP entry: PciRoot(0x0)/…/Uri(http://…)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = payload::device_path::to_text(&self.path);
        write!(f, "{}: {path}{}", self.description, if self.active { "" } else { " (not active)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(
            active: bool,
            description in "[a-zA-Zäß ]{0,20}",
            path in proptest::collection::vec(any::<u8>(), 0..60),
            optional_data in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let option = LoadOption { active, description, path, optional_data };
            prop_assert_eq!(LoadOption::read(&option.bytes()), Some(option));
        }

        #[test]
        fn anything_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(option) = LoadOption::read(&bytes) {
                let _ = option.to_string();
            }
        }
    }
}
