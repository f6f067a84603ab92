//! The variable store of EDK2's flash: a firmware volume with one store of authenticated variables in it
//! (MdeModulePkg/Include/Guid/VariableFormat.h).

use std::fmt::Write;

/// EFI_GLOBAL_VARIABLE (UEFI 2.11 §3.3), as it lies in memory.
pub const GLOBAL: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
/// gEfiAuthenticatedVariableGuid
const AUTHENTICATED: [u8; 16] =
    [0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92];
/// Where a firmware volume has its signature and its header's length (PI 1.9 volume 3, §3.2.1).
const SIGNATURE: std::ops::Range<usize> = 40..44;
const HEADER_LENGTH: usize = 48;
/// Bytes of the header of the store, and of each variable.
const STORE_HEADER: usize = 28;
const VARIABLE_HEADER: usize = 60;
const START: [u8; 2] = [0xaa, 0x55];
/// EFI_VARIABLE_TIME_BASED_AUTHENTICATED_WRITE_ACCESS (UEFI 2.11 §8.2).
const TIME_BASED: u32 = 0x20;
/// When what is authenticated was written, as EFI_TIME: 2020-01-01.
const WRITTEN: [u8; 16] = [0xe4, 0x07, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// States; each takes bits away from the one before, as flash does.
const ADDED: u8 = 0x3f;
const IN_DELETED_TRANSITION: u8 = 0xfe;

/// A variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Name.
    pub name: String,
    /// Vendor GUID, as it lies in memory.
    pub vendor: [u8; 16],
    /// Attributes (UEFI 2.11 §8.2).
    pub attributes: u32,
    /// Value.
    pub data: Vec<u8>,
}

/// Why flash holds no store that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no firmware volume, or something else in it.
    #[error("no EDK2 variable store; expected a firmware volume with authenticated variables")]
    Foreign,
    /// There is no room for a variable.
    #[error("no room in the variable store, which has {0} bytes")]
    Full(usize),
}

/// A flash image with a store in it.
#[derive(Clone, Debug)]
pub struct Store {
    flash: Vec<u8>,
    /// Where variables may be.
    area: std::ops::Range<usize>,
}

impl Store {
    /// Reads the template of a flash image. Some builds bring a blank one, which the firmware formats when it starts: it gets what ArmVirtQemu
    /// makes of it, the only one of which that is known.
    pub fn of_template(mut flash: Vec<u8>) -> Result<Self, StoreError> {
        let is_blank = flash.len() >= ARM_VOLUME
            && flash.first().is_some_and(|first| flash.iter().all(|byte| byte == first));
        if is_blank {
            flash[..ARM_VOLUME].copy_from_slice(&arm_volume());
        }
        Self::parse(flash)
    }

    /// Reads a flash image, which may be of any origin.
    pub fn parse(flash: Vec<u8>) -> Result<Self, StoreError> {
        let is_volume = flash.get(SIGNATURE) == Some(b"_FVH");
        let header = le16(&flash, HEADER_LENGTH).filter(|_| is_volume).ok_or(StoreError::Foreign)?;
        let store = usize::from(header);
        let guid = flash.get(store..store + 16).ok_or(StoreError::Foreign)?;
        let size = le32(&flash, store + 16).ok_or(StoreError::Foreign)? as usize;
        let area = store + STORE_HEADER..store.saturating_add(size);
        let state = flash.get(store + 20..store + 22);
        // Formatted and healthy.
        if guid != AUTHENTICATED || state != Some(&[0x5a, 0xfe]) || area.end > flash.len() || area.is_empty()
        {
            return Err(StoreError::Foreign);
        }
        Ok(Self { flash, area })
    }

    /// A flash image with an empty store of `size` bytes, as a firmware finds it when it is new.
    pub fn formatted(size: u32) -> Self {
        const HEADER: u16 = 72;
        let mut flash = vec![0; usize::from(HEADER)];
        flash[SIGNATURE].copy_from_slice(b"_FVH");
        flash[HEADER_LENGTH..HEADER_LENGTH + 2].copy_from_slice(&HEADER.to_le_bytes());
        flash.extend(AUTHENTICATED);
        flash.extend(size.to_le_bytes());
        flash.extend([0x5a, 0xfe, 0, 0, 0, 0, 0, 0]);
        let area = usize::from(HEADER) + STORE_HEADER..usize::from(HEADER) + size as usize;
        flash.resize(area.end, 0xff);
        Self { flash, area }
    }

    /// The flash image.
    pub fn bytes(&self) -> &[u8] {
        &self.flash
    }

    /// The variables that are there, in the order in which they were written.
    pub fn variables(&self) -> Vec<Variable> {
        self.entries().into_iter().map(|(_, variable)| variable).collect()
    }

    /// Sets a variable, in place of one with its name and vendor.
    pub fn set(&mut self, variable: &Variable) -> Result<(), StoreError> {
        for (at, known) in self.entries() {
            if known.name == variable.name && known.vendor == variable.vendor {
                self.flash[at + 2] &= 0xfd;
            }
        }
        let name: Vec<u8> = variable.name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let mut entry = START.to_vec();
        entry.extend([ADDED, 0]);
        entry.extend(variable.attributes.to_le_bytes());
        // Monotonic count, time stamp and key: of authenticated variables only.
        entry.extend([0; 8]);
        entry.extend(if variable.attributes & TIME_BASED == 0 { [0; 16] } else { WRITTEN });
        entry.extend([0; 4]);
        let full = StoreError::Full(self.area.len());
        for length in [name.len(), variable.data.len()] {
            entry.extend(u32::try_from(length).map_err(|_| full)?.to_le_bytes());
        }
        entry.extend(variable.vendor);
        entry.extend(name);
        entry.extend(&variable.data);
        let at = self.end();
        if at + entry.len() > self.area.end {
            return Err(full);
        }
        self.flash[at..at + entry.len()].copy_from_slice(&entry);
        Ok(())
    }

    /// Where the first byte is free.
    fn end(&self) -> usize {
        let mut at = aligned(self.area.start);
        while let Some(length) = self.length(at) {
            at = aligned(at + length);
        }
        at
    }

    /// How long the entry at `at` is, if there is one.
    fn length(&self, at: usize) -> Option<usize> {
        (self.flash.get(at..at + 2)? == START).then_some(())?;
        let [name, data] = [at + 36, at + 40].map(|at| le32(&self.flash, at).map(|length| length as usize));
        let length = VARIABLE_HEADER.checked_add(name?)?.checked_add(data?)?;
        (at.checked_add(length)? <= self.area.end).then_some(length)
    }

    fn entries(&self) -> Vec<(usize, Variable)> {
        let mut found = Vec::new();
        let mut at = aligned(self.area.start);
        while let Some(length) = self.length(at) {
            let state = self.flash[at + 2];
            if state == ADDED || state == ADDED & IN_DELETED_TRANSITION {
                let entry = &self.flash[at..at + length];
                let name_length = le32(entry, 36).unwrap_or_default() as usize;
                let (name, data) = entry[VARIABLE_HEADER..].split_at(name_length);
                let units = name.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
                let name: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
                let mut vendor = [0; 16];
                vendor.copy_from_slice(&entry[44..60]);
                let attributes = le32(entry, 4).unwrap_or_default();
                let name = String::from_utf16_lossy(&name);
                found.push((at, Variable { name, vendor, attributes, data: data.to_vec() }));
            }
            at = aligned(at + length);
        }
        found
    }
}

/// Bytes of ArmVirtQemu's volume: variables, working area and spare area of fault-tolerant writes, of a block each.
const ARM_VOLUME: usize = 3 * ARM_BLOCK;
const ARM_BLOCK: usize = 256 << 10;

/// That volume, without any variable (PI 1.9 volume 3, §3.2.1; EFI_FAULT_TOLERANT_WORKING_BLOCK_HEADER).
fn arm_volume() -> Vec<u8> {
    // gEfiSystemNvDataFvGuid
    const NV_DATA: [u8; 16] =
        [0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50];
    // gEdkiiWorkingBlockSignatureGuid, CRC-32 of the header, its state, and the size of what follows.
    const WORKING: [u8; 32] = [
        0x2b, 0x29, 0x58, 0x9e, 0x68, 0x7c, 0x7d, 0x49, 0xa0, 0xce, 0x65, 0x00, 0xfd, 0x9f, 0x1b, 0x95, 0x5b,
        0xe7, 0xc6, 0x86, 0xfe, 0xff, 0xff, 0xff, 0xe0, 0xff, 0x03, 0x00, 0, 0, 0, 0,
    ];
    const HEADER: u16 = 72;
    let mut volume = vec![0; 16];
    volume.extend(NV_DATA);
    volume.extend((ARM_VOLUME as u64).to_le_bytes());
    volume.extend(b"_FVH");
    volume.extend(0x0004_feff_u32.to_le_bytes());
    volume.extend(HEADER.to_le_bytes());
    // Check sum and extended header, then revision 2.
    volume.extend([0, 0, 0, 0, 0, 2]);
    for number in [3, ARM_BLOCK as u32, 0, 0] {
        volume.extend(number.to_le_bytes());
    }
    let words = volume.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let sum = words.fold(0_u16, u16::wrapping_add).wrapping_neg();
    volume[50..52].copy_from_slice(&sum.to_le_bytes());
    volume.extend(AUTHENTICATED);
    volume.extend((ARM_BLOCK as u32 - u32::from(HEADER)).to_le_bytes());
    volume.extend([0x5a, 0xfe, 0, 0, 0, 0, 0, 0]);
    volume.resize(ARM_BLOCK, 0xff);
    volume.extend(WORKING);
    volume.resize(ARM_VOLUME, 0xff);
    volume
}

/// A GUID as it is written: `8BE4DF61-93CA-11D2-AA0D-00E098032B8C`.
pub fn guid_text(guid: &[u8; 16]) -> String {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (index, at) in order.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a string does not fail.
        let _ = write!(text, "{:02X}", guid[at]);
    }
    text
}

fn aligned(at: usize) -> usize {
    at.next_multiple_of(4)
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An empty store of 1,000 bytes in a volume, and what comes after it.
    fn empty() -> Vec<u8> {
        let mut flash = Store::formatted(1000).bytes().to_vec();
        flash.resize(flash.len() + 100, 0xff);
        flash
    }

    fn variable(name: &str, data: &[u8]) -> Variable {
        Variable { name: name.into(), vendor: GLOBAL, attributes: 7, data: data.into() }
    }

    #[test]
    fn what_is_set_is_there_and_replaces_what_was() {
        let mut store = Store::parse(empty()).unwrap();
        assert_eq!(store.variables(), []);
        let (one, other) = (variable("BootOrder", &[1, 0]), variable("Boot0001", b"odd"));
        for variable in [&one, &other, &variable("BootOrder", &[2, 0])] {
            store.set(variable).unwrap();
        }
        let read = Store::parse(store.bytes().to_vec()).unwrap();
        assert_eq!(read.variables(), [other, variable("BootOrder", &[2, 0])]);
        let much = variable("X", &[0; 900]);
        assert_eq!(store.set(&much), Err(StoreError::Full(972)));
    }

    #[test]
    fn a_blank_template_is_formatted_as_armvirtqemu_does() {
        let mut store = Store::of_template(vec![0; 1 << 20]).unwrap();
        // As in Debian's AAVMF_VARS.fd of 2025.02.
        assert_eq!(store.bytes()[50..52], [0x28, 0x09]);
        assert_eq!(store.bytes()[72 + 16..72 + 20], [0xb8, 0xff, 0x03, 0x00]);
        assert_eq!(store.bytes().len(), 1 << 20);
        store.set(&variable("BootOrder", &[1, 0])).unwrap();
        assert_eq!(store.variables().len(), 1);
        assert_eq!(Store::of_template(vec![0; 4096]).unwrap_err(), StoreError::Foreign);
        assert_eq!(Store::of_template(vec![]).unwrap_err(), StoreError::Foreign);
    }

    #[test]
    fn what_is_no_store_is_refused() {
        let mut unformatted = empty();
        unformatted[72 + 20] = 0xff;
        let mut too_long = empty();
        too_long[72 + 18] = 9;
        for flash in [vec![], vec![0xff; 4096], empty()[..90].to_vec(), unformatted, too_long] {
            assert_eq!(Store::parse(flash).unwrap_err(), StoreError::Foreign);
        }
    }

    #[test]
    fn guids_read_as_in_the_specification() {
        assert_eq!(guid_text(&GLOBAL), "8BE4DF61-93CA-11D2-AA0D-00E098032B8C");
    }

    proptest! {
        #[test]
        fn anything_can_follow_the_header(rest in proptest::collection::vec(any::<u8>(), 0..300), starts in 0..4_usize) {
            let mut flash = empty();
            for start in 0..starts {
                flash[100 + 70 * start..102 + 70 * start].copy_from_slice(&START);
            }
            flash[102..102 + rest.len()].copy_from_slice(&rest);
            let mut store = Store::parse(flash).unwrap();
            let _ = store.variables();
            let _ = store.set(&variable("Boot0001", b"x"));
        }
    }
}
