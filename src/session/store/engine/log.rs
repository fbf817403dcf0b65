//! The log of revocations: numbered, replayed to whoever asks for what came after a number.

use std::sync::PoisonError;
use std::time::Duration;

use redis::cmd;
use tokio::time::{Instant, timeout_at};

use super::answer;
use super::fault::EngineFault;
use super::line::Line;
use super::link::{Link, now};
use super::scripts;
use super::{Engine, script};

/// A line that waits for entries. Others do not use it: whoever waits holds up what comes behind.
pub(super) struct Reader {
    line: Line,
    /// The line that everything else went by when this one was made: where that is given up, so is this.
    beside: u64,
}

/// At most this many entries at once: more are there at the next call.
const BATCH: usize = 1000;

/// Longer a server need not be waited for: a caller asks again.
const LONGEST: Duration = Duration::from_secs(60);

impl Engine {
    /// What was added after `number`, the oldest first and a thousand at most; waits up to `wait` (a minute at most)
    /// for the first, and is empty if there was none. It has a connection of its own, so nothing else waits for it; one
    /// caller at a time shares it over calls.
    ///
    /// After a failover the log may lack its last entries, or have others there: compare what
    /// [`log_next`](Self::log_next) says of the last one.
    pub async fn log_after(&self, number: u64, wait: Duration) -> Result<Vec<(u64, Vec<u8>)>, EngineFault> {
        let key = self.keys.log();
        let deadline = self.deadline();
        let link = self.way.link_for(&key, deadline).await?;
        let reader = self.reader(&link, deadline).await.inspect_err(|_| self.way.doubt())?;
        let wait = wait.min(LONGEST);
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(BATCH);
        if !wait.is_zero() {
            // 0 would be for ever.
            command.arg("BLOCK").arg(wait.as_millis().max(1).to_string());
        }
        command.arg("STREAMS").arg(&key).arg(behind(number));
        // From here on the line is nobody's until the answer is there: if the caller goes away, it is closed, and the
        // server waits no longer.
        let answer = link.ask_on(&reader.line, reader.line.ask(&command), now() + wait + self.timeout).await;
        let value = answer.map_err(|trouble| {
            self.way.doubt();
            trouble.at(&reader.line)
        })?;
        let entries = answer::entries(value)?;
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader);
        Ok(entries)
    }

    /// The first entry after `number`, where there is one now.
    pub async fn log_next(&self, number: u64) -> Result<Option<(u64, Vec<u8>)>, EngineFault> {
        let key = self.keys.log();
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(1).arg("STREAMS").arg(&key).arg(behind(number));
        Ok(answer::entries(self.ask(&key, &command).await?)?.into_iter().next())
    }

    /// The last number ever added, whether or not its entry is still there; 0 if none was.
    pub async fn log_last(&self) -> Result<u64, EngineFault> {
        let key = self.keys.log();
        answer::number(&self.ask(&key, &script(scripts::LOG_LAST, &key)).await?)
    }

    /// Adds an entry under its number. False: that number, or a later one, is taken.
    pub async fn log_add(&self, number: u64, entry: &[u8]) -> Result<bool, EngineFault> {
        let key = self.keys.log();
        let mut command = script(scripts::LOG_ADD, &key);
        command.arg(number.to_string()).arg(entry);
        answer::truth(&self.ask(&key, &command).await?)
    }

    /// Drops the entries with smaller numbers than `before`.
    pub async fn log_trim(&self, before: u64) -> Result<(), EngineFault> {
        let key = self.keys.log();
        let mut command = cmd("XTRIM");
        command.arg(&key).arg("MINID").arg(format!("{before}-0"));
        answer::done(&self.ask(&key, &command).await?)
    }

    async fn reader(&self, link: &Link, deadline: Instant) -> Result<Reader, EngineFault> {
        // Where the others find nobody, neither do we, and in a pause between attempts we are told so at once.
        let beside = link.line(deadline).await?.id();
        let kept = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = kept.filter(|reader| reader.beside == beside && reader.line.is_open()) {
            return Ok(reader);
        }
        let late = |_| EngineFault::timeout("no connection in time");
        let line = timeout_at(deadline, link.own_line()).await.map_err(late)??;
        Ok(Reader { line, beside })
    }
}

/// Behind whatever else has this number: a stranger's entry there would come again and again.
fn behind(number: u64) -> String {
    format!("{number}-{}", u64::MAX)
}
