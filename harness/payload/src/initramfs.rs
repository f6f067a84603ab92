//! Initial RAM file systems for Linux: a cpio archive (Documentation/driver-api/early-userspace/buffer-format.rst) with the payload as
//! its first process.

use cpio::newc::{self, Builder};
use flate2::read::GzDecoder;
use std::io::{self, Read, Write};

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum InitramfsError {
    /// The archive with the modules cannot be read, or the new one not be written.
    #[error("failed to make an initial RAM file system: {0}")]
    Archive(#[from] io::Error),
    /// A module is not there.
    #[error("failed to find the module {0} in the loader's initial RAM file system")]
    NoModule(String),
}

/// Most bytes that an archive with modules may have when it is unpacked.
const LIMIT: u64 = 1 << 30;
const PROGRAM: u32 = 0o100_755;
const FOLDER: u32 = 0o040_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// The modules of these `names`, in their order, from an archive that is compressed with gzip. Those that the kernel has built in, by
/// its list of them (`modules.builtin`), are left out, as modprobe(8) does.
pub fn modules(archive: &[u8], names: &[String]) -> Result<Vec<Vec<u8>>, InitramfsError> {
    let mut found: Vec<Option<Vec<u8>>> = vec![None; names.len()];
    let mut built_in = String::new();
    let mut rest: Box<dyn Read + '_> = Box::new(GzDecoder::new(archive).take(LIMIT));
    loop {
        let mut reader = newc::Reader::new(rest)?;
        let entry = reader.entry();
        if entry.is_trailer() {
            break;
        }
        let is_list = entry.name().ends_with("/modules.builtin");
        let name = module_name(entry.name());
        let place = names.iter().position(|wanted| name.as_ref() == Some(wanted));
        if let Some(place) = place {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes)?;
            found[place] = Some(bytes);
        } else if is_list {
            reader.read_to_string(&mut built_in)?;
        }
        rest = reader.finish()?;
    }
    let built_in: Vec<String> = built_in.lines().filter_map(module_name).collect();
    let wanted = names.iter().zip(found).filter(|(name, bytes)| bytes.is_some() || !built_in.contains(name));
    let missing = |(name, bytes): (&String, Option<Vec<u8>>)| {
        bytes.ok_or_else(|| InitramfsError::NoModule(name.clone()))
    };
    wanted.map(missing).collect()
}

/// As in `/proc/modules`; `None` if this is no module's file.
fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?.strip_suffix(".ko")?;
    Some(file.replace('-', "_"))
}

/// An archive with `init` as first process, which loads `modules`.
pub fn archive(init: &[u8], modules: &[Vec<u8>]) -> Result<Vec<u8>, InitramfsError> {
    let mut archive = Vec::new();
    let mut inode = 0;
    let mut add = |name: &str, mode: u32, device: (u32, u32), bytes: &[u8]| -> io::Result<()> {
        inode += 1;
        let builder =
            Builder::new(name).ino(inode).mode(mode).nlink(1).rdev_major(device.0).rdev_minor(device.1);
        let length = u32::try_from(bytes.len()).map_err(|_| io::Error::other("a file of 4 GiB"))?;
        let mut writer = builder.write(&mut archive, length);
        writer.write_all(bytes)?;
        writer.finish()?;
        Ok(())
    };
    add("dev", FOLDER, (0, 0), &[])?;
    // Where the first process's output goes.
    add("dev/console", CHARACTER_DEVICE, (5, 1), &[])?;
    add("init", PROGRAM, (0, 0), init)?;
    add("modules", FOLDER, (0, 0), &[])?;
    for (number, module) in modules.iter().enumerate() {
        add(&format!("modules/{number:02}"), PROGRAM, (0, 0), module)?;
    }
    newc::trailer(&mut archive)?;
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};

    fn compressed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, bytes) in files {
            let mut writer = Builder::new(name).mode(PROGRAM).write(&mut archive, bytes.len() as u32);
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap();
        }
        newc::trailer(&mut archive).unwrap();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&archive).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn modules_come_in_the_order_in_which_they_are_wanted() {
        let archive = compressed(&[
            ("lib/modules/6.1/kernel/net/virtio_net.ko", b"net"),
            ("etc/virtio_net.conf", b"other"),
            (
                "lib/modules/6.1/modules.builtin",
                b"kernel/drivers/virtio/virtio-ring.ko\nkernel/fs/ext4/ext4.ko\n",
            ),
            ("lib/modules/6.1/kernel/net/core/net-failover.ko", b"failover"),
        ]);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = modules(&archive, &names(&["virtio_ring", "net_failover", "virtio_net"])).unwrap();
        assert_eq!(found, [b"failover".to_vec(), b"net".to_vec()]);
        assert_eq!(
            modules(&archive, &names(&["e1000"])).unwrap_err().to_string(),
            "failed to find the module e1000 in the loader's initial RAM file system"
        );
        for broken in [&b""[..], b"no gzip", &archive[..archive.len() / 2]] {
            assert!(matches!(modules(broken, &names(&["e1000"])), Err(InitramfsError::Archive(_))));
        }
    }

    #[test]
    fn the_archive_has_what_the_kernel_starts() {
        let archive = archive(b"program", &[b"one".to_vec(), b"two".to_vec()]).unwrap();
        let mut rest = archive.as_slice();
        let mut seen = Vec::new();
        loop {
            let mut reader = newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let mut bytes = Vec::new();
            let (name, mode) = (reader.entry().name().to_owned(), reader.entry().mode());
            reader.read_to_end(&mut bytes).unwrap();
            seen.push((name, mode, String::from_utf8(bytes).unwrap()));
            rest = reader.finish().unwrap();
        }
        let seen: Vec<_> =
            seen.iter().map(|(name, mode, text)| (name.as_str(), *mode, text.as_str())).collect();
        assert_eq!(
            seen,
            [
                ("dev", FOLDER, ""),
                ("dev/console", CHARACTER_DEVICE, ""),
                ("init", PROGRAM, "program"),
                ("modules", FOLDER, ""),
                ("modules/00", PROGRAM, "one"),
                ("modules/01", PROGRAM, "two"),
            ]
        );
    }
}
