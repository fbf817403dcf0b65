//! Which request's trace work belongs to, and how long its steps take: known to whatever the request awaits.
//!
//! Where a request is not traced there is nothing: a step costs one look at the task's own slot.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::clock;

pub mod context;

tokio::task_local! {
    static CURRENT: Trace;
}

/// A request that is recorded.
#[derive(Clone)]
pub struct Trace(Arc<Inner>);

struct Inner {
    trace_id: [u8; 16],
    /// The request's own span.
    span_id: [u8; 8],
    begun: Instant,
    /// The same moment, as others write it: all times of a trace are counted from it.
    begun_at: u64,
    steps: AtomicU32,
    sink: Arc<dyn Sink>,
}

/// Where finished spans go. Never waits.
pub trait Sink: Send + Sync {
    /// Takes one, or loses it.
    fn take(&self, span: Span);
}

/// Something that took its time, as it is told to a collector.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Of the whole trace.
    pub trace_id: [u8; 16],
    /// Its own.
    pub span_id: [u8; 8],
    /// What it is part of.
    pub parent_id: Option<[u8; 8]>,
    /// `tracestate`, of a request's own span.
    pub state: String,
    /// From a fixed set, or a method and a rule's name.
    pub name: Cow<'static, str>,
    /// Who asks whom.
    pub kind: Kind,
    /// Nanoseconds since 1970.
    pub begun: u64,
    /// Nanoseconds since 1970; never before `begun`.
    pub ended: u64,
    /// Named by the semantic conventions of OpenTelemetry, or `rolegate.…`.
    pub attributes: Vec<(&'static str, Value)>,
    /// It did not go well.
    pub failed: bool,
}

/// Who asks whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The gate is asked.
    Server,
    /// The gate asks.
    Client,
    /// Within the gate.
    Internal,
}

/// An attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Of a fixed set.
    Word(&'static str),
    /// Any other.
    Text(String),
    /// A number.
    Number(i64),
}

/// A part of a request's way, from its making to its end.
#[must_use = "a step lasts until it is ended"]
pub struct Step(Option<Running>);

struct Running {
    trace: Trace,
    span_id: [u8; 8],
    name: &'static str,
    kind: Kind,
    begun: Instant,
    failure: Option<&'static str>,
}

/// Runs a request's `work` as part of its trace, if it has one.
pub async fn follow<F: Future>(trace: Option<Trace>, work: Pin<&mut F>) -> F::Output {
    match trace {
        None => work.await,
        Some(trace) => CURRENT.scope(trace, work).await,
    }
}

/// `work` as part of the trace that this is called in: for what runs elsewhere.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let trace = current();
    async move {
        let work = std::pin::pin!(work);
        follow(trace, work).await
    }
}

/// Begins a call to somebody else.
pub fn call(name: &'static str) -> Step {
    Step::begin(name, Kind::Client)
}

/// Begins a part of the gate's own work.
pub fn step(name: &'static str) -> Step {
    Step::begin(name, Kind::Internal)
}

fn current() -> Option<Trace> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Now, by the clock that steps are measured with.
#[allow(clippy::disallowed_methods, reason = "how long something took, never a decision")]
fn now() -> Instant {
    Instant::now()
}

/// What a collector takes for now.
#[allow(clippy::disallowed_methods, reason = "a span's own timestamp, never a decision")]
fn wall() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

// === impl Trace ===

impl Trace {
    /// A trace whose own span began at `begun`, a moment ago.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], begun: Instant, sink: Arc<dyn Sink>) -> Self {
        let ago = u64::try_from(now().saturating_duration_since(begun).as_nanos()).unwrap_or(0);
        let (begun_at, steps) = (wall().saturating_sub(ago), AtomicU32::new(0));
        Self(Arc::new(Inner { trace_id, span_id, begun, begun_at, steps, sink }))
    }

    /// The trace's id.
    pub fn id(&self) -> [u8; 16] {
        self.0.trace_id
    }

    /// The id of the request's own span.
    pub fn span_id(&self) -> [u8; 8] {
        self.0.span_id
    }

    /// `moment` in nanoseconds since 1970.
    pub fn at(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.0.begun).as_nanos();
        self.0.begun_at.saturating_add(u64::try_from(since).unwrap_or(0))
    }

    /// Hands a finished span on.
    pub fn tell(&self, span: Span) {
        self.0.sink.take(span);
    }
}

// === impl Step ===

impl Step {
    fn begin(name: &'static str, kind: Kind) -> Self {
        let Some(trace) = current() else { return Self(None) };
        // Whatever asks again and again must not fill the queue.
        if trace.0.steps.fetch_add(1, Ordering::Relaxed) >= MOST_STEPS {
            return Self(None);
        }
        let Ok(span_id) = clock::random() else { return Self(None) };
        Self(Some(Running { trace, span_id, name, kind, begun: now(), failure: None }))
    }

    /// Ends it: well, or with a stable code that says why not.
    pub fn end(mut self, failure: Option<&'static str>) {
        if let Some(running) = &mut self.0 {
            running.failure = failure;
        }
    }
}

impl Drop for Running {
    /// Told here and nowhere else: who goes away takes the rest of the step along, but not what is known of it.
    fn drop(&mut self) {
        let attributes = self.failure.map(|code| ("error.type", Value::Word(code)));
        let span = Span {
            trace_id: self.trace.id(),
            span_id: self.span_id,
            parent_id: Some(self.trace.span_id()),
            state: String::new(),
            name: self.name.into(),
            kind: self.kind,
            begun: self.trace.at(self.begun),
            ended: self.trace.at(now()),
            attributes: attributes.into_iter().collect(),
            failed: self.failure.is_some(),
        };
        self.trace.tell(span);
    }
}

/// Of one request.
const MOST_STEPS: u32 = 64;
