//! `[log]` and `[telemetry]` as the gate uses them. ★

use std::path::PathBuf;

use http::HeaderName;

use crate::config::secret::Secret;

/// OpenTelemetry traces, sent as OTLP over HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// Where batches are posted: `…/v1/traces`.
    pub address: String,
    /// PEM bundle that replaces the system's roots for the collector.
    pub ca_file: Option<PathBuf>,
    /// Sent with each batch: what the collector knows the gate by.
    pub headers: Vec<(HeaderName, Secret)>,
    /// `service.name`. Default `rolegate`.
    pub service_name: String,
    /// How many of the traces that begin here are recorded, 0 to 1. Default 1.
    pub sample_ratio: f64,
    /// Whose `traceparent` goes on. Default: that of trusted proxies.
    pub parent: TraceParent,
}

/// Whose `traceparent` is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TraceParent {
    /// That of `trusted_proxies`; anybody else's ends here, and a new trace begins.
    #[default]
    Trusted,
    /// Anybody's.
    Any,
    /// Nobody's.
    None,
}

// === impl Traces ===

impl Traces {
    /// Without what is rotated in a file.
    pub fn without_secrets(mut self) -> Self {
        self.headers.clear();
        self
    }
}

/// `[log]`.
#[derive(Debug, Clone)]
pub struct Log {
    /// `json` (default) or `text`.
    pub format: LogFormat,
    /// `error`, `warn`, `info` (default), `debug`.
    pub level: String,
    /// One access record a request on standard output. Default true.
    pub access: bool,
    /// Sign-ins, refusals, sign-outs, refreshes and changes on standard output as well. Default true.
    pub audit: bool,
    /// Each audit line is authenticated together with the one before it. Default false.
    pub audit_chain: bool,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".into(), access: true, audit: true, audit_chain: false }
    }
}
