//! Installing what is missing, where that is possible: on Debian and its relatives, as root.

use crate::{
    Check, Purpose, QEMU_OLDEST, Status, Version,
    apt::{self, AptError, PrivateApt},
    check,
    distribution::{Distribution, Manager},
};

/// The QEMU that the harness was measured with. An older candidate is taken only if backports have none.
const QEMU_PREFERRED: Version = Version { major: 10, minor: 0, micro: 0 };

/// Why something was not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Somebody else has to do it; the text says what exactly.
    #[error("failed to find {missing} on this host. {instructions}")]
    ByHand {
        /// What is missing.
        missing: String,
        /// The command to give.
        instructions: String,
    },
    /// The distribution's QEMU is too old.
    #[error(
        "failed to install QEMU: {host} offers {offered}, and {QEMU_OLDEST} or later is needed; \
         install a newer one and put it in PATH"
    )]
    TooOld {
        /// The distribution.
        host: String,
        /// What it offers.
        offered: String,
    },
    /// apt failed.
    #[error(transparent)]
    Apt(#[from] AptError),
    /// No room for the package lists.
    #[error("failed to make a temporary directory: {0}")]
    Scratch(#[source] std::io::Error),
}

/// Installs what `checks` found missing, telling `say` each step in one line; does nothing if nothing is missing.
pub fn install(checks: &[Check], say: &mut dyn FnMut(&str)) -> Result<(), InstallError> {
    let missing: Vec<&Check> = checks.iter().filter(|check| check.status != Status::Found).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let distribution = Distribution::read();
    let manager = distribution.manager();
    let is_root = rustix::process::geteuid().is_root();
    if manager != Some(Manager::Apt) || !is_root || crate::find("apt-get").is_none() {
        return Err(by_hand(&missing, manager));
    }
    // The host's own sources, and Debian's backports beside them: in lists of our own, so that the host stays as it is.
    // That also copes with a host whose qemu-utils came from backports that its sources no longer name.
    let scratch = tempfile::tempdir().map_err(InstallError::Scratch)?;
    let is_qemu = |check: &&&Check| matches!(check.purpose, Purpose::Run | Purpose::Architectures);
    let of = |checks: Vec<&&Check>| {
        checks.into_iter().filter_map(|check| check.debian_package).collect::<Vec<_>>()
    };
    let (emulators, tools): (Vec<_>, Vec<_>) = missing.iter().partition(is_qemu);
    let (emulators, tools) = (of(emulators), of(tools));
    let backports = if !emulators.is_empty() { backports(&distribution)? } else { None };
    let extra = match &backports {
        Some(Backports { suite, mirror: Some(mirror) }) => apt::debian_source(mirror, suite)?,
        _ => String::new(),
    };
    say("reading package lists (private copies; the host's apt configuration stays as it is)");
    let apt = PrivateApt::for_host(scratch.path(), &extra)?;
    if let Some(unread) = apt.update_what_answers()? {
        say(&format!("going on without {unread}"));
    }
    if !emulators.is_empty() {
        let suite = backports.as_ref().map(|backports| backports.suite.as_str());
        install_qemu(&apt, &emulators, suite, &distribution, say)?;
    }
    if !tools.is_empty() {
        say(&format!("installing {}", tools.join(", ")));
        apt.install(None, &tools)?;
    }
    Ok(())
}

struct Backports {
    suite: String,
    /// Where to get it, if the host's own sources do not have it.
    mirror: Option<String>,
}

fn backports(distribution: &Distribution) -> Result<Option<Backports>, AptError> {
    let Some(codename) = distribution.codename.as_ref().filter(|_| distribution.is_debian()) else {
        return Ok(None);
    };
    let suite = format!("{codename}-backports");
    let mirror = if apt::host_has_suite(&suite)? { None } else { apt::debian_mirrors()?.into_iter().next() };
    Ok(Some(Backports { suite, mirror }))
}

fn install_qemu(
    apt: &PrivateApt,
    packages: &[&str],
    backports: Option<&str>,
    distribution: &Distribution,
    say: &mut dyn FnMut(&str),
) -> Result<(), InstallError> {
    let offers: Vec<_> = [None, backports]
        .into_iter()
        .enumerate()
        .filter(|(index, suite)| *index == 0 || suite.is_some())
        .map(|(_, suite)| (suite, apt.simulate(suite, packages).map(|plan| planned_version(&plan, packages))))
        .collect();
    let Some((suite, text)) = choose(&offers) else {
        let texts: Vec<_> = offers.iter().filter_map(|(_, o)| o.as_ref().ok()?.as_ref()).cloned().collect();
        if let (true, Some(error)) = (texts.is_empty(), offers.into_iter().find_map(|(_, offer)| offer.err()))
        {
            return Err(error.into());
        }
        let offered = if texts.is_empty() { "none".to_owned() } else { texts.join(" and ") };
        return Err(InstallError::TooOld { host: distribution.name.clone(), offered });
    };
    let from = suite.map(|suite| format!(" from {suite}")).unwrap_or_default();
    say(&format!("installing {} {text}{from}; this takes a minute or two", packages.join(", ")));
    Ok(apt.install(suite, packages)?)
}

/// What a suite (`None`: the host's default) offers: a version to install, nothing to install, or no way to install it.
type Offer<'a> = (Option<&'a str>, Result<Option<String>, AptError>);

/// The first offer that is as new as preferred, else the newest that is new enough.
fn choose<'a>(offers: &[Offer<'a>]) -> Option<(Option<&'a str>, String)> {
    let mut usable: Vec<_> = offers
        .iter()
        .filter_map(|(suite, offer)| {
            let text = offer.as_ref().ok()?.as_ref()?;
            let version = Version::leading(text).filter(|version| *version >= QEMU_OLDEST)?;
            Some((version, *suite, text.clone()))
        })
        .collect();
    if let Some(first) = usable.iter().find(|(version, ..)| *version >= QEMU_PREFERRED) {
        return Some((first.1, first.2.clone()));
    }
    usable.sort_by_key(|(version, ..)| *version);
    usable.pop().map(|(_, suite, text)| (suite, text))
}

/// The version in `Inst qemu-system-x86 [old] (1:10.0.2+ds-2 Debian:… [amd64])`.
fn planned_version(plan: &str, packages: &[&str]) -> Option<String> {
    let of = |line: &str| {
        let (package, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
        packages.contains(&package).then(|| rest.to_owned())
    };
    let line = plan.lines().find_map(of)?;
    Some(line.split_once('(')?.1.split_whitespace().next()?.to_owned())
}

fn by_hand(missing: &[&Check], manager: Option<Manager>) -> InstallError {
    let names: Vec<_> = missing.iter().map(|check| check.name).collect();
    let packages: Vec<_> = manager
        .iter()
        .flat_map(|manager| missing.iter().filter_map(|c| check::package(c, *manager)))
        .collect();
    let instructions = match manager {
        Some(manager) if !packages.is_empty() => {
            let hint = match manager {
                Manager::Apt => " (or run this command as root: it then installs them itself)",
                _ => "",
            };
            format!("Install with: {}{hint}", manager.install_line(&packages))
        }
        _ => {
            let debian: Vec<_> = missing.iter().filter_map(|check| check.debian_package).collect();
            format!(
                "Install with your package manager what Debian calls: {} (QEMU {QEMU_OLDEST} or later)",
                debian.join(" ")
            )
        }
    };
    InstallError::ByHand { missing: names.join(", "), instructions }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer<'a>(suite: Option<&'a str>, version: &str) -> Offer<'a> {
        (suite, Ok(Some(version.to_owned())))
    }

    #[test]
    fn backports_are_taken_where_the_release_is_older_than_measured() {
        let backports = Some("bookworm-backports");
        let chosen = choose(&[offer(None, "1:7.2+dfsg-7"), offer(backports, "1:10.0.2+ds-2")]);
        assert_eq!(chosen, Some((backports, "1:10.0.2+ds-2".to_owned())));
        // The release's own is new enough: nothing else is touched.
        assert_eq!(choose(&[offer(None, "1:10.0.2"), offer(backports, "1:10.1.0")]).unwrap().0, None);
        // Backports are refused or empty: 7.2 will do.
        let refused = Err(AptError::NoApt);
        assert_eq!(choose(&[offer(None, "1:7.2"), (backports, refused)]).unwrap().1, "1:7.2");
        // The release's own is refused (qemu-utils came from backports).
        assert_eq!(
            choose(&[(None, Err(AptError::NoApt)), offer(backports, "1:10.0.2")]).unwrap().0,
            backports
        );
        assert_eq!(choose(&[offer(None, "1:6.2+dfsg-2ubuntu6")]), None);
        assert_eq!(choose(&[(None, Ok(None))]), None);
    }

    #[test]
    fn the_planned_version_is_the_packages_own() {
        let plan = "Reading package lists...\nInst qemu-system-x86-xen (1:1.0 x)\n\
                    Inst qemu-system-x86 [1:7.2] (1:10.0.2+ds-2 Debian Backports:stable [amd64]) []\n";
        assert_eq!(planned_version(plan, &["qemu-system-x86"]).as_deref(), Some("1:10.0.2+ds-2"));
        assert_eq!(
            planned_version("qemu-system-x86 is already the newest version\n", &["qemu-system-x86"]),
            None
        );
    }

    #[test]
    fn who_must_install_by_hand_is_told_the_command() {
        let missing = |name, package| Check {
            name,
            purpose: Purpose::Test,
            why: "",
            status: Status::Missing,
            found: None,
            mend: Some(String::new()),
            debian_package: Some(package),
        };
        let (tshark, socat) = (missing("tshark", "tshark"), missing("socat", "socat"));
        let text = |manager| by_hand(&[&tshark, &socat], manager).to_string();
        assert_eq!(
            text(Some(Manager::Dnf)),
            "failed to find tshark, socat on this host. Install with: sudo dnf install wireshark-cli socat"
        );
        assert!(text(Some(Manager::Apt)).contains("sudo apt install --no-install-recommends tshark socat"));
        assert!(text(None).contains("what Debian calls: tshark socat"));
    }
}
