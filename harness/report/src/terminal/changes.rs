//! What changed between two runs, for a terminal.

use super::{Ink, MIN_WIDTH, Page, Style, TerminalOptions};
use crate::changes::{Change, Changed, Changes, said};
use crate::words;
use record::{Baseline, Ended, ImageFile, Results, Verdict};

/// Cells listed for one kind of change before the rest is only counted.
const LISTED: usize = 200;

/// The changes from `before` to `after`: builds that are not the same, then a list for each kind of change. Contains no
/// control characters but line feeds and, with `colour`, SGR sequences of our own.
pub fn render_changes(before: &Baseline, after: &Results, options: &TerminalOptions) -> String {
    let options = TerminalOptions { width: options.width.max(MIN_WIDTH), ..*options };
    let mut page = Page { out: String::new(), ink: Ink::new(&options), options: &options };
    let changes = Changes::between(before, after);
    let mut counts: Vec<_> = Change::ALL.into_iter().map(|change| page.count(&changes, change)).collect();
    counts.push(page.ink.paint(Style::Dim, &format!("unchanged: {}", changes.same)));
    page.line(&counts.join("  "));
    let from = page.ink.plain(&format!("{} -> {}", before.run, after.run.id));
    page.paragraph(0, Style::Dim, &from);
    page.builds(before, after);
    for change in Change::ALL {
        page.list(change, &changes.of(change).collect::<Vec<_>>());
    }
    page.out
}

/// One change, for whoever has to decide about it.
pub fn render_change(changed: &Changed<'_>, options: &TerminalOptions) -> String {
    let options = TerminalOptions { width: options.width.max(MIN_WIDTH), ..*options };
    let mut page = Page { out: String::new(), ink: Ink::new(&options), options: &options };
    page.line("");
    let title = page.ink.paint(Style::Heading, changed.change.heading().0);
    page.line(&title);
    page.one(changed);
    page.out
}

/// How a kind of change looks: as the verdict that it makes one think of.
const fn style(change: Change) -> Style {
    match change {
        Change::Regression => Style::Of(Verdict::Fail),
        Change::Fix => Style::Of(Verdict::Pass),
        Change::OtherCause | Change::Vanished => Style::Of(Verdict::Xfail),
        Change::OtherWay | Change::New => Style::Plain,
    }
}

impl Page<'_> {
    fn count(&self, changes: &Changes<'_>, change: Change) -> String {
        let count = changes.of(change).count();
        let word = change.heading().0.to_lowercase();
        let style = if count == 0 { Style::Dim } else { style(change) };
        self.ink.paint(style, &format!("{word}: {count}"))
    }

    /// Columns whose firmware is not the same, or that only one of the runs has.
    fn builds(&mut self, before: &Baseline, after: &Results) {
        for build in &after.firmware {
            let text = match before.firmware.get(&build.id) {
                None => format!("{}: not in the earlier run", build.id),
                Some(other) if other.code.sha256 != build.code.sha256 => {
                    let short = |file: &ImageFile| words::short(&file.sha256).to_owned();
                    let (was, is) = (short(&other.code), short(&build.code));
                    format!("{}: {} ({was}) -> {} ({is})", build.id, other.version, build.version)
                }
                Some(_) => continue,
            };
            let text = self.ink.plain(&text);
            self.paragraph(0, Style::Plain, &text);
        }
        for id in before.firmware.keys().filter(|id| after.firmware.iter().all(|now| now.id != **id)) {
            let text = self.ink.plain(&format!("{id}: not in the later run"));
            self.paragraph(0, Style::Plain, &text);
        }
    }

    fn list(&mut self, change: Change, cells: &[&Changed<'_>]) {
        if cells.is_empty() {
            return;
        }
        let (title, advice) = change.heading();
        self.line("");
        let title = self.ink.paint(Style::Heading, title);
        self.line(&title);
        self.paragraph(0, Style::Dim, advice);
        for cell in cells.iter().take(LISTED) {
            self.one(cell);
        }
        if cells.len() > LISTED {
            let rest = format!("and {} more", cells.len() - LISTED);
            self.paragraph(2, Style::Dim, &rest);
        }
    }
    fn one(&mut self, cell: &Changed<'_>) {
        let id = self.ink.plain(cell.id);
        self.paragraph(2, style(cell.change), &id);
        let text = match (cell.before, cell.after.map(Ended::of)) {
            (Some(before), Some(after)) => format!("{} -> {}", said(before), said(&after)),
            (Some(before), None) => said(before),
            (None, Some(after)) => said(&after),
            (None, None) => return,
        };
        let text = self.ink.plain(&text);
        self.paragraph(6, Style::Plain, &text);
        if let Some(after) = cell.after.filter(|_| cell.change == Change::Regression) {
            self.sentence(6, Style::Dim, &after.detail);
        }
    }
}
