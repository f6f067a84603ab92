//! Which distribution this is and how its packages are installed.

use std::fs;

/// A package manager that we know the command line and the package names of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Debian, Ubuntu and relatives.
    Apt,
    /// Fedora and relatives.
    Dnf,
    /// Arch Linux and relatives.
    Pacman,
    /// openSUSE and SLES.
    Zypper,
}

impl Manager {
    /// The command that installs `packages`.
    pub fn install_line(self, packages: &[&str]) -> String {
        let verb = match self {
            Self::Apt => "apt install --no-install-recommends",
            Self::Dnf => "dnf install",
            Self::Pacman => "pacman -S --needed",
            Self::Zypper => "zypper install",
        };
        format!("sudo {verb} {}", packages.join(" "))
    }
}

/// The running system, from os-release(5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// `PRETTY_NAME`, or `this system`.
    pub name: String,
    /// `ID`.
    pub id: String,
    /// `ID_LIKE`, split.
    pub like: Vec<String>,
    /// `VERSION_CODENAME`.
    pub codename: Option<String>,
}

impl Distribution {
    /// Reads `/etc/os-release`, or `/usr/lib/os-release` where that is absent.
    pub fn read() -> Self {
        let text =
            ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| fs::read_to_string(path).ok());
        Self::parse(&text.unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let field = |key: &str| {
            text.lines().filter_map(|line| line.trim().split_once('=')).find_map(|(name, value)| {
                let value = value.trim_matches(['"', '\'']);
                (name == key && !value.is_empty()).then(|| value.to_owned())
            })
        };
        Self {
            name: field("PRETTY_NAME").unwrap_or_else(|| "this system".into()),
            id: field("ID").unwrap_or_default(),
            like: field("ID_LIKE").unwrap_or_default().split_whitespace().map(Into::into).collect(),
            codename: field("VERSION_CODENAME"),
        }
    }

    /// Whether this is Debian itself, so that Debian's package archive is the one in use.
    pub fn is_debian(&self) -> bool {
        self.id == "debian"
    }

    /// The package manager, if it is one that we know.
    pub fn manager(&self) -> Option<Manager> {
        std::iter::once(&self.id).chain(&self.like).find_map(|id| match id.as_str() {
            "debian" | "ubuntu" => Some(Manager::Apt),
            "fedora" | "rhel" => Some(Manager::Dnf),
            "arch" => Some(Manager::Pacman),
            "suse" | "opensuse" => Some(Manager::Zypper),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relatives_use_their_familys_manager() {
        let of = |text: &str| Distribution::parse(text);
        let debian =
            of("PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_CODENAME=bookworm\n");
        assert!(debian.is_debian());
        assert_eq!(debian.codename.as_deref(), Some("bookworm"));
        assert_eq!(debian.manager(), Some(Manager::Apt));
        let mint = of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n");
        assert!(!mint.is_debian());
        assert_eq!(mint.manager(), Some(Manager::Apt));
        assert_eq!(of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"").manager(), Some(Manager::Dnf));
        assert_eq!(of("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"").manager(), Some(Manager::Zypper));
        assert_eq!(of("ID=arch").manager(), Some(Manager::Pacman));
        assert_eq!(of("ID=nixos").manager(), None);
        assert_eq!(of("").name, "this system");
    }

    #[test]
    fn the_install_line_is_complete() {
        assert_eq!(Manager::Pacman.install_line(&["lld", "curl"]), "sudo pacman -S --needed lld curl");
    }
}
