//! Who has which sessions: for the lists that people and operators end sessions from.
//!
//! Two steps without one transaction, since in a cluster they are two nodes': a person is listed first, so that no
//! session is noted of one who cannot be found. A person without sessions is listed at most until their last would
//! have ended.

use std::collections::BTreeSet;

use super::answer::{self, stamp};
use super::fault::EngineFault;
use super::scripts;
use super::{Engine, script};

/// One session of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The person's index key.
    pub person: String,
    /// The session's index key.
    pub session: String,
    /// What was noted of it.
    pub descriptor: Vec<u8>,
}

/// About how many people are looked at in one step.
const STEP: usize = 200;

impl Engine {
    /// Notes a session of a person until `ends` (seconds since 1970), or notes it anew.
    pub async fn note(
        &self,
        person: &str,
        session: &str,
        descriptor: &[u8],
        ends: u64,
    ) -> Result<(), EngineFault> {
        let people = self.keys.people();
        let mut command = script(scripts::ENLIST, &people);
        command.arg(person).arg(ends);
        answer::done(&self.ask(&people, &command).await?)?;
        let key = self.keys.person(person);
        let mut command = script(scripts::NOTE, &key);
        command.arg(session).arg([stamp(ends).as_bytes(), descriptor].concat()).arg(ends);
        answer::done(&self.ask(&key, &command).await?)
    }

    /// Forgets that the person has this session.
    pub async fn unnote(&self, person: &str, session: &str) -> Result<(), EngineFault> {
        let key = self.keys.person(person);
        let mut command = redis::cmd("HDEL");
        command.arg(&key).arg(session);
        answer::done(&self.ask(&key, &command).await?)
    }

    /// The person's sessions with what was noted of them, in no order; past ones are dropped on the way.
    pub async fn noted(&self, person: &str) -> Result<Vec<(String, Vec<u8>)>, EngineFault> {
        let key = self.keys.person(person);
        answer::pairs(self.ask(&key, &script(scripts::NOTED, &key)).await?)
    }

    /// Everybody's sessions. Each step is bounded by the timeout; there is a step for every person.
    pub async fn everyone_noted(&self) -> Result<Vec<Noted>, EngineFault> {
        let key = self.keys.people();
        let mut people = BTreeSet::new();
        let mut cursor = 0;
        loop {
            let mut command = redis::cmd("ZSCAN");
            command.arg(&key).arg(cursor).arg("COUNT").arg(STEP);
            let (next, some) = answer::scanned(self.ask(&key, &command).await?)?;
            people.extend(some);
            if next == 0 {
                break;
            }
            cursor = next;
        }
        let mut all = Vec::new();
        for person in people {
            let sessions = self.noted(&person).await?.into_iter();
            all.extend(sessions.map(|(session, descriptor)| Noted {
                person: person.clone(),
                session,
                descriptor,
            }));
        }
        Ok(all)
    }
}
