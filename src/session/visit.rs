//! Who came in: from the cookies of a request to a session that counts, refreshed where that is due.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;

use super::cookie::{Jar, PART_LEN};
use super::refresh::{Refresher, Renewal};
use super::seal::Purpose;
use super::{Session, Standing, Ticket};
use crate::clock::{self, NoEntropy};
use crate::config::settings;
use crate::site::{Site, seal_nonce};

/// The sessions of this process.
pub struct Sessions {
    policy: settings::Session,
    refresher: Arc<Refresher>,
    signed_out: SignedOut,
}

/// What a visit found.
#[derive(Debug, Default)]
pub struct Visit {
    /// The session, if one counts.
    pub session: Option<Session>,
    /// Cookies that the answer must carry.
    pub cookies: Vec<HeaderValue>,
    /// A session would count, if the pool could be asked.
    pub outage: bool,
}

/// Sessions that signed out in this process: their cookies may still be replayed from elsewhere.
#[derive(Default)]
struct SignedOut {
    ids: Mutex<HashMap<String, u64>>,
    /// How many there are, so that the common case costs no lock.
    count: AtomicUsize,
}

// === impl Sessions ===

impl Sessions {
    /// Sessions under `policy`.
    pub fn new(policy: settings::Session, refresher: Arc<Refresher>) -> Self {
        Self { policy, refresher, signed_out: SignedOut::default() }
    }

    /// Who the cookies of a request say has come in. `renew`: whether a session that is due is refreshed first;
    /// where nothing is decided by it, it is taken as it is.
    pub async fn visit(&self, site: &Site, jar: &Jar<'_>, renew: bool) -> Result<Visit, NoEntropy> {
        let now = clock::now();
        let Some(session) = self.pass(site, jar) else { return Ok(Visit::default()) };
        match session.standing(now, &self.policy) {
            Standing::Ended => Ok(Visit::default()),
            Standing::Fresh => self.as_it_is(site, jar, session, now),
            Standing::Due if !renew => self.as_it_is(site, jar, session, now),
            Standing::Overdue if !renew => Ok(Visit::default()),
            standing => self.renew(site, jar, session, standing, now).await,
        }
    }

    /// The session that a valid pass names, whatever its standing.
    pub fn pass(&self, site: &Site, jar: &Jar<'_>) -> Option<Session> {
        let name = &site.names.pass;
        let session: Session = jar
            .candidates(name)
            .filter_map(|text| site.sealer.open(Purpose::Pass, name, &text))
            .find_map(|plain| serde_json::from_slice(&plain).ok())?;
        (!self.signed_out.contains(&session.id)).then_some(session)
    }

    /// Every ticket that opens, whether or not its pass is still there.
    pub fn tickets(&self, site: &Site, jar: &Jar<'_>) -> Vec<Ticket> {
        let name = &site.names.ticket;
        jar.candidates(name)
            .filter_map(|text| site.sealer.open(Purpose::Ticket, name, &text))
            .filter_map(|plain| serde_json::from_slice(&plain).ok())
            .collect()
    }

    /// The cookies that make a browser keep a session; `None` if it is too large for cookies.
    pub fn cookies(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        session: &Session,
        ticket: Option<&Ticket>,
        now: u64,
    ) -> Result<Option<Vec<HeaderValue>>, NoEntropy> {
        let Some(mut cookies) = self.pass_cookies(site, jar, session, now)? else { return Ok(None) };
        if let Some(ticket) = ticket {
            let Some(more) = self.keep(site, jar, Purpose::Ticket, ticket, session.ends, now)? else {
                return Ok(None);
            };
            cookies.extend(more);
        }
        Ok(Some(cookies))
    }

    /// From now on this session counts no more in this process, nor what a refresh in flight makes of it.
    pub fn sign_out(&self, session: &Session) {
        self.signed_out.insert(session.id.clone(), session.ends, clock::now());
    }

    /// The session as the pass has it, sealed anew where the idle limit must see this visit.
    fn as_it_is(&self, site: &Site, jar: &Jar<'_>, session: Session, now: u64) -> Result<Visit, NoEntropy> {
        if !session.wants_new_seal(now, &self.policy) {
            return Ok(Visit { session: Some(session), ..Visit::default() });
        }
        let session = Session { seen: now, ..session };
        let cookies = self.pass_cookies(site, jar, &session, now)?.unwrap_or_default();
        Ok(Visit { session: Some(session), cookies, outage: false })
    }

    async fn renew(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        session: Session,
        standing: Standing,
        now: u64,
    ) -> Result<Visit, NoEntropy> {
        // Whoever drops the ticket to keep old roles has no session.
        let tickets = self.tickets(site, jar);
        let Some(ticket) = tickets.into_iter().find(|ticket| ticket.belongs_to(&session)) else {
            return Ok(Visit::default());
        };
        let (mut generation, mut moved_on) = (Arc::new((session, ticket)), false);
        let renewal = loop {
            let renewal = self.refresher.renew(&generation.0, &generation.1);
            // While the session still counts a slow pool is not waited for; the flight goes on without us.
            let patience = if standing == Standing::Due { PATIENCE } else { LAST_PATIENCE };
            let renewal = tokio::time::timeout(patience, renewal).await.unwrap_or(Renewal::Unavailable);
            match renewal {
                // A result kept for late-comers may have grown old itself: on to the generation after it.
                Renewal::Renewed(next) if self.has_grown_old(&next.0) => {
                    (generation, moved_on) = (next, true)
                }
                renewal => break renewal,
            }
        };
        let (session, ticket) = (generation.0.clone(), &generation.1);
        match renewal {
            Renewal::Renewed(_) if self.signed_out.contains(&session.id) => Ok(Visit::default()),
            Renewal::Renewed(renewed) => {
                let (session, ticket) = &*renewed;
                let cookies = self.cookies(site, jar, session, Some(ticket), now)?;
                if cookies.is_none() {
                    tracing::warn!(session = %session.id, "the refreshed session is too large for cookies");
                }
                Ok(Visit {
                    session: Some(session.clone()),
                    cookies: cookies.unwrap_or_default(),
                    outage: false,
                })
            }
            // No cookie is deleted: a sibling replica may have given the browser newer ones.
            Renewal::Dead => Ok(Visit::default()),
            Renewal::Unavailable if session.survives_outage(now, &self.policy) && moved_on => {
                let cookies = self.cookies(site, jar, &session, Some(ticket), now)?.unwrap_or_default();
                Ok(Visit { session: Some(session), cookies, outage: false })
            }
            Renewal::Unavailable if session.survives_outage(now, &self.policy) => {
                self.as_it_is(site, jar, session, now)
            }
            Renewal::Unavailable => Ok(Visit { outage: true, ..Visit::default() }),
        }
    }

    /// Whether a session that was just handed out wants refreshing again. One of this very second does not,
    /// however short its tokens live.
    fn has_grown_old(&self, session: &Session) -> bool {
        let now = clock::now();
        now > session.refreshed && session.standing(now, &self.policy) != Standing::Fresh
    }

    fn pass_cookies(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        session: &Session,
        now: u64,
    ) -> Result<Option<Vec<HeaderValue>>, NoEntropy> {
        self.keep(site, jar, Purpose::Pass, session, session.ends, now)
    }

    fn keep(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        purpose: Purpose,
        value: &impl serde::Serialize,
        ends: u64,
        now: u64,
    ) -> Result<Option<Vec<HeaderValue>>, NoEntropy> {
        let name = if purpose == Purpose::Pass { &site.names.pass } else { &site.names.ticket };
        let Ok(plain) = serde_json::to_vec(value) else { return Ok(None) };
        let sealed = site.sealer.seal(purpose, name, &plain, PART_LEN, seal_nonce()?);
        Ok(sealed.map(|sealed| site.names.keep(jar, name, &sealed, ends.saturating_sub(now))))
    }
}

// === impl SignedOut ===

impl SignedOut {
    fn contains(&self, id: &str) -> bool {
        self.count.load(Ordering::Relaxed) > 0
            && self.ids.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    fn insert(&self, id: String, ends: u64, now: u64) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() >= MAX_SIGNED_OUT {
            ids.retain(|_, ends| now < *ends);
        }
        if ids.len() < MAX_SIGNED_OUT {
            ids.insert(id, ends);
        } else {
            tracing::warn!(
                "too many sign-outs to remember: this one's cookies count until its access token ends"
            );
        }
        self.count.store(ids.len(), Ordering::Relaxed);
    }
}

/// How long a request waits for a refresh that it cannot do without: a token call's own limit and a little.
const LAST_PATIENCE: Duration = Duration::from_secs(12);
/// How long a request waits for a refresh that it could do without.
const PATIENCE: Duration = Duration::from_secs(2);
/// Beyond this many the oldest protection is the access token's end alone.
const MAX_SIGNED_OUT: usize = 100_000;
