//! Signing out: here, at the pool, and what is shown afterwards.
//!
//! Only the visitor's own doing signs out: a POST, or a link followed on the gate's own origin or typed in.
//! A picture on a foreign page gets the landing page (login CSRF has a twin: logout CSRF).

use std::sync::Arc;

use http::Method;
use serde::{Deserialize, Serialize};

use super::callback::Cookies;
use super::parameters::Parameters;
use super::return_to::{self, ReturnTo};
use super::{Answered, Login, Visitor, only};
use crate::ask::Kind;
use crate::clock;
use crate::identity::encode;
use crate::refusal::{LoginRefusal, Refusal};
use crate::reply::{Notice, Reply};
use crate::session::Session;
use crate::session::cookie::Jar;
use crate::session::revoked::Whose;
use crate::session::seal::Purpose;
use crate::session::store::Store;
use crate::site::seal_nonce;

/// What is kept, sealed, while the browser is at the pool's sign-out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Afterwards {
    /// Begin a new login at once: "use another account".
    switch: bool,
    /// Where to go then.
    target: String,
    /// When, seconds since 1970.
    begun: u64,
}

impl Login {
    pub(super) async fn sign_out(&self, visitor: &Visitor<'_>) -> Answered {
        only(visitor, &[Method::GET, Method::HEAD, Method::POST], "GET, HEAD, POST")?;
        let parameters = Parameters::read(visitor.ask.query.as_deref())
            .map_err(|_| LoginRefusal::Parameters("signout_parameters"))?;
        let repeated = |_| LoginRefusal::Parameters("signout_repeated_parameter");
        let rd = parameters.one("rd").map_err(repeated)?;
        let switch = parameters.one("switch").map_err(repeated)? == Some("1");
        let everywhere = parameters.one("everywhere").map_err(repeated)? == Some("1");
        if rd.is_some_and(|rd| rd.len() > return_to::MAX_LEN) {
            return Err(LoginRefusal::Parameters("signout_rd_too_long").into());
        }

        let Visitor { site, jar, .. } = visitor;
        // Cookies that are Lax do not come with another site's POST, so a POST is the visitor's own.
        let own_doing = match visitor.ask.method {
            Method::POST => true,
            // A picture on a page of the application's own origin may be anybody's.
            Method::GET => !visitor.unasked && !visitor.ask.foreign,
            _ => false,
        };
        // Who was refused at the end of a login has no session here, but one at the pool: that is what another account
        // needs ended.
        let refused = switch && jar.has(&site.names.after_signout);
        if !own_doing || !(refused || jar.has_more_than_signed_out(&site.names)) {
            return self.landing(visitor);
        }

        let target = rd.map(|rd| self.acceptable(rd, site));
        let mut cookies = site.names.forget_all(jar);
        if switch || target.is_some() {
            let target = target.unwrap_or_else(|| ReturnTo::home(&site.origin));
            cookies.extend(self.afterwards(visitor, switch, &target)?);
        }
        self.end(visitor, everywhere).await;
        let to = self
            .provider
            .logout_url(&site.landing)
            .map_or_else(|| site.landing.clone(), |url| url.to_string());
        Ok((Reply::SignedOut(to), cookies))
    }

    /// Ends the session and revokes its refresh token at the pool, without waiting for that. `everywhere`: all sessions
    /// of the same person, where there is a store that knows of them.
    async fn end(&self, visitor: &Visitor<'_>, everywhere: bool) {
        let Visitor { site, jar, .. } = visitor;
        let session = self.sessions.pass(site, jar);
        if let Some(session) = &session {
            tracing::info!(user = %encode(&session.user), session = %session.id, "signed out");
            self.sessions.sign_out(session);
            let everywhere = everywhere && self.sessions.store().is_some();
            self.tell_sign_out(visitor, session, if everywhere { "user_everywhere" } else { "user" });
            if let (true, Some(store)) = (everywhere, self.sessions.store()) {
                self.end_others(session, store.clone()).await;
            }
        }
        self.revocations.revoke(session.as_deref(), self.sessions.tickets(site, jar));
    }

    /// Calls off all sessions of the person, and keeps nothing more of the others; this one's token is still to be revoked.
    async fn end_others(&self, session: &Session, store: Arc<Store>) {
        let (sub, begun_until) = (session.sub.clone(), clock::now());
        let called_off = self.sessions.call_off(Whose::Person { sub, begun_until }).await;
        tracing::info!(user = %encode(&session.user), ?called_off, "signed out everywhere");
        let (session, work) = (session.clone(), self.background.begin());
        self.background.spawn(async move {
            let others = store.sessions_of(&session.sub).await.unwrap_or_default();
            for other in others.iter().filter(|other| other.id != session.id && other.begun <= begun_until) {
                // What cannot be cleared now ends by itself, and opens for nobody.
                let _ = store.clear(other).await;
            }
            drop(work);
        });
    }

    /// The public page after signing out, and for anyone who comes by.
    fn landing(&self, visitor: &Visitor<'_>) -> Answered {
        let Visitor { site, jar, .. } = visitor;
        let name = &site.names.after_signout;
        let now = clock::now();
        let afterwards: Option<Afterwards> = jar
            .candidates(name)
            .filter_map(|text| site.sealer.open(Purpose::Return, name, &text))
            .filter_map(|opened| serde_json::from_slice(&opened.plain).ok())
            .find(|afterwards: &Afterwards| now < afterwards.begun.saturating_add(LIFE));
        let forget = site.names.forget(name).filter(|_| jar.has(name));

        let target = afterwards.as_ref().map(|afterwards| self.acceptable(&afterwards.target, site));
        if let (Some(Afterwards { switch: true, .. }), Some(target), Kind::Navigation) =
            (&afterwards, &target, visitor.ask.kind)
        {
            let (reply, mut cookies) = self.begin(visitor, target, false, &self.usual())?;
            cookies.extend(forget);
            return Ok((reply, cookies));
        }
        let notice = match self.sessions.pass(site, jar) {
            Some(session) => Notice::SignOut {
                user: session.user.clone(),
                roles: session.roles.clone(),
                home: format!("{}/", site.origin),
            },
            None => Notice::SignedOut {
                target: target.unwrap_or_else(|| ReturnTo::home(&site.origin)).as_str().to_owned(),
            },
        };
        Ok((Reply::Page(notice), forget.into_iter().collect()))
    }

    pub(super) fn afterwards(
        &self,
        visitor: &Visitor<'_>,
        switch: bool,
        target: &ReturnTo,
    ) -> Result<Cookies, Refusal> {
        let site = visitor.site;
        let target = target.relative_to(&site.origin).to_owned();
        let plain =
            serde_json::to_vec(&Afterwards { switch, target, begun: clock::now() }).unwrap_or_default();
        let nonce = seal_nonce().map_err(|_| Refusal::NoEntropy)?;
        let name = &site.names.after_signout;
        let text = site.sealer.seal(Purpose::Return, name, &plain, MAX_BYTES, nonce);
        Ok(text.map(|text| site.names.keep(&Jar::default(), name, &text, LIFE)).unwrap_or_default())
    }
}

/// How long the browser may stay at the pool's sign-out, seconds.
const LIFE: u64 = 300;
const MAX_BYTES: usize = 3800;
