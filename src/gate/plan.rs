//! What leaves, and for how long what it opens may stay: made of what was decided, before anything is sent.

use http::HeaderValue;

use super::{Gate, Trip, shown};
use crate::ask::Ask;
use crate::authorize::{By, Decision, Person, cover, decide};
use crate::caller::{Caller, person_of, person_of_speaker};
use crate::clock;
use crate::forward::{Cacheability, Forwarded, Plan};
use crate::identity::assertion::{Handed, Who};
use crate::listen::Peer;
use crate::refusal::Refusal;
use crate::rule::Found;
use crate::streams::May;
use crate::tls::client_certificate::ClientCertificate;

impl Gate {
    /// Everything that is decided about a request before it leaves.
    pub(super) fn plan(
        &self,
        ask: &Ask,
        found: &Found<'_>,
        (person, shown): (Option<(&Person<'_>, &Caller, Handed<'_>)>, Option<&ClientCertificate>),
        trip: &Trip,
    ) -> Result<Plan, Refusal> {
        let config = &self.shared.config;
        let mut identity = match person {
            Some((person @ Person { sub, user, roles, .. }, caller, handed)) => {
                let named = self.spoken.of_person(person, caller.session(), &config.identity);
                let mut headers = named.ok_or(Refusal::Unwritable)?;
                headers.extend(self.shared.vouch.headers(ask, found, &Who { sub, user, roles, handed })?);
                headers
            }
            None => vec![],
        };
        identity.extend(self.shared.vouch.of_certificate(shown)?);
        let by_bearer = person.is_some_and(|(person, ..)| person.by != By::Session);
        let cacheability = match found {
            _ if !trip.context.cookies.is_empty() => Cacheability::PrivateNoStore,
            Found::Rule(rule) if rule.cacheable || (found.is_public() && !rule.client_certificate) => {
                Cacheability::Keep
            }
            _ => Cacheability::Private,
        };
        let host = self.spoken.of_host(&ask.authority).ok_or(Refusal::Host)?;
        let rewrite = &config.destination(found.rule()).ok_or(Refusal::Outside)?.rewrite;
        let prefix = rewrite.stripped().map(HeaderValue::try_from).transpose();
        Ok(Plan {
            target: ask.sent(rewrite)?,
            identity,
            drops_authorization: by_bearer && config.bearer.as_ref().is_some_and(|bearer| !bearer.pass),
            forwarded: Forwarded {
                for_: trip.client.clone(),
                proto: ask.scheme.as_str(),
                host: host.clone(),
                prefix: prefix.map_err(|_| Refusal::Target)?,
            },
            host,
            request_id: trip.context.request_id.clone(),
            trace: trip.record.outgoing(),
            upgrade: ask.websocket,
            upstream: found.rule().map_or(0, |rule| rule.upstream),
            cacheability,
        })
    }

    /// Whether what `person` opens with `ask` may stay open once their session is another, or the rules are: by what
    /// decides then, and while what the upstream was told still holds.
    pub(super) fn still(
        &self,
        ask: &Ask,
        caller: Option<&Caller>,
        person: Option<&Person<'_>>,
        peer: &Peer,
    ) -> May {
        let (current, ask, peer) = (self.current.clone(), ask.lasting(), peer.clone());
        let speaker = caller.and_then(Caller::speaker).cloned();
        let (user, roles) =
            person.map(|person| (person.user.to_owned(), person.roles.to_vec())).unwrap_or_default();
        Box::new(move |session| {
            let told = session.is_none_or(|session| {
                session.user == user && roles.iter().all(|role| session.roles.contains(role))
            });
            let person = session.map(person_of).or(speaker.as_deref().map(person_of_speaker));
            let current = current.load();
            let Ok(shown) = shown(&current.config, &peer) else { return false };
            let ask = ask.clone().with_certificate(shown.is_some());
            let forwards = |found| decide(&found, person.as_ref(), &ask, clock::now()) == Decision::Forward;
            told && cover(&current.rules, &ask).is_ok_and(forwards)
        })
    }
}
