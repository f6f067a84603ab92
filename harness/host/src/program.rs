//! Programs and their versions.

use std::{
    env, fmt,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The oldest QEMU with the `stream` netdev over a Unix socket.
pub const QEMU_OLDEST: Version = Version { major: 7, minor: 2, micro: 0 };

/// A version as QEMU and its packages write it: `major.minor.micro`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number; 0 if it is not there.
    pub micro: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

impl Version {
    /// Reads the version at the start of `text`, after a Debian epoch if there is one; the rest does not matter.
    pub fn leading(text: &str) -> Option<Self> {
        let text = match text.split_once(':') {
            Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) => rest,
            _ => text,
        };
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text[..end].split('.').map(str::parse);
        let mut next = || numbers.next().and_then(Result::ok);
        let (major, minor) = (next()?, next()?);
        Some(Self { major, minor, micro: next().unwrap_or(0) })
    }
}

/// Where `program` is: in `PATH`, or in the directories for system programs, which Debian leaves out of a user's `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    find_in(program, env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]))
}

fn find_in(program: &str, directories: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    directories.map(|directory| directory.join(program)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// What `program --version` says in its first line; `None` if it does not run.
pub(crate) fn first_version_line(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        let read = |text| Version::leading(text).unwrap();
        assert_eq!(read("1:10.0.2+ds-2+deb13u1~bpo12+1"), Version { major: 10, minor: 0, micro: 2 });
        assert_eq!(read("8.2 (Fedora)"), Version { major: 8, minor: 2, micro: 0 });
        assert!(read("7.2.0") >= QEMU_OLDEST && read("10.0.0") > QEMU_OLDEST);
        assert!(read("6.2.99") < QEMU_OLDEST && read("7.1.90") < QEMU_OLDEST);
        for bad in ["", "ten", "7", "7.", ":7.2", "99999999999.1"] {
            assert_eq!(Version::leading(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_executable_files_are_programs() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tool");
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        std::fs::create_dir(directory.path().join("folder")).unwrap();
        let look = |name| find_in(name, [directory.path().to_owned()].into_iter());
        assert_eq!(look("tool"), None);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(look("tool"), Some(file));
        assert_eq!(look("folder"), None);
    }
}
