//! What can be seen of the gate: one record a request, metrics, and the admin listener.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

use crate::clock;
use crate::config::settings;
use crate::tls::TlsError;

pub mod admin;
pub mod log;
pub mod metrics;
mod record;
pub mod traces;
mod writer;

pub use metrics::Metrics;
pub use record::Record;
pub use traces::Traces;
pub use writer::Records;

/// Where records and counts go.
pub struct Telemetry {
    /// The counters.
    pub metrics: Metrics,
    records: Option<Records>,
    /// How requests are traced, if they are.
    pub traces: Option<Traces>,
    /// Request ids are this process's random prefix and a count: unique, and cheap.
    prefix: [u8; 8],
    count: AtomicU64,
}

// === impl Telemetry ===

impl Telemetry {
    /// Telemetry that writes its records to `records`, if to anything.
    pub fn new(records: Option<Records>) -> Result<Self, clock::NoEntropy> {
        Ok(Self {
            metrics: Metrics::default(),
            records,
            traces: None,
            prefix: clock::random()?,
            count: AtomicU64::new(0),
        })
    }

    /// Traces requests from now on, as `settings` want it; what is returned sends the spans, and is to be run.
    pub fn trace(&mut self, settings: &settings::Traces) -> Result<traces::Exporter, TlsError> {
        let (traces, exporter) = Traces::new(settings, self.metrics.spans.clone())?;
        self.traces = Some(traces);
        Ok(exporter)
    }

    /// Records that were lost because nobody took them.
    pub fn records_lost(&self) -> u64 {
        self.records.as_ref().map_or(0, Records::lost)
    }

    /// A new request id: 32 hex digits.
    pub fn request_id(&self) -> HeaderValue {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let text = format!("{:016x}{count:016x}", u64::from_be_bytes(self.prefix));
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("0"))
    }
}
