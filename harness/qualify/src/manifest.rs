//! `manifest.json`: the digest of every file of a qualification, signed with Ed25519 (RFC 8032). Whoever has the public key
//! can check it without plugfest, with openssl and sha256sum.

use openssl::pkey::{Id, PKey, Private, Public};
use openssl::sign::{Signer, Verifier};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The manifest, in the run's folder.
pub const MANIFEST: &str = "manifest.json";
/// Its signature, 64 bytes.
pub const SIGNATURE: &str = "manifest.sig";
/// The signer's public key, PEM.
pub const PUBLIC_KEY: &str = "manifest.pem";
/// Value of [`Manifest::schema`].
const SCHEMA: &str = "plugfest-manifest/1";

/// What was signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name and major version of the format.
    pub schema: String,
    /// The run.
    pub run: String,
    /// The profile's name.
    pub profile: String,
    /// SHA-256 of the profile.
    pub profile_sha256: String,
    /// Whether the firmware conforms.
    pub conforms: bool,
    /// SHA-256 of every file, by its path in the run's folder.
    pub files: BTreeMap<String, String>,
}

/// Why something cannot be signed or trusted. Each text finishes the sentence "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file system said no.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// Which step, as an infinitive.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A key is no Ed25519 key.
    #[error("use the key {}: it is no Ed25519 key in PEM; `openssl genpkey -algorithm ed25519` makes one", .0.display())]
    Key(PathBuf),
    /// OpenSSL said no.
    #[error("sign or verify: {0}")]
    Crypto(#[from] openssl::error::ErrorStack),
    /// The manifest is none.
    #[error("understand {}: {why}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The signature is not of this manifest by this key.
    #[error("verify {}: the signature is not of this manifest, or by another key", .0.display())]
    Signature(PathBuf),
    /// Files are not what was signed.
    #[error("verify {}: {}", folder.display(), differences.join("; "))]
    Files {
        /// The run's folder.
        folder: PathBuf,
        /// What is not as it was.
        differences: Vec<String>,
    },
}

/// A signing key.
pub struct Key(PKey<Private>);

impl Key {
    /// Reads a key from `path`.
    ///
    /// # Errors
    /// [`ManifestError::Io`] and [`ManifestError::Key`].
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let pem = fs::read(path).map_err(io_error("read", path))?;
        let key = PKey::private_key_from_pem(&pem).map_err(|_| ManifestError::Key(path.to_owned()))?;
        if key.id() == Id::ED25519 { Ok(Self(key)) } else { Err(ManifestError::Key(path.to_owned())) }
    }

    /// Reads the key at `path`, or makes one there that only its owner can read; whether it was made.
    ///
    /// # Errors
    /// Every [`ManifestError`] about keys and files.
    pub fn read_or_make(path: &Path) -> Result<(Self, bool), ManifestError> {
        if path.exists() {
            return Self::read(path).map(|key| (key, false));
        }
        let key = PKey::generate_ed25519()?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io_error("make", folder))?;
        }
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        let pem = key.private_key_to_pem_pkcs8()?;
        file.and_then(|mut file| io::Write::write_all(&mut file, &pem)).map_err(io_error("write", path))?;
        Ok((Self(key), true))
    }
}

/// Writes manifest, signature and public key over everything in `folder`.
///
/// # Errors
/// If a file cannot be read or written, or nothing can be signed.
pub fn seal(folder: &Path, mut manifest: Manifest, key: &Key) -> Result<Manifest, ManifestError> {
    manifest.schema = SCHEMA.into();
    manifest.files = digests(folder)?;
    let mut text = serde_json::to_vec_pretty(&manifest)
        .map_err(|error| ManifestError::Malformed { path: folder.join(MANIFEST), why: error.to_string() })?;
    text.push(b'\n');
    let signature = Signer::new_without_digest(&key.0)?.sign_oneshot_to_vec(&text)?;
    for (name, content) in
        [(MANIFEST, text), (SIGNATURE, signature), (PUBLIC_KEY, key.0.public_key_to_pem()?)]
    {
        let path = folder.join(name);
        fs::write(&path, content).map_err(io_error("write", &path))?;
    }
    Ok(manifest)
}

/// Checks that everything in `folder` is what was signed: by the public key at `key`, or else by the one in the folder, which
/// only says that nothing was changed since. Returns the manifest and the key's SHA-256.
///
/// # Errors
/// Every [`ManifestError`].
pub fn verify(folder: &Path, key: Option<&Path>) -> Result<(Manifest, String), ManifestError> {
    let read = |path: &Path| fs::read(path).map_err(io_error("read", path));
    let key_path = key.map_or_else(|| folder.join(PUBLIC_KEY), Path::to_owned);
    let key: PKey<Public> = PKey::public_key_from_pem(&read(&key_path)?)
        .ok()
        .filter(|key| key.id() == Id::ED25519)
        .ok_or(ManifestError::Key(key_path))?;
    let path = folder.join(MANIFEST);
    let text = read(&path)?;
    let signature = read(&folder.join(SIGNATURE))?;
    if !Verifier::new_without_digest(&key)?.verify_oneshot(&signature, &text).unwrap_or(false) {
        return Err(ManifestError::Signature(path));
    }
    let malformed = |why: String| ManifestError::Malformed { path: path.clone(), why };
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
    if manifest.schema != SCHEMA {
        return Err(malformed(format!(
            "its schema is {:?}, and this plugfest reads {SCHEMA}",
            manifest.schema
        )));
    }
    let found = digests(folder)?;
    let mut differences: Vec<String> = Vec::new();
    for (name, digest) in &manifest.files {
        match found.get(name) {
            None => differences.push(format!("{name} is gone")),
            Some(other) if other != digest => differences.push(format!("{name} was changed")),
            Some(_) => {}
        }
    }
    let new = found.keys().filter(|name| !manifest.files.contains_key(*name));
    differences.extend(new.map(|name| format!("{name} was added")));
    if !differences.is_empty() {
        return Err(ManifestError::Files { folder: folder.to_owned(), differences });
    }
    Ok((manifest, hexadecimal(&Sha256::digest(key.public_key_to_der()?))))
}

/// The digests of all files below `folder`, but for the manifest's own three.
fn digests(folder: &Path) -> Result<BTreeMap<String, String>, ManifestError> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(io_error("read", &next))? {
            let entry = entry.map_err(io_error("read", &next))?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(io_error("read", &next))?);
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            if [MANIFEST, SIGNATURE, PUBLIC_KEY].contains(&name.as_str()) {
                continue;
            }
            let content = fs::read(&path).map_err(io_error("read", &path))?;
            found.insert(name, hexadecimal(&Sha256::digest(content)));
        }
    }
    Ok(found)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ManifestError {
    let path = path.to_owned();
    move |source| ManifestError::Io { what, path, source }
}
