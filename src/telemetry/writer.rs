//! Writing records: workers hand lines over and go on; one thread writes them to standard output.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use cookie::time::OffsetDateTime;

/// The way to the writer. Ends, with everything written, when the last one is dropped.
pub struct Records {
    lines: Option<SyncSender<String>>,
    writer: Option<JoinHandle<()>>,
    lost: AtomicU64,
}

// === impl Records ===

impl Records {
    /// Starts the writer. A slow or full output costs records, counted, and never a request.
    pub fn to_stdout() -> io::Result<Self> {
        let (lines, inbox) = sync_channel(MAX_WAITING);
        let writer = std::thread::Builder::new().name("records".into()).spawn(move || write_all(&inbox))?;
        Ok(Self { lines: Some(lines), writer: Some(writer), lost: AtomicU64::new(0) })
    }

    /// How many were lost so.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Hands one line over.
    pub fn write(&self, line: String) {
        let Some(lines) = &self.lines else { return };
        if let Err(TrySendError::Full(_)) = lines.try_send(line) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        drop(self.lines.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write_all(inbox: &Receiver<String>) {
    while let Ok(line) = inbox.recv() {
        // Locked a batch at a time: others print too.
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut next = Some(line);
        while let Some(line) = next {
            // Nobody reads any more: nothing to be done about it, and no reason to stop serving.
            let _ = writeln!(out, "{line}");
            next = inbox.try_recv().ok();
        }
        let _ = out.flush();
    }
}

/// Now, as RFC 3339 with microseconds.
#[allow(clippy::disallowed_methods, reason = "a record is stamped when it is written")]
pub(super) fn timestamp() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or_default();
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second(),
        since.subsec_micros()
    )
}

/// Lines that may wait for the writer.
const MAX_WAITING: usize = 16_384;
