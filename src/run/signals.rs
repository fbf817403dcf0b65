//! Waiting for the signals that end the process, or have it read its files again.

use std::io;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals of a gate: from its making on none of them ends the process by itself.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// SIGINT or SIGTERM: to end.
    End,
    /// SIGHUP: to read files again.
    Again,
}

// === impl Signals ===

impl Signals {
    /// Begins to hear SIGINT, SIGTERM and SIGHUP, on the runtime that comes with it.
    pub fn hear() -> io::Result<(Runtime, Self)> {
        let runtime = runtime()?;
        let within = runtime.enter();
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let hang_up = signal(SignalKind::hangup())?;
        drop(within);
        Ok((runtime, Self { interrupt, terminate, hang_up }))
    }

    /// The next one.
    pub async fn next(&mut self) -> Heard {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Heard::End,
            _ = self.terminate.recv() => Heard::End,
            _ = self.hang_up.recv() => Heard::Again,
        }
    }

    /// The next one that is to end. A SIGHUP that comes meanwhile is heard afterwards.
    pub async fn end(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
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
