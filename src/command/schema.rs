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

#[cfg(test)]
mod tests {
    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test reads its own switch")]
    fn the_committed_schema_is_what_is_printed() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/schema.json");
        // UPDATE_EXPECTED=1 writes it anew.
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(file, super::text()).unwrap();
        }
        let committed = std::fs::read_to_string(file).unwrap();
        assert!(committed == super::text(), "config/schema.json is not what `rolegate schema` prints");
    }
}
