//! `rolegate schema`: the JSON schema of the configuration file on standard output.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config;

/// Prints it.
pub fn run() -> ExitCode {
    match io::stdout().write_all(text().as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What is printed, and what is committed as `config/schema.json`.
pub fn text() -> String {
    format!("{:#}\n", config::schema())
}
