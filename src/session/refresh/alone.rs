//! The token call itself, and refreshing where nobody else knows of the session: its refresh token is in its cookie.

use std::sync::Arc;
use std::time::Duration;

use super::{Generation, KEEP_DEAD, KEEP_RENEWED, KEEP_UNAVAILABLE, Outage, Refresher, Renewal, turns};
use crate::clock;
use crate::config::settings::PassedOn;
use crate::identity::Facts;
use crate::provider::{Granted, PoolFault};
use crate::session::tokens::TokenBox;
use crate::session::{Grant, Session, Ticket};
use crate::trace;

impl Refresher {
    /// The one token call of a session whose refresh token is in its cookie.
    pub(super) async fn fly_alone(
        &self,
        session: &Session,
        token: &str,
        urgent: bool,
    ) -> (Renewal, Duration) {
        let Some(_turn) = self.turn(session, urgent).await else {
            return (Renewal::Unavailable(Outage::Pool), KEEP_UNAVAILABLE);
        };
        match self.ask(session, token).await {
            Ok(granted) => {
                let keeps = granted.refresh_token.as_ref().is_none_or(|new| new == token);
                self.keeps.send_if_modified(|kept| std::mem::replace(kept, keeps) != keeps);
                let (session, token, tokens) =
                    next(session, token, granted, **self.passed_on.load(), clock::now());
                let ticket = Ticket::new(&session, Grant::Token(token));
                (Renewal::Renewed(Arc::new(Generation::new(session, ticket, tokens))), KEEP_RENEWED)
            }
            Err(Renewal::Dead) => (Renewal::Dead, KEEP_DEAD),
            Err(renewal) => (renewal, KEEP_UNAVAILABLE),
        }
    }

    /// A turn to ask the pool; `None` if there was none for too long.
    pub(super) async fn turn(&self, session: &Session, urgent: bool) -> Option<turns::Turn<'_>> {
        let turn = self.turns.take(urgent).await;
        if turn.is_none() {
            self.tell_outage(session, "refresh_queue");
            tracing::warn!(reason = "refresh_queue", "a session could not be refreshed: too many others are");
        }
        turn
    }

    /// Asks the pool; what is no answer is the way in which the refresh ends.
    pub(super) async fn ask(&self, session: &Session, token: &str) -> Result<Granted, Renewal> {
        let call = trace::call("provider.refresh");
        let granted = self.provider.load_full().refresh(token, &session.sub).await;
        call.end(granted.as_ref().err().map(PoolFault::code));
        match granted {
            Ok(granted) => {
                self.tell_renewed(session, &granted.identity);
                tracing::debug!(session = %session.id, "session refreshed");
                Ok(granted)
            }
            Err(fault) if fault.grant_is_dead() || fault.is_about_the_person() => {
                self.tell_rejected(session, fault.code());
                tracing::info!(session = %session.id, reason = fault.code(), "session ended at refresh");
                Err(Renewal::Dead)
            }
            Err(fault) => {
                self.tell_outage(session, fault.code());
                tracing::warn!(reason = fault.code(), %fault, "a session could not be refreshed");
                Err(Renewal::Unavailable(Outage::Pool))
            }
        }
    }
}

/// The next generation of a session, with its refresh token and the tokens that are handed on. Its id, beginning and
/// absolute end stay, and when it was last seen: a refresh is no visit.
pub(super) fn next(
    session: &Session,
    token: &str,
    granted: Granted,
    passed_on: PassedOn,
    now: u64,
) -> (Session, String, Option<TokenBox>) {
    let Granted { identity, access_ends, refresh_token, issued } = granted;
    // A refresh is no new sign-in: how and when that one was stays true where the new token does not repeat it
    // (OpenID Connect Core §12.2).
    let facts = Facts {
        acr: identity.facts.acr.or_else(|| session.facts.acr.clone()),
        auth_time: identity.facts.auth_time.or(session.facts.auth_time),
        ..identity.facts
    };
    let session = Session {
        user: identity.user,
        roles: identity.roles,
        headers: identity.headers,
        facts,
        // Two generations of one session are never of the same second: the newer is told by this.
        refreshed: now.max(session.refreshed.saturating_add(1)),
        access_ends,
        ..session.clone()
    };
    let tokens = TokenBox::new(&session, issued, passed_on);
    // Without rotation no new token comes, and the old one stays good.
    (session, refresh_token.unwrap_or_else(|| token.to_owned()), tokens)
}
