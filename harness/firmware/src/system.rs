//! The host's own firmware, found through QEMU's firmware descriptors (QEMU `docs/interop/firmware.json`).

use crate::{
    Architecture, Firmware,
    image::{self, ImageError},
};
use record::Capability;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

/// A build that a descriptor names and that our machine can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemBuild {
    /// `system-` and the descriptor's name, for example `system-60-edk2-x86-64`.
    pub id: String,
    /// The descriptor's description.
    pub description: String,
    /// The descriptor.
    pub descriptor: PathBuf,
    /// Architecture.
    pub architecture: Architecture,
    /// Code image, or a combined image.
    pub code: PathBuf,
    /// Variable store template.
    pub vars: Option<PathBuf>,
    /// Whether it needs System Management Mode.
    pub smm: bool,
    /// Whether it has Secure Boot.
    pub secure_boot: bool,
}

/// Why the host's own firmware cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SystemError {
    /// No descriptor fits.
    #[error(
        "failed to find the host's own firmware `{wanted}`: {seen}; \
         install your distribution's OVMF package, or give a path CODE.fd:VARS.fd"
    )]
    NotFound {
        /// What was asked for.
        wanted: String,
        /// What there is instead.
        seen: String,
    },
}

/// What [`system_builds`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub builds: Vec<SystemBuild>,
    /// Descriptors that do not fit, each with the reason.
    pub skipped: Vec<String>,
}

/// The host's own builds that can run, the preferred one first.
pub fn system_builds() -> Vec<SystemBuild> {
    look(&directories()).builds
}

/// `system` is the preferred build; anything else is a build's id.
pub(crate) fn select(word: &str) -> Result<SystemBuild, SystemError> {
    choose(word, look(&directories()))
}

fn choose(word: &str, found: Found) -> Result<SystemBuild, SystemError> {
    let Found { builds, skipped } = found;
    let seen = match (&builds[..], &skipped[..]) {
        ([], []) => "there are no firmware descriptors".to_owned(),
        ([], skipped) => format!("no descriptor fits ({})", skipped.join("; ")),
        (builds, _) => {
            format!("there is {}", builds.iter().map(|b| b.id.as_str()).collect::<Vec<_>>().join(", "))
        }
    };
    let build = builds.into_iter().find(|build| word == "system" || build.id == word);
    build.ok_or(SystemError::NotFound { wanted: word.to_owned(), seen })
}

impl Firmware {
    /// The host's own build, under the id that it was asked for by.
    pub fn from_system(build: &SystemBuild) -> Result<Self, ImageError> {
        let firmware = Self::from_files(&build.code, build.vars.as_deref())?;
        let source = format!("{} ({})", build.descriptor.display(), build.description);
        let lacks = if build.secure_boot { Vec::new() } else { vec![Capability::SecureBoot] };
        Ok(Self { id: build.id.clone(), source, smm: build.smm, lacks, ..firmware })
    }
}

/// From general to specific, as QEMU's document orders them.
fn directories() -> Vec<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let data = variable("XDG_DATA_DIRS").unwrap_or_else(|| "/usr/local/share:/usr/share".into());
    // XDG lists the most important directory first.
    let mut bases: Vec<_> = env::split_paths(&data).filter(|path| path.is_absolute()).collect();
    bases.reverse();
    bases.push("/etc".into());
    let user = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    bases.extend(user.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config"))));
    bases.into_iter().map(|base| base.join("qemu/firmware")).collect()
}

/// The fields that decide; the document allows others, and later versions add to them.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Descriptor {
    #[serde(default)]
    description: String,
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<Target>,
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    mode: Option<String>,
    executable: Option<FlashFile>,
    nvram_template: Option<FlashFile>,
}

#[derive(Deserialize)]
struct FlashFile {
    filename: PathBuf,
    format: String,
}

#[derive(Deserialize)]
struct Target {
    architecture: String,
    machines: Vec<String>,
}

fn look(directories: &[PathBuf]) -> Found {
    // By file name: a more specific directory's file replaces a less specific one's, and the names' order is the preference.
    let mut files = BTreeMap::new();
    for directory in directories {
        let Ok(entries) = fs::read_dir(directory) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|extension| extension == "json") {
                files.insert(path.file_name().unwrap_or_default().to_owned(), path);
            }
        }
    }
    let mut found = Found::default();
    for path in files.into_values() {
        match read(&path) {
            Ok(Some(build)) => found.builds.push(build),
            Ok(None) => {}
            Err(why) => found.skipped.push(format!("{}: {why}", image::file_name(&path))),
        }
    }
    found
}

/// `None` for an empty file, which hides the less specific one of that name.
fn read(path: &Path) -> Result<Option<SystemBuild>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err("it is a broken link".into()),
        Err(error) => return Err(error.to_string()),
    };
    if text.is_empty() {
        return Ok(None);
    }
    let descriptor: Descriptor =
        serde_json::from_str(&text).map_err(|error| format!("no descriptor: {error}"))?;
    let Descriptor { description, interface_types, mapping, targets, features } = descriptor;
    if !interface_types.iter().any(|interface| interface == "uefi") {
        return Err("not UEFI".into());
    }
    let fits = |t: &Target| t.architecture == "x86_64" && t.machines.iter().any(|m| m.starts_with("pc-q35"));
    if !targets.iter().any(fits) {
        return Err("not for x86-64's q35 machine".into());
    }
    let has = |wanted: &str| features.iter().any(|feature| feature == wanted);
    let usable = |file: FlashFile| match file.format.as_str() {
        "raw" => Ok(file.filename),
        other => Err(format!("its image format is {other}, not raw")),
    };
    let (code, vars) = match (mapping.device.as_str(), mapping.mode.as_deref(), mapping.executable) {
        ("flash", None | Some("split"), Some(code)) => match mapping.nvram_template {
            Some(vars) => (usable(code)?, Some(usable(vars)?)),
            None => return Err("it names no variable store".into()),
        },
        ("flash", Some("combined" | "stateless"), Some(code)) => (usable(code)?, None),
        (device, Some(mode), _) => return Err(format!("its {mode} mapping to {device} cannot be used")),
        (device, None, _) => return Err(format!("its mapping to {device} cannot be used")),
    };
    let id = format!("system-{}", image::id_from(path));
    Ok(Some(SystemBuild {
        id,
        description,
        descriptor: path.to_owned(),
        architecture: Architecture::X64,
        code,
        vars,
        smm: has("requires-smm"),
        secure_boot: has("secure-boot"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Debian's `60-edk2-x86_64.json` in short.
    fn descriptor(code: &str, features: &str) -> String {
        format!(
            r#"{{ "description": "plain", "interface-types": ["uefi"],
            "mapping": {{ "device": "flash", "executable": {{ "filename": "{code}", "format": "raw" }},
                          "nvram-template": {{ "filename": "/V.fd", "format": "raw" }} }},
            "targets": [{{ "architecture": "x86_64", "machines": ["pc-i440fx-*", "pc-q35-*"] }}],
            "features": [{features}], "tags": [] }}"#
        )
    }

    struct Host(tempfile::TempDir);

    impl Host {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }
        fn put(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fn look(&self) -> Found {
            look(&["usr", "etc", "home"].map(|name| self.0.path().join(name)))
        }
    }

    #[test]
    fn names_order_and_specific_directories_win() {
        let host = Host::new();
        host.put("usr/60-b.json", &descriptor("/usr-b", ""));
        host.put("usr/50-a.json", &descriptor("/usr-a", ""));
        host.put("usr/40-hidden.json", &descriptor("/usr-hidden", ""));
        host.put("etc/40-hidden.json", "");
        host.put("home/60-b.json", &descriptor("/home-b", ""));
        host.put("usr/README", "no descriptor");
        let found = host.look();
        let codes: Vec<_> = found.builds.iter().map(|build| build.code.to_str().unwrap()).collect();
        assert_eq!(codes, ["/usr-a", "/home-b"]);
        assert_eq!(found.skipped, [""; 0]);
        assert_eq!(choose("system", found.clone()).unwrap().id, "system-50-a");
        assert_eq!(choose("system-60-b", found.clone()).unwrap().vars, Some("/V.fd".into()));
        let error = choose("system-70-c", found).unwrap_err().to_string();
        assert!(error.contains("there is system-50-a, system-60-b"), "{error}");
    }

    #[test]
    fn what_cannot_run_is_skipped_with_its_reason() {
        let host = Host::new();
        let good = descriptor("/C.fd", "\"acpi-s3\"");
        host.put("usr/2.json", &good.replace("\"uefi\"", "\"bios\""));
        host.put("usr/3.json", &good.replace("x86_64", "aarch64"));
        host.put("usr/4.json", &good.replacen("raw", "qcow2", 1));
        host.put("usr/5.json", &good.replace("\"flash\"", "\"memory\""));
        host.put("usr/6.json", "{");
        host.put("usr/7.json", &good.replace("nvram-template", "nvram"));
        host.put("usr/8.json", &good.replace("\"flash\"", "\"flash\", \"mode\": \"stateless\""));
        let found = host.look();
        assert_eq!(found.builds.len(), 1);
        assert_eq!((found.builds[0].id.as_str(), &found.builds[0].vars), ("system-8", &None));
        insta::assert_snapshot!(found.skipped.join("\n"));
        assert!(
            choose("system", Found { builds: vec![], ..found }).unwrap_err().to_string().contains("not UEFI")
        );
    }

    #[test]
    fn what_a_build_needs_and_has_is_told() {
        let host = Host::new();
        host.put("usr/1.json", &descriptor("/C.fd", "\"requires-smm\", \"secure-boot\""));
        host.put("usr/2.json", &descriptor("/C.fd", ""));
        let builds = host.look().builds;
        let told: Vec<_> = builds.iter().map(|build| (build.smm, build.secure_boot)).collect();
        assert_eq!(told, [(true, true), (false, false)]);
    }

    #[test]
    fn a_host_without_descriptors_says_so() {
        let error = choose("system", Host::new().look()).unwrap_err().to_string();
        assert!(error.contains("there are no firmware descriptors"), "{error}");
    }
}
