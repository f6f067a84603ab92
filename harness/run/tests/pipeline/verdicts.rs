//! Every verdict comes out of a whole run, and a wrong expectation is noticed.

use crate::bench::{Done, Fakes, Link, Setup, build, build_of, plan, run_with, scenario};
use fake_firmware::Behaviour;
use firmware::{Architecture, BootOver, ConsoleSign, Family, MachineSpec};
use judge::Waivers;
use record::{Capability, Totals, Verdict};

/// EDK2, but declared to be without something.
struct Without(Capability);

impl Family for Without {
    fn id(&self) -> &'static str {
        "lacking"
    }
    fn machine(&self, _: Architecture) -> Option<MachineSpec> {
        None
    }
    fn boot_by_pxe(&self, machine: &mut MachineSpec, over: BootOver) {
        firmware::family_by_id("edk2").unwrap().boot_by_pxe(machine, over);
    }
    fn boot_over(&self, _: &mut MachineSpec, _: BootOver) {}
    fn is_about_ipv4(&self, _: &str) -> bool {
        false
    }
    fn has(&self, capability: Capability) -> bool {
        capability != self.0
    }
    fn console_sign(&self, line: &str) -> Option<ConsoleSign> {
        firmware::family_by_id("edk2").unwrap().console_sign(line)
    }
    fn console_meaning(&self, _: &str) -> Option<&'static str> {
        None
    }
    fn enrolment(&self) -> Option<firmware::Enrolment> {
        None
    }
    fn longest_timeout_seconds(&self) -> u32 {
        60
    }
}

const NOT_FOUND: &str = "network: { http: { status: 404 } }";
const EXPECTS_BOOT: &str = "expect: { outcome: boots }";
const EXPECTS_REFUSAL: &str = "expect: { outcome: refuses, stage: get, cause: http.error-status }";

fn verdict_of(level: &str, rest: &str, waivers: &str) -> Verdict {
    let scenario = scenario("verdict/x", level, rest);
    let setup = Setup { waivers: Waivers::parse("w.yaml", waivers).unwrap(), ..Setup::default() };
    let client = Fakes::all(Behaviour::conforming());
    run_with(plan(&[scenario], vec![build("fake")]), client, setup).cell("verdict/x").verdict
}

const NO_WAIVER: &str = "firmware: fake\nwaivers: []\n";
const WAIVER: &str = "firmware: fake\nwaivers:\n  - cells: [verdict/x]\n    cause: http.error-status\n    reason: known\n    link: https://example.org/1\n";

#[test]
fn a_wrong_expectation_turns_a_pass_into_a_fail() {
    let met = format!("{NOT_FOUND}\n{EXPECTS_REFUSAL}");
    assert_eq!(verdict_of("must", &met, NO_WAIVER), Verdict::Pass);
    for wrong in ["outcome: boots", "outcome: gives-up", "outcome: [hangs, crashes]"] {
        let rest = format!("{NOT_FOUND}\nexpect: {{ {wrong} }}");
        assert_eq!(verdict_of("must", &rest, NO_WAIVER), Verdict::Fail, "{wrong}");
        assert_eq!(verdict_of("may", &rest, NO_WAIVER), Verdict::Fail, "{wrong}: the level changes nothing");
    }
    for (right, wrong) in [("stage: get", "stage: head"), ("http.error-status", "http.no-answer")] {
        let rest = met.replace(right, wrong);
        assert_ne!(rest, met);
        assert_eq!(verdict_of("must", &rest, NO_WAIVER), Verdict::Fail, "{wrong}");
    }
}

#[test]
fn a_waiver_excuses_a_failure_and_goes_stale_with_a_pass() {
    let fails = format!("{NOT_FOUND}\n{EXPECTS_BOOT}");
    assert_eq!(verdict_of("must", &fails, WAIVER), Verdict::Xfail);
    assert_eq!(verdict_of("must", EXPECTS_BOOT, WAIVER), Verdict::Xpass);
    for other in [("verdict/x", "verdict/y"), ("fake", "fake2"), ("error-status", "no-answer")] {
        assert_eq!(verdict_of("must", &fails, &WAIVER.replace(other.0, other.1)), Verdict::Fail, "{other:?}");
    }
}

#[test]
fn a_waiver_is_in_the_result() {
    let scenario = scenario("verdict/x", "must", &format!("{NOT_FOUND}\n{EXPECTS_BOOT}"));
    let setup = Setup { waivers: Waivers::parse("w.yaml", WAIVER).unwrap(), ..Setup::default() };
    let client = Fakes::all(Behaviour::conforming());
    let done = run_with(plan(&[scenario], vec![build("fake")]), client, setup);
    let waiver = done.cell("verdict/x").waiver.clone().unwrap();
    assert_eq!((waiver.reason.as_str(), waiver.link.as_deref()), ("known", Some("https://example.org/1")));
    assert_eq!(done.cell(run::CONTROL).waiver, None);
}

/// A declared lack is checked: a boot refutes it, anything else confirms it.
#[test]
fn a_missing_capability_is_unsupported_unless_a_boot_refutes_it() {
    let scenarios = [
        scenario("verdict/not-found", "must", &format!("{NOT_FOUND}\n{EXPECTS_REFUSAL}")),
        scenario("verdict/plain", "must", EXPECTS_BOOT),
    ];
    let run_on = |behaviour: Behaviour| {
        let plan = plan(&scenarios, vec![build_of("fake", &Without(Capability::Http))]);
        // Its control is boot by PXE.
        let guests = Fakes::choosing(move |cell, _, _| match cell.scenario.as_str() {
            "control/pxe" => Ok(Default::default()),
            _ => Ok((behaviour.clone(), Link::Good)),
        });
        let done = run_with(plan, guests, Setup::default());
        assert_eq!(done.cell("control/pxe").verdict, Verdict::Pass);
        done
    };
    let done = run_on(Behaviour { speaks: false, ..Behaviour::conforming() });
    for id in [run::CONTROL, "verdict/not-found", "verdict/plain"] {
        assert_eq!(done.cell(id).verdict, Verdict::Unsupported, "{id}");
    }
    let done = run_on(Behaviour::conforming());
    assert_eq!(done.cell("verdict/not-found").verdict, Verdict::Unsupported);
    for id in [run::CONTROL, "verdict/plain"] {
        let cell = done.cell(id);
        assert_eq!(cell.verdict, Verdict::Fail, "{id}");
        assert!(cell.detail.contains("lacking is declared to be without http"), "{}", cell.detail);
    }
}

/// A stale waiver of the control is a deviation, but no reason to distrust a firmware that has just booted.
#[test]
fn a_control_that_boots_despite_its_waiver_condemns_nothing() {
    let waivers =
        "firmware: fake\nwaivers:\n  - { cells: [control/plain], cause: link.no-boot-option, reason: r }\n";
    let run_on = |behaviour| {
        let setup = Setup { waivers: Waivers::parse("w.yaml", waivers).unwrap(), ..Setup::default() };
        let scenario = scenario("verdict/x", "must", EXPECTS_BOOT);
        run_with(plan(&[scenario], vec![build("fake")]), Fakes::all(behaviour), setup)
    };
    let done = run_on(Behaviour::conforming());
    assert_eq!(done.cell(run::CONTROL).verdict, Verdict::Xpass);
    assert_eq!(done.cell("verdict/x").verdict, Verdict::Pass);
    // A waiver does not make a broken control a control.
    let done = run_on(Behaviour { speaks: false, ..Behaviour::conforming() });
    assert_eq!(done.cell(run::CONTROL).verdict, Verdict::Xfail);
    assert_eq!(done.cell("verdict/x").verdict, Verdict::Error);
}

/// All six in one run, counted on the first line of the report.
fn one_of_each() -> Done {
    let scenarios = [
        scenario("verdict/pass", "must", EXPECTS_BOOT),
        scenario("verdict/fail", "must", &format!("{NOT_FOUND}\n{EXPECTS_BOOT}")),
        scenario("verdict/xfail", "must", &format!("{NOT_FOUND}\n{EXPECTS_BOOT}")),
        scenario("verdict/xpass", "must", EXPECTS_BOOT),
        scenario("verdict/unsupported", "must", &format!("needs: [https]\n{NOT_FOUND}\n{EXPECTS_BOOT}")),
        scenario("verdict/error", "must", EXPECTS_BOOT),
    ];
    let waivers = "firmware: fake\nwaivers:\n  - { cells: [verdict/xfail], outcome: refuses, reason: r }\n  - { cells: [verdict/xpass], outcome: refuses, reason: r }\n";
    let setup = Setup { waivers: Waivers::parse("w.yaml", waivers).unwrap(), ..Setup::default() };
    let guests = Fakes::choosing(|cell, _, _| match cell.scenario.as_str() {
        "verdict/error" => Err(run::StartError("no memory".into())),
        "control/https" => Ok((Behaviour { speaks: false, ..Behaviour::conforming() }, Link::Good)),
        _ => Ok(Default::default()),
    });
    run_with(plan(&scenarios, vec![build_of("fake", &Without(Capability::Https))]), guests, setup)
}

#[test]
fn all_six_verdicts_come_out_of_one_run() {
    let done = one_of_each();
    for verdict in Verdict::ALL {
        assert_eq!(done.cell(&format!("verdict/{verdict}")).verdict, *verdict);
    }
    let totals = Totals { pass: 2, fail: 1, xfail: 1, xpass: 1, unsupported: 2, error: 1 };
    assert_eq!(done.results.totals(), totals);
    let rendered = report::terminal::render(&done.results, &report::terminal::TerminalOptions::default());
    let first = rendered.lines().next().unwrap();
    for count in ["2 pass", "1 fail", "1 xfail", "1 xpass", "2 unsupported", "1 error"] {
        assert!(first.contains(count), "{first}");
    }
}
