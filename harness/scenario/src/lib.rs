//! The scenario language: YAML in, cells out, errors that point at the source
