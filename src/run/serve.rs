//! `rolegate run`: configuration, log, gate, and the wait for a signal.

use std::path::Path;
use std::process::ExitCode;

use super::signals::Signals;
use super::{Again, machine, start};
use crate::command::check::{EX_CONFIG, write_problems};
use crate::config::{Overrides, Source};
use crate::telemetry::log;

/// Serves until SIGINT or SIGTERM; at SIGHUP files are read again.
pub fn run(path: Option<&Path>, env: &[(String, String)]) -> ExitCode {
    if let Err(unfit) = machine::fit() {
        eprintln!("rolegate: {unfit}");
        return ExitCode::FAILURE;
    }
    let source = Source::new(path, env, Overrides::default());
    let (loaded, files) = source.load();
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => {
            let _ = write_problems(&problems, false, &mut std::io::stderr());
            return ExitCode::from(EX_CONFIG);
        }
    };
    log::start(&loaded.config.log);
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
    let again = Again { source, files, fit: Box::new(|_| ()) };
    let running = match start(loaded.config, Some(again)) {
        Ok(running) => running,
        Err(error) => {
            eprintln!("rolegate: {error}");
            return ExitCode::FAILURE;
        }
    };
    signals.wait_for_end(|| {
        let _ = running.read_again();
    });
    tracing::info!("stopping");
    running.stop();
    ExitCode::SUCCESS
}
