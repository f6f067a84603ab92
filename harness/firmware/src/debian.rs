//! A build from a Debian package: fetched and verified by apt, unpacked by dpkg-deb.

use crate::source::{Package, SourceError};
use crate::{digest, tool};
use host::apt::{self, AptError, PrivateApt};
use std::{
    fs, io,
    path::{Component, Path, PathBuf},
    process::Command,
};

/// A second mirror is tried if the first does not answer, a third one is not: each costs up to half a minute.
const MIRRORS: usize = 2;

/// Fetches and unpacks `package` of `suite` below `scratch`: that for an `architecture` of Debian's, or for the host's.
pub(crate) fn fetch(
    suite: &str,
    package: &str,
    architecture: Option<&str>,
    scratch: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<Package, SourceError> {
    let mut result = Err(SourceError::Apt(AptError::NoApt));
    for (number, mirror) in apt::debian_mirrors()?.iter().take(MIRRORS).enumerate() {
        let directory = scratch.join(format!("apt{number}"));
        result = (|| {
            let sources = apt::debian_source(mirror, suite)?;
            let apt = PrivateApt::for_download(&directory, &sources, architecture)?;
            say(&format!("reading the package list of Debian {suite}"));
            apt.update()?;
            say(&format!("downloading {package} from Debian {suite}"));
            Ok(apt.download(package)?)
        })();
        if result.is_ok() {
            break;
        }
    }
    unpack(package, &result?, &scratch.join("root"))
}

fn unpack(package: &str, deb: &Path, root: &Path) -> Result<Package, SourceError> {
    let io = |source| SourceError::Io { path: root.to_owned(), source };
    fs::create_dir_all(root).map_err(io)?;
    let version = dpkg_deb(package, Command::new("dpkg-deb").arg("--field").arg(deb).arg("Version"))?;
    dpkg_deb(package, Command::new("dpkg-deb").arg("--extract").arg(deb).arg(root))?;
    let sha256 = digest::sha256_file(deb).map_err(io)?;
    Ok(Package { version: Some(version.trim().to_owned()), sha256, root: root.to_owned() })
}

fn dpkg_deb(package: &str, command: &mut Command) -> Result<String, SourceError> {
    tool::run(command).map_err(|failed| SourceError::Unpack { package: package.to_owned(), why: failed.why })
}

/// Links in a chain, as the kernel limits them.
const LINKS: u32 = 40;

/// The regular file that `path` leads to when `root` is the root directory; links never lead out of it.
pub(crate) fn resolve(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let mut todo: Vec<_> = parts(path);
    let (mut at, mut links) = (PathBuf::new(), 0);
    while let Some(part) = todo.pop() {
        if part == ".." {
            at.pop();
            continue;
        }
        let here = root.join(&at).join(&part);
        if !here.symlink_metadata()?.is_symlink() {
            at.push(part);
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(io::Error::other(format!("too many links in {}", path.display())));
        }
        let target = fs::read_link(here)?;
        if target.is_absolute() {
            at = PathBuf::new();
        }
        todo.extend(parts(&target));
    }
    let file = root.join(at);
    if file.is_file() { Ok(file) } else { Err(io::Error::other(format!("{} is not a file", path.display()))) }
}

/// The path's parts, last first; `..` stays, the root and `.` go.
fn parts(path: &Path) -> Vec<std::ffi::OsString> {
    let part = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().rev().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_stay_inside_the_package() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "").unwrap();
        let root = outside.path().join("root");
        fs::create_dir_all(root.join("usr/share/OVMF")).unwrap();
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::write(root.join("usr/lib/code"), "x").unwrap();
        let link =
            |target: &str, name: &str| symlink(target, root.join("usr/share/OVMF").join(name)).unwrap();
        link("/usr/lib/code", "absolute");
        link("../../lib/code", "relative");
        link("absolute", "chain");
        link("loop", "loop");
        link("../../../../secret", "escape");
        link("/usr/lib", "directory");
        let look = |name: &str| resolve(&root, &Path::new("usr/share/OVMF").join(name));
        for good in ["absolute", "relative", "chain", "directory/code"] {
            assert_eq!(look(good).unwrap(), root.join("usr/lib/code"), "{good}");
        }
        for bad in ["loop", "escape", "directory", "absent"] {
            assert!(look(bad).is_err(), "{bad}");
        }
    }
}
