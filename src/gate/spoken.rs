//! Header values that a worker has made of late: most requests name the same host, and come from few sessions.

use std::cell::RefCell;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use crate::authorize::Person;
use crate::config::settings::Identity;
use crate::identity::header_values;
use crate::session::Session;

/// Those of one configuration.
#[derive(Default)]
pub(super) struct Spoken {
    host: RefCell<Option<(String, HeaderValue)>>,
    sessions: RefCell<Vec<Slot>>,
}

#[derive(Default)]
struct Slot {
    /// The beginning of the session's id that came here last.
    last: [u8; 8],
    kept: Option<(Arc<Session>, Vec<Line>)>,
}

type Line = (HeaderName, HeaderValue);

// === impl Spoken ===

impl Spoken {
    /// An authority as a header's value; `None`: it cannot be one.
    pub(super) fn of_host(&self, authority: &str) -> Option<HeaderValue> {
        let mut last = self.host.borrow_mut();
        if let Some((_, value)) = last.as_ref().filter(|(last, _)| last == authority) {
            return Some(value.clone());
        }
        let value = HeaderValue::try_from(authority).ok()?;
        *last = Some((authority.to_owned(), value.clone()));
        Some(value)
    }

    /// [`header_values`] of a person. Those of the very same `session` are the same: nothing changes one. Kept is, as of
    /// passes, what came twice in a row in its place.
    pub(super) fn of_person(
        &self,
        person: &Person<'_>,
        session: Option<&Arc<Session>>,
        config: &Identity,
    ) -> Option<Vec<Line>> {
        let Some(session) = session else { return values(person, config) };
        let mut sessions = self.sessions.borrow_mut();
        if sessions.is_empty() {
            sessions.resize_with(REMEMBERED, Slot::default);
        }
        let id = session.id.as_bytes().first_chunk().copied().unwrap_or_default();
        let slot = &mut sessions[place(id)];
        let again = std::mem::replace(&mut slot.last, id) == id;
        match &slot.kept {
            Some((kept, lines)) if Arc::ptr_eq(kept, session) => Some(lines.clone()),
            _ => {
                let lines = values(person, config)?;
                if again {
                    slot.kept = Some((session.clone(), lines.clone()));
                }
                Some(lines)
            }
        }
    }
}

/// Ids are random, and text.
fn place(id: [u8; 8]) -> usize {
    id[..4].iter().fold(0, |sum, byte| (sum << 3) ^ usize::from(*byte)) % REMEMBERED
}

fn values(person: &Person<'_>, config: &Identity) -> Option<Vec<Line>> {
    header_values(config, person.user, person.roles, person.headers)
}

/// Some hundred bytes each.
const REMEMBERED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::person_of;

    #[test]
    fn kept_is_what_belongs_to_a_session_that_comes_twice_in_a_row() {
        let spoken = Spoken::default();
        let [one, other] = [("ab-one-one", "one"), ("ab-other-o", "other")].map(|(id, user)| Session {
            id: id.into(),
            user: user.into(),
            ..Session::sample()
        });
        let (one, other) = (Arc::new(one), Arc::new(other));
        let lines = |session: &Arc<Session>| {
            spoken.of_person(&person_of(session), Some(session), &Identity::default()).unwrap()
        };
        let kept = || spoken.sessions.borrow().iter().find_map(|slot| Some(slot.kept.as_ref()?.0.clone()));
        let made = |session: &Session| {
            let lines = values(&person_of(session), &Identity::default()).unwrap();
            assert!(lines.iter().any(|(_, value)| value == session.user.as_str()), "{lines:?}");
            lines
        };
        for session in [&one, &other, &one, &other] {
            assert_eq!(lines(session), made(session));
            assert!(kept().is_none(), "they share a place, and none comes twice in a row");
        }
        assert_eq!(lines(&other), made(&other));
        assert!(Arc::ptr_eq(&kept().unwrap(), &other));
        assert_eq!([lines(&one), lines(&one), lines(&one)], [(); 3].map(|()| made(&one)));
        assert!(Arc::ptr_eq(&kept().unwrap(), &one), "a place has room for one");
    }
}
