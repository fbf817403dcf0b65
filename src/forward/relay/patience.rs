//! How long anything may take, and the timers that requests lend each other for it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::super::now;

/// What is waited for has its time; a body that is there at once costs nothing.
pub(super) struct Patience {
    time: Duration,
    timers: Rc<Timers>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Counted from here.
    since: Option<Instant>,
}

/// Timers that requests lend each other. To arm one and to take it back costs more than the rest of a wait; one that
/// merely goes off later than it was set for costs nothing. So each stays armed, and is set anew only when it goes off.
#[derive(Default)]
pub(in crate::forward) struct Timers(RefCell<Vec<Pin<Box<Sleep>>>>);

/// Ready once `deadline` is past, which may have moved on since the timer was set.
pub(super) fn is_over(
    timer: &mut Pin<Box<Sleep>>,
    deadline: impl Fn() -> Instant,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        ready!(timer.as_mut().poll(cx));
        let deadline = deadline();
        if deadline <= now() {
            return Poll::Ready(());
        }
        timer.as_mut().reset(deadline);
    }
}

// === impl Timers ===

impl Timers {
    /// One that goes off at `deadline`, or before and is to be set anew then.
    pub(super) fn take(&self, deadline: Instant) -> Pin<Box<Sleep>> {
        match self.0.borrow_mut().pop() {
            Some(mut timer) => {
                if timer.deadline() > deadline || timer.is_elapsed() {
                    timer.as_mut().reset(deadline);
                }
                timer
            }
            None => Box::pin(sleep_until(deadline)),
        }
    }

    pub(super) fn put_back(&self, timer: Pin<Box<Sleep>>) {
        let mut timers = self.0.borrow_mut();
        if timers.len() < MAX_TIMERS {
            timers.push(timer);
        }
    }
}

// === impl Patience ===

impl Patience {
    pub(super) fn new(time: Duration, timers: &Rc<Timers>) -> Self {
        Self { time, timers: timers.clone(), timer: None, since: None }
    }

    /// Ready once nothing has come for too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = *self.since.get_or_insert_with(now) + self.time;
        let timer = self.timer.get_or_insert_with(|| self.timers.take(deadline));
        is_over(timer, || deadline, cx)
    }

    pub(super) fn rest(&mut self) {
        self.since = None;
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.timers.put_back(timer);
        }
    }
}

/// More are not kept: each is some hundred bytes.
const MAX_TIMERS: usize = 4096;
