//! What the page's script knows about the cells: small arrays, and every text once.

use super::blocks::{BUNDLE, Blocks};
use crate::matrix::Matrix;
use crate::{text, words};
use base64::Engine;
use record::{AssertionResult, CellResult, EvidencePaths, Outcome, Results, Stage, Verdict};
use serde::Serialize;
use std::collections::HashMap;

/// Characters of one text before the rest is only counted; `results.json` has everything.
const LIMIT: usize = 2_000;

/// Index into [`Data::texts`].
type Text = usize;

/// The root of the page's data. The script names its fields; keep both in step.
#[derive(Default, Serialize)]
pub(super) struct Data {
    texts: Vec<String>,
    verdicts: Vec<(&'static str, &'static str, &'static str)>,
    outcomes: Vec<&'static str>,
    stages: Vec<&'static str>,
    /// Id, version, digest of the code image.
    builds: Vec<(Text, Text, Text)>,
    /// Area, id, title, clause, level, digest.
    scenarios: Vec<(Text, Text, Text, Text, &'static str, Text)>,
    rows: Vec<Row>,
    cells: Vec<Cell>,
}

/// Scenario, point id, parameters, whether the builds differ, level.
#[derive(Serialize)]
struct Row(usize, Text, Vec<(Text, Text)>, bool, &'static str);

/// Row, build, verdict, outcome, stage, cause, detail, expected, waiver's reason and link, host seconds, guest seconds,
/// attempts, whether it is flaky, evidence, block and position of its story, assertions about the conversation.
#[derive(Serialize)]
struct Cell(
    usize,
    usize,
    usize,
    Option<usize>,
    Option<usize>,
    Option<Text>,
    Text,
    Text,
    Option<(Text, Option<Text>)>,
    String,
    String,
    u32,
    bool,
    /// Directory, then the files with the directory taken off.
    Option<Vec<Text>>,
    Option<(usize, usize)>,
    Vec<Assertion>,
);

/// Name, what came of it, verdict if there is one, level, clause, what was seen, the waiver's reason.
#[derive(Serialize)]
struct Assertion(Text, String, Option<usize>, &'static str, Text, Text, Option<Text>);

impl Assertion {
    fn of(assertion: &AssertionResult, texts: &mut Texts) -> Self {
        Self(
            texts.add(&assertion.id),
            assertion.state.to_string(),
            assertion.verdict().map(|verdict| position(Verdict::ALL, verdict)),
            assertion.level.as_str(),
            texts.add(&assertion.clause),
            texts.add(&assertion.detail),
            assertion.waiver.as_ref().map(|waiver| texts.add(&waiver.reason)),
        )
    }
}

impl Data {
    pub fn of(results: &Results, blocks: &Blocks) -> Self {
        let mut texts = Texts::default();
        let mut data = Self {
            verdicts: Verdict::ALL
                .iter()
                .map(|verdict| (verdict.as_str(), words::sign(*verdict, true), words::meaning(*verdict)))
                .collect(),
            outcomes: Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect(),
            stages: Stage::ALL.iter().map(|stage| stage.as_str()).collect(),
            ..Self::default()
        };
        let matrix = Matrix::of(results);
        for column in &matrix.columns {
            let (version, digest) = column
                .record
                .map_or(("not described in this run", ""), |record| (&record.version, &record.code.sha256));
            data.builds.push((texts.add(column.id), texts.add(version), texts.add(digest)));
        }
        for area in &matrix.areas {
            for scenario in &area.scenarios {
                for row in &scenario.rows {
                    let params =
                        row.params.iter().map(|(name, value)| (texts.add(name), texts.add(value))).collect();
                    for (build, cell) in row.cells.iter().enumerate() {
                        let at = (data.rows.len(), build);
                        data.cells.extend(cell.map(|cell| Cell::of(cell, at, &mut texts, blocks)));
                    }
                    data.rows.push(Row(
                        data.scenarios.len(),
                        texts.add(row.point),
                        params,
                        row.differs(),
                        row.level().as_str(),
                    ));
                }
                let [area, id, title, clause, digest] =
                    [area.name, scenario.id, scenario.title, scenario.clause, scenario.sha256]
                        .map(|text| texts.add(text));
                data.scenarios.push((area, id, title, clause, scenario.level.as_str(), digest));
            }
        }
        data.texts = texts.list;
        data
    }
}

impl Cell {
    fn of(cell: &CellResult, (row, build): (usize, usize), texts: &mut Texts, blocks: &Blocks) -> Self {
        let waiver = cell
            .waiver
            .as_ref()
            .map(|waiver| (texts.add(&waiver.reason), waiver.link.as_deref().map(|link| texts.add(link))));
        Self(
            row,
            build,
            position(Verdict::ALL, cell.verdict),
            cell.outcome.map(|outcome| position(Outcome::ALL, outcome)),
            cell.stage.map(|stage| position(Stage::ALL, stage)),
            cell.cause.as_deref().map(|cause| texts.add(cause)),
            texts.add(&cell.detail),
            texts.add(&words::expectation(&cell.expected)),
            waiver,
            words::seconds(cell.wall_seconds),
            words::seconds(cell.guest_seconds),
            cell.attempts,
            cell.flaky,
            cell.evidence.as_ref().map(|evidence| {
                let mut list = paths(evidence, texts);
                list.extend(blocks.has_bundle(cell).then(|| texts.add(BUNDLE)));
                list
            }),
            blocks.place(cell),
            cell.conversation.iter().map(|assertion| Assertion::of(assertion, texts)).collect(),
        )
    }
}

/// Position of a word in its list; the lists have every value.
fn position<T: PartialEq>(all: &[T], one: T) -> usize {
    all.iter().position(|value| *value == one).unwrap_or(0)
}

fn paths(evidence: &EvidencePaths, texts: &mut Texts) -> Vec<Text> {
    let inside = |path: &str| -> String {
        let inside = path.strip_prefix(&evidence.directory).and_then(|path| path.strip_prefix('/'));
        inside.map_or_else(|| format!("/{path}"), str::to_owned)
    };
    let mut list = vec![texts.add(&evidence.directory)];
    for path in [&evidence.capture, &evidence.console, &evidence.timeline, &evidence.cell] {
        list.push(texts.add(&inside(path)));
    }
    let more = [&evidence.command, &evidence.keys];
    list.extend(more.into_iter().flatten().map(|path| texts.add(&inside(path))));
    list
}

/// Base 64 with padding (RFC 4648 §4), as a policy's digests are written too.
pub(super) fn for_base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Every text once, visible and not endless.
#[derive(Default)]
struct Texts {
    list: Vec<String>,
    known: HashMap<String, Text>,
}

impl Texts {
    fn add(&mut self, text: &str) -> Text {
        if let Some(at) = self.known.get(text) {
            return *at;
        }
        self.list.push(limited(text, LIMIT));
        self.known.insert(text.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }
}

/// Fit to be shown, and not endless.
pub(super) fn limited(text: &str, limit: usize) -> String {
    let (text, missing) = text::head(text, limit);
    let text = text::visible(text);
    if missing == 0 {
        text.into_owned()
    } else {
        format!("{text}… ({missing} more characters in results.json)")
    }
}
