//! Sections in PE images (PE format §3, §4), and unified kernel images, which are made of them.

/// What the section table says of data that is read only: initialised, readable.
pub(crate) const READABLE: u32 = 0x4000_0040;
/// The same of code that is changed where it is: Linux unpacks itself.
const RUNS: u32 = 0xe000_0020;
/// Bytes of a section header.
const HEADER: usize = 40;
const FILE_HEADER: usize = 24;
const PAGE: usize = 4096;

/// Why an image did not take a section.
#[derive(Debug, thiserror::Error)]
pub enum PeError {
    /// It is not what it was said to be.
    #[error("the loader's stub is no PE image")]
    NoPe,
    /// Its headers end where the first section begins.
    #[error("the loader's stub has no room for the header of another section")]
    NoRoom,
}

/// A unified kernel image (UAPI Group specification 5): `stub` with Linux, its command line and its initial RAM file system.
pub fn unified_kernel(
    stub: &[u8],
    linux: &[u8],
    command_line: &str,
    initrd: &[u8],
) -> Result<Vec<u8>, PeError> {
    let os = b"ID=plugfest\nNAME=plugfest\nVERSION_ID=1\n";
    // Linux comes last, with the room that it takes when it has unpacked itself there.
    let room = header(linux).and_then(|pe| dword(linux, pe + FILE_HEADER + 56)).unwrap_or_default();
    let mut image = without_symbols(stub)?;
    for (name, content, in_memory, kind) in [
        (*b".osrel\0\0", os.as_slice(), os.len(), READABLE),
        (*b".cmdline", command_line.as_bytes(), command_line.len(), READABLE),
        (*b".initrd\0", initrd, initrd.len(), READABLE),
        (*b".linux\0\0", linux, room.max(linux.len()), RUNS),
    ] {
        let section = Section { name, length: content.len(), in_memory, kind };
        let Added { end, .. } = section.add_header(&mut image)?;
        image.extend(content);
        image.resize(end, 0);
    }
    Ok(image)
}

/// A PE image in a file, of one as it is in memory: sections that its headers say are of the same size in both. `None` if it is none.
pub(crate) fn as_in_file(image: &[u8]) -> Option<Vec<u8>> {
    let headers = dword(image, header(image)? + FILE_HEADER + 60)?;
    let mut file = image.get(..headers)?.to_vec();
    for at in sections(image)? {
        let [address, size, begin] = [dword(image, at + 12)?, dword(image, at + 16)?, dword(image, at + 20)?];
        file.resize(begin, 0);
        file.extend(image.get(address..address.checked_add(size)?)?);
    }
    Some(file)
}

/// Where the headers of its sections are.
fn sections(image: &[u8]) -> Option<impl Iterator<Item = usize>> {
    let pe = header(image)?;
    let table = pe + FILE_HEADER + word(image, pe + 20)?;
    Some((0..word(image, pe + 6)?).map(move |section| table + HEADER * section))
}

/// Where the signature of a PE image is.
fn header(image: &[u8]) -> Option<usize> {
    dword(image, 0x3c).filter(|pe| image.get(*pe..pe.saturating_add(4)) == Some(b"PE\0\0"))
}

/// The image without what is behind its last section: a signature is over the sections, one behind the other.
fn without_symbols(image: &[u8]) -> Result<Vec<u8>, PeError> {
    let pe = header(image).ok_or(PeError::NoPe)?;
    let sections = sections(image).ok_or(PeError::NoPe)?;
    let end = |at: usize| dword(image, at + 20)?.checked_add(dword(image, at + 16)?);
    let end = sections.filter_map(end).max().filter(|end| *end <= image.len()).ok_or(PeError::NoPe)?;
    let mut image = image[..end].to_vec();
    // PointerToSymbolTable and NumberOfSymbols.
    image.get_mut(pe + 12..pe + 20).ok_or(PeError::NoPe)?.fill(0);
    Ok(image)
}

/// A section that an image gets behind those that it has.
pub(crate) struct Section {
    pub name: [u8; 8],
    /// Bytes of its content, and those that it takes in memory.
    pub length: usize,
    pub in_memory: usize,
    /// Characteristics.
    pub kind: u32,
}

/// Where a section is in memory, relative to the image's base, and where it ends in the file.
pub(crate) struct Added {
    pub address: usize,
    pub end: usize,
}

impl Section {
    /// Enters it into the headers, and leaves the image where the content has to follow.
    pub fn add_header(&self, image: &mut Vec<u8>) -> Result<Added, PeError> {
        let Self { name, length, in_memory, kind } = self;
        let pe = header(image).ok_or(PeError::NoPe)?;
        let optional = pe + FILE_HEADER;
        let field = |at: usize| dword(image, optional + at).ok_or(PeError::NoPe);
        let [alignment, file_alignment, size, headers] = [field(32)?, field(36)?, field(56)?, field(60)?];
        if !alignment.is_power_of_two() || !file_alignment.is_power_of_two() {
            return Err(PeError::NoPe);
        }
        let sections = word(image, pe + 6).ok_or(PeError::NoPe)?;
        let header = optional + word(image, pe + 20).ok_or(PeError::NoPe)? + HEADER * sections;
        if header + HEADER > headers.min(image.len()) {
            return Err(PeError::NoRoom);
        }
        let (address, begin) =
            (size.next_multiple_of(alignment.max(PAGE)), image.len().next_multiple_of(file_alignment));
        let raw = length.next_multiple_of(file_alignment);
        let mut put = |at: usize, value: usize| {
            let value = u32::try_from(value).map_err(|_| PeError::NoRoom)?;
            image[at..at + 4].copy_from_slice(&value.to_le_bytes());
            Ok(())
        };
        for (at, value) in [(8, *in_memory), (12, address), (16, raw), (20, begin), (36, *kind as usize)] {
            put(header + at, value)?;
        }
        put(optional + 56, (address + raw.max(*in_memory)).next_multiple_of(alignment))?;
        image[header..header + 8].copy_from_slice(name);
        let sections = u16::try_from(sections + 1).map_err(|_| PeError::NoRoom)?;
        image[pe + 6..pe + 8].copy_from_slice(&sections.to_le_bytes());
        image.resize(begin, 0);
        Ok(Added { address, end: begin + raw })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?)))
}

fn dword(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUB: &[u8] = include_bytes!("../images/payload-x64.efi");

    #[test]
    fn sections_come_behind_those_that_there_are() {
        let image = unified_kernel(STUB, &[7; 5000], "console=ttyS0", b"initrd").unwrap();
        let pe = dword(&image, 0x3c).unwrap();
        let sections = word(&image, pe + 6).unwrap();
        assert_eq!(sections, word(STUB, pe + 6).unwrap() + 4);
        let table = pe + FILE_HEADER + word(&image, pe + 20).unwrap();
        let mut end = (0, 0);
        let mut names = Vec::new();
        for section in 0..sections {
            let header = table + HEADER * section;
            let [size, address, raw, begin] = [8, 12, 16, 20].map(|at| dword(&image, header + at).unwrap());
            assert!(address >= end.0 && (begin >= end.1 || raw == 0), "no two overlap");
            end = (address + size, end.1.max(begin + raw));
            names.push(String::from_utf8_lossy(&image[header..header + 8]).trim_end_matches('\0').to_owned());
            if names.last().is_some_and(|name| name == ".cmdline") {
                assert_eq!(&image[begin..begin + size], b"console=ttyS0");
            }
        }
        assert_eq!(names[sections - 4..], [".osrel", ".cmdline", ".initrd", ".linux"]);
        assert!(dword(&image, pe + FILE_HEADER + 56).unwrap() >= end.0 && image.len() == end.1);
    }

    #[test]
    fn what_has_no_room_or_is_no_image_is_refused() {
        let mut image = STUB.to_vec();
        let section = || Section { name: *b".content", length: 1, in_memory: 1, kind: READABLE };
        let full = (0..100).find_map(|_| section().add_header(&mut image).err());
        assert!(matches!(full, Some(PeError::NoRoom)));
        for stub in [&b""[..], b"MZ", &STUB[..0x90], &[0; 4096]] {
            assert!(matches!(unified_kernel(stub, b"", "", b""), Err(PeError::NoPe)));
        }
    }
}
