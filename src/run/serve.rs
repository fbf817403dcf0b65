//! `rolegate run`: configuration, log, gate, and the wait for a signal; the service manager hears how it goes.

use std::path::Path;
use std::process::ExitCode;

use listenfd::ListenFd;

use super::notify::Manager;
use super::signals::{End, Heard, Signals};
use super::{Again, Running, machine, start};
use crate::command::check::{EX_CONFIG, write_problems};
use crate::config::{Overrides, Source};
use crate::listen::inherited::Inherited;
use crate::telemetry::log;

/// Serves until SIGINT or SIGTERM, and ends at once at the second of them; at SIGHUP files are read again. `sockets` are
/// listeners that were handed over.
pub fn run(path: Option<&Path>, env: &[(String, String)], sockets: ListenFd) -> ExitCode {
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
    let logging = log::start(&loaded.config.log);
    for warning in loaded.warnings.iter() {
        tracing::warn!(target: "rolegate::config", "{warning}");
    }
    machine::make_room(loaded.config.limits.connections);
    // Before anything else is opened, which could bear the number of one that is missing.
    let names = env.iter().find(|(name, _)| name == "LISTEN_FDNAMES").map(|(_, names)| names.as_str());
    let handed = Inherited::take(sockets, names);
    // Before anything is served: until it is heard, a signal would end the process.
    let (runtime, mut signals) = match Signals::hear() {
        Ok(heard) => heard,
        Err(error) => {
            tracing::error!(%error, "signals cannot be waited for");
            return ExitCode::FAILURE;
        }
    };
    let again = Again { source, files, fit: Box::new(|_| ()) };
    let started = |handed| start(loaded.config, Some(again), handed);
    let running = match handed.map_err(super::other).and_then(started) {
        Ok(running) => running,
        Err(error) => {
            // Whatever the log has to say comes first: this is the line that is looked at.
            drop(logging);
            eprintln!("rolegate: {error}");
            return ExitCode::FAILURE;
        }
    };
    running.tell_started();
    let manager = Manager::named(env, std::process::id());
    let end = runtime.block_on(live(&running, &mut signals, &manager));
    tracing::info!("stopping");
    // Nobody at a terminal wants to wait for a balancer.
    let delay = end == End::Terminate;
    manager.stopping(running.time_to_stop(delay));
    let mut draining = running.drain(delay);
    let again = runtime.block_on(async {
        tokio::select! {
            () = draining.done() => None,
            again = signals.end() => Some(again),
        }
    });
    if let Some(again) = again {
        tracing::warn!("asked a second time: ending at once");
        return ExitCode::from(again.exit_code());
    }
    draining.finish();
    ExitCode::SUCCESS
}

/// From the first request that could be served until a signal to end.
async fn live(running: &Running, signals: &mut Signals, manager: &Manager) -> End {
    let status = || status(running);
    let first = status();
    manager.ready(&first);
    let serve = async {
        loop {
            if let Heard::End(end) = signals.next().await {
                return end;
            }
            let reload = async {
                manager.reloading();
                running.read_again().await;
                // Also when nothing of it was taken: what was there before serves on.
                manager.ready(&status());
            };
            tokio::select! {
                () = reload => {}
                end = signals.end() => return end,
            }
        }
    };
    let tell = async {
        tokio::join!(
            manager.keep_awake(async || running.beats().await),
            manager.keep_told(first.clone(), status)
        );
        // Neither ends.
        std::future::pending().await
    };
    tokio::select! {
        end = serve => end,
        end = tell => end,
    }
}

/// A line for `systemctl status`. A pool that is away is no reason not to serve: what is public, and whoever is signed
/// in, needs none.
fn status(running: &Running) -> String {
    let logins =
        if running.ready() { "" } else { "; no login can begin yet, the identity provider does not answer" };
    let refused = if running.refused() {
        "; the changed configuration cannot be used, the one before stays"
    } else {
        ""
    };
    format!("serving at {}{logins}{refused}", running.address)
}
