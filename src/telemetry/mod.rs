//! What can be seen of the gate: one record a request, the audit trail, metrics, the log, and the admin listener.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::HeaderValue;
use serde::Serialize;

use crate::clock;
use crate::config::settings::{self, Config, Log};
use crate::tally::{Event, Tally};
use crate::tls::TlsError;

pub mod admin;
mod chain;
mod decided;
mod line;
pub mod log;
pub mod metrics;
pub mod panics;
mod pile;
mod record;
mod stamp;
pub mod traces;
mod writer;

use chain::Chain;
pub use metrics::{Metrics, Moment};
use pile::Records;
pub use record::Record;
pub use traces::Traces;

/// Where records and counts go.
pub struct Telemetry {
    /// The counters.
    pub metrics: Metrics,
    records: Records,
    wants_access: AtomicBool,
    wants_audit: Arc<AtomicBool>,
    /// How requests are traced, if they are.
    pub traces: Option<Traces>,
    /// Request ids are this process's random prefix and a count: unique, and cheap.
    prefix: [u8; 16],
    count: AtomicU64,
}

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The writer's thread.
    #[error("records cannot be written: {0}")]
    Io(#[from] io::Error),
    /// A prefix for request ids.
    #[error(transparent)]
    NoEntropy(#[from] clock::NoEntropy),
}

/// An event as it is written.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    kind: &'static str,
    #[serde(flatten)]
    event: &'a Event,
}

// === impl Telemetry ===

impl Telemetry {
    /// Telemetry that shows `tally`, and writes what `[log]` says to standard output.
    pub fn new(config: &Config, tally: Arc<Tally>) -> Result<Self, TelemetryError> {
        let chain = match config.session.keys.first().filter(|_| config.log.audit_chain) {
            Some(key) => Some(Chain::new(key.expose(), clock::random()?)),
            None => None,
        };
        let records = writer::to_stdout(chain)?;
        let wants_audit = Arc::<AtomicBool>::default();
        let (out, wanted) = (records.clone(), wants_audit.clone());
        tally.trail.lead(move |event| {
            let line = Line { time: stamp::timestamp(), kind: "audit", event };
            if let (true, Ok(line)) = (wanted.load(Ordering::Relaxed), serde_json::to_string(&line)) {
                out.audit(&line, event.is_plenty());
            }
        });
        let metrics = Metrics::new(tally);
        let prefix = hex(clock::random()?);
        let (wants_access, count) = (AtomicBool::default(), AtomicU64::default());
        let telemetry = Self { metrics, records, traces: None, wants_access, wants_audit, prefix, count };
        telemetry.write_as(&config.log);
        Ok(telemetry)
    }

    /// Traces requests from now on, as `settings` want it; what is returned sends the spans, and is to be run.
    pub fn trace(&mut self, settings: &settings::Traces) -> Result<traces::Exporter, TlsError> {
        let (traces, exporter) = Traces::new(settings, self.metrics.spans.clone())?;
        self.traces = Some(traces);
        Ok(exporter)
    }

    /// From now on access records and the audit trail are written as `log` says; a chain goes on as it began.
    pub fn write_as(&self, log: &Log) {
        self.wants_access.store(log.access, Ordering::Relaxed);
        self.wants_audit.store(log.audit, Ordering::Relaxed);
    }

    /// Writes `event` to the audit trail.
    pub fn tell(&self, event: &Event) {
        self.metrics.tally().trail.tell(event);
    }

    /// What a scrape asks of the moment, but for what it asks elsewhere.
    pub fn moment(&self) -> Moment {
        let (records_lost, audit_lost) = self.records.lost();
        Moment { records_lost, audit_lost, log_lost: log::lost(), ..Moment::default() }
    }

    /// A new request id: 32 hex digits.
    pub fn request_id(&self) -> HeaderValue {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut text = [0; 32];
        text[..16].copy_from_slice(&self.prefix);
        text[16..].copy_from_slice(&hex(count.to_be_bytes()));
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0"))
    }

    /// The gate has started.
    pub fn begin(&self) {
        self.tell(&Event::success("started").with("version", env!("CARGO_PKG_VERSION")));
    }

    /// The gate has stopped: returns when all that was told is written, or nobody takes it.
    pub fn finish(&self) {
        self.tell(&Event::success("stopped"));
        self.records.finish();
    }

    /// Where access records go, if they are wanted.
    fn access(&self) -> Option<&Records> {
        Some(&self.records).filter(|_| self.wants_access.load(Ordering::Relaxed))
    }
}

fn hex(bytes: [u8; 8]) -> [u8; 16] {
    std::array::from_fn(|place| {
        let byte = bytes[place / 2];
        let nibble = if place % 2 == 0 { byte >> 4 } else { byte & 0x0f };
        b"0123456789abcdef"[usize::from(nibble)]
    })
}
