//! Whether the threads that serve still take turns: what a watchdog is told of.

use tokio::runtime::Handle;

use super::Running;

impl Running {
    /// Ends when each thread that serves has taken a turn: `true`, or `false` if one of them is gone. Where one is
    /// stuck it does not end.
    pub(super) async fn beats(&self) -> bool {
        let workers = self.workers.iter().flat_map(|workers| workers.handles());
        turns(workers.chain([&self.control.handle])).await
    }
}

async fn turns(handles: impl Iterator<Item = &Handle>) -> bool {
    let turns: Vec<_> = handles.map(|handle| handle.spawn(async {})).collect();
    for turn in turns {
        if turn.await.is_err() {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::oneshot;

    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    /// A thread that takes turns, or is stuck, until it is told to end.
    fn thread(stuck: bool) -> (Handle, impl FnOnce()) {
        let (report, reported) = channel();
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = runtime();
            report.send(runtime.handle().clone()).unwrap();
            let _ = if stuck { ended.blocking_recv() } else { runtime.block_on(ended) };
        });
        let end = move || {
            drop(end);
            thread.join().unwrap();
        };
        (reported.recv().unwrap(), end)
    }

    #[test]
    fn one_thread_that_is_stuck_or_gone_is_no_life() {
        let here = runtime();
        let (lively, end_lively) = thread(false);
        assert!(here.block_on(turns([&lively].into_iter())));
        let (stuck, end_stuck) = thread(true);
        let both =
            async { tokio::time::timeout(Duration::from_millis(200), turns([&stuck].into_iter())).await };
        assert!(here.block_on(both).is_err(), "a thread that takes no turn is waited for");
        end_stuck();
        assert!(!here.block_on(turns([&stuck].into_iter())), "its thread is gone");
        end_lively();
    }
}
