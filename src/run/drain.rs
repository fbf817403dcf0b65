//! The end of a running gate: what is open is finished within its time.

use std::sync::Arc;
use std::time::Duration;

use super::Running;

// === impl Running ===

impl Running {
    /// Stops: no new connections, open requests may finish within the drain time, then everything ends.
    pub fn stop(self) {
        let Self { stop, workers, control, background, streams, store, drain, .. } = self;
        let (done, is_done) = std::sync::mpsc::channel();
        control.handle.spawn(async move {
            stop.begin();
            streams.stop();
            let finished = async {
                stop.done().await;
                // A code that is being redeemed, a token that is being revoked; WebSockets that say goodbye.
                let untold = || store.as_ref().is_some_and(|store| store.untold() > 0);
                while background.is_busy() || streams.is_busy() || untold() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            if tokio::time::timeout(drain, finished).await.is_err() {
                tracing::warn!("open requests, or what they left to do, did not finish in time");
            }
            if let Some(untold) = store.map(|store| store.untold()).filter(|untold| *untold > 0) {
                tracing::warn!(untold, "sign-outs were never told to the other gates: the store was away");
            }
            let _ = done.send(());
        });
        let _ = is_done.recv();
        control.end();
        // The acceptors' share of the workers went with the control thread.
        for workers in workers.into_iter().filter_map(Arc::into_inner) {
            workers.join();
        }
    }
}
