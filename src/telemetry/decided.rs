//! Requests by decision, reason, rule and class: counted on the way of each request, without a lock where the same was
//! counted before.
//!
//! A thread has the counters that it used last at hand. What a slot holds is compared as text: rules come and go with
//! their configuration, and an address in memory may be another rule's by then.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;

use crate::tally::Busy;

/// The counters of one gate.
pub(super) struct Decided {
    /// Tells this gate's counters from another's in one process.
    id: usize,
    all: Family<RequestLabels, Busy>,
    /// The rules that have a label of their own.
    rules: Mutex<HashSet<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    decision: &'static str,
    reason: &'static str,
    rule: String,
    class: &'static str,
}

/// A counter at hand.
struct Slot {
    id: usize,
    /// As it was asked for, which may be beyond the bound.
    rule: String,
    labels: [&'static str; 3],
    counter: Busy,
}

// === impl Decided ===

impl Decided {
    pub(super) fn new(all: Family<RequestLabels, Busy>) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), all, rules: Mutex::default() }
    }

    pub(super) fn count(
        &self,
        decision: &'static str,
        reason: &'static str,
        rule: &str,
        class: &'static str,
    ) {
        thread_local!(static AT_HAND: RefCell<[Option<Slot>; SLOTS]> = const { RefCell::new([const { None }; SLOTS]) });
        let labels = [decision, reason, class];
        AT_HAND.with_borrow_mut(|slots| {
            let place = place(rule, labels);
            let slot = &mut slots[place];
            match slot {
                Some(slot) if slot.id == self.id && slot.labels == labels && slot.rule == rule => {
                    slot.counter.inc();
                }
                _ => {
                    let counter = self.look_up(labels, rule);
                    counter.inc();
                    *slot = Some(Slot { id: self.id, rule: rule.to_owned(), labels, counter });
                }
            }
        });
    }

    fn look_up(&self, [decision, reason, class]: [&'static str; 3], rule: &str) -> Busy {
        let rule = self.label(rule);
        self.all.get_or_create_owned(&RequestLabels { decision, reason, rule, class })
    }

    /// The rule's own name, or `other` where too many have one: configurations that follow one another add up.
    fn label(&self, rule: &str) -> String {
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if rules.contains(rule) || rules.len() < MAX_RULES {
            rules.insert(rule.to_owned());
            rule.to_owned()
        } else {
            "other".to_owned()
        }
    }
}

/// Cheap rather than good: where two meet, the counter is looked up again.
fn place(rule: &str, labels: [&'static str; 3]) -> usize {
    let ends = |text: &str| {
        let bytes = text.as_bytes();
        let at = |index: usize| bytes.get(index).map_or(0, |byte| usize::from(*byte));
        text.len() ^ (at(6) << 2) ^ (at(bytes.len().wrapping_sub(4)) << 3) ^ at(0)
    };
    let [decision, reason, class] = labels.map(ends);
    (ends(rule).wrapping_mul(31) ^ decision ^ reason.wrapping_mul(7) ^ class.wrapping_mul(13)) % SLOTS
}

const SLOTS: usize = 64;
/// More rules than anybody writes.
const MAX_RULES: usize = 1000;
