//! Keeping a session that begins.

use std::sync::Arc;

use super::Sessions;
use crate::clock;
use crate::session::kept::{Handle, Kept};
use crate::session::store::{Store, StoreFault};
use crate::session::tokens::TokenBox;
use crate::session::{Grant, Session, Ticket};

impl Sessions {
    /// The ticket of a session that begins: with a store the refresh token goes there, and the ticket leads to it.
    pub async fn ticket(
        &self,
        session: &Session,
        refresh_token: Option<String>,
        tokens: Option<&TokenBox>,
    ) -> Result<Option<Ticket>, StoreFault> {
        let Some(store) = &self.store else {
            return Ok(refresh_token.map(|token| Ticket::new(session, Grant::Token(token))));
        };
        let Some(refresh_token) = refresh_token else {
            store.note(session, None).await?;
            return Ok(None);
        };
        let handle = Handle::new(clock::random()?);
        let (session, tokens) = (session.clone(), tokens.cloned());
        let kept = Kept { number: 1, session, refresh_token, tokens };
        store.begin(&handle, &kept).await?;
        store.note(&kept.session, Some(&handle)).await?;
        Ok(Some(Ticket::new(&kept.session, Grant::Kept(handle))))
    }

    /// Where several gates share sessions.
    pub fn store(&self) -> Option<&Arc<Store>> {
        self.store.as_ref()
    }
}
