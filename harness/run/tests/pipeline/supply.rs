//! What a build does not bring: its cells are about something else than the firmware, and are told so before they start.

use crate::bench::{Fakes, Setup, build, plan, run_with, scenario};
use fake_firmware::Behaviour;
use firmware::{Catalog, Firmware, Store};
use record::Verdict;

const ENTRY: &str =
    "network: { client: { nvram: { entries: [{ from: uri, uris: ['http://{server4}/boot.efi'] }] } } }";

/// How `x/x` ends, which has `rest`, on `firmware`.
fn ended(rest: &str, firmware: Firmware) -> (Verdict, String) {
    let scenario = scenario("x/x", "must", &format!("{rest}\nexpect: {{ outcome: boots }}"));
    let mut plan = plan(&[scenario], vec![firmware]);
    let store = tempfile::tempdir().unwrap();
    run::supply(&mut plan, &Catalog::builtin(), &Store::open(store.path()), &mut |said| panic!("{said}"));
    let done = run_with(plan, Fakes::all(Behaviour::conforming()), Setup::default());
    let cell = done.cell("x/x");
    (cell.verdict, cell.detail.clone())
}

#[test]
fn boot_entries_need_variables_of_the_build_itself() {
    let plain = build("fake");
    let with = || Firmware { vars: Some(plain.code.clone()), ..plain.clone() };
    assert_eq!(ended(ENTRY, with()).0, Verdict::Pass);
    let without = ended(ENTRY, Firmware { vars: None, ..plain.clone() });
    assert_eq!(
        without,
        (Verdict::Unsupported, "fake brings no UEFI variables that could be written.".into())
    );
    let base = Some(Box::new(Firmware { id: "below".into(), ..with() }));
    let started = ended(ENTRY, Firmware { base, vars: None, ..plain.clone() });
    assert_eq!(
        started,
        (Verdict::Unsupported, "The boot entries are those of below, which starts fake.".into())
    );
}

#[test]
fn variables_that_no_package_has_are_not_to_be_had() {
    let named = ended("network: { client: { variables: ms } }", build("fake"));
    assert_eq!(named, (Verdict::Unsupported, "fake brings no variables that the catalog calls `ms`.".into()));
}
