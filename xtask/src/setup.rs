//! What a fresh machine lacks: programs and firmware. A second call finds everything and does nothing.

use firmware::{Cached, Catalog, Store};
use host::{Purpose, Status};
use std::time::Instant;

/// Installs or locates QEMU and what the harness is built with, and the tests' tools with `for_tests`. xtask itself is
/// built with none of it. With `architectures`, also QEMU for other architectures than x86.
pub fn tools(for_tests: bool, architectures: bool) -> Result<(), String> {
    let mut purposes = vec![Purpose::Run, Purpose::Build];
    if for_tests {
        purposes.push(Purpose::Test);
    }
    if architectures {
        purposes.push(Purpose::Architectures);
    }
    let checks = host::checks(&purposes);
    if checks.iter().all(|check| check.status == Status::Found) {
        return Ok(());
    }
    let mut say = |line: &str| eprintln!("set-up: {line}");
    host::install::install(&checks, &mut say).map_err(|error| error.to_string())?;
    let left: Vec<_> = host::checks(&purposes)
        .into_iter()
        .filter(|check| check.status != Status::Found)
        .map(|check| {
            let mend = check.mend.unwrap_or_default();
            format!("{} ({}): {mend}", check.name, check.found.as_deref().unwrap_or("missing"))
        })
        .collect();
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!("failed to set up this host:\n  {}", left.join("\n  ")))
    }
}

/// Fetches what the catalog has and the cache has not; returns how many builds could not be had, each with its message.
/// Without `all`, only what a run takes that names none.
pub fn firmware(refresh: bool, all: bool) -> Result<usize, String> {
    let store = Store::of_user().map_err(|error| error.to_string())?;
    let mut absent = 0;
    for build in Catalog::builtin().builds().iter().filter(|build| all || build.by_default) {
        if !refresh && matches!(store.cached(build), Cached::Ready(_)) {
            continue;
        }
        let started = Instant::now();
        let mut say = |line: &str| eprintln!("set-up: {}: {line}", build.id);
        let got = if refresh { store.refresh(build, &mut say) } else { store.get(build, &mut say) };
        match got {
            Ok(firmware) => {
                eprintln!("set-up: {}: {} in {:.0?}", build.id, firmware.source, started.elapsed());
            }
            Err(error) => {
                eprintln!("set-up: {error}");
                absent += 1;
            }
        }
    }
    Ok(absent)
}
