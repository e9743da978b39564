//! The tellask command.
fn main() {}
