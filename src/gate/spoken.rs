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
    sessions: RefCell<Vec<Option<Slot>>>,
}

struct Slot {
    session: Arc<Session>,
    lines: Vec<Line>,
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

    /// [`header_values`] of a person. Those of the very same `session` are the same: nothing changes one. One that
    /// nobody else holds was opened for this request alone, and comes never again.
    pub(super) fn of_person(
        &self,
        person: &Person<'_>,
        session: Option<&Arc<Session>>,
        config: &Identity,
    ) -> Option<Vec<Line>> {
        let Some(session) = session.filter(|session| Arc::strong_count(session) > 1) else {
            return values(person, config);
        };
        let mut sessions = self.sessions.borrow_mut();
        if sessions.is_empty() {
            sessions.resize_with(REMEMBERED, || None);
        }
        let place = Arc::as_ptr(session).addr() / size_of::<Session>() % REMEMBERED;
        match &mut sessions[place] {
            Some(slot) if Arc::ptr_eq(&slot.session, session) => Some(slot.lines.clone()),
            other => {
                let lines = values(person, config)?;
                *other = Some(Slot { session: session.clone(), lines: lines.clone() });
                Some(lines)
            }
        }
    }
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
    fn kept_is_what_belongs_to_a_session_that_comes_again() {
        let spoken = Spoken::default();
        let config = Identity::default();
        let session = Arc::new(Session::sample());
        let lines = || spoken.of_person(&person_of(&session), Some(&session), &config).unwrap();
        let kept = || spoken.sessions.borrow().iter().flatten().count();
        let expected = lines();
        assert_eq!(kept(), 0, "opened for one request, it is gone with it");
        let remembered = session.clone();
        assert_eq!([lines(), lines()], [expected.clone(), expected]);
        assert_eq!(kept(), 1);
        drop(remembered);
    }
}
