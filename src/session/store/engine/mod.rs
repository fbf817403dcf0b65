//! The shared store's engine: bytes in and out of a Redis or Valkey. No cryptography, no meaning.
//!
//! Nothing is connected before it is needed; what is lost is connected again by itself. Every call ends within the
//! configured timeout, with a value or an [`EngineFault`]. Everything that is asked may be asked twice to the same
//! effect, so that a broken connection costs one more try and no doubt.
//!
//! | file | what it is |
//! |---|---|
//! | `keys` `answer` `slots` `scripts` `fault` | names, shapes and words: pure |
//! | `line` | one connection: TCP, TLS, sign-in |
//! | `link` | a line that is made again, with pauses between |
//! | `sentinel` `cluster` `way` | where a key is now |
//! | `index` `log` | further operations |

use std::sync::Mutex;
use std::time::Duration;

use redis::{Cmd, Value, cmd};
use tokio::time::Instant;

mod answer;
mod cluster;
mod fault;
mod index;
mod keys;
mod line;
mod link;
mod log;
mod scripts;
mod sentinel;
mod slots;
mod way;

pub use fault::{EngineFault, FaultKind};
pub use index::Noted;

use crate::background::Background;
use crate::config::settings::Store;
use crate::tls::TlsError;
use crate::trace;
use answer::stamp;
use keys::Keys;
use log::Reader;
use way::Way;

/// The way to what is shared. One a process, shared by its threads.
pub struct Engine {
    way: Way,
    keys: Keys,
    timeout: Duration,
    reader: Mutex<Option<Reader>>,
}

// === impl Engine ===

impl Engine {
    /// Connects to nobody yet; fails where a bundle of certificates cannot be read. Connections are looked after on
    /// `background`.
    pub fn new(store: &Store, background: Background) -> Result<Self, TlsError> {
        Ok(Self {
            way: Way::new(store, background)?,
            keys: Keys::new(&store.prefix),
            timeout: store.timeout,
            reader: Mutex::new(None),
        })
    }

    /// The value under a name; `None` if there is none, or its end has come.
    pub async fn load(&self, name: &str) -> Result<Option<Vec<u8>>, EngineFault> {
        let key = self.keys.value(name);
        let mut command = cmd("GET");
        command.arg(&key);
        answer::stamped(self.ask(&key, &command).await?)
    }

    /// Puts a value under a name until `ends` (seconds since 1970), whatever is there.
    pub async fn create(
        &self,
        name: &str,
        generation: u64,
        value: &[u8],
        ends: u64,
    ) -> Result<(), EngineFault> {
        let key = self.keys.value(name);
        let mut command = cmd("SET");
        command.arg(&key).arg([stamp(generation).as_bytes(), value].concat()).arg("EXAT").arg(ends);
        answer::done(&self.ask(&key, &command).await?)
    }

    /// Puts a value in the place of an older one. False: there is none (so that what was forgotten does not come
    /// back), or one of this generation or a later.
    pub async fn replace(
        &self,
        name: &str,
        generation: u64,
        value: &[u8],
        ends: u64,
    ) -> Result<bool, EngineFault> {
        let key = self.keys.value(name);
        let mut command = script(scripts::REPLACE, &key);
        command.arg(stamp(generation)).arg(value).arg(ends);
        answer::truth(&self.ask(&key, &command).await?)
    }

    /// Takes the value away, if there is one.
    pub async fn forget(&self, name: &str) -> Result<(), EngineFault> {
        let key = self.keys.value(name);
        let mut command = cmd("DEL");
        command.arg(&key);
        answer::done(&self.ask(&key, &command).await?)
    }

    /// Takes the lock beside a value for `hold`. False: another holder has it. A holder that has it already has it for
    /// `hold` from now.
    pub async fn lock(&self, name: &str, holder: &[u8; 16], hold: Duration) -> Result<bool, EngineFault> {
        self.hold(scripts::LOCK, name, holder, hold).await
    }

    /// Keeps a lock for `hold` from now. False: it is not this holder's (any more).
    pub async fn extend(&self, name: &str, holder: &[u8; 16], hold: Duration) -> Result<bool, EngineFault> {
        self.hold(scripts::EXTEND, name, holder, hold).await
    }

    /// Gives a lock back, if it is still this holder's.
    pub async fn unlock(&self, name: &str, holder: &[u8; 16]) -> Result<(), EngineFault> {
        let key = self.keys.lock(name);
        let mut command = script(scripts::UNLOCK, &key);
        command.arg(holder);
        answer::done(&self.ask(&key, &command).await?)
    }

    async fn hold(
        &self,
        text: &str,
        name: &str,
        holder: &[u8; 16],
        hold: Duration,
    ) -> Result<bool, EngineFault> {
        let key = self.keys.lock(name);
        let mut command = script(text, &key);
        command.arg(holder).arg(hold.as_millis().max(1).to_string());
        answer::truth(&self.ask(&key, &command).await?)
    }

    async fn ask(&self, key: &str, command: &Cmd) -> Result<Value, EngineFault> {
        let call = trace::call("session.store");
        let answer = self.way.ask(key, command, self.deadline()).await;
        call.end(answer.as_ref().err().map(EngineFault::code));
        answer
    }

    fn deadline(&self) -> Instant {
        link::now() + self.timeout
    }
}

/// A script with its one key; arguments follow. `EVAL`, not `EVALSHA`: a server that was restarted knows no script,
/// and the texts are short.
fn script(text: &str, key: &str) -> Cmd {
    let mut command = cmd("EVAL");
    command.arg(text).arg(1).arg(key);
    command
}

#[cfg(test)]
mod tests;
