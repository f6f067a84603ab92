//! The variables of Secure Boot (UEFI 2.11 §32.3).

use crate::{GLOBAL, Variable};

/// EFI_IMAGE_SECURITY_DATABASE_GUID, d719b2cb-3d3a-4596-a3bc-dad00e67656f, as it lies in memory.
const IMAGE_SECURITY: [u8; 16] =
    [0xcb, 0xb2, 0x19, 0xd7, 0x3a, 0x3d, 0x96, 0x45, 0xa3, 0xbc, 0xda, 0xd0, 0x0e, 0x67, 0x65, 0x6f];
/// gEfiSecureBootEnableDisableGuid, f0a30bc7-af08-4556-99c4-001009c93a44: EDK2's own switch.
const ENABLE: [u8; 16] =
    [0xc7, 0x0b, 0xa3, 0xf0, 0x08, 0xaf, 0x56, 0x45, 0x99, 0xc4, 0x00, 0x10, 0x09, 0xc9, 0x3a, 0x44];
/// Non-volatile, accessible to boot services and at run time, authenticated by time (UEFI 2.11 §8.2).
const AUTHENTICATED: u32 = 0x27;
/// Non-volatile, accessible to boot services.
const OF_BOOT_SERVICES: u32 = 3;

/// The variables with these signature lists. `owner` is the list for PK and KEK; without it the platform is in setup mode and enforces
/// nothing. Empty lists are left out.
pub fn keys(owner: Option<&[u8]>, db: &[u8], dbx: &[u8]) -> Vec<Variable> {
    let of_owner = owner.into_iter().flat_map(|list| [("PK", GLOBAL, list), ("KEK", GLOBAL, list)]);
    let lists = of_owner.chain([("db", IMAGE_SECURITY, db), ("dbx", IMAGE_SECURITY, dbx)]);
    let variable = |(name, vendor, list): (&str, [u8; 16], &[u8])| Variable {
        name: name.into(),
        vendor,
        attributes: AUTHENTICATED,
        data: list.into(),
    };
    let enable = owner.map(|_| Variable {
        name: "SecureBootEnable".into(),
        vendor: ENABLE,
        attributes: OF_BOOT_SERVICES,
        data: vec![1],
    });
    lists.filter(|(_, _, list)| !list.is_empty()).map(variable).chain(enable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    #[test]
    fn an_owner_makes_it_count() {
        let names = |owner, dbx| {
            let names = keys(owner, b"db", dbx).into_iter().map(|variable| variable.name);
            names.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(Some(b"owner"), b""), "PK KEK db SecureBootEnable");
        assert_eq!(names(None, b"dbx"), "db dbx");
    }

    #[test]
    fn authenticated_variables_have_a_time() {
        let mut store = Store::formatted(1000);
        for variable in keys(Some(b"owner"), b"db", b"") {
            store.set(&variable).unwrap();
        }
        let times = store.bytes().windows(4).filter(|bytes| bytes == &[0xe4, 0x07, 1, 1]).count();
        assert_eq!(times, 3, "all but SecureBootEnable");
    }
}
