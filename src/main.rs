//! The `inspectd` program.

fn main() {}
