//! `plugfest doctor`: what this machine has, what is missing, and the mend for each.

use crate::cli::DoctorArgs;
use crate::command::open_catalog;
use crate::exit::{Exit, Failure};
use firmware::{Cached, Store};
use host::{Purpose, Status};

/// Looks at everything and prints a line each; fails if a run is not possible.
pub fn doctor(args: DoctorArgs) -> Result<Exit, Failure> {
    let mut able = true;
    for check in host::checks(&[
        Purpose::Run,
        Purpose::Architectures,
        Purpose::Speed,
        Purpose::Firmware,
        Purpose::Test,
    ]) {
        let sign = match (check.status, check.purpose) {
            (Status::Found, _) => "ok",
            (_, Purpose::Run) => {
                able = false;
                "MISSING"
            }
            _ => "missing",
        };
        line(sign, check.name, check.found.as_deref().unwrap_or(check.why));
        if let Some(mend) = check.mend {
            line("", "", &format!("mend: {mend}"));
        }
    }
    let store = Store::of_user().map_err(Failure::infrastructure)?;
    let mut ready = 0;
    for build in open_catalog(args.catalog.as_deref())?.builds() {
        match store.cached(build) {
            Cached::Ready(firmware) => {
                ready += 1;
                line(
                    "ok",
                    &build.id,
                    &format!("{}, sha256 {:.12}…", firmware.version, firmware.code.file.sha256),
                );
            }
            Cached::Absent => line("absent", &build.id, "fetched by the next run that selects it"),
            Cached::Corrupt(what) => {
                line("corrupt", &build.id, &format!("{what}; the next run fetches it again"))
            }
        }
    }
    for build in firmware::system_builds() {
        line("ok", &build.id, &build.description);
        ready += 1;
    }
    if !able {
        return Err(Failure::infrastructure("failed to find what a run needs; see the mends above"));
    }
    println!("\nReady to run; {ready} firmware builds are on this machine.");
    Ok(Exit::AsExpected)
}

fn line(sign: &str, name: &str, text: &str) {
    println!("{sign:8} {name:22} {text}");
}
