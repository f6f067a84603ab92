//! What EDK2 reads from fw_cfg: anchors (`etc/edk2/https/cacerts`) and cipher suites (`etc/edk2/https/ciphers`).
//!
//! Anchors are EFI_SIGNATURE_LISTs (UEFI 2.11 §32.4.1), one behind the other:
//!
//! ```text
//!  0  SignatureType        16 bytes, a GUID; EFI_CERT_X509_GUID for certificates
//! 16  SignatureListSize     4 bytes, little-endian; of the whole list
//! 20  SignatureHeaderSize   4 bytes; 0 for certificates
//! 24  SignatureSize         4 bytes; of each of the following, so that each certificate gets a list of its own
//! 28  SignatureOwner       16 bytes, a GUID
//! 44  SignatureData         the certificate, DER
//! ```
//! Cipher suites are their IANA numbers, two bytes each, big-endian.

/// fw_cfg name of the anchors.
pub const CACERTS: &str = "etc/edk2/https/cacerts";
/// fw_cfg name of the cipher suites.
pub const CIPHERS: &str = "etc/edk2/https/ciphers";
/// Most bytes that EDK2 keeps in a volatile variable (`PcdMaxVolatileVariableSize` of OVMF), the variable's header and name
/// among them. Of a larger bundle it keeps nothing.
pub const LIMIT: usize = 256 * 1024;
/// EFI_CERT_X509_GUID, a5c059a1-94e4-4aa7-87b5-ab155c2bf072, as it is in memory.
pub const X509: [u8; 16] =
    [0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72];
/// EFI_CERT_SHA256_GUID, c1c41626-504c-4092-aca9-41f936934328, as it is in memory.
pub const SHA256: [u8; 16] =
    [0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28];
/// EFI_CERT_X509_SHA256_GUID, 3bd2a492-96c0-4079-b420-fcf98ef103ed, as it is in memory. Its data is the digest of a certificate's
/// TBSCertificate and the time since which it is revoked; all zero is always.
pub const X509_SHA256: [u8; 16] =
    [0x92, 0xa4, 0xd2, 0x3b, 0xc0, 0x96, 0x79, 0x40, 0xb4, 0x20, 0xfc, 0xf9, 0x8e, 0xf1, 0x03, 0xed];
/// Owner of what we enrol, 1f5c0e5c-7e57-4b3d-9a3b-706c75676673 ("plugfs" at its end), as it is in memory.
pub const OWNER: [u8; 16] =
    [0x5c, 0x0e, 0x5c, 0x1f, 0x57, 0x7e, 0x3d, 0x4b, 0x9a, 0x3b, 0x70, 0x6c, 0x75, 0x67, 0x66, 0x73];

const LIST_HEADER: usize = 28;
const GUID: usize = 16;

/// An EFI_SIGNATURE_LIST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureList {
    /// SignatureType.
    pub kind: [u8; 16],
    /// Owner and data of each signature; all data are of one size.
    pub signatures: Vec<([u8; 16], Vec<u8>)>,
}

/// Why bytes are no signature lists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read the signature list at byte {at}: {problem}")]
pub struct SignatureListError {
    /// Where the list starts.
    pub at: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// A list with one `certificate` (DER) for our owner.
pub fn certificate_list(certificate: &[u8]) -> Vec<u8> {
    list(X509, certificate)
}

/// A list with one signature of this type for our owner.
pub fn list(kind: [u8; 16], data: &[u8]) -> Vec<u8> {
    let signature = GUID + data.len();
    let mut bytes = kind.to_vec();
    for size in [LIST_HEADER + signature, 0, signature] {
        // A certificate of more than 4 GiB cannot be in memory twice.
        bytes.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
    }
    bytes.extend_from_slice(&OWNER);
    bytes.extend_from_slice(data);
    bytes
}

/// Reads lists as UEFI 2.11 §32.4.1 has them; stricter than EDK2, which skips lists of other types unread.
pub fn signature_lists(bytes: &[u8]) -> Result<Vec<SignatureList>, SignatureListError> {
    let mut lists = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (list, size) =
            signature_list(&bytes[at..]).map_err(|problem| SignatureListError { at, problem })?;
        lists.push(list);
        at += size;
    }
    Ok(lists)
}

fn signature_list(bytes: &[u8]) -> Result<(SignatureList, usize), String> {
    let (kind, rest) = bytes.split_first_chunk::<GUID>().ok_or("it ends within its type")?;
    let mut sizes = rest.chunks_exact(4).map(|size| {
        size.try_into()
            .ok()
            .and_then(|size| usize::try_from(u32::from_le_bytes(size)).ok())
            .unwrap_or(usize::MAX)
    });
    let mut size = || sizes.next().ok_or("it ends within its sizes");
    let (whole, header, each) = (size()?, size()?, size()?);
    let list =
        bytes.get(..whole).ok_or_else(|| format!("it has {whole} bytes, and {} are left", bytes.len()))?;
    let signatures = LIST_HEADER
        .checked_add(header)
        .and_then(|start| list.get(start..))
        .ok_or_else(|| format!("its header of {header} bytes does not fit into {whole}"))?;
    if each <= GUID {
        return Err(format!("its signatures of {each} bytes have no room for data"));
    }
    let chunks = signatures.chunks_exact(each);
    if signatures.is_empty() || !chunks.remainder().is_empty() {
        return Err(format!("{} bytes are no signatures of {each} each", signatures.len()));
    }
    let signatures = chunks.filter_map(|chunk| {
        let (owner, data) = chunk.split_first_chunk::<GUID>()?;
        Some((*owner, data.to_vec()))
    });
    Ok((SignatureList { kind: *kind, signatures: signatures.collect() }, whole))
}

/// The cipher suites with these IANA numbers, in this order.
pub fn cipher_list(suites: &[u16]) -> Vec<u8> {
    suites.iter().flat_map(|suite| suite.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_list_is_refused_where_it_starts() {
        let good = certificate_list(b"abc");
        let with = |at: usize, value: u32| {
            let mut bytes = [good.clone(), good.clone()].concat();
            bytes[good.len() + at..good.len() + at + 4].copy_from_slice(&value.to_le_bytes());
            signature_lists(&bytes).map_err(|error| (error.at, error.problem))
        };
        assert_eq!(with(16, 47).unwrap().len(), 2, "nothing changed");
        for (at, value, problem) in [
            (16, 48, "it has 48 bytes, and 47 are left"),
            (16, u32::MAX, "it has 4294967295 bytes"),
            (16, 46, "18 bytes are no signatures of 19"),
            (16, 27, "its header of 0 bytes does not fit into 27"),
            (16, 28, "0 bytes are no signatures"),
            (20, 20, "its header of 20 bytes does not fit"),
            (20, u32::MAX, "does not fit"),
            (24, 0, "its signatures of 0 bytes have no room"),
            (24, 16, "have no room"),
            (24, 20, "19 bytes are no signatures of 20"),
        ] {
            let (start, found) = with(at, value).expect_err(problem);
            assert!(start == good.len() && found.contains(problem), "{found}");
        }
        assert!(signature_lists(&good[..good.len() - 1]).is_err() && signature_lists(&good[..20]).is_err());
    }

    proptest! {
        #[test]
        fn bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = signature_lists(&bytes);
        }

        #[test]
        fn a_list_is_read_as_it_was_written(data in prop::collection::vec(any::<u8>(), 1..200)) {
            let expected = SignatureList { kind: X509, signatures: vec![(OWNER, data.clone())] };
            prop_assert_eq!(signature_lists(&certificate_list(&data)), Ok(vec![expected]));
        }
    }
}
