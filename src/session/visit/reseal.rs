//! What a key sealed that seals no more is sealed anew with the next answer, so that the old key can be dropped.
//!
//! A cookie carries no order, so an answer that is late may replace what a quicker one brought since. Sealing anew
//! changes no content; it can only take a browser back to the generation that the request came with. Therefore it is
//! left to the refresh, which seals anew anyway, wherever one may come while this answer is on its way.

use http::HeaderValue;

use super::keeping::{json, of_json};
use super::{Sessions, Visit};
use crate::clock::NoEntropy;
use crate::config::settings::PassedOn;
use crate::session::cookie::Jar;
use crate::session::seal::Purpose;
use crate::session::tokens::TokenBox;
use crate::session::{Session, Standing, Ticket, pass};
use crate::site::Site;

impl Sessions {
    /// Adds to a visit whose session is fresh the cookies that an old key sealed, sealed by the current one: of pass,
    /// ticket and tokens those that need it, and the others are not touched.
    pub(super) fn reseal(
        &self,
        site: &Site,
        jar: &Jar<'_>,
        visit: &mut Visit,
        now: u64,
    ) -> Result<(), NoEntropy> {
        // Almost every visit ends here: nothing was opened for it.
        let is_old = |text| site.sealer.is_old(text);
        if !site.sealer.has_old_keys() || !jar.beginnings(&site.names).any(is_old) {
            return Ok(());
        }
        let Some(session) = visit.session.as_ref().filter(|session| self.stays_fresh(session, now)) else {
            return Ok(());
        };
        let mut cookies: Vec<HeaderValue> = Vec::new();
        let (names, ends) = (&site.names, session.ends);
        // Where the idle limit had the pass sealed anew already, the one that came says another time than the session.
        if old(site, jar, Purpose::Pass, &names.pass, pass::read, |pass| *pass == **session).is_some() {
            cookies.extend(self.pass_cookies(site, jar, session, now)?.unwrap_or_default());
        }
        let belongs = |ticket: &Ticket| ticket.belongs_to(session);
        if let Some(ticket) = old(site, jar, Purpose::Ticket, &names.ticket, of_json, belongs) {
            cookies
                .extend(self.keep(site, jar, Purpose::Ticket, json(&ticket), ends, now)?.unwrap_or_default());
        }
        let counts = |tokens: &TokenBox| tokens.counts(session, PassedOn::default(), now);
        if let Some(tokens) = old(site, jar, Purpose::Token, &names.token, of_json, counts) {
            cookies
                .extend(self.keep(site, jar, Purpose::Token, json(&tokens), ends, now)?.unwrap_or_default());
        }
        visit.cookies.extend(cookies);
        Ok(())
    }

    /// Whether no refresh of `session` can come while an answer that begins now is on its way. Being idle does not
    /// count: a visit that is answered ends it.
    fn stays_fresh(&self, session: &Session, now: u64) -> bool {
        let later = now + ON_ITS_WAY;
        Session { seen: later, ..session.clone() }.standing(later, &self.policy) == Standing::Fresh
    }
}

/// The value that counts of those in the cookie `name`, if a key sealed it that seals no more.
fn old<T>(
    site: &Site,
    jar: &Jar<'_>,
    purpose: Purpose,
    name: &str,
    read: fn(&[u8]) -> Option<T>,
    counts: impl Fn(&T) -> bool,
) -> Option<T> {
    let opened = jar.candidates(name).filter_map(|text| site.sealer.open(purpose, name, &text));
    let mut counting = opened.filter_map(|opened| {
        let value = read(&opened.plain).filter(&counts)?;
        Some((value, opened.current))
    });
    counting.next().filter(|(_, current)| !current).map(|(value, _)| value)
}

/// How long an answer may be on its way until it is not worth caring about, seconds: twice what an upstream has to
/// begin one.
const ON_ITS_WAY: u64 = 120;
