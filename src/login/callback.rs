//! The callback: what the browser brings back from the pool becomes a session, or a reason why not.
//!
//! The order is the protection: form, then state (RFC 6749 §10.12), then what the pool says, and only then
//! the one exchange of the code.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Method};

use super::attempt::{Attempt, State};
use super::parameters::Parameters;
use super::return_to::ReturnTo;
use super::{Answered, Login, Refused, Visitor, only};
use crate::ask::Kind;
use crate::clock;
use crate::identity::{encode, header_values};
use crate::provider::{Granted, PoolFault};
use crate::refusal::{LoginRefusal, Refusal};
use crate::reply::{Carry, Reply};
use crate::session::tokens::TokenBox;
use crate::session::{Session, Ticket};
use crate::trace;

/// A session as it begins: its ticket, if the pool gave one, and the tokens that are handed on, if any is.
type Begun = (Session, Option<Ticket>, Option<TokenBox>);

/// What a callback says, once its form is right.
struct Callback<'a> {
    state: State<'a>,
    outcome: Result<&'a str, LoginRefusal>,
    issuer: Option<&'a str>,
}

impl Login {
    pub(super) async fn callback(&self, visitor: &Visitor<'_>) -> Answered {
        only(visitor, &[Method::GET], "GET")?;
        let parameters = Parameters::read(visitor.ask.query.as_deref())
            .map_err(|_| LoginRefusal::Parameters("callback_parameters"))?;
        let callback = Callback::read(&parameters)?;

        let Visitor { site, jar, .. } = visitor;
        let attempt = callback.state.attempt(jar, &site.names, &site.sealer, clock::now_millis());
        let Some(attempt) = attempt else { return self.stale(callback.state, None, visitor).await };
        // What is refused here is not used up: the same address counts when its time has come.
        if callback.outcome.is_ok() {
            self.rates.finished.take(visitor.ask.client, clock::now_millis()).map_err(|seconds| Refused {
                refusal: LoginRefusal::TooMany { seconds }.into(),
                cookies: vec![],
                target: own_target(&attempt),
            })?;
        }
        // Used up by whatever comes now, a failure included; its cookie goes with any answer.
        if !self.used.use_up(&attempt.state(), clock::now()) {
            return self.stale(callback.state, Some(&attempt), visitor).await;
        }
        let forget = site.names.forget(&attempt.cookie_name(&site.names));
        if callback.wants_the_person() && !attempt.restarted && self.issued_here(&callback).is_ok() {
            let target = self.acceptable(&attempt.target, site);
            let (reply, mut cookies) = self.begin(visitor, &target, true, &self.usual_anew())?;
            cookies.extend(forget);
            return Ok((reply, cookies));
        }
        match self.finish(visitor, &callback, &attempt).await {
            Ok((session, cookies)) => {
                let cookies = cookies.into_iter().chain(forget).collect();
                match self.still_too_weak(&attempt, &session, visitor) {
                    None => {
                        let to = back_to(&attempt, visitor);
                        Ok((self.onward(&attempt, to, Carry::PutBack), cookies))
                    }
                    Some(refusal) => {
                        tracing::info!(user = %encode(&session.user), "signed in, but not as strongly as was asked");
                        let target = Some(attempt.target);
                        Err(Box::new(Refused { refusal: refusal.into(), cookies, target }))
                    }
                }
            }
            Err(refusal) => {
                let target = own_target(&attempt);
                let mut cookies: Cookies = forget.into_iter().collect();
                if let Refusal::Login(LoginRefusal::NoIdentity(_) | LoginRefusal::TooLarge) = refusal {
                    cookies.extend(self.afterwards(visitor, false, &ReturnTo::home(&visitor.site.origin))?);
                }
                Err(Box::new(Refused { refusal, cookies, target }))
            }
        }
    }

    /// From a callback whose attempt this browser brought to the cookies of its session.
    async fn finish(
        &self,
        visitor: &Visitor<'_>,
        callback: &Callback<'_>,
        attempt: &Attempt,
    ) -> Result<(Session, Cookies), Refusal> {
        self.issued_here(callback)?;
        let code = callback.outcome.clone()?;
        let granted = self.redeem(visitor, code, attempt).await?;
        let Visitor { site, jar, .. } = visitor;
        let now = self.sessions.beginning(&granted.identity.sub).await;
        let (session, ticket, tokens) = self.session(granted, now).await?;
        let cookies = self
            .sessions
            .cookies(site, jar, (&session, ticket.as_ref(), tokens.as_ref()), now)
            .map_err(|_| Refusal::NoEntropy)?
            .ok_or_else(|| {
                let (roles, with_tokens) = (session.roles.len(), tokens.is_some());
                self.revocations.revoke(None, ticket.iter().cloned().collect());
                tracing::warn!(user = %encode(&session.user), roles, with_tokens, "a session is too large for cookies");
                LoginRefusal::TooLarge
            })?;
        self.replace(visitor, &session);
        self.tell_success(visitor, &session);
        tracing::info!(user = %encode(&session.user), session = %session.id, roles = session.roles.len(), "signed in");
        Ok((session, cookies))
    }

    /// Ends the session that this login replaces, if it was someone else's. One's own may still be on its way
    /// in another tab, and its refresh token may be of the very grant that this login goes on with: where
    /// revoking one ends the grant (RFC 7009 §2.1), the new session would end with it.
    fn replace(&self, visitor: &Visitor<'_>, session: &Session) {
        let before = self.sessions.pass(visitor.site, visitor.jar);
        if let Some(before) = before.filter(|before| before.sub != session.sub) {
            self.sessions.sign_out(&before);
            self.tell_sign_out(visitor, &before, "login");
            self.revocations.revoke(Some(&before), self.sessions.tickets(visitor.site, visitor.jar));
        }
    }

    /// A state whose attempt this browser did not bring, or brought before: an old tab, a bookmark, the back
    /// button, a reload. Someone signed in goes on; anyone else begins anew, once.
    async fn stale(&self, state: State<'_>, attempt: Option<&Attempt>, visitor: &Visitor<'_>) -> Answered {
        // Nothing but a person's own browser gets here; a picture on some page is not sent to log in.
        if visitor.ask.kind != Kind::Navigation {
            return Err(Refusal::LoginRequired.into());
        }
        self.provider.tally().login("stale");
        let target = match attempt {
            Some(attempt) => self.acceptable(&attempt.target, visitor.site),
            None => ReturnTo::home(&visitor.site.origin),
        };
        let visit = self.sessions.visit(visitor.site, visitor.jar, true).await;
        let visit = visit.map_err(|_| Refusal::NoEntropy)?;
        if visit.too_large {
            return Err(Refusal::SessionTooLarge.into());
        }
        if visit.session.is_some() {
            return Ok((Reply::Redirect(target.as_str().to_owned()), visit.cookies));
        }
        // Where cookies are blocked there is nothing else to count in than the state itself.
        match state.restarted() {
            false => self.begin(visitor, &target, true, &self.usual_anew()),
            true if visitor.jar.is_empty() => Err(LoginRefusal::CookiesOff.into()),
            true => Err(LoginRefusal::Parameters("callback_state_unknown").into()),
        }
    }

    /// RFC 9207: a callback that names an issuer must name ours; where the provider promises one it must.
    fn issued_here(&self, callback: &Callback<'_>) -> Result<(), LoginRefusal> {
        let (issuer, required) = self.provider.callback_issuer();
        match callback.issuer {
            Some(named) if named == issuer => Ok(()),
            None if !required => Ok(()),
            _ => Err(LoginRefusal::Parameters("callback_issuer")),
        }
    }

    /// The exchange runs to its end even if the browser goes away: the code is used up by it.
    async fn redeem(
        &self,
        visitor: &Visitor<'_>,
        code: &str,
        attempt: &Attempt,
    ) -> Result<Granted, LoginRefusal> {
        let provider = self.provider.clone();
        let (redirect_uri, code) = (visitor.site.callback.clone(), code.to_owned());
        let (verifier, nonce) = (attempt.verifier(), attempt.nonce());
        let work = self.background.begin();
        let exchange = self.background.spawn(trace::carried(async move {
            let _work = work;
            let call = trace::call("provider.redeem");
            let granted = provider.redeem(&redirect_uri, &code, &verifier, &nonce).await;
            call.end(granted.as_ref().err().map(PoolFault::code));
            if let Err(fault) = &granted {
                tracing::warn!(reason = fault.code(), %fault, callback = %redirect_uri, "a login failed");
            }
            granted
        }));
        let granted = exchange.await.map_err(|_| LoginRefusal::PoolAnswer("exchange_aborted"))?;
        granted.map_err(|fault| match fault {
            PoolFault::Identity(_) => LoginRefusal::NoIdentity(fault.code()),
            _ if fault.unreachable() => LoginRefusal::PoolUnreachable(fault.code()),
            _ => LoginRefusal::PoolAnswer(fault.code()),
        })
    }

    /// A new session, with an id of its own: one that was there before is simply replaced.
    async fn session(&self, granted: Granted, now: u64) -> Result<Begun, Refusal> {
        let Granted { identity, access_ends, refresh_token, issued } = granted;
        let values = header_values(&self.config.identity, &identity.user, &identity.roles, &identity.headers);
        if values.is_none() {
            return Err(LoginRefusal::NoIdentity("unwritable_identity").into());
        }
        let id = clock::random::<16>().map_err(|_| Refusal::NoEntropy)?;
        let session = Session {
            id: URL_SAFE_NO_PAD.encode(id),
            sub: identity.sub,
            user: identity.user,
            roles: identity.roles,
            headers: identity.headers,
            facts: identity.facts,
            begun: now,
            ends: now.saturating_add(self.config.session.max_age.as_secs()),
            refreshed: now,
            seen: now,
            access_ends,
            has_ticket: refresh_token.is_some(),
        };
        let tokens = TokenBox::new(&session, issued, self.config.passed_on());
        let ticket = self.sessions.ticket(&session, refresh_token, tokens.as_ref()).await.map_err(|fault| {
            tracing::warn!(reason = fault.code(), %fault, "a login failed: its session could not be kept");
            Refusal::StoreOutage
        })?;
        Ok((session, ticket, tokens))
    }
}

// === impl Callback ===

impl<'a> Callback<'a> {
    /// Reads the parameters. Each may stand there once; a token in the query is no part of this flow.
    fn read(parameters: &'a Parameters<'_>) -> Result<Self, LoginRefusal> {
        if parameters.repeats() {
            return Err(LoginRefusal::Parameters("callback_repeated_parameter"));
        }
        let one = |name| parameters.one(name).ok().flatten();
        let state = one("state").ok_or(LoginRefusal::Parameters("callback_without_state"))?;
        let state = State::parse(state).ok_or(LoginRefusal::Parameters("callback_state"))?;
        let (code, error, description) = (one("code"), one("error"), one("error_description"));
        let issuer = one("iss");
        let outcome = match (code, error) {
            (_, Some(error)) => Err(said(error, description)),
            (Some(code), None) if !code.is_empty() && code.len() <= MAX_CODE => Ok(code),
            _ => Err(LoginRefusal::Parameters("callback_without_code")),
        };
        Ok(Self { state, outcome, issuer })
    }

    /// Whether the pool would have had to show something and was asked not to: `prompt=none` (OpenID Connect
    /// Core §3.1.2.6). Then the login begins anew, once, and lets it.
    fn wants_the_person(&self) -> bool {
        const ERRORS: [&str; 4] =
            ["login_required", "interaction_required", "consent_required", "account_selection_required"];
        matches!(&self.outcome, Err(LoginRefusal::PoolSaid { error, .. }) if ERRORS.contains(&error.as_str()))
    }
}

fn said(error: &str, description: Option<&str>) -> LoginRefusal {
    let description = description.map(str::to_owned);
    if error == "access_denied" {
        LoginRefusal::Denied { description }
    } else {
        LoginRefusal::PoolSaid { error: error.to_owned(), description }
    }
}

/// Path and query, if it lies on the attempt's own origin: what links on a page can name.
fn own_target(attempt: &Attempt) -> Option<String> {
    Some(&attempt.target).filter(|target| target.starts_with('/')).cloned()
}

fn back_to(attempt: &Attempt, visitor: &Visitor<'_>) -> String {
    if attempt.target.starts_with('/') {
        format!("{}{}", visitor.site.origin, attempt.target)
    } else {
        attempt.target.clone()
    }
}

/// Lines beside the reply.
pub(super) type Cookies = Vec<HeaderValue>;
/// Codes are tens of bytes at Cognito and hundreds elsewhere.
const MAX_CODE: usize = 2048;
