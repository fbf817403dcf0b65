//! Spans to the collector: a batch a call (OTLP over HTTP, protobuf), a few tries, then lost and counted.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Request, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Item, SpanCounts};
use crate::config::settings;
use crate::provider::outbound::Outbound;
use crate::trace::Span;

/// Sends what is queued, until nobody can queue any more.
pub struct Exporter {
    address: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    service: String,
    outbound: Outbound,
    inbox: mpsc::Receiver<Item>,
    counts: SpanCounts,
    /// The last batch was not taken.
    failing: bool,
}

/// What became of a call.
enum Outcome {
    /// All taken but so many.
    Taken(u64),
    /// Another time perhaps.
    Later(String),
    /// Never.
    Refused(String),
}

// === impl Exporter ===

impl Exporter {
    pub(super) fn new(
        settings: &settings::Traces,
        outbound: Outbound,
        inbox: mpsc::Receiver<Item>,
        counts: SpanCounts,
    ) -> Self {
        let header = |(name, value): &(HeaderName, crate::config::secret::Secret)| {
            let mut value = HeaderValue::from_bytes(value.expose()).ok()?;
            value.set_sensitive(true);
            Some((name.clone(), value))
        };
        Self {
            address: settings.address.clone(),
            headers: settings.headers.iter().filter_map(header).collect(),
            service: settings.service_name.clone(),
            outbound,
            inbox,
            counts,
            failing: false,
        }
    }

    /// Does so.
    pub async fn run(mut self) {
        let mut batch = Vec::new();
        while let Some(item) = self.inbox.recv().await {
            let mut flushes = Vec::new();
            sort(item, &mut batch, &mut flushes);
            let end = now() + LINGER;
            while flushes.is_empty() && batch.len() < BATCH {
                match tokio::time::timeout_at(end, self.inbox.recv()).await {
                    Ok(Some(item)) => sort(item, &mut batch, &mut flushes),
                    Ok(None) | Err(_) => break,
                }
            }
            self.send(std::mem::take(&mut batch), !flushes.is_empty()).await;
            // Whoever waited may have gone.
            for flush in flushes {
                let _ = flush.send(());
            }
        }
    }

    /// One batch; while it is tried again the queue fills, and what does not fit there is lost. `last`: there is no time
    /// for a second try.
    async fn send(&mut self, batch: Vec<Span>, last: bool) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let body = encode(&batch, &self.service);
        drop(batch);
        let mut pause = FIRST_PAUSE;
        let why = loop {
            match self.call(body.clone()).await {
                Outcome::Taken(rejected) => {
                    let rejected = rejected.min(count);
                    self.counts.sent.inc_by(count - rejected);
                    self.counts.lost.inc_by(rejected);
                    if std::mem::take(&mut self.failing) {
                        tracing::info!("the collector takes spans again");
                    }
                    return;
                }
                Outcome::Later(_) if !last && pause <= LONGEST_PAUSE => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Outcome::Later(why) | Outcome::Refused(why) => break why,
            }
        };
        self.counts.lost.inc_by(count);
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(collector = %self.address, %why, "spans are lost: the collector does not take them");
        }
    }

    async fn call(&self, body: Vec<u8>) -> Outcome {
        let mut request = Request::post(&self.address)
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(USER_AGENT, concat!("rolegate/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = match request.body(body) {
            Ok(request) => request,
            Err(error) => return Outcome::Refused(error.to_string()),
        };
        match self.outbound.exchange(request).await {
            Err(fault) => Outcome::Later(fault.to_string()),
            Ok(answer) if answer.status().is_success() => Outcome::Taken(rejected(answer.body())),
            Ok(answer) if is_passing(answer.status()) => Outcome::Later(answer.status().to_string()),
            Ok(answer) => Outcome::Refused(answer.status().to_string()),
        }
    }
}

fn sort(item: Item, batch: &mut Vec<Span>, flushes: &mut Vec<oneshot::Sender<()>>) {
    match item {
        Item::Span(span) => batch.push(span),
        Item::Flush(done) => flushes.push(done),
    }
}

/// Those that OTLP has tried again.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

#[cfg(feature = "otel")]
use super::otlp::{encode, rejected};

/// Never called: without the feature no collector can be configured.
#[cfg(not(feature = "otel"))]
fn encode(_: &[Span], _: &str) -> Vec<u8> {
    Vec::new()
}

#[cfg(not(feature = "otel"))]
fn rejected(_: &[u8]) -> u64 {
    u64::MAX
}

#[allow(clippy::disallowed_methods, reason = "when to send, never a decision")]
fn now() -> Instant {
    Instant::now()
}

/// Spans in one call.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// Twice as long each time: three tries.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
