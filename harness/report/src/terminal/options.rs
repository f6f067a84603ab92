//! What the terminal can show.

use std::ffi::OsString;

/// How to render for a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalOptions {
    /// Columns; at least 40 are used.
    pub width: usize,
    /// Whether SGR sequences are understood and wanted.
    pub colour: bool,
    /// Whether characters outside ASCII can be shown.
    pub unicode: bool,
}

impl Default for TerminalOptions {
    /// 100 columns, no colour, Unicode: what a file gets.
    fn default() -> Self {
        Self { width: 100, colour: false, unicode: true }
    }
}

impl TerminalOptions {
    /// Reads `NO_COLOR` (no-color.org), `CLICOLOR` and `CLICOLOR_FORCE` (bixense.com/clicolors), `TERM` and the locale
    /// through `variable`, which is [`std::env::var_os`] outside tests.
    ///
    /// `is_terminal` says whether the output goes to one, `width` how many columns it has, if known.
    pub fn detect(
        is_terminal: bool,
        width: Option<usize>,
        variable: impl Fn(&'static str) -> Option<OsString>,
    ) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let colour = if set("NO_COLOR").is_some() {
            false
        } else if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
            true
        } else {
            is_terminal
                && set("CLICOLOR").is_none_or(|value| value != "0")
                && set("TERM").is_none_or(|value| value != "dumb")
        };
        // POSIX: the first of these that is set and not empty decides.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let unicode = locale.is_some_and(|locale| {
            let locale = locale.to_string_lossy().to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        Self { width: width.unwrap_or(Self::default().width), colour, unicode }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(is_terminal: bool, variables: &[(&str, &str)]) -> TerminalOptions {
        TerminalOptions::detect(is_terminal, None, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn colour_needs_a_terminal_or_force_and_no_color_wins() {
        for (is_terminal, variables, colour) in [
            (true, &[][..], true),
            (false, &[], false),
            (true, &[("NO_COLOR", "1")], false),
            (true, &[("NO_COLOR", "")], true),
            (true, &[("CLICOLOR", "0")], false),
            (true, &[("TERM", "dumb")], false),
            (false, &[("CLICOLOR_FORCE", "1")], true),
            (false, &[("CLICOLOR_FORCE", "0")], false),
            (true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], false),
        ] {
            assert_eq!(detect(is_terminal, variables).colour, colour, "{is_terminal} {variables:?}");
        }
    }

    #[test]
    fn the_first_locale_variable_that_is_set_decides() {
        for (variables, unicode) in [
            (&[][..], false),
            (&[("LANG", "C.UTF-8")], true),
            (&[("LANG", "en_GB.utf8")], true),
            (&[("LC_ALL", "C"), ("LANG", "C.UTF-8")], false),
            (&[("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8"), ("LANG", "C")], true),
        ] {
            assert_eq!(detect(true, variables).unicode, unicode, "{variables:?}");
        }
        assert_eq!(detect(true, &[]).width, 100);
    }
}
