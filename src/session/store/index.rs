//! Which sessions there are: what an operator lists, and a person who signs out everywhere.
//!
//! Who it is stands nowhere in the clear: people go by a pseudonym that only the gates' keys lead to, and what is noted
//! of a session is sealed under those keys.

use serde::{Deserialize, Serialize};

use super::{Store, StoreFault};
use crate::clock;
use crate::session::Session;
use crate::session::kept::Handle;
use crate::session::seal::Purpose;

/// What is noted of a session. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Noted {
    /// [`Session::id`].
    pub id: String,
    /// X-User before encoding.
    pub user: String,
    /// The `sub` claim.
    pub sub: String,
    /// When the person signed in.
    pub begun: u64,
    /// When the session was last refreshed.
    pub refreshed: u64,
    /// When it ends, whatever happens.
    pub ends: u64,
    /// What it is kept under, where anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Store {
    /// Notes `session`, or its next generation.
    pub async fn note(&self, session: &Session, handle: Option<&Handle>) -> Result<(), StoreFault> {
        let noted = Noted {
            id: session.id.clone(),
            user: session.user.clone(),
            sub: session.sub.clone(),
            begun: session.begun,
            refreshed: session.refreshed,
            ends: session.ends,
            name: handle.map(Handle::name),
        };
        let sealed = self.seal_under(Purpose::Index, &session.id, &noted)?;
        let Some(person) = self.sealer.pseudonyms(&session.sub).into_iter().next() else { return Ok(()) };
        Ok(self
            .counted("index", self.engine.note(&person, &session.id, sealed.as_bytes(), session.ends))
            .await?)
    }

    /// Forgets that there was such a session.
    pub async fn unnote(&self, session: &Session) -> Result<(), StoreFault> {
        self.unnote_of(&session.sub, &session.id).await
    }

    /// The sessions of one person, by `sub`, the newest first.
    pub async fn sessions_of(&self, sub: &str) -> Result<Vec<Noted>, StoreFault> {
        let mut found = vec![];
        for person in self.sealer.pseudonyms(sub) {
            found.extend(self.counted("index", self.engine.noted(&person)).await?);
        }
        Ok(self.read_notes(found))
    }

    /// All sessions, the newest first.
    pub async fn all_sessions(&self) -> Result<Vec<Noted>, StoreFault> {
        let found = self.counted("index", self.engine.everyone_noted()).await?;
        Ok(self.read_notes(found.into_iter().map(|noted| (noted.session, noted.descriptor)).collect()))
    }

    /// Forgets the sessions that `noted` names, and what is kept of them: they have been called off.
    pub async fn clear(&self, noted: &Noted) -> Result<(), StoreFault> {
        if let Some(name) = &noted.name {
            self.counted("index", self.engine.forget(name)).await?;
        }
        self.unnote_of(&noted.sub, &noted.id).await
    }

    async fn unnote_of(&self, sub: &str, session: &str) -> Result<(), StoreFault> {
        for person in self.sealer.pseudonyms(sub) {
            self.counted("index", self.engine.unnote(&person, session)).await?;
        }
        Ok(())
    }

    /// What opens and has not ended; a note under a key that is gone tells nobody anything.
    fn read_notes(&self, found: Vec<(String, Vec<u8>)>) -> Vec<Noted> {
        let now = clock::now();
        let open = |(id, note): (String, Vec<u8>)| {
            let noted = self.open_under::<Noted>(Purpose::Index, &id, &note);
            noted.filter(|noted| noted.id == id && now < noted.ends)
        };
        let mut noted: Vec<_> = found.into_iter().filter_map(open).collect();
        noted.sort_by(|one, other| (other.begun, &other.id).cmp(&(one.begun, &one.id)));
        // A key was rolled between two notes of one session.
        noted.dedup_by(|one, other| one.id == other.id);
        noted
    }
}
