//! The user's own firmware files: what is plainly wrong with them is said before a guest hangs on it.

use crate::{
    Architecture, Build, Column, Firmware, Image, digest,
    family::{self, Family},
};
use record::ImageFile;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Why a file cannot be used as firmware.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error("failed to read firmware {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// QEMU's flash has 4 KiB sectors and takes whole ones only.
    #[error("failed to use {path} as firmware: {size} bytes is not a whole number of 4 KiB flash sectors")]
    Size {
        /// The file.
        path: PathBuf,
        /// Bytes.
        size: usize,
    },
    /// No family recognises it.
    #[error(
        "failed to use {path} as firmware: it holds no firmware volume (signature _FVH, \
         UEFI Platform Initialization Specification vol. 3 §3.2.1); give the flash image that the build leaves in FV/"
    )]
    NotFirmware {
        /// The file.
        path: PathBuf,
    },
    /// A variable store where code is expected, or the other way round.
    #[error("failed to use {path} as {wanted}: it is {found}; the order is CODE.fd:VARS.fd")]
    Swapped {
        /// The file.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// For a machine that we cannot run.
    #[error("failed to use {path} as firmware: it is for {machine}, which no family's machine has")]
    Architecture {
        /// The file.
        path: PathBuf,
        /// What it is for.
        machine: &'static str,
    },
}

/// `CODE.fd[:VARS.fd]`; a file whose own name has a colon is taken whole.
pub(crate) fn split_paths(word: &str) -> (PathBuf, Option<PathBuf>) {
    match word.rsplit_once(':') {
        Some((code, vars)) if !Path::new(word).exists() && !code.is_empty() && !vars.is_empty() => {
            (code.into(), Some(vars.into()))
        }
        _ => (word.into(), None),
    }
}

impl Image {
    /// The file at `path`, whatever it is.
    pub fn of(path: &Path) -> Result<Self, ImageError> {
        let sha256 = digest::sha256_file(path);
        let sha256 = sha256.map_err(|source| ImageError::Read { path: path.to_owned(), source })?;
        Ok(Self { path: absolute(path)?, file: ImageFile { file: file_name(path), sha256 } })
    }
}

impl Firmware {
    /// A user's own build: `CODE.fd[:VARS.fd]`, or a combined image.
    ///
    /// Its id is the code file's name and the beginning of its digest, so that two builds with one name stay apart.
    pub fn from_paths(paths: &str) -> Result<Self, ImageError> {
        let (code, vars) = split_paths(paths);
        Self::from_files(&code, vars.as_deref())
    }

    /// Like [`Self::from_paths`], with the paths apart.
    pub fn from_files(code: &Path, vars: Option<&Path>) -> Result<Self, ImageError> {
        let code_image = read(code)?;
        let family =
            recognise(&code_image).ok_or_else(|| ImageError::NotFirmware { path: code.to_owned() })?;
        if is_variable_store(&code_image) && reset_vector_is_empty(&code_image) {
            let (wanted, found) = ("code", "a variable store");
            return Err(ImageError::Swapped { path: code.to_owned(), wanted, found });
        }
        let architecture = architecture(&code_image)
            .map_err(|machine| ImageError::Architecture { path: code.to_owned(), machine })?;
        let vars_image = vars.map(read).transpose()?;
        if let (Some(path), Some(image)) = (vars, &vars_image)
            && !is_variable_store(image)
        {
            let (wanted, found) = ("a variable store", "something else");
            return Err(ImageError::Swapped { path: path.to_owned(), wanted, found });
        }
        let code_digest = digest::sha256(&code_image);
        let vars_digest = vars_image.as_deref().map(digest::sha256);
        let both =
            digest::sha256(format!("{code_digest} {}", vars_digest.as_deref().unwrap_or("-")).as_bytes());
        let image = |path: &Path, sha256| {
            Ok(Image { path: absolute(path)?, file: ImageFile { file: file_name(path), sha256 } })
        };
        Ok(Self {
            id: format!("{}-{}", id_from(code), &both[..8]),
            family,
            architecture,
            version: format!("sha256:{}", &code_digest[..12]),
            code: image(code, code_digest)?,
            vars: vars.zip(vars_digest).map(|(path, sha256)| image(path, sha256)).transpose()?,
            source: std::iter::once(code)
                .chain(vars)
                .map(|p| p.display().to_string())
                .collect::<Vec<_>>()
                .join(":"),
            files: BTreeMap::new(),
            base: None,
            smm: false,
            lacks: Vec::new(),
        })
    }
}

impl Firmware {
    /// A build of a catalog whose files are in `folder`. Its family is the catalog's word, and so is whatever can be checked for
    /// EDK2 only.
    pub(crate) fn from_folder(build: &Build, folder: &Path) -> Result<Self, ImageError> {
        let file = |path: &Path| Image::of(&folder.join(path));
        let code = file(&build.code)?;
        let vars = build.vars.as_deref().map(file).transpose()?;
        let files = build.files.iter().map(|(name, path)| Ok((name.clone(), file(path)?)));
        let files = files.collect::<Result<_, ImageError>>()?;
        let version = build.version.clone().unwrap_or_else(|| format!("sha256:{}", &code.file.sha256[..12]));
        Ok(Self {
            id: build.id.clone(),
            family: build.family,
            architecture: build.architecture,
            version,
            source: build.source.to_string(),
            code,
            vars,
            files,
            base: None,
            smm: build.smm,
            lacks: build.lacks.clone(),
        })
    }

    /// The same build under another name.
    pub fn called(self, column: Column) -> Self {
        let version = column.version.unwrap_or(self.version);
        Self { id: column.id, version, ..self }
    }
}

/// QEMU may run elsewhere than where the user typed the path.
fn absolute(path: &Path) -> Result<PathBuf, ImageError> {
    std::path::absolute(path).map_err(|source| ImageError::Read { path: path.to_owned(), source })
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The file's name without its extension, in the characters of ids.
pub(crate) fn id_from(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let id: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let id = id.trim_matches(['-', '.']);
    if id.is_empty() { "firmware".to_owned() } else { id.to_owned() }
}

const SECTOR: usize = 4096;
/// More than any flash that a family's machine has.
const LARGEST: u64 = 256 << 20;

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    let error = |source| ImageError::Read { path: path.to_owned(), source };
    let data = fs::metadata(path).map_err(error)?;
    if !data.is_file() {
        return Err(error(io::Error::other("it is not a regular file")));
    }
    if data.len() > LARGEST {
        return Err(error(io::Error::other("it is larger than any firmware, 256 MiB")));
    }
    let image = fs::read(path).map_err(error)?;
    if image.is_empty() || image.len() % SECTOR != 0 {
        return Err(ImageError::Size { path: path.to_owned(), size: image.len() });
    }
    Ok(image)
}

/// The family of a code image. EDK2 is told by a firmware volume at the beginning of a flash sector.
fn recognise(image: &[u8]) -> Option<&'static dyn Family> {
    let volume = image.chunks_exact(SECTOR).any(|sector| &sector[40..44] == b"_FVH");
    if volume { family::by_id("edk2") } else { None }
}

/// `EFI_SYSTEM_NV_DATA_FV_GUID` as the file system of the first volume (MdeModulePkg).
const NV_DATA: [u8; 16] =
    [0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50];

fn is_variable_store(image: &[u8]) -> bool {
    image.len() >= SECTOR && image[16..32] == NV_DATA && &image[40..44] == b"_FVH"
}

/// x86 starts 16 bytes below the end of the flash; a variable store has erased flash or zeros there.
fn reset_vector_is_empty(image: &[u8]) -> bool {
    let vector = &image[image.len() - 16..];
    vector.iter().all(|byte| *byte == 0xff) || vector.iter().all(|byte| *byte == 0)
}

/// The machine of the first uncompressed PE image, the SEC core; the name of one that we cannot run is the error. An x86 build
/// of 64 bits can begin with 32, so one of 32 bits is taken for one.
fn architecture(image: &[u8]) -> Result<Architecture, &'static str> {
    let machines = image.windows(6).filter(|bytes| &bytes[..4] == b"PE\0\0");
    let first = machines.map(|bytes| u16::from_le_bytes([bytes[4], bytes[5]])).find(|machine| *machine != 0);
    match first {
        Some(0xaa64) => Ok(Architecture::Aa64),
        Some(0x01c2 | 0x01c4) => Ok(Architecture::Arm),
        Some(0x5064) => Ok(Architecture::Riscv64),
        Some(0x6264) => Ok(Architecture::Loongarch64),
        Some(0x5032) => Err("RISC-V of 32 bits"),
        _ => Ok(Architecture::X64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A code image as far as the checks look: a volume, a SEC core for `machine`, a reset vector.
    fn code(machine: [u8; 2]) -> Vec<u8> {
        let mut image = vec![0xff; 4 * SECTOR];
        image[SECTOR + 40..SECTOR + 44].copy_from_slice(b"_FVH");
        image[9000..9004].copy_from_slice(b"PE\0\0");
        image[9004..9006].copy_from_slice(&machine);
        let end = image.len();
        image[end - 16..end - 14].copy_from_slice(&[0x90, 0x90]);
        image
    }

    fn vars() -> Vec<u8> {
        let mut image = vec![0xff; 2 * SECTOR];
        image[16..32].copy_from_slice(&NV_DATA);
        image[40..44].copy_from_slice(b"_FVH");
        image
    }

    const X64: [u8; 2] = [0x64, 0x86];

    #[test]
    fn a_users_build_is_known_by_name_and_content() {
        let directory = tempfile::tempdir().unwrap();
        let (c, v) = (directory.path().join("My OVMF_CODE.fd"), directory.path().join("VARS.fd"));
        fs::write(&c, code(X64)).unwrap();
        fs::write(&v, vars()).unwrap();
        let split = Firmware::from_paths(&format!("{}:{}", c.display(), v.display())).unwrap();
        let alone = Firmware::from_paths(c.to_str().unwrap()).unwrap();
        assert!(split.id.starts_with("my-ovmf-code-") && split.id != alone.id, "{} {}", split.id, alone.id);
        assert_eq!(split.code.file.sha256, digest::sha256(&code(X64)));
        assert_eq!(split.vars.unwrap().file.file, "VARS.fd");
        assert_eq!((alone.vars, alone.code.path), (None, c.clone()));
        fs::rename(&c, directory.path().join("CODE:1.fd")).unwrap();
        assert!(Firmware::from_paths(directory.path().join("CODE:1.fd").to_str().unwrap()).is_ok());
    }

    #[test]
    fn what_is_plainly_wrong_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            fs::write(directory.path().join(name), content).unwrap();
        };
        file("code", &code(X64));
        file("vars", &vars());
        file("riscv32", &code([0x32, 0x50]));
        file("text", b"not firmware");
        file("zeros", &[0; SECTOR]);
        file("empty", b"");
        let error = |paths: &str| {
            let paths: Vec<_> =
                paths.split(':').map(|name| directory.path().join(name).display().to_string()).collect();
            let error = Firmware::from_paths(&paths.join(":")).unwrap_err().to_string();
            error.replace(&directory.path().display().to_string(), "DIR")
        };
        let lines =
            ["absent", "", "text", "empty", "zeros", "riscv32", "vars:code", "code:code", "code:absent"]
                .map(|paths| format!("{paths}: {}", error(paths)));
        insta::assert_snapshot!(lines.join("\n"));
    }
}
