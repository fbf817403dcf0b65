//! What keeps a session: the cookies of a browser, and where there is one the store.

use std::sync::Arc;

use http::HeaderValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Sessions;
use crate::clock::{self, NoEntropy};
use crate::session::cookie::{Jar, PART_LEN};
use crate::session::kept::{Handle, Kept};
use crate::session::seal::Purpose;
use crate::session::store::{Store, StoreFault};
use crate::session::tokens::TokenBox;
use crate::session::{Grant, Session, Ticket, pass};
use crate::site::{Site, seal_nonce};

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
        if let Err(fault) = store.note(&kept.session, Some(&handle)).await {
            // Of what nobody can list or end nothing stays.
            let _ = store.end(&handle).await;
            return Err(fault);
        }
        Ok(Some(Ticket::new(&kept.session, Grant::Kept(handle))))
    }

    /// Where several gates share sessions.
    pub fn store(&self) -> Option<&Arc<Store>> {
        self.store.as_ref()
    }

    /// The cookies that make a browser keep a session; `None` if it is too large for cookies.
    pub fn cookies(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        (session, ticket, tokens): (&Session, Option<&Ticket>, Option<&TokenBox>),
        now: u64,
    ) -> Result<Option<Vec<HeaderValue>>, NoEntropy> {
        let ends = session.ends;
        let Some(mut cookies) = self.pass_cookies(site, jar, session, now)? else { return Ok(None) };
        if let Some(ticket) = ticket {
            let Some(more) = self.keep(site, jar, Purpose::Ticket, json(ticket), ends, now)? else {
                return Ok(None);
            };
            cookies.extend(more);
        }
        match tokens {
            Some(tokens) => {
                let Some(more) = self.keep(site, jar, Purpose::Token, json(tokens), ends, now)? else {
                    return Ok(None);
                };
                cookies.extend(more);
            }
            // Nothing is passed on (any more): a token is not left lying about.
            None => cookies.extend(site.names.forget_parts(jar, &site.names.token)),
        }
        let takes: usize = cookies.iter().map(pair_len).sum();
        Ok((takes <= self.room).then_some(cookies))
    }

    pub(super) fn pass_cookies(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        session: &Session,
        now: u64,
    ) -> Result<Option<Vec<HeaderValue>>, NoEntropy> {
        self.keep(site, jar, Purpose::Pass, pass::write(session), session.ends, now)
    }

    pub(super) fn keep(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        purpose: Purpose,
        plain: Option<Vec<u8>>,
        ends: u64,
        now: u64,
    ) -> Result<Option<Vec<HeaderValue>>, NoEntropy> {
        let name = match purpose {
            Purpose::Token => &site.names.token,
            Purpose::Ticket => &site.names.ticket,
            _ => &site.names.pass,
        };
        let Some(plain) = plain else { return Ok(None) };
        let sealed = site.sealer.seal(purpose, name, &plain, PART_LEN, seal_nonce()?);
        Ok(sealed.map(|sealed| site.names.keep(jar, name, &sealed, ends.saturating_sub(now))))
    }
}

/// How ticket and tokens are written.
pub(super) fn json(value: &impl Serialize) -> Option<Vec<u8>> {
    serde_json::to_vec(value).ok()
}

/// What [`json`] wrote.
pub(super) fn of_json<T: DeserializeOwned>(plain: &[u8]) -> Option<T> {
    serde_json::from_slice(plain).ok()
}

/// What a browser sends back for a `Set-Cookie` line, and what separates it from the next.
fn pair_len(line: &HeaderValue) -> usize {
    line.as_bytes().iter().position(|byte| *byte == b';').unwrap_or(line.len()) + 2
}
