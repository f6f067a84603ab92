//! One line per thing that this host should have, with the mend for what is missing.

use crate::{
    apt,
    distribution::{Distribution, Manager},
    program::{QEMU_OLDEST, Version, find, first_version_line},
};
use std::{
    fs::OpenOptions,
    process::{Command, Stdio},
};

/// What something is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Running cells.
    Run,
    /// Building the harness from source.
    Build,
    /// Fetching the catalog's firmware builds.
    Firmware,
    /// Building the payload and cross-checking our side in the tests.
    Test,
    /// Running firmware of other architectures than x86.
    Architectures,
    /// Nothing needs it; it makes runs faster.
    Speed,
}

/// Whether it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Found and usable.
    Found,
    /// Not on this host.
    Missing,
    /// On this host, but older than needed or not usable by this user.
    Unusable,
}

/// One thing that this host should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it is, in a word or two.
    pub name: &'static str,
    /// What it is needed for.
    pub purpose: Purpose,
    /// Why, in one sentence fragment.
    pub why: &'static str,
    /// Whether it is there.
    pub status: Status,
    /// What was found: path and version, or what is wrong with it.
    pub found: Option<String>,
    /// What to do about it; absent if there is nothing to do.
    pub mend: Option<String>,
    /// Debian's package, where installing one is the mend.
    pub debian_package: Option<&'static str>,
}

/// A QEMU.
struct Emulator {
    name: &'static str,
    program: &'static str,
    purpose: Purpose,
    why: &'static str,
    packages: [&'static str; 4],
}

const EMULATORS: [Emulator; 4] = [
    Emulator {
        name: "QEMU",
        program: "qemu-system-x86_64",
        purpose: Purpose::Run,
        why: "runs the firmware",
        packages: ["qemu-system-x86", "qemu-system-x86", "qemu-system-x86", "qemu-x86"],
    },
    Emulator {
        name: "QEMU for Arm",
        program: "qemu-system-aarch64",
        purpose: Purpose::Architectures,
        why: "runs firmware for Arm of 32 and 64 bits",
        packages: ["qemu-system-arm", "qemu-system-aarch64", "qemu-system-aarch64", "qemu-arm"],
    },
    Emulator {
        name: "QEMU for RISC-V",
        program: "qemu-system-riscv64",
        purpose: Purpose::Architectures,
        why: "runs firmware for RISC-V",
        packages: ["qemu-system-riscv", "qemu-system-riscv", "qemu-system-riscv", "qemu-extra"],
    },
    Emulator {
        name: "QEMU for LoongArch",
        program: "qemu-system-loongarch64",
        purpose: Purpose::Architectures,
        why: "runs firmware for LoongArch",
        packages: ["qemu-system-misc", "qemu-system-loongarch64", "qemu-system-loongarch64", "qemu-extra"],
    },
];

struct Tool {
    name: &'static str,
    /// Any of these will do.
    programs: &'static [&'static str],
    purpose: Purpose,
    why: &'static str,
    /// Package names for apt, dnf, pacman, zypper.
    packages: [&'static str; 4],
}

const TOOLS: &[Tool] = &[
    Tool {
        name: "pkg-config",
        programs: &["pkg-config"],
        purpose: Purpose::Build,
        why: "finds libssl for the build",
        packages: ["pkg-config", "pkgconf-pkg-config", "pkgconf", "pkgconf-pkg-config"],
    },
    Tool {
        name: "clang",
        programs: &["clang"],
        purpose: Purpose::Test,
        why: "compiles the payload",
        packages: ["clang", "clang", "clang", "clang"],
    },
    Tool {
        name: "lld",
        programs: &["lld-link"],
        purpose: Purpose::Test,
        why: "links the payload as an EFI application",
        packages: ["lld", "lld", "lld", "lld"],
    },
    // The others are built with 14, which cannot do this one (`payload/src/compile.rs`).
    Tool {
        name: "clang 19",
        programs: &["clang-19"],
        purpose: Purpose::Test,
        why: "compiles the payload for LoongArch",
        packages: ["clang-19", "clang19", "clang19", "clang19"],
    },
    Tool {
        name: "lld 19",
        programs: &["ld.lld-19"],
        purpose: Purpose::Test,
        why: "links the payload for LoongArch",
        packages: ["lld-19", "lld19", "lld19", "lld19"],
    },
    Tool {
        name: "tshark",
        programs: &["tshark"],
        purpose: Purpose::Test,
        why: "finds malformed frames in our captures",
        packages: ["tshark", "wireshark-cli", "wireshark-cli", "wireshark"],
    },
    Tool {
        name: "curl",
        programs: &["curl"],
        purpose: Purpose::Test,
        why: "witnesses that our HTTP server is a good one",
        packages: ["curl", "curl", "curl", "curl"],
    },
    Tool {
        name: "chromium",
        programs: &["chromium", "chromium-browser", "google-chrome"],
        purpose: Purpose::Test,
        why: "opens the report page as a reader does",
        packages: ["chromium", "chromium", "chromium", "chromium"],
    },
    Tool {
        name: "openssl",
        programs: &["openssl"],
        purpose: Purpose::Test,
        why: "witnesses that our certificates are good ones, or wrong just where they should be",
        packages: ["openssl", "openssl", "openssl", "openssl"],
    },
    Tool {
        name: "sbverify",
        programs: &["sbverify"],
        purpose: Purpose::Test,
        why: "witnesses that our signatures in images are good ones",
        packages: ["sbsigntool", "sbsigntools", "sbsigntools", "sbsigntools"],
    },
    Tool {
        name: "udhcpc",
        programs: &["udhcpc"],
        purpose: Purpose::Test,
        why: "witnesses that our DHCP server is a good one",
        packages: ["udhcpc", "busybox", "busybox", "busybox"],
    },
    Tool {
        name: "dhclient",
        programs: &["dhclient"],
        purpose: Purpose::Test,
        why: "witnesses that our DHCP server is a good one",
        packages: ["isc-dhcp-client", "dhcp-client", "dhclient", "dhcp-client"],
    },
    Tool {
        name: "dig",
        programs: &["dig"],
        purpose: Purpose::Test,
        why: "witnesses that our DNS server is a good one",
        packages: ["bind9-dnsutils", "bind-utils", "bind-utils", "bind"],
    },
    Tool {
        name: "socat",
        programs: &["socat"],
        purpose: Purpose::Test,
        why: "bridges our services to the kernel's TAP for the witnesses",
        packages: ["socat", "socat", "socat", "socat"],
    },
    Tool {
        name: "ip",
        programs: &["ip"],
        purpose: Purpose::Test,
        why: "configures the witnesses' network namespace",
        packages: ["iproute2", "iproute", "iproute2", "iproute2"],
    },
    Tool {
        name: "ping",
        programs: &["ping"],
        purpose: Purpose::Test,
        why: "witnesses that our server answers ICMP echo",
        packages: ["iputils-ping", "iputils", "iputils", "iputils"],
    },
];

const LIBSSL_PACKAGES: [&str; 4] = ["libssl-dev", "openssl-devel", "openssl", "libopenssl-devel"];

/// Looks at everything that serves one of `purposes`. Takes some milliseconds, starts QEMU once for its version, never apt.
pub fn checks(purposes: &[Purpose]) -> Vec<Check> {
    let distribution = Distribution::read();
    let manager = distribution.manager();
    let wanted = |purpose: Purpose| purposes.contains(&purpose);
    let mut checks = Vec::new();
    checks.extend(EMULATORS.iter().filter(|it| wanted(it.purpose)).map(|it| it.check(manager)));
    if wanted(Purpose::Build) {
        checks.push(libssl(manager));
    }
    if wanted(Purpose::Speed) {
        checks.push(kvm());
    }
    if wanted(Purpose::Firmware) {
        checks.extend(firmware_tools());
    }
    checks.extend(TOOLS.iter().filter(|tool| wanted(tool.purpose)).map(|tool| tool.check(manager)));
    checks
}

/// How to install one package, or its name where the package manager is unknown.
fn install_line(manager: Option<Manager>, packages: [&'static str; 4]) -> String {
    match manager {
        Some(manager) => manager.install_line(&[package_for(manager, packages)]),
        None => format!("install it with your package manager (Debian calls it {})", packages[0]),
    }
}

fn package_for(manager: Manager, [apt, dnf, pacman, zypper]: [&'static str; 4]) -> &'static str {
    match manager {
        Manager::Apt => apt,
        Manager::Dnf => dnf,
        Manager::Pacman => pacman,
        Manager::Zypper => zypper,
    }
}

/// The package that mends `check` under `manager`.
pub(crate) fn package(check: &Check, manager: Manager) -> Option<&'static str> {
    let debian = check.debian_package?;
    let names = TOOLS
        .iter()
        .map(|tool| tool.packages)
        .chain(EMULATORS.iter().map(|emulator| emulator.packages))
        .chain([LIBSSL_PACKAGES])
        .find(|names| names[0] == debian);
    names.map(|names| package_for(manager, names))
}

impl Tool {
    fn check(&self, manager: Option<Manager>) -> Check {
        let found = self.programs.iter().find_map(|program| find(program));
        Check {
            name: self.name,
            purpose: self.purpose,
            why: self.why,
            status: if found.is_some() { Status::Found } else { Status::Missing },
            mend: found.is_none().then(|| install_line(manager, self.packages)),
            found: found.map(|path| path.display().to_string()),
            debian_package: Some(self.packages[0]),
        }
    }
}

impl Emulator {
    fn check(&self, manager: Option<Manager>) -> Check {
        let path = find(self.program);
        let line = path.as_deref().and_then(first_version_line);
        let version = line.as_deref().and_then(qemu_version);
        let mend = install_line(manager, self.packages);
        let (status, found, mend) = match (path, version) {
            (None, _) => (Status::Missing, None, Some(mend)),
            (Some(path), Some(version)) if version >= QEMU_OLDEST => {
                (Status::Found, Some(format!("{version}, {}", path.display())), None)
            }
            (Some(path), Some(version)) => (
                Status::Unusable,
                Some(format!("{version}, {}; {QEMU_OLDEST} or later is needed", path.display())),
                Some(format!(
                    "{mend} (from your distribution's backports if its own is older than {QEMU_OLDEST})"
                )),
            ),
            (Some(path), None) => (
                Status::Unusable,
                Some(format!("{} does not tell its version", path.display())),
                Some(format!(
                    "run `{} --version` and mend what it says, or reinstall: {mend}",
                    path.display()
                )),
            ),
        };
        Check {
            name: self.name,
            purpose: self.purpose,
            why: self.why,
            status,
            found,
            mend,
            debian_package: Some(self.packages[0]),
        }
    }
}

/// The headers and the library that the build links to. Without pkg-config nobody can tell, and its own check says so.
fn libssl(manager: Option<Manager>) -> Check {
    let asked = find("pkg-config").and_then(|program| {
        let output =
            Command::new(program).args(["--modversion", "libssl"]).stdin(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    });
    Check {
        name: "libssl",
        purpose: Purpose::Build,
        why: "speaks TLS and signs certificates",
        status: if asked.is_some() { Status::Found } else { Status::Missing },
        mend: asked.is_none().then(|| install_line(manager, LIBSSL_PACKAGES)),
        found: asked,
        debian_package: Some(LIBSSL_PACKAGES[0]),
    }
}

/// `QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)`
fn qemu_version(line: &str) -> Option<Version> {
    Version::leading(line.split_once("version ")?.1)
}

/// That `/dev/kvm` opens does not mean that it runs firmware: only trying tells, and `--accel auto` tries.
fn kvm() -> Check {
    let (status, found, mend) = match OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        Ok(_) => (
            Status::Found,
            "/dev/kvm opens; whether it runs firmware shows when it is tried".to_owned(),
            None,
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (
            Status::Missing,
            "no /dev/kvm".to_owned(),
            Some(
                "nothing needed: cells run under TCG; load the kvm module if the processor has virtualisation",
            ),
        ),
        Err(error) => (
            Status::Unusable,
            format!("/dev/kvm: {error}"),
            Some(
                "nothing needed: cells run under TCG; `sudo usermod -aG kvm $USER` and a new login allow KVM",
            ),
        ),
    };
    let why = "accelerates the guest";
    let mend = mend.map(Into::into);
    Check {
        name: "KVM",
        purpose: Purpose::Speed,
        why,
        status,
        found: Some(found),
        mend,
        debian_package: None,
    }
}

fn firmware_tools() -> Vec<Check> {
    let elsewhere = "give builds by path with --firmware CODE.fd:VARS.fd, or install your distribution's OVMF \
                     and use --firmware system";
    let check = |name, why, found: Option<String>, mend: &str| Check {
        name,
        purpose: Purpose::Firmware,
        why,
        status: if found.is_some() { Status::Found } else { Status::Missing },
        mend: found.is_none().then(|| mend.to_owned()),
        found,
        debian_package: None,
    };
    let show = |path: std::path::PathBuf| path.display().to_string();
    let keyring_mend = Manager::Apt.install_line(&["debian-archive-keyring"]);
    let both = find("apt-get").and(find("dpkg-deb")).and(find("apt-get"));
    vec![
        check("apt-get", "fetches and verifies the catalog's builds", both.map(show), elsewhere),
        check(
            "Debian's archive keys",
            "verify the catalog's builds",
            apt::keyring().map(show),
            &keyring_mend,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemus_version_line_is_read() {
        let version = qemu_version("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)");
        assert_eq!(version, Some(Version { major: 10, minor: 0, micro: 2 }));
        assert_eq!(qemu_version("QEMU emulator version 7.2.90 (v8.0.0-rc0)").unwrap().minor, 2);
        assert_eq!(qemu_version("Segmentation fault"), None);
    }

    #[test]
    fn a_missing_tool_names_its_package_in_the_words_of_the_host() {
        let tool = Tool {
            name: "tshark",
            programs: &["no-such-program-7f3a", "nor-this-one"],
            purpose: Purpose::Test,
            why: "",
            packages: ["tshark", "wireshark-cli", "wireshark-cli", "wireshark"],
        };
        let check = tool.check(Some(Manager::Dnf));
        assert_eq!(check.status, Status::Missing);
        assert_eq!(check.mend.as_deref(), Some("sudo dnf install wireshark-cli"));
        assert_eq!(package(&check, Manager::Zypper), Some("wireshark"));
        assert!(tool.check(None).mend.unwrap().contains("Debian calls it tshark"));
        let headers = Check { status: Status::Missing, ..libssl(Some(Manager::Dnf)) };
        assert_eq!(package(&headers, Manager::Dnf), Some("openssl-devel"));
        // The second of two alternatives is enough.
        let tool = Tool { programs: &["no-such-program-7f3a", "sh"], ..tool };
        assert_eq!(tool.check(None).status, Status::Found);
    }

    #[test]
    fn every_check_that_is_not_met_has_a_mend() {
        for check in checks(&[Purpose::Run, Purpose::Build, Purpose::Firmware, Purpose::Test, Purpose::Speed])
        {
            assert_eq!(check.status != Status::Found, check.mend.is_some(), "{check:?}");
        }
    }
}
