//! Colour and characters, as far as the terminal has them.

use super::TerminalOptions;
use crate::{text, words};
use record::Verdict;

/// How a piece of text looks where there is colour.
#[derive(Clone, Copy)]
pub(super) enum Style {
    Plain,
    Bold,
    Dim,
    Heading,
    Of(Verdict),
}

impl Style {
    /// Parameters of Select Graphic Rendition (ECMA-48 §8.3.117); the 16 colours that every theme defines.
    const fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Heading => "1;4",
            Self::Of(Verdict::Pass) => "32",
            Self::Of(Verdict::Fail) => "1;31",
            Self::Of(Verdict::Xfail) => "33",
            Self::Of(Verdict::Xpass) => "1;35",
            Self::Of(Verdict::Unsupported) => "2",
            Self::Of(Verdict::Error) => "1;7;31",
        }
    }
}

/// Writes text in the terminal's means.
pub(super) struct Ink {
    colour: bool,
    unicode: bool,
}

impl Ink {
    pub fn new(options: &TerminalOptions) -> Self {
        Self { colour: options.colour, unicode: options.unicode }
    }

    /// Text of anybody, fit to be printed and without any sequence of its own.
    pub fn plain(&self, text: &str) -> String {
        let text = text::visible(text);
        if self.unicode { text.into_owned() } else { text::ascii(&text).into_owned() }
    }

    /// Text that came through [`Ink::plain`], in a style.
    pub fn paint(&self, style: Style, text: &str) -> String {
        match style.sgr() {
            sgr if self.colour && !sgr.is_empty() && !text.is_empty() => {
                format!("\u{1b}[{sgr}m{text}\u{1b}[0m")
            }
            _ => text.to_owned(),
        }
    }

    /// A verdict's sign in its colour.
    pub fn sign(&self, verdict: Verdict) -> String {
        self.paint(Style::Of(verdict), words::sign(verdict, self.unicode))
    }

    /// A verdict's sign.
    pub fn bare_sign(&self, verdict: Verdict) -> &'static str {
        words::sign(verdict, self.unicode)
    }

    pub fn ellipsis(&self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }

    /// A rule of `columns`.
    pub fn rule(&self, columns: usize) -> String {
        if self.unicode { "─" } else { "-" }.repeat(columns)
    }
}
