//! The program `flint`: everything is in the library, see `lib.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    flint::cli::main()
}
