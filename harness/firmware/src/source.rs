//! Where a build comes from.

use crate::catalog::Name;
use crate::{debian, url};
use serde::Deserialize;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Where a build comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Keys")]
pub enum Source {
    /// A package of a Debian suite, which apt verifies.
    Debian {
        /// Suite or codename.
        suite: Name,
        /// Package.
        package: Name,
        /// Debian's architecture that it is of, where it is not the same for all.
        architecture: Option<Name>,
    },
    /// A file or a tar archive, whose digest is known beforehand.
    Url {
        /// Where it is: http, https or file.
        url: String,
        /// SHA-256, hexadecimal.
        sha256: String,
    },
    /// A folder of this host, relative to that of the catalog; what is there is used as it is.
    Directory(PathBuf),
}

/// A distribution whose archive we can read.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Archive {
    Debian,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    distribution: Option<Archive>,
    suite: Option<Name>,
    package: Option<Name>,
    architecture: Option<Name>,
    url: Option<String>,
    sha256: Option<String>,
    directory: Option<PathBuf>,
}

impl TryFrom<Keys> for Source {
    type Error = &'static str;

    fn try_from(keys: Keys) -> Result<Self, Self::Error> {
        match keys {
            Keys {
                distribution: Some(Archive::Debian),
                suite: Some(suite),
                package: Some(package),
                architecture,
                url: None,
                sha256: None,
                directory: None,
            } => Ok(Self::Debian { suite, package, architecture }),
            Keys {
                url: Some(url),
                sha256: Some(sha256),
                distribution: None,
                suite: None,
                package: None,
                architecture: None,
                directory: None,
            } => {
                if !["http://", "https://", "file://"].iter().any(|scheme| url.starts_with(scheme)) {
                    return Err("a url begins with http://, https:// or file://");
                }
                if sha256.len() != 64 || sha256.bytes().any(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
                {
                    return Err("a sha256 has 64 lower-case hexadecimal digits");
                }
                Ok(Self::Url { url, sha256 })
            }
            Keys {
                directory: Some(directory),
                url: None,
                sha256: None,
                distribution: None,
                suite: None,
                package: None,
                architecture: None,
            } => Ok(Self::Directory(directory)),
            _ => Err(
                "a source has `distribution`, `suite`, `package` and perhaps `architecture`, or `url` and `sha256`, or `directory`",
            ),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Debian { suite, package, architecture } => {
                write!(f, "Debian {}, package {}", suite.as_str(), package.as_str())?;
                architecture.iter().try_for_each(|name| write!(f, " for {}", name.as_str()))
            }
            Self::Url { url, .. } => f.write_str(url),
            Self::Directory(directory) => write!(f, "{}", directory.display()),
        }
    }
}

/// What a source gave, on disk.
pub(crate) struct Package {
    /// As the source says it, if it does.
    pub version: Option<String>,
    /// SHA-256 of the package.
    pub sha256: String,
    /// Root of the unpacked files.
    pub root: PathBuf,
}

/// Why a source gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// apt.
    #[error(transparent)]
    Apt(#[from] host::apt::AptError),
    /// Nothing came.
    #[error("failed to download {url}: {why}; what has come is kept, and the next try goes on from there")]
    Download {
        /// What was asked for.
        url: String,
        /// What curl says.
        why: String,
    },
    /// Something else came.
    #[error("failed to trust {url}: its SHA-256 is {found}, and the catalog says {expected}")]
    Digest {
        /// What was asked for.
        url: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// It could not be unpacked.
    #[error("failed to unpack {package}: {why}")]
    Unpack {
        /// What.
        package: String,
        /// What the tool says.
        why: String,
    },
    /// The host failed.
    #[error("failed to unpack into {path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Gets what `source` names and unpacks it below `scratch`; `keep` is a folder for downloads that are not complete.
pub(crate) fn fetch(
    source: &Source,
    scratch: &Path,
    keep: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<Package, SourceError> {
    match source {
        Source::Debian { suite, package, architecture } => {
            let architecture = architecture.as_ref().map(Name::as_str);
            debian::fetch(suite.as_str(), package.as_str(), architecture, scratch, say)
        }
        Source::Url { url, sha256 } => url::fetch(url, sha256, scratch, keep, say),
        Source::Directory(_) => unreachable!("invariant: a folder's build is used where it is"),
    }
}
