//! `rolegate run`: configuration, log, gate, and the wait for a signal.

use std::path::Path;
use std::process::ExitCode;

use super::signals::Signals;
use super::start;
use crate::command::check::{EX_CONFIG, write_problems};
use crate::config::{self, Overrides};
use crate::telemetry::log;

/// Serves until SIGINT or SIGTERM; at SIGHUP files are read again.
pub fn run(path: Option<&Path>, env: &[(String, String)]) -> ExitCode {
    let loaded = match config::load(path, env, &Overrides::default()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            let _ = write_problems(&problems, false, &mut std::io::stderr());
            return ExitCode::from(EX_CONFIG);
        }
    };
    let _logging = log::start(&loaded.config.log);
    for warning in loaded.warnings.iter() {
        tracing::warn!(target: "rolegate::config", "{warning}");
    }
    // Before anything is served: until it is heard, a signal would end the process.
    let signals = match Signals::hear() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "signals cannot be waited for");
            return ExitCode::FAILURE;
        }
    };
    let running = match start(loaded.config) {
        Ok(running) => running,
        Err(error) => {
            eprintln!("rolegate: {error}");
            return ExitCode::FAILURE;
        }
    };
    running.tell_started();
    signals.wait_for_end(|| running.read_again());
    tracing::info!("stopping");
    running.stop();
    ExitCode::SUCCESS
}
