//! `[log]` and `[telemetry]`: what operators get to see. ★

use schemars::JsonSchema;
use serde::Deserialize;

/// `[log]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Log {
    /// How log lines look: `json` or `text`. Default `json`.
    pub(in crate::config) format: Option<Format>,
    /// How much is said. Default `info`.
    pub(in crate::config) level: Option<Level>,
    /// One access record a request on standard output. Default true.
    pub(in crate::config) access: Option<bool>,
    /// Sign-ins, refusals, sign-outs, refreshes and changes on standard output as well. Default true.
    pub(in crate::config) audit: Option<bool>,
    /// Each audit line is authenticated together with the one before it, under a subkey of the first session key.
    /// Default false.
    pub(in crate::config) audit_chain: Option<bool>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Format {
    Json,
    Text,
}

/// How much is said.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

/// `[telemetry]`
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Telemetry {
    /// The collector that spans go to, such as `http://127.0.0.1:4318`: OTLP over HTTP. Default: none, and no traces.
    pub(in crate::config) otlp_endpoint: Option<String>,
    /// PEM file that replaces the system's roots for an https collector.
    pub(in crate::config) otlp_ca_file: Option<String>,
    /// A file with a header a line, `Name: value`, that is sent to the collector: its key.
    pub(in crate::config) otlp_headers_file: Option<String>,
    /// What the gate is called in traces. Default `rolegate`.
    pub(in crate::config) service_name: Option<String>,
    /// How many of the traces that begin here are recorded: 0 to 1. Default 1.
    pub(in crate::config) sample_ratio: Option<f64>,
    /// Whose `traceparent` goes on: that of `trusted_proxies` (`trusted`), of `any`, or of `none`.
    /// Default `trusted`.
    pub(in crate::config) trace_parent: Option<TraceParent>,
}

/// Whose `traceparent` goes on.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum TraceParent {
    Trusted,
    Any,
    None,
}
