//! The options that decide what comes out of a run: kept with it, and taken from it when it is resumed.

use crate::cli::{Accel, Clock, Given, RunArgs, Selection};
use crate::command::{parse_selectors, selected_firmware};
use crate::exit::Failure;
use firmware::Selected;
use record::ClockMode;
use run::Choices;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What `args` choose, independent of the current directory.
pub fn of(args: &RunArgs) -> Result<Choices, Failure> {
    Ok(Choices {
        select: select(&args.selection)?,
        firmware: firmware(&args.selection)?,
        scenarios: absolute(&args.selection.scenarios)?,
        catalog: args.selection.catalog.as_deref().map(absolute).transpose()?,
        waivers: absolute(&args.waivers)?,
        clock: match args.clock {
            Clock::Virtual => ClockMode::Virtual,
            Clock::Real => ClockMode::Real,
        },
        accel: args.accel.as_str().to_owned(),
        cold: args.cold,
        seed: args.seed,
        repeat: args.repeat,
        level: args.level.clone(),
        shard: args.shard,
    })
}

/// `args` with the choices of an earlier run; the others stay.
pub fn restore(args: RunArgs, choices: &Choices) -> Result<RunArgs, Failure> {
    let Choices {
        select,
        firmware,
        scenarios,
        catalog,
        waivers,
        clock,
        accel,
        cold,
        seed,
        repeat,
        level,
        shard,
    } = choices.clone();
    Ok(RunArgs {
        selection: Selection { select, firmware, scenarios, catalog },
        waivers,
        clock: match clock {
            ClockMode::Virtual => Clock::Virtual,
            ClockMode::Real => Clock::Real,
        },
        accel: Accel::named(&accel).ok_or_else(|| {
            Failure::bad_input(format!("the run was begun with the unknown --accel {accel}"))
        })?,
        cold,
        seed,
        repeat,
        level,
        shard,
        ..args
    })
}

/// Refuses options on the command line that are not those with which the run was begun.
pub fn refuse_conflicts(args: &RunArgs, given: &Given, began: &Choices) -> Result<(), Failure> {
    let began = fields(began);
    let asked = fields(&of(args)?);
    let conflicts: Vec<String> = asked
        .iter()
        .filter(|(name, asked)| given.has(name) && began.get(*name) != Some(asked))
        .map(|(name, asked)| {
            let began = began.get(name).map(say).unwrap_or_default();
            let name = if name == "select" { "SELECT".to_owned() } else { format!("--{name}") };
            format!("{name} was {began}, not {}", say(asked))
        })
        .collect();
    if conflicts.is_empty() {
        return Ok(());
    }
    let conflicts = conflicts.join("; ");
    Err(Failure::bad_input(format!(
        "failed to resume with other options than the run was begun with: {conflicts}; leave them out"
    )))
}

/// The choices by the name of their option.
fn fields(choices: &Choices) -> serde_json::Map<String, Value> {
    match serde_json::to_value(choices) {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("invariant: choices are written as an object"),
    }
}

fn say(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "the default".into(),
        Value::Array(words) if words.is_empty() => "everything".into(),
        Value::Array(words) => words.iter().map(say).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn select(selection: &Selection) -> Result<Vec<String>, Failure> {
    let selectors = parse_selectors(&selection.select)?;
    let words = selection.select.iter().zip(&selectors);
    // A file's path is the beginning of the word.
    words
        .map(|(word, selector)| selector.file().map_or(Ok(word.clone()), |_| text(Path::new(word))))
        .collect()
}

fn firmware(selection: &Selection) -> Result<Vec<String>, Failure> {
    if selection.firmware.is_empty() {
        return Ok(Vec::new());
    }
    let selected = selected_firmware(selection)?;
    let word = |(word, selected): (&String, &Selected)| match selected {
        Selected::Paths { code, vars, column } => {
            let paths: Vec<String> =
                std::iter::once(code).chain(vars).map(|path| text(path)).collect::<Result<_, _>>()?;
            let named = column.as_ref().and_then(|_| word.split_once('='));
            let name = named.map(|(name, _)| format!("{name}=")).unwrap_or_default();
            Ok(format!("{name}{}", paths.join(":")))
        }
        Selected::Build(_) | Selected::System(_) => Ok(word.clone()),
    };
    selection.firmware.iter().zip(&selected).map(word).collect()
}

fn text(path: &Path) -> Result<String, Failure> {
    absolute(path).map(|path| path.display().to_string())
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::infrastructure(format!("failed to find {}: {error}", path.display())))
}
