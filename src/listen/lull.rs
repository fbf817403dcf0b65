//! When a connection is at rest: hyper waits for a head of which nothing has come for a while, and owes nothing.
//!
//! hyper says when it waits by arming a timer for each head. The timer that it is given costs nothing and never fires:
//! each connection is looked at now and then instead, however many requests come meanwhile.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::wire::Watch;

/// How far a connection is from rest. Touched by its own thread alone.
#[derive(Default)]
pub(super) struct Lull {
    state: AtomicU8,
    /// Something that was to be written is not taken yet.
    unwritten: AtomicBool,
}

/// hyper's timer for heads. What they may take is seen to below the parser, where it is known when they begin.
pub(super) struct HeadTimer {
    watch: Arc<Watch>,
    /// Nothing is decided by what time it is here.
    once: Instant,
}

/// Never.
struct Never;

/// The rounds in which a connection with buffers is looked at.
pub(super) struct Rounds {
    timer: Pin<Box<tokio::time::Sleep>>,
    armed: bool,
    longest: Duration,
    _awake: Awake,
}

/// Counts one connection of this thread that has buffers.
struct Awake;

// === impl Lull ===

impl Lull {
    /// A head is waited for.
    pub(super) fn begin(&self) {
        self.state.store(WAITING, Ordering::Relaxed);
    }

    /// The head is there, or no more will come.
    pub(super) fn end(&self) {
        self.state.store(BUSY, Ordering::Relaxed);
    }

    /// Nothing is there to be read.
    pub(super) fn nothing(&self) {
        if self.state.load(Ordering::Relaxed) == WAITING {
            self.state.store(QUIET, Ordering::Relaxed);
        }
    }

    /// Bytes came, or the end.
    pub(super) fn came(&self, count: usize) {
        if count == 0 {
            self.end();
        } else if self.state.load(Ordering::Relaxed) != BUSY {
            self.begin();
        }
    }

    /// What was to be written is all on its way, or is not.
    pub(super) fn written(&self, all: bool) {
        self.unwritten.store(!all, Ordering::Relaxed);
    }

    /// Whether all has been quiet since the round before.
    fn lasts(&self) -> bool {
        let calm = !self.unwritten.load(Ordering::Relaxed);
        match self.state.load(Ordering::Relaxed) {
            LONG if calm => true,
            QUIET if calm => {
                self.state.store(LONG, Ordering::Relaxed);
                false
            }
            _ => false,
        }
    }
}

// === impl HeadTimer ===

impl HeadTimer {
    #[allow(clippy::disallowed_methods, reason = "what hyper adds a time to, which nobody waits for")]
    pub(super) fn new(watch: Arc<Watch>) -> Self {
        Self { watch, once: Instant::now() }
    }
}

impl hyper::rt::Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.watch.waits();
        Box::pin(Never)
    }

    fn sleep_until(&self, _: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        self.sleep(Duration::ZERO)
    }

    fn now(&self) -> Instant {
        self.once
    }

    fn reset(&self, _: &mut Pin<Box<dyn hyper::rt::Sleep>>, _: Instant) {
        self.watch.waits();
    }
}

// === impl Never ===

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl hyper::rt::Sleep for Never {}

// === impl Rounds ===

impl Rounds {
    /// For a connection that may be idle for so long.
    pub(super) fn new(idle_timeout: Duration) -> Self {
        let (awake, longest) = (Awake::new(), idle_timeout.min(2 * ROUND) / 2);
        Self { timer: Box::pin(sleep(pace(longest))), armed: false, longest, _awake: awake }
    }

    /// How long a connection has been at rest at least when that is seen.
    pub(super) fn seen_after(idle_timeout: Duration) -> Duration {
        // Among very many it is seen sooner, and rests that much less.
        pace(idle_timeout.min(2 * ROUND) / 2)
    }

    /// Whether the connection is at rest; asked each time that anything happens to it.
    pub(super) fn is_at_rest(&mut self, cx: &mut Context<'_>, watch: &Watch) -> bool {
        loop {
            // Until it has fired it need not be polled again: the task that it wakes is the same.
            if self.armed && !self.timer.is_elapsed() {
                return false;
            }
            self.armed = true;
            if self.timer.as_mut().poll(cx).is_pending() {
                return false;
            }
            if !watch.is_in_head() && watch.lull.lasts() {
                return true;
            }
            self.timer.set(sleep(pace(self.longest)));
            self.armed = false;
        }
    }
}

/// The time between two rounds. Where many connections have buffers they are looked at more often, so that a crowd that
/// comes at once and asks little does not hold them all; but never more than so many in a second.
fn pace(longest: Duration) -> Duration {
    let awake = AWAKE.get();
    if awake <= FEW {
        return longest;
    }
    (EACH * awake).max(SHORTEST_ROUND).min(longest)
}

// === impl Awake ===

impl Awake {
    fn new() -> Self {
        AWAKE.set(AWAKE.get().saturating_add(1));
        Self
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        AWAKE.set(AWAKE.get().saturating_sub(1));
    }
}

thread_local! {
    static AWAKE: Cell<u32> = const { Cell::new(0) };
}

/// A request is read or answered, or the connection ends.
const BUSY: u8 = 0;
/// hyper waits for a head, and has not looked whether there is one since.
const WAITING: u8 = 1;
/// It has, and there was nothing.
const QUIET: u8 = 2;
/// So it was in the round before.
const LONG: u8 = 3;

/// Shorter than people think between two clicks: what comes with a page comes without a pause.
const ROUND: Duration = Duration::from_secs(1);
/// What a thread may have beside its work without noticing: 2 MB.
const FEW: u32 = 64;
/// Of one connection among many: 20,000 looks a second are a hundredth of a core.
const EACH: Duration = Duration::from_micros(50);
const SHORTEST_ROUND: Duration = Duration::from_millis(25);
