//! The log of what is called off: every gate follows it, and whoever calls something off writes it there.
//!
//! An entry is sealed under the gates' own keys together with its number, so that nobody else can write one, move one,
//! or see whose it is. Taking one in twice changes nothing; so after any fault the whole log is read again, and what
//! this gate knows and the log has lost (a failover, a restore) is written anew.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{Store, StoreFault};
use crate::clock;
use crate::session::revoked::{Revocation, Whose};
use crate::session::seal::Purpose;
use crate::streams::Streams;

/// Something to be called off on every gate, and who waits until it is written.
pub struct Publish {
    revocation: Revocation,
    written: oneshot::Sender<()>,
}

/// What this gate knows of the log.
#[derive(Default)]
pub(super) struct Log(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// When what has been read is over, by number.
    ends: BTreeMap<u64, u64>,
    /// What must be in it.
    revocations: HashMap<Whose, Revocation>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(rename = "r")]
    revocation: Revocation,
    /// Whatever has a lower number was over, and may be missing.
    #[serde(rename = "t")]
    trimmed: u64,
}

/// How far the log has been read.
#[derive(Default)]
struct Reading {
    last: u64,
    /// To its end, since the beginning or the last fault.
    whole: bool,
    /// By whose it is.
    seen: HashMap<Whose, u64>,
    faulty: bool,
}

// === impl Store ===

impl Store {
    /// Calls `revocation` off on all gates. Returns once it is written; until then it is tried again, whether or not
    /// anyone waits.
    pub async fn publish(&self, revocation: Revocation) {
        if let Some(is_written) = self.enqueue(revocation) {
            let _ = is_written.await;
        }
    }

    /// The same, and nobody waits.
    pub fn publish_soon(&self, revocation: Revocation) {
        drop(self.enqueue(revocation));
    }

    /// Follows the log for ever; what it says is told to `streams`.
    pub async fn follow(self: Arc<Self>, streams: Arc<Streams>) {
        let mut reading = Reading::default();
        loop {
            // Once it has been read to its end, new entries are waited for.
            let wait = if reading.whole { WAIT } else { Duration::ZERO };
            match self.engine.log_after(reading.last, wait).await {
                Ok(entries) => {
                    let at_its_end = entries.is_empty();
                    for (number, entry) in entries {
                        self.read(&mut reading, number, &entry, &streams);
                    }
                    if at_its_end && !reading.whole {
                        self.caught_up(&mut reading);
                    } else if at_its_end && self.is_cut(reading.last).await {
                        tracing::warn!("the store's log of sign-outs was cut: it is written anew");
                        reading = Reading::default();
                        continue;
                    }
                    if reading.whole {
                        self.heard.store(clock::now_millis(), Ordering::Relaxed);
                    }
                }
                Err(fault) => {
                    if !reading.faulty {
                        tracing::warn!(reason = fault.code(), %fault, "the store is not heard");
                    }
                    // What a failover lost may be written again under numbers that were read already.
                    reading = Reading { faulty: true, ..Reading::default() };
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Writes what is published, for ever, one after the other.
    pub async fn write(self: Arc<Self>, mut queue: mpsc::UnboundedReceiver<Publish>) {
        while let Some(Publish { revocation, written }) = queue.recv().await {
            let mut faulty = false;
            while clock::now() < revocation.ends {
                match self.write_one(&revocation).await {
                    Ok(true) => break,
                    // Another gate took the number.
                    Ok(false) => tokio::time::sleep(Duration::from_millis(1)).await,
                    Err(fault) => {
                        if !faulty {
                            tracing::warn!(reason = fault.code(), %fault, "a sign-out waits for the store");
                        }
                        faulty = true;
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
            let _ = written.send(());
        }
    }

    /// Whether the log ends before what was read of it: somebody emptied the store, or put an old copy back.
    async fn is_cut(&self, last: u64) -> bool {
        self.engine.log_last().await.is_ok_and(|now_last| now_last < last)
    }

    fn enqueue(&self, revocation: Revocation) -> Option<oneshot::Receiver<()>> {
        self.log.known().revocations.insert(revocation.whose.clone(), revocation.clone());
        let (written, is_written) = oneshot::channel();
        self.to_publish.send(Publish { revocation, written }).ok()?;
        Some(is_written)
    }

    /// False if the number was taken meanwhile.
    async fn write_one(&self, revocation: &Revocation) -> Result<bool, StoreFault> {
        let number = self.engine.log_last().await?.saturating_add(1);
        let trimmed = self.log.known().trim(clock::now()).unwrap_or(0);
        let entry = Entry { revocation: revocation.clone(), trimmed };
        let plain = serde_json::to_vec(&entry).map_err(|_| StoreFault::Value)?;
        let sealed = self.sealer.seal(
            Purpose::Revocation,
            &number.to_string(),
            &plain,
            usize::MAX / 2,
            clock::random()?,
        );
        let sealed = sealed.ok_or(StoreFault::Value)?;
        let written = self.engine.log_add(number, sealed.as_bytes()).await?;
        if written && trimmed > 0 {
            // What could not be trimmed now is trimmed with the next.
            let _ = self.engine.log_trim(trimmed).await;
        }
        Ok(written)
    }

    fn read(&self, reading: &mut Reading, number: u64, entry: &[u8], streams: &Streams) {
        let opened = std::str::from_utf8(entry)
            .ok()
            .and_then(|text| self.sealer.open(Purpose::Revocation, &number.to_string(), text))
            .and_then(|opened| serde_json::from_slice::<Entry>(&opened.plain).ok());
        let before = std::mem::replace(&mut reading.last, number);
        let Some(Entry { revocation, trimmed }) = opened else {
            tracing::error!(
                number,
                "an entry in the store's log of sign-outs is not of these gates, or its key is gone"
            );
            return;
        };
        if before > 0 && number > before + 1 && trimmed < number && trimmed <= before {
            tracing::error!(after = before, number, "sign-outs are missing from the store's log");
        }
        let now = clock::now();
        streams.revoke(&revocation, now);
        reading.seen.insert(revocation.whose.clone(), revocation.ends);
        let mut known = self.log.known();
        known.ends.insert(number, revocation.ends);
        if now < revocation.ends {
            known.revocations.insert(revocation.whose.clone(), revocation);
        }
    }

    /// The log has been read to its end: what it lacks is written again.
    fn caught_up(&self, reading: &mut Reading) {
        reading.whole = true;
        if std::mem::take(&mut reading.faulty) {
            tracing::info!("the store is heard again");
        }
        let now = clock::now();
        let lost: Vec<_> = {
            let mut known = self.log.known();
            known.revocations.retain(|_, revocation| now < revocation.ends);
            known
                .revocations
                .values()
                .filter(|known| !reading.seen.contains_key(&known.whose))
                .cloned()
                .collect()
        };
        reading.seen.clear();
        for revocation in lost {
            self.enqueue(revocation);
        }
    }
}

// === impl Log ===

impl Log {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Known ===

impl Known {
    /// The number before which everything is over at `now`, if anything is.
    fn trim(&mut self, now: u64) -> Option<u64> {
        let mut trimmed = None;
        while let Some((number, ends)) = self.ends.first_key_value().map(|(number, ends)| (*number, *ends)) {
            if now < ends {
                break;
            }
            self.ends.remove(&number);
            trimmed = Some(number + 1);
        }
        trimmed
    }
}

/// How long new entries are waited for, and how often at least the log is heard.
const WAIT: Duration = Duration::from_millis(500);
/// After a fault.
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_beginning_that_is_over_is_trimmed() {
        let mut known = Known { ends: BTreeMap::from([(3, 10), (4, 30), (5, 10)]), ..Known::default() };
        assert_eq!(known.trim(9), None);
        assert_eq!(known.trim(10), Some(4), "what is over behind one that is not stays");
        assert_eq!(known.trim(30), Some(6));
        assert_eq!(known.trim(99), None);
    }
}
