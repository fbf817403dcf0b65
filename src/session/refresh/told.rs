//! What is counted of refreshes, and written to the audit trail.

use super::Refresher;
use crate::identity::Identity;
use crate::session::Session;
use crate::tally::Event;

impl Refresher {
    /// The pool said who `session`'s person is now.
    pub(super) fn tell_renewed(&self, session: &Session, now: &Identity) {
        self.tally().refreshed("renewed", "");
        if (&now.user, &now.roles) != (&session.user, &session.roles) {
            let event = Event::success("roles").of(&now.user, &session.sub).session(&session.id);
            let event = event.with("before", session.roles.clone()).with("roles", now.roles.clone());
            self.tally().trail.tell(&event);
        }
    }

    /// `session` counts no more, for this reason.
    pub(super) fn tell_rejected(&self, session: &Session, reason: &'static str) {
        self.tally().refreshed("rejected", reason);
        self.tally().trail.tell(&failure(session, reason));
    }

    /// Nobody could say who its person is now.
    pub(super) fn tell_outage(&self, session: &Session, reason: &'static str) {
        self.tally().refreshed("outage", reason);
        // In an outage that is everybody, again and again.
        self.tally().trail.tell(&failure(session, reason).plenty());
    }
}

fn failure(session: &Session, reason: &'static str) -> Event {
    Event::failure("refresh", reason).of(&session.user, &session.sub).session(&session.id)
}
