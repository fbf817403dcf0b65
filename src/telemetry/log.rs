//! Operational log lines on standard error: what happened, never a secret, a token or a cookie.
//!
//! A thread of its own writes them: where nobody reads standard error, or its disk is full, lines are lost and counted,
//! and no request waits.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::pile::LAST_PATIENCE;
use super::writer;
use crate::config::settings::{self, LogFormat};

/// Logging for as long as this lives: dropped, it waits a moment until all that was said is written.
#[must_use]
pub struct Logging(SyncSender<Said>);

/// What the writer is handed.
enum Said {
    Line(Vec<u8>),
    /// Answered when all before it is written.
    Flush(SyncSender<()>),
}

/// The way of a line to the writer.
struct Lines(SyncSender<Said>);

/// One line on its way.
struct Line<'a>(&'a SyncSender<Said>);

/// Starts logging for this process.
pub fn start(log: &settings::Log) -> Logging {
    let (said, inbox) = sync_channel(MAX_WAITING);
    // Without the thread nobody takes a line, and each is counted as lost.
    let _ = writer::spawn("log", move || write_all(&inbox));
    let lines = tracing_subscriber::fmt::layer().with_writer(Lines(said.clone()));
    let lines = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
    };
    // A second start in one process keeps the first one's way of writing.
    let _ = tracing_subscriber::registry().with(said_of(&log.level)).with(lines).try_init();
    Logging(said)
}

/// Only our own lines below warnings: libraries print heads and bodies there. What an operator did is always told.
fn said_of(level: &str) -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("rolegate", level.parse().unwrap_or(LevelFilter::INFO))
        .with_target("rolegate::audit", LevelFilter::INFO)
}

/// Lines that were lost because nobody took them.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

fn write_all(inbox: &Receiver<Said>) {
    while let Ok(said) = inbox.recv() {
        match said {
            Said::Line(line) => {
                if io::stderr().write_all(&line).is_err() {
                    LOST.fetch_add(1, Ordering::Relaxed);
                }
            }
            Said::Flush(done) => drop(done),
        }
    }
}

// === impl Logging ===

impl Drop for Logging {
    fn drop(&mut self) {
        let (done, is_done) = sync_channel(0);
        if self.0.try_send(Said::Flush(done)).is_ok() {
            // Resolves when the writer drops its end; a standard error that nobody reads holds up no stop.
            let _ = is_done.recv_timeout(LAST_PATIENCE);
        }
    }
}

// === impl Lines ===

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.0)
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An event is written in one piece.
        if self.0.try_send(Said::Line(bytes.to_vec())).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Logging is the process's.
static LOST: AtomicU64 = AtomicU64::new(0);
/// Lines that may wait for the writer.
const MAX_WAITING: usize = 4096;

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::said_of;

    #[test]
    fn libraries_say_what_is_wrong_and_nothing_else_and_what_an_operator_did_is_always_said() {
        for (level, least) in
            [("error", Level::ERROR), ("warn", Level::WARN), ("info", Level::INFO), ("debug", Level::DEBUG)]
        {
            let said = said_of(level);
            for each in [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE] {
                assert_eq!(said.would_enable("rolegate::login", &each), each <= least, "{level}: {each}");
                assert_eq!(said.would_enable("hyper::proto", &each), each <= Level::WARN, "{level}: {each}");
                assert_eq!(
                    said.would_enable("rolegate::audit", &each),
                    each <= Level::INFO,
                    "{level}: {each}"
                );
            }
        }
    }
}
