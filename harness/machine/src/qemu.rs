//! Which QEMU it is.

use record::QemuRecord;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Oldest QEMU with the `stream` netdev, as `(major, minor)`.
const OLDEST: (u32, u32) = (7, 2);

/// Oldest QEMU that writes a machine's state to a file that it is told the name of.
const OLDEST_WITH_SNAPSHOTS: (u32, u32) = (8, 2);

/// A usable QEMU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qemu {
    /// Absolute path of the program, links resolved.
    pub path: PathBuf,
    /// Version as QEMU says it, for example `10.0.2 (Debian 1:10.0.2+ds-2)`.
    pub version: String,
    /// SHA-256 of the program, hexadecimal.
    pub sha256: String,
}

/// There is no usable QEMU.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// Not found.
    #[error("failed to find {0} in PATH; `plugfest doctor` says which package has it")]
    Missing(String),
    /// Found, and not to be read or executed.
    #[error("failed to execute {}: {source}", path.display())]
    Execute {
        /// The program.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("failed to recognise {} as QEMU: --version says {said:?}", path.display())]
    NotQemu {
        /// The program.
        path: PathBuf,
        /// Its first line.
        said: String,
    },
    /// Too old.
    #[error(
        "failed to use {}: it is QEMU {version}, and {}.{} is the oldest with a stream netdev; install a newer one (Debian 12: -t bookworm-backports)",
        path.display(), OLDEST.0, OLDEST.1
    )]
    TooOld {
        /// The program.
        path: PathBuf,
        /// Its version.
        version: String,
    },
}

impl Qemu {
    /// Finds `program` (a path, or a name to look up in `PATH`), asks for its version and reads it for its digest.
    pub fn probe(program: impl AsRef<OsStr>) -> Result<Self, QemuError> {
        let program = program.as_ref();
        let found =
            find(program).ok_or_else(|| QemuError::Missing(program.to_string_lossy().into_owned()))?;
        let execute = |source| QemuError::Execute { path: found.clone(), source };
        let path = found.canonicalize().map_err(execute)?;
        let output = Command::new(&path).arg("--version").stdin(Stdio::null()).output().map_err(execute)?;
        let said = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("").to_owned();
        let Some((version, number)) = parse_version(&said) else {
            return Err(QemuError::NotQemu { path, said });
        };
        if number < OLDEST {
            return Err(QemuError::TooOld { path, version });
        }
        let sha256 = digest(&path).map_err(execute)?;
        Ok(Self { path, version, sha256 })
    }

    /// Whether it can take snapshots: QEMU 8.2 and later can.
    pub fn takes_snapshots(&self) -> bool {
        number(&self.version).is_some_and(|number| number >= OLDEST_WITH_SNAPSHOTS)
    }

    /// As it is recorded in results.
    pub fn record(&self) -> QemuRecord {
        let program = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        QemuRecord { program, version: self.version.clone(), sha256: self.sha256.clone() }
    }
}

fn find(program: &OsStr) -> Option<PathBuf> {
    if Path::new(program).components().count() > 1 {
        return Path::new(program).exists().then(|| program.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}

fn parse_version(line: &str) -> Option<(String, (u32, u32))> {
    let version = line.strip_prefix("QEMU emulator version ")?.trim();
    Some((version.to_owned(), number(version)?))
}

fn number(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// SHA-256 of a file, hexadecimal.
pub(crate) fn digest(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let (mut file, mut buffer) = (File::open(path)?, vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hash.update(&buffer[..count]),
        }
    }
    Ok(hexadecimal(&hash.finalize()))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn versions_as_distributions_write_them() {
        for (line, version, number) in [
            ("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)", "10.0.2 (Debian 1:10.0.2+ds-2)", (10, 0)),
            ("QEMU emulator version 7.2.0", "7.2.0", (7, 2)),
            ("QEMU emulator version 11.0.50 (v11.0.0-5-gabc)", "11.0.50 (v11.0.0-5-gabc)", (11, 0)),
        ] {
            assert_eq!(parse_version(line), Some((version.to_owned(), number)));
        }
        assert_eq!(parse_version("ls (GNU coreutils) 9.1"), None);
        for (version, snapshots) in
            [("7.2.0", false), ("8.1.5 (Debian 1:8.1.5)", false), ("8.2.0", true), ("10.0.2", true)]
        {
            let qemu = Qemu { path: "qemu".into(), version: version.into(), sha256: String::new() };
            assert_eq!(qemu.takes_snapshots(), snapshots, "{version}");
        }
        assert_eq!(parse_version("QEMU emulator version X"), None);
    }

    #[test]
    fn each_way_of_not_being_usable_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str, mode| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let old = script("old", "#!/bin/sh\necho QEMU emulator version 6.2.0\n", 0o755);
        let other = script("other", "#!/bin/sh\necho hello\n", 0o755);
        let data = script("data", "data", 0o644);
        assert!(matches!(Qemu::probe("no-such-qemu"), Err(QemuError::Missing(_))));
        assert!(matches!(Qemu::probe(directory.path().join("none")), Err(QemuError::Missing(_))));
        assert!(matches!(Qemu::probe(old), Err(QemuError::TooOld { version, .. }) if version == "6.2.0"));
        assert!(matches!(Qemu::probe(other), Err(QemuError::NotQemu { said, .. }) if said == "hello"));
        assert!(matches!(Qemu::probe(data), Err(QemuError::Execute { .. })));
    }
}
