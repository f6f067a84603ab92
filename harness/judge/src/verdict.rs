//! A finding against its expectation.

use crate::{Finding, Waivers};
use record::{AssertionResult, Capability, Deviation, Expected, Level, Verdict};

/// A verdict and the waiver that shaped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// Verdict.
    pub verdict: Verdict,
    /// The waiver that applied: it excuses an `xfail`, and is stale for an `xpass`.
    pub waiver: Option<Deviation>,
}

/// What the cell is tried for.
#[derive(Clone, Copy, Debug)]
pub struct Charge<'a> {
    /// Cell id, `scenario[point]@firmware`.
    pub cell: &'a str,
    /// Version of the build.
    pub version: &'a str,
    /// Requirement level.
    pub level: Level,
    /// What a conforming client does.
    pub expected: &'a Expected,
    /// What the build is declared to lack of what the scenario needs. The cell ran all the same: a declaration that the wire refutes is
    /// a failure.
    pub lacks: Option<Capability>,
}

/// Delivers the verdict on a finding.
pub fn deliver(charge: Charge<'_>, finding: &Finding, waivers: &Waivers) -> Ruling {
    let observed = charge.level == Level::Observe;
    if let Some(lack) = charge.lacks {
        // A build that cannot do it at all mostly ends as one that is expected to fail does.
        let verdict = match lack.is_shown_by(finding.outcome, finding.stage) {
            true if observed => Verdict::Pass,
            true => Verdict::Fail,
            false => Verdict::Unsupported,
        };
        return Ruling { verdict, waiver: None };
    }
    let as_expected = observed || charge.expected.is_met(finding.outcome, finding.stage, finding.cause);
    // A waiver for another deviation does not excuse this failure, but a pass shows every waiver of the cell to be stale.
    let waiver = match as_expected {
        true => waivers.stale(charge.cell, charge.version),
        false => waivers.excuse(charge.cell, charge.version, finding),
    };
    let waiver = waiver.cloned();
    let verdict = match (as_expected, &waiver) {
        (true, None) => Verdict::Pass,
        (true, Some(_)) => Verdict::Xpass,
        (false, Some(_)) => Verdict::Xfail,
        (false, None) => Verdict::Fail,
    };
    Ruling { verdict, waiver }
}

/// The verdict on a cell from that on its outcome and those on its conversation: the one that needs most attention.
pub fn together(outcome: Verdict, conversation: &[AssertionResult]) -> Verdict {
    let urgency = |verdict: &Verdict| match verdict {
        Verdict::Pass => 0,
        Verdict::Xfail => 1,
        Verdict::Xpass => 2,
        Verdict::Fail => 3,
        Verdict::Unsupported | Verdict::Error => 4,
    };
    let verdicts = conversation.iter().filter_map(AssertionResult::verdict);
    verdicts.chain([outcome]).max_by_key(urgency).unwrap_or(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::Outcome;
    use record::Stage;

    const CELL: &str = "http/x[a=1]@fw";

    fn finding(outcome: Outcome, stage: Stage, cause: Option<&'static str>) -> Finding {
        Finding { outcome, stage, cause, detail: String::new() }
    }

    fn rule(
        level: Level,
        expected: &Expected,
        finding: &Finding,
        waivers: &str,
        unsupported: bool,
    ) -> Verdict {
        let waivers = Waivers::parse("w.yaml", waivers).expect("well-formed waivers");
        let charge = Charge {
            cell: CELL,
            version: "1.0",
            level,
            expected,
            lacks: unsupported.then_some(Capability::Ipv6),
        };
        deliver(charge, finding, &waivers).verdict
    }

    const NONE: &str = "firmware: fw\nwaivers: []\n";
    const WAIVED: &str =
        "firmware: fw\nwaivers:\n  - cells: ['http/*']\n    cause: http.error-status\n    reason: known\n";

    #[test]
    fn every_verdict_but_error_follows_from_finding_and_waiver() {
        let boots = Expected { outcome: vec![Outcome::Boots], stage: None, cause: None };
        let booted = finding(Outcome::Boots, Stage::Executed, None);
        let refused = finding(Outcome::Refuses, Stage::Get, Some("http.error-status"));
        let other = finding(Outcome::Refuses, Stage::Get, Some("http.no-answer"));
        for (finding, waivers, unsupported, verdict) in [
            (&booted, NONE, false, Verdict::Pass),
            (&refused, NONE, false, Verdict::Fail),
            (&refused, WAIVED, false, Verdict::Xfail),
            (&other, WAIVED, false, Verdict::Fail),
            (&booted, WAIVED, false, Verdict::Xpass),
            (&refused, NONE, true, Verdict::Unsupported),
            (&booted, NONE, true, Verdict::Fail),
        ] {
            assert_eq!(
                rule(Level::Must, &boots, finding, waivers, unsupported),
                verdict,
                "{finding:?} {waivers}"
            );
        }
        for (finding, unsupported) in [(&booted, false), (&refused, false), (&booted, true)] {
            let verdict = rule(Level::Observe, &boots, finding, NONE, unsupported);
            assert_eq!(verdict, Verdict::Pass, "observe cannot fail");
        }
    }

    #[test]
    fn a_declared_lack_is_refuted_by_a_boot_and_by_nothing_else() {
        let refusal = Expected { outcome: vec![Outcome::Refuses], stage: None, cause: None };
        let refused = finding(Outcome::Refuses, Stage::Address, Some("dhcp4.nak"));
        assert_eq!(rule(Level::Must, &refusal, &refused, NONE, true), Verdict::Unsupported);
        let booted = finding(Outcome::Boots, Stage::Executed, None);
        assert_eq!(rule(Level::Must, &refusal, &booted, NONE, true), Verdict::Fail);
        assert_eq!(rule(Level::Observe, &refusal, &refused, NONE, true), Verdict::Unsupported);
    }

    #[test]
    fn secure_boot_shows_in_what_is_refused() {
        for (outcome, stage, shown) in [
            (Outcome::Refuses, Stage::Image, true),
            (Outcome::GivesUp, Stage::Image, true),
            (Outcome::GivesUp, Stage::Address, false),
            (Outcome::Boots, Stage::Executed, false),
        ] {
            assert_eq!(Capability::SecureBoot.is_shown_by(outcome, stage), shown);
            assert_eq!(Capability::Ipv6.is_shown_by(outcome, stage), outcome == Outcome::Boots);
        }
    }

    #[test]
    fn stage_and_cause_count_where_stated() {
        let refused = finding(Outcome::Refuses, Stage::Get, Some("http.error-status"));
        let mut expected = Expected {
            outcome: vec![Outcome::GivesUp, Outcome::Refuses],
            stage: Some(Stage::Get),
            cause: Some("http.error-status".into()),
        };
        assert_eq!(rule(Level::Must, &expected, &refused, NONE, false), Verdict::Pass);
        expected.stage = Some(Stage::Head);
        assert_eq!(rule(Level::Must, &expected, &refused, NONE, false), Verdict::Fail);
        expected.stage = None;
        expected.cause = Some("http.no-answer".into());
        assert_eq!(rule(Level::Must, &expected, &refused, NONE, false), Verdict::Fail);
    }
}
