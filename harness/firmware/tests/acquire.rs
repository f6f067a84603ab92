//! A real build, fetched into the user's own cache if it is not there. Needs a network only then, and runs where
//! `PLUGFEST_REQUIRE_FIRMWARE` is set, as `cargo xtask test` does, or where the cache already has the build.
#![allow(clippy::unwrap_used)]

use firmware::{Cached, Catalog, Firmware, Store};
use record::FirmwareRecord;
use std::{env, fs};

#[test]
fn every_build_of_the_catalog_is_real_firmware_with_its_provenance() {
    let (store, catalog) = (Store::of_user().unwrap(), Catalog::builtin());
    let required = env::var_os("PLUGFEST_REQUIRE_FIRMWARE").is_some();
    for build in catalog.builds().iter().filter(|build| build.by_default) {
        if !required && !matches!(store.cached(build), Cached::Ready(_)) {
            println!("skipped: {} is not in the cache", build.id);
            continue;
        }
        let firmware = store.get(build, &mut |line| println!("{}: {line}", build.id)).unwrap();
        let provenance = store.provenance(build).unwrap();
        assert_eq!(firmware.version, provenance.version);
        assert!(firmware.source.contains(&provenance.source), "{}", firmware.source);
        // The checks for users' own files accept it, and find the digests that were recorded.
        let vars = firmware.vars.as_ref().unwrap();
        let own = Firmware::from_files(&firmware.code.path, Some(&vars.path)).unwrap();
        assert_eq!((&own.code.file, &own.vars.as_ref().unwrap().file), (&firmware.code.file, &vars.file));
        // What a run records of a build is enough to have it again, from whatever images there are.
        let again = Firmware::from_record(&firmware.to_record(None), &own.images()).unwrap();
        assert_eq!(again.to_record(None), FirmwareRecord { files: [].into(), ..firmware.to_record(None) });
        let without = Firmware::from_record(&firmware.to_record(None), &[&own.code]);
        assert!(without.unwrap_err().to_string().contains(&vars.file.sha256));
        // They refuse the two files in the wrong order.
        let swapped = Firmware::from_files(&vars.path, Some(&firmware.code.path)).unwrap_err();
        assert!(swapped.to_string().contains("CODE.fd:VARS.fd"), "{swapped}");
        // A truncated copy is not taken for firmware.
        let half = tempfile::NamedTempFile::new().unwrap();
        fs::write(half.path(), &fs::read(&firmware.code.path).unwrap()[..1_000_000]).unwrap();
        assert!(Firmware::from_files(half.path(), None).is_err());
    }
}
