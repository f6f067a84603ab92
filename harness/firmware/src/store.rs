//! Fetched builds, one directory each below `firmware/` in the cache.
//!
//! ```text
//! firmware/ovmf-x64-sid/provenance.json     written last, renamed into place: names and vouches for …
//! firmware/ovmf-x64-sid/3f…e1/OVMF_CODE_4M.fd   … the images of one version of the package
//! firmware/ovmf-x64-sid/lock                held by whoever fetches
//! firmware/ovmf-x64-sid/.fetch-XXXX/        a fetch under way, or one that was killed
//! ```
//! Reading needs no lock and no network. Earlier versions' images stay: guests may be running from them, and a suite that
//! moved on has them no more.

use crate::{
    Build, Firmware, ImageError, Provenance, Selected, Source, SourceError, debian,
    provenance::{self, CachedImage, Stale},
    source::{self, Package},
};
use std::{
    env, fs,
    fs::File,
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Why a build is not here.
#[derive(Debug, thiserror::Error)]
pub enum AcquireError {
    /// Neither `HOME` nor a variable says where the cache is.
    #[error("failed to find a cache directory: set PLUGFEST_CACHE, XDG_CACHE_HOME or HOME")]
    NoCache,
    /// The build could not be fetched.
    #[error("failed to fetch {id}: {source}")]
    Fetch {
        /// The build.
        id: String,
        /// Why.
        source: SourceError,
    },
    /// The package does not have the files that the catalog names.
    #[error("failed to fetch {id}: {package} has no usable {path} ({why})")]
    Content {
        /// The build.
        id: String,
        /// Where it comes from.
        package: String,
        /// The file that the catalog names.
        path: PathBuf,
        /// What is wrong with it.
        why: io::Error,
    },
    /// The cache cannot be written.
    #[error("failed to keep {id} in {path}: {source}")]
    Cache {
        /// The build.
        id: String,
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The user's own or the host's own files cannot be used.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// What the cache has of a build.
#[derive(Debug)]
pub enum Cached {
    /// Ready to run.
    Ready(Box<Firmware>),
    /// Nothing, or something from another source.
    Absent,
    /// Files that are not those that were fetched; the text says which. They are fetched again.
    Corrupt(String),
}

/// Gets a package and unpacks it below a scratch directory; a second one is for what is not complete.
type Fetch = fn(&Source, &Path, &Path, &mut dyn FnMut(&str)) -> Result<Package, SourceError>;

/// The cache of fetched builds.
#[derive(Clone, Debug)]
pub struct Store {
    /// `…/firmware`
    directory: PathBuf,
    fetch: Fetch,
}

impl Store {
    /// The store below `cache`, which need not exist yet.
    pub fn open(cache: &Path) -> Self {
        Self { directory: cache.join("firmware"), fetch: source::fetch }
    }

    /// The user's store: below `$PLUGFEST_CACHE`, `$XDG_CACHE_HOME/plugfest` or `~/.cache/plugfest`.
    pub fn of_user() -> Result<Self, AcquireError> {
        cache().map(|cache| Self::open(&cache))
    }

    /// Where the builds are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the cache has of `build`; never uses the network.
    pub fn cached(&self, build: &Build) -> Cached {
        let base = match build.base.as_deref().map(|base| self.cached(base)) {
            None => None,
            Some(Cached::Ready(base)) => Some(base),
            Some(other) => return other,
        };
        match self.alone(build) {
            Cached::Ready(firmware) => Cached::Ready(Box::new(firmware.on(base))),
            other => other,
        }
    }

    /// The same without what starts it.
    fn alone(&self, build: &Build) -> Cached {
        if let Source::Directory(folder) = &build.source {
            let found = Firmware::from_folder(build, folder);
            return found.map_or(Cached::Absent, |firmware| Cached::Ready(Box::new(firmware)));
        }
        let entry = self.entry(build);
        match Provenance::read(&entry, build) {
            Ok(provenance) => Cached::Ready(Box::new(provenance.firmware(&entry, build))),
            Err(Stale::Absent | Stale::Other) => Cached::Absent,
            Err(Stale::Corrupt(what)) => Cached::Corrupt(what),
        }
    }

    /// Where the cached `build` came from.
    pub fn provenance(&self, build: &Build) -> Option<Provenance> {
        Provenance::read(&self.entry(build), build).ok()
    }

    /// `build`, from the cache, or fetched if it is not there. `say` gets one line for each step. Blocks.
    pub fn get(&self, build: &Build, say: &mut dyn FnMut(&str)) -> Result<Firmware, AcquireError> {
        match self.cached(build) {
            Cached::Ready(firmware) => Ok(*firmware),
            Cached::Absent | Cached::Corrupt(_) => self.fetch(build, true, say),
        }
    }

    /// Fetches `build` although it is in the cache, which stays as it is if that fails. Blocks.
    pub fn refresh(&self, build: &Build, say: &mut dyn FnMut(&str)) -> Result<Firmware, AcquireError> {
        self.fetch(build, false, say)
    }

    /// `build` from its source, on what starts it.
    fn fetch(
        &self,
        build: &Build,
        cached_will_do: bool,
        say: &mut dyn FnMut(&str),
    ) -> Result<Firmware, AcquireError> {
        let base = build.base.as_deref().map(|base| self.get(base, say)).transpose()?;
        let firmware = match &build.source {
            Source::Directory(folder) => Firmware::from_folder(build, folder)?,
            _ => self.fetch_locked(build, cached_will_do, say)?,
        };
        Ok(firmware.on(base.map(Box::new)))
    }

    /// Whatever the user selected, ready to run. Blocks.
    pub fn obtain(&self, selected: &Selected, say: &mut dyn FnMut(&str)) -> Result<Firmware, AcquireError> {
        match selected {
            Selected::Build(build) => self.get(build, say),
            Selected::System(build) => Ok(Firmware::from_system(build)?),
            Selected::Paths { code, vars, column } => {
                let own = Firmware::from_files(code, vars.as_deref())?;
                Ok(column.clone().map_or(own.clone(), |column| own.called(column)))
            }
        }
    }

    fn entry(&self, build: &Build) -> PathBuf {
        self.directory.join(&build.id)
    }

    fn fetch_locked(
        &self,
        build: &Build,
        cached_will_do: bool,
        say: &mut dyn FnMut(&str),
    ) -> Result<Firmware, AcquireError> {
        let entry = self.entry(build);
        let cache = |source| AcquireError::Cache { id: build.id.clone(), path: entry.clone(), source };
        fs::create_dir_all(&entry).map_err(cache)?;
        let _lock =
            lock(&entry, || say("waiting for another plugfest that is fetching it")).map_err(cache)?;
        // While we waited, it may have arrived.
        match self.alone(build) {
            Cached::Ready(firmware) if cached_will_do => return Ok(*firmware),
            Cached::Corrupt(what) => say(&format!("fetching it again: {what}")),
            _ => {}
        }
        remove_leftovers(&entry);
        let scratch = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(&entry).map_err(cache)?;
        let package = (self.fetch)(&build.source, scratch.path(), &entry, say)
            .map_err(|source| AcquireError::Fetch { id: build.id.clone(), source })?;
        let provenance = stage(build, &package, &scratch.path().join("images"))?;
        publish(&provenance, &scratch.path().join("images"), &entry).map_err(cache)?;
        Ok(provenance.firmware(&entry, build))
    }
}

/// The user's cache: `$PLUGFEST_CACHE`, `$XDG_CACHE_HOME/plugfest` or `~/.cache/plugfest`. It need not exist yet.
pub fn cache() -> Result<PathBuf, AcquireError> {
    cache_directory(|name| env::var_os(name).map(PathBuf::from))
}

fn cache_directory(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, AcquireError> {
    let set = |name: &str| variable(name).filter(|path| !path.as_os_str().is_empty());
    // The XDG specification has relative paths ignored.
    let absolute = |name: &str| set(name).filter(|path| path.is_absolute());
    set("PLUGFEST_CACHE")
        .or_else(|| Some(absolute("XDG_CACHE_HOME")?.join("plugfest")))
        .or_else(|| Some(absolute("HOME")?.join(".cache/plugfest")))
        .ok_or(AcquireError::NoCache)
}

/// Held until dropped; the kernel gives it up for a process that dies.
fn lock(entry: &Path, mut on_wait: impl FnMut()) -> io::Result<File> {
    use rustix::fs::{FlockOperation, flock};
    let file = fs::OpenOptions::new().create(true).append(true).mode(0o644).open(entry.join("lock"))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        on_wait();
        flock(&file, FlockOperation::LockExclusive)?;
    }
    Ok(file)
}

const SCRATCH: &str = ".fetch-";

/// Removes what killed fetches left. Under the lock nobody else's is alive; what cannot be removed harms nobody.
fn remove_leftovers(entry: &Path) {
    let Ok(files) = fs::read_dir(entry) else { return };
    for file in files.flatten().filter(|file| file.file_name().to_string_lossy().starts_with(SCRATCH)) {
        let _ = fs::remove_dir_all(file.path());
    }
}

/// Copies the images out of the package and describes them.
fn stage(build: &Build, package: &Package, images: &Path) -> Result<Provenance, AcquireError> {
    let copy = |path: &Path| -> io::Result<CachedImage> {
        let target = images.join(path.file_name().unwrap_or_default());
        fs::create_dir_all(images)?;
        fs::copy(debian::resolve(&package.root, path)?, &target)?;
        File::open(&target)?.sync_all()?;
        CachedImage::describe(&target, path)
    };
    let describe = |path: &Path| {
        copy(path).map_err(|why| AcquireError::Content {
            id: build.id.clone(),
            package: build.source.to_string(),
            path: path.to_owned(),
            why,
        })
    };
    let images = (describe(&build.code)?, build.vars.as_deref().map(describe).transpose()?);
    let files = build
        .files
        .iter()
        .map(|(name, path)| Ok((name.clone(), describe(path)?)))
        .collect::<Result<_, AcquireError>>()?;
    let said = build.version.clone().or_else(|| package.version.clone());
    let version = said.unwrap_or_else(|| format!("sha256:{}", &package.sha256[..12]));
    Ok(Provenance::new(build, version, package.sha256.clone(), images, files))
}

/// Moves the images to their place, and only then the file that vouches for them.
fn publish(provenance: &Provenance, images: &Path, entry: &Path) -> io::Result<()> {
    let place = entry.join(&provenance.directory);
    fs::create_dir_all(&place)?;
    for image in provenance.images() {
        fs::rename(images.join(&image.image.file), place.join(&image.image.file))?;
    }
    File::open(&place)?.sync_all()?;
    let text = serde_json::to_vec_pretty(provenance)?;
    let staged = images.join(provenance::FILE);
    fs::write(&staged, text)?;
    File::open(&staged)?.sync_all()?;
    fs::rename(staged, entry.join(provenance::FILE))?;
    File::open(entry)?.sync_all()
}

#[cfg(test)]
mod tests;
