//! Writing records: workers hand lines over and go on; one thread writes them to standard output.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cookie::time::OffsetDateTime;

use super::chain::Chain;

/// The way to the writer.
pub(super) struct Records {
    lines: Sender<Record>,
    counts: Arc<Counts>,
}

enum Record {
    Access(String),
    Audit(String),
    /// Dropped when all before it is written.
    End(Sender<()>),
}

#[derive(Default)]
struct Counts {
    waiting: AtomicUsize,
    access_lost: AtomicU64,
    audit_lost: AtomicU64,
}

/// The thread's side.
struct Writer {
    inbox: Receiver<Record>,
    chain: Option<Chain>,
    counts: Arc<Counts>,
    /// Audit lines that the trail itself says are lost.
    told_lost: u64,
    /// The last write failed somewhere within a line.
    torn: bool,
}

/// Lines that are written together.
#[derive(Default)]
struct Batch {
    text: String,
    /// How many of them were handed over.
    taken: usize,
    access: u64,
    audit: u64,
    /// Whoever waits for them.
    ends: Vec<Sender<()>>,
}

// === impl Records ===

impl Records {
    /// Starts the writer. A slow or full output costs records, counted, and never a request. Audit lines are linked into
    /// `chain`, where there is one.
    pub(super) fn to_stdout(chain: Option<Chain>) -> io::Result<Self> {
        let (lines, inbox) = channel();
        let counts = Arc::<Counts>::default();
        let writer = Writer { inbox, chain, counts: counts.clone(), told_lost: 0, torn: false };
        spawn("records", move || writer.write_all(&mut io::stdout()))?;
        Ok(Self { lines, counts })
    }

    /// How many access records and audit lines were lost so.
    pub(super) fn lost(&self) -> (u64, u64) {
        let Counts { access_lost, audit_lost, .. } = &*self.counts;
        (access_lost.load(Ordering::Relaxed), audit_lost.load(Ordering::Relaxed))
    }

    /// Hands an access record over.
    pub(super) fn access(&self, line: String) {
        self.hand_over(Record::Access(line), MAX_WAITING);
    }

    /// Hands an audit line over. `plenty`: it has no more room than an access record, and what is rarer has.
    pub(super) fn audit(&self, line: String, plenty: bool) {
        self.hand_over(Record::Audit(line), if plenty { MAX_WAITING } else { 2 * MAX_WAITING });
    }

    /// Returns when all that was handed over is written, or nobody takes it for so long: no output holds up a stop.
    pub(super) fn finish(&self) {
        let (end, ended) = channel();
        let _ = self.lines.send(Record::End(end));
        if ended.recv_timeout(LAST_PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let waiting = self.counts.waiting.load(Ordering::Relaxed);
            tracing::warn!(waiting, "records were not written: nobody takes them from standard output");
        }
    }

    fn hand_over(&self, record: Record, most: usize) {
        let lost = match &record {
            Record::Access(_) => &self.counts.access_lost,
            Record::Audit(_) | Record::End(_) => &self.counts.audit_lost,
        };
        let handed_over = self.counts.waiting.load(Ordering::Relaxed) < most && {
            self.counts.waiting.fetch_add(1, Ordering::Relaxed);
            self.lines.send(record).is_ok()
        };
        if !handed_over {
            lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// === impl Writer ===

impl Writer {
    fn write_all(mut self, out: &mut impl Write) {
        while let Ok(record) = self.inbox.recv() {
            // To wake a thread that waits costs the worker more than its line does. So that it has to but now and then,
            // what comes within a moment of the first line is taken with it.
            if !matches!(record, Record::End(_)) {
                std::thread::sleep(MOMENT);
            }
            let mut next = Some(record);
            while next.is_some() {
                let mut batch = Batch::default();
                while let Some(record) = next.take() {
                    self.add(&mut batch, record);
                    next = self.inbox.try_recv().ok();
                    if batch.text.len() >= BATCH {
                        break;
                    }
                }
                self.write(&batch, out);
            }
        }
    }

    fn add(&mut self, batch: &mut Batch, record: Record) {
        match record {
            Record::Access(line) => {
                batch.text += &line;
                batch.text.push('\n');
                (batch.taken, batch.access) = (batch.taken + 1, batch.access + 1);
            }
            Record::Audit(line) => {
                self.tell_lost(batch);
                self.link(batch, line);
                batch.taken += 1;
            }
            Record::End(end) => batch.ends.push(end),
        }
    }

    /// The trail says of itself where something is missing.
    fn tell_lost(&mut self, batch: &mut Batch) {
        let lost = self.counts.audit_lost.load(Ordering::Relaxed);
        if lost > self.told_lost {
            let (time, more) = (timestamp(), lost - self.told_lost);
            self.told_lost = lost;
            let line = format!(
                "{{\"time\":\"{time}\",\"kind\":\"audit\",\"event\":\"lost\",\"outcome\":\"failure\",\
                 \"reason\":\"output\",\"user\":null,\"sub\":null,\"session\":null,\"rule\":null,\"client\":null,\
                 \"request_id\":null,\"detail\":{{\"lines\":{more}}}}}"
            );
            self.link(batch, line);
        }
    }

    fn link(&mut self, batch: &mut Batch, line: String) {
        batch.text += &match &mut self.chain {
            Some(chain) => chain.link(&line),
            None => line,
        };
        batch.text.push('\n');
        batch.audit += 1;
    }

    fn write(&mut self, batch: &Batch, out: &mut impl Write) {
        let begun = if std::mem::take(&mut self.torn) { out.write_all(b"\n") } else { Ok(()) };
        // Locked a batch at a time: others print too. Where it cannot be written there is nothing to be done about it,
        // and no reason to stop serving.
        if begun.and_then(|()| out.write_all(batch.text.as_bytes())).and_then(|()| out.flush()).is_err() {
            self.torn = true;
            self.counts.access_lost.fetch_add(batch.access, Ordering::Relaxed);
            self.counts.audit_lost.fetch_add(batch.audit, Ordering::Relaxed);
        }
        self.counts.waiting.fetch_sub(batch.taken, Ordering::Relaxed);
    }
}

/// Starts a thread that writes.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.into()).spawn(work)
}

/// Now, as RFC 3339 with microseconds.
#[allow(clippy::disallowed_methods, reason = "a record is stamped when it is written")]
pub(super) fn timestamp() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Most records of a thread are of the second of the one before.
    thread_local!(static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) });
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != since.as_secs() {
            (*second, *text) = (since.as_secs(), until_the_second(since.as_secs()));
        }
        let mut stamp = String::with_capacity(text.len() + 8);
        stamp.push_str(text);
        stamp.push('.');
        let mut unit = 100_000;
        while unit > 0 {
            stamp
                .push(char::from(b'0' + u8::try_from(since.subsec_micros() / unit % 10).unwrap_or_default()));
            unit /= 10;
        }
        stamp.push('Z');
        stamp
    })
}

fn until_the_second(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or_default();
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second()
    )
}

/// How long a process that ends waits until what was said is written.
pub(super) const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// Access records that may wait for the writer; as many audit lines more.
const MAX_WAITING: usize = 16_384;
/// How long the first line waits for others.
const MOMENT: Duration = Duration::from_millis(5);
/// Bytes that are written at once, about.
const BATCH: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes nothing until it is mended.
    struct Full(bool, Vec<u8>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.1.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn writer() -> (Records, Writer) {
        let (lines, inbox) = channel();
        let counts = Arc::<Counts>::default();
        let writer = Writer { inbox, chain: None, counts: counts.clone(), told_lost: 0, torn: false };
        (Records { lines, counts }, writer)
    }

    #[test]
    fn a_stamp_has_microseconds_and_sorts_as_time_goes() {
        let stamps: Vec<_> = (0..1000).map(|_| timestamp()).collect();
        assert!(stamps.is_sorted());
        for stamp in stamps {
            assert_eq!(stamp.len(), "2026-01-02T03:04:05.000006Z".len(), "{stamp}");
            assert!(stamp.ends_with('Z') && stamp.as_bytes()[19] == b'.', "{stamp}");
        }
        assert_eq!(until_the_second(1_767_323_045), "2026-01-02T03:04:05");
    }

    #[test]
    fn where_nobody_takes_them_records_are_lost_and_counted_and_audit_lines_last() {
        let (records, _writer) = writer();
        for n in 0..MAX_WAITING + 10 {
            records.access(n.to_string());
        }
        records.audit("plenty".into(), true);
        assert_eq!(records.lost(), (10, 1));
        for n in 0..MAX_WAITING + 3 {
            records.audit(n.to_string(), false);
        }
        assert_eq!(records.lost(), (10, 4));
    }

    #[test]
    fn what_a_full_disk_swallowed_is_counted_and_the_trail_tells_of_it() {
        let (records, mut writer) = writer();
        let mut out = Full(true, vec![]);
        for (full, line) in [(true, "one"), (false, "two")] {
            out.0 = full;
            records.audit(line.into(), false);
            records.access(line.into());
            let mut batch = Batch::default();
            while let Ok(record) = writer.inbox.try_recv() {
                writer.add(&mut batch, record);
            }
            writer.write(&batch, &mut out);
        }
        assert_eq!(records.lost(), (1, 1));
        assert_eq!(records.counts.waiting.load(Ordering::Relaxed), 0);
        let text = String::from_utf8(out.1).unwrap();
        assert!(text.contains("\"event\":\"lost\"") && text.contains("\"lines\":1"), "{text}");
        assert!(text.ends_with("\ntwo\ntwo\n"), "{text}");
    }
}
