//! OpenTelemetry traces: which requests are recorded, and the way of their spans to a collector.
//!
//! Threat: the collector. It may be away, slow or hostile; a request hands its spans to a queue of fixed length and goes
//! on, and what does not fit there, or is not taken, is counted and forgotten.

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::config::settings;
use crate::config::settings::TraceParent;
use crate::provider::outbound::Outbound;
use crate::tls::TlsError;
use crate::trace::context::{Outgoing, Parent, RANDOM, SAMPLED, Said};
use crate::trace::{Sink, Span, Trace};

mod export;
#[cfg(feature = "otel")]
mod otlp;
mod request;

pub use export::Exporter;
pub use request::Seen;

/// How spans come to be, where anything is traced at all.
pub struct Traces {
    parent: TraceParent,
    /// Of the 2^56 values of a trace id's last seven bytes, how many are recorded.
    share: u64,
    queue: Arc<Queue>,
}

/// A request's place in its trace, recorded or not.
pub struct Traced {
    /// What the upstream is told.
    pub outgoing: Outgoing,
    trace: Option<Trace>,
    /// The caller's span.
    parent: Option<Parent>,
    /// Of the call to the upstream.
    forward_id: [u8; 8],
}

/// What waits for the exporter.
enum Item {
    Span(Span),
    /// Answered when all that came before has been sent, or been lost.
    Flush(oneshot::Sender<()>),
}

struct Queue {
    items: mpsc::Sender<Item>,
    counts: SpanCounts,
}

/// Counters of what became of spans.
#[derive(Clone, Debug, Default)]
pub struct SpanCounts {
    /// Taken by the collector.
    pub sent: prometheus_client::metrics::counter::Counter,
    /// Anything else.
    pub lost: prometheus_client::metrics::counter::Counter,
}

// === impl Traces ===

impl Traces {
    /// Traces as `settings` want them, and what sends them, which is to be run. Connects to nothing yet.
    pub fn new(settings: &settings::Traces, counts: SpanCounts) -> Result<(Self, Exporter), TlsError> {
        let (items, inbox) = mpsc::channel(MOST_WAITING);
        let outbound = Outbound::new(settings.ca_file.as_deref())?;
        let exporter = Exporter::new(settings, outbound, inbox, counts.clone());
        let queue = Arc::new(Queue { items, counts });
        Ok((Self { parent: settings.parent, share: share(settings.sample_ratio), queue }, exporter))
    }

    /// The trace of a request that came with `head`, from a `trusted` peer or anybody, at `begun`. `None` where there is
    /// no randomness for its ids.
    pub fn begin(&self, head: &HeaderMap, trusted: bool, begun: Instant) -> Option<Traced> {
        let believed = match self.parent {
            TraceParent::Any => true,
            TraceParent::Trusted => trusted,
            TraceParent::None => false,
        };
        let said = if believed { Said::read(head) } else { None };
        let [ids, spans]: [[u8; 16]; 2] = [clock::random().ok()?, clock::random().ok()?];
        let (span_id, forward_id) = (first(&spans), first(&spans[8..]));
        let (trace_id, flags, parent, state) = match said {
            // Whoever asks has decided: half a trace is of no use (parent-based).
            Some(Said { parent, state }) => (parent.trace_id, parent.flags, Some(parent), state),
            None => {
                let sampled = if is_within(&ids, self.share) { SAMPLED } else { 0 };
                (ids, RANDOM | sampled, None, None)
            }
        };
        let sampled = flags & SAMPLED != 0;
        let trace = sampled.then(|| Trace::new(trace_id, span_id, begun, self.queue.clone()));
        let own = Parent { trace_id, span_id: forward_id, flags };
        Some(Traced { outgoing: Outgoing { parent: own.write()?, state }, trace, parent, forward_id })
    }

    /// Returns when what has been told by now was sent, or was lost; at the latest after [`LONGEST_FLUSH`].
    pub async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        let flushed = async {
            if self.queue.items.send(Item::Flush(done)).await.is_ok() {
                let _ = is_done.await;
            }
        };
        let _ = tokio::time::timeout(LONGEST_FLUSH, flushed).await;
    }
}

impl Traced {
    /// Its trace, where it is recorded.
    pub fn trace(&self) -> Option<Trace> {
        self.trace.clone()
    }
}

// === impl Queue ===

impl Sink for Queue {
    fn take(&self, span: Span) {
        if self.items.try_send(Item::Span(span)).is_err() {
            self.counts.lost.inc();
        }
    }
}

/// As others sample by a trace's id: its last seven bytes (Level 2 §3.2.2.5), so that all decide alike.
fn is_within(trace_id: &[u8; 16], share: u64) -> bool {
    let last = u64::from_be_bytes(first(&trace_id[8..])) & (WHOLE - 1);
    last >= WHOLE - share
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 2^56, which f64 has exactly"
)]
fn share(ratio: f64) -> u64 {
    (ratio.clamp(0.0, 1.0) * WHOLE as f64) as u64
}

fn first(bytes: &[u8]) -> [u8; 8] {
    bytes.first_chunk().copied().unwrap_or_default()
}

const WHOLE: u64 = 1 << 56;
/// Spans that may wait for the collector: a few MiB at the most.
const MOST_WAITING: usize = 4096;
/// What a stop waits for the collector, within the drain time.
const LONGEST_FLUSH: std::time::Duration = std::time::Duration::from_secs(3);

#[cfg(test)]
mod tests;
