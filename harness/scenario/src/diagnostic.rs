//! Errors that point at the source.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::{fmt, ops::Range, path::PathBuf};

/// One thing that is wrong in a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub title: String,
    /// Byte range in the file.
    pub span: Range<usize>,
    /// What was expected there.
    pub label: String,
    /// Other places that matter, each with a word on why.
    pub related: Vec<(Range<usize>, String)>,
    /// What to do.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// `title` at `span`, where `label` was expected.
    pub(crate) fn new(span: Range<usize>, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self { title: title.into(), span, label: label.into(), related: Vec::new(), help: Vec::new() }
    }

    /// Adds what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds what to do if nothing has been said yet.
    pub(crate) fn or_help(self, help: &str) -> Self {
        if self.help.is_empty() { self.help(help) } else { self }
    }

    /// Adds another place.
    pub(crate) fn related(mut self, span: Range<usize>, why: impl Into<String>) -> Self {
        self.related.push((span, why.into()));
        self
    }

    /// Adds `did you mean …?` if one of `known` is near `word`.
    pub(crate) fn suggest<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match crate::suggest::nearest(word, known) {
            Some(candidate) => self.help(format!("did you mean `{candidate}`?")),
            None => self,
        }
    }
}

/// A scenario file that cannot be used, with everything that is wrong in it.
#[derive(Clone, Debug)]
pub struct InvalidFile {
    /// The file, as it was named.
    pub path: PathBuf,
    /// Its text; what is not UTF-8 is replaced.
    pub source: String,
    /// What is wrong, in the order of the source; never empty.
    pub diagnostics: Vec<Diagnostic>,
}

/// More than these in one file are counted, not shown.
const SHOWN: usize = 20;

impl InvalidFile {
    /// Every error with its source line, for a terminal with (`colour`) or without escape sequences.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let path = self.path.display().to_string();
        let mut out = String::new();
        for diagnostic in self.diagnostics.iter().take(SHOWN) {
            out += &renderer.render(&[self.group(diagnostic, &path)]);
            out += "\n\n";
        }
        if let Some(more) = self.diagnostics.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            out += &format!("… and {more} more errors in {path}\n\n");
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// Line and column (both from 1, columns in characters) of a byte offset.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.source[..self.source.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic, path: &'a str) -> annotate_snippets::Group<'a> {
        let primary = AnnotationKind::Primary.span(self.visible(&diagnostic.span)).label(&diagnostic.label);
        let related = diagnostic
            .related
            .iter()
            .map(|(span, why)| AnnotationKind::Context.span(self.visible(span)).label(why));
        Level::ERROR
            .primary_title(&diagnostic.title)
            .element(Snippet::source(&self.source).path(path).annotation(primary).annotations(related))
            .elements(diagnostic.help.iter().map(|help| Level::HELP.message(help)))
    }

    /// A range that a marker can be drawn under: inside the text, on one line, not empty where there is text.
    fn visible(&self, span: &Range<usize>) -> Range<usize> {
        let mut start = self.source.floor_char_boundary(span.start);
        if start == self.source.len() && start > 0 {
            // The end of the file: mark the end of its last line that says something.
            start = self.source.trim_end().len();
        }
        let line_end =
            self.source[start..].find(['\n', '\r']).map_or(self.source.len(), |length| start + length);
        let end = self.source.floor_char_boundary(span.end.min(line_end)).max(start);
        if end > start {
            return start..end;
        }
        // An empty span stands for a block: mark its first line.
        start..start + self.source[start..line_end].trim_end().len()
    }
}

impl fmt::Display for InvalidFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for InvalidFile {}
