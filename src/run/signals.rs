//! Waiting for the signals that end the process, or have it read its files again.

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
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// To end.
    End(End),
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
            _ = self.interrupt.recv() => Heard::End(End::Interrupt),
            _ = self.terminate.recv() => Heard::End(End::Terminate),
            _ = self.hang_up.recv() => Heard::Again,
        }
    }

    /// The next one that is to end. A SIGHUP that comes meanwhile is heard afterwards.
    pub async fn end(&mut self) -> End {
        tokio::select! {
            _ = self.interrupt.recv() => End::Interrupt,
            _ = self.terminate.recv() => End::Terminate,
        }
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

/// Returns at the first SIGINT or SIGTERM; `heard` is called once they are, and may tell others so. SIGHUP ends what runs
/// at a terminal when that closes.
pub fn wait_for_end(heard: impl FnOnce()) -> io::Result<()> {
    runtime()?.block_on(async {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        heard();
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
