//! The program `flint`.
fn main() {}
