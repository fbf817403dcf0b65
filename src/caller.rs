//! Who came in: by a bearer token where those count, else by a session.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::authorize::{By, Person};
use crate::bearer::{Bearers, Carried, Speaker};
use crate::clock;
use crate::config::settings::{BearerUse, PassedOn, TokenChoice};
use crate::identity::Identity;
use crate::identity::assertion::Handed;
use crate::login::Visitor;
use crate::provider::PoolFault;
use crate::refusal::Refusal;
use crate::rule::Found;
use crate::session::Session;
use crate::session::cookie::Jar;
use crate::session::keeper::Keeper;
use crate::session::refresh::{Generation, Outage};
use crate::session::tokens::TokenBox;
use crate::session::visit::Sessions;
use crate::site::Site;
use crate::streams::{May, Open};

/// How people come in here.
pub struct Callers {
    /// The sessions.
    pub sessions: Arc<Sessions>,
    /// Bearer tokens, where they count.
    pub bearers: Option<Bearers>,
    /// Who sees to what a session has open.
    pub keeper: Arc<Keeper>,
}

/// Who came in.
#[derive(Default)]
pub struct Caller {
    who: Who,
    /// The tokens of a session, where any is handed on.
    tokens: Option<TokenBox>,
    /// What the answer must carry whatever it will be.
    pub cookies: Vec<HeaderValue>,
    /// There is a session that only this outage keeps from counting.
    pub outage: Option<Outage>,
    /// What a refresh for this very request made of the session.
    renewed: Option<Arc<Generation>>,
}

#[derive(Default)]
enum Who {
    #[default]
    Nobody,
    Session(Arc<Session>),
    Speaker(Arc<Speaker>),
}

// === impl Callers ===

impl Callers {
    /// Whether bearer tokens count on what covers a request (`None`: a page of the gate's own). Where a rule turns
    /// them off, `Authorization` is no affair of the gate's, as it is without `[bearer]`.
    pub fn hear_tokens(&self, found: Option<&Found<'_>>) -> bool {
        let off = match found {
            Some(Found::Rule(rule) | Found::MethodNotNamed(rule)) => rule.bearer == Some(BearerUse::Off),
            Some(Found::Default(_)) | None => false,
        };
        self.bearers.is_some() && !off
    }

    /// The bearer token of a request, where those count.
    pub fn carried<'a>(&self, head: &'a HeaderMap, found: Option<&Found<'_>>) -> Carried<'a> {
        if self.hear_tokens(found) { Carried::read(head) } else { Carried::Nothing }
    }

    /// Who it is. Beside a bearer token cookies are neither read nor set. `renew`: whether a session that is due is
    /// refreshed first; `needs`: what it must have at hand to count.
    pub async fn come(
        &self,
        carried: Carried<'_>,
        visitor: Option<&Visitor<'_>>,
        renew: bool,
        needs: PassedOn,
    ) -> Result<Caller, Refusal> {
        match (&self.bearers, carried, visitor) {
            (Some(bearers), Carried::Token(token), _) => {
                let speaker = Box::pin(bearers.speaker(token)).await.map_err(|fault| refused(&fault))?;
                Ok(Caller { who: Who::Speaker(speaker), ..Caller::default() })
            }
            (_, Carried::Malformed | Carried::Token(_), _) => Err(Refusal::Bearer("bearer_malformed")),
            (_, Carried::Nothing, None) => Ok(Caller::default()),
            (_, Carried::Nothing, Some(visitor)) => {
                let visit = self.sessions.visit_with(visitor.site, visitor.jar, renew, needs).await;
                let visit = visit.map_err(|_| Refusal::NoEntropy)?;
                if visit.lacks_tokens {
                    return Err(Refusal::TokensNotKept);
                }
                if visit.too_large {
                    return Err(Refusal::SessionTooLarge);
                }
                let who = visit.session.map_or(Who::Nobody, Who::Session);
                Ok(Caller {
                    who,
                    tokens: visit.tokens,
                    cookies: visit.cookies,
                    outage: visit.outage,
                    renewed: visit.renewed,
                })
            }
        }
    }

    /// A WebSocket or event stream that `caller` opens with this request (`None`: nobody) is open from here on, and
    /// ends when they may no longer: at once, where the session is refreshed and `may` says so of what it has become.
    pub fn open(
        &self,
        caller: Option<&Caller>,
        (site, head): (Option<&Site>, &HeaderMap),
        may: impl FnOnce() -> May,
    ) -> Open {
        match caller.map(|caller| (&caller.who, &caller.renewed)) {
            None | Some((Who::Nobody, _)) => self.keeper.open(None, may()),
            Some((Who::Speaker(speaker), _)) => {
                let left = speaker.ends.saturating_sub(clock::now());
                self.keeper.open(Some(Duration::from_secs(left)), may())
            }
            Some((Who::Session(session), renewed)) => {
                let ticket = match (renewed, site) {
                    (Some(next), _) => Some(next.ticket.clone()),
                    (None, None) => None,
                    (None, Some(site)) => {
                        let tickets = self.sessions.tickets(site, &Jar::read(head, &site.names));
                        tickets.into_iter().find(|ticket| ticket.belongs_to(session))
                    }
                };
                self.keeper.open_of(session, ticket, may())
            }
        }
    }
}

// === impl Caller ===

impl Caller {
    /// The person or machine; `None`: nobody.
    pub fn person(&self) -> Option<Person<'_>> {
        match &self.who {
            Who::Nobody => None,
            Who::Session(session) => Some(person_of(session)),
            Who::Speaker(speaker) => Some(person_of_speaker(speaker)),
        }
    }

    /// Whose bearer token it is, if it is one.
    pub fn speaker(&self) -> Option<&Arc<Speaker>> {
        match &self.who {
            Who::Speaker(speaker) => Some(speaker),
            Who::Nobody | Who::Session(_) => None,
        }
    }

    /// Their session; none of a bearer token.
    pub fn session(&self) -> Option<&Arc<Session>> {
        match &self.who {
            Who::Session(session) => Some(session),
            Who::Nobody | Who::Speaker(_) => None,
        }
    }

    /// Whether the cookies that their answer carries would undo what other answers have told the browser meanwhile.
    pub fn is_outdated(&self, sessions: &Sessions) -> bool {
        match &self.who {
            Who::Session(session) => !self.cookies.is_empty() && sessions.is_outdated(session),
            Who::Nobody | Who::Speaker(_) => false,
        }
    }

    /// What of theirs may be handed on: what the session kept for that, or the token that they came with.
    pub fn handed<'a>(&'a self, carried: Carried<'a>) -> Handed<'a> {
        match (&self.who, carried, &self.tokens) {
            (Who::Speaker(speaker), Carried::Token(token), _) => {
                let profile = Some(&speaker.profile);
                match speaker.token {
                    TokenChoice::Id => Handed { profile, id_token: Some(token), ..Handed::default() },
                    _ => Handed { profile, access_token: Some(token), ..Handed::default() },
                }
            }
            (Who::Session(_), _, Some(tokens)) => Handed {
                profile: tokens.profile.as_ref(),
                access_token: tokens.access.as_deref(),
                id_token: tokens.id.as_deref(),
            },
            _ => Handed::default(),
        }
    }
}

impl From<Outage> for Refusal {
    fn from(outage: Outage) -> Self {
        match outage {
            Outage::Pool => Self::Outage,
            Outage::Store => Self::StoreOutage,
        }
    }
}

/// Whom a bearer token speaks for.
pub fn person_of_speaker(speaker: &Speaker) -> Person<'_> {
    let Identity { sub, user, roles, headers, facts, .. } = &speaker.identity;
    let by = By::Bearer { token: speaker.token, usual: speaker.usual };
    Person { sub, user, roles, headers, facts, by }
}

/// Whose session it is.
pub fn person_of(session: &Session) -> Person<'_> {
    let Session { sub, user, roles, headers, facts, .. } = session;
    Person { sub, user, roles, headers, facts, by: By::Session }
}

/// A bearer token that gave nobody.
fn refused(fault: &PoolFault) -> Refusal {
    match fault {
        PoolFault::Identity(_) => Refusal::Nameless(fault.code()),
        _ if fault.unreachable() => Refusal::Outage,
        _ => Refusal::Bearer(fault.code()),
    }
}
