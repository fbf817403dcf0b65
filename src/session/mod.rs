//! Who came in before: the session and its life, as functions of `now`. ★
//!
//! A session is two sealed cookies. The *pass* is opened on every request and says who this is; the *ticket*
//! leads to the refresh token, is opened when a refresh is due or the session ends, and counts only with its pass.
//! Neither holds an access or ID token: where the configuration passes one on, `tokens` is a third. With a store the
//! refresh token is `kept` there, and the ticket says what opens it.

use serde::{Deserialize, Serialize};

use crate::config::settings;
use crate::identity::Facts;

pub mod cookie;
pub mod keeper;
pub mod kept;
pub mod keyring;
pub mod pass;
pub mod refresh;
pub mod revoked;
pub mod seal;
pub mod store;
pub mod ticket;
pub mod tokens;
pub mod visit;

pub use ticket::{Grant, Ticket};

/// Who this is, as the pass says. Times are seconds since 1970.
///
/// How it is written for a browser is in [`pass`], where the order of these fields, and of those of [`Facts`], is the form;
/// for a store it is JSON, with these names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Names the session, never a person; fresh at each login.
    #[serde(rename = "i")]
    pub id: String,
    /// The `sub` claim: what stays the same over refreshes.
    #[serde(rename = "s")]
    pub sub: String,
    /// X-User before encoding.
    #[serde(rename = "u")]
    pub user: String,
    /// Sorted, unique.
    #[serde(rename = "r")]
    pub roles: Vec<String>,
    /// Mapped claims: header name and encoded value.
    #[serde(rename = "h", default)]
    pub headers: Vec<(String, String)>,
    /// What rules ask beside that.
    #[serde(rename = "x", default)]
    pub facts: Facts,
    /// When the person signed in.
    #[serde(rename = "b")]
    pub begun: u64,
    /// When the session ends, whatever happens.
    #[serde(rename = "e")]
    pub ends: u64,
    /// When roles were last read from a token.
    #[serde(rename = "f")]
    pub refreshed: u64,
    /// When the access token ends.
    #[serde(rename = "a")]
    pub access_ends: u64,
    /// When the pass was last sealed, for the idle limit.
    #[serde(rename = "l")]
    pub seen: u64,
    /// Whether a ticket was given with this pass.
    #[serde(rename = "t")]
    pub has_ticket: bool,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It counts as it is.
    Fresh,
    /// It should be refreshed before it counts; if the pool cannot be reached it still counts.
    Due,
    /// It should be refreshed, and without it counts no more: only an outage within the grace excuses.
    Overdue,
    /// It counts no more, whatever the pool says.
    Ended,
}

// === impl Session ===

impl Session {
    /// Where the session stands at `now`.
    pub fn standing(&self, now: u64, policy: &settings::Session) -> Standing {
        let idle = policy.idle.is_some_and(|idle| now.saturating_sub(self.seen) >= idle.as_secs());
        // Also where a longer one was sealed: what is configured now counts.
        let ends = self.ends.min(self.begun.saturating_add(policy.max_age.as_secs()));
        if now >= ends || idle {
            return Standing::Ended;
        }
        if !self.has_ticket {
            return if now >= self.access_ends { Standing::Ended } else { Standing::Fresh };
        }
        if now >= self.access_ends {
            return Standing::Overdue;
        }
        if now >= self.due(policy) { Standing::Due } else { Standing::Fresh }
    }

    /// When a refresh is due: the roles are old, or the access token ends soon.
    pub fn due(&self, policy: &settings::Session) -> u64 {
        let (max_role_age, margin, share) = (policy.max_role_age.as_secs(), self.margin(), self.share());
        let age = max_role_age.saturating_sub(spread(max_role_age, share));
        let roles_are_old = self.refreshed.saturating_add(age);
        let ends_soon = self.access_ends.saturating_sub(margin + spread(margin, share));
        roles_are_old.min(ends_soon)
    }

    /// Whether it was made or refreshed within the last minute: whoever lacks what came with it does not keep it.
    pub fn is_of_late(&self, now: u64) -> bool {
        now.saturating_sub(self.refreshed) < 60
    }

    /// Whether roles may still be served at `now` while the pool cannot be reached.
    pub fn survives_outage(&self, now: u64, policy: &settings::Session) -> bool {
        now < self.access_ends.saturating_add(policy.outage_grace.as_secs()) && now < self.ends
    }

    /// When the session ends if nobody comes back, seen at `now`: so long may stay open what it opens then. No answer
    /// can bring a refreshed session to the browser in the middle of a stream.
    pub fn ends_by_itself(&self, now: u64, policy: &settings::Session) -> u64 {
        match self.has_ticket && now >= self.access_ends {
            true => self.ends_at_last(policy),
            false => self.ends_at_last(policy).min(self.access_ends),
        }
    }

    /// When it ends if nobody comes back, while it is refreshed all the same and that fails: at the end of the grace.
    pub fn ends_at_last(&self, policy: &settings::Session) -> u64 {
        let idle = policy.idle.map_or(u64::MAX, |idle| self.seen.saturating_add(idle.as_secs()));
        self.access_ends.saturating_add(policy.outage_grace.as_secs()).min(self.ends).min(idle)
    }

    /// Whether the pass should be sealed anew so that the idle limit sees this visit.
    pub fn wants_new_seal(&self, now: u64, policy: &settings::Session) -> bool {
        policy.idle.is_some_and(|idle| now.saturating_sub(self.seen) >= (idle.as_secs() / 10).max(1))
    }

    /// A minute before the access token's end, less where it lives only minutes.
    fn margin(&self) -> u64 {
        (self.access_ends.saturating_sub(self.refreshed) / 5).min(60)
    }

    /// Of 1000, how much of the time by which sessions are due earlier than others this one takes.
    fn share(&self) -> u64 {
        // FNV-1a: ids are random and ours, so nobody can choose when theirs is due.
        let hash = self.id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // The low bits of so short a hash are the better mixed ones.
        hash % 1001
    }
}

/// How much earlier than others a session with this share is due: up to a tenth of `seconds`, never later. People who
/// signed in together, at nine or after an outage, must not come back together for ever.
fn spread(seconds: u64, share: u64) -> u64 {
    // `seconds` comes from a file or a token: no product of it may overflow.
    (seconds / 10).saturating_mul(share) / 1000
}

#[cfg(test)]
impl Session {
    /// One for tests to change.
    pub(crate) fn sample() -> Self {
        Self {
            id: "i".into(),
            sub: "s".into(),
            user: "u".into(),
            roles: vec![],
            headers: vec![],
            facts: Facts::default(),
            begun: 100,
            ends: 1000,
            refreshed: 100,
            access_ends: 400,
            seen: 100,
            has_ticket: true,
        }
    }
}

#[cfg(test)]
mod tests;
