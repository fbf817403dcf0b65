//! Operational log lines on standard error: what happened, never a secret, a token or a cookie.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::settings::{Log, LogFormat};

/// Starts logging for this process.
pub fn start(log: &Log) {
    // Only our own lines below warnings: libraries print heads and bodies there. What an operator did is always told.
    let filter = EnvFilter::new(format!("warn,rolegate={},rolegate::audit=info", log.level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process keeps the first one's way of writing.
    let _ = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
}
