//! Disk images with the payload on them, as firmware mounts them from memory: ISO 9660 with El Torito (UEFI 2.11 §13.3.2.1), and a disk
//! with a partition table (UEFI 2.11 §5.2).

use fatfs::{FileSystem, FormatVolumeOptions, FsOptions, format_volume};
use std::io::{self, Cursor, Read, Write};

/// Bytes of a sector of a disk, and of a disc.
const SECTOR: usize = 512;
const BLOCK: usize = 2048;
/// A partition begins where partitioning tools let it begin.
const PARTITION_AT: usize = 1 << 20;
/// Room for the file system itself.
const SLACK: usize = 256 << 10;
/// EFI system partition in a master boot record (UEFI 2.11 §5.2.2), and one with a small FAT that means nothing to firmware.
const SYSTEM_PARTITION: u8 = 0xef;
const FAT12: u8 = 0x01;

/// An EFI system partition with `program` as what is booted on `architecture` if nothing else is asked for (UEFI 2.11 §3.5.1.1).
fn system_partition(program: &[u8], architecture: &str) -> io::Result<Vec<u8>> {
    file_system(&["EFI", "BOOT"], &format!("BOOT{}.EFI", architecture.to_uppercase()), program)
}

/// A file system with one file.
fn file_system(folders: &[&str], name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut partition = vec![0; (content.len() + SLACK).next_multiple_of(BLOCK)];
    let options = FormatVolumeOptions::new().volume_id(0x504c_5547).volume_label(*b"PLUGFEST   ");
    format_volume(Cursor::new(&mut partition), options)?;
    {
        let file_system = FileSystem::new(Cursor::new(&mut partition), FsOptions::new())?;
        let root = file_system.root_dir();
        let folder = folders.iter().try_fold(root, |folder, name| folder.create_dir(name))?;
        let mut file = folder.create_file(name)?;
        file.write_all(content)?;
        file.flush()?;
    }
    Ok(partition)
}

/// A disk with a master boot record and one partition.
pub fn disk(program: &[u8], architecture: &str) -> io::Result<Vec<u8>> {
    partitioned(SYSTEM_PARTITION, system_partition(program, architecture)?)
}

/// A disk with one partition, and nothing in that but a file in its root directory.
pub fn disk_with(name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    partitioned(FAT12, file_system(&[], name, content)?)
}

fn partitioned(kind: u8, partition: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut disk = vec![0; PARTITION_AT];
    let entry = &mut disk[446..462];
    // Cylinders are for disks that have them.
    entry[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]);
    entry[4] = kind;
    entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
    entry[8..12].copy_from_slice(&number(PARTITION_AT / SECTOR)?.to_le_bytes());
    entry[12..16].copy_from_slice(&number(partition.len() / SECTOR)?.to_le_bytes());
    disk[440..444].copy_from_slice(b"PLUG");
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk.extend(partition);
    Ok(disk)
}

/// Where a disc has what, in blocks; ECMA-119 §6.2 leaves the first sixteen to the system.
const PRIMARY: usize = 16;
const BOOT_RECORD: usize = 17;
const TERMINATOR: usize = 18;
const CATALOG: usize = 19;
const ROOT: usize = 20;
const PATHS_LITTLE: usize = 21;
const PATHS_BIG: usize = 22;
const IMAGE: usize = 23;

/// A disc without files, whose boot catalog has an EFI system partition (ECMA-119; El Torito 1.0).
pub fn iso(program: &[u8], architecture: &str) -> io::Result<Vec<u8>> {
    let partition = system_partition(program, architecture)?;
    let blocks = IMAGE + partition.len() / BLOCK;
    let mut disc = vec![0; IMAGE * BLOCK];
    let put = |disc: &mut Vec<u8>, block: usize, offset: usize, bytes: &[u8]| {
        let at = block * BLOCK + offset;
        disc[at..at + bytes.len()].copy_from_slice(bytes);
    };
    // The directory record of the root (§9.1): itself and its parent.
    let mut root = vec![34, 0];
    root.extend(both32(number(ROOT)?));
    root.extend(both32(number(BLOCK)?));
    // 2026-01-01.
    root.extend([126, 1, 1, 0, 0, 0, 0]);
    root.extend([2, 0, 0]);
    root.extend(both16(1));
    root.extend([1, 0]);
    // Volume descriptors (§8).
    put(&mut disc, PRIMARY, 0, b"\x01CD001\x01\0");
    put(&mut disc, PRIMARY, 8, &[b' '; 64]);
    put(&mut disc, PRIMARY, 40, b"PLUGFEST");
    put(&mut disc, PRIMARY, 80, &both32(number(blocks)?));
    put(&mut disc, PRIMARY, 120, &both16(1));
    put(&mut disc, PRIMARY, 124, &both16(1));
    put(&mut disc, PRIMARY, 128, &both16(2048));
    put(&mut disc, PRIMARY, 132, &both32(10));
    put(&mut disc, PRIMARY, 140, &number(PATHS_LITTLE)?.to_le_bytes());
    put(&mut disc, PRIMARY, 148, &number(PATHS_BIG)?.to_be_bytes());
    put(&mut disc, PRIMARY, 156, &root);
    put(&mut disc, PRIMARY, 190, &[b' '; 623]);
    for date in [813, 830, 847, 864] {
        put(&mut disc, PRIMARY, date, b"0000000000000000\0");
    }
    put(&mut disc, PRIMARY, 881, &[1]);
    put(&mut disc, BOOT_RECORD, 0, b"\0CD001\x01EL TORITO SPECIFICATION");
    put(&mut disc, BOOT_RECORD, 71, &number(CATALOG)?.to_le_bytes());
    put(&mut disc, TERMINATOR, 0, b"\xffCD001\x01");
    put(&mut disc, ROOT, 0, &root);
    let mut parent = root;
    parent[33] = 1;
    put(&mut disc, ROOT, 34, &parent);
    put(&mut disc, PATHS_LITTLE, 0, &[1, 0, 20, 0, 0, 0, 1, 0, 0, 0]);
    put(&mut disc, PATHS_BIG, 0, &[1, 0, 0, 0, 0, 20, 0, 1, 0, 0]);
    // Validation entry for EFI, whose words have the sum 0, and the entry itself: bootable, no emulation.
    put(&mut disc, CATALOG, 0, &[1, 0xef]);
    put(&mut disc, CATALOG, 28, &(0xaa55_u16.wrapping_neg().wrapping_sub(0xef01)).to_le_bytes());
    put(&mut disc, CATALOG, 30, &[0x55, 0xaa]);
    let sectors = u16::try_from(partition.len() / SECTOR).unwrap_or(0);
    put(&mut disc, CATALOG, 32, &[0x88, 0]);
    put(&mut disc, CATALOG, 38, &sectors.to_le_bytes());
    put(&mut disc, CATALOG, 40, &number(IMAGE)?.to_le_bytes());
    disc.extend(partition);
    Ok(disc)
}

/// The program that is booted from a disk or a disc of ours, for guests that are simulated themselves.
pub fn program(image: &[u8]) -> Option<Vec<u8>> {
    let begin = match image.get(PRIMARY * BLOCK + 1..PRIMARY * BLOCK + 6) {
        Some(b"CD001") => IMAGE * BLOCK,
        _ => PARTITION_AT,
    };
    let partition = Cursor::new(image.get(begin..)?.to_vec());
    let file_system = FileSystem::new(partition, FsOptions::new()).ok()?;
    let folder = file_system.root_dir().open_dir("EFI/BOOT").ok()?;
    let mut file = folder.iter().filter_map(Result::ok).find(fatfs::DirEntry::is_file)?.to_file();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn number(value: usize) -> io::Result<u32> {
    u32::try_from(value).map_err(|_| io::Error::other("a disk of that size has no place in this format"))
}

/// In both byte orders (ECMA-119 §7.2.3, §7.3.3).
fn both16(value: u16) -> [u8; 4] {
    let [[a, b], [c, d]] = [value.to_le_bytes(), value.to_be_bytes()];
    [a, b, c, d]
}

fn both32(value: u32) -> Vec<u8> {
    [value.to_le_bytes(), value.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_has_the_program_where_firmware_looks() {
        for size in [0, 5000, 3_000_000, 70_000_000] {
            let program = vec![7; size];
            let disk = disk(&program, "x64").unwrap();
            assert_eq!(super::program(&disk).unwrap(), program);
            let iso = iso(&program, "x64").unwrap();
            assert_eq!(iso.len() % BLOCK, 0);
            assert_eq!(super::program(&iso).unwrap(), program);
        }
        assert_eq!(disk(b"program", "x64").unwrap(), disk(b"program", "x64").unwrap(), "the same every time");
    }

    #[test]
    fn a_disk_with_a_file_has_nothing_else() {
        let disk = disk_with("boot.scr", b"a script").unwrap();
        let partition = Cursor::new(disk[PARTITION_AT..].to_vec());
        let file_system = FileSystem::new(partition, FsOptions::new()).unwrap();
        let files: Vec<_> = file_system.root_dir().iter().map(Result::unwrap).collect();
        let [file] = &files[..] else { panic!("{} files", files.len()) };
        assert_eq!(file.short_file_name_as_bytes(), b"BOOT.SCR");
        let mut content = Vec::new();
        file.to_file().read_to_end(&mut content).unwrap();
        assert_eq!((&content[..], disk[450], program(&disk)), (&b"a script"[..], FAT12, None));
    }

    #[test]
    fn what_is_no_disk_has_no_program() {
        let iso = iso(b"program", "x64").unwrap();
        for image in [&b""[..], &iso[..IMAGE * BLOCK + 600], &iso[..PRIMARY * BLOCK + 3], &[0x5a; 2 << 20]] {
            assert_eq!(program(image), None);
        }
    }

    #[test]
    fn a_boot_catalog_is_valid() {
        let iso = iso(b"program", "aa64").unwrap();
        let catalog = &iso[CATALOG * BLOCK..];
        let words = catalog[..32].chunks_exact(2).map(|word| u16::from_le_bytes([word[0], word[1]]));
        assert_eq!(words.fold(0, u16::wrapping_add), 0);
    }
}
