//! The log of what is called off: every gate follows it, and whoever calls something off writes it there.
//!
//! An entry is sealed under the gates' own keys together with its number, so that nobody else can write one, move one,
//! or see whose it is. Taking one in twice changes nothing; so after any fault the whole log is read again, and what
//! this gate knows and the log has lost (a failover, a restore) is written anew.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use super::engine::EngineFault;
use super::{Store, StoreFault};
use crate::clock;
use crate::config::settings::StoreOutage;
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
    /// What has a lower number is over.
    over_before: u64,
    /// What of them the log has lost and nobody has written again.
    lost: HashMap<Whose, Revocation>,
    /// When all of them were last looked at.
    looked_at: u64,
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
    /// What stands first under that number: another log has something else there.
    mark: Vec<u8>,
    /// Both as they were before, while nobody could say whether they still are.
    unproved: Option<(u64, Vec<u8>)>,
    /// What has a lower number may be missing, as the entries say.
    over_before: u64,
    /// To its end, since the beginning or the last fault.
    whole: bool,
    /// By whose it is.
    seen: HashSet<Whose>,
    faulty: bool,
    /// Something is missing.
    gap: bool,
}

// === impl Store ===

impl Store {
    /// Calls `revocation` off on all gates. Returns once it is written; until then it is tried again, whether or not
    /// anyone waits. False if it never was.
    pub async fn publish(&self, revocation: Revocation) -> bool {
        match self.enqueue(revocation) {
            Some(is_written) => is_written.await.is_ok(),
            None => false,
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
            if let Err(fault) = self.hear(&mut reading, &streams).await {
                if !reading.faulty {
                    tracing::warn!(reason = fault.code(), %fault, "the store cannot be reached or does not answer");
                }
                // What a failover lost may be written again under numbers that were read already.
                reading = Reading { faulty: true, ..self.begin_anew() };
                if self.outage == StoreOutage::Refuse && self.unheard() > ABANDONED {
                    streams.abandon_sessions();
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// What is new in the log, or that nothing is. A log that is not the one that was read begins anew.
    async fn hear(&self, reading: &mut Reading, streams: &Streams) -> Result<(), EngineFault> {
        // Once it has been read to its end, new entries are waited for.
        let wait = if reading.whole { WAIT } else { Duration::ZERO };
        // An answer may be under way for long: it tells of no later moment than this.
        let asked = clock::now_millis();
        let entries = self.engine.log_after(reading.last, wait).await;
        self.tally.store_called("log", entries.as_ref().map_or_else(EngineFault::code, |_| "ok"), None);
        let entries = entries?;
        let at_its_end = entries.is_empty();
        let before = reading.unproved.take().unwrap_or_else(|| (reading.last, reading.mark.clone()));
        for (number, entry) in entries {
            self.read(reading, number, &entry, streams);
        }
        // A long log is read in many pieces, and others have work on this thread as well.
        tokio::task::yield_now().await;
        if reading.gap && reading.whole {
            *reading = self.begin_anew();
            return Ok(());
        }
        match self.is_another(&before, reading.over_before).await {
            Ok(false) => {}
            Ok(true) => {
                tracing::warn!(
                    "the store's log of sign-outs is not the one that was read: it is read from its beginning"
                );
                *reading = Reading { faulty: reading.faulty, ..self.begin_anew() };
                return Ok(());
            }
            // Nothing is known, and nothing was heard.
            Err(_) => {
                reading.unproved = Some(before);
                tokio::time::sleep(PAUSE).await;
                return Ok(());
            }
        }
        if at_its_end && !reading.whole {
            self.caught_up(reading);
        }
        if reading.whole {
            self.heard.store(asked, Ordering::Relaxed);
            self.log.known().forget(clock::now());
        }
        Ok(())
    }

    /// Writes what is published, for ever, one after the other; what the log has lost comes behind what is new.
    pub async fn write(self: Arc<Self>, mut queue: mpsc::UnboundedReceiver<Publish>) {
        loop {
            let next = match queue.try_recv() {
                Ok(publish) => Some(publish),
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => None,
            };
            let lost = if next.is_none() { self.log.known().next_lost() } else { None };
            match (next, lost) {
                (Some(publish), _) => self.tell(publish).await,
                (None, Some(revocation)) => drop(self.write_until_over(&revocation).await),
                (None, None) => {
                    let found = self.found_lost.notified();
                    tokio::select! {
                        publish = queue.recv() => match publish {
                            Some(publish) => self.tell(publish).await,
                            None => return,
                        },
                        () = found => {}
                    }
                }
            }
        }
    }

    async fn tell(&self, Publish { revocation, written }: Publish) {
        if self.write_until_over(&revocation).await {
            let _ = written.send(());
        }
        self.untold.fetch_sub(1, Ordering::Relaxed);
    }

    /// Tries until it is written, or there is nothing left of it; false then.
    async fn write_until_over(&self, revocation: &Revocation) -> bool {
        let (mut faulty, mut taken, mut pause) = (false, 0, Duration::from_millis(1));
        while clock::now() < revocation.ends {
            match self.write_one(revocation).await {
                Ok(true) => {
                    self.unwritable.store(false, Ordering::Relaxed);
                    return true;
                }
                // Another gate took the number.
                Ok(false) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE);
                    taken += 1;
                    // No gates are that many: somebody else has written a number that none can follow.
                    if taken == MOST_TAKEN {
                        self.cannot_be_written();
                    }
                }
                Err(fault) => {
                    if !faulty {
                        tracing::warn!(reason = fault.code(), %fault, "a sign-out waits for the store");
                    }
                    faulty = true;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        false
    }

    /// Nobody would learn of a sign-out: no gate vouches for a session until that is mended.
    fn cannot_be_written(&self) {
        tracing::error!("nothing can be written to the store's log of sign-outs any more: remove its key");
        self.unwritable.store(true, Ordering::Relaxed);
    }

    /// From its beginning: what was read of it says nothing of numbers that may be given anew.
    fn begin_anew(&self) -> Reading {
        let mut known = self.log.known();
        known.ends.clear();
        known.over_before = 0;
        self.unwritable.store(false, Ordering::Relaxed);
        Reading::default()
    }

    /// Whether the log has something else, or nothing, where it was read last: somebody emptied the store, or put an old
    /// copy back, or a replica took over that had not heard all. Other gates may have written to it since, as many entries
    /// as there were and more, so that its end alone says nothing.
    async fn is_another(&self, before: &(u64, Vec<u8>), over_before: u64) -> Result<bool, EngineFault> {
        // Asked in any case: a connection that nobody uses would be found dead by whoever needs it.
        let next = self.counted("log", self.engine.log_next(before.0.saturating_sub(1))).await?;
        Ok(differs(before, next.as_ref(), over_before))
    }

    fn enqueue(&self, revocation: Revocation) -> Option<oneshot::Receiver<()>> {
        self.log.known().revocations.insert(revocation.whose.clone(), revocation.clone());
        let (written, is_written) = oneshot::channel();
        self.to_publish.send(Publish { revocation, written }).ok()?;
        self.untold.fetch_add(1, Ordering::Relaxed);
        Some(is_written)
    }

    /// False if the number was taken meanwhile.
    async fn write_one(&self, revocation: &Revocation) -> Result<bool, StoreFault> {
        let number = self.counted("log", self.engine.log_last()).await?.saturating_add(1);
        // Numbers beyond this one are of a log that was cut since.
        let trimmed = Some(self.log.known().over_before).filter(|before| *before < number).unwrap_or(0);
        let entry = Entry { revocation: revocation.clone(), trimmed };
        let sealed = self.seal_under(Purpose::Revocation, &number.to_string(), &entry)?;
        let written = self.counted("log", self.engine.log_add(number, sealed.as_bytes())).await?;
        if written && trimmed > 0 {
            // What could not be trimmed now is trimmed with the next.
            let _ = self.engine.log_trim(trimmed).await;
        }
        Ok(written)
    }

    fn read(&self, reading: &mut Reading, number: u64, entry: &[u8], streams: &Streams) {
        let opened = self.open_under::<Entry>(Purpose::Revocation, &number.to_string(), entry);
        let before = std::mem::replace(&mut reading.last, number);
        if before != number {
            reading.mark = entry.to_vec();
        }
        if number == u64::MAX {
            self.cannot_be_written();
        }
        let Some(Entry { revocation, trimmed }) = opened else {
            tracing::error!(
                number,
                "an entry in the store's log of sign-outs does not open: do all gates that use this store_prefix have \
                 the same session keys, client and pool?"
            );
            return;
        };
        if before > 0 && number > before + 1 && trimmed < number && trimmed <= before {
            tracing::error!(after = before, number, "sign-outs are missing from the store's log");
            reading.gap = true;
        }
        if trimmed < number {
            reading.over_before = reading.over_before.max(trimmed);
        }
        let now = clock::now();
        streams.revoke(&revocation, now);
        if !reading.whole {
            reading.seen.insert(revocation.whose.clone());
        }
        let mut known = self.log.known();
        known.ends.insert(number, revocation.ends);
        known.lost.remove(&revocation.whose);
        if now < revocation.ends {
            known.revocations.insert(revocation.whose.clone(), revocation);
        }
    }

    /// The log has been read to its end: what it lacks is written again.
    fn caught_up(&self, reading: &mut Reading) {
        reading.whole = true;
        reading.gap = false;
        if std::mem::take(&mut reading.faulty) {
            tracing::info!("the store answers again");
        }
        let now = clock::now();
        let mut known = self.log.known();
        known.forget(now);
        let lost = known.revocations.iter().filter(|(whose, _)| !reading.seen.contains(*whose));
        known.lost = lost.map(|(whose, revocation)| (whose.clone(), revocation.clone())).collect();
        reading.seen.clear();
        drop(known);
        self.found_lost.notify_one();
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
    fn next_lost(&mut self) -> Option<Revocation> {
        let whose = self.lost.keys().next()?.clone();
        self.lost.remove(&whose)
    }

    /// Forgets what is over at `now`.
    fn forget(&mut self, now: u64) {
        while let Some(first) = self.ends.first_entry().filter(|first| *first.get() <= now) {
            self.over_before = first.key().saturating_add(1);
            first.remove();
        }
        if self.looked_at.saturating_add(MINUTE) <= now {
            self.looked_at = now;
            self.revocations.retain(|_, revocation| now < revocation.ends);
        }
    }
}

/// Whether the entry that was read last is not there any more; `next` is what comes first from its number on. One that was
/// over may have been trimmed, if those that came since say so.
fn differs((last, mark): &(u64, Vec<u8>), next: Option<&(u64, Vec<u8>)>, over_before: u64) -> bool {
    match next {
        _ if *last == 0 => false,
        Some((number, entry)) if number == last => entry != mark,
        _ => over_before <= *last,
    }
}

/// How long new entries are waited for, and how often at least the log is heard.
const WAIT: Duration = Duration::from_millis(300);
/// Milliseconds after which what sessions have open ends, where what cannot be known is refused: a failover is shorter.
const ABANDONED: u64 = 10_000;
/// So many gates do not write at once.
const MOST_TAKEN: u32 = 30;
/// Seconds.
const MINUTE: u64 = 60;
/// After a fault.
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
