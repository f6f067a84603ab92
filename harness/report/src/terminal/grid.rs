//! The matrix itself, in as many columns as the terminal has: full words, else signs and stages, else several blocks.

use super::Page;
use super::ink::{Ink, Style};
use crate::matrix::{Column, Matrix, Row, Scenario};
use crate::{text, words};
use record::{CellResult, Verdict};
use std::ops::Range;

/// A label column narrower than this says too little: draw several blocks.
const MIN_LABEL: usize = 30;
/// Labels up to this width are worth shorter cells.
const GOOD_LABEL: usize = 56;
/// A label column wider than this only pushes the cells away from it.
const MAX_LABEL: usize = 72;
/// Blank columns before each cell.
const GAP: usize = 2;

/// How much a cell says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    /// Sign, verdict, stage.
    Full,
    /// Sign, and what a failure needs.
    Short,
}

/// Widths of one block of the matrix.
struct Layout {
    words: Words,
    columns: Range<usize>,
    label: usize,
    cell: usize,
}

/// Draws every area. With many columns the matrix comes in several blocks, each with all rows.
pub(super) fn draw(page: &mut Page<'_>, matrix: &Matrix<'_>) {
    let layouts = layouts(&page.ink, page.options.width, matrix);
    for (at, layout) in layouts.iter().enumerate() {
        if at > 0 {
            page.line("");
        }
        header(page, matrix, layout);
        for area in &matrix.areas {
            let name = page.ink.plain(area.name);
            let total = layout.label + layout.columns.len() * (layout.cell + GAP);
            let name = text::clip(&name, total.saturating_sub(2), page.ink.ellipsis()).into_owned();
            let rule = page.ink.rule(total.saturating_sub(text::width(&name) + 1));
            let line =
                format!("{} {}", page.ink.paint(Style::Bold, &name), page.ink.paint(Style::Dim, &rule));
            page.line(&line);
            for scenario in &area.scenarios {
                draw_scenario(page, layout, scenario);
            }
        }
    }
    if layouts.first().is_some_and(|layout| layout.words == Words::Short) {
        page.line("");
        let key: Vec<_> = Verdict::ALL
            .iter()
            .map(|verdict| format!("{} {verdict}", page.ink.bare_sign(*verdict)))
            .collect();
        page.paragraph(0, Style::Dim, &key.join("   "));
    }
}

/// The widest layout that leaves room for labels.
fn layouts(ink: &Ink, width: usize, matrix: &Matrix<'_>) -> Vec<Layout> {
    let count = matrix.columns.len();
    let rows = || matrix.areas.iter().flat_map(|area| &area.scenarios).flat_map(|scenario| &scenario.rows);
    let labels = matrix
        .areas
        .iter()
        .flat_map(|area| &area.scenarios)
        .flat_map(|scenario| scenario.rows.iter().map(|row| text::width(&label(ink, scenario, row))));
    let wanted = labels.max().unwrap_or(0).clamp(MIN_LABEL, MAX_LABEL);
    let good = wanted.min(GOOD_LABEL);
    let cell = |words| {
        rows()
            .flat_map(|row| &row.cells)
            .flatten()
            .map(|cell| text::width(&say(ink, cell, words)))
            .max()
            .unwrap_or(1)
    };
    let pieces = matrix
        .columns
        .iter()
        .flat_map(|column| pieces(ink, column))
        .map(|piece| text::width(&piece))
        .max()
        .unwrap_or(1);
    let full = cell(Words::Full).max(pieces.min(12));
    let short = cell(Words::Short).max(4);
    let roomy = short.max(pieces.min(9));
    for (words, cell, least) in [
        (Words::Full, full, good),
        (Words::Short, roomy, good),
        (Words::Short, roomy, MIN_LABEL),
        (Words::Short, short, MIN_LABEL),
    ] {
        let cells = count * (cell + GAP);
        if cells + least <= width {
            return vec![Layout { words, columns: 0..count, label: wanted.min(width - cells), cell }];
        }
    }
    let each = (width.saturating_sub(MIN_LABEL) / (short + GAP)).max(1);
    let label = wanted.min(width.saturating_sub(each * (short + GAP)));
    (0..count)
        .step_by(each)
        .map(|from| Layout { words: Words::Short, columns: from..count.min(from + each), label, cell: short })
        .collect()
}

/// Firmware ids over their columns, broken behind hyphens; the numbers of the list above where they do not fit.
fn header(page: &mut Page<'_>, matrix: &Matrix<'_>, layout: &Layout) {
    let stacks: Vec<Vec<String>> = layout
        .columns
        .clone()
        .map(|at| {
            let stack = stack(&pieces(&page.ink, &matrix.columns[at]), layout.cell);
            stack.filter(|lines| lines.len() <= 3).unwrap_or_else(|| vec![format!("[{}]", at + 1)])
        })
        .collect();
    let height = stacks.iter().map(Vec::len).max().unwrap_or(0);
    for line in 0..height {
        let mut out = " ".repeat(layout.label);
        for stack in &stacks {
            let piece = (line + stack.len()).checked_sub(height).map_or("", |at| stack[at].as_str());
            let gap = GAP;
            let pad = layout.cell.saturating_sub(text::width(piece));
            out.push_str(&format!("{:gap$}{}{:pad$}", "", page.ink.paint(Style::Bold, piece), ""));
        }
        page.line(&out);
    }
}

fn draw_scenario(page: &mut Page<'_>, layout: &Layout, scenario: &Scenario<'_>) {
    if !scenario.is_single() {
        let id = page.ink.plain(scenario.id);
        let title = page.ink.plain(scenario.title);
        let room = page.options.width.saturating_sub(2);
        let id = text::clip(&id, room.saturating_sub(10), page.ink.ellipsis()).into_owned();
        let level = scenario.level.as_str();
        let room = room.saturating_sub(text::width(&id) + level.len() + 4);
        let title = text::clip(&title, room, page.ink.ellipsis()).into_owned();
        let line =
            format!("  {id}  {}  {}", page.ink.paint(Style::Bold, level), page.ink.paint(Style::Dim, &title));
        page.line(&line);
    }
    for row in &scenario.rows {
        let mut lines = label_lines(&page.ink, scenario, row, layout.label).into_iter();
        let label = lines.next().unwrap_or_default();
        let pad = layout.label.saturating_sub(text::width(&label));
        let mut out = format!("{label}{:pad$}", "");
        for cell in &row.cells[layout.columns.clone()] {
            let said = cell.map_or_else(String::new, |cell| say(&page.ink, cell, layout.words));
            let pad = layout.cell.saturating_sub(text::width(&said));
            let style = cell.map_or(Style::Plain, |cell| Style::Of(cell.verdict));
            let gap = GAP;
            out.push_str(&format!("{:gap$}{}{:pad$}", "", page.ink.paint(style, &said), ""));
        }
        page.line(&out);
        lines.for_each(|line| page.line(&line));
    }
}

/// A row's label in at most `columns`: parameters that do not fit go on below, because the last of them tell rows apart.
fn label_lines(ink: &Ink, scenario: &Scenario<'_>, row: &Row<'_>, columns: usize) -> Vec<String> {
    let label = label(ink, scenario, row);
    let parameters: Vec<String> = label.trim_start().split_inclusive(',').map(str::to_owned).collect();
    let indent = label.len() - label.trim_start().len();
    match stack(&parameters, columns.saturating_sub(indent + 1)) {
        Some(lines) if !scenario.is_single() => {
            let line = |(at, line): (usize, String)| {
                let indent = indent + if at == 0 { 0 } else { 2 };
                format!("{:indent$}{}", "", line.trim())
            };
            lines.into_iter().enumerate().map(line).collect()
        }
        _ => vec![text::clip(&label, columns, ink.ellipsis()).into_owned()],
    }
}

/// What stands before a row: its parameters, or for a scenario without any its id, level and title.
fn label(ink: &Ink, scenario: &Scenario<'_>, row: &Row<'_>) -> String {
    if scenario.is_single() {
        ink.plain(&format!("  {}  {}  {}", scenario.id, scenario.level, scenario.title))
    } else if row.params.is_empty() {
        "    (no parameters)".to_owned()
    } else {
        ink.plain(&format!("    {}", row.label()))
    }
}

fn say(ink: &Ink, cell: &CellResult, words: Words) -> String {
    let sign = ink.bare_sign(cell.verdict);
    match (words, words::place(cell)) {
        (Words::Full, Some(place)) if cell.verdict == Verdict::Pass => format!("{sign} {place}"),
        (Words::Full, Some(place)) => format!("{sign} {} {place}", cell.verdict),
        (Words::Full, None) => format!("{sign} {}", cell.verdict),
        (Words::Short, Some(place)) => format!("{sign} {place}"),
        (Words::Short, None) if matches!(cell.verdict, Verdict::Xpass | Verdict::Error) => {
            format!("{sign} {}", cell.verdict)
        }
        (Words::Short, None) => sign.to_owned(),
    }
}

/// A firmware id, broken behind each hyphen.
fn pieces(ink: &Ink, column: &Column<'_>) -> Vec<String> {
    ink.plain(column.id).split_inclusive('-').map(str::to_owned).collect()
}

/// Pieces put together in lines of at most `columns`; `None` if a piece is too wide.
fn stack(pieces: &[String], columns: usize) -> Option<Vec<String>> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        let size = text::width(piece);
        if size > columns {
            return None;
        }
        match lines.last_mut() {
            Some(line) if text::width(line) + size <= columns => line.push_str(piece),
            _ => lines.push(piece.clone()),
        }
    }
    Some(lines)
}
