//! What the terminals that this process writes to can show.

use crate::cli::Colour;
use report::terminal::TerminalOptions;
use std::io::IsTerminal;

/// Options for `stream`; `--color` overrules the environment.
pub fn options(stream: &impl IsTerminal, colour: Colour) -> TerminalOptions {
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let detected = TerminalOptions::detect(stream.is_terminal(), width, std::env::var_os);
    match colour {
        Colour::Auto => detected,
        Colour::Always => TerminalOptions { colour: true, ..detected },
        Colour::Never => TerminalOptions { colour: false, ..detected },
    }
}
