//! The command-line companion of the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    winscard::cli::main()
}
