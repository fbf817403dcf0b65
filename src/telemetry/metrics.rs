//! Counters that say why. Labels come from fixed sets: nothing that a client sends becomes one.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::traces::SpanCounts;
use crate::listen::Lost;

/// The gate's metrics.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    duration: Histogram,
    ready: Gauge,
    records_lost: Gauge,
    reloads: Family<ReloadLabels, Counter>,
    /// What became of spans.
    pub spans: SpanCounts,
    lost: Family<LostLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    decision: &'static str,
    reason: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    what: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LostLabels {
    why: &'static str,
}

// === impl Metrics ===

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("rolegate");
        let requests = Family::default();
        let buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let (duration, ready, records_lost) = (Histogram::new(buckets), Gauge::default(), Gauge::default());
        registry.register("requests", "Requests by decision, reason and class of status", requests.clone());
        registry.register("answer_seconds", "From a request's head to its answer's head", duration.clone());
        registry.register("ready", "Whether logins can begin and tokens be verified", ready.clone());
        let lost = "Access records that standard output was too slow for";
        registry.register("records_lost", lost, records_lost.clone());
        let reloads = Family::default();
        registry.register(
            "reloads",
            "Times that the configuration was read again, by what changed or was refused in it",
            reloads.clone(),
        );
        // From the start on, so that the first refusal is an increase.
        for what in ["configuration", "certificates", "client_secret", "session_keys"] {
            for outcome in ["taken", "refused"] {
                drop(reloads.get_or_create(&ReloadLabels { what, outcome }));
            }
        }
        let lost: Family<LostLabels, Counter> = Family::default();
        registry.register("connections_lost", "Connections that ended without an answer", lost.clone());
        for why in [Lost::ProxyHeader, Lost::Panic] {
            drop(lost.get_or_create(&LostLabels { why: why.as_str() }));
        }
        let build: Family<Vec<(&'static str, &'static str)>, Gauge> = Family::default();
        build.get_or_create(&vec![("version", env!("CARGO_PKG_VERSION"))]).set(1);
        registry.register("build_info", "Which version this is", build);
        let spans = SpanCounts::default();
        registry.register("spans_sent", "Spans that the collector took", spans.sent.clone());
        registry.register("spans_lost", "Spans that it did not take, or not in time", spans.lost.clone());
        Self { registry, requests, duration, ready, records_lost, reloads, spans, lost }
    }
}

impl Metrics {
    /// Counts one answered request.
    pub fn decided(&self, decision: &'static str, reason: &'static str, status: u16, micros: u64) {
        let class = match status {
            0 => "none",
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create(&RequestLabels { decision, reason, class }).inc();
        self.duration.observe(std::time::Duration::from_micros(micros).as_secs_f64());
    }

    /// Counts one change of a file: `taken`, or `refused` and all as it was.
    pub fn reloaded(&self, what: &'static str, outcome: &'static str) {
        self.reloads.get_or_create(&ReloadLabels { what, outcome }).inc();
    }

    /// Counts one connection that ended without an answer.
    pub fn lost(&self, why: Lost) {
        self.lost.get_or_create(&LostLabels { why: why.as_str() }).inc();
    }

    /// The text that a scrape reads.
    pub fn render(&self, ready: bool, records_lost: u64) -> String {
        self.ready.set(i64::from(ready));
        self.records_lost.set(i64::try_from(records_lost).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Fails only if writing to a String does.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
