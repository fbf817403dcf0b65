//! Sessions that count no more before their time: one, all of a person's, or everyone's. ★
//!
//! A pass cannot be called back from a browser, so what has been called off is remembered until it would have ended
//! anyway. Taking the same thing in twice changes nothing, so that it may be told by anyone, in any order.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Session;

/// What is called off. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Whose.
    #[serde(rename = "w")]
    pub whose: Whose,
    /// When nothing is left of it to remember: the latest end of what it calls off.
    #[serde(rename = "e")]
    pub ends: u64,
}

/// Whose sessions are called off.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Whose {
    /// The session with this id.
    #[serde(rename = "i")]
    Session(String),
    /// All of the person with this `sub` that began until then.
    #[serde(rename = "s")]
    Person {
        /// The `sub` claim.
        #[serde(rename = "s")]
        sub: String,
        /// The last second in which such a session may have begun.
        #[serde(rename = "b")]
        begun_until: u64,
    },
    /// All that began until then.
    #[serde(rename = "a")]
    Everyone {
        /// The last second in which such a session may have begun.
        #[serde(rename = "b")]
        begun_until: u64,
    },
}

/// All that is called off.
#[derive(Debug, Default)]
pub struct Revoked {
    sessions: HashMap<String, u64>,
    people: HashMap<String, Until>,
    everyone: Option<Until>,
    /// When what is over was last looked for.
    swept: u64,
}

/// What became of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is remembered from now on.
    New,
    /// There was nothing new in it, or it is over.
    Known,
    /// There is no room for it: the oldest protection is left, the access token's end.
    Full,
}

#[derive(Debug, Clone, Copy)]
struct Until {
    begun: u64,
    ends: u64,
}

// === impl Revoked ===

impl Revoked {
    /// Takes `revocation` in.
    pub fn take(&mut self, revocation: &Revocation, now: u64) -> Taken {
        let Revocation { whose, ends } = revocation;
        if *ends <= now {
            return Taken::Known;
        }
        if self.is_full_for(whose) && self.swept.saturating_add(SWEEP) <= now {
            self.swept = now;
            self.forget(now);
        }
        if self.is_full_for(whose) {
            return Taken::Full;
        }
        let new = match whose {
            Whose::Session(id) => self.sessions.insert(id.clone(), *ends).is_none(),
            Whose::Person { sub, begun_until } => {
                let until = Until { begun: *begun_until, ends: *ends };
                match self.people.get_mut(sub) {
                    Some(known) => known.widen(until),
                    None => self.people.insert(sub.clone(), until).is_none(),
                }
            }
            Whose::Everyone { begun_until } => {
                let until = Until { begun: *begun_until, ends: *ends };
                match &mut self.everyone {
                    Some(known) => known.widen(until),
                    none => none.replace(until).is_none(),
                }
            }
        };
        if new { Taken::New } else { Taken::Known }
    }

    /// Whether `session` counts no more.
    pub fn covers(&self, session: &Session) -> bool {
        let of = |until: &Until| session.begun <= until.begun;
        self.everyone.as_ref().is_some_and(of)
            || self.sessions.contains_key(&session.id)
            || self.people.get(&session.sub).is_some_and(of)
    }

    /// The last second in which a session of the person with this `sub` may have begun that is called off with all of
    /// theirs, or everyone's.
    pub fn begun_until(&self, sub: &str) -> Option<u64> {
        let of_person = self.people.get(sub).map(|until| until.begun);
        of_person.max(self.everyone.map(|until| until.begun))
    }

    /// Whoever signs in and out all day takes no room from what an operator calls off.
    fn is_full_for(&self, whose: &Whose) -> bool {
        match whose {
            Whose::Session(id) => self.sessions.len() >= MOST && !self.sessions.contains_key(id),
            Whose::Person { sub, .. } => self.people.len() >= MOST && !self.people.contains_key(sub),
            Whose::Everyone { .. } => false,
        }
    }

    /// How much is remembered.
    pub fn len(&self) -> usize {
        self.sessions.len() + self.people.len() + usize::from(self.everyone.is_some())
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what is over at `now`.
    pub fn forget(&mut self, now: u64) {
        self.sessions.retain(|_, ends| now < *ends);
        self.people.retain(|_, until| now < until.ends);
        self.everyone = self.everyone.filter(|until| now < until.ends);
    }
}

// === impl Revocation ===

impl Revocation {
    /// Whether `session` is one that it calls off.
    pub fn names(&self, session: &Session) -> bool {
        match &self.whose {
            Whose::Session(id) => *id == session.id,
            Whose::Person { sub, begun_until } => *sub == session.sub && session.begun <= *begun_until,
            Whose::Everyone { begun_until } => session.begun <= *begun_until,
        }
    }
}

// === impl Until ===

impl Until {
    /// The later of both; false if that is no more than was known.
    fn widen(&mut self, other: Self) -> bool {
        let wider = other.begun > self.begun;
        self.begun = self.begun.max(other.begun);
        self.ends = self.ends.max(other.ends);
        wider
    }
}

/// Seconds between two looks through all of it for what is over.
const SWEEP: u64 = 60;
/// Sessions, and people. Each takes some hundred bytes.
const MOST: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_called_off_alone() {
        let mut revoked = Revoked::default();
        assert_eq!(revoked.take(&of(Whose::Session("a".into()), 100), 10), Taken::New);
        assert!(revoked.covers(&session("a", "ann", 5)) && !revoked.covers(&session("b", "ann", 5)));
        assert_eq!(revoked.take(&of(Whose::Session("a".into()), 100), 11), Taken::Known);
    }

    #[test]
    fn a_persons_sessions_are_called_off_up_to_that_second_whatever_comes_in_what_order() {
        let mut revoked = Revoked::default();
        let person = |begun_until| Whose::Person { sub: "ann".into(), begun_until };
        assert_eq!(revoked.take(&of(person(50), 100), 60), Taken::New);
        assert_eq!(revoked.take(&of(person(40), 90), 60), Taken::Known, "an older one narrows nothing");
        assert!(revoked.covers(&session("a", "ann", 50)) && !revoked.covers(&session("b", "ann", 51)));
        assert!(!revoked.covers(&session("c", "bob", 1)));
        assert_eq!(revoked.take(&of(person(51), 100), 60), Taken::New);
        assert!(revoked.covers(&session("b", "ann", 51)));
    }

    #[test]
    fn everyone_is_everyone_who_was_there() {
        let mut revoked = Revoked::default();
        assert_eq!(revoked.take(&of(Whose::Everyone { begun_until: 50 }, 100), 60), Taken::New);
        assert!(revoked.covers(&session("a", "ann", 50)) && !revoked.covers(&session("b", "bob", 51)));
    }

    #[test]
    fn whoever_signs_in_anew_is_told_how_long_that_does_not_count() {
        let mut revoked = Revoked::default();
        assert_eq!(revoked.begun_until("ann"), None);
        revoked.take(&of(Whose::Session("a".into()), 100), 10);
        assert_eq!(revoked.begun_until("ann"), None, "one session is not the person");
        revoked.take(&of(Whose::Person { sub: "ann".into(), begun_until: 5 }, 100), 10);
        revoked.take(&of(Whose::Everyone { begun_until: 3 }, 100), 10);
        assert_eq!((revoked.begun_until("ann"), revoked.begun_until("bob")), (Some(5), Some(3)));
    }

    #[test]
    fn what_would_have_ended_anyway_is_forgotten() {
        let mut revoked = Revoked::default();
        assert_eq!(
            revoked.take(&of(Whose::Session("a".into()), 10), 10),
            Taken::Known,
            "it has ended already"
        );
        for whose in [
            Whose::Session("a".into()),
            Whose::Person { sub: "ann".into(), begun_until: 5 },
            Whose::Everyone { begun_until: 5 },
        ] {
            assert_eq!(revoked.take(&of(whose, 100), 10), Taken::New);
        }
        revoked.forget(99);
        assert_eq!(revoked.len(), 3);
        revoked.forget(100);
        assert!(revoked.is_empty());
    }

    #[test]
    fn a_flood_of_sign_outs_takes_no_more_memory_and_never_keeps_everyone_from_being_called_off() {
        let mut revoked = Revoked::default();
        for number in 0..MOST {
            assert_eq!(revoked.take(&of(Whose::Session(number.to_string()), 100), 10), Taken::New);
        }
        assert_eq!(revoked.take(&of(Whose::Session("one more".into()), 100), 10), Taken::Full);
        let person = Whose::Person { sub: "ann".into(), begun_until: 10 };
        for whose in [person, Whose::Everyone { begun_until: 10 }] {
            assert_eq!(revoked.take(&of(whose, 100), 10), Taken::New);
        }
        assert_eq!(
            revoked.take(&of(Whose::Session("0".into()), 100), 10),
            Taken::Known,
            "however full it is"
        );
        assert_eq!(
            revoked.take(&of(Whose::Session("later".into()), 200), 100),
            Taken::New,
            "there is room again"
        );
    }

    fn of(whose: Whose, ends: u64) -> Revocation {
        Revocation { whose, ends }
    }

    fn session(id: &str, sub: &str, begun: u64) -> Session {
        Session { id: id.into(), sub: sub.into(), begun, refreshed: begun, seen: begun, ..Session::sample() }
    }
}
