//! A boot option in a variable store of EDK2: the only way to make firmware HTTP-boot where the DHCP server cannot say
//! `HTTPClient`, as QEMU's user networking cannot.

/// What EDK2 prints when it starts what any boot option has loaded.
pub const STARTING: &str = "BdsDxe: starting Boot";

/// `EFI_FIRMWARE_VOLUME_HEADER.Signature` (PI 1.8 volume 3, §3.2.1) and where it and `HeaderLength` are.
const VOLUME: (usize, &[u8; 4], usize) = (40, b"_FVH", 48);
/// `gEfiAuthenticatedVariableGuid`, the signature of a store of variables with this header:
const STORE: [u8; 16] =
    [0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43, 0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92];
/// Bytes of `VARIABLE_STORE_HEADER` and of `AUTHENTICATED_VARIABLE_HEADER` (MdeModulePkg, VariableFormat.h).
const STORE_HEADER: usize = 28;
const VARIABLE_HEADER: usize = 60;
const START_ID: [u8; 2] = [0xaa, 0x55];
/// `VAR_ADDED`.
const ADDED: u8 = 0x3f;
/// `EFI_GLOBAL_VARIABLE` (UEFI 2.11 §3.3).
const GLOBAL: [u8; 16] =
    [0x61, 0xdf, 0xe4, 0x8b, 0xca, 0x93, 0xd2, 0x11, 0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c];
/// Non-volatile, boot service and runtime access (UEFI 2.11 §8.2).
const ATTRIBUTES: u32 = 7;

/// The store has no place for a boot option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to write a boot option into the variable store: {0}")]
pub struct StoreError(&'static str);

/// The variable store `template` with a first boot option that loads `uri` (UEFI 2.11 §3.1.3, §10.3.4.22).
pub fn with_uri(template: &[u8], uri: &str) -> Result<Vec<u8>, StoreError> {
    let mut store = template.to_vec();
    let mut at = variables(&store)?;
    let end = at.1;
    for (name, data) in [("Boot0001", load_option(uri)), ("BootOrder", 1u16.to_le_bytes().to_vec())] {
        let variable = variable(name, &data);
        let place = store.get_mut(at.0..at.0 + variable.len()).filter(|_| at.0 + variable.len() <= end);
        let place = place.filter(|place| place.iter().all(|byte| *byte == 0xff));
        place.ok_or(StoreError("it is full"))?.copy_from_slice(&variable);
        at.0 = (at.0 + variable.len()).next_multiple_of(4);
    }
    Ok(store)
}

/// Where the next variable goes, and where the store ends.
fn variables(store: &[u8]) -> Result<(usize, usize), StoreError> {
    let (signature_at, signature, length_at) = VOLUME;
    let no_store = StoreError("it is no store of authenticated variables");
    let word = |at: usize| -> Option<usize> {
        let bytes: [u8; 4] = store.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    if store.get(signature_at..signature_at + 4) != Some(signature) {
        return Err(no_store);
    }
    let header = word(length_at).ok_or(no_store.clone())? & 0xffff;
    if store.get(header..header + 16) != Some(&STORE) {
        return Err(no_store);
    }
    let size = word(header + 16).ok_or(no_store.clone())?;
    let mut at = header + STORE_HEADER;
    while store.get(at..at + 2) == Some(&START_ID) {
        let (name, data) = (word(at + 36), word(at + 40));
        let (name, data) = name.zip(data).ok_or(no_store.clone())?;
        at = (at + VARIABLE_HEADER + name + data).next_multiple_of(4);
    }
    Ok((at, (header + size).min(store.len())))
}

fn variable(name: &str, data: &[u8]) -> Vec<u8> {
    let name = utf16(name);
    let mut bytes = vec![START_ID[0], START_ID[1], ADDED, 0];
    bytes.extend(ATTRIBUTES.to_le_bytes());
    // Monotonic count, time stamp and index of the public key: of no meaning without authentication.
    bytes.extend([0; 8 + 16 + 4]);
    for length in [name.len(), data.len()] {
        bytes.extend((length as u32).to_le_bytes());
    }
    bytes.extend(GLOBAL);
    bytes.extend(name);
    bytes.extend(data);
    bytes
}

/// `EFI_LOAD_OPTION`: active, with the short form of a URI device path.
fn load_option(uri: &str) -> Vec<u8> {
    let mut path = vec![3, 24];
    path.extend((4 + uri.len() as u16).to_le_bytes());
    path.extend(uri.bytes());
    path.extend([0x7f, 0xff, 4, 0]);
    let mut option = 1u32.to_le_bytes().to_vec();
    option.extend((path.len() as u16).to_le_bytes());
    option.extend(utf16("bench"));
    option.extend(path);
    option
}

/// With the final zero.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty store of `size` bytes behind a volume header.
    fn template(size: u32) -> Vec<u8> {
        let mut store = vec![0; 0x48];
        store[40..44].copy_from_slice(b"_FVH");
        store[48] = 0x48;
        store.extend(STORE);
        store.extend(size.to_le_bytes());
        store.extend([0x5a, 0xfe, 0, 0, 0, 0, 0, 0]);
        store.resize(0x48 + size as usize, 0xff);
        store
    }

    #[test]
    fn a_second_option_goes_behind_the_first() {
        let once = with_uri(&template(1024), "http://a/b").unwrap();
        let first = 0x48 + STORE_HEADER;
        assert_eq!(once[first..first + 4], [0xaa, 0x55, 0x3f, 0]);
        assert_eq!(once[first + VARIABLE_HEADER..][..4], *b"B\0o\0");
        let uri = once.windows(10).position(|bytes| bytes == b"http://a/b").unwrap();
        assert_eq!(once[uri - 4..uri], [3, 24, 14, 0]);
        assert_eq!(once[uri + 10..uri + 14], [0x7f, 0xff, 4, 0]);
        let (next, end) = variables(&once).unwrap();
        assert_eq!(end, once.len());
        assert!(once[next..].iter().all(|byte| *byte == 0xff), "nothing follows");
        let twice = with_uri(&once, "http://c/d").unwrap();
        assert_eq!(twice[..next], once[..next]);
        assert_eq!(twice[next..next + 4], [0xaa, 0x55, 0x3f, 0]);
    }

    #[test]
    fn what_is_no_store_or_full_is_refused() {
        let error = |store: &[u8]| with_uri(store, "http://a/b").unwrap_err().to_string();
        assert!(error(&[0; 100]).ends_with("it is no store of authenticated variables"));
        assert!(error(&[]).ends_with("it is no store of authenticated variables"));
        assert!(error(&template(160)).ends_with("it is full"));
    }
}
