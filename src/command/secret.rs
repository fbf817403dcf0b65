//! `rolegate secret`: a fresh session key on standard output. The one command whose purpose is to print one.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::clock;

/// 32 random bytes as base64, and a newline.
pub fn run() -> ExitCode {
    let Some(key) = fresh() else {
        let _ = writeln!(io::stderr(), "rolegate: the system has no randomness to give");
        return ExitCode::FAILURE;
    };
    match writeln!(io::stdout(), "{key}") {
        Ok(()) => {
            // Whoever looks at it may be about to write it somewhere; a pipe or a file is told nothing.
            if io::stdout().is_terminal() {
                let _ = writeln!(io::stderr(), "{HOW_TO_ROLL}");
            }
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// In which order a key rolls; also shown by `--help`.
pub const HOW_TO_ROLL: &str = "To roll a key without a logout: add the new one as the last line of session.keys_file on \
every replica; then make it the first, on every replica; then drop the old one, after session.max_age.";

fn fresh() -> Option<String> {
    Some(STANDARD.encode(clock::random::<32>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::fresh;

    #[test]
    fn each_key_is_new_and_32_bytes_long() {
        let (a, b) = (fresh().unwrap(), fresh().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.len(), 44);
    }
}
