//! End-to-end tests: the real binary, a real broker, real pictures. This file is the table of
//! contents.

fn main() {}
