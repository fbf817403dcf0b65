//! Records on their way to the writer: whoever has one adds its line to the pile, and goes on.
//!
//! One pile for all workers, so that lines stay in the order in which they came; it is locked for as long as it takes to
//! copy one.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The way to the writer.
#[derive(Clone, Default)]
pub(super) struct Records(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something where there was nothing.
    come: Condvar,
    access_lost: AtomicU64,
    audit_lost: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    pile: Pile,
    /// Lines that the writer has taken, and not written yet.
    taken: usize,
}

/// Lines that nobody has written yet.
#[derive(Default)]
pub(super) struct Pile {
    /// Each with its end.
    pub(super) text: String,
    /// Which of it audit lines are, without their ends.
    pub(super) audits: Vec<Range<usize>>,
    lines: usize,
    /// Whoever waits until all before is written: dropped then.
    ends: Vec<Sender<()>>,
}

// === impl Records ===

impl Records {
    /// How many access records and audit lines were lost: nobody took them, or they could not be written.
    pub(super) fn lost(&self) -> (u64, u64) {
        (self.0.access_lost.load(Ordering::Relaxed), self.0.audit_lost.load(Ordering::Relaxed))
    }

    /// Hands over the access record that `write` appends.
    pub(super) fn access(&self, write: impl FnOnce(&mut String)) {
        // Outside the lock, and without memory of its own for each.
        thread_local!(static LINE: RefCell<String> = const { RefCell::new(String::new()) });
        LINE.with_borrow_mut(|line| {
            line.clear();
            write(line);
            if !self.add(line, MAX_WAITING, false) {
                self.0.access_lost.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    /// Hands an audit line over. `plenty`: it has no more room than an access record, and what is rarer has.
    pub(super) fn audit(&self, line: &str, plenty: bool) {
        if !self.add(line, if plenty { MAX_WAITING } else { 2 * MAX_WAITING }, true) {
            self.0.audit_lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns when all that was handed over is written, or nobody takes it for so long: no output holds up a stop.
    pub(super) fn finish(&self) {
        let (end, ended) = channel();
        self.lock().pile.ends.push(end);
        self.0.come.notify_one();
        if ended.recv_timeout(LAST_PATIENCE) == Err(RecvTimeoutError::Timeout) {
            let waiting = self.lock().lines();
            tracing::warn!(waiting, "records were not written: nobody takes them from standard output");
        }
    }

    fn add(&self, line: &str, most: usize, is_audit: bool) -> bool {
        let mut waiting = self.lock();
        if waiting.lines() >= most {
            return false;
        }
        let pile = &mut waiting.pile;
        let (was_empty, begin) = (pile.is_empty(), pile.text.len());
        pile.text.push_str(line);
        if is_audit {
            pile.audits.push(begin..pile.text.len());
        }
        pile.text.push('\n');
        pile.lines += 1;
        drop(waiting);
        if was_empty {
            self.0.come.notify_one();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's side.
impl Records {
    /// Exchanges `written`, which counts as written now, for what has come since; waits for the first of it, and then
    /// a moment for more. To wake a thread costs a worker more than its line does: so it has to but now and then.
    pub(super) fn exchange(&self, mut written: Pile) -> Pile {
        written.clear();
        let mut waiting = self.lock();
        waiting.taken = 0;
        if waiting.pile.is_empty() {
            let come = self.0.come.wait_while(waiting, |waiting| waiting.pile.is_empty());
            waiting = come.unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.pile.ends.is_empty() {
            drop(waiting);
            std::thread::sleep(MOMENT);
            waiting = self.lock();
        }
        waiting.taken = waiting.pile.lines;
        std::mem::replace(&mut waiting.pile, written)
    }

    /// `lines`, of which so many are of the audit trail, could not be written.
    pub(super) fn lose(&self, access: usize, audit: usize) {
        self.0.access_lost.fetch_add(access as u64, Ordering::Relaxed);
        self.0.audit_lost.fetch_add(audit as u64, Ordering::Relaxed);
    }
}

// === impl Waiting ===

impl Waiting {
    fn lines(&self) -> usize {
        self.pile.lines + self.taken
    }
}

// === impl Pile ===

impl Pile {
    /// How many access records are in it.
    pub(super) fn accesses(&self) -> usize {
        self.lines - self.audits.len()
    }

    fn is_empty(&self) -> bool {
        self.lines == 0 && self.ends.is_empty()
    }

    fn clear(&mut self) {
        self.text.clear();
        // What a pile that nobody took for a while needed is not kept.
        self.text.shrink_to(KEPT);
        self.audits.clear();
        self.lines = 0;
        self.ends.clear();
    }
}

/// How long a process that ends waits until what was said is written.
pub(super) const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// Access records that may wait for the writer; as many audit lines more.
const MAX_WAITING: usize = 16_384;
/// How long the first line waits for others.
const MOMENT: Duration = Duration::from_millis(5);
/// Bytes of memory that a pile keeps for the next one.
const KEPT: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nobody_takes_them_records_are_lost_and_counted_and_audit_lines_last() {
        let records = Records::default();
        for n in 0..MAX_WAITING + 10 {
            records.access(|line| line.push_str(&n.to_string()));
        }
        records.audit("plenty", true);
        assert_eq!(records.lost(), (10, 1));
        for n in 0..MAX_WAITING + 3 {
            records.audit(&n.to_string(), false);
        }
        assert_eq!(records.lost(), (10, 4));
    }

    #[test]
    fn what_the_writer_has_taken_waits_until_it_is_written() {
        let records = Records::default();
        let add = |count: usize| (0..count).for_each(|_| records.access(|line| line.push('x')));
        add(MAX_WAITING - 1);
        let taken = records.exchange(Pile::default());
        assert_eq!(taken.accesses(), MAX_WAITING - 1);
        add(2);
        assert_eq!(records.lost(), (1, 0));
        let taken = records.exchange(taken);
        assert_eq!(taken.accesses(), 1);
        add(MAX_WAITING);
        assert_eq!(records.lost(), (2, 0));
    }
}
