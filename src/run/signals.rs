//! Waiting for the signals that end the process, or have it read its files again.

use std::future::Future;
use std::io;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What asks for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// SIGINT: somebody at a terminal.
    Interrupt,
    /// SIGTERM: whatever runs the gate.
    Terminate,
}

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
    pub fn wait_for_end(&mut self, mut again: impl FnMut()) -> End {
        let Self { runtime, interrupt, terminate, hang_up } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => return End::Interrupt,
                    _ = terminate.recv() => return End::Terminate,
                    _ = hang_up.recv() => again(),
                }
            }
        })
    }

    /// Waits for the one that is `done`, or for a further SIGINT or SIGTERM, whichever comes first.
    pub fn wait_unless(&mut self, done: impl Future<Output = ()>) -> Option<End> {
        let Self { runtime, interrupt, terminate, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                () = done => None,
                _ = interrupt.recv() => Some(End::Interrupt),
                _ = terminate.recv() => Some(End::Terminate),
            }
        })
    }
}

// === impl End ===

impl End {
    /// As a shell has it for a process that a signal has ended: 128 and the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 128 + 2,
            Self::Terminate => 128 + 15,
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
