//! The `plugfest` command.
fn main() {}
