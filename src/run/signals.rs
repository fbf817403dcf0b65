//! Waiting for the signals that end the process, or have it read its files again.

use std::io;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals of a gate: from its making on none of them ends the process by itself.
pub struct Signals {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

// === impl Signals ===

impl Signals {
    /// Begins to hear SIGINT, SIGTERM and SIGHUP.
    pub fn hear() -> io::Result<Self> {
        let runtime = runtime()?;
        let within = runtime.enter();
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let hang_up = signal(SignalKind::hangup())?;
        drop(within);
        Ok(Self { runtime, interrupt, terminate, hang_up })
    }

    /// Returns at the first SIGINT or SIGTERM; calls `again` at each SIGHUP until then.
    pub fn wait_for_end(self, mut again: impl FnMut()) {
        let Self { runtime, mut interrupt, mut terminate, mut hang_up } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => return,
                    _ = terminate.recv() => return,
                    _ = hang_up.recv() => again(),
                }
            }
        });
    }
}

/// Returns at the first SIGINT or SIGTERM. SIGHUP ends what runs at a terminal when that closes.
pub fn wait_for_end() -> io::Result<()> {
    runtime()?.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
