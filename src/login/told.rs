//! What is counted of logins and sign-outs, and written to the audit trail.

use super::{Answered, Login, OwnPage, Refused, Visitor};
use crate::refusal::{LoginRefusal, Refusal};
use crate::session::Session;
use crate::tally::Event;

impl Login {
    /// A page of the gate's answered so.
    pub(super) fn tell(&self, page: OwnPage, visitor: &Visitor<'_>, answered: &Answered) {
        if let (OwnPage::Start | OwnPage::Callback, Err(refused)) = (page, answered) {
            self.tell_failure(visitor, refused);
        }
    }

    /// A login came to nothing.
    pub(super) fn tell_failure(&self, visitor: &Visitor<'_>, refused: &Refused) {
        let said = match &refused.refusal {
            // Nothing failed: whoever asked cannot go and sign in.
            Refusal::LoginRequired | Refusal::MethodNotAllowed { .. } => return,
            Refusal::Login(LoginRefusal::PoolSaid { error, .. }) => Some(error.as_str()),
            _ => None,
        };
        let cause = refused.refusal.code();
        self.provider.tally().login_failed(cause, said);
        let event = Event::failure("login", cause).at(visitor.ask.client, visitor.request_id());
        // Anybody can make as many of these as they like.
        self.provider.tally().trail.tell(&event.plenty());
    }

    /// Somebody signed in.
    pub(super) fn tell_success(&self, visitor: &Visitor<'_>, session: &Session) {
        self.provider.tally().login("signed_in");
        let event = of(session, Event::success("login")).at(visitor.ask.client, visitor.request_id());
        self.provider.tally().trail.tell(&event.with("roles", session.roles.clone()));
    }

    /// A session was ended: `user`, `user_everywhere`, or `login` where another one took its place.
    pub(super) fn tell_sign_out(&self, visitor: &Visitor<'_>, session: &Session, by: &'static str) {
        self.provider.tally().signed_out(by);
        let event = of(session, Event::success("logout")).because(by);
        self.provider.tally().trail.tell(&event.at(visitor.ask.client, visitor.request_id()));
    }
}

// === impl Visitor ===

impl Visitor<'_> {
    fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }
}

fn of(session: &Session, event: Event) -> Event {
    event.of(&session.user, &session.sub).session(&session.id)
}
