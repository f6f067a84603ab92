//! One module for each command, and what several of them do alike.

pub mod baseline;
pub mod bundle;
pub mod catalogue;
pub mod check;
pub mod choices;
pub mod diff;
pub mod doctor;
pub mod explain;
pub mod list;
pub mod merge;
pub mod qualify;
pub mod replay;
pub mod report;
pub mod resume;
pub mod run;
pub mod schema;

use crate::cli::Selection;
use crate::exit::Failure;
use firmware::{Catalog, Selected};
use scenario::{LoadError, NoMatch, Selector};
use std::path::Path;

/// The catalog at `path`, or the built-in one.
pub fn open_catalog(path: Option<&Path>) -> Result<Catalog, Failure> {
    path.map_or_else(|| Ok(Catalog::builtin()), Catalog::open).map_err(Failure::bad_input)
}

/// The firmware that a selection means; all of the catalog if it names none.
pub fn selected_firmware(selection: &Selection) -> Result<Vec<Selected>, Failure> {
    let catalog = open_catalog(selection.catalog.as_deref())?;
    catalog.select_all(&selection.firmware).map_err(Failure::bad_input)
}

/// The ids of the firmware that a selection means, without fetching anything.
pub fn firmware_names(selection: &Selection) -> Result<Vec<String>, Failure> {
    names_of(&selected_firmware(selection)?)
}

/// The ids of firmware, without fetching anything.
pub fn names_of(selected: &[Selected]) -> Result<Vec<String>, Failure> {
    let store = firmware::Store::of_user().map_err(Failure::infrastructure)?;
    selected
        .iter()
        .map(|selected| match selected {
            Selected::Build(build) => Ok(build.id.clone()),
            other => store.obtain(other, &mut |_| {}).map(|build| build.id).map_err(Failure::bad_input),
        })
        .collect()
}

/// SELECT arguments.
pub fn parse_selectors(words: &[String]) -> Result<Vec<Selector>, Failure> {
    words.iter().map(|word| word.parse().map_err(Failure::bad_input)).collect()
}

/// Scenarios that cannot be used.
pub fn refuse_scenarios(error: LoadError) -> Failure {
    match error {
        LoadError::Empty(_) => Failure::nothing_selected(error),
        other => Failure::bad_input(check::render(&other)),
    }
}

/// A selection that selects nothing.
pub fn refuse_no_match(error: NoMatch) -> Failure {
    Failure::nothing_selected(error)
}
