//! `junit.xml`: for CI systems that show JUnit reports. A suite for each build, a test case for each cell.

use crate::{Context, Format, ReportError, changes::said, matrix, words};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use record::{CellResult, Ended, Results, Verdict};
use std::time::Duration;

/// `junit.xml`.
///
/// JUnit knows four results. `fail` and `xpass` are failures, `error` is an error; `xfail` and `unsupported` are skipped,
/// with the reason. A flaky cell is a failure whatever its verdict.
pub struct Junit;

impl Format for Junit {
    fn file_name(&self) -> &'static str {
        "junit.xml"
    }

    fn name(&self) -> &'static str {
        "junit"
    }

    fn render_with(&self, results: &Results, _: &Context<'_>) -> Result<String, ReportError> {
        let mut report = Report::new(format!("plugfest {}", results.run.id));
        report.set_time(seconds(results.run.wall_seconds));
        for build in &results.firmware {
            let mut suite = TestSuite::new(build.id.as_str());
            let cells = results.cells.iter().filter(|cell| cell.firmware == build.id);
            suite.add_test_cases(cells.map(case));
            suite.add_property(Property::new("version", build.version.as_str()));
            suite.add_property(Property::new("sha256", build.code.sha256.as_str()));
            report.add_test_suite(suite);
        }
        report
            .to_string()
            .map_err(|error| ReportError::Render { file: self.file_name(), why: error.to_string() })
    }
}

fn case(cell: &CellResult) -> TestCase {
    let mut case = TestCase::new(matrix::point(cell), status(cell));
    case.set_classname(cell.firmware.as_str());
    case.set_time(seconds(cell.wall_seconds));
    let stage = cell.stage.map(|stage| stage.to_string());
    let capture = cell.evidence.as_ref().map(|evidence| evidence.capture.clone());
    let properties = [
        ("title", Some(cell.title.clone())),
        ("clause", Some(cell.clause.clone())),
        ("level", Some(cell.level.to_string())),
        ("stage", stage),
        ("cause", cell.cause.clone()),
        ("capture", capture),
    ];
    for (name, value) in properties {
        if let Some(value) = value {
            case.add_property(Property::new(name, value));
        }
    }
    case
}

fn status(cell: &CellResult) -> TestCaseStatus {
    let of = |mut status: TestCaseStatus, kind: &str, message: String| {
        status.set_type(kind).set_message(message).set_description(format!(
            "{}\nexpected: {}\n{}",
            cell.detail,
            words::expectation(&cell.expected),
            cell.clause
        ));
        status
    };
    let kind = cell.cause.as_deref().unwrap_or(cell.verdict.as_str());
    match cell.verdict {
        Verdict::Fail => {
            of(TestCaseStatus::non_success(NonSuccessKind::Failure), kind, said(&Ended::of(cell)))
        }
        Verdict::Xpass => {
            of(TestCaseStatus::non_success(NonSuccessKind::Failure), "stale-waiver", said(&Ended::of(cell)))
        }
        Verdict::Error => {
            of(TestCaseStatus::non_success(NonSuccessKind::Error), kind, said(&Ended::of(cell)))
        }
        _ if cell.flaky => {
            of(TestCaseStatus::non_success(NonSuccessKind::Failure), "flaky", said(&Ended::of(cell)))
        }
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Xfail | Verdict::Unsupported => {
            let mut status = TestCaseStatus::skipped();
            let why = cell.waiver.as_ref().map_or(&cell.detail, |waiver| &waiver.reason);
            status.set_message(format!("{}: {why}", cell.verdict));
            status
        }
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
