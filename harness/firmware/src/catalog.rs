//! `firmware-images/catalog.yaml`: builds by stable id, and what a user's word on the command line means.

use crate::{
    Architecture, Family, family,
    image::{self, ImageError},
    source::Source,
    system::{self, SystemBuild, SystemError},
};
use indexmap::IndexMap;
use record::Capability;
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{
    fmt, fs, io,
    path::{Component, Path, PathBuf},
};

const BUILTIN: &str = include_str!("../../../firmware-images/catalog.yaml");

/// A build that can be fetched.
#[derive(Clone)]
pub struct Build {
    /// Stable id, for example `ovmf-x64-sid`.
    pub id: String,
    /// The family that it belongs to.
    pub family: &'static dyn Family,
    /// Architecture.
    pub architecture: Architecture,
    /// Where to get it.
    pub source: Source,
    /// Path of the code image inside the package.
    pub code: PathBuf,
    /// Path of the variable store template inside the package.
    pub vars: Option<PathBuf>,
    /// What else of the package is kept, by name: the other files of a loader, other variable stores of firmware.
    pub files: IndexMap<String, PathBuf>,
    /// The build that starts it, where it is not what the machine starts with.
    pub base: Option<Box<Build>>,
    /// Its version, where the source does not say it.
    pub version: Option<String>,
    /// Whether a run takes it that names no firmware.
    pub by_default: bool,
    /// Whether it needs System Management Mode (QEMU's descriptors: `requires-smm`).
    pub smm: bool,
    /// What it is built without although its family has it. A claim, not a fact: cells run all the same.
    pub lacks: Vec<Capability>,
}

impl Build {
    /// Whether it can be a column: it has a machine.
    fn is_column(&self) -> bool {
        self.family.machine(self.architecture).is_some()
    }
}

impl fmt::Debug for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Build({}, {}, {})", self.id, self.family.id(), self.source)
    }
}

/// A word that is safe in a file name, a sources list and a command line: `[a-z0-9][a-z0-9.+-]*`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(pub(crate) String);

impl Name {
    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_one(text: &str) -> bool {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        text.starts_with(plain) && text.chars().all(|c| plain(c) || ".+-".contains(c))
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if Self::is_one(&text) {
            Ok(Self(text))
        } else {
            Err(D::Error::custom(format!(
                "{text:?} is not a name: lower-case letters, digits, '.', '+' and '-'"
            )))
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(deserialize_with = "family_name")]
    family: &'static dyn Family,
    architecture: Architecture,
    source: Source,
    #[serde(deserialize_with = "path_in_package")]
    code: PathBuf,
    #[serde(default, deserialize_with = "optional_path_in_package")]
    vars: Option<PathBuf>,
    #[serde(default)]
    files: IndexMap<String, PackagePath>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    base: Option<String>,
    #[serde(default = "yes")]
    by_default: bool,
    #[serde(default)]
    smm: bool,
    #[serde(default)]
    lacks: Vec<Capability>,
}

const fn yes() -> bool {
    true
}

fn family_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static dyn Family, D::Error> {
    let name = String::deserialize(deserializer)?;
    family::by_id(&name).ok_or_else(|| {
        let known: Vec<_> = family::ALL.iter().map(|family| family.id()).collect();
        D::Error::custom(format!("unknown family `{name}`, expected one of: {}", known.join(", ")))
    })
}

fn path_in_package<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    let mut parts = path.components();
    if parts.next().is_some() && path.components().all(|part| matches!(part, Component::Normal(_))) {
        Ok(path)
    } else {
        Err(D::Error::custom(
            "expected a path inside the package, for example usr/share/OVMF/OVMF_CODE_4M.fd",
        ))
    }
}

/// A path inside the package.
#[derive(Deserialize)]
struct PackagePath(#[serde(deserialize_with = "path_in_package")] PathBuf);

fn optional_path_in_package<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    path_in_package(deserializer).map(Some)
}

/// Why a catalog cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The file cannot be read.
    #[error("failed to read the catalog {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The text is not a catalog; the message shows the place.
    #[error("failed to understand the catalog {path}:\n{message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column, the source line and what is wrong.
        message: String,
    },
}

/// Every build that can be fetched, in the catalog's order.
#[derive(Clone, Debug)]
pub struct Catalog {
    builds: Vec<Build>,
}

impl Catalog {
    /// The catalog that comes with the program.
    pub fn builtin() -> Self {
        let path = Path::new("firmware-images/catalog.yaml");
        Self::parse(BUILTIN, path).expect("invariant: a test reads the builtin catalog")
    }

    /// The catalog in the file at `path`.
    pub fn open(path: &Path) -> Result<Self, CatalogError> {
        let text = fs::read_to_string(path)
            .map_err(|source| CatalogError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, CatalogError> {
        let entries: IndexMap<String, Entry> = serde_yaml::from_str::<IndexMap<IdKey, Entry>>(text)
            .map_err(|error| CatalogError::Parse { path: path.to_owned(), message: error.to_string() })?
            .into_iter()
            .map(|(id, entry)| (id.0.0, entry))
            .collect();
        let mut builds: Vec<Build> = Vec::new();
        for (id, e) in entries {
            let base = e.base.map(|base| {
                let known = builds.iter().find(|build| build.id == base && build.base.is_none());
                known.cloned().map(Box::new).ok_or_else(|| CatalogError::Parse {
                    path: path.to_owned(),
                    message: format!(
                        "{id}: base `{base}` is none of the builds above it, or has a base itself"
                    ),
                })
            });
            builds.push(Build {
                id,
                family: e.family,
                architecture: e.architecture,
                source: match e.source {
                    Source::Directory(folder) => {
                        Source::Directory(path.parent().unwrap_or(Path::new("")).join(folder))
                    }
                    source => source,
                },
                version: e.version,
                code: e.code,
                vars: e.vars,
                files: e.files.into_iter().map(|(name, path)| (name, path.0)).collect(),
                base: base.transpose()?,
                by_default: e.by_default,
                smm: e.smm,
                lacks: e.lacks,
            });
        }
        Ok(Self { builds })
    }

    /// Every build that can be a column: all but loaders.
    pub fn columns(&self) -> impl Iterator<Item = &Build> {
        self.builds.iter().filter(|build| build.is_column())
    }

    /// Every build.
    pub fn builds(&self) -> &[Build] {
        &self.builds
    }

    /// The build called `id`.
    pub fn build(&self, id: &str) -> Option<&Build> {
        self.builds.iter().find(|build| build.id == id)
    }

    /// What a list of `--firmware WORD` means: [`select`](Self::select) for each, `*` stands for any characters in the ids of
    /// the catalog, and no words for the builds that a run takes by default.
    pub fn select_all(&self, words: &[String]) -> Result<Vec<Selected>, SelectError> {
        if words.is_empty() {
            return Ok(self
                .columns()
                .filter(|build| build.by_default)
                .cloned()
                .map(Selected::Build)
                .collect());
        }
        let mut selected = Vec::new();
        for word in words {
            if word.contains('*') && !word.contains('/') {
                let before = selected.len();
                let pattern = globset::Glob::new(word).map_err(|_| self.unknown(word))?.compile_matcher();
                let fits = self.columns().filter(|build| pattern.is_match(&build.id));
                selected.extend(fits.cloned().map(Selected::Build));
                if selected.len() == before {
                    return Err(self.unknown(word));
                }
            } else {
                selected.push(self.select(word)?);
            }
        }
        Ok(selected)
    }

    /// What `--firmware WORD` means: a build's id, `system` or a system build's id, or `CODE.fd[:VARS.fd]`.
    pub fn select(&self, word: &str) -> Result<Selected, SelectError> {
        if let Some(build) = self.build(word).filter(|build| build.is_column()) {
            return Ok(Selected::Build(build.clone()));
        }
        if is_system(word) {
            return Ok(Selected::System(system::select(word)?));
        }
        let (column, paths) = match word.split_once('=') {
            Some((column, paths)) if !Path::new(word).is_file() => (Some(self.column(column)?), paths),
            _ => (None, word),
        };
        if column.is_some() || paths.contains(['/', '.', ':']) || Path::new(paths).is_file() {
            let (code, vars) = image::split_paths(paths);
            return Ok(Selected::Paths { code, vars, column });
        }
        Err(self.unknown(word))
    }

    fn unknown(&self, word: &str) -> SelectError {
        let mut known: Vec<_> = self.columns().map(|build| build.id.clone()).collect();
        known.push("system".into());
        SelectError::Unknown { word: word.to_owned(), known: known.join(", ") }
    }

    /// `ID[@VERSION]`
    fn column(&self, text: &str) -> Result<Column, SelectError> {
        let (id, version) = text.split_once('@').map_or((text, None), |(id, version)| (id, Some(version)));
        let why = if !Name::is_one(id) {
            "an id has lower-case letters, digits, '.', '+' and '-'"
        } else if self.build(id).is_some() || is_system(id) {
            "another build has this id"
        } else if version.is_some_and(str::is_empty) {
            "there is no version behind the @"
        } else {
            return Ok(Column { id: id.to_owned(), version: version.map(str::to_owned) });
        };
        Err(SelectError::Column { text: text.to_owned(), why })
    }
}

/// A catalog key: a [`Name`] that also serves as a directory's name, and is no other kind of word.
#[derive(PartialEq, Eq, Hash)]
struct IdKey(Name);

impl<'de> Deserialize<'de> for IdKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Name::deserialize(deserializer)?;
        if is_system(&name.0) {
            return Err(D::Error::custom("ids that start with `system` belong to the host's own firmware"));
        }
        Ok(Self(name))
    }
}

/// Whether an id is one of the host's own firmware.
fn is_system(id: &str) -> bool {
    id == "system" || id.starts_with("system-")
}

/// What the user calls a build of his own: a column that stays the same when the files change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Id of the firmware.
    pub id: String,
    /// Its version, which conditions of waivers are about.
    pub version: Option<String>,
}

/// What the user asked for.
#[derive(Clone, Debug)]
pub enum Selected {
    /// A build of the catalog.
    Build(Build),
    /// A build that the host's descriptors name.
    System(SystemBuild),
    /// The user's own build.
    Paths {
        /// Code image, or a combined image.
        code: PathBuf,
        /// Variable store template.
        vars: Option<PathBuf>,
        /// Its name; the code file's and the beginning of its digest if absent.
        column: Option<Column>,
    },
}

/// Why a word on the command line selects no firmware.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// It is neither an id nor a path.
    #[error(
        "failed to find firmware `{word}`: give a path [ID[@VERSION]=]CODE.fd[:VARS.fd] or one of {known}"
    )]
    Unknown {
        /// What was asked for.
        word: String,
        /// What there is.
        known: String,
    },
    /// The name of the user's own build is none.
    #[error("failed to name a build `{text}`: {why}; write for example package@2026.08=CODE.fd:VARS.fd")]
    Column {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The host's own firmware cannot be used.
    #[error(transparent)]
    System(#[from] SystemError),
    /// The files are no firmware.
    #[error(transparent)]
    Image(#[from] ImageError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Catalog, String> {
        Catalog::parse(text, Path::new("catalog.yaml")).map_err(|error| error.to_string())
    }

    const GOOD: &str = "\
a-build:
  family: edk2
  architecture: x64
  source: { distribution: debian, suite: sid, package: ovmf }
  code: usr/share/OVMF/CODE.fd
";

    #[test]
    fn the_builtin_catalog_has_the_four_generations() {
        let catalog = Catalog::builtin();
        let rows: Vec<_> = catalog
            .builds()
            .iter()
            .filter(|build| build.by_default)
            .map(|b| format!("{}: {} ({})", b.id, b.source, b.architecture.as_str()))
            .collect();
        insta::assert_snapshot!(rows.join("\n"), @r"
        ovmf-x64-bullseye: Debian bullseye, package ovmf (x64)
        ovmf-x64-bookworm: Debian bookworm, package ovmf (x64)
        ovmf-x64-trixie: Debian trixie, package ovmf (x64)
        ovmf-x64-sid: Debian sid, package ovmf-generic (x64)
        ");
    }

    /// Everything that a column needs exists: a machine, and a payload's architecture.
    #[test]
    fn every_build_has_a_machine() {
        let catalog = Catalog::builtin();
        for build in catalog.builds() {
            let is_loader = build.family.id() == "loader";
            assert_eq!(build.is_column(), !is_loader, "{}", build.id);
        }
        let chosen = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
            catalog.select_all(&words).map(|selected| selected.len()).map_err(|error| error.to_string())
        };
        assert_eq!(chosen(&[]), Ok(4));
        assert_eq!(chosen(&["*"]), Ok(catalog.columns().count()));
        assert!(chosen(&["shim-*"]).unwrap_err().contains("failed to find firmware"));
        assert!(chosen(&["shim-x64-trixie"]).unwrap_err().contains("failed to find firmware"));
        assert_eq!(chosen(&["aavmf-aa64-*", "seabios-sid"]), Ok(7));
        assert!(chosen(&["aavmf-vax-*"]).unwrap_err().contains("failed to find firmware"));
    }

    /// A descriptor of ten lines makes a column of files that are somewhere on this host.
    #[test]
    fn a_vendors_build_is_a_descriptor() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("FV")).unwrap();
        fs::write(place.path().join("FV/CODE.fd"), "code").unwrap();
        let text = "board-x64:\n  family: edk2\n  architecture: x64\n  source: { directory: FV }\n  code: CODE.fd\n  version: '2026.11'\n";
        fs::write(place.path().join("vendor.yaml"), text).unwrap();
        let catalog = Catalog::open(&place.path().join("vendor.yaml")).unwrap();
        let store = crate::Store::open(&place.path().join("cache"));
        let firmware = store.get(&catalog.builds()[0], &mut |_| {}).unwrap();
        assert_eq!((firmware.id.as_str(), firmware.version.as_str()), ("board-x64", "2026.11"));
        assert_eq!(fs::read(&firmware.code.path).unwrap(), b"code");
        fs::remove_file(place.path().join("FV/CODE.fd")).unwrap();
        let error = store.get(&catalog.builds()[0], &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("FV/CODE.fd"), "{error}");
    }

    #[test]
    fn a_build_may_lack_what_its_family_has() {
        let catalog = Catalog::builtin();
        let oldest = catalog.build("ovmf-x64-bullseye").unwrap();
        assert_eq!(oldest.lacks, [Capability::Ipv6]);
        assert!(oldest.family.has(Capability::Ipv6));
    }

    #[test]
    fn every_mistake_is_shown_at_its_place() {
        assert_eq!(parse(GOOD).unwrap().builds().len(), 1);
        let twice = format!("{GOOD}{GOOD}");
        for (text, line, what) in [
            (GOOD.replace("family: edk2", "family: edk3"), 2, "unknown family `edk3`, expected one of: edk2"),
            (GOOD.replace("x64", "x46"), 3, "x46"),
            (GOOD.replace("suite: sid", "suite: 'sid main'"), 4, "is not a name"),
            (GOOD.replace("suite: sid", "sweet: sid"), 4, "sweet"),
            (GOOD.replace("usr/share", "../share"), 5, "path inside the package"),
            (GOOD.replace("usr/share", "/usr/share"), 5, "path inside the package"),
            (GOOD.replace("  code:", "  cod:"), 5, "cod"),
            (GOOD.replace("a-build", "../a"), 1, "is not a name"),
            (GOOD.replace("a-build", "system-x"), 1, "belong to the host's own"),
            (twice, 6, "duplicate"),
            (GOOD.replace("suite: sid", "url: 'http://x/y'"), 4, "or `url` and `sha256`"),
            (
                GOOD.replace(
                    "{ distribution: debian, suite: sid, package: ovmf }",
                    "{ url: 'ftp://x', sha256: 00 }",
                ),
                4,
                "begins with http://",
            ),
            (format!("{GOOD}  base: none\n"), 0, "base `none` is none of the builds above it"),
            (GOOD.replace("  code:", "  lacks: [ipv5]\n  code:"), 5, "ipv5"),
            ("a-build: [".into(), 1, ""),
        ] {
            let error = parse(&text).expect_err(&text);
            let placed = line == 0 || error.contains(&format!("line {line}"));
            assert!(placed && error.contains(what), "{text}\n{error}");
        }
        assert!(parse(&GOOD.replace("  code: usr/share/OVMF/CODE.fd\n", "")).unwrap_err().contains("code"));
    }

    #[test]
    fn a_word_is_an_id_or_a_path_or_an_error_that_lists_what_there_is() {
        let catalog = Catalog::builtin();
        assert!(
            matches!(catalog.select("ovmf-x64-sid"), Ok(Selected::Build(build)) if build.id == "ovmf-x64-sid")
        );
        for (word, column) in [
            ("/nowhere/CODE.fd:/nowhere/VARS.fd", None),
            ("mine=/nowhere/CODE.fd:/nowhere/VARS.fd", Some(("mine", None))),
            ("mine@2026.11-1=/nowhere/CODE.fd:/nowhere/VARS.fd", Some(("mine", Some("2026.11-1")))),
        ] {
            let Ok(Selected::Paths { code, vars, column: named }) = catalog.select(word) else {
                panic!("expected paths");
            };
            assert_eq!((code, vars), ("/nowhere/CODE.fd".into(), Some("/nowhere/VARS.fd".into())));
            let named = named.as_ref().map(|column| (column.id.as_str(), column.version.as_deref()));
            assert_eq!(named, column, "{word}");
        }
        for word in ["ovmf-x64-sid=C.fd", "system=C.fd", "My=C.fd", "=C.fd", "mine@=C.fd", "a/b=C.fd"] {
            let error = catalog.select(word).unwrap_err().to_string();
            assert!(error.contains("failed to name a build"), "{error}");
        }
        let error = catalog.select("ovmf-x64-potato").unwrap_err().to_string();
        assert!(
            error.contains("`ovmf-x64-potato`")
                && error.contains("ovmf-x64-trixie, ovmf-x64-sid, ")
                && error.contains(", system")
        );
    }
}
