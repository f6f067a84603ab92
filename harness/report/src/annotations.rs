//! Annotations of GitHub's workflows: commands on standard output that its runner turns into messages beside a commit.

use crate::changes::{Change, Changes, said};
use crate::findings::{Finding, heading};
use crate::{Context, Format, ReportError, text, words};
use record::{Ended, Results, Verdict};

/// Annotations that GitHub shows of one kind for a step; it drops the others without a word.
const SHOWN: usize = 10;
/// Characters of one message.
const LENGTH: usize = 800;

/// Workflow commands, one in a line: an error for each thing that fails the run, and one notice that counts the rest.
///
/// With a baseline only regressions are errors; without one findings are: cells that deviate for one cause together.
pub struct GithubAnnotations;

impl Format for GithubAnnotations {
    fn name(&self) -> &'static str {
        "github"
    }

    fn file_name(&self) -> &'static str {
        "annotations.txt"
    }

    fn render_with(&self, results: &Results, context: &Context<'_>) -> Result<String, ReportError> {
        let mut errors: Vec<(String, String)> = findings(results, Verdict::Error).collect();
        match context.baseline {
            Some(baseline) => {
                let changes = Changes::between(baseline, results);
                errors.extend(changes.of(Change::Regression).filter_map(|changed| {
                    let after = changed.after?;
                    let before = changed.before.map_or("new".to_owned(), said);
                    let message = format!(
                        "{before} -> {}\n{}\n{}",
                        said(&Ended::of(after)),
                        after.detail,
                        after.clause
                    );
                    Some((format!("Regression: {}", changed.id), message))
                }));
            }
            None => errors.extend(
                [Verdict::Fail, Verdict::Xpass].into_iter().flat_map(|verdict| findings(results, verdict)),
            ),
        }
        errors.extend(words::flaky_note(results).map(|note| ("Flaky".to_owned(), note)));
        let mut out: String =
            errors.iter().take(SHOWN).map(|(title, message)| command("error", title, message)).collect();
        let counts: Vec<String> = Verdict::ALL
            .iter()
            .map(|verdict| format!("{} {verdict}", words::count(results, *verdict)))
            .collect();
        let more = errors.len().saturating_sub(SHOWN);
        let more = if more == 0 { String::new() } else { format!("; {more} more errors are in the report") };
        out.push_str(&command("notice", "plugfest", &format!("{}{more}", counts.join(", "))));
        Ok(out)
    }
}

fn findings(results: &Results, verdict: Verdict) -> impl Iterator<Item = (String, String)> {
    Finding::of(results, verdict).into_iter().map(move |finding| {
        let (summary, detail) = finding.summary();
        let points: Vec<&str> = finding.points.iter().map(|point| point.id).collect();
        let touched = format!(
            "{} on {}",
            words::counted(finding.cells(), "cell"),
            words::counted(finding.builds(), "build")
        );
        let title = format!("{}: {summary}", heading(verdict).0);
        (title, format!("{touched}: {}\n{}", points.join(", "), detail.unwrap_or_default()))
    })
}

/// One workflow command. Its own syntax is escaped as GitHub's toolkit does it.
fn command(kind: &str, title: &str, message: &str) -> String {
    let (title, _) = text::head(title, LENGTH);
    let (message, _) = text::head(message.trim_end(), LENGTH);
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let title = data(&text::visible(title)).replace(':', "%3A").replace(',', "%2C");
    let lines: Vec<_> = message.split('\n').map(text::visible).collect();
    format!("::{kind} title={title}::{}\n", data(&lines.join("\n")))
}
