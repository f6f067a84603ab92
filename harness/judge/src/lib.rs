//! From events to outcome, stage, cause and verdict
