//! The scenario language: YAML in, cells out, errors that point at the source.
//!
//! A scenario file is read into a tree that knows its places, checked, and swept into [`Point`]s; a point on a firmware
//! is a cell. `scenarios/README.md` describes the language to its authors; [`json_schema`] describes it to editors.

#![forbid(unsafe_code)]

mod conversation;
mod diagnostic;
mod expectation;
mod fault;
mod lint;
mod load;
mod model;
mod point;
mod read;
mod schema;
mod select;
mod settings;
mod suggest;
mod sweep;
mod syntax;
mod tree;

pub use diagnostic::{Diagnostic, InvalidFile};
pub use load::{LoadError, Scenario, load_dir};
pub use point::Point;
pub use record::Requirement;
pub use schema::json_schema;
pub use select::{NoMatch, Selected, Selector, SelectorError, open, select};
pub use sweep::MAX_POINTS;
pub use tree::MAX_FILE_BYTES;
