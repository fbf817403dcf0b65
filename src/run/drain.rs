//! The end of a running gate: first nobody new is sent here, then what is open is finished within its time.
//!
//! A balancer learns from `/readyz` that it should send nobody any more, and needs a moment for that: until
//! `drain_delay` is over everything is served, and each answer ends its connection. Only then listeners close.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::standing::Standing;
use super::{Control, Running};
use crate::listen::workers::Workers;
use crate::telemetry::Telemetry;

/// A gate on its way out.
pub struct Draining {
    done: oneshot::Receiver<()>,
    threads: Threads,
}

/// What is still there then.
struct Threads {
    workers: Vec<Arc<Workers>>,
    control: Control,
    telemetry: Arc<Telemetry>,
}

// === impl Running ===

impl Running {
    /// Stops at once what is at rest, lets open requests finish within the drain time, and waits for both.
    pub fn stop(self) {
        let Draining { done, threads } = self.drain(false);
        let _ = done.blocking_recv();
        threads.end();
    }

    /// How long a stop takes at most, with `drain_delay` or without.
    pub fn time_to_stop(&self, delay: bool) -> Duration {
        let limits = &self.current.load().config.limits;
        limits.drain + if delay { limits.drain_delay } else { Duration::ZERO }
    }

    /// Begins to stop: not ready any more from here on. With `delay` everybody is served for `drain_delay`; then
    /// there are no new connections, open requests may finish within `drain`, and everything ends.
    pub fn drain(self, delay: bool) -> Draining {
        let Self { stop, workers, control, standing, current, .. } = self;
        let Standing { background, streams, store, telemetry, .. } = standing;
        let config = current.load().config.clone();
        let told = telemetry.clone();
        let (done, is_done) = oneshot::channel();
        control.handle.spawn(async move {
            stop.announce();
            let delay = if delay { config.limits.drain_delay } else { Duration::ZERO };
            if !delay.is_zero() {
                tracing::info!(?delay, "not ready any more, and still serving until everybody knows");
                tokio::time::sleep(delay).await;
            }
            stop.begin();
            streams.stop();
            let finished = async {
                stop.done().await;
                // A code that is being redeemed, a token that is being revoked; WebSockets that say goodbye.
                let untold = || store.as_ref().is_some_and(|store| store.untold() > 0);
                while background.is_busy() || streams.is_busy() || untold() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                if let Some(traces) = &telemetry.traces {
                    traces.flush().await;
                }
            };
            if tokio::time::timeout(config.limits.drain, finished).await.is_err() {
                tracing::warn!("open requests, or what they left to do, did not finish in time");
            }
            if let Some(untold) = store.map(|store| store.untold()).filter(|untold| *untold > 0) {
                tracing::warn!(untold, "sign-outs were never told to the other gates: the store was away");
            }
            let _ = done.send(());
        });
        Draining { done: is_done, threads: Threads { workers, control, telemetry: told } }
    }
}

// === impl Draining ===

impl Draining {
    /// Returns once nothing is open any more, or its time is over.
    pub async fn done(&mut self) {
        let _ = (&mut self.done).await;
    }

    /// Ends the threads. What is open still is cut off.
    pub fn finish(self) {
        self.threads.end();
    }
}

// === impl Threads ===

impl Threads {
    fn end(self) {
        let Self { workers, control, telemetry } = self;
        control.end();
        // The acceptors' share of the workers went with the control thread.
        for workers in workers.into_iter().filter_map(Arc::into_inner) {
            workers.join();
        }
        telemetry.finish();
    }
}
