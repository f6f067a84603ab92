//! `cargo xtask`: set-up, tests and payload builds.
fn main() {}
