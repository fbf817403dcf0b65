//! Who came in: from the cookies of a request to a session that counts, refreshed where that is due.

mod ending;
mod fetched;
mod keeping;
mod remembered;
mod reseal;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::cookie::Jar;
use super::refresh::{Generation, Outage, Refresher, Renewal};
use super::seal::Purpose;
use super::store::Store;
use super::tokens::TokenBox;
use super::{Session, Standing, Ticket};
use crate::clock::{self, NoEntropy};
use crate::config::settings::{self, PassedOn};
use crate::site::Site;
use crate::streams::Streams;
use crate::tally::Tally;
pub use ending::CalledOff;
use fetched::Fetched;
use keeping::of_json;

/// The sessions of this process.
pub struct Sessions {
    policy: settings::Session,
    /// Bytes that all cookies of a session may take together: what the gate itself takes in one request.
    room: usize,
    refresher: Arc<Refresher>,
    streams: Arc<Streams>,
    /// Where several gates share sessions.
    store: Option<Arc<Store>>,
    fetched: Arc<Fetched>,
}

/// What a visit found.
#[derive(Debug, Default)]
pub struct Visit {
    /// The session, if one counts.
    pub session: Option<Arc<Session>>,
    /// Its tokens, where they were asked for; then there is no session without them.
    pub tokens: Option<TokenBox>,
    /// Cookies that the answer must carry.
    pub cookies: Vec<HeaderValue>,
    /// A session would count, if this could be asked.
    pub outage: Option<Outage>,
    /// A session would count, had the browser kept the tokens that came with it.
    pub lacks_tokens: bool,
    /// A session would count, did what its refresh brought fit into cookies.
    pub too_large: bool,
    /// The generation that the cookies bring, where that is a new one.
    pub renewed: Option<Arc<Generation>>,
}

// === impl Sessions ===

impl Sessions {
    /// Sessions under `policy`, each in at most `room` bytes of cookies.
    pub fn new(
        policy: settings::Session,
        room: usize,
        refresher: Arc<Refresher>,
        streams: Arc<Streams>,
        store: Option<Arc<Store>>,
    ) -> Self {
        Self { policy, room, refresher, streams, store, fetched: Arc::default() }
    }

    /// The same sessions under another policy.
    pub fn with(&self, policy: settings::Session, room: usize) -> Self {
        Self {
            policy,
            room,
            refresher: self.refresher.clone(),
            streams: self.streams.clone(),
            store: self.store.clone(),
            fetched: self.fetched.clone(),
        }
    }

    /// Who the cookies of a request say has come in. `renew`: whether a session that is due is refreshed first;
    /// where nothing is decided by it, it is taken as it is.
    pub async fn visit(&self, site: &Site, jar: &Jar<'_>, renew: bool) -> Result<Visit, NoEntropy> {
        self.visit_with(site, jar, renew, PassedOn::default()).await
    }

    /// The same for a request that is handed tokens: a session without those that are needed does not count, and
    /// a refresh is what brings them.
    pub async fn visit_with(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        renew: bool,
        needs: PassedOn,
    ) -> Result<Visit, NoEntropy> {
        let now = clock::now();
        let Some(session) = self.pass(site, jar) else { return Ok(Visit::default()) };
        let visit = self.come(site, jar, session, renew, needs, now).await?;
        self.count(&visit);
        Ok(visit)
    }

    async fn come(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        session: Arc<Session>,
        renew: bool,
        needs: PassedOn,
        now: u64,
    ) -> Result<Visit, NoEntropy> {
        // It may have been called off at another gate, and nothing is heard from there.
        if self.store.as_ref().is_some_and(|store| !store.vouches()) {
            return Ok(Visit { outage: Some(Outage::Store), ..Visit::default() });
        }
        let tokens = self.tokens(site, jar, &session, needs, now);
        let standing = match session.standing(now, &self.policy) {
            Standing::Fresh | Standing::Due if needs.any() && tokens.is_none() => {
                let ticket = self.tickets(site, jar).into_iter().any(|ticket| ticket.belongs_to(&session));
                let not_kept =
                    if ticket { self.fetched.lately(&session, now) } else { session.is_of_late(now) };
                match (ticket, not_kept) {
                    (_, true) if renew => {
                        tracing::warn!(session = %session.id, "the browser does not keep the token cookie");
                        return Ok(Visit { lacks_tokens: true, ..Visit::default() });
                    }
                    (true, false) => Standing::Overdue,
                    _ => Standing::Ended,
                }
            }
            standing => standing,
        };
        match standing {
            Standing::Ended => Ok(Visit::default()),
            Standing::Fresh => {
                let mut visit = self.as_it_is(site, jar, session, tokens, now)?;
                self.reseal(site, jar, &mut visit, now)?;
                Ok(visit)
            }
            Standing::Due if !renew => self.as_it_is(site, jar, session, tokens, now),
            Standing::Overdue if !renew => Ok(Visit::default()),
            standing => Box::pin(self.renew(site, jar, (session, tokens), standing, needs, now)).await,
        }
    }

    /// The session that a valid pass names, whatever its standing.
    pub fn pass(&self, site: &Site, jar: &Jar<'_>) -> Option<Arc<Session>> {
        let name = &site.names.pass;
        let passes = &self.refresher.tally().passes;
        let mut came = false;
        let found = jar
            .candidates(name)
            .inspect(|_| came = true)
            .find_map(|text| remembered::open(&site.sealer, name, &text))
            .map(|(session, current)| (session, if current { &passes.current } else { &passes.older }));
        let (session, opened) = match found {
            Some((session, _)) if self.streams.is_revoked(&session) => (None, &passes.called_off),
            Some((session, opened)) => (Some(session), opened),
            None if came => (None, &passes.unreadable),
            None => return None,
        };
        opened.inc();
        session
    }

    fn count(&self, visit: &Visit) {
        let visits = &self.refresher.tally().visits;
        let outcome = match visit {
            Visit { session: Some(_), .. } => &visits.served,
            Visit { outage: Some(Outage::Pool), .. } => &visits.pool_outage,
            Visit { outage: Some(Outage::Store), .. } => &visits.store_outage,
            Visit { lacks_tokens: true, .. } => &visits.tokens_not_kept,
            Visit { too_large: true, .. } => &visits.too_large,
            _ => &visits.over,
        };
        outcome.inc();
    }

    /// Where sessions are counted, and written down.
    pub fn tally(&self) -> &Arc<Tally> {
        self.refresher.tally()
    }

    /// Every ticket that opens, whether or not its pass is still there.
    pub fn tickets(&self, site: &Site, jar: &Jar<'_>) -> Vec<Ticket> {
        let name = &site.names.ticket;
        jar.candidates(name)
            .filter_map(|text| site.sealer.open(Purpose::Ticket, name, &text))
            .filter_map(|opened| of_json(&opened.plain))
            .collect()
    }

    /// The tickets that refreshes of this generation gave or are about to give instead of `ticket`.
    pub async fn successors(&self, session: &Session, ticket: &Ticket) -> Vec<Ticket> {
        self.refresher.successors(session, ticket).await
    }

    /// The session as the pass has it, sealed anew where the idle limit must see this visit.
    fn as_it_is(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        session: Arc<Session>,
        tokens: Option<TokenBox>,
        now: u64,
    ) -> Result<Visit, NoEntropy> {
        if !session.wants_new_seal(now, &self.policy) {
            return Ok(Visit { session: Some(session), tokens, ..Visit::default() });
        }
        let session = Arc::new(Session { seen: now, ..Arc::unwrap_or_clone(session) });
        self.streams.visited(&session);
        let cookies = self.pass_cookies(site, jar, &session, now)?.unwrap_or_default();
        Ok(Visit { session: Some(session), tokens, cookies, ..Visit::default() })
    }

    /// A session of a generation that the browser does not have yet, with the cookies that bring it there.
    fn as_renewed(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        next: &Arc<Generation>,
        needs: PassedOn,
        now: u64,
    ) -> Result<Visit, NoEntropy> {
        let Generation { session, ticket, tokens, .. } = &**next;
        let session = &Arc::new(Session { seen: now, ..session.clone() });
        self.streams.visited(session);
        // Without its cookies each further request would be a refresh, and a rotated token would be lost.
        let Some(cookies) = self.cookies(site, jar, (session, Some(ticket), tokens.as_ref()), now)? else {
            next.too_large.call_once(|| {
                let (roles, with_tokens) = (session.roles.len(), tokens.is_some());
                tracing::warn!(session = %session.id, roles, with_tokens, "a refreshed session is too large for cookies");
            });
            return Ok(Visit { too_large: true, ..Visit::default() });
        };
        if !serves(next, needs, now) {
            return Ok(Visit { cookies, ..Visit::default() });
        }
        let tokens = tokens.clone().filter(|_| needs.any());
        let renewed = Some(next.clone());
        Ok(Visit { session: Some(session.clone()), tokens, cookies, renewed, ..Visit::default() })
    }

    async fn renew(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        (session, tokens): (Arc<Session>, Option<TokenBox>),
        standing: Standing,
        needs: PassedOn,
        now: u64,
    ) -> Result<Visit, NoEntropy> {
        // Whoever drops the ticket to keep old roles has no session.
        let tickets = self.tickets(site, jar);
        let Some(ticket) = tickets.into_iter().find(|ticket| ticket.belongs_to(&session)) else {
            return Ok(Visit::default());
        };
        let (mut generation, mut moved_on) =
            (Arc::new(Generation::new(Arc::unwrap_or_clone(session), ticket, tokens)), false);
        let renewal = loop {
            let urgent = standing == Standing::Overdue;
            let renewal = self.refresher.renew(&generation.session, &generation.ticket, urgent);
            // While the session still counts a slow pool is not waited for; the flight goes on without us.
            let patience = if standing == Standing::Due { PATIENCE } else { LAST_PATIENCE };
            let renewal =
                tokio::time::timeout(patience, renewal).await.unwrap_or(Renewal::Unavailable(Outage::Pool));
            match renewal {
                // Nothing more is asked for whoever has signed out meanwhile.
                renewal if self.streams.is_revoked(&generation.session) => break renewal,
                // A result kept for late-comers may have grown old itself: on to the generation after it.
                Renewal::Renewed(next) if self.has_grown_old(&next.session) => {
                    (generation, moved_on) = (next, true)
                }
                renewal => break renewal,
            }
        };
        let session = &generation.session;
        // The grace is the pool's: what a store keeps back is excused for a moment, or if it is said so to the access
        // token's end.
        let excused = match (&renewal, &self.store) {
            (Renewal::Unavailable(Outage::Store), Some(store)) => now < store.excuses(session, &self.policy),
            _ => session.survives_outage(now, &self.policy),
        };
        let survives = excused && serves(&generation, needs, now);
        match renewal {
            // Whoever waited since before the sign-out, for whatever, does not bring the session back.
            _ if self.streams.is_revoked(session) => Ok(Visit::default()),
            Renewal::Renewed(next) => self.as_renewed(site, jar, &next, needs, now),
            // No cookie is deleted: a sibling replica may have given the browser newer ones.
            Renewal::Dead => Ok(Visit::default()),
            Renewal::Unavailable(_) if survives && moved_on => {
                self.as_renewed(site, jar, &generation, needs, now)
            }
            Renewal::Unavailable(_) if survives => {
                let Generation { session, tokens, .. } = Arc::unwrap_or_clone(generation);
                self.as_it_is(site, jar, Arc::new(session), tokens, now)
            }
            Renewal::Unavailable(outage) => Ok(Visit { outage: Some(outage), ..Visit::default() }),
        }
    }

    /// Whether the browser may have newer cookies than those of `session`, or should have none any more: it has been
    /// refreshed since, or has signed out.
    pub fn is_outdated(&self, session: &Session) -> bool {
        self.streams.is_revoked(session) || self.refresher.outdates(session)
    }

    /// Whether a session that was just handed out wants refreshing again. One of this very second does not,
    /// however short its tokens live.
    fn has_grown_old(&self, session: &Session) -> bool {
        let now = clock::now();
        // However long it has not been seen: somebody is here now.
        now > session.refreshed && now >= session.due(&self.policy).min(session.ends)
    }

    /// The tokens that go with this pass, if they are needed and there is all that is needed.
    fn tokens(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        session: &Session,
        needs: PassedOn,
        now: u64,
    ) -> Option<TokenBox> {
        // Opened only where one is handed on.
        if !needs.any() {
            return None;
        }
        let name = &site.names.token;
        jar.candidates(name)
            .filter_map(|text| site.sealer.open(Purpose::Token, name, &text))
            .filter_map(|opened| of_json::<TokenBox>(&opened.plain))
            .find(|tokens| tokens.counts(session, needs, now))
    }
}

/// Whether nothing is needed, or all that is needed is there.
fn serves(generation: &Generation, needs: PassedOn, now: u64) -> bool {
    let Generation { session, tokens, .. } = generation;
    !needs.any() || tokens.as_ref().is_some_and(|tokens| tokens.counts(session, needs, now))
}

/// How long a request waits for a refresh that it cannot do without: a token call's own limit and a little.
const LAST_PATIENCE: Duration = Duration::from_secs(12);
/// How long a request waits for a refresh that it could do without.
const PATIENCE: Duration = Duration::from_secs(2);
